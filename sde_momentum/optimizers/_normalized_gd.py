"""Normalized gradient descent."""

import sympy as sp

from sde_momentum.optimizers._gaussian_regimes import ISOTROPIC, gaussian, gaussian_noise_dominated
from sde_momentum.symbolic import Regime, UpdateRule, squared_norm, update_rule


def normalized_gd() -> UpdateRule:
    r"""Normalized gradient descent, $x' = x - \eta\,g/|g|$.

    Returns:
        The rule, with state `x` and hyperparameter `learning_rate` η. Regimes: isotropic Gaussian noise Σ = s² I that
        dominates the gradient (σ = σ₀/η, t = kη²), the same of the gradient's size (σ = 1, t = kη), and no noise.
        The limits hold away from critical points of L, where there is no noise.

    Example:
        >>> from sde_momentum.symbolic import Regime, modified_equation
        >>> print(modified_equation(normalized_gd(), Regime.noiseless()).drift["x"])
        -1/|∇L|·∇L
    """
    regimes = lambda: (gaussian_noise_dominated(ISOTROPIC), gaussian(ISOTROPIC), Regime.noiseless())

    @update_rule(state=("x",), regimes=regimes)
    def normalized_gd(x, g, *, learning_rate):
        return x - learning_rate * g / sp.sqrt(squared_norm(g))

    return normalized_gd
