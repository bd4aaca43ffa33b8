"""The result of following an optimizer from the fast clock to the slow one."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from sde_momentum.compare.question._arguments import known_name, real_number


@dataclass(frozen=True)
class TimeScales:
    """The same observables by the optimizer, by gradient flow and by the slow equation, at k = η^{−γ} steps.

    Attributes:
        dataset: xarray over `learning_rate`, `observable` and `exponent` γ with `steps`, `discrete`, `standard_error`,
            `fast` (gradient flow at t = kη), `slow` (slow equation at τ = kη², with `slow_standard_error`), and the
            absolute errors `fast_error` and `slow_error`; attributes say what was compared and how.
    """

    dataset: xr.Dataset

    def holds(self, tolerance: float) -> xr.Dataset:
        """Where each description is within a tolerance of the optimizer, five standard errors set aside.

        Args:
            tolerance: in the unit of the observables; zero asks for agreement up to the noise.

        Returns:
            Booleans `fast`, `slow` and `both` over learning rate, observable and exponent.

        Raises:
            TypeError: the tolerance is no number.
            ValueError: it is negative or NaN.
        """
        tolerance = real_number(tolerance, "tolerance")
        if tolerance < 0:
            raise ValueError(f"`tolerance` must not be negative, got {tolerance!r}.")
        data = self.dataset
        fast = data["fast_error"] <= tolerance + 5 * data["standard_error"]
        slow = data["slow_error"] <= tolerance + 5 * np.hypot(data["standard_error"], data["slow_standard_error"])
        return xr.Dataset({"fast": fast, "slow": slow, "both": fast & slow})

    def __str__(self) -> str:
        data = self.dataset.isel(learning_rate=-1)
        about = data.attrs
        lines = [f"{about['rule']} at η = {float(data['learning_rate']):g}: |errors| of the two descriptions, ± 1 SE"]
        for name in data["observable"].values:
            part = data.sel(observable=name)
            wide = len(name) + 7
            lines.append(f"  {name}:  steps {'gradient flow':>22} {'slow equation':>22}")
            spread = part["standard_error"].values
            both = np.hypot(spread, part["slow_standard_error"].values)
            columns = (part["steps"].values, part["fast_error"].values, spread, part["slow_error"].values, both)
            for steps, fast, one, slow, two in zip(*columns, strict=True):
                lines.append(f"  {int(steps):>{wide}d} {_with_error(fast, one):>22} {_with_error(slow, two):>22}")
        numbers = [f"{name} = {value:g}" for name, value in json.loads(about["hyperparameters"]).items()]
        setting = [f"t1 = {about['t1']:g}", about["regime"], *numbers, f"codimension {about['codimension']}"]
        return "\n".join([*lines, f"  ({'; '.join([*setting, about['method']])})"])

    def plot(self, observable: str | None = None, axes: Any = None) -> Any:
        """Draw both errors over the exponent γ in k = η^{−γ}, a shade a learning rate.

        Args:
            observable: which; the first when omitted.
            axes: matplotlib axes; new ones when omitted.

        Returns:
            The axes.

        Raises:
            ValueError: the observable is none of the study's.
            ImportError: matplotlib is not installed; it comes with the extra `claims`.
        """
        from sde_momentum.compare.long_horizon._slow_plot import plot_time_scales

        names = list(map(str, self.dataset["observable"].values))
        name = names[0] if observable is None else known_name(observable, names, "observable")
        return plot_time_scales(self.dataset, name, axes)


def _with_error(value: float, error: float) -> str:
    return f"{value:.3g} ± {error:.1g}"
