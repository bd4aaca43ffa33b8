"""What objects say of themselves, and ask of themselves, with words and methods that rooms to their right bring.

A rule prints itself in letters, and an equation as a statement. Both are written by `presentation`, which knows them
and must not be known by them: the doors stand here, and the room behind registers what it does for a type.
"""

from functools import singledispatch
from typing import Any


@singledispatch
def text(thing: Any) -> str:
    """Write as plain text."""
    raise TypeError(f"there are no words for {type(thing).__name__}.")


@singledispatch
def latex(thing: Any) -> str:
    """Write as LaTeX, without the delimiters of a formula."""
    raise TypeError(f"there is no LaTeX for {type(thing).__name__}.")


@singledispatch
def functional(thing: Any) -> str:
    """Say which functional a drift descends."""
    raise TypeError(f"{type(thing).__name__} has no drift.")


@singledispatch
def has_limit(rule: Any, regime: Any) -> bool:
    """Whether a rule has an equation of order 1 under a regime."""
    raise TypeError(f"{type(rule).__name__} is not an update rule.")
