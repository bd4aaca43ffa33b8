r"""Elimination of fast variables: the slow operator, its lift, and the projection on the slow subspace.

Let P be the one-step operator on functions of slow variables y and fast ones m. We look for E (acting on functions of
y) and a lift U, polynomial in m, with

$$P U = U E, \qquad U = I + \text{(terms with m)},$$

and for the projection Π with Π P = E Π and Π U = I. All three follow from one fact: on a monomial of degree n in m, P
acts as multiplication by A^n plus lower degrees plus higher order: I − P can be divided out from the top degree down.
"""

from fractions import Fraction

import sympy as sp

from ._algebra import Combination, accumulate
from ._expansion import leading_power
from ._graph import Graph
from ._one_step import OneStep
from ._operator import Operator


class Elimination:
    """The slow operator `evolution` (E), the `lift` (U) and the projection (Π) of one rule under one regime.

    Args:
        step: the one-step operator; its `replacement` names the fast variables.
        relaxation: fast variable → A, its factor per step as an expression in hyperparameters and learning rate.
        cutoff: exponent below which E is wanted.
    """

    def __init__(self, step: OneStep, relaxation: dict[str, sp.Expr], cutoff: Fraction):
        self.step, self.algebra, self.cutoff = step, step.algebra, cutoff
        self._relaxation = relaxation
        self._gaps: dict[tuple[int, ...], tuple] = {}
        self.evolution, self.lift = self._solve()

    def degree(self, graph: Graph) -> tuple[int, ...]:
        """How often each fast variable occurs in a graph."""
        names = [node.field for node in graph]
        return tuple(names.count(name) for name in self._relaxation)

    def gap(self, degree: tuple[int, ...]) -> tuple:
        """The leading term of 1 − Π_j A_j^{n_j} as (coefficient, exponent): what dividing by I − P costs."""
        if degree not in self._gaps:
            factor = sp.Mul(*(a**n for a, n in zip(self._relaxation.values(), degree, strict=True)))
            coefficient, exponent = leading_power(1 - factor)
            self._gaps[degree] = (self.algebra.coefficient(coefficient), exponent)
        return self._gaps[degree]

    def _solve(self) -> tuple[Operator, Operator]:
        evolution = lift = Operator.identity(self.algebra, self.cutoff)
        residual = self.step.apply(lift) - lift @ evolution
        while residual:
            exponent = residual.lowest
            degree, top = self._top_degree(residual.at(exponent))
            if sum(degree) == 0:
                change = Operator(self.algebra, {exponent: top}, self.cutoff)
                evolution = evolution + change
                residual = residual - (lift @ change).truncated(self.cutoff)
            else:
                change = self._divided(top, degree, exponent)
                if change.lowest <= 0:
                    raise ValueError(
                        "the lift does not start from the identity: the eliminated variable is not fast here."
                    )
                lift = lift + change
                residual = residual + (self.step.apply(change) - change @ evolution).truncated(self.cutoff)
        return evolution, lift

    def _top_degree(self, combination: Combination) -> tuple[tuple[int, ...], Combination]:
        degree = max((self.degree(graph) for graph in combination), key=lambda n: (sum(n), n))
        return degree, {graph: c for graph, c in combination.items() if self.degree(graph) == degree}

    def _divided(self, top: Combination, degree: tuple[int, ...], exponent: Fraction) -> Operator:
        """Solve (I − P) W = top at leading order."""
        coefficient, power = self.gap(degree)
        divided: Combination = {}
        for graph, value in top.items():
            accumulate(divided, graph, value / coefficient)
        return Operator(self.algebra, {exponent - power: divided}, self.cutoff)

    def project(self, function: Operator, cutoff: Fraction | None = None) -> Operator:
        """Π function: the m-free operator that `function` amounts to once the fast variables have relaxed.

        Args:
            function: an operator whose graphs may contain fast variables.
            cutoff: exponent below which the result is wanted.
        """
        cutoff = self.cutoff if cutoff is None else cutoff
        result = Operator.zero(self.algebra, cutoff)
        pending = function.truncated(cutoff)
        small = Operator.identity(self.algebra, self.cutoff) - self.evolution
        lifted = self.lift - Operator.identity(self.algebra, self.cutoff)
        while pending:
            exponent = pending.lowest
            degree, top = self._top_degree(pending.at(exponent))
            part = Operator(self.algebra, {exponent: top}, self.cutoff)
            if sum(degree) == 0:
                # φ = Uφ − (U − I)φ and ΠU = I.
                result = result + part
                pending = (pending - part - lifted @ part).truncated(cutoff)
            else:
                # g = (g − (W − PW)) + (W − PW) and Π(W − PW) = (I − E)ΠW.
                rest = self._divided(top, degree, exponent)
                pending = (pending - (rest - self.step.apply(rest, cutoff))).truncated(cutoff)
                result = result + (small @ self.project(rest, cutoff - small.lowest)).truncated(cutoff)
        return result


def solve_left(operator: Operator, right: Operator) -> Operator:
    """The X with `operator` X = `right`, for an operator that starts from the identity."""
    rest = operator - Operator.identity(operator.algebra, operator.cutoff)
    solution = right
    while True:
        following = right - (rest @ solution).truncated(right.cutoff)
        if following == solution:
            return solution
        solution = following
