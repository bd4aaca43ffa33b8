"""Which law averages an update that is not polynomial in the gradient, and its functions as nodes."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Protocol

import sympy as sp

from sde_momentum.symbolic.graphs._field_functions import (
    LOSS_SLOPE,
    SQUARED_GRADIENT,
    componentwise_nodes,
    function_terms,
    scalar_nodes,
)
from sde_momentum.symbolic.graphs._graph import Graph, Label
from sde_momentum.symbolic.noise._component_law import Average, ComponentLaw
from sde_momentum.symbolic.noise._spherical_law import SphericalLaw
from sde_momentum.symbolic.rules._gradient_functions import GRADIENT_SQUARE, is_function_of_gradient, require_law
from sde_momentum.symbolic.rules._regime import Regime, power_of_learning_rate
from sde_momentum.symbolic.symbols._symbols import GRADIENT


class NoiseLaw(Protocol):
    """What turns functions of the stochastic gradient into nodes, and averages them."""

    def nodes(self, function: sp.Expr, power: int, label: Label) -> Graph:
        """φ(ĝ) ĝ^power at an index, still random."""
        ...

    def averages(self, nodes: Graph, cutoff: Fraction) -> Iterator[Average]:
        """The average of a product, term by term below an exponent of η."""
        ...


def law_for(expressions: Iterable[sp.Expr], regime: Regime, cutoff: Fraction) -> NoiseLaw | None:
    """The law that averages these expressions; None where cumulants suffice, or where there is no noise.

    Raises:
        ValueError: an expression is not polynomial in the gradient and the regime does not say enough of the noise.
    """
    functions = [e for e in expressions if e.has(GRADIENT_SQUARE) or not e.is_polynomial(GRADIENT)]
    if not functions or regime.noise_exponent is None:
        return None
    for function in functions:
        require_law(_part(function), regime.noise_law, noisy=True)
    constant, exponent = power_of_learning_rate(regime.noise_scale, "noise_scale")
    if exponent > 0:
        raise ValueError(
            f"regime `{regime.name}`: the noise vanishes with the learning rate (σ = {regime.noise_scale}), where the "
            f"average of {_part(functions[0])} has no expansion in its powers; take σ = 1, growing noise, or none."
        )
    share, power = power_of_learning_rate(regime.cumulant_scales.get(2, sp.S.One), "cumulant_scales[2]")
    if power != 0:
        raise ValueError(f"regime `{regime.name}`: a Gaussian law takes its growth from `noise_scale` alone.")
    if any(f.has(GRADIENT_SQUARE) for f in functions):
        return SphericalLaw(-exponent, share * constant**2)
    return ComponentLaw(-exponent, share * constant**2, cutoff)


def _part(expression: sp.Expr) -> sp.Expr:
    """The first factor of an expression that is not polynomial in the gradient."""
    for term in sp.Add.make_args(sp.expand(expression)):
        for factor in sp.Mul.make_args(term):
            if factor.has(GRADIENT_SQUARE) or not factor.is_polynomial(GRADIENT):
                return factor
    return expression


def quiet_functions(function: sp.Expr, label: Label) -> list[tuple[sp.Expr, Graph]]:
    """φ(∂_iL, |∇L|²) as (coefficient, nodes) terms: what a function of the gradient is without noise.

    Raises:
        ValueError: a factor depends on a component and on the norm at once.
    """
    found = []
    value = function.subs({GRADIENT: LOSS_SLOPE, GRADIENT_SQUARE: SQUARED_GRADIENT}, simultaneous=True)
    for coefficient, term in function_terms(value):
        outer, inner = term.as_independent(SQUARED_GRADIENT, as_Add=False)
        if (inner.free_symbols - {SQUARED_GRADIENT}) & (value.free_symbols - {SQUARED_GRADIENT}) and any(
            not s.is_positive for s in inner.free_symbols
        ):
            raise ValueError(f"the update contains {function}, which mixes a component of the gradient with its norm.")
        found.append((coefficient, (*componentwise_nodes(outer, label), *scalar_nodes(inner))))
    return found


def split_function(function: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """Factors without and with the gradient."""
    if not is_function_of_gradient(function):
        return function, sp.S.One
    return function.as_independent(GRADIENT, GRADIENT_SQUARE, as_Add=False)
