"""Observables: named functions of one replica's state, evaluated on a batch and laid out as rows."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

Observable = Callable[[PyTree[Array]], Any]


class Observables(eqx.Module):
    """A fixed list of observables and the labels of their components.

    Attributes:
        functions: Functions of one replica's state, in order.
        names: Name of each function.
        shapes: Shape of each function's value.
    """

    functions: tuple[Observable, ...]
    names: tuple[str, ...] = eqx.field(static=True)
    shapes: tuple[tuple[int, ...], ...] = eqx.field(static=True)

    def __call__(self, state: PyTree[Array]) -> Float[Array, "components paths"]:
        """Evaluate on a batch whose paths are the last axis of every leaf; moments are taken in the widest float."""
        dtype = jnp.result_type(float)
        rows = [jax.vmap(function, in_axes=-1, out_axes=-1)(state) for function in self.functions]
        return jnp.concatenate([row.reshape(-1, row.shape[-1]).astype(dtype) for row in rows])

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of components of each observable."""
        return tuple(math.prod(shape) for shape in self.shapes)

    @property
    def labels(self) -> list[str]:
        """One label a component: `loss`, `x[2]`, `matrix[0,1]`."""
        return [_label(name, index) for name, shape in self._named() for index in np.ndindex(shape)]

    @property
    def owners(self) -> list[str]:
        """The observable each component belongs to."""
        return [name for name, shape in self._named() for _ in range(math.prod(shape))]

    @property
    def components(self) -> list[int]:
        """The flat position of each component within its observable."""
        return [position for size in self.sizes for position in range(size)]

    def rows(self, name: str) -> slice:
        """Which rows an observable occupies."""
        position = self.names.index(name)
        start = sum(self.sizes[:position])
        return slice(start, start + self.sizes[position])

    def _named(self) -> list[tuple[str, tuple[int, ...]]]:
        return list(zip(self.names, self.shapes, strict=True))


class RaveledVariable(eqx.Module):
    """One variable of the state as a vector; the whole state where it is not a dict."""

    variable: str | None = eqx.field(static=True)

    def __call__(self, state: PyTree[Array]) -> Float[Array, " size"]:
        """Ravel."""
        chosen = state if self.variable is None else state[self.variable]
        return jnp.concatenate([jnp.ravel(leaf) for leaf in jax.tree.leaves(chosen)])


class LossOfVariable(eqx.Module):
    """The loss at the parameters."""

    loss: Callable[[PyTree[Array]], Array]
    variable: str | None = eqx.field(static=True)

    def __call__(self, state: PyTree[Array]) -> Array:
        """Evaluate."""
        return self.loss(state if self.variable is None else state[self.variable])


def default_observables(process: Any, state: PyTree[Array]) -> dict[str, Observable]:
    """The raveled parameters, and the loss where the process knows its problem."""
    variable = _parameters(state) if isinstance(state, dict) else None
    chosen: dict[str, Observable] = {variable or "x": RaveledVariable(variable)}
    loss = getattr(getattr(process, "problem", None), "loss", None)
    if callable(loss):
        chosen["loss"] = LossOfVariable(loss, variable)
    return chosen


def resolve_observables(observables: Mapping[str, Observable], state: PyTree[Array]) -> Observables:
    """Check the observables on the starting state of one replica.

    Args:
        observables: Name to function of one replica's state.
        state: The starting state.

    Raises:
        TypeError: If `observables` is not a mapping from names to functions.
        ValueError: If one fails, returns something that is not a real array, or is NaN at the start.
    """
    if not isinstance(observables, Mapping) or not observables:
        raise TypeError(f"observables must be a non-empty dict from name to function, got {observables!r}")
    shapes = tuple(_checked_shape(name, function, state) for name, function in observables.items())
    for name, undefined in zip(observables, _undefined(tuple(observables.values()), state), strict=True):
        if bool(undefined):
            raise ValueError(
                f"observable {name!r} is NaN at the starting state; nothing can be learned from its moments"
            )
    return Observables(tuple(observables.values()), tuple(observables), shapes)


def resolve_histograms(
    histograms: Mapping[str, Sequence[float]] | None, observables: Observables
) -> tuple[tuple[str, int, int, tuple[float, ...]], ...]:
    """Check the bin edges of the histograms and find the rows they cover."""
    resolved = []
    for name, edges in (histograms or {}).items():
        if name not in observables.names:
            raise ValueError(f"histograms names {name!r}, but the observables are {', '.join(observables.names)}")
        array = np.asarray(edges, dtype=np.float64)
        if array.ndim != 1 or array.size < 2 or not np.isfinite(array).all() or (np.diff(array) <= 0).any():
            raise ValueError(f"histograms[{name!r}] must be at least two increasing finite bin edges, got {edges!r}")
        rows = observables.rows(name)
        resolved.append((name, rows.start, rows.stop, tuple(array.tolist())))
    return tuple(resolved)


def _parameters(state: dict[str, Any]) -> str:
    """The variable that holds the parameters: `x`, or the first one (JAX itself sorts the keys of a dict)."""
    return "x" if "x" in state else next(iter(state))


def _label(name: str, index: tuple[int, ...]) -> str:
    return f"{name}[{','.join(map(str, index))}]" if index else name


def _checked_shape(name: Any, function: Any, state: PyTree[Array]) -> tuple[int, ...]:
    if not isinstance(name, str) or not callable(function):
        raise TypeError(f"observables must map names to functions, got {name!r}: {function!r}")
    try:
        value = eqx.filter_eval_shape(function, state)
    except Exception as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(f"observable {name!r} fails on the starting state: {reason}") from error
    if not (isinstance(value, jax.ShapeDtypeStruct) or eqx.is_array_like(value)) or not jnp.isrealobj(value):
        raise ValueError(f"observable {name!r} must return a real scalar or array, got {type(value).__name__}")
    return tuple(jnp.shape(value))


@eqx.filter_jit
def _undefined(functions: tuple[Observable, ...], state: PyTree[Array]) -> list[Array]:
    """Whether each observable is NaN, in one program."""
    return [jnp.isnan(jnp.asarray(function(state), float)).any() for function in functions]
