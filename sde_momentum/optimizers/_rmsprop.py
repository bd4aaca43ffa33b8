"""RMSProp."""

from sde_momentum.optimizers._adaptive_regimes import adaptive_ballistic, adaptive_noise_dominated
from sde_momentum.optimizers._root_of_squares import root_of_squares
from sde_momentum.symbolic import Regime, Source, UpdateRule, update_rule

_SOURCES = (Source("malladi2022sdes", "Definition 4.2 and Theorem 4.5"),)


def rmsprop(eps_inside: bool = False) -> UpdateRule:
    r"""RMSProp, $G' = \rho G + (1-\rho) g^2$, $x' = x - \eta g / (\sqrt{G'} + \varepsilon)$.

    Args:
        eps_inside: put ε inside the root, $\sqrt{G' + \varepsilon}$.

    Returns:
        The rule, with hyperparameters `learning_rate` η, `decay` ρ and `eps` ε. Regimes: noise-dominated (σ = σ₀/η,
        1 − ρ = c₂η², ε of the size of σ, t = kη²) and ballistic (σ = 1, 1 − ρ = c₂η, t = kη).

    Example:
        >>> rmsprop().state
        ('x', 'G')

    References:
        Malladi, Lyu, Panigrahi, Arora (2022), Definition 4.2; they use ε outside the root.
    """

    @update_rule(state=("x", "G"), sources=_SOURCES, regimes=lambda: _regimes(eps_inside))
    def rmsprop(x, G, g, *, learning_rate, decay, eps):
        G = decay * G + (1 - decay) * g**2
        return x - learning_rate * g / root_of_squares(G, eps, eps_inside), G

    return rmsprop


def _regimes(eps_inside: bool) -> tuple[Regime, ...]:
    return adaptive_noise_dominated(("decay",), eps_inside=eps_inside), adaptive_ballistic(("decay",))
