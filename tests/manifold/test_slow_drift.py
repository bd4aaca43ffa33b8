"""The closed formula for the slow drift against derivatives of the numerically solved limit map."""

import itertools

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sde_momentum.manifold import limit_map, normal_space, slow_diffusion, slow_drift

DIM = 5


class RandomValley(eqx.Module):
    """L = ½ Σ_i a_i e^{w_i·x} c_i(x)² with random cubic c_i: every derivative on Γ = {c = 0} is generic."""

    linear: jax.Array
    quadratic: jax.Array
    cubic: jax.Array
    stiffness: jax.Array
    tilt: jax.Array

    def __call__(self, x):
        c = self.linear @ x + jnp.einsum("ijk,j,k", self.quadratic, x, x)
        c = c + jnp.einsum("ijkl,j,k,l", self.cubic, x, x, x)
        return 0.5 * jnp.sum(self.stiffness * jnp.exp(self.tilt @ x) * c**2)


def valley(codimension):
    """A random valley through the origin with normal eigenvalues 1, 1.7, 2.4, and a full random noise factor."""
    rng = np.random.default_rng(codimension)
    q, _ = np.linalg.qr(rng.normal(size=(DIM, DIM)))
    # Three constraints in every case, some of zero stiffness: equal shapes, one compilation.
    loss = RandomValley(
        linear=jnp.asarray(q[:, :3].T),
        quadratic=jnp.asarray(0.3 * rng.normal(size=(3, DIM, DIM))),
        cubic=jnp.asarray(0.1 * rng.normal(size=(3, DIM, DIM, DIM))),
        stiffness=jnp.where(jnp.arange(3) < codimension, 1.0 + 0.7 * jnp.arange(3), 0.0),
        tilt=jnp.asarray(0.5 * rng.normal(size=(3, DIM))),
    )
    return loss, jnp.asarray(rng.normal(size=(DIM, DIM)))


@eqx.filter_jit
def formula(loss, factor, x):
    """The closed formula under test, and the projected noise factor."""
    return slow_drift(loss, factor @ factor.T, x), slow_diffusion(loss, factor, x)


@eqx.filter_jit
def solved_derivatives(loss, x, directions):
    """∂Φ and the curvatures ∂²Φ[s, s], one column per direction, through the ODE solver itself."""
    solve = lambda z: (
        limit_map(
            loss,
            z,
            solver=diffrax.Tsit5(),
            stepsize_controller=diffrax.ConstantStepSize(),
            dt0=0.05,
            minimum_time=30.0,
            polish=0,
            max_steps=800,
        ).x
    )
    along = lambda s: jax.jvp(lambda z: jax.jvp(solve, (z,), (s,))[1], (x,), (s,))
    return jax.vmap(along, in_axes=1, out_axes=1)(directions)


def relative(a, b):
    return float(jnp.linalg.norm(a - b) / jnp.linalg.norm(b))


@pytest.mark.slow
@pytest.mark.parametrize("codimension", [1, 2, 3])
def test_drift_is_half_the_second_derivative_of_the_limit_map(codimension):
    """On Γ, ∂Φ = P and slow_drift = ½ ∂²Φ[Σ] to 1e-6; without any one of its three terms it is off by over 1e-2."""
    loss, factor = valley(codimension)
    x = jnp.zeros(DIM)
    first, second = solved_derivatives(loss, x, factor)
    drift, diffusion = formula(loss, factor, x)
    expected = 0.5 * jnp.sum(second, axis=1)

    assert int(drift.space.codimension) == codimension
    assert relative(diffusion, first) < 1e-6
    assert relative(drift.total, expected) < 1e-6
    for dropped in (drift.curvature, drift.cross, drift.normal):
        assert relative(drift.total - dropped, expected) > 1e-2


@pytest.mark.slow
def test_drift_agrees_with_finite_differences_of_the_default_limit_map():
    """Σ_k (Φ(x + h s_k) − 2Φ(x) + Φ(x − h s_k))/(2h²), extrapolated in h, equals the drift to 1e-6."""
    loss, factor = valley(2)
    x = jnp.zeros(DIM)
    solve = lambda z: limit_map(loss, z, solver_tolerance=1e-13, solver=diffrax.Dopri8()).x

    @eqx.filter_jit
    def stencil(h):
        ends = jax.vmap(solve)(jnp.concatenate([h * factor.T, -h * factor.T]))
        return jnp.sum(ends, axis=0) / (2 * h**2)

    h = 0.02
    estimates = [stencil(h * 2.0**-k) for k in range(3)]
    once = [(4 * b - a) / 3 for a, b in itertools.pairwise(estimates)]
    expected = (16 * once[1] - once[0]) / 15
    assert relative(formula(loss, factor, x)[0].total, expected) < 1e-6


def test_projector_is_idempotent_and_annihilates_the_hessian():
    """P² = P, P H = 0, tr P = d − codimension."""
    loss, _ = valley(2)
    hessian = jax.jit(jax.hessian(loss))(jnp.zeros(DIM))
    projector = jax.jit(lambda h: normal_space(h).projector())(hessian)
    assert jnp.allclose(projector @ projector, projector, atol=1e-14)
    assert float(jnp.max(jnp.abs(projector @ hessian))) < 1e-13
    assert abs(float(jnp.trace(projector)) - 3) < 1e-13
