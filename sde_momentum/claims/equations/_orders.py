"""Claim: SGD and SGDM follow their derived equations to the derived order, and a wrong equation is found out."""

from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np
import xarray as xr

from sde_momentum.claims.evidence._claim import Claim, Evidence, Measurement, Settings, measured_order
from sde_momentum.claims.evidence._themes import EQUATIONS
from sde_momentum.compare import Outcome, Verdict, WeakError, judge, weak_error
from sde_momentum.optimizers import sgd, sgdm
from sde_momentum.problems import double_well, quadratic
from sde_momentum.symbolic import Limit, TensorExpression, modified_equation

# The error of E x at order 1 has large remainders: five small learning rates, on which paths give a constant signal.
_RATES = {1: (0.02, 0.01, 0.005, 0.0025, 0.00125), 2: (0.08, 0.04, 0.02, 0.01)}
_MOMENTUM_RATES = (0.02, 0.01, 0.005, 0.0025)
_MOMENTUM = 0.8
_PATHS = {1: 32_768, 2: 65_536}


def experiment(settings: Settings) -> Evidence:
    """SGD on a double well by coupled sampling, SGDM on a quadratic exactly, and a wrong drift that must be refuted."""
    measurements, tables = [], []
    for study, label in _studies(settings):
        measurements += [_measurement(study, name, label) for name in study.orders if name != "loss"]
        tables.append(study.dataset.assign_coords(study=label))
    wrong = _sgd_study(settings, _doubled_correction(modified_equation(sgd(), order=2)))
    measurements.append(_control(wrong))
    tables.append(wrong.dataset.assign_coords(study="SGD, order 2, correction doubled"))
    dataset = xr.concat([_keep(table) for table in tables], "study", join="outer")
    limits = [modified_equation(rule(), order=2) for rule in (sgd, sgdm)]
    return Evidence(
        tuple(measurements),
        dataset,
        equations=tuple(limit._repr_latex_() for limit in limits),
        remarks=(
            f"SGD: double well with state-dependent noise, x₀ = 0.5, t = 0.96, {settings.samples(_PATHS[1])} "
            f"paths at order 1 and {settings.samples(_PATHS[2])} at order 2, on which optimizer and equation "
            f"share one Brownian motion. SGDM: two-dimensional quadratic, closed moments, "
            f"β = {_MOMENTUM}, t = 4. The solver's own bias was measured on the same paths and widens the intervals.",
        ),
    )


def _studies(settings: Settings):
    for order in (1, 2):
        yield _sgd_study(settings, modified_equation(sgd(), order=order)), f"SGD, order {order}"
    for order in (1, 2):
        yield _sgdm_study(modified_equation(sgdm(), order=order)), f"SGDM, order {order}"


def _sgd_study(settings: Settings, limit: Any) -> WeakError:
    return weak_error(
        limit.rule,
        limit,
        double_well(),
        0.5,
        t1=0.96,
        learning_rates=_RATES[limit.order],
        observables={"E x": lambda x: x, "E x²": lambda x: x**2},
        num_paths=settings.samples(_PATHS[limit.order]),
        seed=settings.seed,
        substeps=2,
        progress=settings.progress,
    )


def _sgdm_study(limit: Any) -> WeakError:
    problem = quadratic(np.diag([1.0, 0.5]), noise=np.array([[0.6, 0.2], [0.2, 0.4]]))
    return weak_error(
        limit.rule,
        limit,
        problem,
        np.array([1.0, -1.0]),
        t1=4.0,
        learning_rates=_MOMENTUM_RATES,
        observables={"E x": lambda x: jnp.sum(x), "E x²": lambda x: jnp.sum(x**2)},
        learning_rate_unit=(1 - _MOMENTUM) / (1 + _MOMENTUM),
        momentum=_MOMENTUM,
    )


