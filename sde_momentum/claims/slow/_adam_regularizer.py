"""Claim: Adam follows another implicit regularizer than SGD: it moves where tr H is constant."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float, PyTree

from sde_momentum.claims.evidence._claim import Claim, Evidence, Measurement, Settings, expected_to_fail
from sde_momentum.claims.evidence._nearness import at_zero, near
from sde_momentum.claims.evidence._slow_flow import follow
from sde_momentum.claims.evidence._slow_study import SlowStudy, limit_of, names_of, sample_chains
from sde_momentum.claims.evidence._themes import SLOW
from sde_momentum.dynamics import Chain, chain
from sde_momentum.manifold import adam_slow_sde, slow_sde
from sde_momentum.optimizers import adam, sgd, sgdm
from sde_momentum.problems import label_noise_parabola
from sde_momentum.symbolic import Regime

_DELTA, _ANGLE = 0.5, 0.6
_END, _SAVES = 0.64, 8
_RATES = (0.04, 0.02, 0.01)
_DECAY, _EPSILON = 4.0, 1e-3  # 1 − β₂ = 4η²
_REPLICAS = 2_048
_MARGIN_PART = 0.1
_EQUATION = (
    r"\text{SGD: } d\zeta = -\tfrac{c}{4}\,\nabla_\Gamma \operatorname{tr} H\,d\tau = 0,\qquad "
    r"\text{Adam: } d\zeta = \tfrac12\,\partial^2\Phi_S[S \Sigma S]\,d\tau,\quad "
    r"dv = c_2(\operatorname{diag}\Sigma - v)\,d\tau"
)


class Equilibrated(eqx.Module):
    """Adam started with its second moments at diag Σ, where long training would have brought them.

    Args:
        inner: the chain of `adam(bias_correction=False)`.
    """

    inner: Chain

    @property
    def step_time(self) -> Any:
        """Time per step."""
        return self.inner.step_time

    @property
    def draw(self) -> Any:
        """What one step consumes."""
        return self.inner.draw

    def init(self, x0: PyTree[Array]) -> Any:
        """Return x0 with m = 0 and G = diag Σ(x0)."""
        state = self.inner.init(x0)
        return {**state, "G": jnp.diag(self.inner.problem.covariance(state["x"]))}

    def step(self, k: Any, state: Any, draw: Any) -> Any:
        """Return the next state."""
        return self.inner.step(k, state, draw)

    def describe(self) -> dict[str, Any]:
        """Return what the process is, for provenance."""
        return {**self.inner.describe(), "start": "second moments at diag Σ"}


def circle() -> Any:
    """Label noise on f = u₁² + u₂², whose minimizers are the unit circle: tr H = 4 everywhere on it."""
    return label_noise_parabola([1.0, 1.0], _DELTA, start=np.array([np.cos(_ANGLE), np.sin(_ANGLE)]))


def spread(x: Float[Array, "2"]) -> Float[Array, ""]:
    """Tr (Diag H)^{1/2} = 2(|u₁| + |u₂|) at the point of the circle in the same direction."""
    return 2 * jnp.sum(jnp.abs(x)) / jnp.linalg.norm(x)


def experiment(settings: Settings) -> Evidence:
    """SGD and SGDM stay; Adam follows its own slow equation, with β₁ = 0.9 as with β₁ = 0."""
    problem = circle()
    study = SlowStudy(problem, spread, _END, _SAVES, _RATES, 0.9, _REPLICAS)
    dataset = sample_chains(_chains(problem), study, settings)
    fine = np.linspace(0, _END, 33)
    start = float(spread(problem.initial()))
    law = np.concatenate([[start], _adam_flow(problem, fine[1:])])
    margin = _MARGIN_PART * abs(law[-1] - start)
    measurements = [near(f"{name}: tr (Diag H)^½, η → 0", limit_of(dataset, name), start, margin) for name in _SGD]
    measurements += [near(f"{name}: tr (Diag H)^½, η → 0", limit_of(dataset, name), law[-1], margin) for name in _ADAM]
    measurements += [_sgd_is_still(problem), *_controls(dataset, law[-1], start, margin)]
    values = {"law": ("fine_time", law), "still": ("fine_time", np.full_like(fine, start))}
    return Evidence(
        tuple(measurements), dataset.assign(values).assign_coords(fine_time=fine), (_EQUATION,), _remarks(settings)
    )


_SGD = ("SGD", "SGDM, β = 0.9")
_ADAM = ("Adam, β₁ = 0", "Adam, β₁ = 0.9")


def _chains(problem: Any) -> dict[str, list[Any]]:
    on_clock = lambda rule, eta, **numbers: chain(
        rule, problem, regime=Regime.long_horizon(), learning_rate=eta, **numbers
    )
    adaptive = lambda eta, beta1: Equilibrated(
        on_clock(adam(bias_correction=False), eta, beta1=beta1, beta2=1 - _DECAY * eta**2, eps=_EPSILON)
    )
    return {
        _SGD[0]: [on_clock(sgd(), eta) for eta in _RATES],
        _SGD[1]: [on_clock(sgdm(), eta, momentum=0.9) for eta in _RATES],
        _ADAM[0]: [adaptive(eta, 0.0) for eta in _RATES],
        _ADAM[1]: [adaptive(eta, 0.9) for eta in _RATES],
    }


def _adam_flow(problem: Any, times: np.ndarray) -> np.ndarray:
    slow = adam_slow_sde(problem, _DECAY, epsilon=_EPSILON, codimension=1)
    x = jnp.asarray(problem.initial())
    state = {"x": x, "v": jnp.diag(problem.covariance(x))}
    return follow(slow, state, times, lambda s: spread(s["x"]), substeps=2)


def _sgd_is_still(problem: Any) -> Measurement:
    x = jnp.asarray(problem.initial())
    drift = eqx.filter_jit(slow_sde(problem, codimension=1).drift)(0.0, {"x": x})["x"]
    return near("SGD's slow equation at the start: |drift|", (float(jnp.linalg.norm(drift)), 0.0), 0.0, 1e-8)


def _controls(dataset: xr.Dataset, law: float, start: float, margin: float) -> list[Measurement]:
    """Each optimizer against the other's slow equation."""
    still = near(f"{_ADAM[0]} against SGD's slow equation", limit_of(dataset, _ADAM[0]), start, margin)
    moving = near("SGD against Adam's slow equation", limit_of(dataset, "SGD"), law, margin)
    return [expected_to_fail(still, f"{start:.4g}, no motion"), expected_to_fail(moving, f"{law:.4g}")]


