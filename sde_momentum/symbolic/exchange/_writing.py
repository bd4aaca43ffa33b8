"""The fields of limits and obstructions as plain data."""

from collections.abc import Callable, Mapping
from typing import Any

import sympy as sp

from sde_momentum.symbolic.equation._limit import Limit, NoDiffusion
from sde_momentum.symbolic.exchange._expression_tree import encode
from sde_momentum.symbolic.graphs._field_functions import FUNCTIONS_OF_FIELDS
from sde_momentum.symbolic.graphs._fields import elementwise_expression
from sde_momentum.symbolic.graphs._graph import Node
from sde_momentum.symbolic.graphs._tensor_expression import TensorExpression
from sde_momentum.symbolic.rules._rule import Source


def limit_fields(limit: Limit) -> dict[str, Any]:
    """Every field of a limit, in a fixed order."""
    return {
        "kind": "limit",
        **_common_fields(limit),
        "drift": _by_name(limit.drift, _terms),
        "covariance": _by_names(limit.covariance),
        "factor": _by_name(limit.factor, _terms),
        "initial_shift": _by_name(limit.initial_shift, _terms),
        "eliminated": list(limit.eliminated),
        "slow_variable": None if limit.slow_variable is None else encode(limit.slow_variable),
        "sources": [_source(source) for source in limit.sources],
        "factor_gap": limit.factor_gap,
    }


def no_diffusion_fields(verdict: NoDiffusion) -> dict[str, Any]:
    """Every field of an obstruction, in a fixed order."""
    return {
        "kind": "no_diffusion",
        **_common_fields(verdict),
        "obstruction": _by_names(verdict.obstruction),
        "part": verdict.part,
    }


def _common_fields(statement: Limit | NoDiffusion) -> dict[str, Any]:
    rule, regime = statement.rule, statement.regime
    return {
        "rule": {
            "name": rule.name,
            "update": _by_name(rule.update, encode),
            "hyperparameters": list(rule.hyperparameters),
            "gradient_at": encode(sp.sympify(rule.gradient_at)),
            "fast": list(rule.fast),
            "sources": [_source(source) for source in rule.sources],
            "draw_weights": [encode(weight) for weight in rule.draw_weights],
            "start": list(rule.start.items()),
        },
        "regime": {
            "name": regime.name,
            "noise_scale": encode(regime.noise_scale),
            "clock": encode(regime.clock),
            "scalings": _by_name(regime.scalings, encode),
            "state_scales": _by_name(regime.state_scales, encode),
            "cumulant_scales": [[order, encode(scale)] for order, scale in regime.cumulant_scales.items()],
            "small_parameter": encode(sp.sympify(regime.small_parameter)),
            "noise_law": regime.noise_law,
            "schedules": list(regime.schedules),
        },
        "order": statement.order,
        "describes": statement.describes,
    }


def _by_name(mapping: Mapping, write: Callable) -> list[list]:
    return [[name, write(value)] for name, value in mapping.items()]


def _by_names(mapping: Mapping) -> list[list]:
    return [[list(names), _terms(value)] for names, value in mapping.items()]


def _terms(expression: TensorExpression) -> list[list]:
    return [
        [[[_field(node), [list(group) for group in node.slots]] for node in graph], encode(sp.sympify(coefficient))]
        for graph, coefficient in expression
    ]


def _field(node: Node) -> Any:
    """The name of a field; an elementwise function is its expression, a function of fields says of which kind."""
    for kind, name in FUNCTIONS_OF_FIELDS.items():
        if isinstance(node.field, name):
            return {kind: encode(node.field.expression)}
    function = elementwise_expression(node)
    return node.field if function is None else encode(function)


def _source(source: Source) -> list[str]:
    return [source.key, source.where]
