"""Claim: label noise balances the factors of a matrix, at a rate that is known in closed form."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float

from sde_momentum.claims.evidence._claim import Claim, Evidence, Measurement, Settings, expected_to_fail
from sde_momentum.claims.evidence._nearness import bounded, near
from sde_momentum.claims.evidence._slow_figure import draw_law, draw_limit, draw_samples
from sde_momentum.claims.evidence._slow_flow import follow
from sde_momentum.claims.evidence._slow_study import SlowStudy, limit_of, limits, same_limit
from sde_momentum.claims.evidence._themes import SLOW
from sde_momentum.manifold import KernelSlowSDE
from sde_momentum.problems import AbstractLabelNoise, label_noise

_SIZE, _RANK = 4, 2
_DELTA = 4.0  # full batch of 16 entries: Σ = cH with c = δ²/16 = 1
_END, _SAVES = 4.0, 8
_RATES = (0.1, 0.05, 0.025)
_MOMENTUM = 0.8
_REPLICAS = 1_024
_MARGIN = 0.02
_SCALE = 1.5  # how unbalanced the start is: U₀ = sU, V₀ = V/s
_FLOW_END = 24.0
_EQUATION = (
    r"\frac{d}{d\tau}\,(U^{\mathsf T}U - V^{\mathsf T}V) = -\frac{c}{q}\,(U^{\mathsf T}U - V^{\mathsf T}V),\qquad "
    r"\operatorname{tr} H = \tfrac1q\,(|U|^2 + |V|^2) \;\longrightarrow\; \tfrac2q\,\lVert M \rVert_*"
)


def target() -> Float[np.ndarray, "q q"]:
    """M, of rank 2, with singular values 1.5 and 0.75."""
    left, right = (np.linalg.qr(np.random.default_rng(seed).normal(size=(_SIZE, _RANK)))[0] for seed in (0, 1))
    return left @ np.diag([1.5, 0.75]) @ right.T


def factorization() -> AbstractLabelNoise:
    """L = (1/2q²) |UVᵀ − M|² with every entry disturbed by ±δ at every step, from unbalanced factors of M."""

    def entries(factors: Any, places: Array) -> Array:
        return jnp.sum(factors["u"][places[:, 0]] * factors["v"][places[:, 1]], axis=1)

    places = np.stack(np.meshgrid(np.arange(_SIZE), np.arange(_SIZE), indexing="ij"), -1).reshape(-1, 2)
    matrix = target()
    left, values, right = np.linalg.svd(matrix)
    root = np.sqrt(values[:_RANK])
    scales = np.array([_SCALE, 1 / _SCALE])
    start = {"u": left[:, :_RANK] * root * scales, "v": right[:_RANK].T * root / scales}
    return label_noise(entries, places, matrix.ravel(), _DELTA, None, start=start)


def imbalance(factors: Any) -> Float[Array, "k k"]:
    """UᵀU − VᵀV, which gradient flow keeps: Φ need not be known."""
    return factors["u"].T @ factors["u"] - factors["v"].T @ factors["v"]


def curvature(factors: Any) -> Float[Array, ""]:
    """Tr H on the manifold, (|U|² + |V|²)/q."""
    return (jnp.sum(factors["u"] ** 2) + jnp.sum(factors["v"] ** 2)) / _SIZE


def experiment(settings: Settings) -> Evidence:
    """The imbalance of SGD and SGDM against e^{−cτ/q}, and tr H along the slow flow down to the nuclear norm."""
    problem = factorization()
    start = jnp.asarray(imbalance(problem.initial()))
    part = lambda factors: jnp.sum(imbalance(factors) * start) / jnp.sum(start**2)
    study = SlowStudy(problem, part, _END, _SAVES, _RATES, _MOMENTUM, _REPLICAS)
    dataset = study.sample(settings)
    rate = float(problem.noise_curvature_ratio) / _SIZE
    law, wrong = np.exp(-rate * _END), np.exp(-2 * rate * _END)
    flow = _follow(problem)
    measurements = [
        *limits(dataset, law, _MARGIN, "imbalance/start"),
        same_limit(dataset, _MARGIN, "imbalance/start"),
        *_along_flow(flow, rate),
        *_controls(dataset, wrong),
    ]
    fine = np.linspace(0, _END, 50)
    dataset = dataset.assign(law=("fine_time", np.exp(-rate * fine)), wrong=("fine_time", np.exp(-2 * rate * fine)))
    dataset = dataset.assign_coords(fine_time=fine).merge(flow).assign_attrs(flow.attrs)
    return Evidence(tuple(measurements), dataset, (_EQUATION,), _remarks(settings))


def _follow(problem: AbstractLabelNoise) -> xr.Dataset:
    """Imbalance and tr H along the library's slow flow for networks, through the kernel."""
    times = np.linspace(0, _FLOW_END, 25)
    first = jnp.asarray(imbalance(problem.initial()))
    both = lambda x: np.array([float(jnp.sum(imbalance(x) * first) / jnp.sum(first**2)), float(curvature(x))])
    state = {"x": problem.initial()}
    found = follow(KernelSlowSDE(problem), state, times[1:], lambda s: both(s["x"]), substeps=4)
    values = np.concatenate([both(problem.initial())[None], found])
    nuclear = 2 * np.linalg.svd(target())[1].sum() / _SIZE
    names = {"flow_imbalance": ("flow_time", values[:, 0]), "flow_trace": ("flow_time", values[:, 1])}
    return xr.Dataset(names, {"flow_time": times}, {"nuclear": nuclear})


