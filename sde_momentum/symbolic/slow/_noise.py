"""What the gradient noise looks like on the manifold of minimizers."""

from dataclasses import dataclass

import sympy as sp

from sde_momentum.symbolic.symbols._expression_reading import read_expression
from sde_momentum.symbolic.symbols._symbols import hyperparameter

EIGENVALUE = sp.Symbol("h", positive=True)
NOISE_VARIANCE = sp.Symbol("s", positive=True) ** 2
LABEL_CONSTANT = sp.Symbol("c", positive=True)


@dataclass(frozen=True)
class SlowNoise:
    r"""The covariance Σ on Γ, as far as it is known.

    Args:
        name: what printouts call it.
        normal: ψ, a function of `EIGENVALUE` h with Σ = ψ(H) on the normal space; None when Σ is general.
        tangent: a constant s² with Σ = s² P on the tangent space; None when Σ is general.
        reason: why noise of this kind has this covariance.
    """

    name: str
    normal: sp.Expr | None = None
    tangent: sp.Expr | None = None
    reason: str = ""

    @property
    def is_general(self) -> bool:
        """Whether nothing is known about Σ."""
        return self.normal is None

    @property
    def vanishes(self) -> bool:
        """Whether there is no noise on Γ."""
        return self.normal == 0 and self.tangent == 0


def spectral_noise(normal, tangent=0, *, name: str = "spectral", reason: str = "") -> SlowNoise:
    r"""Noise whose covariance is a function of the Hessian on Γ, Σ = ψ(H) + s² P.

    Args:
        normal: ψ in the symbol `h` (a sympy expression or text).
        tangent: s², a constant.
        name: what printouts call it.
        reason: why the noise has this covariance.

    Returns:
        A `SlowNoise` for `slow_equation`.

    Raises:
        ValueError: `tangent` depends on h, whose tangent values are all zero.

    Example:
        >>> from sde_momentum.optimizers import sgd
        >>> from sde_momentum.symbolic import slow_equation, spectral_noise
        >>> print(slow_equation(sgd(), noise=spectral_noise("h**2")).regularizer)
        h**2/8
    """
    symbol = lambda name: EIGENVALUE if name == EIGENVALUE.name else hyperparameter(name)
    normal, tangent = (read_expression(v, symbol, what) for v, what in ((normal, "`normal`"), (tangent, "`tangent`")))
    if tangent.has(EIGENVALUE):
        raise ValueError(f"`tangent` must be a constant, got {tangent}: on Γ every tangent eigenvalue of H is zero.")
    return SlowNoise(name, normal, tangent, reason)


_GENERAL = SlowNoise("general")
_STRUCTURES = {
    "general": _GENERAL,
    "label": spectral_noise(
        LABEL_CONSTANT * EIGENVALUE,
        name="label noise",
        reason="where every residual is zero, Σ and H are multiples of Σ_i ∇f_i ∇f_iᵀ",
    ),
    "isotropic": spectral_noise(NOISE_VARIANCE, NOISE_VARIANCE, name="isotropic noise", reason="Σ = s² I"),
    "normal": spectral_noise(NOISE_VARIANCE, name="normal noise", reason="Σ = s² (I − P)"),
    "interpolation": spectral_noise(
        0,
        name="minibatch noise at interpolation",
        reason="where every example is fitted, every example's gradient is zero, and so is the noise",
    ),
}


def slow_noise(noise: str | SlowNoise) -> SlowNoise:
    """Look a structure up by name.

    Raises:
        ValueError: there is no structure of that name.
        TypeError: `noise` is neither a name nor a `SlowNoise`.
    """
    if isinstance(noise, SlowNoise):
        return noise
    if not isinstance(noise, str):
        raise TypeError(f"`noise` must be one of {', '.join(_STRUCTURES)} or a SlowNoise, got {type(noise).__name__}.")
    if noise not in _STRUCTURES:
        raise ValueError(
            f"`noise` must be one of {', '.join(_STRUCTURES)}, got {noise!r}; `spectral_noise` covers any Σ = ψ(H)."
        )
    return _STRUCTURES[noise]
