"""Regimes of methods that are not polynomial in the gradient: they need the law of its noise."""

from sde_momentum.symbolic import LEARNING_RATE, Regime, hyperparameter

INDEPENDENT, ISOTROPIC = "independent Gaussian components", "isotropic Gaussian"


def gaussian(noise_law: str) -> Regime:
    """Return σ = 1, t = kη with Gaussian noise: gradient and noise of one size, the noise of the limit of size √η.

    Args:
        noise_law: `"independent Gaussian components"` or `"isotropic Gaussian"`.

    References:
        Compagnoni et al. (2025), the setting of their equations for sign descent.
    """
    return Regime("small-noise", noise_law=noise_law)


def gaussian_noise_dominated(noise_law: str) -> Regime:
    """Return σ = σ₀/η, t = kη² with Gaussian noise: a step points almost anywhere, drift and noise add up to one size.

    Args:
        noise_law: `"independent Gaussian components"` or `"isotropic Gaussian"`.
    """
    noise = hyperparameter("sigma0") / LEARNING_RATE
    return Regime("noise-dominated", noise, LEARNING_RATE**2, noise_law=noise_law)
