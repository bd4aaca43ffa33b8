"""Limits and obstructions survive JSON in every field, and nothing in a JSON text is executed."""

import dataclasses
import json
import re
from fractions import Fraction

import pytest
import sympy as sp

from sde_momentum.optimizers import heavy_ball, sgd, sgdm
from sde_momentum.symbolic import (
    LEARNING_RATE,
    Regime,
    from_json,
    hyperparameter,
    modified_equation,
    to_json,
    update_rule,
)
from sde_momentum.symbolic.exchange._expression_tree import decode, encode
from sde_momentum.symbolic.graphs._algebra import DIMENSION

ETA = LEARNING_RATE


@update_rule(state=("x", "u"))
def rmsprop(x, u, g, *, learning_rate, decay, eps):
    u = decay * u + (1 - decay) * g**2
    return x - learning_rate * g / (sp.sqrt(u) + eps), u


ADAPTIVE = Regime(
    "large noise",
    1 / ETA,
    ETA**2,
    {"decay": 1 - hyperparameter("c2") * ETA**2, "eps": hyperparameter("eps0") / ETA},
    {"u": ETA**-2},
    {3: ETA},
)
STATEMENTS = {
    "sgd, order 1": lambda: modified_equation(sgd()),
    "sgdm, order 2": lambda: modified_equation(sgdm(), order=2),
    "sgdm, slow variable": lambda: modified_equation(sgdm(), order=2, describes="slow"),
    "momentum index 1/2": lambda: modified_equation(sgdm(), Regime.noise_dominated(Fraction(1, 2))),
    "heavy ball": lambda: modified_equation(heavy_ball(), order=2),
    "no diffusion": lambda: modified_equation(sgd(), Regime.noise_dominated(), order=2),
    "no diffusion in momentum": lambda: modified_equation(sgdm(), Regime.noise_dominated(1), order=2),
    "elementwise functions": lambda: modified_equation(rmsprop, ADAPTIVE),
}


@pytest.mark.parametrize("case", STATEMENTS)
def test_round_trip_keeps_every_field(case):
    """Reading what was written gives an object equal in every field, which prints and writes the same bytes."""
    statement = STATEMENTS[case]()
    back = from_json(to_json(statement))
    assert type(back) is type(statement)
    for field in dataclasses.fields(statement):
        assert getattr(back, field.name) == getattr(statement, field.name), field.name
    assert back == statement
    assert str(back) == str(statement)
    assert to_json(back) == to_json(statement)
    assert from_json(to_json(statement, indent=2)) == statement


def test_a_changed_coefficient_is_another_limit():
    """Negative control: equality notices one coefficient."""
    limit = STATEMENTS["sgdm, order 2"]()
    data = json.loads(to_json(limit))
    data["drift"][0][1][0][1] = "-2"
    assert from_json(json.dumps(data)) != limit


EXPRESSIONS = [
    sp.Rational(-7, 3),
    2 * sp.factor(ETA + 1),  # two factors, which sympy would multiply out when evaluating
    sp.factor((sp.Symbol("momentum", nonnegative=True) + 1) / (2 - 2 * ETA)),
    sp.sqrt(ETA) * sp.Symbol("x", real=True),
    sp.erf(ETA / sp.sqrt(2)) + sp.pi * sp.exp(ETA) - sp.E,
    sp.gamma((DIMENSION + 1) / 2) / DIMENSION,
    sp.Symbol("own", integer=True) + sp.Symbol("other"),
    sp.Float(0.1) * ETA,
    sp.Max(ETA, 1),
]


@pytest.mark.parametrize("expression", EXPRESSIONS, ids=str)
def test_expressions_are_read_identically(expression):
    """An expression comes back with the same structure, the same symbols and their assumptions."""
    tree = json.loads(json.dumps(encode(expression)))
    assert decode(tree) == expression
    assert decode(tree).free_symbols == expression.free_symbols
    assert str(decode(tree)) == str(expression)


def test_unknown_functions_are_refused():
    """What has no form is refused by name when writing."""
    with pytest.raises(ValueError, match="no form is defined for `besselj`"):
        encode(sp.besselj(0, ETA))


def damaged(**changes) -> str:
    data = json.loads(to_json(STATEMENTS["sgd, order 1"]()))
    for name, value in changes.items():
        if value is None:
            del data[name]
        else:
            data[name] = value
    return json.dumps(data)


TERM = [[["L", [[-1]]]]]
REFUSED = {
    "no JSON": ("limit(", "`text` is not JSON"),
    "deep nesting": ("[" * 100_000, "`text` is not JSON"),
    "another format": ('{"format": "other"}', 'its "format" is not "sde_momentum.limit"'),
    "a list": ("[1]", "not a limit"),
    "a later version": (damaged(version=2), "format version 2, this sde_momentum reads version 1"),
    "no version": (damaged(version=None), "format version None"),
    "another kind": (damaged(kind="theorem"), "holds 'theorem', expected one of limit, no_diffusion"),
    "missing field": (damaged(drift=None), "the field 'drift' is missing"),
    "order as text": (damaged(order="1"), "expected an integer, got '1'"),
    "order as truth": (damaged(order=True), "expected an integer, got True"),
    "drift as number": (damaged(drift=3), "`text` is damaged"),
    "code as coefficient": (
        damaged(drift=[["x", [[*TERM, "__import__('os').abort()"]]]]),
        "expected a rational number such as '-1/2'",
    ),
    "unknown operation": (damaged(drift=[["x", [[*TERM, {"op": "eval", "args": ["1"]}]]]]), "expected an expression"),
    "division by zero": (damaged(drift=[["x", [[*TERM, "1/0"]]]]), "expected a rational number"),
    "nameless symbol": (damaged(drift=[["x", [[*TERM, {"symbol": 3}]]]]), "expected the name of a symbol"),
    "strange assumptions": (
        damaged(drift=[["x", [[*TERM, {"symbol": "a", "kind": "other", "assumptions": {"real": "yes"}}]]]]),
        "expected one of the kinds hyperparameter, variable, dimension, other",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_damaged_text_is_refused_in_one_sentence(case):
    """What is not a limit of this version is a ValueError that says what was found."""
    text, message = REFUSED[case]
    with pytest.raises(ValueError, match="^.*" + re.escape(message)):
        from_json(text)


def test_other_objects_are_refused():
    """Only limits and obstructions are written."""
    with pytest.raises(TypeError, match="`statement` must be a Limit or a NoDiffusion, got TensorExpression"):
        to_json(STATEMENTS["sgd, order 1"]().drift["x"])
