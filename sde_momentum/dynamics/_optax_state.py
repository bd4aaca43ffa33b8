"""The state of an imported rule: which leaves matter, from where they start, what they are called."""

from collections.abc import Iterable

import sympy as sp

from sde_momentum.dynamics._optax_primitives import Unreadable, Value
from sde_momentum.dynamics._optax_reading import G, Reading, X

_LETTERS = {
    "trace": "v",
    "velocity": "v",
    "mu": "m",
    "ema": "m",
    "nu": "G",
    "sum_of_squares": "G",
    "e_g": "G",
    "e_x": "U",
}


def component(reading: Reading, taken: Iterable[str]) -> dict[str, sp.Expr]:
    """The update of the variables that influence the parameters, each measured from its start.

    Args:
        reading: what one step does.
        taken: names that a state variable must not have, those of the hyperparameters.

    Returns:
        Variable → next value, `x` first, in the project's symbols.

    Raises:
        ValueError: the parameters depend on something that has no expression.
    """
    update = dict(zip(reading.symbols, reading.update, strict=True))
    start = dict(zip(reading.symbols, reading.initial, strict=True))
    values, update = _reduced(reading.parameters, update, start)
    needed = _reachable(values, update)
    # z = ẑ + start(x) turns "starts at start(x)" into "starts at zero", where every chain starts.
    moved = {symbol: symbol + start[symbol] for symbol in needed}
    parameters = values.subs(moved, simultaneous=True)
    shifted = {
        symbol: update[symbol].subs(moved, simultaneous=True) - start[symbol].subs(X, parameters) for symbol in needed
    }
    names = _names(reading, update, needed, taken)
    final = {symbol: sp.Symbol(name, real=True) for symbol, name in names.items()}
    result = {"x": parameters.xreplace(final)}
    return result | {names[symbol]: shifted[symbol].xreplace(final) for symbol in needed}


def _reduced(parameters: Value, update: dict, start: dict) -> tuple[sp.Expr, dict]:
    """Insert leaves that never change, and merge leaves that are always equal."""
    while True:
        _require(parameters)
        needed = _reachable(parameters, update)
        for symbol in needed:
            _require(update[symbol])
            _require(start[symbol])
        replacement = _constant_leaf(needed, update, start) or _twin(needed, update, start)
        if replacement is None:
            return parameters, {symbol: update[symbol] for symbol in needed}  # pyright: ignore[reportReturnType]
        old, new = replacement
        parameters = parameters.subs(old, new)
        update = {s: _insert(value, old, new) for s, value in update.items() if s != old}


def _insert(value: Value, old: sp.Symbol, new: sp.Expr) -> Value:
    return value.subs(old, new) if isinstance(value, sp.Expr) else value


def _constant_leaf(needed: list, update: dict, start: dict) -> tuple[sp.Symbol, sp.Expr] | None:
    return next(((s, start[s]) for s in needed if update[s] == s and not start[s].has(X)), None)


def _twin(needed: list, update: dict, start: dict) -> tuple[sp.Symbol, sp.Expr] | None:
    for j, first in enumerate(needed):
        for second in needed[j + 1 :]:
            same_step = sp.expand(update[first] - update[second].subs(second, first)) == 0
            if same_step and start[first] == start[second]:
                return second, first
    return None


def _reachable(parameters: Value, update: dict) -> list[sp.Symbol]:
    """Leaves that the next x depends on, now or later, in the order of the optimizer's state, counters last."""
    found: set = set()
    pending = [parameters]
    while pending:
        value = pending.pop()
        fresh = (value.free_symbols & set(update)) - found if isinstance(value, sp.Expr) else set()
        found |= fresh
        pending += [update[symbol] for symbol in fresh]
    kept = [symbol for symbol in update if symbol in found]
    counters = [symbol for symbol in kept if _is_counter(symbol, update[symbol])]
    return [symbol for symbol in kept if symbol not in counters] + counters


def _is_counter(symbol: sp.Symbol, value: Value) -> bool:
    return isinstance(value, sp.Expr) and sp.expand(value - symbol) == 1


def _require(value: Value) -> None:
    if isinstance(value, Unreadable):
        what = value.primitive if value.primitive in ("constant", "state") else f"primitive `{value.primitive}`"
        raise ValueError(f"cannot read the {what} of this transformation: {value.reason}.")


def _names(reading: Reading, update: dict, needed: list[sp.Symbol], taken: Iterable[str]) -> dict[sp.Symbol, str]:
    used = {"x", "g", *taken}
    names = {}
    for path, symbol in zip(reading.paths, reading.symbols, strict=True):
        if symbol not in needed:
            continue
        base = "k" if _is_counter(symbol, update[symbol]) else _LETTERS.get(path, path)
        name = next(n for n in (base, *(f"{base}{j}" for j in range(2, 100))) if n not in used)
        used.add(name)
        names[symbol] = name
    return names


def fast_variables(update: dict[str, sp.Expr]) -> tuple[str, ...]:
    """Averages of gradients: affine in g and themselves with constant slopes, entering x linearly.

    Each may depend on those listed before it, and may fade (its own slope is not 1).
    """
    gradient, found = G, []
    varying = {sp.Symbol(name, real=True) for name in update} | {gradient}
    parameters = update["x"]
    symbols = {name: sp.Symbol(name, real=True) for name in update}
    while True:
        for name in [n for n in update if n != "x" and n not in found]:
            own, symbol = sp.expand(update[name]), symbols[name]
            earlier = [symbols[n] for n in found]
            slopes = [sp.diff(own, s) for s in (gradient, symbol, *earlier)]
            others = varying - {gradient, symbol, symbols["x"], *earlier}
            averages = not any(slope.free_symbols & varying for slope in slopes) and not own.free_symbols & others
            driven = slopes[0] != 0 or any(slope != 0 for slope in slopes[2:])
            push = sp.diff(parameters, symbol).free_symbols
            linear = not push & {symbol, gradient, *earlier}
            if averages and driven and sp.cancel(1 - slopes[1]) != 0 and linear:
                found.append(name)
                break
        else:
            return tuple(found)
