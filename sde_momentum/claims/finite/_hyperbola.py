"""Claim: at finite learning rates momentum multiplies the implicit regularization of gradient descent."""

from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float
from scipy.integrate import solve_ivp

from sde_momentum.claims.evidence._claim import Claim, Evidence, Measurement, Settings, expected_to_fail, measured_order
from sde_momentum.claims.evidence._nearness import at_zero, near
from sde_momentum.claims.evidence._themes import FINITE
from sde_momentum.compare import fit_order, judge
from sde_momentum.dynamics import chain, sde
from sde_momentum.optimizers import sgdm
from sde_momentum.problems import AbstractProblem, general
from sde_momentum.symbolic import Regime, modified_equation

PRODUCT = 0.6
START = np.array([2.5, 0.8])
_END = 20.0  # the residual has fallen to e^{−24}
_MOMENTA = (0.0, 0.9)
# Both optimizers at the same η(1+β)/(1−β), the number in which the regularization is written.
_STRENGTHS = (0.04, 0.02, 0.01, 0.005, 0.0025)
_SHOWN = 0.02
_PATH_POINTS, _EVERY = 400, 8
_RULE = sgdm()


def hyperbola() -> AbstractProblem:
    """L = ½ (w₁w₂ − c)², without noise."""
    loss = lambda w: 0.5 * (w[0] * w[1] - PRODUCT) ** 2
    return general(loss, lambda w, z: jnp.zeros_like(w), 1, start=START)


def imbalance(w: Float[Array, "2 ..."]) -> Any:
    """w₁² − w₂², which gradient flow keeps and which is zero at the flattest minimum."""
    return w[0] ** 2 - w[1] ** 2


def factor(momentum: float) -> float:
    """(1 + β)/(1 − β)."""
    return (1 + momentum) / (1 - momentum)


@eqx.filter_jit
def _iterate(process: Any, state: Any, steps: Any) -> Any:
    quiet = jnp.zeros(1)
    return jax.lax.fori_loop(0, steps, lambda k, z: process.step(k, z, quiet), state)


def descend(momentum: float, rate: float, saves: int = 1, end: float = _END) -> Float[np.ndarray, "saves 2"]:
    """Parameters of gradient descent with momentum at equally spaced times until `end`."""
    process = chain(_RULE, hyperbola(), regime=Regime.noiseless(), learning_rate=rate, momentum=momentum)
    state, found, done = process.init(START), [], 0
    for save in range(1, saves + 1):
        steps = round(end / rate * save / saves)
        state, done = _iterate(process, state, jnp.asarray(steps - done)), steps
        found.append(np.asarray(state["x"]))
    return np.stack(found)


def flow(momentum: float, rate: float, order: int, times: np.ndarray) -> Float[np.ndarray, "times 2"]:
    """The derived equation of the given order: order 1 is gradient flow, order 2 the modified flow."""
    limit = modified_equation(_RULE, Regime.noiseless(), order=order)
    numbers = {"learning_rate": rate} | ({"momentum": momentum} if order > 1 else {})
    equation = sde(limit, hyperbola(), **numbers)
    slope = jax.jit(lambda w: equation.drift(0.0, {"x": w}, None)["x"])
    start = np.asarray(equation.init(jnp.asarray(START))["x"])
    right = lambda _, w: np.asarray(slope(w))
    return solve_ivp(right, (0, times[-1]), start, t_eval=times, rtol=1e-10, atol=1e-12, method="DOP853").y.T


def squared_residual_integral() -> float:
    """∫ (w₁w₂ − c)² dt along gradient flow, which stays on w₁² − w₂² = q₀ and so has one unknown, p = w₁w₂."""
    start = float(imbalance(START))

    def slope(_, state):
        gap = state[0] - PRODUCT
        return [-gap * np.sqrt(start**2 + 4 * state[0] ** 2), gap**2]

    solution = solve_ivp(slope, (0, _END), [float(np.prod(START)), 0.0], rtol=1e-11, atol=1e-13, method="DOP853")
    return float(solution.y[1, -1])


