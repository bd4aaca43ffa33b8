r"""Averages of a function of one Gaussian variable, in closed form.

$\mathbb E\,\varphi(g)$ for $g \sim N(\mu, V)$ and φ built from g by sums, products, sign, |·|, max and min. Such a φ
is a sum of $q(g)\,\mathrm{sign}(g - c)$ with polynomials q. Gaussian integration by parts, $\mathbb E[(g-\mu)h] =
V\,\mathbb E h'$ (Stein's lemma), lowers the degree of q, and $\partial_\mu \mathbb E\,\mathrm{sign}(g - c) = 2\,p(c)$
with the normal density p makes the error function: $\mathbb E\,\mathrm{sign}(g-c) = \mathrm{erf}((\mu-c)/\sqrt{2V})$.
"""

from functools import lru_cache

import sympy as sp

from sde_momentum.symbolic.symbols._symbols import LEARNING_RATE
from sde_momentum.symbolic.symbols._transcendental import MEAN_MODULUS


class NoAverage(ValueError):
    """The function has no average in closed form here."""


@lru_cache(maxsize=1024)
def gaussian_average(function: sp.Expr, g: sp.Symbol, mean: sp.Expr, variance: sp.Expr) -> sp.Expr:
    """Average a function of one Gaussian variable.

    Args:
        function: polynomial in g and in sign, |·|, max and min of expressions linear in g; other symbols are constants.
        g: the variable.
        mean: μ.
        variance: V.

    Returns:
        The average, in powers, exponentials and error functions of μ and V.

    Raises:
        NoAverage: the function is of another kind; its part is named.
    """
    total = sp.S.Zero
    for sign, polynomial in _pieces(function, g).items():
        if sign is None:
            total += _moments(polynomial, g, mean, variance)
        else:
            total += _signed_moments(polynomial, g, sign, mean, variance)
    return total


def _pieces(function: sp.Expr, g: sp.Symbol) -> dict[sp.Expr | None, sp.Expr]:
    """Jump c → q(g) for the q(g) sign(g − c) that a function consists of; None → its polynomial part."""
    signs = function.replace(lambda e: _clipped(e, g) is not None, lambda e: _clipped(e, g))
    signs = signs.replace(sp.Max, lambda *a: _extreme(a, 1)).replace(sp.Min, lambda *a: _extreme(a, -1))
    signs = signs.replace(sp.Abs, lambda u: u * sp.sign(u) if u.has(g) else sp.Abs(u))
    signs = signs.replace(lambda e: isinstance(e, sp.sign) and e.has(g), lambda e: _jump(e.args[0], g))
    pieces: dict[sp.Expr | None, sp.Expr] = {}
    for term in sp.Add.make_args(sp.expand(signs)):
        powers = term.as_powers_dict()
        jumps = [base.args[0] for base, power in powers.items() if isinstance(base, _Jump) and power % 2]
        rest = sp.Mul(*(base**power for base, power in powers.items() if not isinstance(base, _Jump)))
        if not rest.is_polynomial(g):
            raise NoAverage(str(_culprit(rest, g)))
        for jump, factor in _product_of_jumps(jumps).items():
            pieces[jump] = pieces.get(jump, sp.S.Zero) + factor * rest
    return pieces


def _product_of_jumps(jumps: list[sp.Expr]) -> dict[sp.Expr | None, int]:
    """Π_j sign(g − c_j) as a sum of single ones: sign(g−a) sign(g−b) = 1 − sign(g−a) + sign(g−b) for a < b."""
    total: dict[sp.Expr | None, int] = {None: 1}
    for jump in jumps:
        product: dict[sp.Expr | None, int] = {}
        for known, factor in total.items():
            for place, weight in _two_jumps(known, jump):
                product[place] = product.get(place, 0) + factor * weight
        total = product
    return total


def _two_jumps(first: sp.Expr | None, second: sp.Expr) -> list[tuple[sp.Expr | None, int]]:
    if first is None:
        return [(second, 1)]
    gap = sp.expand(second - first)
    if gap == 0:
        return [(None, 1)]
    if not (gap.is_positive or gap.is_negative):
        raise NoAverage(f"the product of jumps at {first} and {second}, whose order is not known")
    low, high = (first, second) if gap.is_positive else (second, first)
    return [(None, 1), (low, -1), (high, 1)]