def _remarks(settings: Settings) -> tuple[str, ...]:
    return (
        f"f = u₁² + u₂², label 1 ± {_DELTA:g}, L = ½(f − 1)²: on the unit circle tr H = 4 everywhere, while "
        f"tr (Diag H)^½ = 2(|u₁| + |u₂|) falls towards the axes. Start at angle {_ANGLE:g}; 1 − β₂ = {_DECAY:g}η², "
        f"ε = {_EPSILON:g}, no bias correction, second moments started at diag Σ; η is the learning rate of either "
        f"method, τ = {_END:g}, {settings.samples(_REPLICAS)} replicas. Values at three learning rates are "
        f"extrapolated to η = 0 by a polynomial; margins are {_MARGIN_PART:.0%} of Adam's way, intervals ± 5 "
        f"standard errors.",
        "With 1 − β₂ ∝ η instead the second moments follow within the fast time, and this limit does not apply.",
    )


def figure(dataset: xr.Dataset):
    """Left: tr (Diag H)^½ over τ. Right: the way that is made at the end, over η."""
    import matplotlib.pyplot as plt

    fig, (left, right) = plt.subplots(1, 2, figsize=(8.6, 3.6), layout="constrained")
    left.plot(dataset["fine_time"], dataset["law"], "k-", lw=1, label="Adam's slow equation")
    left.plot(dataset["fine_time"], dataset["still"], "k--", lw=1, label="SGD's: tr H is constant")
    part, rates = dataset.isel(learning_rate=-1), dataset["learning_rate"].values
    for number, name in enumerate(names_of(dataset)):
        style = {"fmt": "os^D"[number], "color": f"C{number}", "ms": 4, "capsize": 2, "lw": 1, "mfc": "none"}
        one, end = part.sel(optimizer=name), dataset.sel(optimizer=name).isel(time=-1)
        left.errorbar(one["time"], one["mean"], 5 * one["standard_error"], label=f"{name}, η = {rates[-1]:g}", **style)
        right.errorbar(rates, end["mean"], 5 * end["standard_error"], label=name, **style)
        value, error = at_zero(rates, end["mean"].values, end["standard_error"].values)
        right.errorbar([0], [value], [5 * error], **style)
    for name in ("law", "still"):
        label = "slow equations, η → 0" if name == "law" else None
        right.plot([0], dataset[name].values[-1:], "k*", ms=8, zorder=3, label=label)
    left.set(xlabel="τ = kη²", ylabel="E tr (Diag H)$^{1/2}$")
    right.set(xlabel="learning rate η", ylabel=f"E tr (Diag H)$^{{1/2}}$ at τ = {float(dataset['time'][-1]):g}")
    left.legend(fontsize="x-small", frameon=False)
    right.legend(fontsize="small", frameon=False, loc="center right")
    return fig


CLAIM = Claim(
    name="adam-regularizer",
    title="Adam moves where SGD stands still",
    statement="With label noise SGD and SGDM descend tr H over O(1/η²) steps, and stand still where it is "
    "constant; Adam with equilibrated second moments and 1 − β₂ ∝ η² follows another slow equation, which "
    "descends tr (Diag H)^½, whatever its β₁.",
    source="Li, Wen, Lyu (2025); Li, Wang, Arora (2022)",
    experiment=experiment,
    figure=figure,
    theme=SLOW,
)
