"""The bridge from sympy to JAX: limits and update rules become processes that can be simulated."""

from sde_momentum.dynamics._chain import Chain as Chain
from sde_momentum.dynamics._chain import chain as chain
from sde_momentum.dynamics._optax import from_optax as from_optax
from sde_momentum.dynamics._sde import SDE as SDE
from sde_momentum.dynamics._sde import sde as sde

__all__ = ["SDE", "Chain", "chain", "from_optax", "sde"]
