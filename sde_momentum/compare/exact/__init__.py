"""Closed moments of affine chains and equations: nothing is sampled."""
