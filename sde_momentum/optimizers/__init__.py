"""The catalogue: one optimizer a file, its rule, its regimes and its published sources."""

from collections.abc import Callable

from sde_momentum.symbolic import UpdateRule

from ._adadelta import adadelta as adadelta
from ._adagrad import adagrad as adagrad
from ._adam import adam as adam
from ._gd import gd as gd
from ._heavy_ball import heavy_ball as heavy_ball
from ._momentum_regimes import momentum_regime as momentum_regime
from ._nesterov import nesterov as nesterov
from ._normalized_gd import normalized_gd as normalized_gd
from ._qhm import qhm as qhm
from ._rmsprop import rmsprop as rmsprop
from ._sgd import sgd as sgd
from ._sgdm import sgdm as sgdm
from ._sign_gd import sign_gd as sign_gd
from ._svag import svag as svag
from ._weight_decay import weight_decay as weight_decay

CATALOGUE: dict[str, Callable[[], UpdateRule]] = {
    "gd": gd,
    "sgd": sgd,
    "sgdm": sgdm,
    "heavy_ball": heavy_ball,
    "nesterov": nesterov,
    "qhm": qhm,
    "normalized_gd": normalized_gd,
    "sign_gd": sign_gd,
    "adagrad": adagrad,
    "rmsprop": rmsprop,
    "adadelta": adadelta,
    "adam": adam,
}

__all__ = [
    "CATALOGUE",
    "adadelta",
    "adagrad",
    "adam",
    "gd",
    "heavy_ball",
    "nesterov",
    "normalized_gd",
    "qhm",
    "rmsprop",
    "sgd",
    "sgdm",
    "sign_gd",
    "momentum_regime",
    "svag",
    "weight_decay",
]
