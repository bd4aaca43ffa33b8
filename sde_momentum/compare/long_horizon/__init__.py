"""Optimizers over long times against the slow equation."""
