"""Claim: over O(1/η²) steps SGD and SGDM follow the same slow equation on the manifold of minimizers."""

from typing import Any

import numpy as np
import xarray as xr
from scipy.optimize import brentq

from sde_momentum.claims.evidence._claim import Claim, Evidence, Measurement, Settings, measured, measured_order
from sde_momentum.claims.evidence._nearness import at_zero, near
from sde_momentum.claims.evidence._themes import SLOW
from sde_momentum.compare import Outcome, Verdict, compare_to_bound, fit_order, judge, slow_weak_error
from sde_momentum.manifold import slow_sde
from sde_momentum.optimizers import sgd, sgdm
from sde_momentum.problems import label_noise_parabola

_WEIGHTS = np.array([1.0, 2.0, 3.0])
_DELTA = 0.5
_MOMENTUM = 0.8
_RATES = (0.04, 0.02, 0.01, 0.005)
_END, _SAVES = 0.32, 8
# With momentum the projected iterates scatter more, while their error is smaller.
_REPLICAS = {"SGD": 8_192, "SGDM": 24_576}
# Two optimizers count as following one flow when they differ by less than this part of what the flow does.
_MARGIN = 0.05
_EQUATION = r"dY = P\,\Sigma^{1/2}\,dW + \tfrac12\,\partial^2\Phi[\Sigma]\,d\tau,\qquad \tau = k\eta^2"


def experiment(settings: Settings) -> Evidence:
    """Both optimizers with label noise, projected on the minimizers by Φ, against the derived slow flow."""
    problem = label_noise_parabola(_WEIGHTS, _DELTA)
    dataset = _table([_study(problem, *optimizer, settings) for optimizer in _OPTIMIZERS])
    measurements = [m for name in _REPLICAS for m in _errors_fall(dataset, name)]
    measurements.append(_wrong_constant(problem, dataset))
    measurements.append(_same_flow(dataset))
    measurements += _explicit_numbers(dataset)
    remarks = (
        f"Loss ½(Σ z_i u_i² − 1)² with z = (1, 2, 3) and label noise δ = {_DELTA}, where the slow flow is known in "
        "closed form; the slow equation was integrated from the general formula, which agrees with the closed form "
        f"to {_agreement(problem):.0e}. β = {_MOMENTUM}, {settings.samples(_REPLICAS['SGD'])} replicas of SGD and "
        f"{settings.samples(_REPLICAS['SGDM'])} of SGDM, projected by Φ before comparing. Label noise has no "
        f"component along the manifold, so the slow equation is a flow: it descends the trace of the Hessian.",
    )
    return Evidence(tuple(measurements), dataset, equations=(_EQUATION,), remarks=remarks)


_OPTIMIZERS = (("SGD", sgd, {}), ("SGDM", sgdm, {"momentum": _MOMENTUM}))


def _agreement(problem: Any) -> float:
    """Difference between the general formula's drift and the closed form at the start."""
    state = slow_sde(problem, sgd()).init(problem.initial())
    general = slow_sde(problem, sgd()).drift(0.0, state, None)["x"]
    return max(float(np.max(np.abs(general - problem.slow_drift(state["x"])))), 1e-16)


def _study(problem: Any, name: str, rule: Any, numbers: dict[str, float], settings: Settings) -> xr.Dataset:
    """E tr H(Φ(x_k)) of one optimizer beside the slow flow of the general formula."""
    study = slow_weak_error(
        rule(),
        problem,
        problem.initial(),
        t1=_END,
        learning_rates=_RATES,
        observables={"trace": problem.hessian_trace},
        num_paths=settings.samples(_REPLICAS[name]),
        saves=_SAVES,
        seed=settings.seed,
        codimension=1,
        progress=settings.progress,
        **numbers,
    )
    return study.dataset.isel(rule=0, observable=0, drop=True)


def _table(studies: list[xr.Dataset]) -> xr.Dataset:
    dims, first = ("optimizer", "learning_rate", "time"), studies[0]
    stack = lambda name: (dims, np.stack([study[name].values for study in studies]))
    return xr.Dataset(
        {
            "trace": stack("discrete"),
            "standard_error": stack("discrete_standard_error"),
            "flow": ("time", first["slow"].values[0]),
            "start": ((), float(first["start"])),
        },
        coords={"optimizer": list(_REPLICAS), "learning_rate": list(_RATES), "time": first["time"].values},
    )


