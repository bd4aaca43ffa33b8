"""Claim: in a narrow valley gradient descent zig-zags, and momentum does not: stability and rate, exactly."""

from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float
from scipy.optimize import minimize_scalar

from sde_momentum.claims.evidence._claim import Claim, Evidence, Measurement, Settings, expected_to_fail
from sde_momentum.claims.evidence._nearness import bounded, near
from sde_momentum.claims.evidence._themes import FINITE
from sde_momentum.compare import AffineChain, affine_chain
from sde_momentum.dynamics import chain
from sde_momentum.optimizers import sgdm
from sde_momentum.problems import quadratic
from sde_momentum.symbolic import Regime

_RULE = sgdm()
_MOMENTA = (0.0, 0.5, 0.9)
_CONDITIONS = (10.0, 100.0, 1000.0)
_STEEP = 100.0
_RELATIVE = 1e-6
_RATE_MARGIN = 1e-3  # of 1 − ρ, for the search of the best rate
_SHOWN_STEPS = 60


def linear_chain(curvatures: Any, rate: float, momentum: float) -> AffineChain:
    """The optimizer on a diagonal quadratic as z' = A z, read off its own update."""
    problem = quadratic(np.asarray(curvatures, float), noise=1.0)
    process = chain(_RULE, problem, regime=Regime.noiseless(), learning_rate=rate, momentum=momentum)
    found = affine_chain(process, np.zeros(len(curvatures)))
    assert found is not None
    return found


def contraction(curvature: float, rate: float, momentum: float) -> float:
    """Spectral radius of one step of the rule in one direction: read off the rule at η = 1 and scaled."""
    return float(np.abs(_eigenvalues(rate * curvature, momentum)).max())


def _one_direction(scaled: float, momentum: float) -> Float[np.ndarray, "2 2"]:
    """The 2 × 2 step of (x, m) with m in units of the curvature; only ηh enters."""
    return np.array([[1 - scaled * (1 - momentum), -scaled * momentum], [1 - momentum, momentum]])


def _eigenvalues(scaled: float, momentum: float) -> np.ndarray:
    return np.linalg.eigvals(_one_direction(scaled, momentum))


def threshold(is_below: Any, low: float, high: float) -> float:
    """Where a property of ηh ends, by bisection."""
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if is_below(middle) else (low, middle)
    return (low + high) / 2


def path(rate: float, momentum: float, curvatures: Any, start: Any, steps: int) -> Float[np.ndarray, "steps d"]:
    """Iterates of the mean."""
    found = linear_chain(curvatures, rate, momentum)
    size = len(curvatures)  # the state is (m, x)
    return found.moments(np.concatenate([np.zeros(size), start]), np.arange(steps + 1)).mean[:, size:]


def reversals(points: Float[np.ndarray, "steps d"]) -> float:
    """Fraction of the steps after which the update turns round in the steep direction, the last one."""
    moves = np.diff(points[:, -1])
    return float(np.mean(moves[1:] * moves[:-1] < 0))


def best_rate(condition: float, momentum: float) -> float:
    """The smallest spectral radius over the learning rates, on curvatures 1/condition and 1."""
    worst = lambda rate: max(contraction(h, rate, momentum) for h in (1 / condition, 1.0))
    edge = 2 * (1 + momentum) / (1 - momentum)
    return float(minimize_scalar(worst, bounds=(0.0, edge), method="bounded", options={"xatol": 1e-9 * edge}).fun)


def best_momentum_rate(condition: float) -> float:
    """The smallest spectral radius over learning rates and momenta."""
    inner = lambda spread: best_rate(condition, 1 - np.exp(-spread))
    bounds = (0.1, 2 + np.log(condition))
    return float(minimize_scalar(inner, bounds=bounds, method="bounded", options={"xatol": 1e-8}).fun)


def experiment(settings: Settings) -> Evidence:
    """Thresholds and rates from the spectra of the update, against the closed forms; zig-zag from the iterates."""
    del settings
    measurements = [_matches_rule(), *_stability(), *_oscillation(), *_rates(), *_zigzag()]
    return Evidence(tuple(measurements), _dataset(), _equations(), _remarks())


def _matches_rule() -> Measurement:
    """The 2 × 2 step against the matrix that linearizing the rule gives."""
    rate, momentum, curvature = 0.03, 0.9, 7.0
    found = np.linalg.eigvals(linear_chain([curvature], rate, momentum).matrix)
    ours = _eigenvalues(rate * curvature, momentum)
    distance = float(np.abs(np.sort_complex(found) - np.sort_complex(ours)).max())
    return near("eigenvalues of the 2 × 2 step − of the rule's own update", (distance, 0.0), 0.0, 1e-12)


