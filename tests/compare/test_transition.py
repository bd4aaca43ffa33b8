"""Transition operators: exact against closed forms, orders without sampling, honest residuals."""

import time
from functools import lru_cache

import numpy as np
import pytest

from sde_momentum.compare import (
    AffineChain,
    AffineSDE,
    NoiseLaw,
    Verdict,
    chain_expectation,
    judge,
    sde_expectation,
    transition_weak_error,
)

ETAS = (1 / 10, 1 / 20, 1 / 40, 1 / 80, 1 / 160)
NOISE = 0.5


def gradient(x):
    return x**3 - x


def curvature(x):
    return 3 * x**2 - 1


@lru_cache
def quartic_study(correction, noise_factor=1.0, noise=None):
    """SGD in the quartic double well against the equation with drift −∇(L + ½ correction η |∇L|²)."""
    return transition_weak_error(
        step=lambda x, xi, eta: x - eta * (gradient(x) + NOISE * xi),
        drift=lambda x, eta: -gradient(x) - correction * eta * gradient(x) * curvature(x),
        diffusion=lambda x, eta: noise_factor * np.sqrt(eta) * NOISE + 0 * x,
        observables={"second": np.square, "mean": lambda x: x},
        start=0.7,
        time=1.0,
        learning_rates=ETAS,
        noise=NoiseLaw.gaussian() if noise is None else noise,
    )


def test_orders_of_sgd_in_a_quartic_well():
    """SGD has order 1 against the first and order 2 against the second equation, with residuals below 1e-10."""
    first, second = quartic_study(0.0), quartic_study(0.5)
    for study in (first, second):
        assert study.converged.all()
        assert study.residuals.max() < 1e-10
    assert judge(first.fit(), 1) is Verdict.CONFIRMED
    assert judge(first.fit(), 2) is Verdict.REFUTED
    assert judge(second.fit(), 2) is Verdict.CONFIRMED


@pytest.mark.slow
def test_a_study_in_one_dimension_takes_three_seconds():
    """Five learning rates to a residual of 1e-10 within 3 s of processor time."""
    begin = time.process_time()
    quartic_study.__wrapped__(0.5)
    assert time.process_time() - begin < 3


def test_wrong_limits_are_refuted_at_order_two():
    """Negative controls: half the drift correction, twice the covariance; both leave order 1 untouched."""
    for study in (quartic_study(0.25), quartic_study(0.5, noise_factor=np.sqrt(2))):
        assert judge(study.fit(), 2) is Verdict.REFUTED
        assert judge(study.fit(), 1) is Verdict.CONFIRMED


def test_a_wrong_clock_is_refuted_at_order_one():
    """Negative control: steps of 0.8 η on a clock that says η leave an error that does not vanish."""
    study = transition_weak_error(
        step=lambda x, xi, eta: x - 0.8 * eta * (gradient(x) + NOISE * xi),
        drift=lambda x, eta: -gradient(x),
        diffusion=lambda x, eta: np.sqrt(eta) * NOISE + 0 * x,
        observables={"second": np.square},
        start=0.7,
        time=1.0,
        learning_rates=ETAS,
        noise=NoiseLaw.gaussian(),
    )
    assert judge(study.fit("second"), 1) is Verdict.REFUTED


def test_non_gaussian_noise_keeps_the_order():
    """At σ = 1 only the covariance of the noise matters up to order 2: Rademacher and skewed noise give it too."""
    skewed = NoiseLaw.finite([2.0, -0.5], [0.2, 0.8])
    for noise in (NoiseLaw.rademacher(), skewed):
        assert judge(quartic_study(0.5, noise=noise).fit(), 2) is Verdict.CONFIRMED


