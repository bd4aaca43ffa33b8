"""One clear sentence for every input that cannot work, raised while tracing when it is structural."""

import operator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, PyTree


def check_parameters(x: PyTree[ArrayLike]) -> PyTree[Array]:
    """Return `x` with array leaves; refuse leaves that have no real gradient."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(x):
        dtype = _dtype(leaf, f"x{jax.tree_util.keystr(path)}")
        if not jnp.issubdtype(dtype, jnp.floating):
            raise ValueError(
                f"x{jax.tree_util.keystr(path)} has dtype {dtype}, but parameters must be real floating point: "
                "convert them with jnp.asarray(leaf, dtype=float)."
            )
    return jax.tree.map(jnp.asarray, x)


def _dtype(leaf: Any, name: str) -> Any:
    """Type of a leaf; refuse functions and words, which whole models carry along."""
    if not hasattr(leaf, "dtype") and not isinstance(leaf, bool | int | float | complex):
        raise ValueError(
            f"{name} is a {type(leaf).__name__}, not an array: keep what is not a number out of the pytree, as "
            "eqx.partition(model, eqx.is_inexact_array) does."
        )
    return jnp.result_type(leaf)


def check_shape(x: Array, shape: tuple[int, ...], name: str = "x") -> Array:
    """Return `x` when it is a single array of this shape."""
    if not isinstance(x, jax.Array | np.ndarray | float | np.floating) or jnp.shape(x) != shape:
        if not hasattr(x, "shape"):
            kind = type(x).__name__
            raise ValueError(f"{name} must be one array of shape {shape}, but is a {kind}: convert it by jnp.asarray.")
        raise ValueError(
            f"{name} must be one array of shape {shape}, the shape of this problem, but is an array of shape "
            f"{jnp.shape(x)}: pass one replica and batch with jax.vmap(..., in_axes=-1, out_axes=-1)."
        )
    return check_parameters(x)


def given_start(start: PyTree[Array] | None, factory: str) -> PyTree[Array]:
    """Return the start that was given to a factory; refuse to make one up."""
    if start is None:
        raise ValueError(f"this problem was built without a start: pass start= to {factory}, or your own x0.")
    return start


def check_weights(w: ArrayLike, noise_dim: int) -> Array:
    """Return the noise weights as an array of shape `(noise_dim,)`."""
    if jnp.shape(w) != (noise_dim,):
        raise ValueError(
            f"w has shape {jnp.shape(w)}, but this problem's noise has noise_dim={noise_dim} components: "
            f"pass one replica's weights, an array of shape ({noise_dim},)."
        )
    w = jnp.asarray(w)
    return w if jnp.issubdtype(w.dtype, jnp.floating) else w.astype(float)


def check_scalar(value: Any, name: str = "loss") -> Array:
    """Return the value of a loss; refuse vectors, as `jax.grad` would in less friendly words."""
    if not isinstance(value, jax.Array | np.ndarray | float | np.floating) or jnp.shape(value) != ():
        received = f"an array of shape {jnp.shape(value)}" if hasattr(value, "shape") else f"a {type(value).__name__}"
        raise ValueError(f"{name} must return one real number, but returned {received}: average it with jnp.mean.")
    if not jnp.issubdtype(jnp.result_type(value), jnp.floating):
        raise ValueError(f"{name} must return a real floating-point number, but returned {jnp.result_type(value)}.")
    return jnp.asarray(value)


def as_real(value: ArrayLike, dtype: Any, name: str) -> Array:
    """Return `value` as an array of reals; refuse what a cast would silently take the real part of.

    Raises:
        TypeError: If it is complex, or no number.
    """
    if not hasattr(value, "dtype"):
        leaves = jax.tree.leaves(value)
        value = jnp.asarray(value) if any(isinstance(leaf, jax.core.Tracer) for leaf in leaves) else np.asarray(value)
    given = value.dtype  # pyright: ignore[reportAttributeAccessIssue]
    if not (jnp.issubdtype(given, jnp.floating) or jnp.issubdtype(given, jnp.integer) or given == np.bool_):
        raise TypeError(f"{name} must be real numbers, but has dtype {given}: pass real and imaginary part apart.")
    return jnp.asarray(value, dtype)


def check_finite(tree: PyTree[ArrayLike], name: str) -> PyTree[Array]:
    """Return `tree` with array leaves; refuse NaN and infinity in concrete floating-point leaves."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        dtype = _dtype(leaf, f"{name}{jax.tree_util.keystr(path)}")
        if isinstance(leaf, jax.core.Tracer) or not jnp.issubdtype(dtype, jnp.inexact):
            continue
        bad = int(np.size(leaf) - np.count_nonzero(np.isfinite(np.asarray(leaf))))
        if bad:
            raise ValueError(
                f"{name}{jax.tree_util.keystr(path)} holds {bad} values that are NaN or infinite: "
                "remove or impute them first."
            )
    return jax.tree.map(jnp.asarray, tree)


_SHOWN = 6  # leaves named in a message; a list of numbers has one for each


def check_data(data: PyTree[ArrayLike]) -> tuple[PyTree[Array], int]:
    """Return the data as arrays together with the number of examples along their common axis 0."""
    leaves = jax.tree_util.tree_leaves_with_path(data)
    if not leaves:
        raise ValueError("data holds no array: pass a pytree of arrays that share their axis 0, one row per example.")
    lengths = {f"data{jax.tree_util.keystr(path)}": jnp.shape(leaf)[:1] for path, leaf in leaves}
    if len(set(lengths.values())) > 1 or () in lengths.values():
        shown = list(lengths.items())[:_SHOWN]
        listed = ", ".join(f"{name}: {length[0] if length else 'a scalar'}" for name, length in shown)
        listed += ", …" if len(lengths) > _SHOWN else ""
        raise ValueError(
            f"data must share one leading axis, but its lengths are {listed}: give every leaf a row per example, and "
            "convert lists of numbers with jnp.asarray."
        )
    (population,) = next(iter(lengths.values()))
    if population == 0:
        raise ValueError("data has 0 examples: pass at least one row.")
    return check_finite(data, "data"), population


def check_count(value: Any, name: str, minimum: int = 1) -> int:
    """Return a whole number that is at least `minimum`."""
    try:
        count = operator.index(value)
    except TypeError:
        raise ValueError(f"{name} must be a whole number, but is {value!r}: pass a Python int.") from None
    if isinstance(value, bool) or count < minimum:
        raise ValueError(f"{name} must be at least {minimum}, but is {value!r}: pass a larger whole number.")
    return count


def count_field(name: str, minimum: int = 1, **options: Any) -> Any:
    """Declare a static field of a module that holds a whole number."""
    return eqx.field(static=True, converter=lambda value: check_count(value, name, minimum), **options)


def check_batch(batch_size: Any, population: int, replacement: bool) -> int:
    """Return a batch size that the data can fill."""
    size = check_count(batch_size, "batch_size")
    if not replacement and size > population:
        raise ValueError(
            f"batch_size={size} exceeds the {population} examples, which cannot be drawn without replacement: "
            "lower batch_size or set replacement=True."
        )
    return size


def check_positive(value: Any, name: str, *, allow_zero: bool = False) -> Any:
    """Return a finite real number that is positive (or zero when allowed)."""
    if isinstance(value, jax.core.Tracer):
        return value
    number = np.asarray(value, dtype=float)
    if number.shape != () or not np.isfinite(number) or number < 0 or (number == 0 and not allow_zero):
        kind = "non-negative" if allow_zero else "positive"
        raise ValueError(f"{name} must be a {kind} finite number, but is {value!r}.")
    return value