def _doubled_correction(limit: Any) -> Limit:
    """The order-2 equation with twice its drift correction: a plausible slip, and not the right equation."""
    drift = limit.drift["x"]
    leading = TensorExpression(drift.terms[:1])
    return replace(limit, drift={"x": drift + (drift - leading)})


def _measurement(study: WeakError, name: str, label: str) -> Measurement:
    fit = study.orders[name]
    verdict = judge(fit, study.claimed_order)
    return measured_order(f"{label}: order of the error of {name}", fit, verdict, study.claimed_order)


def _control(study: WeakError) -> Measurement:
    """The wrong equation: the claim needs it to be refuted."""
    outcome = {Verdict.REFUTED: Outcome.SUPPORTED, Verdict.CONFIRMED: Outcome.NOT_SUPPORTED}.get(
        study.verdict, Outcome.UNDECIDED
    )
    fit = study.order
    label = "SGD, order 2 with its drift correction doubled: order of the error"
    return Measurement(label, float(fit.order), tuple(fit.interval), "below 2 (a negative control)", outcome)


def _keep(table: xr.Dataset) -> xr.Dataset:
    """Learning rates differ between studies: number them, and keep them as data; the errors are those at the end."""
    table = table.isel(time=-1, drop=True)
    rates = table["learning_rate"].values
    table = table.drop_vars("learning_rate").rename(learning_rate="level")
    table = table.assign(learning_rate=("level", np.asarray(rates))).assign_coords(level=np.arange(len(rates)))
    table.attrs = {}
    return table


def figure(dataset: xr.Dataset) -> Any:
    """|error| over η for every study, log–log, with reference slopes 1 and 2."""
    import matplotlib.pyplot as plt
    from matplotlib.lines import Line2D

    fig, axes = plt.subplots(1, 2, figsize=(8.4, 3.6), layout="constrained")
    for axis, observable in zip(axes, dataset["observable"].values, strict=True):
        for number, study in enumerate(_names(dataset)):
            part = dataset.sel(study=study, observable=observable)
            rates, errors = part["learning_rate"].values, np.abs(part["error"].values)
            style = "s--" if "doubled" in study else "o-"
            axis.errorbar(rates, errors, part["standard_error"].values, fmt=style, ms=4, lw=1, color=f"C{number}")
        axis.set(xscale="log", yscale="log", xlabel="learning rate η", title=f"|error of {observable}|")
        _reference_slopes(axis, dataset["learning_rate"].values)
    handles = [Line2D([], [], color=f"C{n}", marker="o", ms=4, label=s) for n, s in enumerate(_names(dataset))]
    fig.legend(handles=handles, loc="outside lower center", ncols=3, fontsize="small", frameon=False)
    return fig


def _names(dataset: xr.Dataset) -> list[str]:
    return [str(name) for name in dataset["study"].values]


def _reference_slopes(axis: Any, rates: np.ndarray) -> None:
    """Gray lines of slope 1 and 2 through the upper right corner."""
    low, high = axis.get_ylim()
    grid = np.array([np.nanmin(rates), np.nanmax(rates)])
    for slope in (1, 2):
        line = 1.5 * high * (grid / grid[1]) ** slope
        axis.plot(grid, line, color="0.75", lw=0.8, zorder=0)
        axis.annotate(f"slope {slope}", (grid[1], line[1]), xytext=(-4, -2 - 9 * slope), textcoords="offset points",
                      fontsize="x-small", color="0.5", ha="right")  # fmt: skip
    axis.set_ylim(low, 3 * high)


CLAIM = Claim(
    name="orders",
    title="Optimizers follow their derived equations",
    statement="SGD and SGDM follow the derived Itô equations of order 1 and 2 at those weak orders; with a wrong "
    "drift correction, order 2 is lost.",
    source="Li, Tai, E (2019), Theorem 9; Ghosh et al. (2023), Theorem 4.1",
    experiment=experiment,
    figure=figure,
    theme=EQUATIONS,
)
