"""Tracing of an optax factory: programs of `init` and `update` with the hyperparameters as inputs."""

import difflib
import inspect
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp


class Trace(NamedTuple):
    """Programs of one transformation for parameters of one shape.

    Args:
        init: (hyperparameters, x) → state leaves.
        update: (hyperparameters, g, x, state leaves) → (next x, next state leaves).
        paths: where each state leaf sits, `trace` for `state[0].trace`.
        leaves: shape and dtype of the state leaves.
        shape: shape of the parameters.
    """

    init: Any
    update: Any
    paths: tuple[str, ...]
    leaves: tuple[Any, ...]
    shape: tuple[int, ...]


def hyperparameter_names(factory: Callable[..., Any], wanted: Sequence[str] | None) -> tuple[str, ...]:
    """Names of the hyperparameters: those asked for, else the arguments of the factory without a default.

    Raises:
        TypeError: the factory is not callable.
        ValueError: a name is not an argument, an argument has neither a name here nor a default, or no
            hyperparameter is called `learning_rate`.
    """
    if not callable(factory) or hasattr(factory, "update"):
        raise TypeError(
            f"`factory` must be a function of hyperparameters, got {type(factory).__name__}; "
            "write `lambda learning_rate: optax.sgd(learning_rate)`."
        )
    arguments = inspect.signature(factory).parameters.values()
    named = [p for p in arguments if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    needed = tuple(p.name for p in named if p.default is p.empty)
    names = needed if wanted is None else tuple(wanted)
    open_ended = any(p.kind is p.VAR_KEYWORD for p in arguments)
    known = [p.name for p in named]
    for name in names:
        if name not in known and not open_ended:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean `{near[0]}`?" if near else f"it takes {', '.join(known) or 'no arguments'}."
            raise ValueError(f"the factory has no hyperparameter `{name}`; {hint}")
    missing = [name for name in needed if name not in names]
    if missing:
        raise ValueError(f"the factory needs `{missing[0]}`; add it to `hyperparameters` or give it a default.")
    if "learning_rate" not in names:
        raise ValueError(
            f"the factory must take a hyperparameter `learning_rate`, but its hyperparameters are {names}; "
            "wrap it: `lambda learning_rate: …`."
        )
    return names


def trace(factory: Callable[..., Any], names: tuple[str, ...], shape: tuple[int, ...]) -> Trace:
    """Trace a transformation on one array of parameters, in float64.

    Raises:
        TypeError: the factory does not return a gradient transformation.
        ValueError: the program depends on the value of a hyperparameter, it keeps values outside its state,
            or the state changes its structure.
    """
    with jax.enable_x64(True):
        array, scalars = jnp.zeros(shape), [jnp.zeros(()) for _ in names]
        paths: list[Any] = []

        def init(values, x):
            leaves, structure = jax.tree_util.tree_flatten_with_path(_transform(factory, names, values).init(x))
            paths[:] = [structure, *(path for path, _ in leaves)]
            return [jnp.asarray(leaf) for _, leaf in leaves]

        def update(values, g, x, leaves):
            state = jax.tree.unflatten(paths[0], leaves)
            updates, new = _transform(factory, names, values).update(g, state, x)
            if jax.tree.structure(new) != paths[0]:
                raise ValueError("the update changes the structure of the optimizer's state; it cannot be read.")
            return [x + updates, *jax.tree.leaves(new)]

        try:
            first, shapes = jax.make_jaxpr(init, return_shape=True)(scalars, array)
            second = jax.make_jaxpr(update)(scalars, array, array, shapes)
        except jax.errors.ConcretizationTypeError as error:
            raise ValueError(
                "the transformation needs the value of a hyperparameter or of the state in Python (an `if`, or "
                f"`float(…)`), so it has no one formula; fix that argument in a lambda. JAX says: {_first_line(error)}"
            ) from None
        except jax.errors.UnexpectedTracerError:
            raise ValueError(_SIDE_EFFECT) from None
        except (AttributeError, TypeError) as error:
            if "must return an optax" in str(error):
                raise
            raise ValueError(
                "the transformation fails on an array of parameters and its gradient, which is all that a rule has to "
                f"give: {_first_line(error)}"
            ) from None
    if any(isinstance(constant, jax.core.Tracer) for constant in (*first.consts, *second.consts)):
        raise ValueError(_SIDE_EFFECT)
    return Trace(first, second, tuple(map(_leaf_name, paths[1:])), tuple(shapes), shape)


_SIDE_EFFECT = (
    "the transformation has a Python side effect: it keeps values between calls outside its state; return them from "
    "`update` as state."
)


def _transform(factory: Callable[..., Any], names: tuple[str, ...], values: Sequence[Any]) -> Any:
    transform = factory(**dict(zip(names, values, strict=True)))
    if not (hasattr(transform, "init") and hasattr(transform, "update")):
        raise TypeError(
            f"`factory` must return an optax.GradientTransformation, but it returned {type(transform).__name__}."
        )
    return transform


def _leaf_name(path: tuple[Any, ...]) -> str:
    """The last word of a path: `trace` in (SequenceKey(0), GetAttrKey('trace'))."""
    words = [str(getattr(key, "name", getattr(key, "key", ""))) for key in path]
    return next((word for word in reversed(words) if word.isidentifier()), "state")


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
