"""The starting state of one replica, checked against the process before anything is compiled."""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, PyTree

_DTYPES = (np.dtype(np.float32), np.dtype(np.float64))


def is_chain(process: Any) -> bool:
    """Whether a process is a discrete chain (it has `step`) and not an SDE (it has `drift`).

    Raises:
        TypeError: If it is neither.
    """
    if callable(getattr(process, "step", None)) and hasattr(process, "draw"):
        return True
    if callable(getattr(process, "drift", None)) and callable(getattr(process, "noise_product", None)):
        return False
    raise TypeError(
        f"process must have the members of an SDE (init, noise_dim, drift, noise_product, increment) or of a chain "
        f"(init, step_time, draw, step), got {type(process).__name__}"
    )


def start_state(process: Any, x0: PyTree[Any], dtype: DTypeLike | None) -> tuple[Any, PyTree[Array]]:
    """The process and its starting state in one floating-point type.

    Args:
        process: An `SDE` or a `Chain`.
        x0: Parameters of one replica.
        dtype: float32 or float64; the default is the widest that `x0` has.

    Raises:
        TypeError: If a leaf of `x0` is not a real number.
        ValueError: If the type is neither float32 nor float64, `x0` is not finite, or the process cannot start from it.
    """
    leaves = [_number(leaf) for leaf in jax.tree.leaves(x0)]
    if not leaves:
        raise ValueError(f"x0 holds no numbers: {x0!r}")
    chosen = _float_type(leaves, dtype)
    if not all(np.isfinite(leaf).all() for leaf in leaves):
        raise ValueError("x0 is not finite; every path would start diverged")
    process = _cast(process, chosen)
    x0 = jax.tree.map(lambda leaf: to_device(leaf, chosen), x0)
    try:
        state = process.init(x0)
    except (TypeError, ValueError, KeyError, AttributeError, IndexError) as error:
        raise ValueError(f"x0 does not suit the process: {_first_line(error)}") from error
    return process, _cast(state, chosen)


def check_step(process: Any, state: PyTree[Array]) -> int:
    """Trace one step of one replica and compare the state it gives with the state it got.

    Returns:
        The size of the largest array that the step forms, in numbers.

    Raises:
        ValueError: If the step fails, or changes the structure or the shapes of the state.
    """
    try:
        closed, after, _ = eqx.filter_make_jaxpr(_one_step)(process, state)
    except Exception as error:
        raise ValueError(f"x0 does not suit the process: one step fails with: {_first_line(error)}") from error
    before = jax.tree.map(jnp.shape, state)
    if jax.tree.map(jnp.shape, after) != before:
        raise ValueError(
            f"one step of the process turns a state of shapes {before} into {jax.tree.map(jnp.shape, after)}; "
            "x0 must have the shapes of the parameters"
        )
    return _largest_array(closed.jaxpr)


def _largest_array(jaxpr: Any) -> int:
    """Numbers in the largest result of any operation, those of inner programs included."""
    largest = 1
    for equation in jaxpr.eqns:
        sizes = [math.prod(getattr(variable.aval, "shape", ())) for variable in equation.outvars]
        inner = [_largest_array(part) for value in equation.params.values() for part in _programs(value)]
        largest = max(largest, *sizes, *inner)
    return largest


def _programs(value: Any) -> list[Any]:
    """The programs that a parameter of an operation holds: a loop's body, the branches of a condition."""
    values = value if isinstance(value, (tuple, list)) else [value]
    found = [getattr(each, "jaxpr", each) for each in values]
    return [each for each in found if hasattr(each, "eqns")]


def _one_step(process: Any, state: PyTree[Array]) -> PyTree[Array]:
    if is_chain(process):
        draw = process.draw.sample(jnp.zeros(2, jnp.uint32), jnp.zeros(1, jnp.uint32), jnp.uint32(0))
        return process.step(jnp.int32(0), state, jax.tree.map(lambda leaf: leaf[..., 0], draw))
    dtype = jax.tree.leaves(state)[0].dtype
    time, noise = jnp.zeros((), dtype), jnp.zeros(process.noise_dim, dtype)
    return process.increment(time, state, None, time, noise)


def _number(leaf: Any) -> np.ndarray:
    try:
        array = np.asarray(leaf)
    except Exception as error:
        raise TypeError(f"x0 must hold real numbers, got a leaf of type {type(leaf).__name__}") from error
    if array.dtype.kind not in "fiu" and array.dtype != jnp.bfloat16:
        raise TypeError(f"x0 must hold real numbers, got a leaf of dtype {array.dtype}")
    return array


def _float_type(leaves: list[np.ndarray], dtype: DTypeLike | None) -> np.dtype:
    found = dtype
    if found is None:
        floats = {leaf.dtype for leaf in leaves if leaf.dtype.kind not in "iu"}
        found = next((each for each in floats if each.itemsize < 4), None)  # never widened silently
        found = found or (np.result_type(*floats) if floats else jnp.result_type(float))
        # numpy's default is float64; without 64-bit JAX that means float32, as everywhere in JAX.
        found = jax.dtypes.canonicalize_dtype(found)
    try:
        chosen = np.dtype(found)
    except TypeError as error:
        raise ValueError(f"dtype must be float32 or float64, got {dtype!r}") from error
    if chosen not in _DTYPES:
        reason = ": 16 bits cannot hold a running sum; cast x0" if chosen.itemsize == 2 else ""
        raise ValueError(f"dtype must be float32 or float64, got {chosen}{reason}")
    if chosen == _DTYPES[1] and not jax.config.jax_enable_x64:  # pyright: ignore[reportAttributeAccessIssue]
        raise ValueError(
            "dtype=float64 needs 64-bit JAX: jax.config.update('jax_enable_x64', True) before anything else"
        )
    return chosen


def to_device(value: Any, dtype: DTypeLike) -> Array:
    """Numbers as an array of JAX, converted by numpy: JAX would compile a program for each shape."""
    return jax.device_put(np.asarray(value).astype(dtype))


def _cast(tree: PyTree[Any], dtype: np.dtype) -> PyTree[Any]:
    """Every floating-point array in the given type; integers and the rest as they are."""

    def convert(leaf: Any) -> Any:
        floating = eqx.is_array(leaf) and jnp.issubdtype(leaf.dtype, jnp.floating)
        return to_device(leaf, dtype) if floating and leaf.dtype != dtype else leaf

    return jax.tree.map(convert, tree)


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
