"""From names on the command line to objects, with the nearest name suggested for a wrong one."""

import difflib
from collections.abc import Iterable

import sympy as sp

from sde_momentum.optimizers import CATALOGUE, momentum_regime, svag, weight_decay
from sde_momentum.symbolic import Regime, UpdateRule


def nearest(kind: str, name: str, known: Iterable[str]) -> ValueError:
    """The error for an unknown name."""
    known = list(known)
    near = difflib.get_close_matches(name.lower().replace("-", "_"), known, 1, cutoff=0.4)
    near = near or difflib.get_close_matches(name.lower(), known, 1, cutoff=0.4)
    hint = f"did you mean `{near[0]}`?" if near else f"there are {', '.join(known)}."
    return ValueError(f"unknown {kind} `{name}`; {hint}")


def find_rule(name: str) -> UpdateRule:
    """An optimizer of the catalogue."""
    if name not in CATALOGUE:
        raise nearest("optimizer", name, CATALOGUE)
    return CATALOGUE[name]()


def wrapped(rule: UpdateRule, decay: str, amplification: str) -> UpdateRule:
    """The rule with weight decay and SVAG as asked for."""
    rule = rule if decay == "none" else weight_decay(rule, decoupled=decay == "decoupled")
    return rule if amplification == "none" else svag(rule, adaptive=amplification == "adaptive")


def find_regime(rule: UpdateRule, name: str, momentum_index: str) -> Regime:
    """One of the rule's regimes by name, or the one found at a momentum index."""
    if momentum_index:
        if name not in ("", "noise-dominated", "small-noise"):
            raise ValueError(
                "with `--momentum-index` the clock is found; `--regime` may then be noise-dominated or small-noise."
            )
        return momentum_regime(rule, momentum_index, sp.S.One if name == "small-noise" else None)
    if not name:
        return rule.default_regime()
    known = {regime.name: regime for regime in rule.regimes()} if rule.regimes else {}
    known = known or {regime.name: regime for regime in (Regime.small_noise(), Regime.noise_dominated())}
    if name not in known:
        raise nearest("regime", name, known)
    return known[name]
