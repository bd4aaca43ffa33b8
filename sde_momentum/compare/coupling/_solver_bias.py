"""What the difference of two solutions on one path says of the error of the finer one."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import PyTree

from sde_momentum.dynamics import SDE


def bias_share(equation: SDE, x0: PyTree[Any]) -> float:
    r"""The part of fine − coarse, in absolute value, that is the bias of the fine solution by `SmallNoise`.

    Half the step leaves $2^{-p}$ of the bias, so that it is $1/(2^p - 1)$ of the difference: a third for additive
    noise, $p = 2$. For noise that depends on the state a term $\varepsilon^4h$ may lead, and the whole difference is
    taken: that overstates the bias up to three times where noise is small, and never understates it.

    Args:
        equation: the limit.
        x0: its parameters at the start, or the start of every variable.
    """
    state, unravel = ravel_pytree(equation.init(x0))
    # A generic place and direction: at the start a derivative may vanish by symmetry.
    generic = jnp.cos(1.0 + jnp.arange(state.size, dtype=state.dtype))
    weights = jnp.sin(1.0 + jnp.arange(equation.noise_dim, dtype=state.dtype))
    product = lambda z: ravel_pytree(equation.noise_product(0.0, unravel(z), None, weights))[0]
    slope = jax.jit(lambda z: jax.jvp(product, (z,), (generic,))[1])(state + 0.1 * generic)
    return 1 / 3 if bool(jnp.all(slope == 0)) else 1.0
