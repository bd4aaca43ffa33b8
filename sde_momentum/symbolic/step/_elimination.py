r"""Elimination of fast variables: the law of the slow ones, from the start of the chain or as they are in the long run.

Let P be the one-step operator on functions of slow variables z and fast ones m. On a monomial of degree n in m it acts
as multiplication by A^n plus lower degrees plus higher order, so whatever holds m can be written as (I − P)W, from the
top degree down. Repeated, this gives operators R_k free of m, and W_k:

$$P f = R_0 f + (I - P) W_0 f, \qquad W_{k-1} = R_k + (I - P) W_k .$$

They hold the answers. The lift U = I + (terms with m) with P U = U Ẽ, and the average Π of the fast variables at a
given law of z (Π P = E Π, Π f = f) obey

$$\tilde E = \sum_k R_k (I - \tilde E)^k, \quad U = I + \sum_k W_k (I - \tilde E)^k, \quad E = \sum_k (I - E)^k R_k .$$

Ẽ moves the slow variable that agrees with z where m = 0, and E moves z itself. As U = Π U on functions of z,
E S⁻¹ = S⁻¹ Ẽ with

$$S^{-1} = \Pi U = I + \sum_{j, k} (I - E)^j R_{1 + j + k} (I - \tilde E)^k .$$
"""

from fractions import Fraction
from functools import cached_property
from math import lcm

import sympy as sp

from sde_momentum.symbolic.graphs._algebra import Combination, accumulate
from sde_momentum.symbolic.graphs._graph import Graph
from sde_momentum.symbolic.graphs._operator import Operator, add_product
from sde_momentum.symbolic.step._expansion import leading_power
from sde_momentum.symbolic.step._one_step import OneStep

Graded = dict[Fraction, Combination]


class Elimination:
    """The evolution of slow variables under one rule and regime.

    Args:
        step: the one-step operator; its `replacement` names the fast variables.
        relaxation: fast variable → A, its factor per step as an expression in hyperparameters and learning rate.
        clock: the power of η in the time per step.
        cutoff: exponent below which the evolution is wanted.
    """

    def __init__(self, step: OneStep, relaxation: dict[str, sp.Expr], clock: Fraction, cutoff: Fraction):
        self.step, self.algebra, self.clock, self.cutoff = step, step.algebra, clock, cutoff
        self._relaxation = relaxation
        self._gaps: dict[tuple[int, ...], tuple] = {}

    @property
    def _identity(self) -> Operator:
        return Operator.identity(self.algebra, self.cutoff)

    @cached_property
    def evolution(self) -> Operator:
        """E, one step of the law of the slow variables."""
        return self._identity + self._long_run.total(0)

    @cached_property
    def evolution_from_start(self) -> Operator:
        """Ẽ, one step of the slow variable that is z where the fast variables are zero."""
        return self._identity + self._from_start.total(0)

    @cached_property
    def inverse_start(self) -> Operator:
        """S⁻¹, where E φ(Z_k) = S E^k φ at z_0 for fast variables that start at zero; below cutoff − clock."""
        change = self._from_start.total(0)
        below = self.cutoff - self.clock
        total = Operator.zero(self.algebra, below)
        for k in range(len(self._residues) - 1, 0, -1):
            total = (self._long_run.total(k) - total @ change).truncated(below)
        return Operator.identity(self.algebra, below) + total

    @cached_property
    def _long_run(self) -> "_Nested":
        return _Nested(self._residues, "left")

    @cached_property
    def _from_start(self) -> "_Nested":
        return _Nested(self._residues, "right")

    @cached_property
    def _residues(self) -> list[Operator]:
        """R_0 − I, R_1, …, each below what the clock's powers in front of it leave of the cutoff."""
        first, rest = self._relaxed(self.step.apply(self._identity, self.cutoff), self.cutoff)
        if rest.lowest <= 0:
            raise ValueError("the lift does not start from the identity: the eliminated variable is not fast here.")
        residues, cutoff = [first - self._identity], self.cutoff - self.clock
        while rest and rest.lowest < cutoff:
            residue, rest = self._relaxed(rest, cutoff)
            residues.append(residue)
            cutoff -= self.clock
        return residues

    def _relaxed(self, function: Operator, cutoff: Fraction) -> tuple[Operator, Operator]:
        """The R, free of fast variables, and W with `function` = R + (I − P)W below `cutoff`."""
        pending = function.truncated(cutoff).terms
        residue: Graded = {}
        relaxed: Graded = {}
        while pending:
            exponent = min(pending)
            degree, top = self._top_degree(pending[exponent])
            if not any(degree):
                residue[exponent] = pending.pop(exponent)
                continue
            # g = (g − (W − PW)) + (I − P)W
            power, change = self._divided(top, degree, exponent)
            _add(relaxed, {power: change})
            _add(pending, {power: {graph: -c for graph, c in change.items()}}, cutoff)
            _add(pending, self.step.apply(Operator(self.algebra, {power: change}, self.cutoff), cutoff).terms)
        return Operator(self.algebra, residue, cutoff), Operator(self.algebra, relaxed, self.cutoff)

    def _degree(self, graph: Graph) -> tuple[int, ...]:
        """How often each fast variable occurs in a graph."""
        names = [node.field for node in graph]
        return tuple(names.count(name) for name in self._relaxation)

    def _gap(self, degree: tuple[int, ...]) -> tuple:
        """The leading term of 1 − Π_j A_j^{n_j} as (1/coefficient, exponent): what dividing by I − P costs."""
        if degree not in self._gaps:
            factor = sp.Mul(*(a**n for a, n in zip(self._relaxation.values(), degree, strict=True)))
            coefficient, exponent = leading_power(1 - factor)
            self._gaps[degree] = (self.algebra.coefficient(1 / coefficient), exponent)
        return self._gaps[degree]

    def _top_degree(self, combination: Combination) -> tuple[tuple[int, ...], Combination]:
        degrees = {graph: self._degree(graph) for graph in combination}
        top = max(degrees.values(), key=lambda n: (sum(n), n))
        return top, {graph: c for graph, c in combination.items() if degrees[graph] == top}

    def _divided(self, top: Combination, degree: tuple[int, ...], exponent: Fraction) -> tuple[Fraction, Combination]:
        """Solve (I − P) W = top at leading order."""
        inverse, power = self._gap(degree)
        return exponent - power, {graph: value * inverse for graph, value in top.items()}


