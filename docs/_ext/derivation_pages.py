"""The percent-format scripts in `derivations/` become pages, executed while the documentation is built."""

from pathlib import Path

import jupytext
from sphinx.application import Sphinx

# A script carries no header; a page needs one to be executed.
HEADER = {
    "file_format": "mystnb",
    "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
    "jupytext": {"notebook_metadata_filter": "all"},
}


def _write_if_new(path: Path, text: str) -> None:
    """Leave an unchanged page alone, so that Sphinx does not execute it again."""
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def _convert(app: Sphinx) -> None:
    pages = Path(app.srcdir) / "generated"
    pages.mkdir(exist_ok=True)
    scripts = sorted((Path(app.srcdir).parent / "derivations").glob("*.py"))
    for script in scripts:
        notebook = jupytext.read(script, fmt="py:percent")
        notebook.metadata.update(HEADER)
        _write_if_new(pages / f"{script.stem}.md", jupytext.writes(notebook, fmt="md:myst"))
    for page in set(pages.glob("*.md")) - {pages / f"{script.stem}.md" for script in scripts}:
        page.unlink()


def setup(app: Sphinx) -> dict[str, bool]:
    """Write the pages before Sphinx looks for them."""
    app.connect("builder-inited", _convert)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
