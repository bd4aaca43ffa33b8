"""Averages over the gradient noise: cumulants in general, closed forms under Gaussian laws."""
