"""Whether a problem's noise is what a limit assumes: Gaussian, with independent components, or isotropic."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from sde_momentum.dynamics._node_values import covariance_product
from sde_momentum.problems import AbstractProblem

_GENERAL, _ISOTROPIC = "general", "isotropic Gaussian"
_TOLERANCE = 1e-4


def law_caveats(problem: AbstractProblem, law: str) -> list[str]:
    """What the noise law of a limit asks for and this problem does not have, at its start.

    Σ is diagonal iff Σv = v ⊙ Σ1 for all v, and a multiple of the identity iff moreover the components of Σ1 are equal:
    two products with Σ tell, for a generic v.
    """
    if law == _GENERAL:
        return []
    found = []
    if problem.leading_cumulant is not None:
        found.append("the limit assumes Gaussian noise, but this problem's noise is not; pass `problem.gaussian()`")
    try:
        x, unravel = ravel_pytree(problem.initial(0))
    except ValueError:
        return found
    product = jax.jit(lambda v: ravel_pytree(covariance_product(problem, unravel(x), unravel(v)))[0])
    generic = jnp.asarray(np.random.default_rng(0).normal(size=x.size), x.dtype)
    variances, image = product(jnp.ones_like(x)), product(generic)
    scale = _TOLERANCE * float(jnp.max(jnp.abs(variances)))
    if float(jnp.max(jnp.abs(image - generic * variances))) > scale:
        found.append("the limit assumes independent noise components, but this problem's Σ is not diagonal")
    elif law == _ISOTROPIC and float(jnp.ptp(variances)) > scale:
        found.append("the limit assumes isotropic noise Σ = s² I, but this problem's variances differ")
    return found
