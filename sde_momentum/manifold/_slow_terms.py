"""A slow equation as plain diffrax terms."""

from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import lineax as lx
from jaxtyping import Array, PyTree

State = dict[str, PyTree[Array]]


def slow_terms(sde: Any, path: diffrax.AbstractPath) -> diffrax.MultiTerm:
    """Drift and noise of one replica; the noise factor is a linear operator, never a matrix."""

    def factor(t, state, args):
        shape = jax.ShapeDtypeStruct((sde.noise_dim,), jnp.result_type(*jax.tree.leaves(state)))
        return lx.FunctionLinearOperator(lambda w: sde.noise_product(t, state, args, w), shape)

    return diffrax.MultiTerm(diffrax.ODETerm(sde.drift), diffrax.ControlTerm(factor, path))
