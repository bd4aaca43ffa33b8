"""Exact moments: closed forms, doubling against iterating, the semigroup, minibatches by enumeration."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sde_momentum.compare import AffineChain, AffineSDE, Verdict, fit_order, judge, schedule_moments

CLOSE = {"rtol": 1e-12, "atol": 1e-14}
RATES = st.floats(0.01, 0.3)
CURVATURES = st.floats(0.2, 3.0)


def sgdm(eta, beta, h, s):
    """EMA momentum on ½hx² with noise s ξ, state (x, m)."""
    keep = np.array([-eta * (1 - beta), 1 - beta])
    matrix = np.array([[1 - eta * (1 - beta) * h, -eta * beta], [(1 - beta) * h, beta]])
    return AffineChain(matrix, noise=(s * keep)[:, None])


def random_system(seed, size, noises, scale):
    rng = np.random.default_rng(seed)
    matrix = rng.standard_normal((size, size))
    return (
        scale * matrix / np.abs(np.linalg.eigvals(matrix)).max(),
        rng.standard_normal(size),
        rng.standard_normal((size, noises)),
        0.2 * rng.standard_normal((noises, size, size)),
    )


@given(RATES, CURVATURES, st.integers(0, 10**6))
def test_sgd_on_a_quadratic(eta, h, k):
    """Mean (1−ηh)^k x₀ and variance ηs²(1−(1−ηh)^{2k})/(h(2−ηh)), for any k."""
    law = AffineChain(1 - eta * h, noise=eta * 1.5).moments([2.0], [k])
    np.testing.assert_allclose(law.mean[0, 0], 2 * (1 - eta * h) ** k, rtol=1e-9, atol=1e-300)
    variance = eta * 1.5**2 * (1 - (1 - eta * h) ** (2 * k)) / (h * (2 - eta * h))
    np.testing.assert_allclose(law.covariance[0, 0, 0], variance, **CLOSE)


@given(RATES, st.floats(0, 0.95), CURVATURES)
def test_sgdm_stationary_law(eta, beta, h):
    """Var x = ηs²/(h(2−ηh(1−β)/(1+β))), E m² = 2s²(1−β)/(2(1+β)−(1−β)ηh), E xm = −(η/2)E m² (m' paired with x')."""
    s = 0.7
    covariance = sgdm(eta, beta, h, s).stationary().covariance
    squared_momentum = 2 * s**2 * (1 - beta) / (2 * (1 + beta) - (1 - beta) * eta * h)
    np.testing.assert_allclose(covariance[0, 0], eta * s**2 / (h * (2 - eta * h * (1 - beta) / (1 + beta))), rtol=1e-10)
    np.testing.assert_allclose(covariance[1, 1], squared_momentum, rtol=1e-10)
    np.testing.assert_allclose(covariance[0, 1], -eta / 2 * squared_momentum, rtol=1e-10)


@given(RATES, st.floats(0, 0.95), st.integers(1, 2000))
def test_sgdm_on_a_linear_loss(eta, beta, k):
    """Var x_k = η²s²[k − 2β(1−β^k)/(1−β) + β²(1−β^{2k})/(1−β²)] without curvature."""
    variance = k - 2 * beta * (1 - beta**k) / (1 - beta) + beta**2 * (1 - beta ** (2 * k)) / (1 - beta**2)
    found = sgdm(eta, beta, 0.0, 1.0).moments([0.0, 0.0], [k]).covariance[0, 0, 0]
    np.testing.assert_allclose(found, eta**2 * variance, rtol=1e-10)


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.integers(1, 3), st.integers(0, 40), st.booleans())
def test_doubling_is_iterating(seed, size, steps, with_multiplicative):
    """K steps at once are k single steps, with additive and with multiplicative noise."""
    matrix, offset, noise, multiplicative = random_system(seed, size, 2, 0.9)
    chain = AffineChain(matrix, offset, noise, multiplicative if with_multiplicative else None)
    start, spread = np.ones(size), np.eye(size)
    one_by_one = schedule_moments([chain] * steps + [(chain, 0)], start, covariance=spread)
    at_once = chain.moments(start, [steps], covariance=spread)
    np.testing.assert_allclose(at_once.mean[0], one_by_one.mean[-1], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(at_once.covariance[0], one_by_one.covariance[-1], rtol=1e-8, atol=1e-8)


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.integers(1, 3), st.floats(0, 5), st.floats(0, 5), st.booleans())
def test_semigroup(seed, size, first, second, with_multiplicative):
    """Moving for s and then for t is moving for s + t."""
    matrix, offset, noise, multiplicative = random_system(seed, size, 2, 0.8)
    sde = AffineSDE(matrix - np.eye(size), offset, noise, multiplicative if with_multiplicative else None)
    middle = sde.moments(np.ones(size), [first])
    twice = sde.moments(middle.mean[0], [second], covariance=middle.covariance[0])
    once = sde.moments(np.ones(size), [first + second])
    np.testing.assert_allclose(twice.mean, once.mean, rtol=1e-10, atol=1e-11)
    np.testing.assert_allclose(twice.covariance, once.covariance, rtol=1e-9, atol=1e-10)


@given(RATES, CURVATURES, st.floats(0, 50, allow_subnormal=False))
def test_ornstein_uhlenbeck(eta, h, t):
    """The order-1 equation of SGD has variance ηs²(1−e^{−2ht})/(2h)."""
    law = AffineSDE(-h, noise=np.sqrt(eta) * 1.5).moments([2.0], [t])
    np.testing.assert_allclose(law.mean[0, 0], 2 * np.exp(-h * t), rtol=1e-11)
    np.testing.assert_allclose(law.covariance[0, 0, 0], eta * 1.5**2 * -np.expm1(-2 * h * t) / (2 * h), rtol=1e-11)


def test_geometric_brownian_motion():
    """Dz = az dt + bz dW: E z = e^{at}, Var z = e^{2at}(e^{b²t} − 1)."""
    law = AffineSDE(-0.3, multiplicative=[[[0.5]]]).moments([1.0], [0.0, 1.0, 3.0])
    t = np.array([0.0, 1.0, 3.0])
    np.testing.assert_allclose(law.mean[:, 0], np.exp(-0.3 * t), rtol=1e-12)
    np.testing.assert_allclose(law.covariance[:, 0, 0], np.exp(-0.6 * t) * np.expm1(0.25 * t), rtol=1e-12, atol=1e-14)


def test_multiplicative_stationary_law_is_the_long_time_limit():
    """Stationary moments are the moments after a long time, for chains and equations."""
    matrix, offset, noise, multiplicative = random_system(4, 3, 2, 0.5)
    chain = AffineChain(matrix, offset, noise, multiplicative)
    sde = AffineSDE(matrix - 1.5 * np.eye(3), offset, noise, multiplicative)
    for process, late in ((chain, 400), (sde, 100.0)):
        limit, law = process.stationary(), process.moments(np.ones(3), [late])
        np.testing.assert_allclose(law.mean[0], limit.mean, rtol=1e-10)
        np.testing.assert_allclose(law.covariance[0], limit.covariance, rtol=1e-9, atol=1e-12)


def test_minibatch_least_squares_by_enumeration():
    """Second moments of minibatch SGD agree with the enumeration of all index sequences of three steps."""
    rng = np.random.default_rng(0)
    rows, targets = rng.standard_normal((3, 2)), rng.standard_normal(3)
    maps = [(np.eye(2) - 0.3 * np.outer(a, a), 0.3 * y * a) for a, y in zip(rows, targets, strict=True)]
    chain = AffineChain.from_maps([m for m, _ in maps], [b for _, b in maps])
    ends = [np.ones(2)]
    for _ in range(3):
        ends = [m @ z + b for z in ends for m, b in maps]
    ends = np.array(ends)
    law = chain.moments(np.ones(2), [3])
    np.testing.assert_allclose(law.mean[0], ends.mean(0), **CLOSE)
    np.testing.assert_allclose(law.covariance[0], np.cov(ends.T, bias=True), **CLOSE)
    np.testing.assert_allclose(law.second[0], ends.T @ ends / len(ends), **CLOSE)


def test_stiff_equations_do_not_overflow():
    """Rates of 1 and 10⁶ over a time of 100: the block exponential alone would overflow."""
    sde = AffineSDE(np.diag([-1.0, -1e6]), noise=np.eye(2))
    law = sde.moments([1.0, 1.0], [100.0])
    np.testing.assert_allclose(np.diag(law.covariance[0]), [0.5, 0.5e-6], rtol=1e-9)


def sgd_quadratic_error(etas, drift_of, noise_of):
    """Weak error in x² of SGD on ½x² at T = 1 against the linear equation given."""
    errors = []
    for eta in etas:
        chain = AffineChain(1 - eta, noise=eta * 1.0).moments([1.0], [round(1 / eta)]).second[0, 0, 0]
        sde = AffineSDE(drift_of(eta), noise=noise_of(eta)).moments([1.0], [1.0]).second[0, 0, 0]
        errors.append(chain - sde)
    return errors


def test_orders_of_the_quadratic_without_sampling():
    """SGD has order 1 against its first equation, 2 against the second; a wrong correction is refuted at order 2."""
    etas = [1 / 10, 1 / 20, 1 / 40, 1 / 80, 1 / 160]
    first = fit_order(etas, sgd_quadratic_error(etas, lambda eta: -1.0, np.sqrt), 0.0)
    second = fit_order(etas, sgd_quadratic_error(etas, lambda eta: -1 - eta / 2, np.sqrt), 0.0)
    wrong = fit_order(etas, sgd_quadratic_error(etas, lambda eta: -1 - eta / 4, np.sqrt), 0.0)
    assert judge(first, 1) is Verdict.CONFIRMED
    assert judge(second, 2) is Verdict.CONFIRMED
    assert judge(wrong, 2) is Verdict.REFUTED


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: AffineChain(1.0, noise=1.0).stationary(), "spectral radius 1 "),
        (lambda: AffineChain(0.9, multiplicative=[[[0.5]]]).stationary(), "in mean square"),
        (lambda: AffineSDE(0.1).stationary(), "real part 0.1"),
        (lambda: AffineSDE(-0.1, multiplicative=[[[0.5]]]).stationary(), "in mean square"),
        (lambda: AffineChain([[1.0, 2.0]]), "square"),
        (lambda: AffineChain(0.5, offset=[1.0, 2.0]), "offset"),
        (lambda: AffineChain(np.eye(2), noise=np.ones((3, 1))), "noise"),
        (lambda: AffineChain(np.eye(2), noise=np.ones((2, 1)), multiplicative=np.ones((2, 2, 2))), "multiplicative"),
        (lambda: AffineChain(np.nan), "finite"),
        (lambda: AffineChain(0.5).moments([1.0], [0.5]), "whole numbers"),
        (lambda: AffineChain(0.5).moments([1.0, 2.0], [1]), "start"),
        (lambda: AffineSDE(-0.5).moments([1.0], [-1.0]), "times"),
        (lambda: AffineChain.from_maps([[[1.0]]], [[1.0]], [0.5]), "sum to one"),
        (lambda: AffineChain(0.5, multiplicative=[[[0.1]]]).transition, "no fixed transition"),
        (lambda: schedule_moments([], [1.0]), "empty"),
    ],
)
def test_bad_input_is_refused(call, message):
    """Structural faults raise, and instability names its number."""
    with pytest.raises(ValueError, match=message):
        call()
