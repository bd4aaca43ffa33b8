"""The cells of every page run from the first to the last, as in the build of the documentation."""

import re
from pathlib import Path

import jax
import pytest

DOCS = Path(__file__).parents[1] / "docs"
PAGES = sorted([*DOCS.glob("*.md"), *(DOCS / "rooms").glob("*.md")])


def cells(page: Path) -> list[str]:
    """The code cells of a page."""
    return re.findall(r"^```\{code-cell\} ipython3\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if cells(page)], ids=lambda page: page.stem)
def test_cells_run(page, monkeypatch):
    """A page is a program: in single precision unless it says otherwise, and nothing in it fails."""
    monkeypatch.setenv("MPLBACKEND", "agg")
    with jax.enable_x64(False):
        exec(compile("\n".join(cells(page)), str(page), "exec"), {"__name__": page.stem})


def test_cells_are_programs():
    """Every page with an example has cells, and they are Python."""
    programs = {page.stem: "\n".join(cells(page)) for page in PAGES if "code-cell" in page.read_text()}
    assert {"tour", "authors", "symbolic", "solvers"} <= set(programs)
    for name, program in programs.items():
        compile(program, name, "exec")
