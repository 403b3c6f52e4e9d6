"""What the speed claims are measured with: ratios within one run, against limits and between sizes."""
