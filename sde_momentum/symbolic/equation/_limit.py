"""Limits: the stochastic differential equation a rule follows, or the proof that none exists."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import sympy as sp

from sde_momentum.symbolic.graphs._field_functions import SQUARED_GRADIENT, function_expression, scalar_expression
from sde_momentum.symbolic.graphs._fields import elementwise_expression
from sde_momentum.symbolic.graphs._tensor_expression import TensorExpression
from sde_momentum.symbolic.rules._citation import bibtex
from sde_momentum.symbolic.rules._regime import Regime
from sde_momentum.symbolic.rules._rule import Source, UpdateRule
from sde_momentum.symbolic.step._jumps import places
from sde_momentum.symbolic.symbols._doors import latex, text

# The small parameter is the time per step unless the regime names another. The leading covariance is kept even where
# the grading puts it higher, as in the order-1 equation of SGD with noise of unit size.
ORDER_CONVENTION = "order p keeps the generator below (small parameter)^p, and the leading covariance in any case"


@dataclass(frozen=True)
class Limit:
    r"""An Itô equation $dZ = b\,dt + B\,dW$ that a rule follows to weak order `order` under `regime`.

    Args:
        rule: the optimizer.
        regime: the scaling.
        order: weak order; see `ORDER_CONVENTION`.
        drift: variable → b, a vector expression (free index −1).
        covariance: (variable, variable) → BBᵀ as the generator gives it (free indices −1, −2).
        factor: variable → B (free index −1; −2 is the noise column of S, Σ = SSᵀ); `factor` times its transpose equals
            `covariance` up to the order. This is what is integrated and what moments come from: a changed copy,
            `dataclasses.replace(limit, …)`, must change it together with `covariance`.
        initial_shift: variable → Z(0) − z_0, for chains that start with eliminated variables at zero.
        eliminated: fast variables that have no equation of their own.
        describes: `"x"` when the equation gives the law of the rule's own parameters, else the slow variable.
        slow_variable: the conserved combination used in the elimination, as text in the rule's symbols.
        factor_gap: why no factor was found, empty when there is one; such a limit can be printed, not integrated.
        sources: published statements it was compared with.
    """

    rule: UpdateRule
    regime: Regime
    order: int
    drift: Mapping[str, TensorExpression]
    covariance: Mapping[tuple[str, str], TensorExpression]
    factor: Mapping[str, TensorExpression]
    initial_shift: Mapping[str, TensorExpression]
    eliminated: tuple[str, ...] = ()
    describes: str = "x"
    slow_variable: sp.Expr | None = None
    factor_gap: str = ""
    sources: tuple[Source, ...] = ()

    exists = True
    convention = ORDER_CONVENTION
    calculus = "Itô"

    def __post_init__(self):
        for name in ("drift", "covariance", "factor", "initial_shift"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    def __hash__(self) -> int:
        return hash((self.rule, self.regime, self.order, self.describes))

    @property
    def variables(self) -> tuple[str, ...]:
        """State variables of the equation, the parameters first."""
        return tuple(v for v in self.rule.state if v not in self.eliminated)

    @property
    def exceptions(self) -> tuple[sp.Expr, ...]:
        """Where the limit does not hold: expressions at whose zero a coefficient jumps, has a kink or is singular.

        Functions such as sign and |·| are expanded away from their jumps, so that the order is that of paths which do
        not sit on them. `LOSS_SLOPE` stands for a component of ∇L, `SQUARED_GRADIENT` for |∇L|². Empty where the
        coefficients are smooth, as averages over Gaussian noise are.
        """
        expressions = [*self.drift.values(), *self.covariance.values(), *self.initial_shift.values()]
        nodes = {node for expression in expressions for graph, _ in expression for node in graph}
        functions = sorted((f for f in map(function_expression, nodes) if f is not None), key=sp.default_sort_key)
        found = dict.fromkeys(place for function in functions for place in places(function))
        scalars = (f for f in map(scalar_expression, nodes) if f is not None)
        if any(not f.is_polynomial(SQUARED_GRADIENT) and not self.covariance for f in scalars):
            found[SQUARED_GRADIENT] = None
        return tuple(found)

    @property
    def lift_normalization(self) -> str:
        """How the lift U of P U = U E is fixed, empty where nothing was eliminated.

        U is unique up to operators free of the fast variables. `"stationary"`: E f(x) over the relaxed fast variables
        is what f evolves to, so that the equation gives the law of x. `"free"`: no part of U − I is free of the fast
        variables, so that the equation starts at the start of the slow variable and, to order 2, gives its law. They
        agree to order 2 and differ at order 3.
        """
        if not self.eliminated:
            return ""
        return "free" if self.describes == "slow" else "stationary"

    @property
    def hyperparameters(self) -> tuple[str, ...]:
        """Names that need a number before the equation can be integrated, `learning_rate` first."""
        expressions = [*self.drift.values(), *self.factor.values(), *self.initial_shift.values()]
        symbols = {str(s) for expression in expressions for s in expression.free_symbols}
        nodes = (node for expression in expressions for graph, _ in expression for node in graph)
        functions = (elementwise_expression(node) for node in nodes)
        symbols |= {str(s) for f in functions if f is not None for s in f.free_symbols} - set(self.rule.state)
        symbols |= {str(s) for s in self.regime.clock.free_symbols}
        symbols = {name.rstrip("'") for name in symbols}  # a schedule brings its derivatives
        return ("learning_rate", *sorted(symbols - {"learning_rate", "dimension"}))

    def __str__(self) -> str:
        return text(self)

    def _repr_latex_(self) -> str:
        return f"$${latex(self)}$$"

    def citation(self) -> str:
        """BibTeX entries of the published statements."""
        return bibtex(self.sources or self.rule.sources)


@dataclass(frozen=True)
class NoDiffusion:
    """The proof that no diffusion of this order exists, and which part of an equation is at fault.

    Args:
        rule: the optimizer.
        regime: the scaling.
        order: the order asked for.
        obstruction: tuple of variables → tensor expression with as many free indices; the coefficient of the
            corresponding derivatives of f, at the lowest power of η where one occurs.
        describes: which variable's law was asked for.
        part: `"generator"` where expectations evolve by more than two derivatives; `"start"` where the start would have
            to be moved by an operator with two or more, which no shift of a point does; `"covariance"` where the terms
            with two derivatives are no covariance, whatever is added beyond the order (the obstruction is then the
            block that is too large).
    """

    rule: UpdateRule
    regime: Regime
    order: int
    obstruction: Mapping[tuple[str, ...], TensorExpression]
    describes: str = "x"
    part: str = "generator"

    exists = False

    def __hash__(self) -> int:
        return hash((self.rule, self.regime, self.order, self.describes))

    def __str__(self) -> str:
        return text(self)

    def _repr_latex_(self) -> str:
        return f"$${latex(self)}$$"
