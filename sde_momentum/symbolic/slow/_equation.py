"""The slow equation on the manifold of minimizers, derived from an update rule."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import sympy as sp

from sde_momentum.symbolic.rules._regime import Regime, power_of_learning_rate
from sde_momentum.symbolic.rules._rule import UpdateRule
from sde_momentum.symbolic.slow._limit_map_derivatives import (
    LEFT_EIGENVALUE,
    OUTPUT_EIGENVALUE,
    RIGHT_EIGENVALUE,
    Block,
    limit_map_derivatives,
)
from sde_momentum.symbolic.slow._linear_rule import LinearRule, leading_term, linear_rule
from sde_momentum.symbolic.slow._noise import EIGENVALUE, SlowNoise, slow_noise
from sde_momentum.symbolic.symbols._doors import functional, latex, text
from sde_momentum.symbolic.symbols._symbols import LEARNING_RATE, hyperparameter

SCHEDULE = sp.Symbol("schedule", positive=True)


@dataclass(frozen=True)
class SlowEquation:
    r"""dY = λ_τ P Σ^{1/2} dW + b dτ on Γ, Itô, with b_a = Σ_ij blocks[a, i, j] D3_aij Σ_ij in the eigenbasis of H.

    Args:
        rule: the rule it was derived from.
        regime: the scaling; its clock is the square of the effective learning rate.
        noise: what is known about Σ on Γ.
        blocks: kinds of (a, i, j), "tangent" or "normal" → coefficient, in the eigenvalues h_a, h_i, h_j.
        coinciding: the coefficients of the pairs with h_i = h_j where they are not those of `blocks`.
        diffusion: the factor of P Σ^{1/2} dW.
    """

    rule: UpdateRule
    regime: Regime
    noise: SlowNoise
    blocks: Mapping[Block, sp.Expr]
    coinciding: Mapping[Block, sp.Expr] = field(default_factory=dict)
    diffusion: sp.Expr = sp.S.One

    def __post_init__(self):
        for name in ("blocks", "coinciding"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    def coefficient(self, block: Block, output, left, right) -> sp.Expr:
        """The coefficient of D3_aij Σ_ij at given eigenvalues, zero for tangent indices; zero for an absent block."""
        table = self.coinciding if left == right and block in self.coinciding else self.blocks
        values = {OUTPUT_EIGENVALUE: output, LEFT_EIGENVALUE: left, RIGHT_EIGENVALUE: right}
        return sp.sympify(table.get(block, 0)).subs(values)

    def drift(self, eigenvalues, third, covariance) -> sp.Matrix:
        r"""The drift at a point, exactly, from tensors in the eigenbasis of H.

        Args:
            eigenvalues: h, d numbers, exact zeros for tangent directions.
            third: D3, third[a][i][j].
            covariance: Σ, covariance[i][j].

        Returns:
            b, a column of d entries.

        Example:
            >>> from sde_momentum.optimizers import sgd
            >>> from sde_momentum.symbolic import slow_equation
            >>> third = [[[0, 0], [0, 1]], [[0, 1], [1, 0]]]  # L = (1 + x₀) x₁²/2
            >>> slow_equation(sgd()).drift([0, 1], third, [[0, 0], [0, 1]]).T
            Matrix([[-1/4, 0]])
        """
        h = [sp.sympify(value) for value in eigenvalues]
        kind = ["tangent" if value == 0 else "normal" for value in h]
        dimension = range(len(h))
        return sp.Matrix([
            sum(
                self.coefficient((kind[a], kind[i], kind[j]), h[a], h[i], h[j]) * third[a][i][j] * covariance[i][j]
                for i in dimension
                for j in dimension
            )
            for a in dimension
        ])  # fmt: skip

    @property
    def regularizer(self) -> sp.Expr | None:
        r"""r(h) with R = Σ r(h_i) over the normal eigenvalues and b = −∇_Γ R, up to the Itô term of tangent noise.

        Noise that is a function of the Hessian, Σ = ψ(H), has r' = −ψ(h) times the diagonal coefficient, because a
        symmetric matrix has ∂_a h_i = D3_aii. None for general noise: `curl` shows that b then has no potential.
        """
        if self.noise.normal is None:
            return None
        block: Block = ("tangent", "normal", "normal")
        slope = -self.coefficient(block, 0, EIGENVALUE, EIGENVALUE) * self.noise.normal
        primitive = sp.integrate(sp.apart(sp.factor(slope), EIGENVALUE), EIGENVALUE)
        return sp.factor(primitive.replace(sp.log, lambda argument: sp.log(_positive(argument))))

    @property
    def curl(self) -> sp.Expr:
        r"""∂_u b_v − ∂_v b_u on the valley L = ½ k(u, v) w² with noise s(u, v) across; a gradient has none."""
        u, v = sp.symbols("u v", real=True)
        stiffness = sp.Function("k", positive=True)(u, v)
        across = sp.Function("s", positive=True)(u, v)
        if self.noise.normal is not None:
            across = self.noise.normal.subs(EIGENVALUE, stiffness)
        weight = self.coefficient(("tangent", "normal", "normal"), 0, EIGENVALUE, EIGENVALUE)
        first, second = (weight.subs(EIGENVALUE, stiffness) * stiffness.diff(z) * across for z in (u, v))
        return sp.factor(sp.simplify(second.diff(u) - first.diff(v)))

    @property
    def functional(self) -> str:
        """In words: the functional that the drift descends, or that there is none."""
        return functional(self)

    def __str__(self) -> str:
        return text(self)

    def _repr_latex_(self) -> str:
        return f"$${latex(self)}$$"


def slow_equation(
    rule: UpdateRule, regime: Regime | None = None, *, noise: str | SlowNoise = "general", schedule: bool = False
) -> SlowEquation:
    r"""Derive the equation that a rule follows along the minimizers of a loss for O(1/η²) steps.

    The noiseless rule ends at Φ̃(z) from state z. A step of noise moves Φ̃ by ∂Φ̃ b ξ + ½ ∂²Φ̃[b ξ, b ξ], whose mean
    and variance, on the clock τ = kη², are the equation. Differentiating Φ̃ ∘ F = Φ̃ twice at a fixed point gives
    ∂²Φ̃; the limit η → 0 is taken in the regime's scaling, exactly. For SGD this is ½ ∂²Φ[Σ] of `limit_map_derivatives`.

    Args:
        rule: an `UpdateRule` that is linear in state and gradient: SGD and its momentum methods.
        regime: how hyperparameters scale, such as `Regime.long_horizon(momentum_index=1)`; fixed ones by default.
        noise: what is known about Σ on Γ: "general", "label" (Σ = cH), "isotropic" (Σ = s²I), "normal" (Σ = s²(I − P)),
            "interpolation" (minibatches where every example is fitted), or a `spectral_noise`.
        schedule: let the learning rate be λ_τ η with a function λ_τ of slow time, at hyperparameters as scaled.

    Returns:
        A `SlowEquation`; printing it states the equation and the functional it descends, if there is one.

    Raises:
        ValueError: the rule is not linear, x does not stay without gradient, the hyperparameters leave no slow motion
            (1 − β = O(η²)), or there is no structure `noise`.

    Example:
        >>> from sde_momentum.optimizers import sgdm
        >>> from sde_momentum.symbolic import Regime, slow_equation
        >>> slow = slow_equation(sgdm(), Regime.long_horizon(momentum_index=1))
        >>> print(slow.blocks["tangent", "normal", "normal"])
        -relaxation_rate/(h_i**2 - 2*h_i*h_j + 2*h_i*relaxation_rate + h_j**2 + 2*h_j*relaxation_rate)

    References:
        Li, Wang, Arora (2022), theorem 4.6; Wang et al. (2024), theorem 4.5 (fixed β and index below 1).
    """
    structure = slow_noise(noise)
    regime = Regime.long_horizon() if regime is None else regime
    linear = linear_rule(rule)
    scalings = {hyperparameter(name): value for name, value in regime.scalings.items()}
    base = linear.effective_learning_rate.subs(scalings)
    _check_slow(linear.subs(scalings), base)
    generic = _per_clock(linear, scalings, base, schedule)
    bend = lambda left, right: _limit(
        rule, generic.subs({LEFT_EIGENVALUE: left, RIGHT_EIGENVALUE: right}, simultaneous=True)
    )
    pair = _with_coinciding(bend(LEFT_EIGENVALUE, RIGHT_EIGENVALUE), bend(LEFT_EIGENVALUE, LEFT_EIGENVALUE))
    blocks: dict[Block, sp.Expr] = {("tangent", "normal", "normal"): pair[0]}
    coinciding = {} if pair[1] is None else {("tangent", "normal", "normal"): pair[1]}
    blocks["tangent", "normal", "tangent"] = bend(LEFT_EIGENVALUE, sp.S.Zero)
    blocks["tangent", "tangent", "normal"] = bend(RIGHT_EIGENVALUE, sp.S.Zero)
    # Every rule that ends on Γ is the identity there; its bending along Γ is that of gradient flow.
    rate = SCHEDULE if schedule else sp.S.One
    inner: Block = ("normal", "tangent", "tangent")
    blocks[inner] = limit_map_derivatives().second[inner] * rate**2 / 2
    return SlowEquation(rule, regime, structure, {b: v for b, v in blocks.items() if v != 0}, coinciding, rate)


def _per_clock(linear: LinearRule, scalings, base, schedule: bool) -> sp.Expr:
    """The weight w of D3_aij Σ_ij on the clock kη_e², at a finite learning rate of λ_τ η."""
    found = linear.curvature(LEFT_EIGENVALUE, RIGHT_EIGENVALUE) * linear.effective_learning_rate**2
    if schedule:
        found = found.subs(LEARNING_RATE, SCHEDULE * LEARNING_RATE)
    return found.subs(scalings) / base**2


def _limit(rule: UpdateRule, weight: sp.Expr) -> sp.Expr:
    """The coefficient −w/2 of D3_aij Σ_ij in the limit η → 0."""
    value, exponent = leading_term(weight, _denominator(weight))
    if exponent < 0:
        raise ValueError(f"rule `{rule.name}`: the drift grows like η^{exponent} on the slow clock; no limit exists")
    return sp.factor(-value / 2) if exponent == 0 else sp.S.Zero


def _with_coinciding(generic: sp.Expr, equal: sp.Expr) -> tuple[sp.Expr, sp.Expr | None]:
    """The limits at distinct and at equal eigenvalues; None where the first is continuous."""
    continuous = sp.cancel(sp.sympify(generic).subs(RIGHT_EIGENVALUE, LEFT_EIGENVALUE) - equal) == 0
    return generic, None if continuous else equal


def _check_slow(linear: LinearRule, rate: sp.Expr) -> None:
    """The rate must vanish, and the other modes of the state must forget faster than the iterate moves along Γ."""
    speed = leading_term(rate, _denominator(rate))[1]
    if speed <= 0:
        raise ValueError(f"rule `{linear.name}`: the effective learning rate {rate} does not vanish with η")
    mode = sp.Symbol("mode")
    size = linear.transition.rows
    forgetting = sp.diff((mode * sp.eye(size) - linear.transition).det(), mode).subs(mode, 1)
    slowness = leading_term(forgetting, _denominator(forgetting))[1]
    if slowness >= 2 * speed:
        raise ValueError(
            f"rule `{linear.name}`: the momentum forgets in O(η^-{slowness}) steps, no faster than the iterate moves "
            f"along Γ (η^-{2 * speed}); an index of less than two in 1 − β = λη^α is needed"
        )


def _positive(argument: sp.Expr) -> sp.Expr:
    """±argument, whichever is positive where eigenvalue and rates are and a mixing weight is below one."""
    typical = {symbol: sp.Rational(1, 3) for symbol in argument.free_symbols}
    return sp.expand(-argument) if argument.subs(typical).is_negative else argument


def _denominator(expression: sp.Expr) -> int:
    """The common denominator of the powers of η in an expression."""
    powers = [power_of_learning_rate(p, "power")[1] for p in expression.atoms(sp.Pow) if p.base == LEARNING_RATE]
    return math.lcm(*(power.denominator for power in powers))
