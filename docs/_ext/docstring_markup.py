r"""Docstrings write formulas as `$…$` and `$$…$$` and norms as |x|, as the pages do; autodoc reads reStructuredText."""

import re

import jax.typing
from sphinx.application import Sphinx
from sphinx.util.typing import stringify_annotation

from sde_momentum.solvers import Seed

_DISPLAY = re.compile(r"^(?P<indent> *)\$\$(?P<latex>.+?)\$\$(?P<end>[.,;]?)[ ]*$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"(?<![\\$\w])\$(?P<latex>[^$]+?)\$(?!\w)")
# An example, a display formula, a literal, or code with or without a role: what is not running text.
_FIXED = re.compile(r"(^ *(?:>>>|\.\.\. |\.\. ).*$|``.+?``|(?::[\w:+-]+:)?`[^`]+?`)", re.MULTILINE)
_QUALIFIED = re.compile(
    r"~?\b(?:jaxlib|jax|jaxtyping|numpy|sympy|equinox|diffrax|collections|typing)(?:\.\w+)*\.(?=\w)"
)
_ALIASES = {"ArrayLike": jax.typing.ArrayLike, "DTypeLike": jax.typing.DTypeLike, "Seed": Seed}


def _display(match: re.Match[str]) -> str:
    indent, latex = match["indent"], " ".join((match["latex"].strip() + match["end"]).split())
    return f"\n{indent}.. math:: {latex}\n"


def _inline(match: re.Match[str]) -> str:
    return f":math:`{' '.join(match['latex'].split())}`"


def _outside(pattern: re.Pattern[str], text: str, change) -> str:
    """Apply `change` to the text between the matches of `pattern`."""
    return "".join(piece if place % 2 else change(piece) for place, piece in enumerate(pattern.split(text)))


def to_restructured_text(text: str) -> str:
    """Replace dollar formulas by the role and the directive, and keep bars from being read as substitutions."""
    text = _outside(_FIXED, _DISPLAY.sub(_display, text), lambda piece: _INLINE.sub(_inline, piece))
    return _outside(_FIXED, text, lambda piece: piece.replace("|", r"\|"))


def _process(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    lines[:] = to_restructured_text("\n".join(lines)).split("\n")


def _short_types(signature: str | None) -> str | None:
    """Show `Array` and `ArrayLike`, not private modules and unions of seven types."""
    for name, alias in _ALIASES.items():
        signature = signature and signature.replace(stringify_annotation(alias, "smart"), name)
    return signature and _QUALIFIED.sub("", signature)


def _process_signature(app: Sphinx, what: str, name: str, obj: object, options: object, signature, returns):
    return _short_types(signature), _short_types(returns)


def setup(app: Sphinx) -> dict[str, bool]:
    """Translate before napoleon reads the sections."""
    app.connect("autodoc-process-docstring", _process, priority=400)
    app.connect("autodoc-process-signature", _process_signature)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
