r"""Averages over isotropic Gaussian noise, for updates with powers of |g|.

With $g \sim N(\mu, S^2 I)$ a component in front is an operator,
$\mathbb E\,g_i F = (\mu_i + S^2\partial_{\mu_i})\,\mathbb E F$. Applied to
$\mathbb E|g|^{2\alpha} = (2S^2)^\alpha \frac{\Gamma(d/2+\alpha)}{\Gamma(d/2)} M(-\alpha, \tfrac d2,
-\tfrac{|\mu|^2}{2S^2})$ it gives, by $(1 - \partial_z) M(a,b,z) = \frac{b-a}{b} M(a,b+1,z)$,

$$\mathbb E\,g_{i_1}\cdots g_{i_n}|g|^{2\alpha} = \sum_{\text{partial matchings}} \prod_{\text{pairs}} S^2\delta_{ij}
\prod_{\text{singles}} \mu_i \; (2S^2)^\alpha \frac{\Gamma(d/2+\alpha+m)}{\Gamma(d/2+m)}\, M(-\alpha, \tfrac d2+m,
-\tfrac{|\mu|^2}{2S^2}),$$

where m counts pairs and singles. For large noise M is expanded in its argument.
"""

from collections.abc import Iterator
from fractions import Fraction

import sympy as sp

from sde_momentum.symbolic.graphs._field_functions import (
    NOISE_DEVIATION,
    SQUARED_GRADIENT,
    function_terms,
    scalar_nodes,
)
from sde_momentum.symbolic.graphs._graph import Graph, Label, Node, labels, relabel
from sde_momentum.symbolic.noise._component_law import Average
from sde_momentum.symbolic.rules._gradient_functions import GRADIENT_SQUARE
from sde_momentum.symbolic.symbols._kummer import Kummer, kummer_coefficient
from sde_momentum.symbolic.symbols._symbols import GRADIENT
from sde_momentum.symbolic.symbols._transcendental import MEAN_LENGTH

DIMENSION = sp.Symbol("dimension", positive=True, integer=True)
_VECTOR, _LENGTH = "random g", "random |g|²^"
_HALF = sp.Rational(1, 2)


class SphericalLaw:
    """Isotropic Gaussian noise: ĝ = η^a ∇L + ξ̂, where ξ̂ has the covariance σ₀² s² I.

    Args:
        exponent: a, by which the gradient is smaller than the noise.
        variance: σ₀².
    """

    def __init__(self, exponent: Fraction, variance: sp.Expr):
        self.exponent, self.variance = exponent, variance

    def nodes(self, function: sp.Expr, power: int, label: Label) -> Graph:
        """The random factor |ĝ|^{2α} ĝ_i^power."""
        base, exponent = function.as_base_exp()
        if function != 1 and (base != GRADIENT_SQUARE or not (2 * exponent).is_Integer):
            shown = function.subs(GRADIENT_SQUARE, sp.Function("squared_norm")(GRADIENT))
            raise ValueError(
                f"the update contains {shown}: only powers of the norm have a known average over isotropic noise."
            )
        length = () if function == 1 else (Node(f"{_LENGTH}{exponent}", ()),)
        return (*length, *(Node(_VECTOR, ((label,),)) for _ in range(power)))

    def averages(self, nodes: Graph, cutoff: Fraction) -> Iterator[Average]:
        """Yield exponent, coefficient, the other nodes and the functions that the average puts beside them."""
        places = [node.slots[0][0] for node in nodes if node.field == _VECTOR]
        alpha = sp.Add(*(sp.Rational(node.field.removeprefix(_LENGTH)) for node in nodes if _is_length(node)))
        rest = tuple(node for node in nodes if node.field != _VECTOR and not _is_length(node))
        for pairs, singles in _matchings(places):
            joined, mapping, factor = rest, {}, sp.S.One
            for pair in pairs:
                first, second = (_final(mapping, label) for label in pair)
                keep, drop = min(first, second), max(first, second)
                joined = relabel(joined, {drop: keep})
                if keep != drop:
                    mapping[drop] = keep
                elsewhere = [_final(mapping, label) for label in singles] + labels(joined)
                factor *= 1 if keep in elsewhere or keep < 0 else DIMENSION
            slopes = tuple(Node("L", ((_final(mapping, label),),)) for label in singles)
            for exponent, coefficient, function in self._weights(alpha, len(pairs), len(singles), cutoff):
                yield exponent, coefficient * factor, joined, (*slopes, *scalar_nodes(function))

    def _weights(
        self, alpha: sp.Expr, pairs: int, singles: int, cutoff: Fraction
    ) -> Iterator[tuple[Fraction, sp.Expr, sp.Expr]]:
        """The factor of a matching as (exponent of η, coefficient, function of |∇L|² and s)."""
        m = pairs + singles
        start, b = self.exponent * singles, DIMENSION / 2 + m
        scale = self.variance * NOISE_DEVIATION**2
        front = _gamma_ratio(alpha, m) * scale ** (alpha + pairs)
        argument = -SQUARED_GRADIENT / (2 * scale)
        if self.exponent == 0:
            value = front * Kummer(-alpha, b, argument)
            if alpha.is_Integer and alpha >= 0:  # a polynomial in |∇L|² and s²
                value = sp.expand(sp.cancel(value))
            yield from ((start, c, f) for c, f in function_terms(value))
            return
        j = 0
        while (exponent := start + 2 * self.exponent * j) < cutoff:
            value = front * kummer_coefficient(-alpha, b, j) * argument**j
            yield from ((exponent, sp.cancel(c), f) for c, f in function_terms(value))
            j += 1


def _is_length(node: Node) -> bool:
    return node.field.startswith(_LENGTH)


def _final(mapping: dict[Label, Label], label: Label) -> Label:
    while label in mapping:
        label = mapping[label]
    return label


def _matchings(items: list[Label]) -> Iterator[tuple[list[tuple[Label, Label]], list[Label]]]:
    """Every way to pair some of the items and leave the others single."""
    if not items:
        yield [], []
        return
    first, *others = items
    for pairs, singles in _matchings(others):
        yield pairs, [first, *singles]
    for position, partner in enumerate(others):
        for pairs, singles in _matchings(others[:position] + others[position + 1 :]):
            yield [(first, partner), *pairs], singles


def _gamma_ratio(alpha: sp.Expr, m: int) -> sp.Expr:
    """2^α Γ(d/2 + α + m)/Γ(d/2 + m), with E|z| = √2 Γ((d+1)/2)/Γ(d/2) as one symbol where α is half an integer."""
    half = DIMENSION / 2
    if alpha.is_Integer:
        return 2**alpha * _rising(half + m, int(alpha))
    whole = alpha - _HALF
    return MEAN_LENGTH * 2**whole * _rising(half + _HALF, int(whole) + m) / _rising(half, m)


def _rising(start: sp.Expr, count: int) -> sp.Expr:
    """Γ(start + count)/Γ(start) for any integer count."""
    if count >= 0:
        return sp.Mul(*(start + j for j in range(count)))
    return 1 / sp.Mul(*(start - j for j in range(1, -count + 1)))
