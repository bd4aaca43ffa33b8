"""Which floating point types the random numbers come in."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike


def real_dtype(dtype: DTypeLike | None) -> np.dtype:
    """`dtype` as float32 or float64; `None` is JAX's default float. Anything else is refused."""
    try:
        chosen = np.dtype(jnp.result_type(float)) if dtype is None else np.dtype(dtype)
    except TypeError:
        raise ValueError(f"dtype must be float32 or float64, got {dtype!r}") from None
    if chosen not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise ValueError(f"dtype must be float32 or float64, got {chosen}; cast the result if you need another")
    if chosen == np.dtype(np.float64) and not jax.config.jax_enable_x64:  # pyright: ignore[reportAttributeAccessIssue]
        raise ValueError("dtype float64 needs 64-bit JAX: call jax.config.update('jax_enable_x64', True) at the start")
    return chosen


def check_size(size: int | None, name: str = "size") -> None:
    """Refuse a number of components that is not a positive integer."""
    if size is not None and (not isinstance(size, (int, np.integer)) or size < 1):
        raise ValueError(f"{name} must be a positive integer, got {size!r}")
