"""From traced programs to the update of one generic component."""

from dataclasses import dataclass
from typing import Any

import sympy as sp

from sde_momentum.dynamics._optax_compare import GRADIENT, Facts, is_nonnegative
from sde_momentum.dynamics._optax_primitives import Unreadable, Value
from sde_momentum.dynamics._optax_reader import read_jaxpr
from sde_momentum.dynamics._optax_trace import Trace
from sde_momentum.symbolic import hyperparameter

# Hyperparameters are positive, so that one called `x` would still be another symbol.
X, G = sp.Symbol("x", real=True), GRADIENT


@dataclass(frozen=True)
class Reading:
    """What one step does to a generic component.

    Args:
        paths: the name of each state leaf in the optimizer's state.
        symbols: what stands for each leaf in `update`.
        initial: values of the leaves at the start.
        parameters: the next x, or why it cannot be read.
        update: the next value of each leaf, or why it cannot be read.
    """

    paths: tuple[str, ...]
    symbols: tuple[sp.Symbol, ...]
    initial: tuple[Value, ...]
    parameters: Value
    update: tuple[Value, ...]


def read(trace: Trace, names: tuple[str, ...]) -> Reading:
    """Read both programs; leaves that start ≥ 0 and stay so are known to be ≥ 0, by induction.

    Raises:
        ValueError: the program has effects beside its results.
    """
    for program in (trace.init, trace.update):
        if program.effects:
            culprit = next(e.primitive.name for e in program.jaxpr.eqns if e.effects)
            raise ValueError(f"the transformation has a side effect, the primitive `{culprit}`; it cannot be read.")
    values: list[Value] = [hyperparameter(name) for name in names]
    initial = read_jaxpr(trace.init.jaxpr, trace.init.consts, [*values, X], trace.shape, {})
    inputs = [_input(trace, j) for j in range(len(trace.leaves))]
    never_negative = [_known_nonnegative(value, {}) for value in initial]
    while True:
        facts = {
            s: _known(trace.leaves[j], sign)
            for j, (s, sign) in enumerate(zip(inputs, never_negative, strict=True))
            if isinstance(s, sp.Symbol)
        }
        results = read_jaxpr(trace.update.jaxpr, trace.update.consts, [*values, G, X, *inputs], trace.shape, facts)
        kept = [
            sign and _known_nonnegative(value, facts) for sign, value in zip(never_negative, results[1:], strict=True)
        ]
        if kept == never_negative:
            break
        never_negative = kept
    # Leaves without a number, such as random keys, were inputs that cannot be read; their symbols occur nowhere.
    symbols = tuple(
        value if isinstance(value, sp.Symbol) else sp.Symbol(f"state[{j}]", real=True) for j, value in enumerate(inputs)
    )
    return Reading(trace.paths, symbols, tuple(initial), results[0], tuple(results[1:]))


def _input(trace: Trace, position: int) -> Value:
    leaf: Any = trace.leaves[position]
    if leaf.shape not in ((), trace.shape) or getattr(leaf.dtype, "kind", "other") not in "fiu":
        return Unreadable("state", f"the leaf `{trace.paths[position]}` is {leaf.dtype}{list(leaf.shape)}")
    path = trace.paths[position]
    return sp.Symbol(f"state.{path}" if trace.paths.count(path) == 1 else f"state.{path}[{position}]", real=True)


def _known(leaf: Any, never_negative: bool) -> sp.Symbol:
    sign = {"nonnegative": True} if never_negative else {}
    return sp.Dummy(integer=True, **sign) if leaf.dtype.kind in "iu" else sp.Dummy(real=True, **sign)


def _known_nonnegative(value: Value, facts: Facts) -> bool:
    return isinstance(value, sp.Expr) and is_nonnegative(value, facts)
