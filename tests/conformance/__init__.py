"""Tests of the conformance suite: that our server passes it, and that no planted fault does."""
