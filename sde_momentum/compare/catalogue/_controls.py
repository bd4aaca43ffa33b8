"""Controls: a limit with one coefficient changed, and the order at which a study must notice."""

from dataclasses import dataclass

import equinox as eqx
import numpy as np
import sympy as sp

from sde_momentum.dynamics import SDE
from sde_momentum.symbolic import LEARNING_RATE, Limit, TensorExpression, function_expression, scalar_expression
from sde_momentum.symbolic.graphs._graph import Graph

_PARTS = {"drift": "drift_numbers", "factor": "factor_numbers", "initial shift": "shift_numbers"}


@dataclass(frozen=True)
class Perturbation:
    r"""One coefficient of a limit, multiplied by a factor.

    A change of the generator by $\eta^q$ leaves a weak error of order $q$: it refutes every claim above $q$, and no
    claim up to it. In the factor B the change acts through BBᵀ, hence together with the leading part of B. Where the
    parameters alone are observed, a change in the equation of another variable is seen through the terms by which the
    parameters depend on it, and q counts their powers too.

    Attributes:
        part: `"drift"`, `"factor"` or `"initial shift"`.
        variable: whose equation.
        index: which term of the expression.
        power: q, the power of the learning rate of the change, as functions of the parameters see it.
        term: the term, as text.
        scale: the coefficient is multiplied by this.
    """

    part: str
    variable: str
    index: int
    power: float
    term: str
    scale: float

    def apply(self, sde: SDE) -> SDE:
        """The equation with this coefficient changed."""
        field = _PARTS[self.part]
        numbers = getattr(sde, field)[self.variable]
        changed = np.where(np.arange(len(numbers)) == self.index, self.scale, 1.0) * np.asarray(numbers)
        return eqx.tree_at(lambda p: getattr(p, field)[self.variable], sde, changed)

    def __str__(self):
        return f"{self.part} of {self.variable}: {self.term} × {self.scale:g}"


def perturbations(limit: Limit, scale: float = 2.0) -> tuple[Perturbation, ...]:
    """Every coefficient of a limit in turn, with the order at which its change shows.

    Args:
        limit: from `modified_equation`, with a factor.
        scale: what the coefficient is multiplied by.

    Example:
        >>> from sde_momentum.optimizers import sgd
        >>> from sde_momentum.symbolic import modified_equation
        >>> for wrong in perturbations(modified_equation(sgd(), order=2)):
        ...     print(wrong.part, wrong.power)
        drift 0.0
        drift 1.0
        factor 1.0
    """
    leading = min((_power(c) for e in limit.factor.values() for _, c in e), default=0.0)
    distances = _distances(limit, leading)
    parts = {"drift": limit.drift, "factor": limit.factor, "initial shift": limit.initial_shift}
    return tuple(
        Perturbation(
            part,
            variable,
            index,
            _power(coefficient) + (leading if part == "factor" else 0.0) + distances[variable],
            str(TensorExpression(((graph, coefficient),))),
            scale,
        )
        for part, expressions in parts.items()
        for variable, expression in expressions.items()
        for index, (graph, coefficient) in enumerate(expression)
    )


def _distances(limit: Limit, leading: float) -> dict[str, float]:
    """Power of the learning rate with which the parameters feel each variable, along the strongest chain of terms."""
    parameters = limit.variables[0]
    found = {name: 0.0 if name == parameters else float("inf") for name in limit.variables}
    for _ in limit.variables:
        for expressions, extra in ((limit.drift, 0.0), (limit.factor, leading)):
            for variable, expression in expressions.items():
                for graph, coefficient in expression:
                    power = _power(coefficient) + extra + found[variable]
                    for name in _variables(graph) & set(found):
                        found[name] = min(found[name], power)
    return found


def _variables(graph: Graph) -> set[str]:
    """Names of the variables in a term, also those in elementwise functions."""
    functions = [read(node) for node in graph for read in (function_expression, scalar_expression)]
    inside = {str(symbol) for function in functions if function is not None for symbol in function.free_symbols}
    return inside | {node.field for node in graph}


def _power(coefficient: sp.Expr) -> float:
    """The lowest power of the learning rate in a coefficient."""
    return float(sp.sympify(coefficient).expand().leadterm(LEARNING_RATE)[1])
