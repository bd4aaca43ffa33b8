"""Long horizon: the manifold of minimizers, the limit of gradient flow, and the slow equation of SGD and SGDM on it."""

from ._derivatives import contract_third_derivative as contract_third_derivative
from ._fluctuations import normal_covariance as normal_covariance
from ._limit_map import LimitPoint as LimitPoint
from ._limit_map import limit_map as limit_map
from ._normal_space import NormalSpace as NormalSpace
from ._normal_space import normal_space as normal_space
from ._outcome import Outcome as Outcome
from ._point import ManifoldPoint as ManifoldPoint
from ._point import inspect_point as inspect_point
from ._point import retract as retract
from ._retracted_euler import RetractedEuler as RetractedEuler
from ._slow_drift import SlowDrift as SlowDrift
from ._slow_drift import slow_diffusion as slow_diffusion
from ._slow_drift import slow_drift as slow_drift
from ._slow_rule import effective_learning_rate as effective_learning_rate
from ._slow_sde import SlowSDE as SlowSDE
from ._slow_sde import slow_sde as slow_sde

__all__ = [
    "LimitPoint",
    "ManifoldPoint",
    "NormalSpace",
    "Outcome",
    "RetractedEuler",
    "SlowDrift",
    "SlowSDE",
    "contract_third_derivative",
    "effective_learning_rate",
    "inspect_point",
    "limit_map",
    "normal_covariance",
    "normal_space",
    "retract",
    "slow_diffusion",
    "slow_drift",
    "slow_sde",
]