def _stability() -> list[Measurement]:
    found = []
    for momentum in _MOMENTA:
        law = 2 * (1 + momentum) / (1 - momentum)
        stable = lambda scaled, beta=momentum: contraction(1.0, scaled, beta) < 1
        value = threshold(stable, 0.5, 3 * law)
        found.append(near(f"largest stable ηh, β = {momentum:g}", (value, 0.0), law, _RELATIVE * law))
    wrong = near("largest stable ηh, β = 0.9, against 2/(1 − β)", (value, 0.0), 20.0, _RELATIVE * 20)
    return [*found, expected_to_fail(wrong, "20: the factor 1 + β forgotten")]


def _oscillation() -> list[Measurement]:
    found = []
    for momentum in _MOMENTA[1:]:
        law = (1 - np.sqrt(momentum)) / (1 + np.sqrt(momentum))
        overdamped = lambda scaled, beta=momentum: bool(
            np.isreal(np.linalg.eigvals(_one_direction(scaled, beta))).all()
        )
        value = threshold(overdamped, 0.0, 1.0)
        found.append(near(f"ηh where oscillation begins, β = {momentum:g}", (value, 0.0), law, _RELATIVE))
    return found


def _rates() -> list[Measurement]:
    found = []
    for condition in _CONDITIONS:
        plain, root = (condition - 1) / (condition + 1), (np.sqrt(condition) - 1) / (np.sqrt(condition) + 1)
        for name, value, law in (
            ("GD", best_rate(condition, 0.0), plain),
            ("SGDM", best_momentum_rate(condition), root),
        ):
            label = f"{name}: best factor a step, condition number {condition:g}"
            found.append(near(label, (value, 0.0), law, _RATE_MARGIN * (1 - law)))
    wrong = near("GD against momentum's best factor", (best_rate(100.0, 0.0), 0.0), 9 / 11, _RATE_MARGIN * 2 / 11)
    return [*found, expected_to_fail(wrong, "0.8182: GD as fast as momentum")]


def _zigzag() -> list[Measurement]:
    """At ηh = 1.9 in the steep direction, where GD is still stable."""
    turns = [reversals(_shown_path(1.9, momentum)) for momentum in (0.0, 0.9)]
    labels = [f"steps after which the steep update turns round, β = {momentum:g}" for momentum in (0.0, 0.9)]
    beyond = contraction(1.0, 4.0, 0.0)
    return [
        bounded(labels[0], (turns[0], 0.0), above=0.9),
        bounded(labels[1], (turns[1], 0.0), below=0.25),
        bounded("SGDM, β = 0.9, at ηh = 4: factor a step", (contraction(1.0, 4.0, 0.9), 0.0), below=1.0),
        expected_to_fail(bounded("GD at ηh = 4: factor a step", (beyond, 0.0), below=1.0), "stable there as well"),
    ]


def _shown_path(scaled: float, momentum: float) -> np.ndarray:
    return path(scaled / _STEEP, momentum, [1.0, _STEEP], np.array([1.0, 0.3]), _SHOWN_STEPS)


def _dataset() -> xr.Dataset:
    scaled = np.geomspace(1e-3, 60, 300)
    conditions = np.geomspace(2, 1e4, 25)
    return xr.Dataset(
        {
            "path": (
                ("momentum_shown", "step", "component"),
                np.stack([_shown_path(1.9, beta) for beta in (0.0, 0.9)]),
            ),
            "factor": (("momentum", "scaled_rate"), [[contraction(1.0, s, beta) for s in scaled] for beta in _MOMENTA]),
            "best": (
                ("optimizer", "condition"),
                [[best_rate(c, 0.0) for c in conditions], [best_momentum_rate(c) for c in conditions]],
            ),
        },
        {
            "momentum_shown": [0.0, 0.9],
            "momentum": list(_MOMENTA),
            "scaled_rate": scaled,
            "condition": conditions,
            "optimizer": ["GD", "SGDM"],
        },
        {"steep": _STEEP},
    )


