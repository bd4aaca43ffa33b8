"""One limit of the catalogue in numbers: its order measured, and every coefficient of it put to the test."""

from dataclasses import dataclass

import numpy as np

from sde_momentum.compare.catalogue._controls import Perturbation, perturbations
from sde_momentum.compare.catalogue._settings import ROUTES, Setting
from sde_momentum.compare.orders._labelled import measured_orders
from sde_momentum.compare.orders._make_study import make_study
from sde_momentum.compare.orders._order_fit import OrderFit
from sde_momentum.compare.orders._study import WeakError
from sde_momentum.compare.orders._verdict import Verdict, judge_observables
from sde_momentum.symbolic import Limit, modified_equation

_CONFIDENCE = 0.95


@dataclass(frozen=True, eq=False)
class CatalogueRow:
    """One rule under one regime at one order.

    Attributes:
        rule: name.
        regime: name.
        order: order of the limit, in powers of the regime's small parameter.
        route: how the errors were found.
        claimed_order: the power of the learning rate that the limit promises.
        study: the `WeakError` of the limit; None where the derivation gave no equation, so that there is none.
        controls: perturbed coefficient → the verdict on the same claim; only those that the order can see.
    """

    rule: str
    regime: str
    order: int
    route: str
    claimed_order: float
    study: WeakError | None
    controls: dict[Perturbation, Verdict]

    @property
    def exists(self) -> bool:
        """Whether the derivation gave an equation; without one there is nothing to measure."""
        return self.study is not None

    @property
    def fits(self) -> dict[str, OrderFit]:
        """Observable → `OrderFit`."""
        return {} if self.study is None else self.study.orders

    @property
    def measured(self) -> OrderFit | None:
        """The fit of the observable that converges slowest."""
        return None if self.study is None else self.study.order

    @property
    def verdict(self) -> Verdict | None:
        """What all observables together say of the claim, as for any `WeakError`."""
        return None if self.study is None else self.study.verdict

    @property
    def attained(self) -> bool:
        """Whether the measured order is the claimed one; a claim is a bound, and an order above it keeps it too."""
        if self.measured is None:
            return False
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
        fit = self.measured
        if fit is None:
            return f"{head}no diffusion of this order exists"
        number = f"{fit.order:.3f} [{fit.interval[0]:.3f}, {fit.interval[1]:.3f}]" if np.isfinite(fit.order) else "–"
        return f"{head}{self.claimed_order:<6g}{number:<24}{self.verdict!s:<20}{self.rejected} of {len(self.controls)}"


def catalogue_row(setting: Setting, order: int, *, controls: bool = True, scale: float = 2.0) -> CatalogueRow:
    """Measure one row of the table; 64-bit JAX must be on.

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
        return CatalogueRow(*names, claimed, None, {})
    question, rates = setting.question(limit), np.array(setting.learning_rates)
    # The equation as it is integrated, without terms that the problem's noise does not have.
    terms = perturbations(question.sde(rates[0]).limit, scale) if controls else ()
    wrong = [term for term in terms if term.power < claimed]
    questions = [question, *(question.with_change(change.apply) for change in wrong)]
    own, *others = ROUTES[setting.route](questions, rates)
    options = {"confidence": _CONFIDENCE, "unit": setting.unit}
    fits = [measured_orders(asked, rates, found, **options) for asked, found in zip(questions[1:], others, strict=True)]
    verdicts = [judge_observables(one.values(), claimed) for one in fits]
    study = make_study(question, rates, own, **options)
    return CatalogueRow(*names, claimed, study, dict(zip(wrong, verdicts, strict=True)))
