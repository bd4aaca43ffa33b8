"""The normal space of an interpolating model through its n × n kernel."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Int, PyTree

from ._outcome import Outcome

Model = Callable[[PyTree[Array], PyTree[Array]], Array]


class KernelSpace(eqx.Module):
    """Row space of the Jacobian J (n, d) of the outputs: the normal space at interpolation, H = a JᵀJ.

    Args:
        jacobian: (n, d).
        eigenvalues: (n,), of K = J Jᵀ, ascending.
        eigenvectors: (n, n), in columns.
        used: (n,), whether the eigenvalue is above rounding, n ε max κ.
        gap: smallest used eigenvalue over the rounding floor.
    """

    jacobian: Float[Array, "n d"]
    eigenvalues: Float[Array, " n"]
    eigenvectors: Float[Array, "n n"]
    used: Array
    gap: Float[Array, ""]

    @property
    def codimension(self) -> Int[Array, ""]:
        """Number of independent outputs."""
        return jnp.sum(self.used)

    @property
    def code(self) -> Int[Array, ""]:
        """`Outcome` of the rank decision: a gap below ε^{-1/4} is reported as degenerate."""
        threshold = jnp.finfo(self.eigenvalues.dtype).eps ** -0.25
        code = jnp.where(self.gap >= threshold, Outcome.ON_MANIFOLD, Outcome.DEGENERATE_GAP)
        code = jnp.where(self.codimension < self.jacobian.shape[1], code, Outcome.ISOLATED)
        return jnp.where(jnp.all(jnp.isfinite(self.eigenvalues)), code, Outcome.UNDEFINED)

    def solve(self, v: Float[Array, " n"]) -> Float[Array, " n"]:
        """K⁺ v."""
        inverse = jnp.where(self.used, 1.0 / jnp.where(self.used, self.eigenvalues, 1.0), 0.0)
        return self.eigenvectors @ (inverse * (self.eigenvectors.T @ v))

    def least_norm(self, v: Float[Array, " n"]) -> Float[Array, " d"]:
        """J⁺ v = Jᵀ K⁺ v, the smallest parameter change that changes the outputs by v."""
        return self.jacobian.T @ self.solve(v)

    def tangent(self, q: Float[Array, " d"]) -> Float[Array, " d"]:
        """P q = q − J⁺ J q."""
        return q - self.least_norm(self.jacobian @ q)


def row_outputs(model: Model, unravel: Callable, row: PyTree[Array]) -> Callable[[Float[Array, " d"]], Array]:
    """The outputs (k,) of one row of inputs as a function of the flat parameters."""
    batch = jax.tree.map(lambda leaf: leaf[None], row)
    return lambda flat: jnp.ravel(model(unravel(flat), batch))


def kernel_space(model: Model, params: PyTree[Array], inputs: PyTree[Array], *, batch: int = 32) -> KernelSpace:
    """Jacobian and kernel of a model's outputs; O(nd) memory, O(n²d) work, never a d × d matrix.

    Args:
        model: (params, inputs) ↦ predictions (rows,) or (rows, k), each row computed from its own input row.
        params: pytree with d numbers.
        inputs: pytree of arrays that share their leading axis.
        batch: rows differentiated at a time.

    Returns:
        A `KernelSpace` with n = rows · k.

    Example:
        >>> import jax.numpy as jnp
        >>> from sde_momentum.manifold import kernel_space
        >>> space = kernel_space(lambda w, u: u @ w**2, jnp.ones(4), jnp.eye(4)[:2])
        >>> int(space.codimension), space.eigenvalues.tolist()
        (2, [4.0, 4.0])
    """
    flat, unravel = ravel_pytree(params)
    chunks, rows = _in_chunks(inputs, batch)
    of_row = lambda row: jax.jacrev(row_outputs(model, unravel, row))(flat)
    jacobian = jax.lax.map(jax.vmap(of_row), chunks)
    jacobian = jacobian.reshape(-1, *jacobian.shape[2:])[:rows].reshape(-1, flat.size)
    values, vectors = jnp.linalg.eigh(jacobian @ jacobian.T)
    floor = jnp.maximum(values.size * jnp.finfo(values.dtype).eps * values[-1], jnp.finfo(values.dtype).tiny)
    used = values > floor
    return KernelSpace(jacobian, values, vectors, used, jnp.min(jnp.where(used, values, jnp.inf)) / floor)


def weighted_curvature(
    model: Model, params: PyTree[Array], inputs: PyTree[Array], vectors: Float[Array, "n d"], *, batch: int = 32
) -> Float[Array, " d"]:
    """Σ_i ∇²f_i v_i, forward over reverse: twice the cost of one gradient a row, no Hessian.

    Args:
        model: as in `kernel_space`.
        params: pytree with d numbers.
        inputs: pytree of arrays with a leading axis of rows.
        vectors: (n, d), v_i in rows.
        batch: rows at a time.

    Returns:
        (d,).

    Example:
        >>> import jax.numpy as jnp
        >>> from sde_momentum.manifold import weighted_curvature
        >>> weighted_curvature(lambda w, u: u @ w**2, jnp.ones(2), jnp.eye(2), jnp.ones((2, 2))).tolist()
        [2.0, 2.0]
    """
    flat, unravel = ravel_pytree(params)
    chunks, rows = _in_chunks(inputs, batch)
    # A repeated row gets no direction, and so adds nothing.
    directions = _in_chunks(vectors.reshape(rows, -1, flat.size), batch, filled=False)[0]

    def along(z: Array, row: PyTree[Array], v: Float[Array, "k d"]) -> Array:
        slopes = jax.vmap(lambda u: jax.jvp(row_outputs(model, unravel, row), (z,), (u,))[1])(v)
        return jnp.trace(slopes)

    def chunk(total: Array, part: tuple) -> tuple[Array, None]:
        summed = lambda z: jnp.sum(jax.vmap(along, in_axes=(None, 0, 0))(z, *part))
        return total + jax.grad(summed)(flat), None

    return jax.lax.scan(chunk, jnp.zeros_like(flat), (chunks, directions))[0]


def _in_chunks(rows: PyTree[Array], batch: int, *, filled: bool = True) -> tuple[PyTree[Array], int]:
    """Rows as (chunks, batch, …), the last chunk filled up by its last row or by zeros, and their number.

    Equal chunks are one program; a remainder of its own would be compiled a second time.
    """
    count = jax.tree.leaves(rows)[0].shape[0]
    size = min(batch, count)
    missing = -count % size

    def split(leaf: Array) -> Array:
        leaf = jnp.asarray(leaf)
        padding = jnp.repeat(leaf[-1:], missing, axis=0)
        whole = jnp.concatenate([leaf, padding if filled else jnp.zeros_like(padding)])
        return whole.reshape(-1, size, *leaf.shape[1:])

    return jax.tree.map(split, rows), count
