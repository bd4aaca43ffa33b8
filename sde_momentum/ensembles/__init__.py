"""The ensemble runner: batches of paths in one solve, streaming moments, results as labelled data sets."""

from sde_momentum.ensembles._simulate import simulate as simulate

__all__ = ["simulate"]
