"""Every limit of the catalogue in numbers: the table."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import xarray as xr

from sde_momentum.compare.catalogue._row import CatalogueRow, catalogue_row
from sde_momentum.compare.catalogue._settings import ROUTES, Setting, settings
from sde_momentum.compare.question._arguments import real_number, whole_number

# With noise hardly any rule has a diffusion of order 3, and derivations of higher orders take very long.
_LARGEST_ORDER = 3


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
            axes = plt.subplots(figsize=(7.5, 0.8 + 0.25 * len(rows)), layout="constrained")[1]
        for place, (row, fit) in enumerate(rows):
            spread = [[fit.order - fit.interval[0]], [fit.interval[1] - fit.order]]
            axes.errorbar(fit.order, place, xerr=np.abs(spread), fmt="o", ms=4, color="C0" if row.passed else "C3")
            axes.plot(row.claimed_order, place, "|", color="0.3", ms=12)
        names = [f"{row.rule}, {row.regime}, order {row.order}, {row.route}" for row, _ in rows]
        axes.set_yticks(range(len(rows)), names)
        axes.tick_params(labelsize="small")
        # From the top down, with room for the whole mark of the first and the last row.
        axes.set(xlabel="order in the learning rate (bar: claimed)", ylim=(len(rows) - 0.3, -0.7))
        return axes


def catalogue_study(
    rules: str | Sequence[str] | None = None,
    *,
    orders: int | Sequence[int] = (1, 2),
    routes: str | Sequence[str] = tuple(ROUTES),
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
        rules: names in the catalogue, or one; all by default.
        orders: of the limits, or one: 1 and 2, and 3, which few rules have.
        routes: `"ordinary equation"`, `"moments"`, `"lattice"`, `"operators"`, or one of them.
        max_cost: leave out settings that take longer, in rough seconds of a processor for each order. All of them
            together take some minutes.
        controls: whether coefficients are put to the test.
        scale: what a coefficient is multiplied by; not 1.

    Returns:
        A `CatalogueStudy`; print it for the table, see `failures` for what did not pass.

    Raises:
        TypeError: an argument is of the wrong kind.
        ValueError: an unknown rule, route or order, none at all, no setting for them that is cheap enough, or a scale
            that changes nothing.

    Example:
        >>> study = catalogue_study(["gd"], orders=(2,))
        >>> study.rows[0].verdict, round(study.rows[0].measured.order, 3), study.failures
        (<Verdict.CONFIRMED: 'confirmed'>, 2.0, ())
    """
    if not np.isfinite(real_number(scale, "scale")) or scale == 1:
        raise ValueError(f"`scale` must be finite and not 1, which would change nothing, got {scale!r}.")
    real_number(max_cost, "max_cost")
    orders = _checked_orders(orders)
    with jax.enable_x64(True):
        every = list(settings())
        known = {setting.rule.name for setting in every}
        names = known if rules is None else _checked_names(rules, known, "rules")
        ways = _checked_names(routes, ROUTES, "routes")
        found = [setting for setting in every if setting.rule.name in names and setting.route in ways]
        chosen = [setting for setting in found if setting.cost <= max_cost]
        if not chosen:
            raise ValueError(_nothing(found, names, ways, max_cost))
        rows = (catalogue_row(one, order, controls=controls, scale=scale) for one in chosen for order in orders)
        return CatalogueStudy(tuple(rows))


def _checked_names(given: str | Sequence[str], known: Iterable[str], what: str) -> tuple[str, ...]:
    """Names among the known ones; one name is a list of one."""
    names = (given,) if isinstance(given, str) or not isinstance(given, Iterable) else tuple(given)
    if not all(isinstance(name, str) for name in names):
        raise TypeError(f"`{what}` must be names, such as {min(known)!r}, got {given!r}.")
    if not names or not set(names) <= set(known):
        raise ValueError(f"{what} must be among {', '.join(sorted(known))}, got {', '.join(names) or 'none'}")
    return names


def _checked_orders(given: int | Sequence[int]) -> tuple[int, ...]:
    """Orders of limits; one order is a list of one."""
    orders = tuple(whole_number(order, "orders") for order in (given if isinstance(given, Iterable) else (given,)))
    if not orders or max(orders) > _LARGEST_ORDER:
        raise ValueError(f"`orders` must be among 1, 2 and {_LARGEST_ORDER}, got {given!r}.")
    return orders


def _nothing(found: Sequence[Setting], names: Iterable[str], ways: Iterable[str], max_cost: float) -> str:
    """Why there is no row."""
    asked = f"{', '.join(sorted(names))} by {', '.join(sorted(ways))}"
    if not found:
        return f"no regime of {asked} is in the table: leave `routes` out."
    cheapest = min(setting.cost for setting in found)
    return f"no setting of {asked} costs at most `max_cost` = {max_cost:g} seconds; the cheapest takes {cheapest:g}."
