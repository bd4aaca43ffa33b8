"""The claims, in the order in which the report tells them."""

import difflib
import importlib

from sde_momentum.claims._claim import Claim

_MODULES = {
    "orders": "_orders",
    "closeness": "_closeness",
    "update-noise": "_update_noise",
    "svag": "_svag",
    "slow-motion": "_slow_motion",
    "curved-valley": "_curved_valley",
    "circle": "_circle",
    "sparse-recovery": "_sparse_recovery",
    "matrix-factorization": "_matrix_factorization",
    "hitting-time": "_hitting_time",
    "adam-regularizer": "_adam_regularizer",
    "network-flatness": "_network_flatness",
    "hyperbola": "_hyperbola",
    "narrow-valley": "_narrow_valley",
    "tuned": "_tuned",
    "momentum-limits": "_momentum_limits",
    "adam-momentum": "_adam_momentum",
}


def claim_names() -> tuple[str, ...]:
    """Return the names of all claims, in the order of the report."""
    return tuple(_MODULES)


def load_claim(name: str) -> Claim:
    """Return a claim by name.

    Raises:
        ValueError: there is no such claim; the message suggests the nearest.

    Example:
        >>> load_claim("update-noise").name
        'update-noise'
    """
    if name not in _MODULES:
        near = difflib.get_close_matches(name, _MODULES, 1, cutoff=0.3)
        hint = f"did you mean `{near[0]}`?" if near else f"there are {', '.join(_MODULES)}."
        raise ValueError(f"unknown claim `{name}`; {hint}")
    return importlib.import_module(f"sde_momentum.claims.{_MODULES[name]}").CLAIM