def _errors_fall(dataset: xr.Dataset, name: str) -> list[Measurement]:
    """The distance of E tr H from the flow falls like η, half-way and at the end."""
    part, found = dataset.sel(optimizer=name), []
    for position in (_SAVES // 2 - 1, _SAVES - 1):
        at = part.isel(time=position)
        errors = at["trace"].values - float(at["flow"])
        unit = 1 / float(dataset["start"])  # there the motion normal to the manifold stops being fast
        fit = fit_order(_RATES, errors, at["standard_error"].values, learning_rate_unit=unit, claimed_order=1)
        label = f"{name}: order in η of E tr H − flow at τ = {float(at['time']):.2g}"
        found.append(measured_order(label, fit, judge(fit, 1), 1))
    return found


def explicit_trace(slow_time: float) -> float:
    """4 Σ z²w(τ) from w_i(τ) = w_i(0) exp(2z_i y − 4δ²z_i²τ) with Σ z_i w_i = 1, by a root of one variable."""
    start = np.full(3, 1 / _WEIGHTS.sum())
    grown = lambda y: start * np.exp(2 * _WEIGHTS * y - 4 * _DELTA**2 * _WEIGHTS**2 * slow_time)
    y = brentq(lambda y: float(_WEIGHTS @ grown(y)) - 1, -50, 50, xtol=1e-14)
    return float(4 * _WEIGHTS**2 @ grown(y))


def _explicit_numbers(dataset: xr.Dataset) -> list[Measurement]:
    """The general formula and both optimizers, extrapolated to η = 0, against the closed form as a number."""
    number = explicit_trace(_END)
    margin = _MARGIN * (float(dataset["start"]) - number)
    found = [near(f"general formula: tr H at τ = {_END}", (float(dataset["flow"][-1]), 0.0), number, 1e-5)]
    last = dataset.isel(time=-1, learning_rate=slice(1, None))
    for name in dataset["optimizer"].values:
        part = last.sel(optimizer=name)
        estimate = at_zero(_RATES[1:], part["trace"].values, part["standard_error"].values)
        found.append(near(f"{name}: E tr H at τ = {_END}, η → 0", estimate, number, margin))
    return found


def _wrong_constant(problem: Any, dataset: xr.Dataset) -> Measurement:
    """Control: the flow of the loss without its factor ½, twice as fast, must be refuted."""
    wrong = float(problem.hessian_trace(problem.slow_solution(problem.initial(), 2 * _END)))
    part = dataset.sel(optimizer="SGD").isel(time=-1)
    unit = 1 / float(dataset["start"])
    fit = fit_order(_RATES, part["trace"].values - wrong, part["standard_error"].values, learning_rate_unit=unit)
    verdict = judge(fit, 1)
    outcome = {Verdict.REFUTED: Outcome.SUPPORTED, Verdict.CONFIRMED: Outcome.NOT_SUPPORTED}
    label = "SGD against a flow twice as fast: order in η"
    interval = (float(fit.interval[0]), float(fit.interval[1]))
    expected = "below 1 (a negative control)"
    return Measurement(label, float(fit.order), interval, expected, outcome.get(verdict, Outcome.UNDECIDED))


def _same_flow(dataset: xr.Dataset) -> Measurement:
    """SGD and SGDM at the smallest learning rate, as a part of the descent of tr H."""
    at = dataset.isel(learning_rate=-1, time=-1)
    sizes = at["standard_error"].values
    descent = float(dataset["start"]) - float(dataset["flow"][-1])
    difference = float(at["trace"][1] - at["trace"][0]) / descent
    error = float(np.hypot(*sizes)) / descent
    comparison = compare_to_bound(difference, error, above=-_MARGIN, below=_MARGIN)
    label = f"SGDM − SGD at η = {_RATES[-1]}, as a part of the descent of tr H"
    return measured(label, comparison, f"within ±{_MARGIN}")


def figure(dataset: xr.Dataset) -> Any:
    """Left: tr H over τ for both optimizers and the flow. Right: distance from the flow over η."""
    import matplotlib.pyplot as plt

    fig, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.4), layout="constrained")
    times = np.concatenate([[0.0], dataset["time"].values])
    left.plot(times, np.concatenate([[float(dataset["start"])], dataset["flow"].values]), "k-", lw=1, label="slow flow")
    for number, name in enumerate(dataset["optimizer"].values):
        part = dataset.sel(optimizer=name)
        for shade, rate in enumerate(dataset["learning_rate"].values[:3]):
            values, sizes = (part[k].sel(learning_rate=rate).values for k in ("trace", "standard_error"))
            label = f"{name}, η = {rate:g}"
            style = {"color": f"C{number}", "alpha": (0.35, 0.6, 1.0)[shade], "label": label}
            left.errorbar(dataset["time"].values, values, 2 * sizes, fmt="os"[number], ms=3.5, capsize=2, **style)
        last = part.isel(time=-1)
        errors = np.abs(last["trace"].values - float(last["flow"]))
        sizes = last["standard_error"].values
        right.errorbar(dataset["learning_rate"], errors, 2 * sizes, fmt=("o-", "s-")[number], ms=4, label=str(name))
    rates = dataset["learning_rate"].values
    right.plot(rates, 0.5 * errors[0] * rates / rates[0], color="0.75", lw=0.8, label="slope 1")
    left.set(xlabel="τ = kη²", ylabel="E tr H(Φ(x))")
    right.set(xscale="log", yscale="log", xlabel="learning rate η", ylabel=f"|E tr H − flow| at τ = {times[-1]:g}")
    right.set_xticks(rates, [f"{rate:g}" for rate in rates])
    right.minorticks_off()
    left.legend(fontsize="x-small")
    right.legend(fontsize="small")
    return fig


CLAIM = Claim(
    name="slow-motion",
    title="The same implicit regularizer over long times",
    statement="Over O(1/η²) steps SGD and SGDM follow the same slow equation on the manifold of minimizers; "
    "with label noise both descend the trace of the Hessian, and their distance from the flow falls like η.",
    source="Wang et al. (2024), Theorem 4.5; Li, Wang, Arora (2022), Theorem 4.6",
    experiment=experiment,
    figure=figure,
    theme=SLOW,
)
