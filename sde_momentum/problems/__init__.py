"""Losses together with the law of their gradient noise."""

from sde_momentum.problems._base import AbstractProblem as AbstractProblem
from sde_momentum.problems._breast_cancer import BreastCancer as BreastCancer
from sde_momentum.problems._breast_cancer import breast_cancer as breast_cancer
from sde_momentum.problems._combined_draws import CombinedDraws as CombinedDraws
from sde_momentum.problems._combined_draws import PairDraw as PairDraw
from sde_momentum.problems._digits import DigitsMLP as DigitsMLP
from sde_momentum.problems._digits import digits_mlp as digits_mlp
from sde_momentum.problems._double_well import double_well as double_well
from sde_momentum.problems._draw import AbstractDraw as AbstractDraw
from sde_momentum.problems._draw import AbstractStandardDraw as AbstractStandardDraw
from sde_momentum.problems._draw import NormalDraw as NormalDraw
from sde_momentum.problems._draw import SignDraw as SignDraw
from sde_momentum.problems._draw_index import AbstractIndexDraw as AbstractIndexDraw
from sde_momentum.problems._draw_index import IndexDraw as IndexDraw
from sde_momentum.problems._draw_label import LabelDraw as LabelDraw
from sde_momentum.problems._draw_shapes import SkewedDraw as SkewedDraw
from sde_momentum.problems._draw_shapes import StudentDraw as StudentDraw
from sde_momentum.problems._draw_subset import EpochDraw as EpochDraw
from sde_momentum.problems._draw_subset import SubsetDraw as SubsetDraw
from sde_momentum.problems._factor_noise import FactorNoise as FactorNoise
from sde_momentum.problems._general import General as General
from sde_momentum.problems._general import general as general
from sde_momentum.problems._label_noise import LabelNoise as LabelNoise
from sde_momentum.problems._label_noise import label_noise as label_noise
from sde_momentum.problems._label_noise_base import AbstractLabelNoise as AbstractLabelNoise
from sde_momentum.problems._least_squares import LeastSquares as LeastSquares
from sde_momentum.problems._least_squares import least_squares as least_squares
from sde_momentum.problems._minibatch import Minibatch as Minibatch
from sde_momentum.problems._minibatch import minibatch as minibatch
from sde_momentum.problems._minibatch_base import AbstractMinibatch as AbstractMinibatch
from sde_momentum.problems._parabola import LabelNoiseParabola as LabelNoiseParabola
from sde_momentum.problems._parabola import label_noise_parabola as label_noise_parabola
from sde_momentum.problems._quadratic import Quadratic as Quadratic
from sde_momentum.problems._quadratic import linear as linear
from sde_momentum.problems._quadratic import quadratic as quadratic
from sde_momentum.problems._svag import Svag as Svag
from sde_momentum.problems._svag import svag as svag
from sde_momentum.problems._wrapped import AbstractWrapped as AbstractWrapped

__all__ = [
    "AbstractProblem",
    "AbstractDraw",
    "AbstractStandardDraw",
    "NormalDraw",
    "SignDraw",
    "SkewedDraw",
    "StudentDraw",
    "AbstractIndexDraw",
    "IndexDraw",
    "SubsetDraw",
    "EpochDraw",
    "LabelDraw",
    "CombinedDraws",
    "PairDraw",
    "AbstractWrapped",
    "FactorNoise",
    "Svag",
    "svag",
    "General",
    "general",
    "Quadratic",
    "quadratic",
    "linear",
    "double_well",
    "AbstractMinibatch",
    "Minibatch",
    "minibatch",
    "LeastSquares",
    "least_squares",
    "BreastCancer",
    "breast_cancer",
    "DigitsMLP",
    "digits_mlp",
    "AbstractLabelNoise",
    "LabelNoise",
    "label_noise",
    "LabelNoiseParabola",
    "label_noise_parabola",
]
