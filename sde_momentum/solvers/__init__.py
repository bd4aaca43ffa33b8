"""What diffrax lacks, usable without the rest of the package: random numbers by counter, noise paths, weak solvers."""

from sde_momentum.solvers._counter_path import CounterPath as CounterPath
from sde_momentum.solvers._counter_path import Substeps as Substeps
from sde_momentum.solvers._counter_path import WeakIncrement as WeakIncrement
from sde_momentum.solvers._fused_term import FusedTerm as FusedTerm
from sde_momentum.solvers._increments import AbstractIncrements as AbstractIncrements
from sde_momentum.solvers._increments import GaussianIncrements as GaussianIncrements
from sde_momentum.solvers._increments import ThreePointIncrements as ThreePointIncrements
from sde_momentum.solvers._increments import TwoPointIncrements as TwoPointIncrements
from sde_momentum.solvers._indices import indices as indices
from sde_momentum.solvers._macro_euler import MacroEuler as MacroEuler
from sde_momentum.solvers._normal import normal as normal
from sde_momentum.solvers._seed import Seed as Seed
from sde_momentum.solvers._seed import seed_from_key as seed_from_key
from sde_momentum.solvers._shuffled_indices import shuffled_indices as shuffled_indices
from sde_momentum.solvers._signs import signs as signs
from sde_momentum.solvers._streams import Stream as Stream
from sde_momentum.solvers._three_point import three_point as three_point

__all__ = [
    "AbstractIncrements",
    "CounterPath",
    "FusedTerm",
    "GaussianIncrements",
    "MacroEuler",
    "Seed",
    "Stream",
    "Substeps",
    "ThreePointIncrements",
    "TwoPointIncrements",
    "WeakIncrement",
    "indices",
    "normal",
    "seed_from_key",
    "shuffled_indices",
    "signs",
    "three_point",
]
