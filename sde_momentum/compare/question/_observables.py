"""Observables of the parameters: the usual ones, and the curvature that noise acts on."""

from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, PyTree

from sde_momentum.manifold import trace_hessian
from sde_momentum.problems import AbstractProblem

Observable = Callable[[PyTree[Array]], Array]


def default_observables(problem: AbstractProblem) -> dict[str, Observable]:
    """The loss, the mean of the parameters, and the mean of their squares.

    Args:
        problem: supplies the loss.

    Returns:
        Name → function of the parameters of one replica.

    Example:
        >>> from sde_momentum.problems import double_well
        >>> list(default_observables(double_well()))
        ['loss', 'mean x', 'mean x²']
    """
    mean_of = lambda power: jax.tree_util.Partial(_mean_of_power, power)
    return {"loss": problem.loss, "mean x": mean_of(1), "mean x²": mean_of(2)}


def _mean_of_power(power: int, x: PyTree[Array]) -> Array:
    leaves = jax.tree.leaves(x)
    return sum(jnp.sum(leaf**power) for leaf in leaves) / sum(leaf.size for leaf in leaves)


def trace_of_hessian(problem: AbstractProblem) -> Observable:
    r"""The observable $\operatorname{tr}\nabla^2L(x)$, which label noise drives down.

    Exact; the dense Hessian of the raveled parameters is formed, so it is meant for up to some hundred of them.

    Args:
        problem: supplies the loss.

    Returns:
        Function of the parameters of one replica; unit loss/parameter².

    Example:
        >>> import numpy as np
        >>> from sde_momentum.problems import quadratic
        >>> float(trace_of_hessian(quadratic(np.diag([1.0, 2.0]), noise=np.eye(2)))(jnp.ones(2)))
        3.0
    """
    # A pytree of the problem, so that programs that contain it are found again.
    return jax.tree_util.Partial(_trace_of_hessian, problem)


def _trace_of_hessian(problem: AbstractProblem, x: PyTree[Any]) -> Array:
    flat, unravel = ravel_pytree(x)
    return trace_hessian(lambda z: problem.loss(unravel(z)), flat)


def check_observables(observables: Mapping[str, Observable], x0: PyTree[Any]) -> dict[str, Observable]:
    """Refuse what is no function, no number, or not a finite one at the start.

    Raises:
        TypeError: no mapping of names to functions.
        ValueError: no observables; one that does not give one number for one replica, or one that is not finite.
    """
    if not isinstance(observables, Mapping) or not all(callable(function) for function in observables.values()):
        raise TypeError(
            "`observables` must map names to functions of the parameters, such as {'first': lambda x: x[0]}, got "
            f"{observables!r}."
        )
    if not observables:
        raise ValueError("`observables` is empty; leave it out for the usual ones.")
    abstract = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(jnp.shape(leaf), jnp.result_type(leaf)), x0)
    for name, function in observables.items():
        found = _shape_of(name, function, abstract)
        if getattr(found, "shape", None) != ():
            raise ValueError(
                f"observable `{name}` must return one number for one replica, got "
                f"{f'shape {found.shape}' if hasattr(found, 'shape') else type(found).__name__}: sum over the "
                "components, or pass one observable each."
            )
        if not jnp.issubdtype(found.dtype, jnp.floating):
            raise ValueError(
                f"observable `{name}` must return a real floating-point number, got {found.dtype}: convert it, "
                "jnp.asarray(value, float)."
            )
    for name, value in zip(observables, values_at(observables, x0), strict=True):
        if not np.isfinite(value):
            raise ValueError(
                f"observable `{name}` is {value} at x0: choose one that is finite on every path, such as "
                "log(ε + x²) in place of log x."
            )
    return dict(observables)


def values_at(observables: Mapping[str, Observable], x: PyTree[Any]) -> np.ndarray:
    """The observables at one point, by one program; shape `(observables,)`."""
    return np.array(_values(tuple(observables.values()), x))


def _shape_of(name: str, function: Observable, x: PyTree[Any]) -> Any:
    """What an observable returns, constants as arrays; its own errors say which it is."""
    try:
        found = eqx.filter_eval_shape(function, x)
    except jax.errors.JAXTypeError:
        raise TypeError(
            f"observable `{name}` cannot be compiled: write it with jax.numpy in place of numpy or math, and "
            "jnp.where(x > 0, a, b) in place of `if`."
        ) from None
    except Exception as error:
        shapes = jax.tree.map(lambda leaf: leaf.shape, x)
        error.add_note(f"This is observable `{name}`, called with the parameters of one replica, of shape {shapes}.")
        raise
    return jax.eval_shape(lambda: jnp.asarray(found)) if isinstance(found, int | float) else found


@eqx.filter_jit
def _values(functions: tuple[Observable, ...], x: PyTree[Any]) -> list[Array]:
    return [jnp.asarray(function(x)) for function in functions]