@pytest.mark.parametrize("eta", [0.1, 0.01])
def test_quadratic_in_one_dimension(eta):
    """Second moment of SGD and of its equation on ½x² against the exact ones, also far into the stationary state."""
    steps = round(50 / eta)
    found = chain_expectation(lambda x, xi: x - eta * (x + 0.5 * xi), [np.square], 0.7, steps, NoiseLaw.gaussian())
    exact = AffineChain(1 - eta, noise=0.5 * eta).moments([0.7], [steps]).second[0, 0, 0]
    assert abs(found.values[0] - exact) < 1e-12
    limit = sde_expectation(lambda x: -x, lambda x: 0.5 * np.sqrt(eta) + 0 * x, [np.square], 0.7, 1.0)
    exact = AffineSDE(-1.0, noise=0.5 * np.sqrt(eta)).moments([0.7], [1.0]).second[0, 0, 0]
    assert abs(limit.values[0] - exact) < 1e-11


def test_multiplicative_noise():
    """DX = −X dt + ½√η X dW: the second moment is x₀² e^{(−2+η/4)t}."""
    limit = sde_expectation(lambda x: -x, lambda x: 0.5 * np.sqrt(0.1) * x, [np.square], 0.7, 1.0)
    assert abs(limit.values[0] - 0.49 * np.exp(-2 + 0.025)) < 1e-11


def test_residual_is_honest_where_the_flow_leaves_the_box():
    """An unstable direction is hard for any box: what is lost is of the size of the residual. Frames move along."""
    arguments = (lambda x, xi: x + 0.1 * (x + 0.5 * xi), [np.square], 0.7, 10, NoiseLaw.gaussian())
    exact = AffineChain(1.1, noise=0.05).moments([0.7], [10]).second[0, 0, 0]
    boxed, framed = chain_expectation(*arguments, domain=[[-0.5, 3.5]]), chain_expectation(*arguments)
    assert not boxed.converged
    assert abs(boxed.values[0] - exact) < 10 * boxed.residuals[0]
    assert framed.converged
    assert abs(framed.values[0] - exact) < 1e-12


def test_divergence_is_data():
    """A chain that runs off to infinity gives NaN, an infinite residual and no exception; a fit refuses it."""
    found = chain_expectation(lambda x, xi: x + 0.1 * (x**3 + xi), [np.square], 0.7, 100, NoiseLaw.gaussian())
    assert np.isnan(found.values[0])
    assert not found.converged
    study = transition_weak_error(
        step=lambda x, xi, eta: x + eta * (x**3 + xi),
        drift=lambda x, eta: -x,
        diffusion=lambda x, eta: np.sqrt(eta) + 0 * x,
        observables={"second": np.square},
        start=0.7,
        time=10.0,
        learning_rates=(0.1,),
        noise=NoiseLaw.gaussian(),
    )
    assert "did not converge" in str(study)
    with pytest.raises(ValueError, match="diverges at learning rates"):
        study.fit("second")


def sgdm_step(z, xi, eta, beta=0.5):
    """EMA momentum on ½x² in the coordinates (y, m), y = x − ηβm/(1−β)."""
    shift = eta * beta / (1 - beta)
    x, m = z[0] + shift * z[1], z[1]
    m = beta * m + (1 - beta) * (x + NOISE * xi)
    return np.stack([x - eta * m - shift * m, m])


def test_momentum_in_two_dimensions():
    """SGDM on ½x² from the two-dimensional operator against exact moments, to the reported residual."""
    eta, beta = 0.1, 0.5
    shift = eta * beta / (1 - beta)
    found = chain_expectation(
        lambda z, xi: sgdm_step(z, xi, eta),
        [lambda z: (z[0] + shift * z[1]) ** 2],
        [0.7, 0.0],
        10,
        NoiseLaw.gaussian(),
    )
    matrix = [[1 - eta * (1 - beta), -eta * beta], [1 - beta, beta]]
    chain = AffineChain(matrix, noise=[[-eta * (1 - beta) * NOISE], [(1 - beta) * NOISE]])
    exact = chain.moments([0.7, 0.0], [10]).second[0, 0, 0]
    assert found.converged
    assert abs(found.values[0] - exact) < 1e-8


