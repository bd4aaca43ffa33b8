"""The ensemble runner: batches of paths in one solve, streaming moments, results as labelled data sets."""

from sde_momentum.ensembles._cluster import join_cluster as join_cluster
from sde_momentum.ensembles._distributed import PeerLostError as PeerLostError
from sde_momentum.ensembles._simulate import simulate as simulate

__all__ = ["PeerLostError", "join_cluster", "simulate"]
