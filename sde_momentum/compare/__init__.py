"""The judge between discrete iterates and continuous limits: exact laws, order fits, verdicts."""

from sde_momentum.compare._order_fit import OrderFit as OrderFit
from sde_momentum.compare._order_fit import fit_order as fit_order
from sde_momentum.compare._remainder import RemainderPrior as RemainderPrior
from sde_momentum.compare._verdict import Verdict as Verdict
from sde_momentum.compare._verdict import judge as judge

__all__ = ["fit_order", "OrderFit", "RemainderPrior", "judge", "Verdict"]
