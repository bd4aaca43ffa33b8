"""Slow flows with closed forms."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sde_momentum.manifold import (
    RetractedEuler,
    log_pseudo_determinant,
    log_pseudo_determinant_gradient,
    retract,
    slow_drift,
    slow_sde,
    trace_hessian,
    trace_hessian_gradient,
)
from sde_momentum.problems import general, label_noise

Z = jnp.array([0.7, 1.0, 1.9, 2.6])
DELTA = 0.6
PARAMS = {"a": jnp.array([0.5, 0.3]), "b": jnp.array([0.4, 0.2])}


def flat(x):
    return jnp.concatenate([x["a"], x["b"]])


def form(x):
    """The form Σ z_i u_i²."""
    return Z @ flat(x) ** 2


def kick(x, w):
    return jax.tree.map(lambda leaf: DELTA * w[0] * leaf, jax.grad(form)(x))


FORM = general(lambda x: 0.5 * (form(x) - 1) ** 2, kick, noise_dim=1)


def closed_flow(t, w, args):
    """Velocity dw_i/dτ = 4δ² z_i w_i (Σz³w/Σz²w − z_i)."""
    return 4 * DELTA**2 * Z * w * (jnp.sum(Z**3 * w) / jnp.sum(Z**2 * w) - Z)


@pytest.mark.slow
def test_label_noise_flow_of_a_quadratic_form():
    """The squares w = u² follow its closed flow to τ = 0.4 within 1e-6; the flow of twice the constant is refuted."""
    sde = slow_sde(FORM, codimension=1)
    start = sde.init(PARAMS)
    solve = lambda field, y, scale: (
        diffrax.diffeqsolve(
            diffrax.ODETerm(lambda t, y, args: jax.tree.map(lambda v: scale * v, field(t, y, args))),
            diffrax.Tsit5(),
            0.0,
            0.4,
            0.02,
            y,
            adjoint=diffrax.ForwardMode(),
        ).ys
    )
    slow = jax.jit(lambda y: solve(sde.drift, y, 1.0))(start)
    closed = solve(closed_flow, flat(start["x"]) ** 2, 1.0)[0]
    moved = flat(jax.tree.map(lambda leaf: leaf[0], slow["x"])) ** 2
    np.testing.assert_allclose(moved, closed, atol=1e-6)
    doubled = solve(closed_flow, flat(start["x"]) ** 2, 2.0)[0]
    assert float(jnp.max(jnp.abs(moved - doubled))) > 1e-2


@pytest.mark.slow
def test_label_noise_has_no_tangential_part():
    """P S w = 0 on Γ, and the increment over dt is the drift to O(dt²)."""
    sde = slow_sde(FORM, codimension=1)
    state = sde.init(PARAMS)
    noise = jax.jit(lambda y: sde.noise_product(0.0, y, None, jnp.ones(1)))(state)
    assert float(jnp.max(jnp.abs(flat(noise["x"])))) < 1e-14
    step, drift = jax.jit(lambda y: (sde.increment(0.0, y, None, 1e-4, jnp.ones(1)), sde.drift(0.0, y)))(state)
    assert float(jnp.max(jnp.abs(flat(step["x"]) / 1e-4 - flat(drift["x"])))) < 1e-3


@pytest.mark.parametrize(("factor", "batch"), [(0.5, 1), (1.0, 1), (1.0, 3)])
def test_label_noise_constant_follows_the_loss(factor, batch):
    """L = (κ/n) Σ r²: drift −(c/4) ∇_Γ tr H with c = 2κδ²/B; c of the other normalization is off by a factor."""
    inputs = jnp.asarray(np.random.default_rng(0).normal(size=(2, 4)))
    x = jnp.array([0.8, 0.5, 1.1, 0.7])
    model = lambda u, rows: rows @ (u + 0.3 * u**2)
    problem = label_noise(model, inputs, model(x, inputs), DELTA, batch, loss_factor=factor)
    sde = slow_sde(problem, codimension=2)
    drift, gradient = jax.jit(
        lambda v: (sde.drift(0.0, {"x": v})["x"], trace_hessian_gradient(problem.loss, v, codimension=2))
    )(x)
    constant = 2 * factor * DELTA**2 / batch
    np.testing.assert_allclose(drift, -constant / 4 * gradient, rtol=1e-10, atol=1e-14)
    assert not np.allclose(drift, -constant / 2 * gradient, rtol=1e-2)


def bent_valley(x):
    """Codimension 2 in four dimensions, with Hessian eigenvalues that vary along Γ."""
    c = jnp.stack([x[2] + 0.3 * x[0] * x[1] - 0.2 * x[3] ** 2, x[3] - 0.4 * x[0] ** 2 + 0.2 * x[1] * x[2]])
    return (
        0.5 * jnp.exp(0.7 * x[0] - 0.2 * x[1]) * c[0] ** 2 + jnp.exp(0.3 * x[1]) * c[1] ** 2 + 0.2 * x[0] * c[0] * c[1]
    )


POINT = jax.jit(lambda: retract(bent_valley, jnp.array([0.3, -0.2, 0.1, 0.05]), iterations=6, codimension=2))()


@eqx.filter_jit
def along_manifold(functional, direction):
    """d/ds of a functional along a curve of Γ, by central differences of fourth order."""
    at = lambda s: functional(retract(bent_valley, POINT + s * direction, codimension=2))
    h = 1e-2
    return (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("functional", "gradient"),
    [(trace_hessian, trace_hessian_gradient), (log_pseudo_determinant, log_pseudo_determinant_gradient)],
)
def test_regularizer_gradients_are_derivatives_along_the_manifold(functional, gradient):
    """∇_Γ R · t is the change of R along Γ in the tangent direction t, and ∇_Γ R is tangent."""
    value = jax.jit(lambda x: gradient(bent_valley, x, codimension=2))(POINT)
    direction = value / jnp.linalg.norm(value)
    slope = along_manifold(lambda x: functional(bent_valley, x), direction)
    np.testing.assert_allclose(slope, jnp.linalg.norm(value), rtol=1e-5)
    assert float(jnp.linalg.norm(jax.hessian(bent_valley)(POINT) @ direction)) < 1e-12


@pytest.mark.slow
def test_normal_noise_descends_the_log_determinant():
    """Σ = s²(I − P) gives −(s²/4) ∇_Γ log det⁺ H, and Σ = cH gives −(c/4) ∇_Γ tr H; they differ."""

    @jax.jit
    def fields(x):
        hessian = jax.hessian(bent_valley)(x)
        normal = jnp.linalg.pinv(hessian, rtol=1e-8) @ hessian
        return (
            slow_drift(bent_valley, 0.9 * normal, x, codimension=2).total,
            slow_drift(bent_valley, 0.9 * hessian, x, codimension=2).total,
            log_pseudo_determinant_gradient(bent_valley, x, codimension=2),
            trace_hessian_gradient(bent_valley, x, codimension=2),
        )

    isotropic, label, determinant, trace = fields(POINT)
    np.testing.assert_allclose(isotropic, -0.9 / 4 * determinant, atol=1e-12)
    np.testing.assert_allclose(label, -0.9 / 4 * trace, atol=1e-12)
    assert float(jnp.linalg.norm(isotropic - label)) > 1e-2


def circle_paths(drift_factor):
    """Mean and standard error of x(1) for isotropic noise on the circle, plain Euler with a factor on the drift."""
    sde = slow_sde(general(lambda x: (x @ x - 1) ** 2, lambda x, w: w, noise_dim=2), codimension=1)
    steps, paths = 100, 4000
    noise = jnp.asarray(np.random.default_rng(11).normal(size=(steps, 2, paths)) / steps**0.5)

    def step(x, dw):
        one = lambda y, w: (
            y + drift_factor * sde.drift(0.0, {"x": y})["x"] / steps + sde.noise_product(0.0, {"x": y}, None, w)["x"]
        )
        return jax.vmap(one, in_axes=-1, out_axes=-1)(x, dw), None

    start = jnp.tile(jnp.array([[1.0], [0.0]]), (1, paths))
    ends = jax.jit(lambda x: jax.lax.scan(step, x, noise)[0])(start)
    return np.mean(ends[0]), np.std(ends[0]) / paths**0.5, ends


@pytest.mark.slow
def test_isotropic_noise_on_a_circle_shows_the_ito_term():
    """E x(τ) = e^{−τ/2} x₀ for Brownian motion on the circle (5 SE); without the Itô drift E x(τ) = x₀."""
    mean, error, ends = circle_paths(1.0)
    # Euler's own mean is (1 − dt/2)^n e^{...}: its bias at dt = 0.01 is below 2e-3.
    assert abs(mean - np.exp(-0.5)) < 5 * error + 2e-3
    assert float(np.mean(np.abs(np.sum(ends**2, axis=0) - 1))) < 0.2
    wrong, error, _ = circle_paths(0.0)
    assert abs(wrong - np.exp(-0.5)) > 5 * error + 2e-3


@pytest.mark.slow
def test_retracted_euler_stays_on_the_manifold_and_keeps_the_law():
    """Through diffrax: |x| = 1 to 1e-12 at every save, the distances removed are O(dt), and E x(1) = e^{−½} x₀."""
    sde = slow_sde(general(lambda x: (x @ x - 1) ** 2, lambda x, w: w, noise_dim=2), codimension=1)
    paths, dt = 400, 0.02

    def solve(key):
        return diffrax.diffeqsolve(
            sde.terms(diffrax.UnsafeBrownianPath((2,), key)),
            RetractedEuler(sde.retract),
            0.0,
            1.0,
            dt,
            {"x": jnp.array([1.0, 0.0])},
            adjoint=diffrax.ForwardMode(),
            saveat=diffrax.SaveAt(t1=True, solver_state=True, fn=lambda t, y, args: (y["x"], sde.monitor(t, y))),
        )

    solution = jax.jit(jax.vmap(solve))(jax.random.split(jax.random.key(3), paths))
    x, record = solution.ys
    x = x[:, 0]
    assert float(jnp.max(record["distance"])) < 1e-12
    assert float(jnp.max(jnp.abs(jnp.linalg.norm(x, axis=1) - 1))) < 1e-12
    largest = solution.solver_state["largest"]
    assert 0.3 * dt < float(jnp.mean(largest)) < 10 * dt
    error = float(jnp.std(x[:, 0])) / paths**0.5
    assert abs(float(jnp.mean(x[:, 0])) - np.exp(-0.5)) < 5 * error
    assert abs(float(jnp.mean(x[:, 0])) - 1) > 5 * error
