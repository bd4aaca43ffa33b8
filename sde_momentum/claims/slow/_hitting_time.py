"""Claim: motion along the minima is fastest at 1 − β ∝ γ^{2/3}, where hitting times collapse on one curve."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Float

from sde_momentum.claims.evidence._claim import Claim, Evidence, Measurement, Settings, expected_to_fail
from sde_momentum.claims.evidence._many_runs import trajectories
from sde_momentum.claims.evidence._nearness import bounded, mean_of, near, ratio_of
from sde_momentum.claims.evidence._themes import SLOW
from sde_momentum.dynamics import chain
from sde_momentum.optimizers import heavy_ball
from sde_momentum.problems import label_noise

_DELTA = 1.0
_START = np.array([2.0, 0.5])
_RATES = (1e-3, 1.25e-4, 1.5625e-5)  # γ^{−2/3} = 100, 400, 1600
_SCALED = tuple(4.5 * 2 ** (-k / 2) for k in range(7, -1, -1))  # s = (1 − β) γ^{−2/3}
_END, _SAVES = 40.0, 400  # in units of γ^{−2/3} steps
_PATHS, _GROUPS = 2_048, 16
_LEVEL = np.exp(-1)
_MARGIN = 0.1
_EQUATION = r"K(\gamma, \beta) \simeq \gamma^{-2/3}\,T(s),\qquad s = (1-\beta)\,\gamma^{-2/3}"


def product_problem() -> Any:
    """Label noise on f = w₁w₂ with label 1 ± δ; the imbalance w₁² − w₂² falls towards the flattest minimum."""
    model = lambda w, rows: w[0] * w[1] * rows[:, 0]
    return label_noise(model, np.ones((1, 1)), np.ones(1), _DELTA, None, start=_START)


def hitting_time(times: np.ndarray, values: np.ndarray) -> float:
    """The time from which a curve that starts at 1 stays below 1/e, by interpolation; infinite if it does not."""
    times, values = np.concatenate([[0.0], times]), np.concatenate([[1.0], values])
    k = int(np.flatnonzero(values > _LEVEL)[-1])
    if k == len(values) - 1:
        return np.inf
    part = (values[k] - _LEVEL) / (values[k] - values[k + 1])
    return float(times[k] + part * (times[k + 1] - times[k]))


def experiment(settings: Settings) -> Evidence:
    """Hitting times in steps over momenta, for three learning rates in heavy-ball form."""
    paths = settings.samples(_PATHS, _GROUPS)
    times = np.stack([_hitting_times(rate, paths, settings, number) for number, rate in enumerate(_RATES)])
    dataset = xr.Dataset(
        {"steps": (("learning_rate", "scaled", "group"), times)},
        {"learning_rate": list(_RATES), "scaled": list(_SCALED)},
    )
    measurements = [_exponent(dataset, s, s, f"at s = {s:.3g}") for s in _SCALED[1:]]
    wrong = _exponent(dataset, _SCALED[-2], _SCALED[-1], "along 1 − β ∝ γ^(1/2)")
    measurements += [expected_to_fail(wrong, "⅔: any scaling of the momentum would do"), _gain(dataset)]
    return Evidence(tuple(measurements), dataset, (_EQUATION,), _remarks(paths))


def _hitting_times(rate: float, paths: int, settings: Settings, number: int) -> Float[np.ndarray, "scaled groups"]:
    """Steps until the median size of the imbalance in a group of paths has fallen to 1/e."""
    unit = rate ** (-2 / 3)
    momenta = [1 - s / unit for s in _SCALED]
    problem, rule = product_problem(), heavy_ball()
    chains = [chain(rule, problem, learning_rate=rate, momentum=beta) for beta in momenta]
    steps = round(_END * unit / _SAVES) * _SAVES
    start = float(_START[0] ** 2 - _START[1] ** 2)
    size = lambda process, state: jnp.abs(state["x"][0] ** 2 - state["x"][1] ** 2) / start
    seed = (settings.seed + (number << 32)) % 2**64
    starts = [problem.initial()] * len(chains)
    values = trajectories(chains, starts, size, steps=steps, saves=_SAVES, paths=paths, seed=seed)
    grouped = np.median(values.reshape(len(chains), _GROUPS, -1, _SAVES), axis=2)
    clock = steps * np.arange(1, _SAVES + 1) / _SAVES
    return np.array([[hitting_time(clock, curve) for curve in row] for row in grouped])


def _exponent(dataset: xr.Dataset, at_larger: float, at_smaller: float, label: str) -> Measurement:
    """P of K ∝ γ^{−p} from the two smaller learning rates; the label tells at which momenta."""
    pair = zip(_RATES[1:], (at_larger, at_smaller), strict=True)
    logs = [np.log(dataset["steps"].sel(learning_rate=rate, scaled=s).values) for rate, s in pair]
    ends = [mean_of(values) for values in logs]
    width = np.log(_RATES[1] / _RATES[2])
    value = (ends[1][0] - ends[0][0]) / width, float(np.hypot(ends[0][1], ends[1][1])) / width
    return near(f"p of K ∝ γ^(−p) {label}", value, 2 / 3, _MARGIN)


def _gain(dataset: xr.Dataset) -> Measurement:
    """What halving 1 − β gains below s = 0.8 at the smallest learning rate; by the slow equation it would be 4."""
    part = dataset["steps"].sel(learning_rate=_RATES[-1])
    ends = [mean_of(part.sel(scaled=s).values) for s in (_SCALED[2], _SCALED[0])]
    label = f"K at s = {_SCALED[2]:.3g} over K at s = {_SCALED[0]:.3g}, γ = {_RATES[-1]:.3g}"
    return bounded(label, ratio_of(*ends), below=1.5)


def _remarks(paths: int) -> tuple[str, ...]:
    return (
        f"f = w₁w₂ with label 1 ± {_DELTA:g}, start ({_START[0]:g}, {_START[1]:g}), heavy ball with learning "
        f"rate γ. K is the number of steps from which on the median of |w₁² − w₂²| over paths stays "
        f"below 1/e of its start; {paths} paths in {_GROUPS} groups, whose scatter gives the intervals of ± 5 "
        f"standard errors. Exponents compare γ = {_RATES[1]:g} and {_RATES[2]:g} with a margin of {_MARGIN:g}; "
        f"the largest γ and the smallest s are shown only.",
        "For large s the motion is that of the slow equation, T = s²/δ²; for small s it waits for the momentum, which "
        "needs 1/(1 − β) steps to forget. The control moves along 1 − β ∝ γ^(1/2) on the same data.",
    )


def figure(dataset: xr.Dataset):
    """Hitting times as they are over 1 − β, and scaled by γ^{2/3} over s."""
    import matplotlib.pyplot as plt

    fig, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.5), layout="constrained")
    scaled = dataset["scaled"].values
    for number, rate in enumerate(dataset["learning_rate"].values):
        part = dataset["steps"].sel(learning_rate=rate)
        part = part.where(np.isfinite(part).all("group"))  # one group that never settles leaves no mean
        means, errors = part.mean("group").values, 5 * part.std("group", ddof=1).values / part.sizes["group"] ** 0.5
        unit = float(rate) ** (-2 / 3)
        style = {"fmt": ("o-", "s-", "^-")[number], "color": f"C{number}", "ms": 4, "lw": 0.9, "capsize": 2}
        left.errorbar(scaled / unit, means, errors, label=f"γ = {rate:.3g}", **style)
        right.errorbar(scaled, means / unit, errors / unit, label=f"γ = {rate:.3g}", **style)
    law = scaled[scaled > 2]
    right.plot(law, law**2 / _DELTA**2, "k:", lw=1, label="slow equation, s²/δ²")
    left.set(xscale="log", yscale="log", xlabel="1 − β", ylabel="hitting time K, steps")
    right.set(xscale="log", yscale="log", xlabel="s = (1 − β) γ$^{-2/3}$", ylabel="K γ$^{2/3}$")
    right.set_xticks([0.3, 0.5, 1, 2, 4], ["0.3", "0.5", "1", "2", "4"], minor=False)
    right.set_yticks([5, 10, 20], ["5", "10", "20"], minor=False)
    right.minorticks_off()
    left.legend(fontsize="small", frameon=False)
    right.legend(fontsize="small", frameon=False)
    return fig


CLAIM = Claim(
    name="hitting-time",
    title="The fastest momentum scales as 1 − β ∝ γ^(2/3)",
    statement="With label noise and learning rate γ in heavy-ball form, the number of steps that the motion along the "
    "minima takes is γ^(−2/3) times a function of (1 − β)γ^(−2/3) alone: it falls with 1 − β until 1 − β ∝ γ^(2/3), "
    "and more momentum gains nothing.",
    source="Cowsik, Can, Glorioso (2022)",
    experiment=experiment,
    figure=figure,
    theme=SLOW,
)
