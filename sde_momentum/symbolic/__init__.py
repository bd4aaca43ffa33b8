"""Derivation: from update rules and regimes to limits, in contracted tensor graphs."""

from sde_momentum.symbolic.coordinates._components import in_coordinates as in_coordinates
from sde_momentum.symbolic.coordinates._difference import difference as difference
from sde_momentum.symbolic.coordinates._route import CoordinateEquation as CoordinateEquation
from sde_momentum.symbolic.coordinates._route import coordinate_equation as coordinate_equation
from sde_momentum.symbolic.equation._find_clock import find_clock as find_clock
from sde_momentum.symbolic.equation._limit import Limit as Limit
from sde_momentum.symbolic.equation._limit import NoDiffusion as NoDiffusion
from sde_momentum.symbolic.equation._modified_equation import modified_equation as modified_equation
from sde_momentum.symbolic.exchange._json import from_json as from_json
from sde_momentum.symbolic.exchange._json import to_json as to_json
from sde_momentum.symbolic.graphs._field_functions import LOSS_SLOPE as LOSS_SLOPE
from sde_momentum.symbolic.graphs._field_functions import NOISE_DEVIATION as NOISE_DEVIATION
from sde_momentum.symbolic.graphs._field_functions import NOISE_VARIANCE as NOISE_VARIANCE
from sde_momentum.symbolic.graphs._field_functions import SQUARED_GRADIENT as SQUARED_GRADIENT
from sde_momentum.symbolic.graphs._field_functions import function_expression as function_expression
from sde_momentum.symbolic.graphs._field_functions import scalar_expression as scalar_expression
from sde_momentum.symbolic.graphs._fields import elementwise_expression as elementwise_expression
from sde_momentum.symbolic.graphs._graph import Graph as Graph
from sde_momentum.symbolic.graphs._graph import Label as Label
from sde_momentum.symbolic.graphs._graph import Node as Node
from sde_momentum.symbolic.graphs._graph import labels as graph_labels
from sde_momentum.symbolic.graphs._potential import GradientSplit as GradientSplit
from sde_momentum.symbolic.graphs._potential import gradient_of as gradient_of
from sde_momentum.symbolic.graphs._potential import split_gradient as split_gradient
from sde_momentum.symbolic.graphs._tensor_expression import TensorExpression as TensorExpression
from sde_momentum.symbolic.graphs._tensor_expression import loss_derivative as loss_derivative
from sde_momentum.symbolic.graphs._tensor_expression import noise_covariance as noise_covariance

# Imported for what they register: the words of everything that prints itself.
from sde_momentum.symbolic.presentation import _slow_statement as _slow_statement
from sde_momentum.symbolic.presentation import _text as _text
from sde_momentum.symbolic.presentation._latex import to_latex as to_latex
from sde_momentum.symbolic.presentation._mathml import to_mathml as to_mathml
from sde_momentum.symbolic.rules._gradient_functions import squared_norm as squared_norm
from sde_momentum.symbolic.rules._regime import Regime as Regime
from sde_momentum.symbolic.rules._rule import Source as Source
from sde_momentum.symbolic.rules._rule import UpdateRule as UpdateRule
from sde_momentum.symbolic.rules._rule import require_rule as require_rule
from sde_momentum.symbolic.rules._rule import update_rule as update_rule
from sde_momentum.symbolic.slow._equation import SlowEquation as SlowEquation
from sde_momentum.symbolic.slow._equation import slow_equation as slow_equation
from sde_momentum.symbolic.slow._limit_map_derivatives import LimitMapDerivatives as LimitMapDerivatives
from sde_momentum.symbolic.slow._limit_map_derivatives import limit_map_derivatives as limit_map_derivatives
from sde_momentum.symbolic.slow._linear_rule import LinearRule as LinearRule
from sde_momentum.symbolic.slow._linear_rule import effective_learning_rate as effective_learning_rate
from sde_momentum.symbolic.slow._linear_rule import linear_rule as linear_rule
from sde_momentum.symbolic.slow._noise import SlowNoise as SlowNoise
from sde_momentum.symbolic.slow._noise import spectral_noise as spectral_noise
from sde_momentum.symbolic.symbols._symbols import LEARNING_RATE as LEARNING_RATE
from sde_momentum.symbolic.symbols._symbols import MOMENTUM as MOMENTUM
from sde_momentum.symbolic.symbols._symbols import RELAXATION_RATE as RELAXATION_RATE
from sde_momentum.symbolic.symbols._symbols import hyperparameter as hyperparameter
from sde_momentum.symbolic.symbols._symbols import variable as variable

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
