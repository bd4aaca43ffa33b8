"""What diffrax lacks, usable without the rest of the package: random numbers by counter, noise paths, weak solvers."""

from sde_momentum.solvers._counter_path import CounterPath as CounterPath
from sde_momentum.solvers._counter_path import Substeps as Substeps
from sde_momentum.solvers._counter_path import WeakIncrement as WeakIncrement
from sde_momentum.solvers._extrapolate import extrapolate as extrapolate
from sde_momentum.solvers._fused_term import FusedTerm as FusedTerm
from sde_momentum.solvers._increments import AbstractIncrements as AbstractIncrements
from sde_momentum.solvers._increments import GaussianIncrements as GaussianIncrements
from sde_momentum.solvers._increments import ThreePointIncrements as ThreePointIncrements
from sde_momentum.solvers._increments import TwoPointIncrements as TwoPointIncrements
from sde_momentum.solvers._indices import indices as indices
from sde_momentum.solvers._ito_tableau import DRI1 as DRI1
from sde_momentum.solvers._ito_tableau import RI6 as RI6
from sde_momentum.solvers._ito_tableau import ItoTableau as ItoTableau
from sde_momentum.solvers._macro_euler import MacroEuler as MacroEuler
from sde_momentum.solvers._normal import normal as normal
from sde_momentum.solvers._seed import Seed as Seed
from sde_momentum.solvers._seed import seed_from_key as seed_from_key
from sde_momentum.solvers._shuffled_indices import shuffled_indices as shuffled_indices
from sde_momentum.solvers._signs import signs as signs
from sde_momentum.solvers._small_noise import SmallNoise as SmallNoise
from sde_momentum.solvers._streams import Stream as Stream
from sde_momentum.solvers._three_point import three_point as three_point
from sde_momentum.solvers._tune_cpu import tune_cpu as tune_cpu
from sde_momentum.solvers._underdamped import UnderdampedSplitting as UnderdampedSplitting
from sde_momentum.solvers._underdamped import UnderdampedTerm as UnderdampedTerm
from sde_momentum.solvers._weak_rk2 import WeakRK2 as WeakRK2
from sde_momentum.solvers._weak_rk2_additive import WeakRK2Additive as WeakRK2Additive

__all__ = [
    "Seed",
    "Stream",
    "seed_from_key",
    "normal",
    "signs",
    "three_point",
    "indices",
    "shuffled_indices",
    "AbstractIncrements",
    "GaussianIncrements",
    "TwoPointIncrements",
    "ThreePointIncrements",
    "CounterPath",
    "Substeps",
    "WeakIncrement",
    "FusedTerm",
    "MacroEuler",
    "SmallNoise",
    "WeakRK2",
    "WeakRK2Additive",
    "ItoTableau",
    "RI6",
    "DRI1",
    "UnderdampedTerm",
    "UnderdampedSplitting",
    "extrapolate",
    "tune_cpu",
]
