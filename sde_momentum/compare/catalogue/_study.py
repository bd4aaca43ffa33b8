"""Every limit of the catalogue in numbers: the table."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import xarray as xr

from sde_momentum.compare.catalogue._row import CatalogueRow, catalogue_row
from sde_momentum.compare.catalogue._settings import ROUTES, settings


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
            f"{'rule':<14}{'regime':<36}{'p':<3}{'route':<19}{'claim':<6}{'measured':<24}{'verdict':<20}wrong refuted"
        )
        return "\n".join([head, *map(str, self.rows)])

    @property
    def dataset(self) -> xr.Dataset:
        """The table over `row`: claimed and measured orders, intervals, verdicts and counts of controls."""
        measured = [row.measured for row in self.rows]
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

        rows = [(row, row.measured) for row in self.rows if row.measured is not None]
        if axes is None:
            axes = plt.subplots(figsize=(6.4, 0.6 + 0.22 * len(rows)), layout="constrained")[1]
        for place, (row, fit) in enumerate(rows):
            spread = [[fit.order - fit.interval[0]], [fit.interval[1] - fit.order]]
            axes.errorbar(fit.order, place, xerr=np.abs(spread), fmt="o", ms=4, color="C0" if row.passed else "C3")
            axes.plot(row.claimed_order, place, "|", color="0.3", ms=12)
        names = [f"{row.rule}, {row.regime}, {row.order}" for row, _ in rows]
        axes.set_yticks(range(len(rows)), names, fontsize="x-small")
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
