"""Claim: β₁ does not matter in Adam when its steps are small, unless 1 − β₁ shrinks with them."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import xarray as xr

from sde_momentum.claims.evidence._claim import Claim, Evidence, Measurement, Settings, expected_to_fail
from sde_momentum.claims.evidence._many_runs import trajectories
from sde_momentum.claims.evidence._nearness import near
from sde_momentum.claims.evidence._themes import BOUNDARY
from sde_momentum.compare import PairedChains
from sde_momentum.dynamics import chain
from sde_momentum.optimizers import adam
from sde_momentum.problems import AbstractProblem, quadratic
from sde_momentum.symbolic import LEARNING_RATE, Regime, hyperparameter

_STEPS = (50, 100, 200, 400, 800)  # to t = kη² = 1
_MOMENTA = (0.5, 0.9)
_FORGETTING = 3.0  # 1 − β₁ = 3η² in the control
_SIGMA, _EPSILON, _DECAY = 1.0, 0.1, 1.0
_REPLICAS = 16_384
_MARGIN = 0.02
_CONTROL = "1 − β₁ = 3η²"


def fixed_first_moment() -> Regime:
    """Noise σ₀/η, 1 − β₂ = c₂η², ε = ε₀/η, t = kη², at a β₁ that stays."""
    scalings = {
        "beta2": 1 - hyperparameter("rate_beta2") * LEARNING_RATE**2,
        "eps": hyperparameter("eps0") / LEARNING_RATE,
    }
    return Regime("fixed β₁", hyperparameter("sigma0") / LEARNING_RATE, LEARNING_RATE**2, scalings)


def experiment(settings: Settings) -> Evidence:
    """E L of Adam minus that of Adam with β₁ = 0 on the same noise, over the learning rates."""
    problem = _problem()
    names = [*(f"β₁ = {beta:g}" for beta in _MOMENTA), _CONTROL]
    gaps = np.array([[_gap(problem, name, count, settings) for count in _STEPS] for name in names])
    dataset = xr.Dataset(
        {
            "gap": (("momentum", "learning_rate"), gaps[..., 0]),
            "standard_error": (("momentum", "learning_rate"), gaps[..., 1]),
            "fall": (("momentum", "learning_rate"), gaps[..., 2]),
        },
        {"momentum": names, "learning_rate": np.array(_STEPS) ** -0.5},
    )
    measurements = [_is_small(dataset, name) for name in names[:-1]]
    measurements.append(expected_to_fail(_is_small(dataset, _CONTROL), f"as small where {_CONTROL}"))
    return Evidence(tuple(measurements), dataset, (), _remarks(settings))


def _problem() -> AbstractProblem:
    hessian, noise = np.diag([2.0, 0.5]), np.array([[0.8, 0.3], [0.0, 0.6]])
    return quadratic(hessian, noise=noise, start=np.array([1.0, -1.0]), dtype=jnp.float32)


def _chain(problem: AbstractProblem, name: str, rate: float) -> Any:
    numbers = {"learning_rate": rate, "sigma0": _SIGMA, "eps0": _EPSILON, "rate_beta2": _DECAY}
    rule = adam()
    if name == _CONTROL:
        return chain(rule, problem, rate_beta1=_FORGETTING, **numbers)
    return chain(rule, problem, regime=fixed_first_moment(), beta1=float(name.split("= ")[1]), **numbers)


def _gap(problem: AbstractProblem, name: str, count: int, settings: Settings) -> tuple[float, float, float]:
    """Mean and standard error of the difference of the losses at t = 1, and how far the loss has fallen."""
    rate = count**-0.5
    plain = chain(
        adam(),
        problem,
        regime=fixed_first_moment(),
        learning_rate=rate,
        beta1=0.0,
        sigma0=_SIGMA,
        eps0=_EPSILON,
        rate_beta2=_DECAY,
    )
    values = trajectories(
        [PairedChains(_chain(problem, name, rate), plain)],
        [problem.initial()],
        _both_losses,
        steps=count,
        saves=1,
        paths=settings.samples(_REPLICAS),
        seed=(settings.seed + (count << 32)) % 2**64,
    )[0, :, 0]
    difference = (values[:, 0] - values[:, 1]).astype(float)
    fall = float(problem.loss(problem.initial())) - float(values[:, 1].mean(dtype=float))
    return float(difference.mean()), float(difference.std(ddof=1) / len(difference) ** 0.5), fall


def _both_losses(process: Any, state: Any) -> Any:
    problem = process.first.problem
    return jnp.stack([problem.loss(state[name]["x"]) for name in ("first", "second")])


def _is_small(dataset: xr.Dataset, name: str) -> Measurement:
    """The gap at the smallest learning rate as a part of the fall of the loss."""
    part = dataset.sel(momentum=name).isel(learning_rate=-1)
    value = float(part["gap"] / part["fall"]), float(part["standard_error"] / part["fall"])
    return near(f"{name}: gap over the fall of the loss at {_STEPS[-1]} steps", value, 0.0, _MARGIN)


def _remarks(settings: Settings) -> tuple[str, ...]:
    return (
        f"Adam with bias correction on a two-dimensional quadratic with Gaussian noise σ = {_SIGMA:g}/η, "
        f"1 − β₂ = {_DECAY:g}η², ε = {_EPSILON:g}/η, until t = kη² = 1 in {', '.join(map(str, _STEPS))} steps; "
        f"{settings.samples(_REPLICAS)} pairs on the same noise. The gap is E L at β₁ minus E L at β₁ = 0.",
        "In the control the memory of the momentum stays a fixed part of the run, as in the published limit of Adam, "
        "in which β₁ is seen. What happens with large steps was not measured here.",
    )


def figure(dataset: xr.Dataset):
    """The gap as a part of the fall of the loss, over the learning rate, for fixed β₁ and for the control."""
    import matplotlib.pyplot as plt

    fig, axis = plt.subplots(figsize=(5.8, 3.6), layout="constrained")
    rates = dataset["learning_rate"].values
    axis.axhspan(-_MARGIN, _MARGIN, color="0.93", zorder=0, label=f"± {_MARGIN:.0%}")
    for number, name in enumerate(dataset["momentum"].values):
        part, is_control = dataset.sel(momentum=name), name == _CONTROL
        style = {"fmt": "^:" if is_control else "os"[number] + "-", "color": "0.5" if is_control else f"C{number}"}
        label = f"{name} (control)" if is_control else str(name)
        errors = 5 * part["standard_error"] / part["fall"]
        axis.errorbar(rates, part["gap"] / part["fall"], errors, ms=4, lw=1, capsize=2, label=label, **style)
    axis.set(
        xlabel="learning rate η", ylabel="(E L(β₁) − E L(0)) / fall of E L, t = 1", xlim=(0, None), ylim=(-0.03, 0.12)
    )
    axis.legend(fontsize="small", frameon=False, loc="upper right")
    return fig


CLAIM = Claim(
    name="adam-momentum",
    title="Does β₁ matter in Adam when steps are small?",
    statement="Over O(1/η²) steps of noise-dominated Adam the expected loss at a fixed β₁ differs from that at "
    "β₁ = 0 by a gap that closes as η → 0: as in SGD, momentum does not matter when steps are small; it does "
    "if 1 − β₁ ∝ η².",
    source="Malladi, Lyu, Panigrahi, Arora (2022), Theorem 4.5, for 1 − β₁ ∝ η²; the question is that of Wang, "
    "Malladi, Wang, Lyu, Li (2024) for SGD",
    experiment=experiment,
    figure=figure,
    theme=BOUNDARY,
)
