"""BibTeX entries of published statements, from the file that the documentation also uses."""

import re
from collections.abc import Iterable
from functools import lru_cache
from importlib.resources import files

from sde_momentum.symbolic.rules._rule import Source


def bibtex(sources: Iterable[Source]) -> str:
    """Write the BibTeX entries of sources, each once, with the place in the source as a comment before it.

    Args:
        sources: published statements; their keys are looked up in the package's `references.bib`.

    Returns:
        BibTeX, in the order given; empty when there are no sources.

    Raises:
        ValueError: a key is not in `references.bib`.

    Example:
        >>> from sde_momentum.symbolic import Source
        >>> print(bibtex([Source("li2019stochastic", "Theorem 9")]).splitlines()[0])
        % li2019stochastic: Theorem 9
    """
    places: dict[str, list[str]] = {}
    for source in sources:
        where = places.setdefault(source.key, [])
        if source.where and source.where not in where:
            where.append(source.where)
    return "\n\n".join(_entry(key, where) for key, where in places.items())


def _entry(key: str, where: list[str]) -> str:
    entries = _entries()
    if key not in entries:
        raise ValueError(f"no source `{key}` in sde_momentum/references.bib, which has {', '.join(sorted(entries))}.")
    return (f"% {key}: {'; '.join(where)}\n" if where else "") + entries[key]


@lru_cache(maxsize=1)
def _entries() -> dict[str, str]:
    """Entries by key: each starts at the beginning of a line and ends with a brace there."""
    text = files("sde_momentum").joinpath("references.bib").read_text(encoding="utf-8")
    return {match["key"]: match[0] for match in re.finditer(r"^@\w+\{(?P<key>[^,\s]+),.*?^\}", text, re.M | re.S)}
