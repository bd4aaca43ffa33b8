"""AdaGrad."""

import sympy as sp

from sde_momentum.optimizers._adaptive_regimes import accumulating
from sde_momentum.symbolic import UpdateRule, update_rule


def adagrad(eps_inside: bool = False) -> UpdateRule:
    r"""AdaGrad, $G' = G + g^2$, $x' = x - \eta g / (\sqrt{G'} + \varepsilon)$.

    The accumulator grows without bound: after k = t/η² steps it is of size 1/η², and the steps are of size η².

    Args:
        eps_inside: put ε inside the root.

    Returns:
        The rule, with hyperparameters `learning_rate` η and `eps` ε, and its regime on the clock t = kη².

    Example:
        >>> adagrad().state
        ('x', 'G')

    References:
        Duchi, Hazan, Singer (2011), "Adaptive subgradient methods", diagonal version.
    """

    @update_rule(state=("x", "G"), regimes=lambda: (accumulating(eps_inside=eps_inside),))
    def adagrad(x, G, g, *, learning_rate, eps):
        G = G + g**2
        scale = sp.sqrt(G + eps) if eps_inside else sp.sqrt(G) + eps
        return x - learning_rate * g / scale, G

    return adagrad
