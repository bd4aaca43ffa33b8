"""AdaDelta."""

from typing import Literal

import sympy as sp

from sde_momentum.optimizers._adaptive_regimes import self_scaled_ballistic, self_scaled_noise_dominated
from sde_momentum.symbolic import UpdateRule, update_rule


def adadelta(form: Literal["original", "scaled"] = "original") -> UpdateRule:
    r"""AdaDelta, $\Delta = -\sqrt{(s+\varepsilon)/(G'+\varepsilon)}\, g$, $x' = x + \Delta$.

    $G' = \rho G + (1-\rho) g^2$ averages squared gradients and $s' = \rho s + (1-\rho) \Delta^2$ squared steps. The
    original method has no learning rate: its steps are small because ε is, $\varepsilon = \varepsilon_0 \eta^2$, and
    `learning_rate` η enters through that relation alone. With the averages of G relaxed, s grows by
    (1 − ρ)ε a step, so that the method accelerates: in the limit, $d\hat s = c\,\varepsilon_0\,dt$ where
    $G = (\nabla L)^2 + \operatorname{diag}\Sigma$.

    Args:
        form: `"original"`, or `"scaled"` with x' = x + ηΔ as PyTorch and optax have it; ε then keeps its size.

    Returns:
        The rule, with hyperparameters `learning_rate` η, `decay` ρ and `eps` ε. Regimes: ballistic (σ = 1, 1 − ρ = cη,
        t = kη) and noise-dominated (σ = σ₀/η, 1 − ρ = cη², t = kη²). With a small ε the limits divide by √G, so they
        need a positive start of G.

    Raises:
        ValueError: there is no such form.

    Example:
        >>> adadelta().state
        ('x', 'G', 's')

    References:
        Zeiler (2012), "ADADELTA: an adaptive learning rate method", Algorithm 1.
    """
    if form not in ("original", "scaled"):
        raise ValueError(f'`form` must be "original" or "scaled", got {form!r}.')
    original = form == "original"
    makers = (self_scaled_ballistic, self_scaled_noise_dominated)

    @update_rule(state=("x", "G", "s"), regimes=lambda: tuple(make(small_steps=original) for make in makers))
    def adadelta(x, G, s, g, *, learning_rate, decay, eps):
        G = decay * G + (1 - decay) * g**2
        step = -sp.sqrt(s + eps) * g / sp.sqrt(G + eps)
        s = decay * s + (1 - decay) * (s + eps) * g**2 / (G + eps)
        return x + (step if original else learning_rate * step), G, s

    return adadelta
