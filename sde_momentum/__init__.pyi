from . import claims as claims
from . import compare as compare
from . import dynamics as dynamics
from . import ensembles as ensembles
from . import manifold as manifold
from . import optimizers as optimizers
from . import problems as problems
from . import solvers as solvers
from . import symbolic as symbolic
from .compare import OrderFit as OrderFit
from .compare import Verdict as Verdict
from .compare import WeakError as WeakError
from .compare import fit_order as fit_order
from .compare import weak_error as weak_error
from .dynamics import SDE as SDE
from .dynamics import Chain as Chain
from .dynamics import chain as chain
from .dynamics import sde as sde
from .ensembles import simulate as simulate
from .manifold import slow_sde as slow_sde
from .symbolic import Limit as Limit
from .symbolic import NoDiffusion as NoDiffusion
from .symbolic import Regime as Regime
from .symbolic import UpdateRule as UpdateRule
from .symbolic import modified_equation as modified_equation
from .symbolic import update_rule as update_rule

__version__: str
