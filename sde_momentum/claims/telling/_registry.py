"""The claims, in the order in which the report tells them."""

import difflib
import importlib

from sde_momentum.claims.evidence._claim import Claim

_MODULES = {
    "orders": "equations._orders",
    "closeness": "equations._closeness",
    "update-noise": "equations._update_noise",
    "svag": "equations._svag",
    "slow-motion": "slow._slow_motion",
    "curved-valley": "slow._curved_valley",
    "circle": "slow._circle",
    "sparse-recovery": "slow._sparse_recovery",
    "matrix-factorization": "slow._matrix_factorization",
    "hitting-time": "slow._hitting_time",
    "adam-regularizer": "slow._adam_regularizer",
    "network-flatness": "slow._network_flatness",
    "hyperbola": "finite._hyperbola",
    "narrow-valley": "finite._narrow_valley",
    "tuned": "finite._tuned",
    "momentum-limits": "boundary._momentum_limits",
    "adam-momentum": "boundary._adam_momentum",
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
