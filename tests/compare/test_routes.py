"""One door, several routes: each gives the same errors, says how it found them, and refuses what it cannot do."""

import jax.numpy as jnp
import numpy as np
import pytest

from sde_momentum.compare import Verdict, trace_of_hessian, weak_error
from sde_momentum.optimizers import sgd, sgdm
from sde_momentum.problems import SignDraw, StudentDraw, breast_cancer, double_well, minibatch, quadratic
from sde_momentum.symbolic import LEARNING_RATE, Regime, modified_equation

RATES = (0.1, 0.05, 0.025, 0.0125)
FIRST, SECOND = (modified_equation(sgd(), order=order) for order in (1, 2))


def bowl():
    return quadratic(np.array([[1.0]]), noise=np.array([[0.6]]))


def study(problem, limit=FIRST, x0=0.5, **changes):
    return weak_error(limit.rule, limit, problem, x0, **({"t1": 1.0, "learning_rates": RATES} | changes))


@pytest.mark.slow
def test_transition_operators_give_the_exact_errors():
    """On a quadratic both routes without sampling agree to the reported residual, at every time."""
    setting = {"x0": np.array([0.5]), "saves": 2}
    exact = study(bowl(), SECOND, method="exact", **setting).dataset
    found = study(bowl(), SECOND, method="transition", **setting).dataset
    assert exact["error"].dims == ("learning_rate", "observable", "time")
    assert bool(found["converged"].all())
    assert float(found["standard_error"].max()) < 1e-10
    assert float(np.abs(found["error"] - exact["error"]).max()) < 1e-10


@pytest.mark.parametrize("order", [pytest.param(1, marks=pytest.mark.slow), 2, pytest.param(3, marks=pytest.mark.slow)])
def test_orders_without_sampling_on_a_double_well(order):
    """The equations of order 1, 2 and 3 have their orders; without skewness the third exists."""
    regime = Regime("small noise without skewness", cumulant_scales={3: LEARNING_RATE})
    observables = {"x": lambda x: x, "x²": lambda x: x**2}
    limit = modified_equation(sgd(), regime, order=order)
    # The curvature is 2 in the wells and grows outward, so the expansion's terms are of one size below η = 1.
    found = study(double_well(), limit, observables=observables, learning_rate_unit=0.3)
    assert "transition operators, Gauss–Hermite noise" in found.dataset.attrs["method"]
    assert found.verdict is Verdict.CONFIRMED
    assert all(fit.interval[0] <= order <= fit.interval[1] for fit in found.orders.values())
    # The control: no equation is of a higher order than it was derived to.
    assert not any(fit.judged(order + 1).verdict is Verdict.CONFIRMED for fit in found.orders.values())


@pytest.mark.slow
def test_minibatches_are_summed():
    """Three examples drawn two at a time are six batches; skewed as they are, order 2 holds at σ = 1."""
    data = jnp.array([-1.0, 0.2, 1.3])
    problem = minibatch(lambda x, rows: jnp.mean(0.5 * (x - rows) ** 2 + 0.1 * rows * x**3), data, 2)
    found = study(problem, SECOND, observables={"x²": lambda x: x**2})
    assert "exact sum over minibatches" in found.dataset.attrs["method"]
    assert found.verdict is Verdict.CONFIRMED


@pytest.mark.slow
def test_signs_are_summed():
    """Rademacher noise keeps order 2 at σ = 1: the exact sum over signs shows it."""
    found = study(double_well(draw=SignDraw(1)), SECOND, observables={"x": lambda x: x})
    assert "exact sum over signs" in found.dataset.attrs["method"]
    assert found.verdict is Verdict.CONFIRMED


def test_stationary_laws():
    """At t1 = ∞ the exact route compares stationary laws: Var x = ηs²/(h(2−ηh)) against ηs²/2h, an error of order 2."""
    found = study(bowl(), x0=np.array([0.5]), t1=np.inf, observables={"x²": lambda x: x[0] ** 2})
    eta, h, s2 = np.array(RATES), 1.0, 0.36
    np.testing.assert_allclose(
        found.dataset["error"].values[:, 0, 0], eta * s2 / (h * (2 - eta * h)) - eta * s2 / (2 * h), rtol=1e-9
    )
    with pytest.raises(ValueError, match="finite t1"):
        study(double_well(), t1=np.inf)


@pytest.mark.slow
def test_single_precision_is_enough_for_the_routes_without_sampling():
    """They compute in double precision whatever JAX's default is."""
    import jax

    with jax.enable_x64(False):
        found = study(bowl(), x0=np.array([0.5]))
    assert found.dataset.attrs["method"] == "exact moments"
    assert found.verdict is Verdict.CONFIRMED


