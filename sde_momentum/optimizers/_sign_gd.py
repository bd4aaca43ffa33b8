"""Sign descent."""

import sympy as sp

from sde_momentum.optimizers._gaussian_regimes import INDEPENDENT, gaussian, gaussian_noise_dominated
from sde_momentum.symbolic import Regime, Source, UpdateRule, update_rule

_SOURCES = (Source("compagnoni2025adaptive", "the equation of sign descent with Gaussian noise"),)


def sign_gd() -> UpdateRule:
    r"""Sign descent, $x' = x - \eta\,\mathrm{sign}(g)$.

    Returns:
        The rule, with state `x` and hyperparameter `learning_rate` η. Regimes: Gaussian noise with independent
        components (σ = 1, t = kη), the same dominating the gradient (σ = σ₀/η, t = kη²), and no noise, where the
        limit holds as long as no component of the gradient changes its sign.

    Example:
        >>> from sde_momentum.symbolic import modified_equation
        >>> print(modified_equation(sign_gd()).drift["x"])
        -erf(∇L/√(2·diag Σ))

    References:
        Compagnoni et al. (2025); Bernstein et al. (2018), "signSGD".
    """
    regimes = lambda: (gaussian(INDEPENDENT), gaussian_noise_dominated(INDEPENDENT), Regime.noiseless())

    @update_rule(state=("x",), sources=_SOURCES, regimes=regimes)
    def sign_gd(x, g, *, learning_rate):
        return x - learning_rate * sp.sign(g)

    return sign_gd
