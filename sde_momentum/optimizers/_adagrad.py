"""AdaGrad."""

from sde_momentum.optimizers._adaptive_regimes import accumulating, warm_accumulator
from sde_momentum.optimizers._root_of_squares import root_of_squares
from sde_momentum.symbolic import UpdateRule, update_rule


def adagrad(eps_inside: bool = False, fixed_step: bool = False) -> UpdateRule:
    r"""AdaGrad, $G' = G + g^2$, $x' = x - \eta g / (\sqrt{G'} + \varepsilon)$.

    The accumulator grows without bound: after k = t/η² steps it is of size 1/η², and the steps are of size η². Its
    noise is then of size η whatever the noise scale σ is, since G takes the size of σ² too: there is no noise-dominated
    regime with a small learning rate. With a fixed one there is: where G starts large, of size 1/δ², and σ = δ^{−1/2},
    the limit on t = kδ is $dX = -\alpha(\sqrt u + \varepsilon_0)^{-1}(\nabla L\,dt + \Sigma^{1/2}dW)$,
    $du = \operatorname{diag}\Sigma\,dt$.

    Args:
        eps_inside: put ε inside the root.
        fixed_step: give the step size a name of its own, `step_size` α; `learning_rate` is then the small parameter δ
            of the regime, in which α is fixed.

    Returns:
        The rule, with hyperparameters `learning_rate` η and `eps` ε, and its regime on the clock t = kη²; with
        `fixed_step`, the regime on the clock t = kδ.

    Example:
        >>> adagrad().state
        ('x', 'G')

    References:
        Duchi, Hazan, Singer (2011), "Adaptive subgradient methods", diagonal version.
    """
    return _fixed(eps_inside) if fixed_step else _small(eps_inside)


def _fixed(eps_inside: bool) -> UpdateRule:
    @update_rule(state=("x", "G"), regimes=lambda: (warm_accumulator(eps_inside=eps_inside),))
    def adagrad(x, G, g, *, learning_rate, step_size, eps):
        del learning_rate
        G = G + g**2
        return x - step_size * g / root_of_squares(G, eps, eps_inside), G

    return adagrad


def _small(eps_inside: bool) -> UpdateRule:
    @update_rule(state=("x", "G"), regimes=lambda: (accumulating(eps_inside=eps_inside),))
    def adagrad(x, G, g, *, learning_rate, eps):
        G = G + g**2
        return x - learning_rate * g / root_of_squares(G, eps, eps_inside), G

    return adagrad
