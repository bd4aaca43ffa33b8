"""Losses together with the law of their gradient noise."""

from sde_momentum.problems._base import AbstractProblem as AbstractProblem
from sde_momentum.problems._double_well import double_well as double_well
from sde_momentum.problems._draw import AbstractDraw as AbstractDraw
from sde_momentum.problems._draw import AbstractStandardDraw as AbstractStandardDraw
from sde_momentum.problems._draw import NormalDraw as NormalDraw
from sde_momentum.problems._draw import SignDraw as SignDraw
from sde_momentum.problems._draw_index import IndexDraw as IndexDraw
from sde_momentum.problems._factor_noise import FactorNoise as FactorNoise
from sde_momentum.problems._general import General as General
from sde_momentum.problems._general import general as general
from sde_momentum.problems._quadratic import Quadratic as Quadratic
from sde_momentum.problems._quadratic import linear as linear
from sde_momentum.problems._quadratic import quadratic as quadratic

__all__ = [
    "AbstractProblem",
    "AbstractDraw",
    "AbstractStandardDraw",
    "NormalDraw",
    "SignDraw",
    "IndexDraw",
    "FactorNoise",
    "General",
    "general",
    "Quadratic",
    "quadratic",
    "linear",
    "double_well",
]
