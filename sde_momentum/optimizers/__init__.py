"""The catalogue: one optimizer a file, its rule, its regimes and its published sources."""

from collections.abc import Callable

from sde_momentum.symbolic import UpdateRule

from ._heavy_ball import heavy_ball as heavy_ball
from ._sgd import sgd as sgd
from ._sgdm import sgdm as sgdm

CATALOGUE: dict[str, Callable[[], UpdateRule]] = {"sgd": sgd, "sgdm": sgdm, "heavy_ball": heavy_ball}

__all__ = ["CATALOGUE", "heavy_ball", "sgd", "sgdm"]
