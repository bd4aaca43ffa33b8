"""Transition operators in one and two dimensions: nothing is sampled."""
