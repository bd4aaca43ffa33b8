"""Long horizon: the manifold of minimizers, the limit of gradient flow, and the slow equation of SGD and SGDM on it."""

from ._adam_sde import AdamSlowSDE as AdamSlowSDE
from ._adam_sde import adam_slow_sde as adam_slow_sde
from ._derivatives import contract_third_derivative as contract_third_derivative
from ._flow_projection import flow_projection as flow_projection
from ._fluctuations import normal_covariance as normal_covariance
from ._kernel_drift import KernelDrift as KernelDrift
from ._kernel_drift import kernel_slow_drift as kernel_slow_drift
from ._kernel_drift import softmax_outputs as softmax_outputs
from ._kernel_sde import KernelSlowSDE as KernelSlowSDE
from ._kernel_sde import kernel_retract as kernel_retract
from ._kernel_space import KernelSpace as KernelSpace
from ._kernel_space import kernel_space as kernel_space
from ._kernel_space import weighted_curvature as weighted_curvature
from ._limit_map import LimitPoint as LimitPoint
from ._limit_map import limit_map as limit_map
from ._noise_report import NoiseOutcome as NoiseOutcome
from ._noise_report import NoiseReport as NoiseReport
from ._noise_report import inspect_noise as inspect_noise
from ._normal_space import NormalSpace as NormalSpace
from ._normal_space import normal_space as normal_space
from ._outcome import Outcome as Outcome
from ._point import ManifoldPoint as ManifoldPoint
from ._point import inspect_point as inspect_point
from ._point import retract as retract
from ._regularizers import hutchinson_trace as hutchinson_trace
from ._regularizers import log_pseudo_determinant as log_pseudo_determinant
from ._regularizers import log_pseudo_determinant_gradient as log_pseudo_determinant_gradient
from ._regularizers import trace_hessian as trace_hessian
from ._regularizers import trace_hessian_gradient as trace_hessian_gradient
from ._retracted_euler import RetractedEuler as RetractedEuler
from ._slow_drift import SlowDrift as SlowDrift
from ._slow_drift import slow_diffusion as slow_diffusion
from ._slow_drift import slow_drift as slow_drift
from ._slow_sde import SlowSDE as SlowSDE
from ._slow_sde import slow_sde as slow_sde

__all__ = [
    "AdamSlowSDE",
    "KernelDrift",
    "KernelSlowSDE",
    "KernelSpace",
    "LimitPoint",
    "ManifoldPoint",
    "NoiseOutcome",
    "NoiseReport",
    "NormalSpace",
    "Outcome",
    "RetractedEuler",
    "SlowDrift",
    "SlowSDE",
    "adam_slow_sde",
    "contract_third_derivative",
    "flow_projection",
    "hutchinson_trace",
    "inspect_noise",
    "inspect_point",
    "kernel_retract",
    "kernel_slow_drift",
    "kernel_space",
    "limit_map",
    "log_pseudo_determinant",
    "log_pseudo_determinant_gradient",
    "normal_covariance",
    "normal_space",
    "retract",
    "slow_diffusion",
    "slow_drift",
    "slow_sde",
    "softmax_outputs",
    "trace_hessian",
    "trace_hessian_gradient",
    "weighted_curvature",
]
