"""Stochastic differential equations of optimizers."""
