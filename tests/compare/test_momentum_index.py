"""SGDM and SGD come together over the momentum index as the theorem bounds, along paths and in law."""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sde_momentum.compare import ScheduledChain, Verdict, averaged_learning_rates, judge, momentum_index_study
from sde_momentum.dynamics import chain
from sde_momentum.optimizers import sgdm
from sde_momentum.problems import double_well, general, least_squares, quadratic

X0 = np.array([1.0, -0.5])


@pytest.fixture(scope="module")
def bowl():
    return quadratic(np.array([[1.0, 0.3], [0.3, 0.6]]), noise=np.array([[0.5, 0.1], [0.1, 0.4]]))


@pytest.fixture(scope="module")
def study(bowl):
    return momentum_index_study(bowl, X0)


@pytest.mark.slow
@pytest.mark.parametrize("index", ["0", "1/4", "1/2", "3/4"])
def test_paths_meet_at_half_the_rate_of_laws(study, index):
    """Below α = 1 the strong order is (1 − α)/2, the bound of the theorem, and the weak one 1 − α."""
    alpha = Fraction(index)
    assert study.verdict(alpha) is Verdict.CONFIRMED
    assert study.strong_order(alpha).order == pytest.approx((1 - alpha) / 2, abs=0.002)
    assert study.weak_order(alpha).order == pytest.approx(1 - alpha, abs=0.002)


@pytest.mark.slow
@pytest.mark.parametrize("index", [1, 1.5])
def test_from_one_on_they_stay_apart(study, index):
    """At α = 1 and beyond SGDM has another limit: no order at all, and the study says so."""
    assert study.verdict(index) is Verdict.REFUTED
    assert abs(study.strong_order(index).order) < 1e-3


def test_the_gap_on_a_linear_loss_is_known(bowl):
    """With a linear loss E (x_k − z_k)² = η² σ² s² β² (1 − β^{2k})/(1 − β²), σ² = 1/η."""
    flat = quadratic(np.zeros((1, 1)), noise=np.array([[0.7]]))
    rates = (0.1, 0.05, 0.02, 0.01)
    found = momentum_index_study(
        flat, np.zeros(1), t1=1.0, indices=(0,), learning_rates=rates, observables={"x²": lambda x: x[0] ** 2}
    )
    steps, beta = 1 / np.array(rates), 0.5
    exact = np.array(rates) * 0.49 * beta**2 * (1 - beta ** (2 * steps)) / (1 - beta**2)
    np.testing.assert_allclose(found.dataset["strong"].values[0] ** 2, exact, rtol=1e-10)


def test_the_averaged_schedule_is_the_weight_of_each_gradient():
    """The weights found by differentiating the last iterate by each gradient are the averaged schedule."""
    rng = np.random.default_rng(3)
    rates, momenta = rng.uniform(0.1, 0.3, 12), rng.uniform(0.2, 0.9, 12)

    def last(gradients):
        x = m = 0.0
        for eta, beta, g in zip(rates, momenta, gradients, strict=True):
            m = beta * m + (1 - beta) * g
            x = x - eta * m
        # What the momentum still holds is spent under the schedule's last values.
        return x - rates[-1] * momenta[-1] / (1 - momenta[-1]) * m

    weights = -jax.grad(last)(jnp.ones(12))
    np.testing.assert_allclose(averaged_learning_rates(rates, momenta), weights, rtol=1e-12)


@pytest.mark.slow
def test_only_the_averaged_schedule_follows(bowl):
    """A learning rate that alternates from step to step: SGD must run the averaged schedule, its own stays apart."""
    setting = {"indices": (0,), "rate_multiplier": lambda k: 1 + 0.5 * (-1.0) ** k, "t1": 1.0}
    setting["learning_rates"] = [2.0**-k for k in (5, 7, 9, 11)]
    right = momentum_index_study(bowl, X0, **setting)
    wrong = momentum_index_study(bowl, X0, averaged=False, **setting)
    assert right.verdict(0) is Verdict.CONFIRMED
    assert wrong.verdict(0) is Verdict.REFUTED
    assert abs(wrong.weak_order(0).order) < 0.05


@pytest.mark.slow
def test_schedules_of_both_hyperparameters(bowl):
    """Learning rate and momentum that change over the run: the bound holds, in both forms of the schedule."""
    setting = {
        "t1": 2.0,
        "indices": (0, 0.25, 0.5),
        "learning_rates": [2.0 * 4.0**-k for k in range(5, 10)],
        "rate_multiplier": lambda k: 1 + 0.5 * np.cos(2 * np.pi * k / len(k)),
        "relaxation_multiplier": lambda k: 0.6 + 0.4 * np.sin(2 * np.pi * k / len(k)),
    }
    for averaged in (True, False):
        found = momentum_index_study(bowl, X0, averaged=averaged, **setting)
        assert found.verdict(0) is Verdict.CONFIRMED
        for index in setting["indices"][1:]:
            # In powers of η^{1/4}, and where an error changes sign on its way, five learning rates may leave the
            # question open, but not answer it wrongly; the distance along paths has no sign.
            assert found.verdict(index) is not Verdict.REFUTED
            assert found.strong_order(index).verdict is Verdict.CONFIRMED
            assert found.strong_order(index).order == pytest.approx((1 - index) / 2, abs=0.03)


