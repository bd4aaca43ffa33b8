"""The user's steps, coefficients and observables on arrays of shape `(d, N)`, and what they may return."""

from collections.abc import Iterable, Mapping

import numpy as np

from sde_momentum.compare.orders._measured import NotApplicable


def numbers(value, what):
    """An array of doubles; `what` begins the sentence that refuses anything else."""
    try:
        array = np.asarray(value)
    except ValueError:
        raise ValueError(f"{what} one array, got parts of different shapes.") from None
    if array.dtype.kind not in "biufV":  # V: the short floats that NumPy does not know.
        got = type(value).__name__ if array.dtype.kind == "O" else f"dtype {array.dtype}"
        raise TypeError(f"{what} real numbers, got {got}.")
    return np.asarray(array, dtype=float)


def probe(functions, x0):
    """Call each function once at the start, for what it gives is checked; more states than components tell the axes."""
    states = np.repeat(x0[:, None], len(x0) + 1, axis=1)
    with np.errstate(all="ignore"):
        for function in functions:
            function(states)


def _spreads(shape, wanted):
    """Whether numbers of a shape, such as one for all states, give the wanted shape by repetition."""
    return len(shape) <= len(wanted) and all(a in (1, b) for a, b in zip(shape[::-1], wanted[::-1], strict=False))


def lifted(function, lift, name):
    """The user's function on arrays of shape (d, N)."""

    def call(x, *rest):
        value = numbers(function(x[0] if lift else x, *rest), f"`{name}` must return")
        wanted = x.shape[1:] if lift else x.shape
        if not (_spreads(value.shape, wanted) if lift else value.shape == wanted):
            raise ValueError(f"`{name}` must return the shape of the state, here {wanted}, got {value.shape}.")
        return np.broadcast_to(value, wanted)[None] if lift else value

    return call


def lifted_factor(diffusion, lift):
    """The user's noise coefficient, of shape (d, noises, N)."""

    def call(x):
        value = numbers(diffusion(x[0] if lift else x), "`diffusion` must return")
        if not (_spreads(value.shape, x.shape) if lift else value.ndim == 3 and value.shape[::2] == x.shape):
            wanted = f"({x.shape[1]},)" if lift else f"({x.shape[0]}, noises, {x.shape[1]})"
            raise ValueError(f"`diffusion` must return a coefficient a state, here {wanted}, got {value.shape}.")
        return np.broadcast_to(value, x.shape)[:, None] if lift else value

    return call


def lifted_observables(observables, lift):
    """The user's observables on arrays of shape (d, N)."""
    sequence = isinstance(observables, Iterable) and not (callable(observables) or isinstance(observables, Mapping))
    functions = list(observables) if sequence else [observables]
    if not sequence or not all(callable(function) for function in functions):
        raise TypeError(
            f"`observables` must be a sequence of functions of x, such as [np.square], got {observables!r}."
        )
    if not functions:
        raise ValueError("`observables` is empty: pass at least one function of x.")

    def wrap(index, function):
        def call(x):
            value = numbers(function(x[0] if lift else x), f"observable {index} must return")
            if value.shape != x.shape[1:]:
                raise ValueError(
                    f"observable {index} must return one number per state, shape {x.shape[1:]}, got {value.shape}"
                )
            return value

        return call

    return [wrap(index, function) for index, function in enumerate(functions)]


def finite(observables):
    """The same observables, refused where they are not finite."""

    def wrap(index, function):
        def call(x):
            value = function(x)
            if not np.all(np.isfinite(value)):
                raise NotApplicable(
                    f"observable {index} is not finite on the grid from {x.min():.4g} to {x.max():.4g}: choose one "
                    "that is finite and smooth there, or pass a smaller domain"
                )
            return value

        return call

    return [wrap(index, function) for index, function in enumerate(observables)]
