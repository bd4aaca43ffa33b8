"""Rules that are linear in state and gradient, near the manifold of minimizers."""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import sympy as sp

from sde_momentum.symbolic.rules._rule import UpdateRule
from sde_momentum.symbolic.symbols._symbols import GRADIENT, LEARNING_RATE, variable


@dataclass(frozen=True)
class LinearRule:
    r"""An update that is linear in state and gradient: $z' = A z + b\,g(q \cdot z)$, the same for every component.

    Args:
        name: the rule's.
        transition: A.
        response: b.
        look: q, where the gradient is taken; q = (1, 0, …) without look-ahead.
    """

    name: str
    transition: sp.ImmutableMatrix
    response: sp.ImmutableMatrix
    look: sp.ImmutableMatrix

    @cached_property
    def conserved(self) -> sp.Matrix:
        """The row ℓ with ℓA = ℓ and ℓ_x = 1: without gradient, ℓ·z stays.

        Raises:
            ValueError: there is none, or more than one.
        """
        size = self.transition.rows
        unknowns = [sp.S.One, *sp.symbols(f"left1:{size}")]
        left = sp.Matrix([unknowns])
        solutions = sp.solve(list(left * self.transition - left), unknowns[1:], dict=True) if size > 1 else [{}]
        if len(solutions) != 1 or any(sp.simplify(v) != 0 for v in (left * self.transition - left).subs(solutions[0])):
            raise ValueError(
                f"rule `{self.name}`: without gradient x does not stay where it is, so it has no slow equation"
            )
        return left.subs(solutions[0])

    @cached_property
    def effective_learning_rate(self) -> sp.Expr:
        """η_e = −ℓ·b, how far x moves in the end for one unit of gradient."""
        return sp.cancel(-(self.conserved * self.response)[0])

    @lru_cache(maxsize=32)  # noqa: B019 - an immutable value, and the solve takes a second
    def curvature(self, left: sp.Expr, right: sp.Expr) -> sp.Expr:
        r"""How strongly the noise pair (i, j) bends the motion along Γ: w in ½ ∂²Φ̃[Σ]_a = −½ w D3_aij Σ_ij.

        Φ̃, where the noiseless rule ends from z, obeys Φ̃ ∘ F = Φ̃. Differentiated twice at a fixed point, where
        ∂Φ̃ = ℓ on tangent directions, with M_h = A + h b qᵀ:

            X_ij = M_iᵀ X_ij M_j − η_e q qᵀ D3_aij,   w = −bᵀ X_ij b / η_e² ,

        in which h_i, h_j are eigenvalues of H, not both zero. The tangential noise itself is ℓ·b Σ^{1/2} dW.

        Args:
            left: h_i.
            right: h_j.

        Returns:
            w, before any limit; unit 1/H at the rule's effective learning rate.
        """
        size, rate = self.transition.rows, self.effective_learning_rate
        near = lambda h: self.transition + h * self.response * self.look.T
        unknown = sp.Matrix(size, size, sp.symbols(f"X0:{size * size}"))
        equations = unknown - near(left).T * unknown * near(right) + rate * self.look * self.look.T
        (found,) = sp.linsolve(list(equations), *unknown)  # in a field of rational functions
        solution = sp.Matrix(size, size, found)
        return sp.cancel(sp.together(-(self.response.T * solution * self.response)[0] / rate**2))

    def subs(self, *substitutions) -> "LinearRule":
        """Substitute in every coefficient."""
        changed = (part.subs(*substitutions) for part in (self.transition, self.response, self.look))
        return LinearRule(self.name, *changed)


@lru_cache(maxsize=64)
def linear_rule(rule: UpdateRule) -> LinearRule:
    r"""Read A, b and q off an update rule.

    Args:
        rule: an `UpdateRule` that is linear in its state and in g.

    Returns:
        The `LinearRule`.

    Raises:
        ValueError: the rule is not linear: adaptive and normalized methods have other slow equations.

    Example:
        >>> from sde_momentum.optimizers import sgdm
        >>> from sde_momentum.symbolic import linear_rule
        >>> linear_rule(sgdm()).effective_learning_rate
        learning_rate
    """
    state = [variable(name) for name in rule.state]
    update = sp.Matrix([rule.update[name] for name in rule.state])
    transition, response = update.jacobian(state), update.diff(GRADIENT)
    look = sp.Matrix([rule.gradient_at]).jacobian(state).T
    moving = {*state, GRADIENT}
    if (transition.free_symbols | response.free_symbols | look.free_symbols) & moving:
        raise ValueError(
            f"rule `{rule.name}` is not linear in its state and the gradient; the slow equation here covers SGD and "
            "its momentum methods, other methods have slow equations of their own"
        )
    return LinearRule(rule.name, *(sp.ImmutableMatrix(part) for part in (transition, response, look)))


def effective_learning_rate(rule: UpdateRule) -> sp.Expr:
    r"""How far x moves, in the end, for one unit of gradient: the η of the slow clock τ = kη².

    For an update that is affine in state and gradient, z' = A z + b g, the moves add up to −η_e = ℓ·b with ℓ A = ℓ and
    ℓ_x = 1. It is η for EMA momentum, γ/(1−μ) for heavy ball, whatever the look-ahead.

    Args:
        rule: an `UpdateRule` that is affine in its state and in g.

    Returns:
        A sympy expression in the rule's hyperparameters.

    Raises:
        ValueError: if the update is not affine (an adaptive or normalized method has another slow equation),
            or x is not conserved without gradient.

    Example:
        >>> from sde_momentum.symbolic import effective_learning_rate, update_rule
        >>> @update_rule(state=("x", "v"))
        ... def heavy_ball(x, v, g, *, learning_rate, momentum):
        ...     v = momentum * v + g
        ...     return x - learning_rate * v, v
        >>> print(effective_learning_rate(heavy_ball))
        -learning_rate/(momentum - 1)
    """
    return linear_rule(rule).effective_learning_rate


def leading_term(expression: sp.Expr, denominator: int) -> tuple[sp.Expr, sp.Rational]:
    """The lowest power of the learning rate in a rational function of η^{1/denominator}: (coefficient, exponent)."""
    root = sp.Symbol("root", positive=True)
    rational = sp.powdenest(expression.subs(LEARNING_RATE, root**denominator), force=True)
    numerator, bottom = sp.fraction(sp.cancel(rational))
    lowest = lambda poly: min(sp.Poly(poly, root).terms())
    (((top,), above), ((below,), under)) = lowest(numerator), lowest(bottom)
    return sp.factor(above / under), sp.Rational(top - below, denominator)
