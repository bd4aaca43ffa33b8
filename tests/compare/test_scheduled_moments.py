"""Exact moments where learning rate and momentum follow schedules: by hand, by enumeration, by other routes."""

from dataclasses import replace
from itertools import product

import jax.numpy as jnp
import numpy as np
import pytest
import sympy as sp
from scipy.integrate import solve_ivp

import sde_momentum as sm
from sde_momentum.compare import AffineChain, AffineSDE, Verdict, affine_chain, affine_sde, weak_error
from sde_momentum.compare.exact._scheduled_chain import scheduled_chain_moments
from sde_momentum.compare.exact._scheduled_sde import scheduled_sde_moments
from sde_momentum.optimizers import sgd, sgdm
from sde_momentum.problems import double_well, least_squares, quadratic
from sde_momentum.symbolic import Regime, TensorExpression, hyperparameter, modified_equation

RATES = (0.1, 0.05, 0.025, 0.0125)
SGD, SGDM = sgd(), sgdm()
SMALL, LOUD = Regime.small_noise(), Regime.noise_dominated(momentum_index=1)
PHI, SLOPE, RELAXATION = (hyperparameter(name) for name in ("schedule", "schedule'", "relaxation_rate"))
BOWL = quadratic(np.array([[1.0, 0.3], [0.3, 0.6]]), noise=np.array([[0.6, 0.0], [0.2, 0.5]]))
PARABOLA = quadratic(1.3, noise=0.7)
START = np.array([1.0, -0.5])
# Three examples drawn one at a time: noise that depends on the parameters, in two dimensions.
INPUTS, TARGETS = np.array([[1.0, 0.2], [-0.4, 0.9], [0.3, -0.7]]), np.array([0.5, -1.0, 0.3])
LINE = least_squares(INPUTS, TARGETS, 1, dtype=float)
POWERS = {"x": lambda x: x, "x²": lambda x: x**2}


def decay(t):
    """A learning rate that falls: φ = 1/(1+t), ∫φ = log(1+t)."""
    return 1 / (1 + t)


def rising(t):
    """A momentum between 0.3 and 0.6."""
    return 0.3 + 0.3 * jnp.sin(t)


def stronger(t):
    """A relaxation rate that grows."""
    return 1 + 0.5 * t


def study(limit, problem=BOWL, x0=START, **changes):
    """A weak error with the unit of the learning rate stated, which saves a compilation."""
    setting = {"t1": 1.0, "learning_rates": RATES, "learning_rate_unit": 0.5, "progress": False} | changes
    return weak_error(limit.rule, limit, problem, x0, **setting)


# --- by hand ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [1, 2])
def test_sgd_on_a_parabola_by_hand(order):
    """Mean Π(1−ηhφ_k)x₀ and its variance sum, against e^{−h∫φ} (order 2: −(η/2)h∫(hφ²−φ′) too) and ηs²∫φ²e^{…}."""
    h, s, x0, times = 1.3, 0.7, 2.0, (0.5, 1.5)
    limit = modified_equation(SGD, SMALL.scheduled(), order=order)
    setting = {"t1": 1.5, "saves": times, "schedule": decay, "observables": POWERS}
    found = study(limit, PARABOLA, x0, **setting)

    def discrete(eta, t):
        factors = 1 - eta * h * decay(eta * np.arange(round(t / eta)))
        later = np.append(np.cumprod(factors[:0:-1])[::-1], 1.0)
        return x0 * factors.prod(), np.sum((s / h * (1 - factors) * later) ** 2)

    def continuous(eta, t):
        exponent = lambda t: -h * np.log1p(t) - (order - 1) * eta * h / 2 * (h + 1) * t / (1 + t)
        places, weights = np.polynomial.legendre.leggauss(40)
        moments = t * (places + 1) / 2
        density = eta * s**2 * decay(moments) ** 2 * np.exp(2 * (exponent(t) - exponent(moments)))
        return x0 * np.exp(exponent(t)), t / 2 * weights @ density

    def error(eta, t):
        (mean, variance), (drifted, spread) = discrete(eta, t), continuous(eta, t)
        return mean - drifted, mean**2 + variance - drifted**2 - spread

    expected = np.array([np.transpose([error(eta, t) for t in times]) for eta in RATES])
    np.testing.assert_allclose(found.dataset["error"].values, expected, rtol=0, atol=2e-14)
    assert float(found.dataset["standard_error"].max()) < 2e-13
    assert found.dataset.attrs["method"].startswith("exact moments along the schedules")
    assert found.verdict is Verdict.CONFIRMED
    assert found.at(0.5).verdict is Verdict.CONFIRMED


