"""Weak, strong and path-level errors of a rule against its limit."""
