"""Derivation: from update rules and regimes to limits, in contracted tensor graphs."""

from ._fields import elementwise_expression as elementwise_expression
from ._graph import Graph as Graph
from ._graph import Label as Label
from ._graph import Node as Node
from ._graph import labels as graph_labels
from ._limit import Limit as Limit
from ._limit import NoDiffusion as NoDiffusion
from ._modified_equation import modified_equation as modified_equation
from ._regime import Regime as Regime
from ._rule import Source as Source
from ._rule import UpdateRule as UpdateRule
from ._rule import update_rule as update_rule
from ._symbols import LEARNING_RATE as LEARNING_RATE
from ._symbols import MOMENTUM as MOMENTUM
from ._symbols import hyperparameter as hyperparameter
from ._tensor_expression import TensorExpression as TensorExpression

__all__ = [
    "LEARNING_RATE",
    "MOMENTUM",
    "Limit",
    "NoDiffusion",
    "Node",
    "Regime",
    "Source",
    "TensorExpression",
    "UpdateRule",
    "elementwise_expression",
    "graph_labels",
    "hyperparameter",
    "modified_equation",
    "update_rule",
]
