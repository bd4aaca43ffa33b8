"""Strong and path-level errors, whole laws, and the identity of every stationary state."""

import jax.numpy as jnp
import numpy as np
import pytest

from sde_momentum.compare import (
    AffineChain,
    compare_laws,
    conserved_combination,
    sample_law,
    stationary_residual,
    strong_error,
)
from sde_momentum.dynamics import chain, sde
from sde_momentum.ensembles import simulate
from sde_momentum.optimizers import nesterov, rmsprop, sgd, sgdm
from sde_momentum.problems import SignDraw, double_well, quadratic
from sde_momentum.symbolic import Regime, modified_equation

RATES = (0.2, 0.1, 0.05, 0.025)
BOWL = quadratic(np.array([[1.0]]), noise=np.array([[0.6]]))
FIRST = modified_equation(sgd(), order=1)


def exact_distance(eta, steps):
    """(E|x_k − X|²)^½ for SGD and dX = −X dt + √η s dW on ½x², driven by the same Brownian motion.

    Over one step X' = e^{−η}X + √η s ∫e^{−(η−u)}dW; its noise and the chain's √η s ΔW/√η·√η have covariance
    η s²(1−e^{−η}).
    """
    s2, decay = 0.36, np.exp(-eta)
    cross = eta * s2 * (1 - decay)
    spread = eta * s2 * np.array([[eta, 0], [0, (1 - decay**2) / 2]])
    spread[0, 1] = spread[1, 0] = cross
    pair = AffineChain(np.diag([1 - eta, decay]), noise=np.linalg.cholesky(spread))
    second = pair.moments([0.7, 0.7], [steps]).second[0]
    return np.sqrt(second[0, 0] + second[1, 1] - 2 * second[0, 1])


@pytest.fixture(scope="module")
def distances():
    setting = {"t1": 0.8, "learning_rates": RATES, "num_paths": 2048, "seed": 3, "progress": False}
    return strong_error(sgd(), FIRST, BOWL, np.array([0.7]), **setting)


@pytest.mark.slow
def test_strong_error_is_the_exact_one(distances):
    """On a quadratic the root-mean-square distance is closed: within 5 SE and the solver's own distance."""
    found = distances.dataset.isel(time=-1).sel(observable="at the time")
    exact = np.array([exact_distance(eta, round(0.8 / eta)) for eta in RATES])
    bound = 5 * found["standard_error"].values + found["solver_bias"].values
    assert np.all(np.abs(found["error"].values - exact) < bound)
    # The control: the distance of independent runs is of the size of the noise, far above.
    assert np.all(found["error"].values + bound < np.sqrt(np.array(RATES)) * 0.36)


@pytest.mark.slow
def test_path_error_bounds_the_error_at_the_end(distances):
    """The largest distance so far is at least the one at the time, and of the same order, one, for small noise."""
    error = distances.dataset["error"].isel(time=-1)
    assert np.all(error.sel(observable="largest so far") >= error.sel(observable="at the time"))
    for fit in distances.orders.values():
        assert fit.interval[0] < 1.1
        assert fit.interval[1] > 0.9
    assert "strong error of sgd" in str(distances)


@pytest.mark.slow
def test_laws_of_chain_and_equation_agree_and_others_do_not():
    """SGD and its equation at η = 0.05 have one law up to chance; with noise 1.5 times as large they do not."""
    optimizer, equation = chain(sgd(), BOWL, learning_rate=0.05), sde(FIRST, BOWL, learning_rate=0.05)
    louder = sde(FIRST, quadratic(np.array([[1.0]]), noise=np.array([[0.9]])), learning_rate=0.05)
    setting = {"x0": np.array([0.7]), "t1": 1.0, "num_paths": 1500}
    first = sample_law(optimizer, seed=1, **setting)
    same = compare_laws(first, sample_law(equation, seed=2, **setting), permutations=199)
    other = compare_laws(first, sample_law(louder, seed=3, **setting), permutations=199)
    assert same.p_value > 1e-3
    assert other.p_value <= 0.015
    assert other.sliced_wasserstein_2 > 3 * other.within
    assert "halves of one" in str(other)
    # Moments of the sample are those of the law, within 5 SE.
    law = AffineChain(0.95, noise=0.05 * 0.6).moments([0.7], [20])
    assert abs(first.mean() - law.mean[0, 0]) < 5 * np.sqrt(law.covariance[0, 0, 0] / 1500)


RULES = {"sgd": (sgd(), {}), "sgdm": (sgdm(), {"momentum": 0.6}), "nesterov": (nesterov(), {"momentum": 0.6})}


