"""The judge between discrete iterates and continuous limits: exact laws, order fits, verdicts."""

from sde_momentum.compare.catalogue._ballistic_study import ballistic_study as ballistic_study
from sde_momentum.compare.catalogue._row import CatalogueRow as CatalogueRow
from sde_momentum.compare.catalogue._study import CatalogueStudy as CatalogueStudy
from sde_momentum.compare.catalogue._study import catalogue_study as catalogue_study
from sde_momentum.compare.coupling._comonotone import comonotone as comonotone
from sde_momentum.compare.coupling._levels import CoupledLevels as CoupledLevels
from sde_momentum.compare.coupling._paired import CoupledLimit as CoupledLimit
from sde_momentum.compare.coupling._paired import PairedChains as PairedChains
from sde_momentum.compare.errors._mean_paths import MeanPaths as MeanPaths
from sde_momentum.compare.errors._mean_paths import mean_paths as mean_paths
from sde_momentum.compare.errors._strong_error import StrongError as StrongError
from sde_momentum.compare.errors._strong_error import strong_error as strong_error
from sde_momentum.compare.errors._telescope import Telescope as Telescope
from sde_momentum.compare.errors._telescope import telescope as telescope
from sde_momentum.compare.errors._weak_error import weak_error as weak_error
from sde_momentum.compare.exact._affine import Moments as Moments
from sde_momentum.compare.exact._affine_chain import AffineChain as AffineChain
from sde_momentum.compare.exact._affine_chain import schedule_moments as schedule_moments
from sde_momentum.compare.exact._affine_sde import AffineSDE as AffineSDE
from sde_momentum.compare.exact._linearize import affine_chain as affine_chain
from sde_momentum.compare.exact._linearize import affine_sde as affine_sde
from sde_momentum.compare.laws._compare_laws import LawComparison as LawComparison
from sde_momentum.compare.laws._compare_laws import compare_laws as compare_laws
from sde_momentum.compare.laws._distances import sliced_wasserstein as sliced_wasserstein
from sde_momentum.compare.laws._distances import wasserstein_1d as wasserstein_1d
from sde_momentum.compare.laws._exact_identities import IdentityResidual as IdentityResidual
from sde_momentum.compare.laws._exact_identities import fluctuation_dissipation as fluctuation_dissipation
from sde_momentum.compare.laws._sample_law import sample_law as sample_law
from sde_momentum.compare.laws._stationarity import conserved_combination as conserved_combination
from sde_momentum.compare.laws._stationarity import stationary_residual as stationary_residual
from sde_momentum.compare.laws._two_sample import TwoSampleTest as TwoSampleTest
from sde_momentum.compare.laws._two_sample import energy_distance as energy_distance
from sde_momentum.compare.laws._two_sample import kolmogorov_smirnov as kolmogorov_smirnov
from sde_momentum.compare.laws._two_sample import mmd as mmd
from sde_momentum.compare.long_horizon._slow_study import SlowWeakError as SlowWeakError
from sde_momentum.compare.long_horizon._slow_weak_error import slow_weak_error as slow_weak_error
from sde_momentum.compare.long_horizon._time_scales import TimeScales as TimeScales
from sde_momentum.compare.long_horizon._time_scales import time_scales as time_scales
from sde_momentum.compare.momentum._index import MomentumIndexStudy as MomentumIndexStudy
from sde_momentum.compare.momentum._index import momentum_index_study as momentum_index_study
from sde_momentum.compare.momentum._pair import ScheduledChain as ScheduledChain
from sde_momentum.compare.momentum._schedule import averaged_learning_rates as averaged_learning_rates
from sde_momentum.compare.orders._equivalence import Comparison as Comparison
from sde_momentum.compare.orders._equivalence import Outcome as Outcome
from sde_momentum.compare.orders._equivalence import compare_to_bound as compare_to_bound
from sde_momentum.compare.orders._equivalence import equivalence as equivalence
from sde_momentum.compare.orders._order_fit import OrderFit as OrderFit
from sde_momentum.compare.orders._order_fit import fit_order as fit_order
from sde_momentum.compare.orders._plan import SamplePlan as SamplePlan
from sde_momentum.compare.orders._plan import plan_samples as plan_samples
from sde_momentum.compare.orders._remainder import RemainderPrior as RemainderPrior
from sde_momentum.compare.orders._study import WeakError as WeakError
from sde_momentum.compare.orders._verdict import SAME_ORDER as SAME_ORDER
from sde_momentum.compare.orders._verdict import Verdict as Verdict
from sde_momentum.compare.orders._verdict import judge as judge
from sde_momentum.compare.question._observables import default_observables as default_observables
from sde_momentum.compare.question._observables import trace_of_hessian as trace_of_hessian
from sde_momentum.compare.transition._expectations import Expectation as Expectation
from sde_momentum.compare.transition._expectations import chain_expectation as chain_expectation
from sde_momentum.compare.transition._expectations import sde_expectation as sde_expectation
from sde_momentum.compare.transition._noise import NoiseLaw as NoiseLaw
from sde_momentum.compare.transition._study import TransitionStudy as TransitionStudy
from sde_momentum.compare.transition._study import transition_weak_error as transition_weak_error

__all__ = [
    "weak_error",
    "WeakError",
    "slow_weak_error",
    "SlowWeakError",
    "time_scales",
    "TimeScales",
    "mean_paths",
    "MeanPaths",
    "default_observables",
    "trace_of_hessian",
    "strong_error",
    "StrongError",
    "telescope",
    "Telescope",
    "catalogue_study",
    "ballistic_study",
    "CatalogueStudy",
    "CatalogueRow",
    "momentum_index_study",
    "MomentumIndexStudy",
    "averaged_learning_rates",
    "ScheduledChain",
    "CoupledLimit",
    "comonotone",
    "CoupledLevels",
    "PairedChains",
    "affine_chain",
    "affine_sde",
    "fit_order",
    "OrderFit",
    "RemainderPrior",
    "judge",
    "Verdict",
    "SAME_ORDER",
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
    "transition_weak_error",
    "TransitionStudy",
    "chain_expectation",
    "sde_expectation",
    "Expectation",
    "NoiseLaw",
    "compare_laws",
    "LawComparison",
    "sample_law",
    "wasserstein_1d",
    "sliced_wasserstein",
    "energy_distance",
    "mmd",
    "kolmogorov_smirnov",
    "TwoSampleTest",
    "stationary_residual",
    "conserved_combination",
    "fluctuation_dissipation",
    "IdentityResidual",
]
