"""Claim: noise across a curved valley drives the optimizer along it, to where the valley is wide."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

from sde_momentum.claims.evidence._claim import Claim, Evidence, Measurement, Settings, expected_to_fail
from sde_momentum.claims.evidence._nearness import near
from sde_momentum.claims.evidence._slow_figure import draw_law, draw_limit, draw_samples
from sde_momentum.claims.evidence._slow_flow import follow
from sde_momentum.claims.evidence._slow_study import SlowStudy, limit_of, limits, same_limit
from sde_momentum.claims.evidence._themes import SLOW
from sde_momentum.manifold import slow_sde
from sde_momentum.problems import AbstractProblem, SignDraw, general

_STRENGTH, _LEVEL = 0.8, 0.0
_END, _SAVES = 1.92, 6
_RATES = (0.08, 0.04, 0.02)
_MOMENTUM = 0.8
_REPLICAS = 4_096
_MARGIN_PART = 0.03  # of the way that the law predicts
_EQUATION = (
    r"\frac{dY}{d\tau} = -\frac{s^2}{4}\,\nabla_\Gamma \log {\det}^{+} H"
    r"\qquad\Rightarrow\qquad \frac{dv}{d\tau} = -\frac{s^2}{4}\,h'(v)"
)


def potential(x: Float[Array, "2"]) -> tuple[Array, Array]:
    """U + iv = f(z) with f(z) = z + e^{iz}, z = x₁ + i x₂."""
    shrink = jnp.exp(-x[1])
    return x[0] + shrink * jnp.cos(x[0]), x[1] + shrink * jnp.sin(x[0])


def valley() -> AbstractProblem:
    r"""L = ½ u², with noise s across the valley u = 0: along ∇u/|∇u|.

    Gradient flow moves along ∇u, on which the conjugate v is constant: Φ keeps v, and the motion along the valley is
    the motion of v. The curvature across the valley is h = |f'|².
    """

    def noise(x: Array, w: Array) -> Array:
        gradient = jax.grad(lambda y: potential(y)[0])(x)
        return _STRENGTH * w[0] * gradient / jnp.linalg.norm(gradient)

    start = np.array([brentq(lambda a: a + np.exp(-_LEVEL) * np.cos(a), -1.5, 0.0), _LEVEL])
    return general(lambda x: 0.5 * potential(x)[0] ** 2, noise, 1, start=start, draw=SignDraw(1))


def point_at(level: float) -> np.ndarray:
    """The point of the valley with conjugate v, by Newton's method on f(z) = iv."""
    z = complex(0.0, max(level, 0.5))
    for _ in range(60):
        z -= (z + np.exp(1j * z) - 1j * level) / (1 + 1j * np.exp(1j * z))
    return np.array([z.real, z.imag])


def curvature_at(level: float) -> float:
    """h(v) = |f'(z)|² = |1 + i e^{iz}|² on the valley."""
    z = complex(*point_at(level))
    return float(abs(1 + 1j * np.exp(1j * z)) ** 2)


def law(pull: Callable[[float], float], start: float, times: np.ndarray) -> np.ndarray:
    """Solve dv/dτ = −(s²/4) pull(v) from v = start."""
    slope = lambda _, v: [-(_STRENGTH**2) / 4 * pull(float(v[0]))]
    return solve_ivp(slope, (0, times[-1]), [start], t_eval=times, rtol=1e-9, atol=1e-11).y[0]


def log_law(level: float) -> float:
    """H d(log h)/dv = h'(v): ∇_Γ log h carried to v, whose speed is |f'| = √h times that of the arc length."""
    step = 1e-5
    return (curvature_at(level + step) - curvature_at(level - step)) / (2 * step)


def trace_law(level: float) -> float:
    """What would follow from −(s²/4) ∇_Γ tr H, the law of label noise: h h'(v)."""
    return curvature_at(level) * log_law(level)


def experiment(settings: Settings) -> Evidence:
    """Both optimizers against the explicit equation of v, and the law of label noise as the control."""
    problem = valley()
    study = SlowStudy(problem, lambda x: potential(x)[1], _END, _SAVES, _RATES, _MOMENTUM, _REPLICAS)
    dataset = study.sample(settings)
    start = float(potential(jnp.asarray(problem.initial()))[1])
    fine = np.linspace(0, _END, 50)
    right, wrong = law(log_law, start, fine), law(trace_law, start, fine)
    margin = _MARGIN_PART * abs(right[-1] - start)
    control = near("SGD against the descent of tr H: E v", limit_of(dataset, "SGD"), float(wrong[-1]), margin)
    measurements = [
        *limits(dataset, float(right[-1]), margin, "E v"),
        same_limit(dataset, margin, "E v"),
        _integrated(problem, float(right[-1])),
        expected_to_fail(control, f"{wrong[-1]:.4g}, the law of label noise"),
    ]
    dataset = dataset.assign(law=("fine_time", right), wrong=("fine_time", wrong), fine_time=fine)
    return Evidence(tuple(measurements), dataset, (_EQUATION,), _remarks(settings, start))


