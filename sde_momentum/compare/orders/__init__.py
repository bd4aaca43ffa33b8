"""Signed errors over learning rates: the order with its interval, the verdict, the plan, the figure."""