def test_steps_of_least_squares_by_enumeration():
    """SGDM with φ_k and β_k on one of three examples a step: the moments over all 3⁴ sequences of examples."""
    eta, steps, names = 0.2, 4, ("learning_rate", "momentum")
    numbers = {"learning_rate": eta, "schedule": decay, "momentum": rising}
    process = sm.chain(SGDM, LINE, regime=SMALL.scheduled(*names), **numbers)
    law = scheduled_chain_moments(process, START, [2, steps])
    ends = []
    for examples in product(range(3), repeat=steps):
        x, m = START, np.zeros(2)
        for k, i in enumerate(examples):
            beta = float(rising(k * eta))
            m = beta * m + (1 - beta) * (INPUTS[i] @ x - TARGETS[i]) * INPUTS[i]
            x = x - eta * decay(k * eta) * m
        ends.append(np.concatenate([m, x]))
    np.testing.assert_allclose(law.mean[1], np.mean(ends, axis=0), rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(law.covariance[1], np.cov(np.transpose(ends), bias=True), rtol=1e-12, atol=1e-15)


def test_equation_of_least_squares_by_another_integrator():
    """Moments of dX = −φ∇L dt + √η φ Σ(X)^{1/2}dW with Σ that of the examples, written down and integrated apart."""
    eta, t1, count = 0.3, 1.0, len(TARGETS)
    hessian, pull = INPUTS.T @ INPUTS / count, INPUTS.T @ TARGETS / count

    def covariance(mean, second):
        residual = np.einsum("ni,ij,nj->n", INPUTS, second, INPUTS) - 2 * TARGETS * (INPUTS @ mean) + TARGETS**2
        cross = hessian @ np.outer(mean, pull)
        square = hessian @ second @ hessian - cross - cross.T + np.outer(pull, pull)
        return (INPUTS.T * residual) @ INPUTS / count - square

    def rate(t, flat):
        mean, second = flat[:2], flat[2:].reshape(2, 2)
        slope = second @ hessian - np.outer(mean, pull)
        change = -decay(t) * (slope + slope.T) + eta * decay(t) ** 2 * covariance(mean, second)
        return np.concatenate([-decay(t) * (hessian @ mean - pull), change.ravel()])

    start = np.concatenate([START, np.outer(START, START).ravel()])
    other = solve_ivp(rate, (0, t1), start, method="DOP853", rtol=1e-13, atol=1e-14).y[:, -1]
    limit = modified_equation(SGD, SMALL.scheduled(), order=1)
    law, rough, _ = scheduled_sde_moments(sm.sde(limit, LINE, learning_rate=eta, schedule=decay), START, [0.4, t1])
    np.testing.assert_allclose(law.mean[1], other[:2], rtol=1e-12)
    np.testing.assert_allclose(law.second[1].ravel(), other[2:], rtol=1e-11)
    np.testing.assert_allclose(law.covariance, rough.covariance, rtol=0, atol=1e-14)


KNOTS = jnp.array([0.0, 0.2, 0.21, 1.0])


@pytest.mark.parametrize(
    "shape",
    [
        pytest.param((lambda t: jnp.minimum(t / 0.3, 1.0), 0.85), id="warm-up"),
        pytest.param((lambda t: jnp.where(t < 0.37, 1.0, 0.1), 0.37 + 0.063), id="jump"),
        pytest.param((lambda t: jnp.interp(t, KNOTS, jnp.array([0.0, 1, 3, 0.0])), 1.305), id="spike"),
    ],
)
def test_kinks_and_jumps_are_met(shape):
    """E X = e^{−h∫φ}x₀ for warm-up, drop and spike, kinks at no point of any mesh; the residual is honest and small."""
    schedule, integral = shape
    limit = modified_equation(SGD, SMALL.scheduled(), order=1)
    equation = sm.sde(limit, PARABOLA, learning_rate=0.1, schedule=schedule)
    law, rough, _ = scheduled_sde_moments(equation, 2.0, [1.0])
    residual = abs(law.mean[0, 0] - rough.mean[0, 0])
    assert abs(law.mean[0, 0] - 2 * np.exp(-1.3 * integral)) <= residual + 2e-15
    assert abs(law.mean[0, 0] - 2 * np.exp(-1.3 * integral)) < 1e-13
    assert residual < 1e-11
    assert abs(law.covariance - rough.covariance).max() < 1e-11


@pytest.mark.parametrize(("time", "told"), [(0.3, False), (0.35, True), (0.333, True)], ids=["whole", "half", "odd"])
def test_a_kink_inside_a_step_is_told(time, told):
    """A kink of φ is a jump of φ′, which order 2 feels where it lies inside a step; order 1 has no φ′."""
    numbers = {"learning_rate": 0.1, "schedule": lambda t: jnp.minimum(t / time, 1.0)}
    limits = [modified_equation(SGD, SMALL.scheduled(), order=order) for order in (1, 2)]
    jumps = [scheduled_sde_moments(sm.sde(limit, PARABOLA, **numbers), 2.0, [1.0]).jump for limit in limits]
    assert jumps == [None, pytest.approx(time) if told else None]


@pytest.mark.slow
def test_the_errors_of_a_kink_inside_steps_come_with_a_word():
    """Warm-up that ends at 0.333: the factor of η² varies by a tenth with the part of a step, and it says so."""
    limit, kink = modified_equation(SGD, SMALL.scheduled(), order=2), lambda t: jnp.minimum(t / 0.333, 1.0)
    found = study(limit, schedule=kink)
    assert "coefficients jump, or are singular, inside a step, at 0.333" in str(found)
    size = np.abs(found.dataset["error"]) / found.dataset["learning_rate"] ** 2
    assert np.all(size.max("learning_rate") < 1.1 * size.min("learning_rate"))
    assert "jump" not in str(study(limit, schedule=lambda t: jnp.minimum(t / 0.3, 1.0)))


def test_schedules_may_end_with_the_question():
    """φ = √(1−t) is no number beyond t1 = 1, where no step is taken: mean Π(1−ηhφ_k)x₀ after all ten."""
    schedule = lambda t: jnp.sqrt(1 - t)
    process = sm.chain(SGD, PARABOLA, regime=SMALL.scheduled(), learning_rate=0.1, schedule=schedule)
    law = scheduled_chain_moments(process, 2.0, [10])
    assert law.mean[0, 0] == pytest.approx(2 * np.prod(1 - 0.13 * np.sqrt(1 - 0.1 * np.arange(10))), rel=1e-14)


def test_a_schedule_in_single_precision_is_given_up_in_time():
    """A schedule that is rounded is nowhere smooth: panels stop halving, and the difference says how far it is off."""
    rounded = lambda t: jnp.asarray(decay(t), jnp.float32)
    limit = modified_equation(SGD, SMALL.scheduled(), order=1)
    equation = sm.sde(limit, PARABOLA, learning_rate=0.1, schedule=rounded)
    law, rough, _ = scheduled_sde_moments(equation, 2.0, [1.0])
    off = abs(law.mean[0, 0] - 2 * 2.0**-1.3)
    assert 1e-13 < off < 1e-8
    assert 1e-13 < abs(law.mean[0, 0] - rough.mean[0, 0]) < 1e-8


@pytest.mark.slow
def test_a_derivative_without_bound_is_told_by_the_residual():
    """φ = √t has φ′ = ∞ at 0: e^{−h∫φ + (η/2)h∫(φ′ − hφ²)} is met within a residual that says it did not converge."""
    eta, h = 0.1, 1.3
    limit = modified_equation(SGD, SMALL.scheduled(), order=2)
    found = study(limit, PARABOLA, 2.0, schedule=jnp.sqrt, observables={"x": lambda x: x})
    steps = np.prod(1 - eta * h * np.sqrt(eta * np.arange(10)))
    expected = 2 * (steps - np.exp(-2 / 3 * h + eta * h / 2 * (1 - h / 2)))
    off = abs(float(found.dataset["error"][0, 0, 0]) - expected)
    assert 1e-13 < off < float(found.dataset["standard_error"][0, 0, 0]) < 1e-7
    assert not found.converged
    assert "they count as standard errors" in str(found)


# --- what is constant, and other routes ------------------------------------------------------------------------------


def test_a_constant_schedule_is_one_map_again_and_again():
    """φ = 1: the moments of the one affine map I − ηH and of the one equation −H, at two times."""
    eta, still, hessian, factor = 0.1, lambda t: 1 + 0 * t, np.asarray(BOWL.hessian), np.asarray(BOWL.noise)
    numbers = {"learning_rate": eta, "schedule": still}
    chain = scheduled_chain_moments(sm.chain(SGD, BOWL, regime=SMALL.scheduled(), **numbers), START, [5, 200])
    limit = modified_equation(SGD, SMALL.scheduled(), order=1)
    equation = scheduled_sde_moments(sm.sde(limit, BOWL, **numbers), START, [0.5, 20.0]).sharp
    one_map = AffineChain(np.eye(2) - eta * hessian, noise=eta * factor).moments(START, [5, 200])
    one_equation = AffineSDE(-hessian, noise=np.sqrt(eta) * factor).moments(START, [0.5, 20.0])
    for found, expected in ((chain, one_map), (equation, one_equation)):
        np.testing.assert_allclose(found.mean, expected.mean, rtol=0, atol=1e-14)
        np.testing.assert_allclose(found.covariance, expected.covariance, rtol=0, atol=1e-14)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rule", "regime", "names", "problem", "order"),
    [
        (SGD, SMALL, ("learning_rate",), BOWL, 1),
        (SGD, SMALL, ("learning_rate",), LINE, 2),
        (SGDM, SMALL, ("learning_rate", "momentum"), LINE, 2),
        (SGDM, LOUD, ("relaxation_rate",), BOWL, 1),
    ],
    ids=["sgd", "sgd-products", "sgdm-products", "underdamped"],
)
def test_a_constant_schedule_is_no_schedule(rule, regime, names, problem, order):
    """φ = 1, β and λ that stay: the errors of the regime without schedules, at two times, to 1e-12."""
    known = {"momentum": 0.5, "relaxation_rate": 1.5}
    numbers = {name: known[name] for name in ("momentum", "relaxation_rate") if name in names}
    functions = {name: lambda t, value=value: value + 0 * t for name, value in numbers.items()}
    limits = [modified_equation(rule, r, order=order) for r in (regime, regime.scheduled(*names))]
    setting = {"saves": 2, "learning_rates": RATES, "method": "exact"}
    still = study(limits[0], problem, **setting, **numbers).dataset["error"]
    moving = study(limits[1], problem, **setting, **functions).dataset["error"]
    assert float(np.abs(still).min()) > 1e-9
    np.testing.assert_allclose(moving, still, rtol=0, atol=1e-12)


