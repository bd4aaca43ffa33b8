"""Claim: closeness ends at momentum index 1, and under schedules it holds for the averaged schedule only."""

from collections.abc import Sequence
from fractions import Fraction
from functools import partial

import numpy as np
import xarray as xr

from sde_momentum.claims.evidence._claim import Claim, Evidence, Measurement, Settings, expected_to_fail, measured_order
from sde_momentum.claims.evidence._nearness import at_zero, near
from sde_momentum.claims.evidence._themes import BOUNDARY
from sde_momentum.compare import AffineChain, Moments, affine_chain, affine_sde, fit_order, judge
from sde_momentum.dynamics import chain, sde
from sde_momentum.optimizers import sgd, sgdm
from sde_momentum.problems import quadratic
from sde_momentum.symbolic import Regime, modified_equation

_HESSIAN = np.array([[1.0, 0.3], [0.3, 2.0]])
_NOISE = np.array([[0.8, 0.0], [0.5, 0.6]])  # does not commute with the Hessian
_START = np.array([1.0, -0.5])
_END = 2.0
_RATES = (0.02, 0.01, 0.005, 0.0025, 0.00125)
_RELAXATION = 2.0
_PERIOD = ((1.8, 0.95), (0.2, 0.5))  # learning rate over η, momentum; ten steps each
_STRETCH = 10
_ONE = Fraction(1)
_EQUATION = r"\bar\eta_k = \sum_{s \ge k} \eta_s\,(1-\beta_k) \prod_{r=k+1}^{s} \beta_r"
Table = dict[str, np.ndarray]


def mean_square(moments: Moments, places: slice, row: int = -1) -> float:
    """E|x|² from moments of a state of which x is a part."""
    mean, covariance = moments.mean[row][places], moments.covariance[row][places, places]
    return float(mean @ mean + np.trace(covariance))


_X_OF_SGD, _X_OF_SGDM = slice(0, 2), slice(2, 4)  # the state of SGDM is (m, x)


def at_index_one(rate: float) -> tuple[float, float, float]:
    """E|x|² of SGDM with 1 − β = λη, of its underdamped equation, and of SGD; all in closed form."""
    regime, problem = Regime.noise_dominated(_ONE), quadratic(_HESSIAN, noise=_NOISE, start=_START)
    numbers = {"learning_rate": rate, "relaxation_rate": _RELAXATION}
    discrete = affine_chain(chain(sgdm(), problem, regime=regime, **numbers), _START)
    underdamped = sde(modified_equation(sgdm(), regime, order=1), problem, **numbers)
    limit = affine_sde(underdamped, _START)
    plain = affine_chain(chain(sgd(), problem, regime=Regime.noise_dominated(), learning_rate=rate), _START)
    assert discrete is not None
    assert limit is not None
    assert plain is not None
    steps, still = round(_END / rate), np.concatenate([np.zeros(2), _START])
    return (
        mean_square(discrete.moments(still, [steps]), _X_OF_SGDM),
        mean_square(limit.moments(still, [_END]), _X_OF_SGDM),
        mean_square(plain.moments(_START, [steps]), _X_OF_SGD),
    )


def above_one(rate: float) -> float:
    """E x of SGDM with 1 − β = λη^{3/2} on h = 1, at the time s = 2 of its own clock k η^{5/4} √λ."""
    momentum = 1 - _RELAXATION * rate**1.5
    process = chain(
        sgdm(), quadratic([1.0], noise=1.0), regime=Regime.noiseless(), learning_rate=rate, momentum=momentum
    )
    found = affine_chain(process, np.ones(1))
    assert found is not None
    step = rate**1.25 * _RELAXATION**0.5
    before = int(_END / step)
    means = found.moments(np.array([0.0, 1.0]), [before, before + 1]).mean[:, 1]
    return float(means[0] + (_END / step - before) * (means[1] - means[0]))


def averaged_schedule(rates: np.ndarray, momenta: np.ndarray) -> np.ndarray:
    """The averaged schedule of SGD; beyond the end nothing follows."""
    tails, after = np.empty_like(rates), 0.0
    for k in range(len(rates) - 1, -1, -1):
        tails[k] = rates[k] + (momenta[k + 1] * after if k + 1 < len(rates) else 0.0)
        after = tails[k]
    return (1 - momenta) * tails


