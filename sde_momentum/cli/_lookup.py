"""From names on the command line to objects, with the nearest name suggested for a wrong one."""

import difflib
from collections.abc import Iterable
from typing import Any

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


def find_rule(options: Any) -> UpdateRule:
    """An optimizer of the catalogue, with weight decay and SVAG where asked for."""
    if options.name not in CATALOGUE:
        raise nearest("optimizer", options.name, CATALOGUE)
    rule = CATALOGUE[options.name]()
    if options.weight_decay != "none":
        rule = weight_decay(rule, decoupled=options.weight_decay == "decoupled")
    return rule if options.svag == "none" else svag(rule, adaptive=options.svag == "adaptive")


def find_regime(options: Any, rule: UpdateRule) -> Regime:
    """One of the rule's regimes by name, or the one found at a momentum index."""
    name = options.regime
    if options.momentum_index:
        if name not in ("", "noise-dominated", "small-noise"):
            raise ValueError(
                "with `--momentum-index` the clock is found; `--regime` may then be noise-dominated or small-noise."
            )
        return momentum_regime(rule, options.momentum_index, sp.S.One if name == "small-noise" else None)
    if not name:
        return rule.default_regime()
    known = {regime.name: regime for regime in rule.regimes()}
    if name not in known:
        raise nearest("regime", name, known)
    return known[name]
