r"""Averages over Gaussian noise with independent components, for updates such as sign(g).

The random factors of a product are functions of the components of g. Components being independent, a joint cumulant
of several factors is zero unless all sit at one index: there it is the cumulant of functions of one Gaussian variable,
again a function of $\partial_i L$ and $\Sigma_{ii}$. The average of a product is the sum over partitions into blocks.
"""

from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from math import factorial

import sympy as sp

from sde_momentum.symbolic.graphs._field_functions import (
    LOSS_SLOPE,
    NOISE_VARIANCE,
    componentwise_nodes,
    function_terms,
)
from sde_momentum.symbolic.graphs._graph import Graph, Label, Node, relabel
from sde_momentum.symbolic.noise._cumulants import set_partitions
from sde_momentum.symbolic.noise._gaussian_average import NoAverage, gaussian_average
from sde_momentum.symbolic.symbols._symbols import GRADIENT
from sde_momentum.symbolic.symbols._transcendental import with_generators

_T = sp.Symbol("t", positive=True)
Average = tuple[Fraction, sp.Expr, Graph, Graph]


class RandomName(str):
    """The field name of a function of g, still to be averaged."""

    __slots__ = ("expression",)
    expression: sp.Expr

    def __new__(cls, expression: sp.Expr):
        """Name an expression."""
        name = str.__new__(cls, f"random[{expression}]")
        name.expression = expression
        return name


class ComponentLaw:
    """Noise with independent Gaussian components: ĝ_i = η^a ∂_iL + ξ̂_i, where ξ̂_i has the variance σ₀² Σ_ii.

    Args:
        exponent: a, by which the gradient is smaller than the noise.
        variance: σ₀².
        cutoff: exponent of η at and above which nothing is kept.
    """

    def __init__(self, exponent: Fraction, variance: sp.Expr, cutoff: Fraction):
        self.exponent, self.variance, self.cutoff = exponent, variance, cutoff
        self._cumulants = lru_cache(maxsize=None)(self._expanded_cumulant)
        self._means: dict[sp.Expr, sp.Expr] = {}

    def nodes(self, function: sp.Expr, power: int, label: Label) -> Graph:
        """The random factor φ(ĝ) ĝ^power at an index, as one node."""
        return (Node(RandomName(function * GRADIENT**power), ((label,),)),)

    def averages(self, nodes: Graph, cutoff: Fraction) -> Iterator[Average]:
        """Yield exponent, coefficient, the other nodes and the functions that the average puts beside them."""
        random = tuple(position for position, node in enumerate(nodes) if isinstance(node.field, RandomName))
        rest = tuple(node for position, node in enumerate(nodes) if position not in random)
        for partition in set_partitions(random, smallest=1):
            mapping, places = {}, []
            for block in partition:
                marks = [_follow(mapping, nodes[position].slots[0][0]) for position in block]
                keep = min(marks)
                mapping.update({mark: keep for mark in marks if mark != keep})
                places.append(keep)
            final = {label: _follow(mapping, label) for label in mapping}
            choices = [self._cumulants(tuple(nodes[p].field.expression for p in block)) for block in partition]
            for exponent, coefficient, functions in _products(choices, cutoff):
                placed = zip(functions, places, strict=True)
                found = tuple(n for f, place in placed for n in componentwise_nodes(f, _follow(mapping, place)))
                yield exponent, coefficient, relabel(rest, final), found

    def _expanded_cumulant(self, functions: tuple[sp.Expr, ...]) -> list[tuple[Fraction, sp.Expr, sp.Expr]]:
        """The joint cumulant as (exponent of η, coefficient, function) terms."""
        total = sp.S.Zero
        for partition in set_partitions(tuple(range(len(functions))), smallest=1):
            weight = (-1) ** (len(partition) - 1) * factorial(len(partition) - 1)
            total += weight * sp.Mul(*(self._mean(sp.Mul(*(functions[k] for k in block))) for block in partition))
        powers = sp.Poly(total, _T).as_dict() if total.has(_T) else {(0,): total}
        return [
            (j * self.exponent, coefficient, function)
            for (j,), part in sorted(powers.items())
            for coefficient, function in function_terms(part)
        ]

    def _mean(self, function: sp.Expr) -> sp.Expr:
        """The average of a function; where the noise is larger than the gradient, as a polynomial in t = η^a."""
        if function in self._means:
            return self._means[function]
        scale = _T if self.exponent else 1
        try:
            mean = gaussian_average(function, GRADIENT, scale * LOSS_SLOPE, self.variance * NOISE_VARIANCE)
        except NoAverage as error:
            raise ValueError(
                f"the update contains {function}, and {error} has no known average over Gaussian noise; sums and "
                "products of g, sign, |·|, max and min of expressions linear in g have one."
            ) from None
        self._means[function] = self._polynomial(mean) if mean.has(_T) else mean
        return self._means[function]

    def _polynomial(self, mean: sp.Expr) -> sp.Expr:
        """Taylor's polynomial in t at fixed ∂_iL and Σ_ii, below the cutoff."""
        total, derivative = sp.S.Zero, mean
        for j in range(int(-(-self.cutoff // self.exponent))):
            total += with_generators(derivative.subs(_T, 0)) * _T**j / sp.factorial(j)
            derivative = sp.diff(derivative, _T)
        return sp.expand(total)


def _follow(mapping: dict[Label, Label], label: Label) -> Label:
    while label in mapping:
        label = mapping[label]
    return label


def _products(choices: list[list[tuple]], cutoff: Fraction) -> Iterator[tuple[Fraction, sp.Expr, tuple[sp.Expr, ...]]]:
    """Multiply out one sum of terms a block, below the cutoff."""
    if not choices:
        yield Fraction(0), sp.S.One, ()
        return
    first, *others = choices
    for exponent, coefficient, functions in _products(others, cutoff):
        for power, factor, function in first:
            if exponent + power < cutoff:
                yield exponent + power, coefficient * factor, (function, *functions)