@pytest.mark.parametrize(
    "name", ["sgdm", *(pytest.param(name, marks=pytest.mark.slow) for name in ("sgd", "nesterov"))]
)
def test_conserved_combination_moves_by_the_gradient(name):
    """Y' = y − c g for any state and gradient."""
    rule, numbers = RULES[name]
    process = chain(rule, double_well(), learning_rate=0.2, **numbers)
    weights, step = conserved_combination(process)
    state = {key: jnp.asarray(0.3 + 0.4 * k) for k, key in enumerate(rule.state)}
    moved = process.update(state, jnp.asarray(1.7))
    slow = lambda s: sum(w * float(s[key]) for key, w in weights.items())
    assert slow(moved) == pytest.approx(slow(state) - step * 1.7, abs=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("name", RULES)
def test_stationary_runs_satisfy_the_identity(name):
    """In a quartic well the residual is zero within 5 SE at the end, and far from it at the start (the control)."""
    rule, numbers = RULES[name]
    process = chain(rule, double_well(), learning_rate=0.2, **numbers)
    residual = {"residual": stationary_residual(process)}
    setting = {"num_paths": 8192, "seed": 5, "observables": residual, "progress": False}
    found = simulate(process, 1.6, t1=30.0, saves=[0.4, 30.0], **setting).isel(observable=0)
    z = (found["mean"] / found["standard_error"]).values
    assert abs(z[0]) > 5
    assert abs(z[1]) < 5


@pytest.mark.slow
def test_stationary_equation_satisfies_its_identity():
    """2x·b + |B|² has mean zero in the stationary state of the equation of order 2, within 5 SE; not at the start."""
    equation = sde(modified_equation(sgd(), order=2), double_well(), learning_rate=0.1)
    residual = {"residual": stationary_residual(equation)}
    setting = {"num_paths": 8192, "seed": 5, "observables": residual, "progress": False, "dt": 0.005}
    found = simulate(equation, 1.6, t1=15.0, saves=[0.5, 15.0], **setting).isel(observable=0)
    z = (found["mean"] / found["standard_error"]).values
    assert abs(z[0]) > 5
    assert abs(z[1]) < 5


def test_bad_input_is_refused():
    """What does not apply says what does."""
    process = chain(rmsprop(), double_well(), regime=Regime.small_noise(), learning_rate=0.1, decay=0.9, eps=0.1)
    with pytest.raises(ValueError, match="moves by gradients alone"):
        stationary_residual(process)
    with pytest.raises(ValueError, match="one d"):
        compare_laws(np.ones((3, 2)), np.ones((3, 1)))
    with pytest.raises(ValueError, match="steps of length"):
        sample_law(chain(sgd(), BOWL, learning_rate=0.3), np.array([0.7]), t1=1.0, num_paths=3, seed=0)
    with pytest.raises(ValueError, match="at least four"):
        strong_error(sgd(), FIRST, BOWL, np.array([0.7]), t1=1.0, learning_rates=(0.1,))


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"t1": np.inf}, ValueError, "`t1` must be positive and finite, got inf"),
        ({"t1": 0.7}, ValueError, "t1 = 0.7 is 3.5 steps of length 0.2"),
        ({"substeps": 0}, ValueError, "`substeps` must be at least 1, got 0"),
        ({"num_paths": 1}, ValueError, "`num_paths` must be at least 8, for a standard error, got 1"),
        ({"num_paths": "a"}, TypeError, "`num_paths` must be a whole number, got 'a'"),
        ({"confidence": 95}, ValueError, "`confidence` must lie strictly between 0 and 1, got 95"),
        ({"learning_rate_unit": 0}, ValueError, "`learning_rate_unit` must be positive and finite, got 0"),
        ({"learning_rate": 0.1}, ValueError, "pass `learning_rates`, four or more of them"),
    ],
)
def test_misused_strong_errors_are_refused(changes, error, message):
    """One sentence that names the argument, before anything is run."""
    with pytest.raises(error, match=message):
        strong_error(sgd(), FIRST, BOWL, np.array([0.7]), **({"t1": 0.8, "learning_rates": RATES} | changes))


@pytest.mark.parametrize(
    ("problem", "noise"),
    [
        pytest.param(double_well(), "Gaussian noise", marks=pytest.mark.slow, id="normals"),
        pytest.param(double_well(draw=SignDraw(1)), "the Gaussian twin of the noise", id="signs"),
    ],
)
def test_whose_noise_and_bias_are_printed(problem, noise):
    """One Brownian path is that of Gaussian noise: of other noise it is the twin's."""
    setting = {"t1": 0.8, "learning_rates": (0.4, 0.2, 0.1, 0.05), "num_paths": 16, "progress": False}
    text = str(strong_error(sgd(), FIRST, problem, 0.5, **setting))
    assert f"(coupled sampling of {noise}, 16 paths, 2 solver steps a step; solver bias at most " in text