def scheduled(rate: float) -> tuple[float, float, float]:
    """E|x|² at the end under a schedule that changes every ten steps: SGDM, SGD on the averaged and the plain one."""
    count = round(_END / rate)
    pattern = np.repeat(np.array(_PERIOD), _STRETCH, axis=0)
    values = np.tile(pattern, (-(-count // len(pattern)), 1))[:count]
    rates, momenta = rate * values[:, 0], values[:, 1]
    scale = rate**-0.5  # σ stays where it is while the learning rate goes up and down
    plain = lambda eta: AffineChain(np.eye(2) - eta * _HESSIAN, np.zeros(2), eta * scale * _NOISE)
    heavy = partial(_momentum_step, scale=scale)
    still = np.concatenate([np.zeros(2), _START])
    averaged = averaged_schedule(rates, momenta)
    return (
        _square_along([heavy(*pair) for pair in zip(rates, momenta, strict=True)], still, _X_OF_SGDM),
        _square_along([plain(eta) for eta in averaged], _START, _X_OF_SGD),
        _square_along([plain(eta) for eta in rates], _START, _X_OF_SGD),
    )


def _momentum_step(rate: float, momentum: float, scale: float) -> AffineChain:
    """M' = βm + (1−β)(Hx + σSξ), x' = x − ηm', on the state (m, x)."""
    pull, noise = (1 - momentum) * _HESSIAN, (1 - momentum) * scale * _NOISE
    eye = np.eye(2)
    matrix = np.block([[momentum * eye, pull], [-rate * momentum * eye, eye - rate * pull]])
    return AffineChain(matrix, np.zeros(4), np.vstack([noise, -rate * noise]))


def _square_along(steps: Sequence[AffineChain], start: np.ndarray, places: slice) -> float:
    mean, covariance = start, np.zeros((len(start), len(start)))
    for one in steps:
        mean, covariance = one.matrix @ mean, one.matrix @ covariance @ one.matrix.T + one.noise @ one.noise.T
    return float(mean[places] @ mean[places] + np.trace(covariance[places, places]))


def experiment(settings: Settings) -> Evidence:
    """Exact moments on a quadratic: α = 1, α = 3/2, and a schedule; no sampling."""
    del settings
    one = np.array([at_index_one(rate) for rate in _RATES])
    above = np.array([above_one(rate) for rate in _RATES])
    schedule = np.array([scheduled(rate) for rate in _RATES])
    measurements = [*_index_one(one), *_index_above(above), *_schedules(schedule)]
    differences = {
        "α = 1: SGDM − SGD": one[:, 0] - one[:, 2],
        "α = 1: SGDM − underdamped equation": one[:, 0] - one[:, 1],
        "α = 3/2: E x − undamped oscillation": above - np.cos(_END),
        "schedule: SGDM − SGD, averaged schedule": schedule[:, 0] - schedule[:, 1],
        "schedule: SGDM − SGD, same schedule": schedule[:, 0] - schedule[:, 2],
    }
    dataset = xr.Dataset(
        {"difference": (("comparison", "learning_rate"), np.stack(list(differences.values())))},
        {"comparison": list(differences), "learning_rate": list(_RATES)},
    )
    limit = modified_equation(sgdm(), Regime.noise_dominated(_ONE), order=1)
    return Evidence(tuple(measurements), dataset, (limit._repr_latex_(), _EQUATION), _remarks())


def _order(label: str, errors: np.ndarray, claimed: float) -> Measurement:
    fit = fit_order(_RATES, errors, 0.0, learning_rate_unit=0.1)
    return measured_order(label, fit, judge(fit, claimed), claimed)


def _index_one(values: np.ndarray) -> list[Measurement]:
    """SGDM has its own limit, and keeps its distance from SGD."""
    limit = _distance_of_limits()
    gap = at_zero(_RATES, values[:, 0] - values[:, 2], np.zeros(len(_RATES)))
    right = _order("α = 1: order of E|x|², SGDM − underdamped equation", values[:, 0] - values[:, 1], 1)
    wrong = near("α = 1: E|x|², SGDM − SGD, η → 0", gap, 0.0, 0.01)
    return [
        right,
        near("α = 1: E|x|², SGDM − SGD, η → 0", gap, limit, 0.01 * abs(limit)),
        expected_to_fail(wrong, "0: closeness at α = 1"),
    ]


def _distance_of_limits() -> float:
    """E|x|² of the underdamped equation minus that of SGD's own equation."""
    problem = quadratic(_HESSIAN, noise=_NOISE, start=_START)
    equation = modified_equation(sgd(), Regime.noise_dominated(), order=1)
    plain = affine_sde(sde(equation, problem, learning_rate=_RATES[-1]), _START)
    assert plain is not None
    return at_index_one(_RATES[-1])[1] - mean_square(plain.moments(_START, [_END]), _X_OF_SGD)


def _index_above(values: np.ndarray) -> list[Measurement]:
    """Above index 1 friction is lost on the clock of the motion: an undamped oscillation. Powers of η^{1/4}."""
    value = at_zero(np.array(_RATES) ** 0.25, values, np.zeros(len(values)))
    wrong = near("α = 3/2 against SGD's decay e^(−s)", value, float(np.exp(-_END)), 0.02)
    return [
        near("α = 3/2: E x at s = 2, η → 0, undamped oscillation", value, float(np.cos(_END)), 0.02),
        expected_to_fail(wrong, "0.1353, a motion that relaxes"),
    ]


def _schedules(values: np.ndarray) -> list[Measurement]:
    right = _order("schedule: order of E|x|², SGDM − SGD on the averaged schedule", values[:, 0] - values[:, 1], 1)
    wrong = _order("schedule: order of E|x|², SGDM − SGD on the same schedule", values[:, 0] - values[:, 2], 0.5)
    return [right, expected_to_fail(wrong, "order ½ without averaging")]


def _remarks() -> tuple[str, ...]:
    return (
        "Two-dimensional quadratic with noise that does not commute with the Hessian, σ = η^(−1/2), t = kη = 2, closed "
        f"moments; intervals express the truncation of the series alone. α = 1: 1 − β = {_RELAXATION:g}η. α = 3/2: "
        f"1 − β = {_RELAXATION:g}η^(3/2), one direction with h = 1, mean only, at s = 2 on the clock s = k√λ "
        f"η^(5/4); over t = O(1) such an iterate has not yet moved.",
        f"Schedule: learning rates {_PERIOD[0][0]:g}η and {_PERIOD[1][0]:g}η with momentum {_PERIOD[0][1]:g} and "
        f"{_PERIOD[1][1]:g}, changing every {_STRETCH} steps, faster than the momentum forgets. Schedules that change "
        "slowly need no averaging.",
    )


def figure(dataset: xr.Dataset):
    """|differences| over η, log–log: what closes and what does not."""
    import matplotlib.pyplot as plt

    fig, axis = plt.subplots(figsize=(7.6, 3.8), layout="constrained")
    rates = dataset["learning_rate"].values
    for number, name in enumerate(dataset["comparison"].values):
        style = ("s--", "s-", "^-", "o-", "o--")[number]
        values = np.abs(dataset["difference"].sel(comparison=name))
        axis.plot(rates, values, style, ms=4, lw=1, color=("C0", "C0", "C3", "C1", "C1")[number], label=str(name))
    low = axis.get_ylim()[0]
    axis.plot(rates, 2 * low * rates / rates.min(), color="0.75", lw=0.8, zorder=0, label="slope 1")
    axis.set(xscale="log", yscale="log", xlabel="learning rate η", ylabel="|difference|")
    axis.set_xticks(rates, [f"{rate:g}" for rate in rates])
    axis.minorticks_off()
    fig.legend(loc="outside right center", fontsize="small", frameon=False)
    return fig


CLAIM = Claim(
    name="momentum-limits",
    title="Where closeness ends: slow momentum and schedules",
    statement="At 1 − β = λη (α = 1) SGDM follows an underdamped equation and keeps a distance from SGD as η → "
    "0; for α > 1 its motion loses friction altogether. Under schedules of η and β SGDM follows SGD on the "
    "averaged schedule, and where they change within the memory of the momentum not on the same schedule.",
    source="Wang, Malladi, Wang, Lyu, Li (2024), Theorem 3.5 and its assumption α < 1; α > 1 is derived here",
    experiment=experiment,
    figure=figure,
    theme=BOUNDARY,
)
