"""The affine form of a process at many numbers at once, read off by automatic differentiation in one compiled call."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, PyTree

from sde_momentum.compare.exact._straight import TOLERANCE, is_straight

_PROBES = 4
# States of more components are tried for linearity before their matrices are formed.
_LARGE = 16
# Mixed derivatives below this are those of additive noise.
_NO_PRODUCT = 1e-14


class AffineForms(NamedTuple):
    r"""Maps $z \mapsto Az + b + \sum_a (A_a z + c_a)\,w_a$, with a leading axis over numbers, such as steps.

    Attributes:
        matrix: $A$, shape `(count, d, d)`.
        offset: $b$, shape `(count, d)`.
        noise: $c_a$, shape `(count, d, noises)`.
        multiplicative: $A_a$, shape `(count, noises, d, d)`; None where the noise does not depend on the state.
    """

    matrix: np.ndarray
    offset: np.ndarray
    noise: np.ndarray
    multiplicative: np.ndarray | None


def affine_forms(move: Callable, process: Any, numbers: PyTree[Array], state: PyTree[Any]) -> AffineForms | None:
    """The moves of a process at many numbers, or None where one of them is not affine in state, noise and product.

    Args:
        move: `move(process, one of numbers, state, w)`, the next state or its change; a function of a module, so that
            its programs are found again.
        process: has `noise_dim`; its arrays may differ between calls without compiling again.
        numbers: pytree of arrays whose leading axis runs over the moves.
        state: a state, for shapes.
    """
    state = jax.tree.map(lambda leaf: jnp.asarray(leaf, float), state)
    flat, unravel = ravel_pytree(state)
    if len(flat) > _LARGE:
        # The matrices below are large for a network; that it is not linear shows along one line.
        first, quiet = jax.tree.map(lambda leaf: leaf[0], numbers), jnp.zeros(process.noise_dim)
        if not is_straight(lambda z: ravel_pytree(move(process, first, unravel(z), quiet))[0], len(flat)):
            return None
    # Additive noise is the common case, and its matrices are smaller by a factor of the dimension.
    probes = np.random.default_rng(0).normal(size=(_PROBES, len(flat) + process.noise_dim))
    *parts, product, values = map(np.asarray, _read(move, process, numbers, state, probes, False))
    if np.any(np.abs(product) > _NO_PRODUCT):
        *parts, _, values = map(np.asarray, _read(move, process, numbers, state, probes, True))
    forms = AffineForms(*parts, *([] if len(parts) == 4 else [None]))
    return forms if np.all(_misfit(forms, probes, values) < TOLERANCE) else None


@eqx.filter_jit
def _read(
    move: Callable, process: Any, numbers: PyTree[Array], state: PyTree[Array], probes: Array, with_products: bool
) -> tuple[Array, ...]:
    """Parts of the affine forms, what state and noise do together along some directions, and the moves there."""
    flat, unravel = ravel_pytree(state)
    size, noises = flat.shape[0], process.noise_dim
    zero, quiet = jnp.zeros(size), jnp.zeros(noises)

    def one(number: Any) -> tuple[Array, ...]:
        function = lambda z, w: ravel_pytree(move(process, number, unravel(z), w))[0]

        def product(z: Array, w: Array) -> Array:
            spread = lambda at: jax.jvp(lambda noise: function(at, noise), (quiet,), (w,))[1]
            return jax.jvp(spread, (zero,), (z,))[1]

        matrix, noise = jax.jacfwd(function, argnums=(0, 1))(zero, quiet)
        parts = [matrix, function(zero, quiet), noise]
        if with_products:
            parts.append(jnp.moveaxis(jax.jacfwd(jax.jacfwd(function), argnums=1)(zero, quiet), -1, 0))
        return *parts, *(jax.vmap(f)(probes[:, :size], probes[:, size:]) for f in (product, function))

    return jax.vmap(one)(numbers)


def _misfit(forms: AffineForms, probes: np.ndarray, values: np.ndarray) -> np.ndarray:
    """How far moves are from their affine forms, relative to their size; shape `(count, probes)`."""
    z, w = np.split(probes, [forms.matrix.shape[-1]], axis=1)
    model = z @ forms.matrix.swapaxes(1, 2) + forms.offset[:, None] + w @ forms.noise.swapaxes(1, 2)
    if forms.multiplicative is not None:
        model = model + np.einsum("kaij,pj,pa->kpi", forms.multiplicative, z, w, optimize=True)
    return np.max(np.abs(values - model), axis=-1) / (1 + np.max(np.abs(values), axis=-1))
