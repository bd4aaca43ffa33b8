"""Every limit of the catalogue in numbers: its order measured, and every coefficient of it put to the test."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import xarray as xr

from sde_momentum.compare.catalogue._controls import Perturbation, perturbations
from sde_momentum.compare.catalogue._question import Measured, Question
from sde_momentum.compare.catalogue._settings import ROUTES, Setting, settings
from sde_momentum.compare.orders._order_fit import OrderFit, fit_order
from sde_momentum.compare.orders._verdict import Verdict, judge_observables
from sde_momentum.symbolic import Limit, modified_equation


@dataclass(frozen=True, eq=False)
class CatalogueRow:
    """One rule under one regime at one order.

    Attributes:
        rule: name.
        regime: name.
        order: order of the limit, in powers of the regime's small parameter.
        route: how the errors were found.
        claimed_order: the power of the learning rate that the limit promises.
        fits: observable → `OrderFit`.
        controls: perturbed coefficient → the verdict on the same claim; only those that the order can see.
        exists: whether the derivation gave an equation; without one there is nothing to measure.
    """

    rule: str
    regime: str
    order: int
    route: str
    claimed_order: float
    fits: dict[str, OrderFit]
    controls: dict[Perturbation, Verdict]
    exists: bool = True

    @property
    def measured(self) -> OrderFit:
        """The fit of the observable that converges slowest."""
        answered = [fit for fit in self.fits.values() if fit.obstacle is None]
        return min(answered or list(self.fits.values()), key=lambda fit: fit.order)

    @property
    def verdict(self) -> Verdict:
        """What all observables together say of the claim: the worst counts, as for a `WeakError`."""
        return judge_observables(self.fits.values(), self.claimed_order)

    @property
    def attained(self) -> bool:
        """Whether the measured order is the claimed one; a claim is a bound, and an order above it keeps it too."""
        return bool(abs(self.measured.order - self.claimed_order) < 0.05 * max(self.claimed_order, 1.0))

    @property
    def rejected(self) -> int:
        """How many perturbed coefficients were refuted."""
        return sum(verdict is Verdict.REFUTED for verdict in self.controls.values())

    @property
    def passed(self) -> bool:
        """Confirmed, and every perturbed coefficient refuted; or no such equation."""
        return not self.exists or (self.verdict is Verdict.CONFIRMED and self.rejected == len(self.controls))

    def __str__(self) -> str:
        head = f"{self.rule:<14}{self.regime:<36}{self.order:<3}{self.route:<19}"
        if not self.exists:
            return f"{head}no diffusion of this order exists"
        fit = self.measured
        number = f"{fit.order:.3f} [{fit.interval[0]:.3f}, {fit.interval[1]:.3f}]" if np.isfinite(fit.order) else "–"
        return f"{head}{self.claimed_order:<6g}{number:<24}{self.verdict!s:<20}{self.rejected} of {len(self.controls)}"


@dataclass(frozen=True, eq=False)
class CatalogueStudy:
    """The table of the catalogue.

    Attributes:
        rows: one a rule, regime and order.
    """

    rows: tuple[CatalogueRow, ...]

    @property
    def failures(self) -> tuple[CatalogueRow, ...]:
        """Rows whose claim is not confirmed, or that let a wrong coefficient pass."""
        return tuple(row for row in self.rows if not row.passed)

    def __str__(self) -> str:
        head = (
            f"{'rule':<14}{'regime':<34}{'p':<3}{'route':<19}{'claim':<6}{'measured':<24}{'verdict':<20}wrong refuted"
        )
        return "\n".join([head, *map(str, self.rows)])

    def to_dataset(self) -> xr.Dataset:
        """The table over `row`: claimed and measured orders, intervals, verdicts and counts of controls."""
        measured = [row.measured if row.exists else None for row in self.rows]
        number = lambda get: [np.nan if fit is None else float(get(fit)) for fit in measured]
        columns: dict[str, Sequence[Any]] = {
            "rule": [row.rule for row in self.rows],
            "regime": [row.regime for row in self.rows],
            "order": [row.order for row in self.rows],
            "route": [row.route for row in self.rows],
            "claimed_order": [row.claimed_order for row in self.rows],
            "measured_order": number(lambda fit: fit.order),
            "low": number(lambda fit: fit.interval[0]),
            "high": number(lambda fit: fit.interval[1]),
            "verdict": [str(row.verdict) if row.exists else "no such equation" for row in self.rows],
            "controls": [len(row.controls) for row in self.rows],
            "rejected": [row.rejected for row in self.rows],
        }
        return xr.Dataset({name: ("row", values) for name, values in columns.items()})

    def plot(self, axes: Any = None) -> Any:
        """Draw measured orders with their intervals beside the claimed ones, one row a line.

        Args:
            axes: matplotlib axes; new ones when omitted.

        Returns:
            The axes.

        Raises:
            ImportError: matplotlib is not installed; it comes with the extra `claims`.
        """
        import matplotlib.pyplot as plt

        rows = [row for row in self.rows if row.exists]
        if axes is None:
            axes = plt.subplots(figsize=(6.4, 0.6 + 0.22 * len(rows)), layout="constrained")[1]
        for place, row in enumerate(rows):
            fit = row.measured
            spread = [[fit.order - fit.interval[0]], [fit.interval[1] - fit.order]]
            axes.errorbar(fit.order, place, xerr=np.abs(spread), fmt="o", ms=4, color="C0" if row.passed else "C3")
            axes.plot(row.claimed_order, place, "|", color="0.3", ms=12)
        axes.set_yticks(
            range(len(rows)), [f"{row.rule}, {row.regime}, {row.order}" for row in rows], fontsize="x-small"
        )
        axes.set(xlabel="order in the learning rate (bar: claimed)")
        axes.invert_yaxis()
        return axes


def catalogue_study(
    rules: Sequence[str] | None = None,
    *,
    orders: Sequence[int] = (1, 2),
    routes: Sequence[str] = tuple(ROUTES),
    max_cost: float = np.inf,
    controls: bool = True,
    scale: float = 2.0,
) -> CatalogueStudy:
    r"""Check the limits of the catalogue in numbers, without sampling.

    Each rule runs under each of its regimes on a problem for which the expectations of rule and limit can be computed:
    by closed moments (two parameters, noise affine in them), by transition operators (one parameter with the averages
    of the rule, a quartic loss and noise that depends on the place), on the lattice of sign descent, or as ordinary
    equations where there is no noise. The order is fitted over four to six learning rates, and the worst observable
    counts, as in `weak_error`. Then every coefficient of the limit whose change the order can see is multiplied by
    `scale`, one after the other, and the same fit must refute the limit.

    Args:
        rules: names in the catalogue; all by default.
        orders: of the limits.
        routes: `"ordinary equation"`, `"moments"`, `"lattice"`, `"operators"`.
        max_cost: leave out settings that take longer, in rough seconds of a processor for each order. All of them
            together take some minutes.
        controls: whether coefficients are put to the test.
        scale: what a coefficient is multiplied by.

    Returns:
        A `CatalogueStudy`; print it for the table, see `failures` for what did not pass.

    Raises:
        ValueError: an unknown rule or route.

    Example:
        >>> study = catalogue_study(["gd"], orders=(2,))
        >>> study.rows[0].verdict, round(study.rows[0].measured.order, 3), study.failures
        (<Verdict.CONFIRMED: 'confirmed'>, 2.0, ())
    """
    with jax.enable_x64(True):
        every = list(settings())
        known = {setting.rule.name for setting in every}
        for given, allowed, what in ((rules or (), known, "rules"), (routes, set(ROUTES), "routes")):
            if not set(given) <= allowed:
                raise ValueError(f"{what} must be among {', '.join(sorted(allowed))}, got {', '.join(given)}")
        chosen = [
            setting
            for setting in every
            if (rules is None or setting.rule.name in rules) and setting.route in routes and setting.cost <= max_cost
        ]
        rows = (catalogue_row(one, order, controls=controls, scale=scale) for one in chosen for order in orders)
        return CatalogueStudy(tuple(rows))


def catalogue_row(setting: Setting, order: int, *, controls: bool = True, scale: float = 2.0) -> CatalogueRow:
    """One row of the table; 64-bit JAX must be on.

    Args:
        setting: rule, regime, problem and route.
        order: of the limit.
        controls: whether coefficients are put to the test.
        scale: what a coefficient is multiplied by.

    Raises:
        ValueError: the route does not serve the setting.
    """
    limit = modified_equation(setting.rule, setting.regime, order=order)
    names = (setting.rule.name, setting.regime.name, order, setting.route)
    claimed = order * float(setting.regime.grade)
    if not isinstance(limit, Limit):
        return CatalogueRow(*names, claimed, {}, {}, exists=False)
    question = setting.question(limit)
    wrong = [p for p in _perturbed(question, scale) if p.power < claimed] if controls else []
    measured = ROUTES[setting.route](question, (None, *wrong))
    if measured is None:
        raise ValueError(f"the moments of {names[0]} ({names[1]}) are not closed on the problem of the study")
    own, *others = (_fits(question, one) for one in measured)
    found = {change: judge_observables(fits.values(), claimed) for change, fits in zip(wrong, others, strict=True)}
    return CatalogueRow(*names, claimed, own, found)


def _perturbed(question: Question, scale: float) -> tuple[Perturbation, ...]:
    """The coefficients of the equation as it is integrated, without terms that the problem's noise does not have."""
    return perturbations(question.sde(question.learning_rates[0]).limit, scale)


def _fits(question: Question, measured: Measured) -> dict[str, OrderFit]:
    return {
        name: fit_order(
            question.learning_rates,
            measured.errors[:, column],
            measured.deviations[:, column],
            remainder_exponent=float(question.limit.regime.grade),
            learning_rate_unit=question.learning_rate_unit,
            claimed_order=question.claimed_order,
        )
        for column, name in enumerate(question.observables)
    }