@pytest.mark.slow
def test_transition_operators_agree():
    """On a line, in moving frames, the other route without sampling gives the same errors within its residual."""
    limit = modified_equation(SGD, SMALL.scheduled(), order=2)
    setting = {"problem": PARABOLA, "x0": 1.0, "schedule": decay, "observables": POWERS}
    exact = study(limit, **setting, method="exact").dataset
    found = study(limit, **setting, method="transition").dataset
    assert bool(found["converged"].all())
    assert np.all(np.abs(found["error"] - exact["error"]) <= found["standard_error"] + exact["standard_error"])
    assert float(found["standard_error"].max()) < 1e-10 < float(np.abs(exact["error"]).min())


# --- orders, and what is refuted --------------------------------------------------------------------------------------

BOTH = {"schedule": decay, "momentum": rising}
UNDERDAMPED = LOUD.scheduled("learning_rate", "relaxation_rate")


@pytest.mark.parametrize(
    ("rule", "regime", "order", "numbers"),
    [
        pytest.param(SGD, SMALL.scheduled(), 1, {"schedule": decay}, marks=pytest.mark.slow),
        (SGD, SMALL.scheduled(), 2, {"schedule": decay}),
        pytest.param(SGDM, SMALL.scheduled(), 2, {"schedule": decay, "momentum": 0.5}, marks=pytest.mark.slow),
        pytest.param(SGDM, SMALL.scheduled("momentum"), 2, {"momentum": rising}, marks=pytest.mark.slow),
        (SGDM, SMALL.scheduled("learning_rate", "momentum"), 2, BOTH),
        (SGDM, UNDERDAMPED, 1, {"schedule": decay, "relaxation_rate": stronger}),
    ],
    ids=["sgd-1", "sgd-2", "sgdm-rate", "sgdm-momentum", "sgdm-both", "underdamped"],
)
def test_scheduled_limits_have_their_order(rule, regime, order, numbers):
    """In two dimensions every observable converges at the order of the limit, and at no higher one."""
    found = study(modified_equation(rule, regime, order=order), **numbers)
    assert found.dataset.attrs["method"].startswith("exact moments along the schedules")
    assert found.converged
    assert found.verdict is Verdict.CONFIRMED
    assert found.order.order == pytest.approx(order, abs=0.05)
    assert not any(fit.judged(order + 1).verdict is Verdict.CONFIRMED for fit in found.orders.values())


