"""An SDE of one replica as diffrax terms of a whole block, whose paths are the last axis."""

from typing import Any

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import lineax as lx
from jaxtyping import Array, Float, PyTree

from sde_momentum.ensembles._batching import cast_like, over_paths
from sde_momentum.solvers import CounterPath

State = PyTree[Array]
Time = Float[Array, ""]


class FusedTerm(dfx.AbstractTerm):
    """Drift and noise in one product, for solvers that need nothing but `vf_prod`, such as Euler's.

    The increment of a problem is one weighted backward pass; separate terms would take two.

    Args:
        process: The SDE.
        path: Increments of the block, `(noise_dim, paths)`.
        dt: The step: the exact one, where a difference of two float32 times would carry their rounding.
        replica_block: Replicas computed at a time.
    """

    process: Any
    path: CounterPath
    dt: Time
    replica_block: int | None = eqx.field(static=True)

    def vf(self, t: Time, y: State, args: Any) -> tuple[Time, State, Any]:
        """The point itself: the vector field is never formed, `prod` applies it."""
        return t, y, args

    def contr(self, t0: Time, t1: Time, **kwargs: Any) -> tuple[Time, Array]:
        """The pair (dt, ΔW) of the step that starts at t0."""
        del t1, kwargs
        return self.dt, self.path.increment(jnp.round(t0 / self.dt).astype(jnp.uint32))

    def prod(self, vf: tuple[Time, State, Any], control: tuple[Time, Array]) -> State:
        """Drift dt + S ΔW at a point."""
        return self.vf_prod(*vf, control)

    def vf_prod(self, t: Time, y: State, args: Any, control: tuple[Time, Array]) -> State:
        """Drift dt + S ΔW for every path."""
        dt, noise = control
        increment = over_paths(lambda one, dw: self.process.increment(t, one, args, dt, dw), self.replica_block)
        return cast_like(increment(y, noise), y)


def separate_terms(process: Any, path: CounterPath, replica_block: int | None) -> dfx.MultiTerm:
    """Drift and noise as the two terms that diffrax's solvers for SDEs take.

    Args:
        process: The SDE.
        path: Increments of the block.
        replica_block: Replicas computed at a time.
    """
    noise_like = jax.ShapeDtypeStruct(path.shape, path.dtype)

    def drift(t: Time, y: State, args: Any) -> State:
        return cast_like(over_paths(lambda one: process.drift(t, one, args), replica_block)(y), y)

    def noise(t: Time, y: State, args: Any) -> lx.AbstractLinearOperator:
        product = over_paths(lambda one, w: process.noise_product(t, one, args, w), replica_block)
        return lx.FunctionLinearOperator(lambda w: cast_like(product(y, w), y), noise_like)

    return dfx.MultiTerm(dfx.ODETerm(drift), dfx.ControlTerm(noise, path))
