"""A scheme for small noise whose cost does not grow with the number of noise components."""

from sde_momentum.solvers._one_step import AbstractOneStep, add, combine


class SmallNoise(AbstractOneStep):
    r"""Milstein–Tretyakov scheme for dX = a(t, X) dt + ε S(t, X) dW with small ε, with the product S w only.

    With the stages k₁ … k₄ of the classical Runge–Kutta method, x* = x + h k₃ and w = ε ΔW over a step h,

        X' = x + h/6 (k₁ + 2 k₂ + 2 k₃ + k₄) + h/2 [a(t + h, x* + S(t, x) w) − k₄] + ½ [S(t, x) + S(t + h, x*)] w.

    Weak error O(h⁴ + ε² h² + ε⁴ h), and O(h⁴ + ε² h²) for additive noise: the mean ¼ ε² h² Σ : ∇²a and the covariance
    ε² [h Σ + ½ h² (a'Σ + Σ a'ᵀ + (a·∇)Σ)] of one step are exact to O(ε² h³); what is missing for multiplicative noise
    are terms of size ε⁴ h² that need the derivatives of single columns of S. For the equation of an optimizer, where
    ε² = η, that is O(h⁴ + η h² + η² h): steps h = η leave an error of order η³.

    One step costs 4 drifts, 1 noise product and 1 evaluation of both; with a `FusedTerm` that is 6 passes, however many
    components the noise has, where an Euler step costs 1. Gaussian and three-point increments serve equally.

    Example:
        >>> import diffrax as dfx
        >>> import jax.numpy as jnp
        >>> from sde_momentum.solvers import CounterPath, FusedTerm
        >>> path = CounterPath(t0=0.0, t1=1.0, dt=0.25, seed=7, path_index=jnp.arange(8))
        >>> term = FusedTerm(lambda t, y, args, dt, dw: -y * dt + 0.1 * y * dw, path)
        >>> dfx.diffeqsolve(term, SmallNoise(), 0.0, 1.0, dt0=0.25, y0=jnp.ones(8)).ys.shape
        (1, 8)

    References:
        G. N. Milstein, M. V. Tret'yakov, "Numerical methods in the weak sense for stochastic differential equations
        with small noise", SIAM J. Numer. Anal. 34 (1997), 2142–2167: the theory of errors in products hⁱ εʲ.
    """

    def order(self, terms):
        """Order for equations without noise."""
        return 4

    def strong_order(self, terms):
        """Strong order for general noise; the scheme is meant for expectations."""
        return 0.5

    def advance(self, equation, t0, t1, y0):
        """One step of the scheme."""
        h, w = equation.control(t0, t1)
        middle = t0 + h / 2
        k1 = equation.drift(t0, y0, h, w)
        k2 = equation.drift(middle, combine((1, y0), (0.5, k1)), h, w)
        k3 = equation.drift(middle, combine((1, y0), (0.5, k2)), h, w)
        end, kick = add(y0, k3), equation.noise(t0, y0, w)
        # h/6 k₄ − h/2 k₄ = −h/3 k₄ at the point where S is wanted too: one evaluation gives both.
        last = equation.both(t1, end, -h / 3, 0.5 * w)
        shifted = equation.drift(t1, add(end, kick), h, w)
        rest = combine((1 / 6, k1), (1 / 3, k2), (1 / 3, k3), (0.5, shifted), (0.5, kick))
        return add(y0, rest, last)
