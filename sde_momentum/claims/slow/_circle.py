"""Claim: isotropic noise on a circle diffuses along it, and the Itô term keeps it there."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float

from sde_momentum.claims.evidence._claim import Claim, Evidence, Measurement, Settings, expected_to_fail
from sde_momentum.claims.evidence._nearness import near
from sde_momentum.claims.evidence._slow_figure import slow_figure
from sde_momentum.claims.evidence._slow_study import SlowStudy, limit_of, limits, same_limit
from sde_momentum.claims.evidence._themes import SLOW
from sde_momentum.manifold import slow_sde
from sde_momentum.problems import SignDraw, general

_STRENGTH = 0.7
_END, _SAVES = 2.0, 10
_RATES = (0.1, 0.05)
_MOMENTUM = 0.8
_REPLICAS = 131_072
_MARGIN = 0.03
_EQUATION = (
    r"dY = s\,P(Y)\,dW - \tfrac12 s^2\,Y\,d\tau,\qquad P(Y) = I - Y Y^{\mathsf T},\qquad "
    r"\mathrm{E}\,Y(\tau) = e^{-s^2\tau/2}\,Y(0)"
)


def circle_problem():
    """L = (|x|² − 1)²/8, whose minimizers are the unit circle with curvature 1, and noise s of every direction."""
    loss = lambda x: (jnp.sum(x**2) - 1) ** 2 / 8
    return general(
        loss, lambda x, w: _STRENGTH * w, 2, start=np.array([1.0, 0.0], np.float32), draw=SignDraw(2, jnp.float32)
    )


def cosine(x: Float[Array, "2"]) -> Float[Array, ""]:
    """First component of Φ(x) = x/|x|."""
    return x[0] / jnp.linalg.norm(x)


def law(time: np.ndarray) -> np.ndarray:
    """E cos θ of Brownian motion on the circle, e^{−s²τ/2}."""
    return np.exp(-(_STRENGTH**2) * time / 2)


def experiment(settings: Settings) -> Evidence:
    """Both optimizers projected on the circle, against Brownian motion on it, and against P dW without an Itô term."""
    study = SlowStudy(circle_problem(), cosine, _END, _SAVES, _RATES, _MOMENTUM, _REPLICAS)
    dataset = study.sample(settings)
    target = float(law(_END))
    measurements = [
        *limits(dataset, target, _MARGIN, "E cos θ"),
        same_limit(dataset, _MARGIN, "E cos θ"),
        _general_formula(study),
        _without_ito_term(dataset),
    ]
    fine = np.linspace(0, _END, 50)
    dataset = dataset.assign(law=("fine_time", law(fine)), wrong=("fine_time", np.ones_like(fine)), fine_time=fine)
    return Evidence(tuple(measurements), dataset, (_EQUATION,), _remarks(settings))


def _general_formula(study: SlowStudy) -> Measurement:
    """The library's slow drift at the start, along the radius: −½ s², which is the Itô term and nothing else."""
    slow = slow_sde(study.problem, codimension=1)
    x = np.array([np.cos(0.3), np.sin(0.3)])
    drift = np.asarray(eqx.filter_jit(slow.drift)(0.0, {"x": jnp.asarray(x)})["x"])
    distance = float(np.linalg.norm(drift + 0.5 * _STRENGTH**2 * x))
    return near("slow equation from the general formula: |drift + ½ s² Y|", (distance, 0.0), 0.0, 1e-8)


def _without_ito_term(dataset: xr.Dataset) -> Measurement:
    """DY = P dW alone is a martingale: E Y would stay at its start."""
    wrong = near("SGD against P dW without the Itô term: E cos θ", limit_of(dataset, "SGD"), 1.0, _MARGIN)
    return expected_to_fail(wrong, "1, where E Y does not move")


def _remarks(settings: Settings) -> tuple[str, ...]:
    return (
        f"L = (|x|² − 1)²/8 in two dimensions, noise s·(±1, ±1) with s = {_STRENGTH:g}, start at angle 0, τ = "
        f"{_END:g}, {settings.samples(_REPLICAS)} replicas; Φ(x) = x/|x|. Values at η = "
        f"{', '.join(f'{rate:g}' for rate in _RATES)} are extrapolated to η = 0 by a straight line. Curvature "
        f"and log det of the Hessian are the same everywhere on the circle: nothing pulls along it, and E cos "
        f"θ falls by diffusion alone.",
        "Intervals are ± 5 standard errors.",
    )


def figure(dataset: xr.Dataset):
    """E cos θ over τ, and at the end over η."""
    return slow_figure(dataset, "E cos θ", "Brownian motion on the circle", "without the Itô term")


CLAIM = Claim(
    name="circle",
    title="Isotropic noise on a circle: the Itô term",
    statement="Under isotropic noise SGD and SGDM perform, over O(1/η²) steps, the same Brownian motion along "
    "a circle of minimizers: the mean position decays as e^(−s²τ/2), by the Itô term of the slow equation.",
    source="Katzenberger (1991); Li, Wang, Arora (2022), Theorem 4.6; Wang et al. (2024), Theorem 4.5",
    experiment=experiment,
    figure=figure,
    theme=SLOW,
)