class _Nested:
    r"""The operators H_k = R_k + (I − E) H_{k+1} with E = I + H_0, or their mirror images with (I − E) at the right.

    E stands in its own equation: the parts of all H_k are found together, one power of η after the other.

    Args:
        residues: R_0 − I, R_1, ….
        side: where I − E multiplies, "left" or "right".
    """

    def __init__(self, residues: list[Operator], side: str):
        self.residues, self.side, self.algebra = residues, side, residues[0].algebra
        self._unit = Fraction(1, lcm(*(e.denominator for residue in residues for e in residue.terms)))
        self._lowest = [residue.lowest for residue in residues]
        for k in range(len(residues) - 2, -1, -1):
            self._lowest[k] = min(self._lowest[k], self._lowest[k + 1] + residues[0].lowest)
        self._found: dict[tuple[int, Fraction], Combination] = {}

    def total(self, k: int) -> Operator:
        """H_k, below the cutoff of R_k."""
        exponent, cutoff, terms = self._lowest[k], self.residues[k].cutoff, {}
        while exponent < cutoff:
            terms[exponent] = self._at(k, exponent)
            exponent += self._unit
        return Operator(self.algebra, terms, cutoff)

    def _at(self, k: int, exponent: Fraction) -> Combination:
        if (k, exponent) not in self._found:
            total = dict(self.residues[k].at(exponent))
            if k + 1 < len(self.residues):
                power = self._lowest[0]
                while power <= exponent - self._lowest[k + 1]:
                    change, inner = self._at(0, power), self._at(k + 1, exponent - power)
                    pair = (change, inner) if self.side == "left" else (inner, change)
                    add_product(self.algebra, total, *pair, -1)
                    power += self._unit
            self._found[k, exponent] = total
        return self._found[k, exponent]


def _add(
    total: dict[Fraction, Combination], terms: dict[Fraction, Combination], cutoff: Fraction | None = None
) -> None:
    """Add in place, below `cutoff`; a power whose terms cancel is removed."""
    for exponent, combination in terms.items():
        if cutoff is not None and exponent >= cutoff:
            continue
        target = total.setdefault(exponent, {})
        for graph, coefficient in combination.items():
            accumulate(target, graph, coefficient)
        if not target:
            del total[exponent]