def _along_flow(flow: xr.Dataset, rate: float) -> list[Measurement]:
    """The general formula has no sampling error: its imbalance decays as the law says, its tr H ends balanced."""
    gap = np.abs(flow["flow_imbalance"].values - np.exp(-rate * flow["flow_time"].values)).max()
    traces, nuclear = flow["flow_trace"].values, float(flow.attrs["nuclear"])
    left = (traces[-1] - nuclear) / (traces[0] - nuclear)
    return [
        near("general formula: largest difference from e^(−cτ/q)", (float(gap), 0.0), 0.0, 1e-4),
        bounded(
            "general formula: largest rise of tr H between two times", (float(np.diff(traces).max()), 0.0), below=0.0
        ),
        bounded(f"part of tr H − 2|M|_*/q that is left at τ = {_FLOW_END:g}", (float(left), 0.0), below=0.01),
    ]


def _controls(dataset: xr.Dataset, wrong: float) -> list[Measurement]:
    twice = near("SGD against e^(−2cτ/q)", limit_of(dataset, "SGD"), float(wrong), _MARGIN)
    still = near("SGD against no decay", limit_of(dataset, "SGD"), 1.0, _MARGIN)
    return [
        expected_to_fail(twice, f"{wrong:.4g}, the constant of the loss without its factor ½"),
        expected_to_fail(still, "1, as without noise"),
    ]


def _remarks(settings: Settings) -> tuple[str, ...]:
    return (
        f"UVᵀ = M with factors {_SIZE} × {_RANK}, L = (1/2q²)|UVᵀ − M|², all entries disturbed by ±{_DELTA:g} "
        f"at every step, from factors of M with singular values stretched by {_SCALE:g} one against the other; "
        f"β = {_MOMENTUM:g}, {settings.samples(_REPLICAS)} replicas, τ = {_END:g}. The observable is the part "
        f"of UᵀU − VᵀV along its start. It does not change under gradient flow, so nothing is projected. "
        f"Values at three learning rates are extrapolated to η = 0 by a polynomial; intervals are ± 5 standard "
        f"errors.",
        f"tr H was followed along the slow flow alone, to τ = {_FLOW_END:g}, where it reaches twice the "
        f"nuclear norm of M over q, the smallest value over all factors of M.",
    )


def figure(dataset: xr.Dataset):
    """Imbalance over τ and over η; tr H along the slow flow."""
    import matplotlib.pyplot as plt

    fig, (left, middle, right) = plt.subplots(1, 3, figsize=(10.8, 3.4), layout="constrained")
    draw_law(left, dataset, "$e^{-c\\tau/q}$", "$e^{-2c\\tau/q}$")
    draw_samples(left, dataset)
    left.set(xlabel="τ = kη²", ylabel="imbalance UᵀU − VᵀV, part of its start")
    left.legend(fontsize="small", frameon=False)
    draw_limit(middle, dataset)
    middle.set(xlabel="learning rate η", ylabel=f"imbalance at τ = {float(dataset['time'][-1]):g}")
    right.plot(dataset["flow_time"], dataset["flow_trace"], "k-", lw=1.2, label="slow flow")
    balanced = "$2\\,\\|M\\|_*/q$, balanced factors"
    right.axhline(float(dataset.attrs["nuclear"]), color="C2", ls=":", lw=1, label=balanced)
    right.set(xlabel="τ", ylabel="tr H")
    right.legend(fontsize="small", frameon=False)
    return fig


CLAIM = Claim(
    name="matrix-factorization",
    title="Label noise balances the factors of a matrix",
    statement="With label noise SGD and SGDM on a matrix factorization descend tr H over O(1/η²) steps: the "
    "imbalance UᵀU − VᵀV of the factors decays as e^(−cτ/q), and tr H falls to twice the nuclear norm of the "
    "matrix over q.",
    source="Li, Wang, Arora (2022), for the slow flow; the law of the imbalance is derived here",
    experiment=experiment,
    figure=figure,
    theme=SLOW,
)