@dataclass(frozen=True)
class Ends:
    """Imbalance at the end, one number a learning rate, for one momentum."""

    momentum: float
    rates: np.ndarray
    discrete: np.ndarray
    modified: np.ndarray

    @property
    def label(self) -> str:
        """Name of the optimizer."""
        return f"GD with momentum {self.momentum:g}" if self.momentum else "GD"


def _ends(momentum: float) -> Ends:
    rates = np.array(_STRENGTHS) / factor(momentum)
    at_end = lambda path: float(imbalance(path[-1]))
    discrete = [at_end(descend(momentum, rate)) for rate in rates]
    modified = [at_end(flow(momentum, rate, 2, np.array([_END]))) for rate in rates]
    return Ends(momentum, rates, np.array(discrete), np.array(modified))


def experiment(settings: Settings) -> Evidence:
    """Where both optimizers end on the hyperbola, against the modified flow and against gradient flow; no sampling."""
    del settings
    studies = [_ends(momentum) for momentum in _MOMENTA]
    kept = float(imbalance(START))
    measurements = [_order(study, study.modified, "the modified flow", 2) for study in studies]
    for study in studies:
        wrong = _order(study, np.full_like(study.discrete, kept), "gradient flow", 2)
        measurements.append(expected_to_fail(wrong, "order 2 is lost without the modification"))
    measurements += _strengths(studies, kept)
    dataset = _dataset(studies, kept)
    limit = modified_equation(_RULE, Regime.noiseless(), order=2)
    return Evidence(tuple(measurements), dataset, (limit._repr_latex_(),), _remarks())


def _order(study: Ends, target: np.ndarray, name: str, claimed: float) -> Measurement:
    # The series is in η (1+β)/(1−β) times the curvature, which is |w|² at a minimum.
    unit = 1 / (factor(study.momentum) * np.sum(START**2))
    fit = fit_order(study.rates, study.discrete - target, 0.0, learning_rate_unit=unit)
    label = f"{study.label}: order of the distance to {name}"
    return measured_order(label, fit, judge(fit, claimed), claimed)


def _strengths(studies: list[Ends], kept: float) -> list[Measurement]:
    """−log(q_∞/q₀)/η as η → 0: (1+β)/(1−β) times the integral of the squared residual."""
    integral, found = squared_residual_integral(), []
    for study in studies:
        target = factor(study.momentum) * integral
        speeds = -np.log(study.discrete / kept) / study.rates
        value = at_zero(study.rates, speeds, np.zeros_like(speeds))
        found.append(near(f"{study.label}: −log(q/q₀)/η, η → 0", value, target, 0.01 * target))
    wrong = near("GD with momentum against GD's own pull", value, integral, 0.01 * integral)
    return [*found, expected_to_fail(wrong, f"{integral:.4g}, no effect of momentum")]


def _dataset(studies: list[Ends], kept: float) -> xr.Dataset:
    """Numbers of both panels: errors over learning rates, and the paths at one larger learning rate."""
    times = np.geomspace(1e-3, _END, _PATH_POINTS)
    rate = _SHOWN / factor(_MOMENTA[1])
    end = rate * _EVERY * _PATH_POINTS
    steps = [descend(momentum, rate, _PATH_POINTS, end) for momentum in _MOMENTA]
    flows = [flow(_MOMENTA[1], rate, order, times) for order in (1, 2)]
    begin = lambda path: np.concatenate([START[None], path])
    return xr.Dataset(
        {
            "learning_rate": (("momentum", "level"), np.stack([study.rates for study in studies])),
            "to_modified": (("momentum", "level"), np.stack([study.discrete - study.modified for study in studies])),
            "to_gradient_flow": (("momentum", "level"), np.stack([study.discrete - kept for study in studies])),
            "iterates": (("momentum", "step", "component"), np.stack([begin(path) for path in steps])),
            "flow": (("order", "time", "component"), np.stack([begin(path) for path in flows])),
        },
        {"momentum": list(_MOMENTA), "order": [1, 2], "time": np.concatenate([[0.0], times])},
        {"shown_rate": rate, "product": PRODUCT},
    )


