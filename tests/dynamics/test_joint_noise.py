"""Limits with the noise of squared gradients: their factor, their cumulants, their starts, and what is refused."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sde_momentum import optimizers, problems
from sde_momentum.dynamics import chain, sde
from sde_momentum.dynamics._joint_noise import cumulant_node, diagonal_node, squares_product
from sde_momentum.symbolic import modified_equation

FACTOR = jnp.asarray([[0.5, 0.2, -0.1], [0.1, 0.3, 0.4]])
# Quadratures of the standard normal law (exact to degree 5) and of signs.
NORMAL = (np.asarray([-(3**0.5), 0.0, 3**0.5]), np.asarray([1, 4, 1]) / 6)
SIGNS = (np.asarray([-1.0, 1.0]), np.asarray([0.5, 0.5]))
LAWS = {"normal": (problems.NormalDraw(3), NORMAL), "signs": (problems.SignDraw(3), SIGNS)}


def problem_with(draw):
    noise = lambda x: FACTOR * (1 + 0.2 * x[0] - 0.1 * x[1] ** 2)
    return problems.quadratic(jnp.asarray([[1.0, 0.3], [0.3, 2.0]]), noise=noise, draw=draw)


def moments(law, function):
    """Mean and covariance of f(z) for three independent components, exactly."""
    points, weights = law
    chosen = np.asarray(list(itertools.product(range(len(points)), repeat=3)))
    weight = np.prod(weights[chosen], axis=1)
    values = np.asarray(jax.jit(jax.vmap(function))(jnp.asarray(points[chosen])))
    centered = values - weight @ values
    return weight @ values, (centered * weight[:, None]).T @ centered


@pytest.mark.parametrize("name", LAWS)
def test_joint_factor(name):
    """(S; R) times its transpose is the covariance of (ξ, ξ∘ξ), summed over a quadrature of z."""
    draw, law = LAWS[name]
    problem, x = problem_with(draw), jnp.asarray([0.4, -0.7])
    components = 3 + 6

    def both(w):
        return jnp.concatenate([problem.noise_product(x, w[:3]), squares_product(problem, x, w)])

    factor = jax.jit(jax.vmap(both, out_axes=-1))(jnp.eye(components))
    vector = lambda z: jnp.concatenate([xi := problem.noise_product(x, z), xi**2])
    _, wanted = moments(law, vector)
    np.testing.assert_allclose(factor @ factor.T, wanted, rtol=1e-12, atol=1e-14)
    assert not np.allclose(factor[:, :3] @ factor[:, :3].T, wanted)  # control: the columns of S do not suffice


@pytest.mark.slow
@pytest.mark.parametrize("order", [3, 4])
def test_cumulants_of_skewed_components(order):
    """κ_n contracted by products with S equals the dense tensor k_n Σ_a S_ia S_ja …, on base and derivative slots."""
    problem = problem_with(problems.SkewedDraw(3, degrees=8))
    x, vectors = jnp.asarray([0.4, -0.7]), [jnp.asarray([0.3, 1.0]), jnp.asarray([-0.5, 0.2]), jnp.asarray([1.1, 0.6])]
    letters = "ijkl"[:order]

    def dense(y):
        s = problem.factor(y)
        operands = ",".join(f"{letter}a" for letter in letters)
        return problem.draw.cumulant(order) * jnp.einsum(f"{operands}->{letters}", *[s] * order)

    base = vectors[: order - 1]
    found = cumulant_node(problem, x, base, [vectors[0]], order, True)
    moved = jax.jvp(dense, (x,), (vectors[0],))[1]
    for vector in reversed(base):
        moved = moved @ vector
    np.testing.assert_allclose(found, moved, rtol=1e-12)
    diagonal = lambda y: dense(y)[(jnp.arange(2),) * order]
    np.testing.assert_allclose(diagonal_node(problem, x, order, [], None), diagonal(x), rtol=1e-12)
    outer = jax.grad(lambda y: diagonal(y) @ vectors[1])(x)
    np.testing.assert_allclose(diagonal_node(problem, x, order, [], vectors[1]), outer, rtol=1e-12)


def ballistic(order):
    rule = optimizers.rmsprop()
    return modified_equation(rule, rule.regimes()[1], order=order)


NUMBERS = {"learning_rate": 0.01, "rate_decay": 1.3, "eps": 0.1}


@pytest.mark.parametrize("name", LAWS)
def test_noise_of_one_step(name):
    """η B Bᵀ is the covariance of one step of RMSProp up to a relative O(η), summed over a quadrature of z."""
    draw, law = LAWS[name]
    problem = problem_with(draw)
    start = {"x": jnp.asarray([0.4, -0.2]), "G": jnp.asarray([0.7, 1.1])}
    numbers = {**NUMBERS, "learning_rate": 1e-4}
    equation = sde(ballistic(1), problem, **numbers)
    optimizer = chain(optimizers.rmsprop(), problem, regime=equation.limit.regime, **numbers)
    flat = lambda state: jnp.concatenate([state["x"], state["G"]])
    _, wanted = moments(law, lambda z: flat(optimizer.step(0, optimizer.init(start), z)))
    wanted = wanted / 1e-4
    column = lambda w: flat(equation.noise_product(0.0, start, None, w))
    columns = jax.jit(jax.vmap(column))(jnp.eye(equation.noise_dim))
    found = columns.T @ columns
    np.testing.assert_allclose(found, wanted, rtol=2e-3, atol=2e-3 * np.abs(wanted).max())


def test_fused_increment_is_drift_plus_noise():
    """One weighted backward pass, further columns and constants in functions included."""
    equation = sde(ballistic(2), problem_with(problems.SkewedDraw(3)), **NUMBERS)
    state = equation.init({"x": jnp.asarray([0.4, -0.2]), "G": jnp.asarray([0.7, 1.1])})
    w = jnp.linspace(-1, 1, equation.noise_dim)

    @jax.jit
    def evaluate(state, w):
        apart = equation.drift(0.0, state, None), equation.noise_product(0.0, state, None, w)
        return equation.increment(0.0, state, None, 0.1, w), *apart

    whole, drift, noise = evaluate(state, w)
    for variable in state:
        np.testing.assert_allclose(whole[variable], 0.1 * drift[variable] + noise[variable], rtol=1e-12)


def test_starts_are_in_the_scale_of_the_limit():
    """A dict starts every variable; the chain of a scaled variable starts at the scale times it."""
    rule = optimizers.adagrad()
    numbers = {"learning_rate": 0.1, "eps0": 0.2}
    problem, start = problems.quadratic(1.0), {"x": np.asarray(1.0), "G": np.asarray(0.5)}
    assert float(chain(rule, problem, **numbers).init(start)["G"]) == pytest.approx(50.0)
    assert float(sde(modified_equation(rule), problem, **numbers).init(start)["G"]) == 0.5
    assert float(sde(modified_equation(rule), problem, **numbers).init(1.0)["G"]) == 0.0
    with pytest.raises(ValueError, match="the start of `G`"):
        chain(rule, problem, **numbers).init({"x": np.asarray(1.0), "G": np.zeros(2)})


def test_time_starts_at_the_first_step():
    """Adam's bias corrections are finite at the start, where no step has been made yet."""
    rule = optimizers.adam()
    numbers = {"learning_rate": 0.1, "rate_beta1": 1.0, "rate_beta2": 2.0, "eps0": 0.3, "sigma0": 0.5}
    equation = sde(modified_equation(rule), problems.quadratic(1.0, noise=0.3), **numbers)
    state = equation.init(1.0)
    assert float(state["k"]) == pytest.approx(0.01)
    drift = jax.jit(lambda state: equation.drift(0.0, state, None))(state)
    assert all(np.isfinite(value) for value in jax.tree.leaves(drift))


def test_unknown_noise_is_refused():
    """A minibatch does not tell its fourth moments; its Gaussian twin does. Student noise needs more than four."""
    data = {"x": jnp.ones((8, 1)), "y": jnp.zeros(8)}
    loss = lambda w, batch: jnp.mean((batch["x"] @ w - batch["y"]) ** 2)
    problem = problems.minibatch(loss, data, batch_size=2, start=jnp.zeros(1))
    with pytest.raises(ValueError, match="noise of squared gradients"):
        sde(ballistic(1), problem, **NUMBERS)
    assert sde(ballistic(1), problem.gaussian(), **NUMBERS).noise_dim > problem.noise_dim
    heavy = problem_with(problems.StudentDraw(3, degrees=4))
    with pytest.raises(ValueError, match="does not tell cumulant 4"):
        sde(ballistic(1), heavy, **NUMBERS)
