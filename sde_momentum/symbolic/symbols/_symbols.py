"""Symbols with one meaning and one home, and the letters they are printed with."""

import sympy as sp

LEARNING_RATE = sp.Symbol("learning_rate", positive=True)
MOMENTUM = sp.Symbol("momentum", nonnegative=True)
RELAXATION_RATE = sp.Symbol("relaxation_rate", positive=True)
GRADIENT = sp.Symbol("g", real=True)
SCHEDULE = sp.Symbol("schedule", positive=True)

# What nodes of graphs and arguments of functions of fields are called: no state variable can have these names.
RESERVED = {"g", "f", "L", "S", "R", "Sigma", "xi", "delta", "one", "dimension", "gradient_norm", "loss_slope"} | {
    "noise_variance",
    "squared_gradient",
    "noise_deviation",
}

LETTERS = {
    "learning_rate": ("η", r"\eta"),
    "momentum": ("β", r"\beta"),
    "relaxation_rate": ("λ", r"\lambda"),
    "dimension": ("d", "d"),
    "dampening": ("ν", r"\nu"),
    "weight_decay": ("ω", r"\omega"),
    "decay": ("ρ", r"\rho"),
    "decay_rate": ("b", "b"),
    "rate_decay": ("c", "c"),
    "rate_beta": ("c", "c"),
    "step_size": ("α", r"\alpha"),
    "eps": ("ε", r"\varepsilon"),
    "look_ahead": ("c", "c"),
    "schedule": ("φ", r"\varphi"),
    "amplification": ("ℓ", r"\ell"),
}


def hyperparameter(name: str) -> sp.Symbol:
    """Return the symbol of a hyperparameter; the same name always gives the same symbol."""
    known = {str(symbol): symbol for symbol in (LEARNING_RATE, MOMENTUM, RELAXATION_RATE, SCHEDULE)}
    if name.endswith("'"):  # the time derivative of a schedule, which has either sign
        return sp.Symbol(name, real=True)
    return known.get(name, sp.Symbol(name, positive=True))


def rate_of(symbol: sp.Symbol) -> sp.Symbol:
    """Return the symbol of the time derivative of a scheduled hyperparameter, β′ of β."""
    return hyperparameter(f"{symbol}'")


def variable(name: str) -> sp.Symbol:
    """Return the symbol that stands for a generic component of a state variable."""
    return sp.Symbol(name, real=True)
