"""Claim: label noise lowers tr H of a network on real data, along the slow flow, with momentum as without."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float, PyTree

from sde_momentum.claims.evidence._claim import Claim, Evidence, Measurement, Settings, expected_to_fail
from sde_momentum.claims.evidence._many_runs import trajectories
from sde_momentum.claims.evidence._nearness import Estimate, bounded, mean_of, near
from sde_momentum.claims.evidence._slow_flow import follow
from sde_momentum.claims.evidence._themes import SLOW
from sde_momentum.dynamics import chain
from sde_momentum.manifold import KernelSlowSDE, kernel_retract
from sde_momentum.optimizers import sgd, sgdm
from sde_momentum.problems import AbstractLabelNoise, label_noise
from sde_momentum.symbolic import Regime

_ROWS, _FEATURES, _HIDDEN = 32, 30, 16
_SCALE = 1.5  # of the weights at the start, so that tr H has far to fall
_DELTA = 5.6  # full batch of 32: Σ = cH with c = δ²/32 = 0.98
_RATE, _STEPS, _SAVES = 0.025, 32_000, 10
_MOMENTUM = 0.9
_REPLICAS = 8
_MARGIN = 0.15
_RUNS = ("SGD", f"SGDM, β = {_MOMENTUM:g}", "GD, no label noise")
_EQUATION = r"\frac{dY}{d\tau} = -\frac{c}{4}\,\nabla_\Gamma \operatorname{tr} H,\qquad c = \delta^2/n"


def network(x: Any, inputs: Float[Array, "rows 30"]) -> Float[Array, " rows"]:
    """A tanh network with one hidden layer and one output."""
    hidden = jnp.tanh(inputs @ x["first"] + x["bias"])
    return hidden @ x["second"]


def benign_or_not() -> AbstractLabelNoise:
    """The first rows of the breast-cancer data, 16 of each kind, labels ±1, from a network that interpolates them."""
    from sklearn.datasets import load_breast_cancer

    inputs, kinds = load_breast_cancer(return_X_y=True)
    inputs = (inputs - inputs.mean(axis=0)) / inputs.std(axis=0) / _FEATURES**0.5
    rows = np.sort(np.concatenate([np.flatnonzero(kinds == kind)[: _ROWS // 2] for kind in (0, 1)]))
    generator = np.random.default_rng(0)
    draw = lambda *shape: _SCALE * generator.normal(size=shape)
    start = {
        "first": draw(_FEATURES, _HIDDEN),
        "bias": draw(_HIDDEN),
        "second": draw(_HIDDEN) / _HIDDEN**0.5,
    }
    data = inputs[rows], 2.0 * kinds[rows] - 1
    problem = label_noise(network, *data, _DELTA, None, start=start)
    fitted, _ = eqx.filter_jit(kernel_retract)(network, start, problem.inputs, problem.targets, iterations=30)
    return label_noise(network, *data, _DELTA, None, start=fitted)


def curvature(problem: AbstractLabelNoise, x: PyTree[Array]) -> Float[Array, ""]:
    """Tr H = Σ |∇f_i|²/n at interpolation."""
    slopes = jax.jacrev(lambda y: problem.predict(y, problem.inputs))(x)
    return sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(slopes)) / problem.population


def _watch(process: Any, state: Any) -> Array:
    """Tr H after a return to interpolation, and the loss before it."""
    problem = process.problem
    settled, _ = kernel_retract(network, state["x"], problem.inputs, problem.targets, iterations=6)
    return curvature(problem, settled)


def experiment(settings: Settings) -> Evidence:
    """Tr H of SGD, SGDM and noiseless GD against the slow flow through the kernel."""
    problem = benign_or_not()
    times = _RATE**2 * _STEPS * np.arange(1, _SAVES + 1) / _SAVES
    start = float(curvature(problem, problem.initial()))
    flow = follow(
        KernelSlowSDE(problem), {"x": problem.initial()}, times, lambda s: curvature(problem, s["x"]), substeps=2
    )
    replicas = settings.samples(_REPLICAS, 2)
    makers = ((sgd(), {}, 1.0), (sgdm(), {"momentum": _MOMENTUM}, 1.0), (sgd(), {}, 0.0))
    found = [_run(problem, rule, numbers, noise, replicas, settings.seed) for rule, numbers, noise in makers]
    dataset = xr.Dataset(
        {
            "trace": (("run", "replica", "time"), np.stack(found)),
            "flow": ("time", flow),
            "start": ((), start),
        },
        {"run": list(_RUNS), "time": times},
    )
    return Evidence(tuple(_measure(dataset)), dataset, (_EQUATION,), _remarks(problem, replicas))


def _run(problem: Any, rule: Any, numbers: dict[str, float], noise: float, replicas: int, seed: int) -> np.ndarray:
    quiet = eqx.tree_at(lambda p: p.delta, problem, noise * problem.delta)
    process = chain(rule, quiet, regime=Regime.long_horizon(), learning_rate=_RATE, **numbers)
    return trajectories([process], [problem.initial()], _watch, steps=_STEPS, saves=_SAVES, paths=replicas, seed=seed)[
        0
    ]


def _fall(dataset: xr.Dataset, run: str) -> Estimate:
    """The fall of tr H at the end as a part of that of the slow flow."""
    part = dataset.sel(run=run)["trace"].isel(time=-1).values
    whole = float(dataset["start"] - dataset["flow"][-1])
    return mean_of((float(dataset["start"]) - part) / whole)


def _measure(dataset: xr.Dataset) -> list[Measurement]:
    whole = float((dataset["start"] - dataset["flow"][-1]) / dataset["start"])
    falls = [_fall(dataset, run) for run in _RUNS]
    label = "fall of tr H as a part of the slow flow's"
    difference = falls[1][0] - falls[0][0], float(np.hypot(falls[0][1], falls[1][1]))
    still = near(f"{_RUNS[2]}: {label}", falls[2], 1.0, _MARGIN)
    return [
        bounded("slow flow: part of tr H that is lost", (whole, 0.0), above=0.1),
        *(near(f"{run}: {label}", fall, 1.0, _MARGIN) for run, fall in zip(_RUNS[:2], falls, strict=False)),
        near(f"SGDM − SGD: {label}", difference, 0.0, _MARGIN),
        expected_to_fail(still, "1 without noise as well"),
    ]


def _remarks(problem: AbstractLabelNoise, replicas: int) -> tuple[str, ...]:
    count = sum(leaf.size for leaf in jax.tree.leaves(problem.initial()))
    return (
        f"{_ROWS} rows of the breast-cancer data with labels ±1, tanh network {_FEATURES}–{_HIDDEN}–1 with {count} "
        f"parameters, started where it interpolates; labels disturbed by ±{_DELTA:g} at every step, all rows at once; "
        f"η = {_RATE:g}, {_STEPS} steps, {replicas} replicas, β = {_MOMENTUM:g}. Before tr H is taken, iterates are "
        "returned to interpolation by Gauss–Newton steps. The slow flow was integrated through the n × n kernel.",
        f"At one learning rate the iterates meet the flow up to O(η): the margin is {_MARGIN:.0%} of the fall. "
        f"The small number of rows keeps the experiment short; generalization was not measured.",
    )


def figure(dataset: xr.Dataset):
    """Tr H over τ: the flow, replicas thin, and their means."""
    import matplotlib.pyplot as plt

    fig, axis = plt.subplots(figsize=(5.8, 3.7), layout="constrained")
    times = np.concatenate([[0.0], dataset["time"].values])
    begin = lambda values: np.concatenate([np.full((*values.shape[:-1], 1), float(dataset["start"])), values], axis=-1)
    axis.plot(times, begin(dataset["flow"].values), "k-", lw=1.2, label="slow flow", zorder=3)
    for number, run in enumerate(dataset["run"].values):
        traces = begin(dataset["trace"].sel(run=run).values)
        axis.plot(times, traces.T, color=f"C{number}", lw=0.5, alpha=0.5)
        axis.plot(times, traces.mean(axis=0), "os^"[number], color=f"C{number}", ms=4, label=str(run))
    axis.plot([], [], color="0.6", lw=0.5, label="single runs")
    axis.set(xlabel="τ = kη²", ylabel="tr H at interpolation")
    axis.legend(fontsize="small", frameon=False, loc="lower left")
    return fig


CLAIM = Claim(
    name="network-flatness",
    title="Label noise flattens a network, with or without momentum",
    statement="On real data a network that interpolates, trained on with label noise by SGD or SGDM over "
    "O(1/η²) steps, loses trace of the Hessian along the slow flow −(c/4) ∇ tr H, both alike; without label "
    "noise it does not.",
    source="Blanc et al. (2020); Li, Wang, Arora (2022); Wang et al. (2024), Theorem 4.5",
    experiment=experiment,
    figure=figure,
    theme=SLOW,
)
