"""Results in the forms that people and programs read. None of them judges."""