def test_two_dimensional_equation():
    """A coupled linear equation with correlated noise in two dimensions against its exact moments."""
    matrix, factor = np.array([[-1.0, 0.3], [-0.2, -1.5]]), np.array([[0.2, 0.0], [0.1, 0.15]])
    found = sde_expectation(
        lambda z: matrix @ z,
        lambda z: np.broadcast_to(factor[:, :, None], (2, 2, z.shape[1])),
        [lambda z: z[0] * z[1], lambda z: z[1] ** 2],
        [0.7, -0.4],
        1.0,
    )
    second = AffineSDE(matrix, noise=factor).moments([0.7, -0.4], [1.0]).second[0]
    assert found.converged
    assert np.abs(found.values - [second[0, 1], second[1, 1]]).max() < 1e-8


def test_frames_and_box_agree():
    """Moving frames and the Chebyshev box share no code, and give one number for a well that is no parabola."""
    drift, diffusion = lambda x: -gradient(x), lambda x: 0.3 * (1 + 0.5 * np.sin(x))
    framed = sde_expectation(drift, diffusion, [np.square, np.cos], 0.7, 1.0)
    boxed = sde_expectation(drift, diffusion, [np.square, np.cos], 0.7, 1.0, domain=[[-2.0, 2.4]])
    assert framed.domain is None
    assert framed.converged
    assert boxed.converged
    assert np.abs(framed.values - boxed.values).max() < 2e-10
    wrong = sde_expectation(drift, lambda x: 1.0001 * diffusion(x), [np.square, np.cos], 0.7, 1.0)
    assert np.abs(wrong.values - boxed.values).max() > 1e-6


@pytest.mark.slow
def test_stiff_state_dependent_noise_in_two_dimensions():
    """Momentum that relaxes fifty times faster than x, noise that depends on x: a residual below 1e-8."""
    rate = 50.0

    def equation(scale):
        drift = lambda z: np.stack([-z[1], rate * (z[0] + z[0] ** 3 - z[1])])
        diffusion = lambda z: np.stack([0 * z[0], rate * 0.3 * scale * (1 + 0.4 * np.sin(z[0]))])[:, None]
        return sde_expectation(drift, diffusion, [lambda z: z[0] ** 2], [0.7, 0.0], 1.0)

    found, wrong = equation(1.0), equation(1.001)
    assert found.converged
    assert found.residuals[0] < 1e-8
    assert abs(found.values[0] - wrong.values[0]) > 1e-5


def test_three_components():
    """A linear chain and a linear equation of three variables against exact moments."""
    matrix = np.array([[-1.0, 0.3, 0.1], [-0.2, -1.5, 0.2], [0.4, 0.0, -0.8]])
    factor, start = np.array([[0.3], [0.1], [0.2]]), [0.7, -0.4, 0.2]
    watched = [lambda z: z[0] * z[1], lambda z: z[2] ** 2]
    pick = lambda second: np.array([second[0, 1], second[2, 2]])
    found = sde_expectation(lambda z: matrix @ z, lambda z: factor[:, :, None] + 0 * z[:, None], watched, start, 1.0)
    exact = pick(AffineSDE(matrix, noise=factor).moments(start, [1.0]).second[0])
    assert found.converged
    assert np.abs(found.values - exact).max() < 1e-9
    forward = np.eye(3) + 0.1 * matrix
    moved = chain_expectation(lambda z, xi: forward @ z + factor * xi, watched, start, 8, NoiseLaw.gaussian())
    exact = pick(AffineChain(forward, noise=factor).moments(start, [8]).second[0])
    assert moved.converged
    assert np.abs(moved.values - exact).max() < 1e-12