@pytest.mark.slow
def test_minibatches_are_exact():
    """Least squares with minibatches has closed moments, so its study needs no sampling and keeps the bound."""
    rng = np.random.default_rng(1)
    problem = least_squares(rng.normal(size=(6, 2)), rng.normal(size=6), batch_size=2)
    found = momentum_index_study(problem, X0, indices=(0, 0.5))
    assert found.dataset.attrs["method"] == "exact moments"
    assert found.strong_order(0.5).order == pytest.approx(0.25, abs=0.003)
    assert found.verdict(0) is Verdict.CONFIRMED


@pytest.mark.slow
def test_sampling_agrees_with_exact_moments(bowl):
    """Paired paths give the exact distances within 5 standard errors, with and without a schedule."""
    setting = {"t1": 1.0, "indices": (0.5,), "learning_rates": [2.0**-k for k in (4, 5, 6, 7)]}
    for multiplier in (None, lambda k: 1 + 0.5 * (-1.0) ** k):
        exact = momentum_index_study(bowl, X0, rate_multiplier=multiplier, **setting).dataset
        drawn = momentum_index_study(bowl, X0, rate_multiplier=multiplier, sample=True, seed=7, **setting).dataset
        for name in ("weak", "strong"):
            z = (drawn[name] - exact[name]) / drawn[f"{name}_standard_error"]
            assert float(np.abs(z).max()) < 5
    # The control: the distances of the constant schedule are not those of the alternating one.
    other = momentum_index_study(bowl, X0, **setting).dataset
    assert float((np.abs(drawn["strong"] - other["strong"]) / drawn["strong_standard_error"]).max()) > 5


@pytest.mark.slow
def test_a_loss_that_is_not_quadratic_is_sampled():
    """On the double well paired paths are sampled; the strong order at fixed momentum is a half."""
    found = momentum_index_study(
        double_well(), 0.5, t1=1.0, indices=(0,), learning_rates=[2.0**-k for k in (6, 7, 8, 9)], num_paths=8192
    )
    assert found.dataset.attrs["method"].startswith("paired paths")
    low, high = found.strong_order(0).interval
    assert low <= 0.5 <= high


def test_the_scheduled_chain_uses_the_numbers_of_its_step():
    """The scheduled chain takes step k with the k-th numbers."""
    problem = general(lambda x: 0.5 * x**2, lambda x, w: w[0], 1)
    one = chain(sgdm(), problem, learning_rate=0.1, momentum=0.5)
    scheduled = ScheduledChain(one, {"learning_rate": jnp.array([0.1, 0.3]), "momentum": jnp.array([0.5, 0.2])})
    state = {"x": jnp.asarray(1.0), "m": jnp.asarray(2.0)}
    other = chain(sgdm(), problem, learning_rate=0.3, momentum=0.2)
    assert float(scheduled.step(1, state, jnp.zeros(1))["x"]) == float(other.step(0, state, jnp.zeros(1))["x"])


def test_the_table_and_the_figure(study):
    """The study prints one row an index and draws orders with intervals."""
    pytest.importorskip("matplotlib").use("Agg")
    text = str(study)
    assert "1/4" in text
    assert "exact moments" in text
    axes = study.plot()
    assert axes.get_xlabel().startswith("momentum index")
    axes.figure.clear()


def test_an_observable_without_error_is_set_aside():
    """From a symmetric start the mean of SGDM is that of SGD: an exact zero, which hides nothing of the others."""
    symmetric = quadratic(np.diag([1.0, 0.1]), noise=0.5 * np.eye(2))
    found = momentum_index_study(symmetric, np.zeros(2), indices=(0, 1), learning_rates=[4.0**-k for k in (5, 6, 7, 8)])
    assert float(np.abs(found.dataset["weak"].sel(observable="mean x")).max()) == 0
    assert found.verdict(0) is Verdict.CONFIRMED
    assert found.verdict(1) is Verdict.REFUTED
    assert "floor" not in str(found)
    # Where all are exactly zero nothing is said: the mean alone.
    assert judge(found.orders[Fraction(0)]["mean x"], 0.5) is Verdict.MONTE_CARLO_FLOOR


def test_an_index_that_was_not_run_is_refused(study):
    """Orders, bound and verdict of another index: the message says which there are; decimals find their fraction."""
    assert study.bound(0.75) == 0.125
    for ask in (study.verdict, study.bound, study.relaxations, study.strong_order, study.weak_order):
        for index in (7, 0.1, "a", None, np.nan):
            with pytest.raises(ValueError, match="`index` must be one of 0, 1/4, 1/2, 3/4, 1, 3/2, got"):
                ask(index)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"indices": (-1,)}, "at least 0"),
        ({"relaxation_rate": 3.0, "indices": (0,)}, "not in \\(0, 1\\]"),
        ({"learning_rates": (0.3, 0.2, 0.1, 0.05)}, "steps at learning rate"),
        ({"rate_multiplier": lambda k: 1.0}, "one finite number a step"),
        ({"relaxation_multiplier": lambda k: 3.0 + 0 * k}, "keep the former positive"),
    ],
)
def test_bad_input(bowl, changes, message):
    """Arguments without meaning are refused with a remedy."""
    with pytest.raises(ValueError, match=message):
        momentum_index_study(bowl, X0, **({"indices": (0,)} | changes))
