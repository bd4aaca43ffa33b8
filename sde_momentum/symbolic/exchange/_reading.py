"""Plain data back to limits and obstructions; whatever is not of the expected type is refused."""

from collections.abc import Callable
from typing import Any

from sde_momentum.symbolic.equation._limit import Limit, NoDiffusion
from sde_momentum.symbolic.exchange._expression_tree import decode
from sde_momentum.symbolic.graphs._field_functions import FUNCTIONS_OF_FIELDS
from sde_momentum.symbolic.graphs._fields import ElementwiseName
from sde_momentum.symbolic.graphs._graph import Graph, Node
from sde_momentum.symbolic.graphs._tensor_expression import TensorExpression
from sde_momentum.symbolic.rules._noise_law import GENERAL
from sde_momentum.symbolic.rules._regime import Regime
from sde_momentum.symbolic.rules._rule import Source, UpdateRule


def read_limit(data: dict[str, Any]) -> Limit:
    """The limit that `limit_fields` wrote."""
    return Limit(
        **_read_common(data),
        drift=_read_by_name(data["drift"], _read_terms),
        covariance=_read_by_names(data["covariance"]),
        factor=_read_by_name(data["factor"], _read_terms),
        initial_shift=_read_by_name(data["initial_shift"], _read_terms),
        eliminated=_names(data["eliminated"]),
        slow_variable=None if data["slow_variable"] is None else decode(data["slow_variable"]),
        sources=_read_sources(data["sources"]),
        factor_gap=_string(data["factor_gap"]),
    )


def read_no_diffusion(data: dict[str, Any]) -> NoDiffusion:
    """The obstruction that `no_diffusion_fields` wrote."""
    obstruction, part = _read_by_names(data["obstruction"]), _string(data.get("part", "generator"))
    return NoDiffusion(**_read_common(data), obstruction=obstruction, part=part)


def _read_common(data: dict[str, Any]) -> dict[str, Any]:
    rule, regime = data["rule"], data["regime"]
    return {
        "rule": UpdateRule(
            name=_string(rule["name"]),
            update=_read_by_name(rule["update"], decode),
            hyperparameters=_names(rule["hyperparameters"]),
            gradient_at=decode(rule["gradient_at"]),
            fast=_names(rule["fast"]),
            sources=_read_sources(rule["sources"]),
            draw_weights=tuple(decode(weight) for weight in rule.get("draw_weights", ["1"])),
            start=_read_by_name(rule.get("start", []), _string),
        ),
        "regime": Regime(
            _string(regime["name"]),
            decode(regime["noise_scale"]),
            decode(regime["clock"]),
            scalings=_read_by_name(regime["scalings"], decode),
            state_scales=_read_by_name(regime["state_scales"], decode),
            cumulant_scales={_integer(order): decode(scale) for order, scale in regime["cumulant_scales"]},
            small_parameter=decode(regime["small_parameter"]),
            noise_law=_string(regime.get("noise_law", GENERAL)),
            schedules=_names(regime.get("schedules", [])),
        ),
        "order": _integer(data["order"]),
        "describes": _string(data["describes"]),
    }


def _read_by_name(pairs: list, read: Callable) -> dict[str, Any]:
    return {_string(name): read(value) for name, value in pairs}


def _read_by_names(pairs: list) -> dict[tuple[str, ...], TensorExpression]:
    return {_names(names): _read_terms(value) for names, value in pairs}


def _read_terms(terms: list) -> TensorExpression:
    return TensorExpression(tuple((_read_graph(graph), decode(coefficient)) for graph, coefficient in terms))


def _read_graph(graph: list) -> Graph:
    return tuple(
        Node(_read_field(field), tuple(tuple(_integer(label) for label in group) for group in slots))
        for field, slots in graph
    )


def _read_field(field: Any) -> str:
    if isinstance(field, str):
        return field
    for kind, name in FUNCTIONS_OF_FIELDS.items():
        if kind in field:
            return name(decode(field[kind]))
    return ElementwiseName(decode(field))


def _read_sources(sources: list) -> tuple[Source, ...]:
    return tuple(Source(_string(key), _string(where)) for key, where in sources)


def _names(names: list) -> tuple[str, ...]:
    return tuple(_string(name) for name in names)


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"`text` is damaged: expected a string, got {value!r}.")
    return value


def _integer(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"`text` is damaged: expected an integer, got {value!r}.")
    return value
