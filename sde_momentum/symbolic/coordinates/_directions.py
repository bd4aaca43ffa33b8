r"""Steps of fixed length in the second route: x′ = x − ηu with u the sign of the gradient, or its direction.

$P f = \sum_\alpha (-\eta)^{|\alpha|} M_\alpha \partial^\alpha f/\alpha!$ with the moments $M_\alpha = \mathbb E\,
u^\alpha$ of a Gaussian gradient in closed form, and $h\mathcal L = \log P$. Loss and noise are unknown functions of the
coordinates, which sympy differentiates; nothing here knows of graphs.

Signs: $\mathbb E\,\mathrm{sign}\,g_i = \mathrm{erf}(\mu_i/\sqrt{2V_i})$, and even powers are one. Directions in the
plane, isotropic noise: $\mathbb E e^{ik\theta}$ around the direction of μ is $\Gamma(\tfrac k2+1)/k!\; z^{k/2}
M(\tfrac k2, k+1, -z)$ with $z = |\mu|^2/2s^2$ (projected normal law).
"""

from collections.abc import Mapping
from itertools import product
from math import comb, factorial, prod

import sympy as sp

from sde_momentum.symbolic.equation._limit import Limit, NoDiffusion
from sde_momentum.symbolic.rules._rule import UpdateRule
from sde_momentum.symbolic.symbols._symbols import GRADIENT, LEARNING_RATE, variable

Index = tuple[int, ...]
Operator = dict[Index, sp.Expr]
_T = sp.Symbol("t", positive=True)


class Kummer(sp.Function):
    """Kummer's function M(a, b, u), M(a, b, 0) = 1 and M′ = a/b M(a + 1, b + 1, u)."""

    @classmethod
    def eval(cls, a: sp.Expr, b: sp.Expr, u: sp.Expr) -> sp.Expr | None:
        """Evaluate at zero."""
        del a, b
        return sp.S.One if u == 0 else None

    def fdiff(self, argindex: int = 3) -> sp.Expr:
        """Differentiate by u."""
        a, b, u = self.args
        if argindex != 3:
            raise sp.ArgumentIndexError(self, argindex)
        return a / b * Kummer(a + 1, b + 1, u)


def direction_of(rule: UpdateRule) -> str | None:
    """`"sign"` or `"norm"` for x′ = x − η sign(g) or x − η g/|g|; None for every other rule."""
    if len(rule.state) != 1:
        return None
    step = (variable(rule.state[0]) - rule.update[rule.state[0]]) / LEARNING_RATE
    if step.has(sp.sign) and sp.simplify(step - sp.sign(GRADIENT)) == 0:
        return "sign"
    norms = [f for f in step.atoms(sp.Function) if f.func.__name__ == "squared_norm" and f.args == (GRADIENT,)]
    return "norm" if norms and step == GRADIENT / sp.sqrt(norms[0]) else None