def test_components_that_never_scatter():
    """Time as a variable without noise: dX = −tX dt + ½ dW has the mean x₀ e^{−1/2} at t = 1."""
    drift = lambda z: np.stack([-z[1] * z[0], np.ones_like(z[0])])
    diffusion = lambda z: np.stack([0.5 + 0 * z[0], 0 * z[0]])[:, None]
    found = sde_expectation(drift, diffusion, [lambda z: z[0]], [0.7, 0.0], 1.0)
    assert found.converged
    assert abs(found.values[0] - 0.7 * np.exp(-0.5)) < 1e-9
    still = chain_expectation(
        lambda z, xi: z * 0.5 + 0 * xi, [lambda z: z[0] + z[1]], [1.0, 2.0], 3, NoiseLaw.gaussian()
    )
    assert still.values[0] == pytest.approx(3 / 8, abs=1e-14)


@pytest.mark.slow
def test_orders_of_sgd_in_two_dimensions():
    """SGD on a coupled quartic loss: order 1, and 2 with the correction; each study within 60 s of processor time."""

    def slope(z):
        x, y = z
        return np.stack([x + x * y**2 + x**3, 2 * y + x**2 * y])

    def hessian_times_slope(z):
        x, y = z
        gx, gy = slope(z)
        return np.stack([(1 + y**2 + 3 * x**2) * gx + 2 * x * y * gy, 2 * x * y * gx + (2 + x**2) * gy])

    eye = NOISE * np.eye(2)[:, :, None]
    for correction, order in ((0.0, 1), (0.5, 2)):
        begin = time.process_time()
        study = transition_weak_error(
            step=lambda z, xi, eta: z - eta * (slope(z) + NOISE * xi[:, None]),
            drift=lambda z, eta, c=correction: -slope(z) - c * eta * hessian_times_slope(z),
            diffusion=lambda z, eta: np.sqrt(eta) * np.broadcast_to(eye, (2, 2, z.shape[1])),
            observables={"square": lambda z: z[0] ** 2, "product": lambda z: z[0] * z[1]},
            start=[0.7, 0.5],
            time=1.0,
            learning_rates=ETAS,
            noise=NoiseLaw.gaussian(2),
        )
        assert time.process_time() - begin < 60
        assert study.converged.all()
        assert study.residuals.max() < 2e-8
        assert judge(study.fit(), order) is Verdict.CONFIRMED
        assert judge(study.fit(), order + 1) is Verdict.REFUTED


def test_the_study_as_a_dataset():
    """The dataset carries both sides, the signed errors and the residuals under named dimensions."""
    study = quartic_study(0.0)
    data = study.dataset
    assert data["errors"].dims == ("learning_rate", "observable")
    np.testing.assert_allclose(data["errors"], data["discrete"] - data["continuous"])
    assert study.fit("mean").order == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"learning_rates": (0.3,)}, ValueError, "whole number of steps"),
        ({"start": [0.1] * 24}, ValueError, "24 components"),
        ({"observables": {"bad": lambda x: np.log(x - 10) * 0 + np.nan}}, ValueError, "not finite on the grid"),
        ({"observables": {"bad": lambda x: 1.0}}, ValueError, "one number per state"),
        ({"limit_observables": lambda eta: {"other": np.square}}, ValueError, "must have the names"),
        ({"noise": "gaussian"}, TypeError, "NoiseLaw"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_bad_input_is_refused(changes, error, message):
    """Structural faults raise and say what to use instead."""
    given = {
        "step": lambda x, xi, eta: x - eta * (x + xi),
        "drift": lambda x, eta: -x,
        "diffusion": lambda x, eta: np.sqrt(eta) + 0 * x,
        "observables": {"second": np.square},
        "start": 0.5,
        "time": 1.0,
        "learning_rates": (0.1,),
        "noise": NoiseLaw.gaussian(),
    }
    with pytest.raises(error, match=message):
        transition_weak_error(**(given | changes))
    with pytest.raises(ValueError, match="sum to one"):
        NoiseLaw.finite([1.0, 2.0], [0.5, 0.6])