@pytest.mark.slow
def test_state_dependent_noise_has_its_order():
    """Momentum with both schedules on minibatches of least squares: order 2, and order 1 of SGD under loud noise."""
    limit = modified_equation(SGDM, SMALL.scheduled("learning_rate", "momentum"), order=2)
    assert study(limit, LINE, **BOTH).verdict is Verdict.CONFIRMED
    loud = modified_equation(SGD, Regime.noise_dominated().scheduled(), order=1)
    assert study(loud, LINE, schedule=decay).verdict is Verdict.CONFIRMED


def changed(limit, drift=lambda part: part, factor=lambda part: part):
    """The equation with other coefficients."""
    return replace(
        limit,
        drift={name: drift(part) for name, part in limit.drift.items()},
        factor={name: factor(part) for name, part in limit.factor.items()},
    )


def without_square(part):
    """The factor φ in place of φ²; `subs` would also write √φ for φ."""
    return TensorExpression.collect([(graph, sp.sympify(c).xreplace({PHI**2: PHI})) for graph, c in part])


FROZEN = {PHI: 1, SLOPE: 0, RELAXATION: 1}
WRONG = {
    "φ′ left out": {"drift": lambda part: part.subs(SLOPE, 0)},
    "φ′ twice": {"drift": lambda part: part + part - part.subs(SLOPE, 0)},
    "φ² as φ": {"drift": lambda part: without_square(part)},
    "frozen at φ(0)": {"drift": lambda part: part.subs(FROZEN), "factor": lambda part: part.subs(FROZEN)},
    "noise frozen at φ(0)": {"factor": lambda part: part.subs(FROZEN)},
    "twice the covariance": {"factor": lambda part: part * sp.sqrt(2)},
}


