"""Several arrays as one, so that what computes them is one loop."""

from collections.abc import Callable, Sequence

import jax
import numpy as np
from jax import Array, lax
from jaxtyping import PyTree

from sde_momentum.solvers._materialize import apart

_FLOAT32, _FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)
# XLA's widest number is a complex one of 16 bytes.
_CAPACITY = {_FLOAT32: 4, _FLOAT64: 2}


def fits(leaves: Sequence[Array]) -> bool:
    """Whether these are two or more arrays of one shape with a single axis, whose numbers fit one complex number."""
    kinds = {(leaf.shape, np.dtype(leaf.dtype)) for leaf in leaves}
    if len(kinds) != 1:
        return False
    ((shape, dtype),) = kinds
    return len(shape) == 1 and 2 <= len(leaves) <= _CAPACITY.get(dtype, 0)


def in_one_loop(step: Array, function: Callable[[PyTree[Array]], PyTree[Array]], state: PyTree[Array]) -> PyTree[Array]:
    """`function(state)`, whose leaves satisfy `fits`, computed in one loop over the paths, with every hash inside it.

    XLA's CPU backend writes one array a loop, and repeats for each what they share: the noise, and all of a macro step
    before its last substep. Here the loop writes one array of complex numbers that hold the bits of all components.

    Args:
        step: a uint32, from which `apart` makes its condition.
        function: elementwise over the paths; it draws its noise itself.
        state: arrays of shape `(N,)`.
    """
    # What may be differentiated becomes an argument, since bits have no derivative: the rule below takes the plain way.
    plain, captured = jax.closure_convert(function, state)
    once = jax.jit(plain)  # traced once for all branches

    @jax.custom_jvp
    def run(step: Array, state: PyTree[Array], *captured: Array) -> PyTree[Array]:
        return lax.platform_dependent(
            cpu=lambda: _on_cpu(step, lambda: once(state, *captured), state), default=lambda: once(state, *captured)
        )

    @run.defjvp
    def _(primals: tuple, tangents: tuple) -> tuple[PyTree[Array], PyTree[Array]]:
        return jax.jvp(plain, primals[1:], tangents[1:])

    return run(step, state, *captured)


def _on_cpu(step: Array, compute: Callable[[], PyTree[Array]], like: PyTree[Array]) -> PyTree[Array]:
    leaves, structure = jax.tree.flatten(like)
    packed = apart(step, lambda: _pack(jax.tree.leaves(compute())))
    return jax.tree.unflatten(structure, _unpack(packed, len(leaves), leaves[0].dtype))


def _pack(leaves: Sequence[Array]) -> Array:
    """One complex array; four float32 numbers are two in the bits of each part."""
    if leaves[0].dtype == _FLOAT64 or len(leaves) == 2:
        return lax.complex(leaves[0], leaves[1])
    with jax.enable_x64(True):
        words = [lax.convert_element_type(lax.bitcast_convert_type(leaf, np.uint32), np.uint64) for leaf in leaves]
        words += [words[-1]] * (4 - len(words))
        shift = lax.full_like(words[0], 32)
        halves = [words[i] | lax.shift_left(words[i + 1], shift) for i in (0, 2)]
        return lax.complex(*(lax.bitcast_convert_type(half, np.float64) for half in halves))


def _unpack(packed: Array, number: int, dtype: np.dtype) -> list[Array]:
    parts = [lax.real(packed), lax.imag(packed)]
    if number == 2:
        return parts
    with jax.enable_x64(True):
        words = [lax.bitcast_convert_type(part, np.uint64) for part in parts]
        shift = lax.full_like(words[0], 32)
        halves = [half for word in words for half in (word, lax.shift_right_logical(word, shift))]
        return [lax.bitcast_convert_type(lax.convert_element_type(half, np.uint32), dtype) for half in halves[:number]]
