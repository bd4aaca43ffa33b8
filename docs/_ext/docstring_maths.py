r"""Docstrings write formulas as `$…$` and `$$…$$`, as the pages do; autodoc reads reStructuredText."""

import re

from sphinx.application import Sphinx

_DISPLAY = re.compile(r"^(?P<indent> *)\$\$(?P<latex>.+?)\$\$(?P<end>[.,;]?)[ ]*$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"(?<![\\$\w])\$(?P<latex>[^$]+?)\$(?!\w)")
_CODE = re.compile(r"(^ *(?:>>>|\.\.\. ).*$|``.+?``)", re.MULTILINE)


def _display(match: re.Match[str]) -> str:
    indent, latex = match["indent"], " ".join((match["latex"].strip() + match["end"]).split())
    return f"\n{indent}.. math:: {latex}\n"


def _inline(match: re.Match[str]) -> str:
    return f":math:`{' '.join(match['latex'].split())}`"


def to_restructured_text(text: str) -> str:
    """Replace dollar formulas outside code by the role and the directive.

    Example:
        >>> to_restructured_text("so $x$ costs ``$5``")
        'so :math:`x` costs ``$5``'
    """
    pieces = _CODE.split(_DISPLAY.sub(_display, text))
    return "".join(piece if place % 2 else _INLINE.sub(_inline, piece) for place, piece in enumerate(pieces))


def _process(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    lines[:] = to_restructured_text("\n".join(lines)).split("\n")


def setup(app: Sphinx) -> dict[str, bool]:
    """Translate before napoleon reads the sections."""
    app.connect("autodoc-process-docstring", _process, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