def _integrated(problem: AbstractProblem, target: float) -> Measurement:
    """The library's general formula along the valley, against the explicit equation."""
    slow = slow_sde(problem, codimension=1)
    start = {"x": jnp.asarray(problem.initial())}  # on the manifold already
    end = follow(slow, start, [_END], lambda state: potential(state["x"])[1], substeps=40)
    return near("slow equation from the general formula: v", (float(end[0]), 0.0), target, 1e-5)


def _remarks(settings: Settings, start: float) -> tuple[str, ...]:
    return (
        "L = ½u² with u + iv = z + e^(iz), z = x₁ + i x₂: the valley u = 0 bends, Φ keeps the conjugate v, and the "
        f"curvature across is h = |1 + i e^(iz)|². Noise ±s across the valley, s = {_STRENGTH:g}; start at "
        f"v = {start:.4g}, τ = {_END:g}, {settings.samples(_REPLICAS)} replicas. In units of s²/2 the "
        f"potential of the motion along the valley is ½ log h. Values at three learning rates are extrapolated "
        f"to η = 0 by a polynomial; the margin is {_MARGIN_PART:.0%} of the way. Intervals are ± 5 standard errors.",
    )


def figure(dataset: xr.Dataset):
    """The valley with its curvature, E v over τ, and E v at the end over η."""
    import matplotlib.pyplot as plt

    fig, (left, middle, right) = plt.subplots(1, 3, figsize=(10.5, 3.4), layout="constrained")
    _draw_valley(fig, left, dataset)
    draw_law(middle, dataset, "−(s²/4) ∇ log det⁺ H", "−(s²/4) ∇ tr H")
    draw_samples(middle, dataset)
    middle.set(xlabel="τ = kη²", ylabel="E v, the place along the valley")
    middle.legend(fontsize="x-small", frameon=False)
    draw_limit(right, dataset)
    right.set(xlabel="learning rate η", ylabel=f"E v at τ = {float(dataset['time'][-1]):g}")
    return fig


def _draw_valley(fig, axis, dataset: xr.Dataset) -> None:
    """Contours of the loss; the valley colored by its curvature; start and end of the law."""
    first, second = np.meshgrid(np.linspace(-2.1, 0.9, 80), np.linspace(-0.8, 2.2, 80))
    heights = (first + np.exp(-second) * np.cos(first)) ** 2 / 2
    axis.contour(first, second, heights, levels=[0.02, 0.1, 0.3, 0.7], colors="0.8", linewidths=0.7)
    levels = np.linspace(-1.6, 2.2, 120)
    points = np.array([point_at(level) for level in levels])
    colors = [curvature_at(level) for level in levels]
    drawn = axis.scatter(*points.T, c=colors, s=8, cmap="viridis")
    fig.colorbar(drawn, ax=axis, label="curvature h across", shrink=0.8)
    ends = np.array([point_at(float(dataset["law"][k])) for k in (0, -1)])
    axis.annotate("", ends[1] + [0.25, 0], ends[0] + [0.25, 0], arrowprops={"arrowstyle": "->", "color": "C3"})
    axis.plot(*ends[0], "o", color="C3", ms=5, ls="none", label="start")
    axis.plot(*ends[1], "*", color="C3", ms=9, ls="none", label="end of the law")
    axis.legend(fontsize="x-small", loc="upper left", frameon=False)
    axis.set(xlabel="x₁", ylabel="x₂", xlim=(-2.1, 0.9), ylim=(-0.8, 2.2))


CLAIM = Claim(
    name="curved-valley",
    title="Along a curved valley, towards small curvature",
    statement="Where the noise points across a valley of minimizers, SGD and SGDM drift along it over O(1/η²) steps "
    "by −(s²/4) ∇ log det⁺ H: in units of s²/2 they descend half the logarithm of the curvature across.",
    source="Li, Wang, Arora (2022), Theorem 4.6; Wang et al. (2024), Theorem 4.5",
    experiment=experiment,
    figure=figure,
    theme=SLOW,
)
