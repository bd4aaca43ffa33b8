"""The top level: every name is where both tables say, and nothing heavy is loaded before it is needed."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import sde_momentum

HEAVY = ("jax", "sympy", "diffrax", "equinox", "optax", "scipy", "xarray", "matplotlib", "sklearn", "tyro")
PACKAGE = Path(sde_momentum.__file__).parent


def loaded_by(statement: str) -> set[str]:
    """Heavy packages in `sys.modules` of a fresh interpreter after one statement."""
    program = f"import sys; {statement}; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    return set(done.stdout.split())


def stub_names() -> set[str]:
    """Names that `__init__.pyi` promises to type checkers."""
    names = set()
    for statement in ast.parse((PACKAGE / "__init__.pyi").read_text()).body:
        if isinstance(statement, ast.ImportFrom):
            names |= {alias.asname for alias in statement.names if alias.asname == alias.name}
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            names.add(statement.target.id)
    return names


def test_stub_agrees_with_the_lazy_table():
    """The names seen by type checkers are the names that exist."""
    assert stub_names() == set(sde_momentum.__all__) == set(dir(sde_momentum))


@pytest.mark.parametrize("name", sde_momentum.__all__)
def test_every_public_name_resolves(name):
    """A name of the table is an attribute, and the same object at the second look."""
    assert getattr(sde_momentum, name) is getattr(sde_momentum, name)


def test_rooms_export_what_they_lend():
    """A name lent to the top level is public in its room."""
    lent = {(room, name) for room, names in sde_momentum._PUBLIC.items() for name in names}
    exported = {(room, name) for room, name in lent if name in getattr(sde_momentum, room).__all__}
    assert exported == lent


def test_unknown_name_is_an_attribute_error():
    """A misspelled name fails at once, and the error carries what a suggestion needs."""
    with pytest.raises(AttributeError, match="has no attribute 'optimisers'") as caught:
        sde_momentum.optimisers  # noqa: B018
    assert caught.value.name == "optimisers"
    assert caught.value.obj is sde_momentum


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        ("import sde_momentum", set()),
        ("import sde_momentum; sde_momentum.__version__; dir(sde_momentum)", set()),
        ("import sde_momentum.symbolic", {"sympy"}),
        ("import sde_momentum.optimizers", {"sympy"}),
        ("import sde_momentum.cli", {"tyro"}),
        # The problems load the solvers, which have no more to load; scikit-learn only comes with its data.
        ("import sde_momentum.problems", {"jax", "diffrax", "equinox", "scipy"}),
    ],
)
def test_imports_stay_light(statement, allowed):
    """A room loads only the libraries it works with."""
    assert loaded_by(statement) <= allowed


def test_import_probe_sees_a_heavy_package():
    """Negative control: the probe reports a package that is loaded."""
    assert loaded_by("import sympy") == {"sympy"}


def bibliography() -> set[str]:
    """Keys of the entries in `references.bib`."""
    return set(re.findall(r"^@\w+\{([^,\s]+),", (PACKAGE / "references.bib").read_text(), re.MULTILINE))


def cited_by_rules() -> set[str]:
    """Keys of the sources of every rule in the catalogue."""
    return {source.key for make in sde_momentum.optimizers.CATALOGUE.values() for source in make().sources}


def cited_in_code() -> set[str]:
    """Keys of every `Source(...)` written in the optimizers' modules, in the catalogue or not."""
    calls = [
        node
        for path in sorted((PACKAGE / "optimizers").glob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Source"
    ]
    return {ast.literal_eval(call.args[0]) for call in calls}


def test_sources_of_the_optimizers_are_in_the_bibliography():
    """A published statement is cited by a key that exists; the code cites nothing but literal keys."""
    assert cited_by_rules() <= cited_in_code() <= bibliography()
    assert cited_by_rules()


def test_bibliography_is_read_by_its_keys():
    """Negative control: a key that is not there, and a field that looks like one, are not found."""
    assert "li2019stochastic" in bibliography()
    assert not {"li2019", "title", "author"} & bibliography()