class _Jump(sp.Function):
    """sign(g − c) as a function of c."""

    is_commutative = True
    is_real = True


def _extreme(arguments: tuple[sp.Expr, ...], sign: int) -> sp.Expr:
    """The larger (+1) or smaller (−1) of several values: half of a + b ± |a − b|."""
    first, *others = arguments
    for other in others:
        first = (first + other + sign * sp.Abs(sp.expand(first - other))) / 2
    return first


def _clipped(expression: sp.Expr, g: sp.Symbol) -> sp.Expr | None:
    """Max(a, Min(b, u)) with constants a < b, either way round, as (a + b + |u − a| − |u − b|)/2; None for the rest."""
    for outer, inner in ((sp.Max, sp.Min), (sp.Min, sp.Max)):
        nested = [a for a in expression.args if isinstance(a, inner)] if isinstance(expression, outer) else []
        if len(nested) != 1 or len(expression.args) != 2 or len(nested[0].args) != 2:
            continue
        (outside,) = set(expression.args) - set(nested)
        inside, *others = sorted(nested[0].args, key=lambda a: a.has(g))
        low, high = (outside, inside) if outer is sp.Max else (inside, outside)
        if not low.has(g) and not high.has(g) and (high - low).is_positive:
            value = others[0]
            return (low + high + sp.Abs(sp.expand(value - low)) - sp.Abs(sp.expand(value - high))) / 2
    return None


def _jump(argument: sp.Expr, g: sp.Symbol) -> sp.Expr:
    argument = sp.expand(argument)
    slope = argument.coeff(g, 1)
    if argument.has(sp.sign, sp.Abs, _Jump) or sp.expand(argument - slope * g).has(g):
        raise NoAverage(f"sign({argument})")
    return _sign_in_range(slope) * _Jump(sp.expand(slope * g - argument) / slope)


def _sign_in_range(slope: sp.Expr) -> int:
    """The sign of a coefficient such as 1 − β, with every hyperparameter but the learning rate in (0, 1)."""
    if slope.is_positive or slope.is_negative:
        return 1 if slope.is_positive else -1
    inside = {s: 1 / (1 + sp.Symbol(f"odds_{s}", positive=True)) for s in slope.free_symbols if s != LEARNING_RATE}
    value = sp.factor(sp.together(slope.xreplace(inside)))
    if value.is_positive or value.is_negative:
        return 1 if value.is_positive else -1
    raise NoAverage(f"a sign whose argument has the slope {slope} of unknown sign")


def _culprit(expression: sp.Expr, g: sp.Symbol) -> sp.Expr:
    factors = (base**power for base, power in expression.as_powers_dict().items())
    return next(factor for factor in factors if not factor.is_polynomial(g))


def _moments(polynomial: sp.Expr, g: sp.Symbol, mean: sp.Expr, variance: sp.Expr) -> sp.Expr:
    """E g^n = μ E g^{n−1} + (n−1) V E g^{n−2}."""
    coefficients = sp.Poly(polynomial, g).all_coeffs()[::-1]
    moments = [sp.S.One, mean]
    for n in range(2, len(coefficients)):
        moments.append(sp.expand(mean * moments[n - 1] + (n - 1) * variance * moments[n - 2]))
    return sp.Add(*(c * m for c, m in zip(coefficients, moments, strict=False)))


def _signed_moments(polynomial: sp.Expr, g: sp.Symbol, jump: sp.Expr, mean: sp.Expr, variance: sp.Expr) -> sp.Expr:
    """A_n = E (g−c)^n sign(g−c): A_0 = erf, A_1 = (μ−c) A_0 + 2V p(c), A_n = (μ−c) A_{n−1} + (n−1) V A_{n−2}."""
    shifted = sp.Poly(sp.expand(polynomial.subs(g, g + jump)), g).all_coeffs()[::-1]
    distance = mean - jump
    moments = [sp.erf(distance / sp.sqrt(2 * variance))]
    # 2 V p(c) with the normal density p, written with √(2/π) as one symbol.
    moments.append(distance * moments[0] + MEAN_MODULUS * sp.sqrt(variance) * sp.exp(-(distance**2) / (2 * variance)))
    for n in range(2, len(shifted)):
        moments.append(distance * moments[n - 1] + (n - 1) * variance * moments[n - 2])
    return sp.Add(*(c * m for c, m in zip(shifted, moments, strict=False)))