class Directions:
    """The generator of such a rule in one or two dimensions.

    Args:
        limit: what is checked; its rule, regime and order are read.
        dimension: number of components.
    """

    def __init__(self, limit: Limit | NoDiffusion, dimension: int):
        self.kind, self.regime, self.dimension = direction_of(limit.rule), limit.regime, dimension
        self.x = sp.symbols(f"x1:{dimension + 1}", real=True)
        self.loss = sp.Function("L", real=True)(*self.x)
        names = [f"w{i}" for i in range(dimension)] if self.kind == "sign" else ["w"] * dimension
        # Standard deviations w, so that roots of variances are no roots; σ₀ is in them.
        self.deviation = [sp.Function(name, positive=True)(*self.x) for name in names]
        self.signs = sp.symbols(f"sign1:{dimension + 1}", real=True)
        self.grade = int(self.regime.clock_exponent)
        # The leading covariance belongs to order 1 wherever it stands.
        self.cutoff = int(limit.order * self.regime.grade) + self.grade + (limit.order == 1)
        self.slopes = [sp.diff(self.loss, x) for x in self.x]

    def generator(self) -> dict[int, Operator]:
        """Power of η → coefficients of ∂^α in 𝓛."""
        steps: dict[int, Operator] = {}
        for index in product(range(self.cutoff), repeat=self.dimension):
            if not 0 < sum(index) < self.cutoff:
                continue
            weight = sp.Rational((-1) ** sum(index), prod(map(factorial, index)))
            for power, moment in self._moments(index).items():
                if moment != 0 and power + sum(index) < self.cutoff:
                    steps.setdefault(power + sum(index), {})[index] = weight * moment
        return {power - self.grade: operator for power, operator in self._logarithm(steps).items()}

    def _logarithm(self, steps: dict[int, Operator]) -> dict[int, Operator]:
        total: dict[int, Operator] = {}
        power, times = dict(steps), 1
        while power:
            for exponent, operator in power.items():
                for index, value in operator.items():
                    target = total.setdefault(exponent, {})
                    target[index] = target.get(index, sp.S.Zero) + sp.Rational((-1) ** (times + 1), times) * value
            following: dict[int, Operator] = {}
            for (a, left), (b, right) in product(steps.items(), power.items()):
                if a + b < self.cutoff:
                    for index, value in self._composed(left, right).items():
                        target = following.setdefault(a + b, {})
                        target[index] = target.get(index, sp.S.Zero) + value
            power, times = following, times + 1
        return total

    def _composed(self, left: Operator, right: Operator) -> Operator:
        found: Operator = {}
        for (alpha, a), (beta, b) in product(left.items(), right.items()):
            for taken in product(*(range(n + 1) for n in alpha)):
                derivative = b
                for x, times in zip(self.x, taken, strict=True):
                    derivative = sp.diff(derivative, x, times)
                index = tuple(m + n - j for m, n, j in zip(alpha, beta, taken, strict=True))
                weight = prod(comb(n, j) for n, j in zip(alpha, taken, strict=True))
                found[index] = found.get(index, sp.S.Zero) + weight * a * derivative
        return found

    # --- moments of one direction ------------------------------------------------------------------------------------

    def _moments(self, index: Index) -> Mapping[int, sp.Expr]:
        """E u^α as power of η → expression; where the noise dominates, Taylor's polynomial in μ = O(η)."""
        exponent = self.regime.noise_exponent
        if exponent is None:
            return {0: self._quiet(index)}
        if exponent == 0:
            return {0: self._mean(index, sp.S.One)}
        value, found = self._mean(index, _T), {}
        for j in range(self.cutoff - sum(index)):
            found[-int(exponent) * j] = sp.diff(value, _T, j).subs(_T, 0) / factorial(j)
        return found

    def _quiet(self, index: Index) -> sp.Expr:
        if self.kind == "sign" or self.dimension == 1:
            return sp.Mul(*(s for s, n in zip(self.signs, index, strict=True) if n % 2))
        length = sp.sqrt(sum(slope**2 for slope in self.slopes))
        return sp.Mul(*((slope / length) ** n for slope, n in zip(self.slopes, index, strict=True)))

    def _mean(self, index: Index, scale: sp.Expr) -> sp.Expr:
        if self.kind == "sign" or self.dimension == 1:
            arguments = [scale * p / (sp.sqrt(2) * w) for p, w in zip(self.slopes, self.deviation, strict=True)]
            return sp.Mul(*(sp.erf(u) for u, n in zip(arguments, index, strict=True) if n % 2))
        return self._planar(index, scale)

    def _planar(self, index: Index, scale: sp.Expr) -> sp.Expr:
        """(cos θ)^a (sin θ)^b as a sum of e^{ikθ}; z^{k/2} e^{ikθ₀} = ((μ₁ + iμ₂)/√2 s)^k is a polynomial."""
        e = sp.Symbol("e")
        wave = sp.expand(((e + 1 / e) / 2) ** index[0] * ((e - 1 / e) / (2 * sp.I)) ** index[1])
        p, q, w = *(scale * slope for slope in self.slopes), self.deviation[0]
        total = sp.S.Zero
        for k in range(-sum(index), sum(index) + 1):
            size, turn = abs(k), sp.I if k > 0 else -sp.I
            mode = ((p + turn * q) / (sp.sqrt(2) * w)) ** size * sp.gamma(sp.Rational(size, 2) + 1) / factorial(size)
            average = Kummer(sp.Rational(size, 2), size + 1, -(p**2 + q**2) / (2 * w**2)) if k else sp.S.One
            total += wave.coeff(e, k) * mode * average
        return sp.expand(total)
