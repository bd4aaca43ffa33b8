"""The regimes of adaptive methods: how averages of squares scale with the learning rate."""

import sympy as sp

from sde_momentum.symbolic import LEARNING_RATE, Regime, hyperparameter

ETA = LEARNING_RATE


def adaptive_noise_dominated(
    averages: tuple[str, ...], counters: tuple[str, ...] = (), eps_inside: bool = False
) -> Regime:
    """Return σ = σ₀/η, 1 − β_i = c_i η², ε of the size of the noise, t = kη²: noise and drift of one size.

    The limit describes u = η² G for the average G of squared gradients.

    Args:
        averages: decay hyperparameters β_i; c_i is the new constant `rate_β_i`.
        counters: state variables that count steps; the limit describes the time η² k.
        eps_inside: ε stands inside the root.

    References:
        Malladi et al. (2022), Definition 4.4.
    """
    scalings = _relaxing(averages, ETA**2) | _eps_with_noise(eps_inside)
    return _noise_dominated(scalings, dict.fromkeys(("G", *counters), ETA ** (-2)))


def adaptive_ballistic(averages: tuple[str, ...], counters: tuple[str, ...] = ()) -> Regime:
    """Return σ = 1, 1 − β_i = c_i η, t = kη: the noise of the limit is of size √η; averages of squares and ε stay.

    Args:
        averages: decay hyperparameters β_i; c_i is the new constant `rate_β_i`.
        counters: state variables that count steps; the limit describes the time η k.

    References:
        Compagnoni et al. (2025), the scaling of their equations for RMSprop and Adam.
    """
    return Regime("ballistic", sp.S.One, ETA, _relaxing(averages, ETA), dict.fromkeys(counters, 1 / ETA))


def self_scaled_ballistic(small_steps: bool) -> Regime:
    """Return AdaDelta's σ = 1, 1 − ρ = c η, t = kη: the noise of the limit is of size √η.

    Args:
        small_steps: steps have no factor η; ε = ε₀η² makes them small, and s = η² ŝ with it.
    """
    return Regime(
        "ballistic", sp.S.One, ETA, _relaxing(("decay",), ETA) | _small_eps(small_steps), _small_squares(small_steps)
    )


def self_scaled_noise_dominated(small_steps: bool) -> Regime:
    """Return AdaDelta's σ = σ₀/η, 1 − ρ = c η², t = kη², G = u/η²: noise and drift of one size.

    Args:
        small_steps: steps have no factor η; ε = ε₀η² makes them small, and s = η² ŝ with it.
    """
    scalings = _relaxing(("decay",), ETA**2) | _small_eps(small_steps)
    return _noise_dominated(scalings, {"G": ETA ** (-2)} | _small_squares(small_steps))


def accumulating(eps_inside: bool = False) -> Regime:
    """Return σ = 1, G = u/η², t = kη²: a sum of squares that makes the steps small.

    Args:
        eps_inside: ε stands inside the root.
    """
    return Regime("accumulating", sp.S.One, ETA**2, _eps_with_noise(eps_inside), {"G": ETA ** (-2)})


def warm_accumulator(eps_inside: bool = False) -> Regime:
    """Return δ = `learning_rate` small, the step size fixed, σ = δ^(−1/2), G = u/δ², t = kδ: noise and drift alike.

    A sum of squares takes the noise's own size, G ~ kσ², so that the noise of the steps, η²Σσ²/G, adds up to
    η² log k whatever σ is: it competes with the drift at a fixed step size alone, and steps are small there when the
    accumulator is warm, that is, large from the start.

    Args:
        eps_inside: ε stands inside the root.
    """
    half = sp.Rational(1, 2)
    scalings = _eps_with_noise(eps_inside)
    return Regime("warm", ETA**-half, ETA, scalings, {"G": ETA ** (-2)}, cumulant_scales={3: ETA**half})


def _noise_dominated(scalings: dict[str, sp.Expr], state_scales: dict[str, sp.Expr]) -> Regime:
    noise = hyperparameter("sigma0") / ETA
    return Regime("noise-dominated", noise, ETA**2, scalings, state_scales, cumulant_scales={3: ETA})


def _relaxing(averages: tuple[str, ...], rate: sp.Expr) -> dict[str, sp.Expr]:
    """1 − β_i = c_i · rate: averages over a time of the limit."""
    return {name: 1 - hyperparameter(f"rate_{name}") * rate for name in averages}


def _eps_with_noise(inside: bool) -> dict[str, sp.Expr]:
    """ε as large as the √G or the G that it is added to, where G = u/η²."""
    eps = hyperparameter("eps0")
    return {"eps": eps**2 / ETA**2 if inside else eps / ETA}


def _small_eps(small: bool) -> dict[str, sp.Expr]:
    return {"eps": hyperparameter("eps0") * ETA**2} if small else {}


def _small_squares(small: bool) -> dict[str, sp.Expr]:
    return {"s": ETA**2} if small else {}
