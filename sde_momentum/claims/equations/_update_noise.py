"""Claim: momentum averages the noise of the update and leaves the noise of the path as it is."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax.flatten_util import ravel_pytree

from sde_momentum.claims.equations._update_noise_figure import figure
from sde_momentum.claims.evidence._claim import Claim, Evidence, Measurement, Settings
from sde_momentum.claims.evidence._nearness import near
from sde_momentum.claims.evidence._themes import EQUATIONS
from sde_momentum.claims.evidence._variances import spread_observables, total_variance, variance_ratio
from sde_momentum.compare import Outcome, PairedChains
from sde_momentum.dynamics import chain
from sde_momentum.ensembles import simulate
from sde_momentum.optimizers import sgdm
from sde_momentum.problems import AbstractProblem, breast_cancer, linear
from sde_momentum.symbolic import modified_equation

BETA = 0.9
_LINEAR_STEPS, _LINEAR_RATE, _LINEAR_REPLICAS = (10, 20, 50, 100, 200, 500, 1000), 0.01, 131_072
_LOGISTIC_STEPS, _LOGISTIC_RATE, _LOGISTIC_REPLICAS, _BATCH = (10, 20, 50, 100, 200, 300), 0.005, 4096, 32
# Relative resolution at which a sampled number is compared with an exact law.
_RESOLUTION = 0.03
_PATH_MARGIN_LINEAR, _PATH_MARGIN_LOGISTIC, _UPDATE_MARGIN = 0.05, 0.1, 0.25
_SGDM = sgdm()


def experiment(settings: Settings) -> Evidence:
    """Variances of updates and paths: on a linear loss against exact laws, and on logistic regression."""
    flat = linear(0.1, dtype=jnp.float32)
    replicas = settings.samples(_LINEAR_REPLICAS, 1024), settings.samples(_LOGISTIC_REPLICAS, 64)
    sampled = sample(flat, _LINEAR_RATE, _LINEAR_STEPS, replicas[0], settings)
    real = sample(breast_cancer(_BATCH, dtype=jnp.float32), _LOGISTIC_RATE, _LOGISTIC_STEPS, replicas[1], settings)
    measurements = (*_on_linear(sampled.isel(time=-1)), *_on_logistic(real.isel(time=-1)))
    dataset = xr.concat([_table(sampled, _LINEAR_STEPS), _table(real, _LOGISTIC_STEPS)], "problem", join="outer")
    dataset = dataset.assign_coords(problem=["linear", "logistic"]).assign(_exact_laws())
    dataset.attrs = {"momentum": BETA, "noise_scale": 1.0}
    limit = modified_equation(_SGDM, order=1)
    return Evidence(measurements, dataset, (limit._repr_latex_(),), _remarks(replicas))


def sample(
    problem: AbstractProblem, rate: float, steps: tuple[int, ...], replicas: int, settings: Settings
) -> xr.Dataset:
    """SGDM and SGD on the same noise: moments of the paths x and z, their difference, and the updates m and g.

    SGD is SGDM at β = 0, whose m is the gradient last used.
    """
    first, second = (chain(_SGDM, problem, learning_rate=rate, momentum=beta) for beta in (BETA, 0.0))

    def vector(who: str, variable: str) -> Any:
        return lambda state: ravel_pytree(state[who][variable])[0]

    x, z = vector("first", "x"), vector("second", "x")
    vectors = {"x": x, "z": z, "x − z": lambda state: x(state) - z(state)}
    return simulate(
        PairedChains(first, second),
        problem.initial(),
        t1=rate * steps[-1],
        saves=[rate * count for count in steps],
        num_paths=replicas,
        seed=settings.seed,
        observables=spread_observables({**vectors, "m": vector("first", "m"), "g": vector("second", "m")}),
        covariance=True,
        progress=settings.progress,
    )


def _on_linear(last: xr.Dataset) -> tuple[Measurement, ...]:
    steps, scale = _LINEAR_STEPS[-1], _LINEAR_RATE**2
    return (
        against_law("linear: Var m/s²", total_variance(last, "m"), update_ratio(BETA, steps)),
        against_law("linear: Var x/(η²s²)", _scaled(total_variance(last, "x"), scale), path_variance(BETA, steps)),
        against_law(
            "linear: Var(x − z)/(η²s²)", _scaled(total_variance(last, "x − z"), scale), gap_variance(BETA, steps)
        ),
        near("linear: Var x/Var z", variance_ratio(last, "x", "z"), 1.0, _PATH_MARGIN_LINEAR),
    )


def _on_logistic(last: xr.Dataset) -> tuple[Measurement, ...]:
    ratio = update_ratio(BETA)
    return (
        near("logistic: Var m/Var g", variance_ratio(last, "m", "g"), ratio, _UPDATE_MARGIN * ratio),
        near("logistic: Var x/Var z", variance_ratio(last, "x", "z"), 1.0, _PATH_MARGIN_LOGISTIC),
    )


def update_ratio(beta: float, steps: float = np.inf) -> float:
    """Var m_k / Var g on a linear loss: (1−β)(1−β^{2k})/(1+β)."""
    return (1 - beta) / (1 + beta) * (1 - beta ** (2 * steps))


def path_variance(beta: float, steps: float) -> float:
    """Var x_k / (η²s²) on a linear loss: k − 2β(1−β^k)/(1−β) + β²(1−β^{2k})/(1−β²); it is k for SGD."""
    return steps - 2 * beta * (1 - beta**steps) / (1 - beta) + gap_variance(beta, steps)


def gap_variance(beta: float, steps: float) -> float:
    """Var(x_k − z_k) / (η²s²) on a linear loss with the same noise: β²(1−β^{2k})/(1−β²)."""
    return beta**2 * (1 - beta ** (2 * steps)) / (1 - beta**2)


def against_law(label: str, estimate: tuple[float, float], law: float) -> Measurement:
    """Not supported if the law is 5 standard errors away; supported if it is not and 5 of them resolve 3 %."""
    value, error = estimate
    outcome = Outcome.SUPPORTED if 5 * error < _RESOLUTION * law else Outcome.UNDECIDED
    if not abs(value - law) <= 5 * error:
        outcome = Outcome.NOT_SUPPORTED
    return Measurement(label, value, (value - 5 * error, value + 5 * error), f"exact law {law:.5g}", outcome)


def _scaled(estimate: tuple[float, float], scale: float) -> tuple[float, float]:
    return estimate[0] / scale, estimate[1] / scale


def _table(result: xr.Dataset, steps: tuple[int, ...]) -> xr.Dataset:
    """Ratios and total variances at every saved step."""
    times = [result.isel(time=index) for index in range(len(steps))]
    ratios = np.array([[variance_ratio(time, *names) for time in times] for names in (("m", "g"), ("x", "z"))])
    names = ["x", "z", "x − z", "m", "g"]
    variances = np.array([[total_variance(time, name) for time in times] for name in names])
    return xr.Dataset(
        {
            "ratio": (("kind", "step"), ratios[..., 0]),
            "ratio_standard_error": (("kind", "step"), ratios[..., 1]),
            "variance": (("vector", "step"), variances[..., 0]),
            "variance_standard_error": (("vector", "step"), variances[..., 1]),
        },
        {"kind": ["update", "path"], "vector": names, "step": list(steps)},
    )


def _exact_laws() -> dict[str, Any]:
    """Both ratios on a linear loss, exactly, on a fine grid of steps."""
    steps = np.unique(np.geomspace(1, _LINEAR_STEPS[-1], 60).round())
    values = [[update_ratio(BETA, k), path_variance(BETA, k) / k] for k in steps]
    return {"exact_step": ("point", steps), "exact_ratio": (("kind", "point"), np.array(values).T)}


def _remarks(replicas: tuple[int, int]) -> tuple[str, ...]:
    return (
        f"β = {BETA}, σ = 1. Linear loss: η = {_LINEAR_RATE}, {_LINEAR_STEPS[-1]} steps, {replicas[0]} replicas. "
        f"Logistic regression: breast-cancer data, minibatches of {_BATCH} of 569, η = {_LOGISTIC_RATE}, "
        f"{_LOGISTIC_STEPS[-1]} steps, {replicas[1]} replicas. Both optimizers see the same noise; variances are "
        "summed over all parameters; intervals are ± 5 standard errors.",
        "On the logistic regression the gradient noise fades along the path, and the laws of the linear loss "
        f"hold only up to O(η/(1 − β)): the margins, {_UPDATE_MARGIN:.0%} for the update and "
        f"{_PATH_MARGIN_LOGISTIC:.0%} for the path, allow for that. They and the batch size were set after "
        f"pilot runs.",
        "During the first few 1/(1 − β) steps the path of SGDM lags behind, and its variance is smaller.",
    )


CLAIM = Claim(
    name="update-noise",
    title="Momentum averages the update, not the path",
    statement="Momentum reduces the variance of the update to the fraction (1 − β)/(1 + β), but does not reduce the "
    "variance of the path: after many times 1/(1 − β) steps it is that of SGD.",
    source="Wang, Malladi, Wang, Lyu, Li (2024)",
    experiment=experiment,
    figure=figure,
    theme=EQUATIONS,
)
