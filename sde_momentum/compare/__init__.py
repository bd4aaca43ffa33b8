"""The judge between discrete iterates and continuous limits: exact laws, order fits, verdicts."""

from sde_momentum.compare._affine import Moments as Moments
from sde_momentum.compare._affine_chain import AffineChain as AffineChain
from sde_momentum.compare._affine_chain import schedule_moments as schedule_moments
from sde_momentum.compare._affine_sde import AffineSDE as AffineSDE
from sde_momentum.compare._equivalence import Comparison as Comparison
from sde_momentum.compare._equivalence import Outcome as Outcome
from sde_momentum.compare._equivalence import compare_to_bound as compare_to_bound
from sde_momentum.compare._equivalence import equivalence as equivalence
from sde_momentum.compare._order_fit import OrderFit as OrderFit
from sde_momentum.compare._order_fit import fit_order as fit_order
from sde_momentum.compare._plan import SamplePlan as SamplePlan
from sde_momentum.compare._plan import plan_samples as plan_samples
from sde_momentum.compare._remainder import RemainderPrior as RemainderPrior
from sde_momentum.compare._verdict import Verdict as Verdict
from sde_momentum.compare._verdict import judge as judge

__all__ = [
    "fit_order",
    "OrderFit",
    "RemainderPrior",
    "judge",
    "Verdict",
    "equivalence",
    "compare_to_bound",
    "Comparison",
    "Outcome",
    "plan_samples",
    "SamplePlan",
    "AffineChain",
    "AffineSDE",
    "schedule_moments",
    "Moments",
]
