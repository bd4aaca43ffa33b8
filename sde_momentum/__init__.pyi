from . import claims as claims
from . import compare as compare
from . import dynamics as dynamics
from . import ensembles as ensembles
from . import manifold as manifold
from . import optimizers as optimizers
from . import problems as problems
from . import solvers as solvers
from . import symbolic as symbolic

__version__: str