def _remarks() -> tuple[str, ...]:
    return (
        f"L = ½(w₁w₂ − {PRODUCT})² without noise, start ({START[0]:g}, {START[1]:g}), until t = kη = {_END:g}, where "
        "the residual is gone. Gradient flow keeps q = w₁² − w₂², and the flattest minimum is q = 0. Along the "
        "modified flow dq/dt = −η((1+β)/(1−β)) (w₁w₂ − c)² q, which was checked by its integral. The setting follows "
        "the source's two-dimensional example; its numbers are ours. Everything is exact up to rounding: intervals "
        "express the truncation of the series in η alone.",
        "η is the learning rate in EMA form; the heavy-ball form of the source has γ = η(1 − β).",
    )


def figure(dataset: xr.Dataset):
    """Paths in the plane, the same near the end, and the distance in w₁² − w₂² over η."""
    import matplotlib.pyplot as plt

    fig, (plane, ends, orders) = plt.subplots(1, 3, figsize=(10.8, 3.6), layout="constrained")
    _draw_paths(plane, dataset)
    _draw_paths(ends, dataset)
    plane.set(title="paths", xlim=(1.9, 2.75), ylim=(0.1, 0.95))
    last = dataset["iterates"].isel(step=-1).values
    middle, half = last.mean(axis=0), 1.4 * np.abs(np.diff(last, axis=0)).max()
    ends.set(
        title="where they end", xlim=middle[0] + half * np.array([-1, 1]), ylim=middle[1] + half * np.array([-1, 1])
    )
    _draw_orders(orders, dataset)
    handles, labels = plane.get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=3, fontsize="small", frameon=False)
    return fig


def _draw_paths(axis: Any, dataset: xr.Dataset) -> None:
    first = np.linspace(0.5, 3, 200)
    axis.plot(first, float(dataset.attrs["product"]) / first, color="0.7", lw=3, label="minima w₁w₂ = c", zorder=0)
    rate = float(dataset.attrs["shown_rate"])
    for order, style, name in ((1, "k:", "gradient flow"), (2, "k-", "modified flow, β = 0.9")):
        axis.plot(*dataset["flow"].sel(order=order).values.T, style, lw=1, label=name)
    for number, momentum in enumerate(dataset["momentum"].values):
        path = dataset["iterates"].sel(momentum=momentum).values
        name = f"GD, β = {momentum:g}, η = {rate:.2g} (every {_EVERY}th step)"
        axis.plot(*path.T, "os"[number], color=f"C{number}", ms=3.5, mfc="none", label=name)
    axis.set(xlabel="w₁", ylabel="w₂")


def _draw_orders(axis: Any, dataset: xr.Dataset) -> None:
    for number, momentum in enumerate(dataset["momentum"].values):
        part = dataset.sel(momentum=momentum)
        rates = part["learning_rate"]
        for name, style in (("to_gradient_flow", "--"), ("to_modified", "-")):
            axis.plot(rates, np.abs(part[name]), marker="os"[number], ms=4, lw=1, color=f"C{number}", ls=style)
    title = "difference in w₁² − w₂² at the end from\ngradient flow (dashed), modified flow (solid)"
    axis.set(xscale="log", yscale="log", xlabel="learning rate η")
    axis.set_title(title, fontsize="small")


CLAIM = Claim(
    name="hyperbola",
    title="Momentum's implicit regularization at finite learning rates",
    statement="Gradient descent with momentum follows gradient flow of L + (η/4)((1+β)/(1−β))|∇L|² to order 2: "
    "on the hyperbola of minima w₁w₂ = c it ends closer to balance than gradient descent, which is pulled "
    "(1+β)/(1−β) times less; gradient flow without the modification is met to order 1 only.",
    source="Ghosh et al. (2023), Theorem 4.1 and Figure 1; Barrett, Dherin (2021) for β = 0",
    experiment=experiment,
    figure=figure,
    theme=FINITE,
)
