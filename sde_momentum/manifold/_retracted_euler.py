"""Euler–Maruyama that returns to the manifold after every step."""

from collections.abc import Callable
from typing import Any, ClassVar

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree


class RetractedEuler(diffrax.AbstractItoSolver):
    r"""y' = R(y + b(y)dt + S(y)dW), with R the return to the manifold.

    The Itô term of the drift already keeps the mean on Γ; what R removes is the fluctuation of order dt around it. R
    differs from Φ by the square of that, so weak order 1 and strong order ½ are Euler's own. The solver state holds the
    distance removed in the last step and the largest so far; `SaveAt(solver_state=True)` returns them.

    Args:
        retraction: state ↦ state, such as `SlowSDE.retract`.
        batched: whether states carry a trailing path axis; the retraction still takes one replica.

    Example:
        >>> import diffrax, jax, jax.numpy as jnp
        >>> from sde_momentum.manifold import RetractedEuler, slow_sde
        >>> from sde_momentum.problems import general
        >>> sde = slow_sde(general(lambda x: (x @ x - 1.0) ** 2, lambda x, w: w, noise_dim=2))
        >>> path = diffrax.UnsafeBrownianPath((2,), jax.random.key(0))
        >>> solution = diffrax.diffeqsolve(
        ...     sde.terms(path), RetractedEuler(sde.retract), 0.0, 0.1, 0.01, {"x": jnp.array([1.0, 0.0])},
        ...     adjoint=diffrax.ForwardMode(), saveat=diffrax.SaveAt(t1=True, solver_state=True))
        >>> abs(float(jnp.linalg.norm(solution.ys["x"])) - 1.0) < 1e-5
        True
        >>> 0.0 < float(solution.solver_state["largest"]) < 0.2
        True
    """

    retraction: Callable[[PyTree[Array]], PyTree[Array]]
    batched: bool = eqx.field(static=True, default=False)
    term_structure: ClassVar[Any] = diffrax.AbstractTerm
    interpolation_cls: ClassVar[Any] = diffrax.LocalLinearInterpolation

    def order(self, terms: Any) -> int:
        """Order without noise."""
        return 1

    def strong_order(self, terms: Any) -> float:
        """Strong order for general noise."""
        return 0.5

    def init(self, terms: Any, t0: Any, t1: Any, y0: Any, args: Any) -> dict[str, Array]:
        """No distance removed yet."""
        zero = jnp.zeros_like(self._distance(y0, y0))
        return {"last": zero, "largest": zero}

    def step(self, terms: Any, t0: Any, t1: Any, y0: Any, args: Any, solver_state: Any, made_jump: Any) -> Any:
        """One Euler step and the return."""
        change = terms.vf_prod(t0, y0, args, terms.contr(t0, t1))
        moved = jax.tree.map(jnp.add, y0, change)
        back = jax.vmap(self.retraction, in_axes=-1, out_axes=-1)(moved) if self.batched else self.retraction(moved)
        last = self._distance(moved, back)
        state = {"last": last, "largest": jnp.maximum(solver_state["largest"], last)}
        return back, None, {"y0": y0, "y1": back}, state, diffrax.RESULTS.successful

    def func(self, terms: Any, t0: Any, y0: Any, args: Any) -> Any:
        """Vector field, for diffrax."""
        return terms.vf(t0, y0, args)

    def _distance(self, a: PyTree[Array], b: PyTree[Array]) -> Array:
        """Euclidean distance, one number a replica."""
        norm = lambda u, v: jnp.sqrt(sum(jnp.sum((p - q) ** 2) for p, q in zip(_leaves(u), _leaves(v), strict=True)))
        return jax.vmap(norm, in_axes=-1)(a, b) if self.batched else norm(a, b)


def _leaves(tree: PyTree[Array]) -> list[Array]:
    return jax.tree.leaves(tree)
