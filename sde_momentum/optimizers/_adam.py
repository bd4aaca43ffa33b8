"""Adam."""

from sde_momentum.optimizers._adaptive_regimes import adaptive_ballistic, adaptive_noise_dominated
from sde_momentum.optimizers._root_of_squares import root_of_squares
from sde_momentum.symbolic import Regime, Source, UpdateRule, update_rule

_SOURCES = (Source("malladi2022sdes", "Definition 4.3 and Theorem 4.5"),)


def adam(bias_correction: bool = True, eps_inside: bool = False) -> UpdateRule:
    r"""Adam, $x' = x - \eta \hat m / (\sqrt{\hat G} + \varepsilon)$ with averages of the gradient and of its square.

    $m' = \beta_1 m + (1-\beta_1) g$, $G' = \beta_2 G + (1-\beta_2) g^2$, $\hat m = m'/(1-\beta_1^k)$ and
    $\hat G = G'/(1-\beta_2^k)$, with the number of the step k as a state variable.

    Args:
        bias_correction: divide by 1 − β₁^k and 1 − β₂^k.
        eps_inside: put ε inside the root.

    Returns:
        The rule, with hyperparameters `learning_rate` η, `beta1`, `beta2` and `eps` ε. Regimes: noise-dominated
        (σ = σ₀/η, 1 − β_i = c_i η², t = kη²) and ballistic (σ = 1, 1 − β_i = c_i η, t = kη).

    Example:
        >>> adam().state, adam(bias_correction=False).state
        (('x', 'm', 'G', 'k'), ('x', 'm', 'G'))

    References:
        Malladi, Lyu, Panigrahi, Arora (2022), Definition 4.3.
    """
    return _corrected(eps_inside) if bias_correction else _plain(eps_inside)


def _corrected(eps_inside: bool) -> UpdateRule:
    @update_rule(state=("x", "m", "G", "k"), sources=_SOURCES, regimes=lambda: _regimes(("k",), eps_inside))
    def adam(x, m, G, k, g, *, learning_rate, beta1, beta2, eps):
        m, G, k = beta1 * m + (1 - beta1) * g, beta2 * G + (1 - beta2) * g**2, k + 1
        first, second = m / (1 - beta1**k), G / (1 - beta2**k)
        return x - learning_rate * first / root_of_squares(second, eps, eps_inside), m, G, k

    return adam


def _plain(eps_inside: bool) -> UpdateRule:
    @update_rule(state=("x", "m", "G"), sources=_SOURCES, regimes=lambda: _regimes((), eps_inside))
    def adam(x, m, G, g, *, learning_rate, beta1, beta2, eps):
        m, G = beta1 * m + (1 - beta1) * g, beta2 * G + (1 - beta2) * g**2
        return x - learning_rate * m / root_of_squares(G, eps, eps_inside), m, G

    return adam


def _regimes(counters: tuple[str, ...], eps_inside: bool) -> tuple[Regime, ...]:
    averages = ("beta1", "beta2")
    return adaptive_noise_dominated(averages, counters, eps_inside), adaptive_ballistic(averages, counters)