@pytest.mark.slow
def test_errors_over_time():
    """The order holds at every time, and the largest error is the largest of them."""
    found = study(bowl(), x0=np.array([0.5]), saves=[0.5, 1.0], method="exact")
    assert found.at(0.5).verdict is Verdict.CONFIRMED
    assert found.at(0.5).order.errors[0] == pytest.approx(float(found.dataset["error"].values[0, 0, 0]))
    np.testing.assert_allclose(found.largest, np.abs(found.dataset["error"]).max("time"))
    with pytest.raises(KeyError):
        found.at(0.7)


@pytest.mark.slow
def test_planned_samples_reach_their_target():
    """A plan for SNR 10 from a pilot reaches it, within a third, on paths of its own, and is kept with the study."""
    observables = {"x": lambda x: x}
    found = study(double_well(), target_snr=10, budget=30, observables=observables, progress=False, seed=3)
    assert found.order.snr > 6.7
    assert "target SNR 10" in found.dataset.attrs["plan"]
    assert "total" in str(found)


@pytest.mark.slow
def test_momentum_by_transition_operators():
    """SGDM on ½x² in two dimensions, in coordinates that move inward: the exact errors to the reported residual."""
    limit, setting = modified_equation(sgdm(), order=2), {"x0": np.array([0.5]), "momentum": 0.5}
    exact = study(bowl(), limit, method="exact", **setting).dataset
    found = study(bowl(), limit, method="transition", **setting).dataset
    assert bool(found["converged"].all())
    assert float(found["standard_error"].max()) < 2e-8
    assert float(np.abs(found["error"] - exact["error"]).max()) < 2e-8


def test_curvature_is_an_observable():
    """Tr H of x⁴/4 − x²/2 + … is 3x² − 1 in one dimension."""
    assert float(trace_of_hessian(double_well())(jnp.asarray(2.0))) == pytest.approx(11.0)


@pytest.mark.parametrize(
    ("problem", "changes", "message"),
    [
        (breast_cancer(16), {"x0": "start", "method": "transition"}, "31 components.*method='coupled'"),
        (breast_cancer(16), {"x0": "start", "method": "exact"}, "method='coupled'"),
        (double_well(), {"method": "exact"}, "method='transition'"),
        (double_well(draw=StudentDraw(1)), {"method": "transition"}, "no finite sum.*problem.gaussian"),
        (double_well(), {"method": "guess"}, "must be one of"),
        (double_well(), {"observables": {"log": lambda x: jnp.log(x - 1)}}, "nan at x0: choose one that is finite"),
        (double_well(), {"num_paths": 8, "target_snr": 10}, "not both"),
        (double_well(), {"saves": [0.5, 0.7]}, "the last is t1"),
        (double_well(), {"t1": -1.0}, "positive"),
    ],
)
def test_what_a_route_cannot_do_is_refused(problem, changes, message):
    """The refusal says why, and what to use instead."""
    x0 = problem.initial() if changes.get("x0") == "start" else 0.5
    with pytest.raises(ValueError, match=message):
        study(problem, **(changes | {"x0": x0, "progress": False}))


@pytest.mark.slow
def test_an_observable_that_fails_on_some_path_is_named():
    """Finite at the start is not finite on every path: the refusal names observable and learning rate."""
    with pytest.raises(ValueError, match=r"`late` is not finite on .* paths at learning rate 0.1"):
        study(double_well(), observables={"late": lambda x: jnp.log(x - 0.4)}, num_paths=64, progress=False)


@pytest.mark.slow
def test_a_process_that_leaves_every_box_is_refused():
    """From x = 4 a step of ½ in a quartic well overshoots ever further: the route by name says what serves instead."""
    with pytest.raises(ValueError, match=r"leaves every box.*method='coupled'"):
        study(double_well(), x0=4.0, t1=4.0, learning_rates=(0.5, 0.25, 0.125, 0.0625), method="transition")


@pytest.mark.slow
def test_a_start_for_every_variable_is_that_of_the_parameters_alone():
    """Momentum that starts at zero, said or left out, gives the same exact errors; started elsewhere, others."""
    rule, problem = sgdm(), quadratic(np.diag([1.0]), noise=0.5 * np.eye(1))
    limit = modified_equation(rule, Regime.noise_dominated(momentum_index=1))
    asked = {"t1": 1.0, "learning_rates": (0.1, 0.05, 0.025, 0.0125), "relaxation_rate": 1.0, "method": "exact"}
    alone = weak_error(rule, limit, problem, np.ones(1), **asked)
    said, moved = (
        weak_error(rule, limit, problem, {"x": np.ones(1), "m": m * np.ones(1)}, **asked) for m in (0.0, 1.0)
    )
    np.testing.assert_array_equal(said.dataset["error"], alone.dataset["error"])
    assert np.all(np.abs(moved.dataset["error"] - alone.dataset["error"]) > 1e-6)
