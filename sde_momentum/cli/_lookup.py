"""From names on the command line to objects, with the nearest name suggested for a wrong one."""

import difflib
from collections.abc import Iterable

from sde_momentum.optimizers import CATALOGUE, momentum_regime
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


def find_regime(rule: UpdateRule, name: str, momentum_index: str) -> Regime:
    """One of the rule's regimes by name, or the noise-dominated one at a momentum index."""
    if momentum_index:
        if name not in ("", "noise-dominated"):
            raise ValueError("`--momentum-index` belongs to the noise-dominated regime; leave `--regime` out.")
        return momentum_regime(rule, momentum_index)
    if not name:
        return rule.default_regime()
    known = {regime.name: regime for regime in rule.regimes()} if rule.regimes else {}
    known = known or {regime.name: regime for regime in (Regime.small_noise(), Regime.noise_dominated())}
    if name not in known:
        raise nearest("regime", name, known)
    return known[name]
