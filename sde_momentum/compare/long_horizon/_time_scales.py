"""Between the fast clock t = kη and the slow clock τ = kη²: which description holds when."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, PyTree

from sde_momentum.compare.long_horizon._slow_flow import slow_flow, slow_start
from sde_momentum.compare.long_horizon._slow_setting import slow_setting
from sde_momentum.compare.question._observables import check_observables
from sde_momentum.ensembles import simulate
from sde_momentum.solvers import Seed
from sde_momentum.symbolic import UpdateRule

Observable = Callable[[PyTree[Array]], Array]


@dataclass(frozen=True)
class TimeScales:
    """The same observables by the optimizer, by gradient flow and by the slow equation, at k = η^{−γ} steps.

    Attributes:
        dataset: xarray over `learning_rate`, `observable` and `exponent` γ with `steps`, `discrete`, `standard_error`,
            `fast` (gradient flow at t = kη), `slow` (slow equation at τ = kη², with `slow_standard_error`), and the
            absolute errors `fast_error` and `slow_error`.
    """

    dataset: xr.Dataset

    def holds(self, tolerance: float) -> xr.Dataset:
        """Where each description is within a tolerance of the optimizer, five standard errors set aside.

        Args:
            tolerance: in the unit of the observables.

        Returns:
            Booleans `fast`, `slow` and `both` over learning rate, observable and exponent.
        """
        data = self.dataset
        fast = data["fast_error"] <= tolerance + 5 * data["standard_error"]
        slow = data["slow_error"] <= tolerance + 5 * np.hypot(data["standard_error"], data["slow_standard_error"])
        return xr.Dataset({"fast": fast, "slow": slow, "both": fast & slow})

    def __str__(self) -> str:
        data = self.dataset.isel(learning_rate=-1)
        lines = [f"{data.attrs['rule']} at η = {float(data['learning_rate']):g}: errors of the two descriptions"]
        for name in data["observable"].values:
            part = data.sel(observable=name)
            lines.append(f"  {name}:  steps   gradient flow   slow equation")
            for steps, fast, slow in zip(*(part[k].values for k in ("steps", "fast_error", "slow_error")), strict=True):
                lines.append(f"  {int(steps):>{len(name) + 7}d} {fast:>15.3g} {slow:>15.3g}")
        return "\n".join(lines)

    def plot(self, observable: str | None = None, axes: Any = None) -> Any:
        """Draw both errors over the exponent γ in k = η^{−γ}, a shade a learning rate.

        Args:
            observable: which; the first when omitted.
            axes: matplotlib axes; new ones when omitted.

        Returns:
            The axes.
        """
        import matplotlib.pyplot as plt

        axes = plt.subplots(layout="constrained")[1] if axes is None else axes
        name = str(self.dataset["observable"].values[0]) if observable is None else observable
        data = self.dataset.sel(observable=name)
        shades = np.linspace(0.35, 1.0, len(data["learning_rate"]))
        for key, color, label in (("fast_error", "C0", "gradient flow, t = kη"), ("slow_error", "C3", "slow, τ = kη²")):
            for shade, rate in zip(shades, data["learning_rate"].values, strict=True):
                part = data.sel(learning_rate=rate)
                error = np.hypot(part["standard_error"], part["slow_standard_error"] if key[0] == "s" else 0.0)
                style = {"fmt": "o-", "ms": 3, "color": color, "alpha": shade, "capsize": 2}
                text = f"{label}, η = {rate:g}" if shade == 1.0 else None
                axes.errorbar(part["exponent"], part[key], 2 * error, label=text, **style)
        axes.set(
            yscale="log", xlabel=r"$\gamma$, number of steps $\propto \eta^{-\gamma}$", ylabel=f"|error of E {name}|"
        )
        axes.legend(fontsize="small")
        return axes


def time_scales(
    rule: UpdateRule,
    problem: Any,
    x0: PyTree[Any],
    *,
    learning_rates: Sequence[float],
    observables: Mapping[str, Observable],
    exponents: Sequence[float] = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0),
    t1: float = 1.0,
    num_paths: int = 4096,
    seed: Seed = 0,
    momentum_index: float = 0,
    codimension: int | None = None,
    progress: bool = True,
    **hyperparameters: float,
) -> TimeScales:
    r"""Follow an optimizer from its fall onto the minimizers to its drift along them, by both descriptions.

    Gradient flow from x₀ at t = kη is the leading description of O(1/η) steps; the slow equation from Φ(x₀) at τ = kη²
    is that of O(1/η²) steps. At k = t1 η^{−γ} steps the flow misses the drift, an error of order η^{2−γ}, and the slow
    equation misses the fall, e^{−hη^{1−γ}}, and the fluctuations, η. Both hold for 1 < γ < 2.

    Args:
        rule: an optimizer that is linear in state and gradient.
        problem: loss and noise.
        x0: start, one replica, off Γ or on it.
        learning_rates: effective ones, in any number.
        observables: name → function of the parameters themselves, not projected.
        exponents: γ, ascending; those with less than one step are refused.
        t1: number of steps at γ as a multiple of η^{−γ}; at γ = 2 the slow time.
        num_paths: replicas a learning rate.
        seed: integer in [0, 2⁶⁴) or a JAX key.
        momentum_index: α in 1 − β = λη^α; λ is then the keyword `relaxation_rate`.
        codimension: number of normal directions; that at Φ(x₀) when omitted.
        progress: show a bar while sampling.
        **hyperparameters: numbers for the rule, such as `momentum`.

    Returns:
        A `TimeScales`.

    Raises:
        ValueError: an exponent leaves no step, two coincide, the rule has no slow equation, or Γ no noise.
        RuntimeError: x0 leads to no manifold of minimizers.

    Example:
        >>> from sde_momentum import optimizers, problems
        >>> problem = problems.label_noise_parabola([1.0, 2.0], delta=0.5)
        >>> study = time_scales(
        ...     optimizers.sgd(), problem, problem.initial(), learning_rates=(0.1,), exponents=(1.0, 2.0),
        ...     observables={"tr H": problem.hessian_trace}, num_paths=64, codimension=1, progress=False)
        >>> study.dataset["steps"].values.tolist()
        [[10, 100]]
    """
    for rate in learning_rates:
        _steps(rate, exponents, t1, aligned=False)
    x0 = jax.tree.map(jnp.asarray, x0)
    observables = check_observables(observables, x0)
    setting = slow_setting(rule, problem, momentum_index, hyperparameters, codimension)
    setting.check()
    start, point, sampled = slow_start(problem, x0, codimension)
    setting = replace(setting, codimension=int(point.space.codimension))  # found once, not at every step
    slow = setting.slow()
    tables = []
    for rate in learning_rates:
        steps = _steps(rate, exponents, t1, aligned=sampled)
        times = np.asarray(steps) * rate**2
        run = {"num_paths": num_paths, "observables": _named(observables), "covariance": False, "progress": progress}
        discrete = simulate(setting.chain(rate), x0, t1=times[-1], saves=tuple(times), seed=seed, **run)
        if sampled:
            unit = steps[0] * rate**2
            there = simulate(slow, start, t1=times[-1], dt=unit, saves=tuple(times), seed=_other(seed), **run)
            values, errors = there["mean"].values, there["standard_error"].values
        else:
            values, _ = slow_flow(slow, slow.at(start), times, observables)
            errors = np.zeros_like(values)
        fast = _gradient_flow(problem, x0, np.asarray(steps) * rate, tuple(observables.values()))
        table = {"discrete": discrete["mean"].values, "standard_error": discrete["standard_error"].values}
        table |= {"fast": fast, "slow": values, "slow_standard_error": errors}
        tables.append((steps, {key: column.T for key, column in table.items()}))
    return TimeScales(_dataset(rule, learning_rates, observables, exponents, tables))


def _dataset(rule, learning_rates, observables, exponents, tables) -> xr.Dataset:
    dims = ("learning_rate", "observable", "exponent")
    data = {key: (dims, np.stack([table[key] for _, table in tables])) for key in tables[0][1]}
    data["steps"] = (("learning_rate", "exponent"), np.array([steps for steps, _ in tables]))
    coordinates = {"learning_rate": list(learning_rates), "observable": list(observables), "exponent": list(exponents)}
    dataset = xr.Dataset(data, coords=coordinates, attrs={"rule": rule.name})
    for name in ("fast", "slow"):
        dataset[f"{name}_error"] = np.abs(dataset["discrete"] - dataset[name])
    return dataset


def _steps(rate: float, exponents: Sequence[float], t1: float, *, aligned: bool) -> list[int]:
    """Whole numbers of steps near t1 η^{−γ}; where both sides step, multiples of the first one."""
    steps = [round(t1 * rate**-gamma) for gamma in exponents]
    if aligned:
        steps = [max(round(count / steps[0]), 1) * steps[0] for count in steps] if steps[0] else steps
    if steps[0] < 1 or any(later <= earlier for earlier, later in itertools.pairwise(steps)):
        raise ValueError(
            f"`exponents` {tuple(exponents)} give the steps {steps} at η = {rate}: they must be positive and increase"
        )
    return steps


def _named(observables: Mapping[str, Observable]) -> dict[str, Observable]:
    """The observables as functions of a state."""
    return {name: (lambda state, f=function: f(state["x"])) for name, function in observables.items()}


def _other(seed: Seed) -> Seed:
    """Noise of the slow equation, apart from the optimizer's."""
    return (seed + 1) % 2**64 if isinstance(seed, int) else jax.random.fold_in(seed, 1)


@eqx.filter_jit
def _solve_flow(problem, x0, times, functions):
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(lambda t, x, args: jax.tree.map(jnp.negative, problem.gradient(x))),
        diffrax.Tsit5(),
        0.0,
        times[-1],
        None,
        x0,
        saveat=diffrax.SaveAt(ts=times),
        stepsize_controller=diffrax.PIDController(rtol=1e-7, atol=1e-9),
        adjoint=diffrax.ForwardMode(),
        max_steps=2**16,
    )
    return jax.lax.map(lambda x: jnp.stack([f(x) for f in functions]), solution.ys)


def _gradient_flow(problem, x0, times: np.ndarray, functions) -> np.ndarray:
    """The observables along dx/dt = −∇L, (times, observables)."""
    return np.asarray(_solve_flow(problem, x0, jnp.asarray(times), functions))