QUICK = ("φ′ left out", "frozen at φ(0)", "twice the covariance")


@pytest.mark.parametrize(
    "change", [pytest.param(change, marks=() if change in QUICK else pytest.mark.slow) for change in WRONG]
)
def test_wrong_schedules_are_refuted(change):
    """Order 2 does not survive a coefficient that is off by a term of size η, nor a schedule that stands still."""
    limit = modified_equation(SGD, SMALL.scheduled(), order=2)
    assert study(changed(limit, **WRONG[change]), schedule=decay).verdict is Verdict.REFUTED


@pytest.mark.slow
@pytest.mark.parametrize("change", ["frozen at φ(0)", "noise frozen at φ(0)", "twice the covariance"])
def test_wrong_underdamped_schedules_are_refuted(change):
    """Order 1 of momentum under loud noise does not survive λ or φ that stand still, or other noise."""
    limit = changed(modified_equation(SGDM, UNDERDAMPED), **WRONG[change])
    assert study(limit, schedule=decay, relaxation_rate=stronger).verdict is Verdict.REFUTED


# --- what is refused --------------------------------------------------------------------------------------------------


def test_what_schedules_refuse():
    """No stationary law, no loss beyond quadratics, no schedule that is not finite; one step is not the schedule."""
    limit = modified_equation(SGD, SMALL.scheduled(), order=1)
    with pytest.raises(ValueError, match="no stationary law: ask at a finite t1"):
        study(limit, method="exact", t1=np.inf, schedule=decay)
    with pytest.raises(ValueError, match=r"the rule is not linear.*method='transition'"):
        study(limit, double_well(), 0.5, method="exact", schedule=decay, observables=POWERS)
    with pytest.raises(ValueError, match=r"`learning_rate` is inf at step 6, time 0.6"):
        study(limit, schedule=lambda t: jnp.where(jnp.abs(t - 0.6) < 1e-3, jnp.inf, 1.0))
    process = sm.chain(SGD, BOWL, regime=SMALL.scheduled(), learning_rate=0.1, schedule=decay)
    equation = sm.sde(limit, BOWL, learning_rate=0.1, schedule=decay)
    with pytest.raises(ValueError, match=r"chain.at\(k\)"):
        affine_chain(process, START)
    with pytest.raises(ValueError, match=r"sde.at\(t\)"):
        affine_sde(equation, START)


@pytest.mark.slow
def test_one_step_has_one_map():
    """`chain.at(k)` and `sde.at(t)` are I − ηφ(kη)H and −φ(t)H."""
    numbers = {"learning_rate": 0.1, "schedule": decay}
    process = sm.chain(SGD, BOWL, regime=SMALL.scheduled(), **numbers)
    equation = sm.sde(modified_equation(SGD, SMALL.scheduled(), order=1), BOWL, **numbers)
    frozen, hessian = (affine_chain(process.at(5), START), affine_sde(equation.at(0.5), START)), BOWL.hessian
    np.testing.assert_allclose(frozen[0].matrix, np.eye(2) - 0.1 / 1.5 * np.asarray(hessian), rtol=1e-14)
    np.testing.assert_allclose(frozen[1].matrix, -np.asarray(hessian) / 1.5, rtol=1e-14)