def _equations() -> tuple[str, ...]:
    return (
        r"\eta h < \frac{2(1+\beta)}{1-\beta},\qquad \eta h < \frac{1-\sqrt\beta}{1+\sqrt\beta},",
        r"\rho_{\mathrm{GD}} = \frac{\kappa-1}{\kappa+1},\quad "
        r"\rho_{\mathrm{SGDM}} = \frac{\sqrt\kappa-1}{\sqrt\kappa+1}",
    )


def _remarks() -> tuple[str, ...]:
    return (
        "Quadratic losses without noise; SGDM in EMA form, in which GD is β = 0 at the same η. Bounds of "
        "stability and of oscillation were found by bisection on the eigenvalues of the update, the best "
        "factors by minimizing the spectral radius over η, and over η and β, at condition numbers 10, 100 and "
        f"1000; the margins are 10⁻⁶ and 10⁻³ of 1 − ρ. The zig-zag is that of {_SHOWN_STEPS} steps at ηh = "
        f"1.9 in the steep direction of a valley with condition number {_STEEP:g}.",
        "Momentum oscillates in steep directions too, but slowly: from step to step its updates mostly point "
        "the same way.",
    )


def figure(dataset: xr.Dataset):
    """Paths of both in the valley, the factor a step over ηh, and the best rate over the condition number."""
    import matplotlib.pyplot as plt

    fig, (plane, factors, rates) = plt.subplots(1, 3, figsize=(10.8, 3.4), layout="constrained")
    _draw_paths(plane, dataset)
    for number, momentum in enumerate(dataset["momentum"].values):
        part = dataset["factor"].sel(momentum=momentum)
        factors.plot(part["scaled_rate"], part, color=f"C{number}", lw=1.2, label=f"β = {momentum:g}")
        factors.axvline(2 * (1 + momentum) / (1 - momentum), color=f"C{number}", lw=0.7, ls=":")
    factors.axhline(1, color="0.7", lw=0.7)
    factors.set(xscale="log", ylim=(0, 1.3), xlabel="ηh", ylabel="factor a step", title="one direction")
    factors.legend(fontsize="small", frameon=False, loc="lower left")
    _draw_rates(rates, dataset)
    return fig


def _draw_paths(axis: Any, dataset: xr.Dataset) -> None:
    first, second = np.meshgrid(np.linspace(-0.45, 1.1, 60), np.linspace(-0.45, 0.45, 60))
    loss = 0.5 * (first**2 + float(dataset.attrs["steep"]) * second**2)
    axis.contour(first, second, loss, levels=[0.05, 0.3, 1, 2.5, 5], colors="0.85", linewidths=0.7)
    for number, momentum in enumerate(dataset["momentum_shown"].values):
        points = dataset["path"].sel(momentum_shown=momentum).values
        name = f"SGDM, β = {momentum:g}" if momentum else "GD"
        axis.plot(*points.T, ("o-", "s-")[number], color=("C0", "C2")[number], ms=2.5, lw=0.8, label=name)
    axis.set(xlabel="flat direction", ylabel="steep direction", title="ηh = 1.9 in the steep direction")
    axis.legend(fontsize="small", frameon=False, loc="upper left")


def _draw_rates(axis: Any, dataset: xr.Dataset) -> None:
    condition = dataset["condition"]
    laws = {"GD": (condition - 1) / (condition + 1), "SGDM": (condition**0.5 - 1) / (condition**0.5 + 1)}
    for name, color in (("GD", "C0"), ("SGDM", "C2")):
        steps = -1 / np.log(dataset["best"].sel(optimizer=name))
        axis.plot(condition, steps, "o", ms=3, color=color, label=f"{name}, tuned")
        axis.plot(condition, -1 / np.log(laws[name]), "-", lw=0.8, color=color)
    axis.set(xscale="log", yscale="log", xlabel="condition number κ", ylabel="steps to fall by e", title="best rate")
    axis.legend(fontsize="small", frameon=False)


CLAIM = Claim(
    name="narrow-valley",
    title="In a narrow valley GD zig-zags and momentum does not",
    statement="On a quadratic loss with curvature h, SGDM is stable for ηh < 2(1+β)/(1−β) and does not "
    "oscillate below (1−√β)/(1+√β). Where GD zig-zags at the edge of its stability, SGDM turns round seldom; "
    "tuned, GD contracts by (κ−1)/(κ+1) a step and SGDM by (√κ−1)/(√κ+1), κ being the condition number.",
    source="Polyak (1964) for the rates; Wang, Malladi, Wang, Lyu, Li (2024), for what momentum is good for",
    experiment=experiment,
    figure=figure,
    theme=FINITE,
)
