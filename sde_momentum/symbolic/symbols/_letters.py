"""The letters of hyperparameters."""

import re
import unicodedata

from sde_momentum.symbolic.symbols._symbols import LETTERS

SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
_TAKEN = {letter for letter, _ in LETTERS.values()}


def letters_of(name: str) -> tuple[str, str] | None:
    """The text and LaTeX letters of a hyperparameter, by the table or because it is named after a Greek letter."""
    if name in LETTERS:
        return LETTERS[name]
    if name.endswith("'"):
        base, primes = name.rstrip("'"), len(name) - len(name.rstrip("'"))
        text, latex = letters_of(base) or (base, f"\\mathrm{{{base}}}")
        return text + "\N{PRIME}" * primes, latex + "'" * primes
    match = re.fullmatch(r"([A-Za-z_]*?[A-Za-z])_?(\d*)", name)
    if match is None:
        return None
    word, digits = match.groups()
    text, latex = LETTERS.get(word, (word, word))
    if len(word) > 1 and word not in LETTERS:
        spelled = {"lambda": "LAMDA"}.get(word, word.upper())
        try:
            text, latex = unicodedata.lookup(f"GREEK SMALL LETTER {spelled}"), f"\\{word}"
        except KeyError:
            return None
        if text in _TAKEN and not digits:  # `eta` is not the learning rate
            return None
    return (text + digits.translate(SUBSCRIPTS), f"{latex}_{{{digits}}}") if digits else (text, latex)
