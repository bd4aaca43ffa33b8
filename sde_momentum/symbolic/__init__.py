"""Derivation: from update rules and regimes to limits, in contracted tensor graphs."""

from ._coordinates import CoordinateEquation as CoordinateEquation
from ._coordinates import coordinate_equation as coordinate_equation
from ._coordinates_components import in_coordinates as in_coordinates
from ._coordinates_difference import difference as difference
from ._field_functions import LOSS_SLOPE as LOSS_SLOPE
from ._field_functions import NOISE_DEVIATION as NOISE_DEVIATION
from ._field_functions import NOISE_VARIANCE as NOISE_VARIANCE
from ._field_functions import SQUARED_GRADIENT as SQUARED_GRADIENT
from ._field_functions import function_expression as function_expression
from ._field_functions import scalar_expression as scalar_expression
from ._fields import elementwise_expression as elementwise_expression
from ._find_clock import find_clock as find_clock
from ._gradient_functions import squared_norm as squared_norm
from ._graph import Graph as Graph
from ._graph import Label as Label
from ._graph import Node as Node
from ._graph import labels as graph_labels
from ._json import from_json as from_json
from ._json import to_json as to_json
from ._latex import to_latex as to_latex
from ._limit import Limit as Limit
from ._limit import NoDiffusion as NoDiffusion
from ._limit_map_derivatives import LimitMapDerivatives as LimitMapDerivatives
from ._limit_map_derivatives import limit_map_derivatives as limit_map_derivatives
from ._mathml import to_mathml as to_mathml
from ._modified_equation import modified_equation as modified_equation
from ._potential import GradientSplit as GradientSplit
from ._potential import gradient_of as gradient_of
from ._potential import split_gradient as split_gradient
from ._regime import Regime as Regime
from ._rule import Source as Source
from ._rule import UpdateRule as UpdateRule
from ._rule import require_rule as require_rule
from ._rule import update_rule as update_rule
from ._slow_equation import SlowEquation as SlowEquation
from ._slow_equation import slow_equation as slow_equation
from ._slow_noise import SlowNoise as SlowNoise
from ._slow_noise import spectral_noise as spectral_noise
from ._slow_rule import LinearRule as LinearRule
from ._slow_rule import effective_learning_rate as effective_learning_rate
from ._slow_rule import linear_rule as linear_rule
from ._symbols import LEARNING_RATE as LEARNING_RATE
from ._symbols import MOMENTUM as MOMENTUM
from ._symbols import RELAXATION_RATE as RELAXATION_RATE
from ._symbols import hyperparameter as hyperparameter
from ._symbols import variable as variable
from ._tensor_expression import TensorExpression as TensorExpression
from ._tensor_expression import loss_derivative as loss_derivative
from ._tensor_expression import noise_covariance as noise_covariance

__all__ = [
    "LEARNING_RATE",
    "MOMENTUM",
    "RELAXATION_RATE",
    "variable",
    "find_clock",
    "CoordinateEquation",
    "Limit",
    "NoDiffusion",
    "Node",
    "Regime",
    "Source",
    "TensorExpression",
    "UpdateRule",
    "require_rule",
    "LimitMapDerivatives",
    "LinearRule",
    "SlowEquation",
    "SlowNoise",
    "effective_learning_rate",
    "limit_map_derivatives",
    "linear_rule",
    "slow_equation",
    "spectral_noise",
    "elementwise_expression",
    "LOSS_SLOPE",
    "NOISE_DEVIATION",
    "NOISE_VARIANCE",
    "SQUARED_GRADIENT",
    "function_expression",
    "scalar_expression",
    "squared_norm",
    "graph_labels",
    "coordinate_equation",
    "difference",
    "hyperparameter",
    "in_coordinates",
    "modified_equation",
    "update_rule",
    "GradientSplit",
    "from_json",
    "gradient_of",
    "loss_derivative",
    "noise_covariance",
    "split_gradient",
    "to_json",
    "to_latex",
    "to_mathml",
]
