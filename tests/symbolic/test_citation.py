"""Citations come from the one file of references."""

import re
from importlib.resources import files

import pytest

from sde_momentum.optimizers import CATALOGUE
from sde_momentum.symbolic import Source, modified_equation
from sde_momentum.symbolic.rules._citation import _entries, bibtex

TEXT = files("sde_momentum").joinpath("references.bib").read_text(encoding="utf-8")


def test_every_entry_of_the_file_is_found():
    """The reader finds as many entries as the file starts, with balanced braces, and together they are the file."""
    assert len(_entries()) == len(re.findall(r"^@", TEXT, re.MULTILINE)) > 10
    for key, entry in _entries().items():
        assert entry.count("{") == entry.count("}"), key
        assert "title" in entry
    assert "".join(TEXT.split()) == "".join("".join(_entries().values()).split())


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_source_of_the_catalogue_is_in_the_file(name):
    """Each rule names published statements, all of which can be cited."""
    rule = CATALOGUE[name]()
    entries = bibtex(rule.sources)
    for source in rule.sources:
        assert f"{{{source.key}," in entries
        assert source.where in entries


def test_citation_of_a_limit():
    """A limit cites its sources, with the place in the source as a comment that BibTeX skips."""
    citation = modified_equation(CATALOGUE["sgd"]()).citation()
    assert citation.startswith("% li2019stochastic: Theorem 9\n@article{li2019stochastic,")
    assert citation.count("\n@") == 2


def test_a_source_named_twice_is_cited_once():
    """Two places in one source give one entry with both places."""
    twice = bibtex([Source("li2019stochastic", "Theorem 9"), Source("li2019stochastic", "Theorem 15")])
    assert twice.count("@article") == 1
    assert twice.startswith("% li2019stochastic: Theorem 9; Theorem 15\n")


def test_no_sources_no_text():
    """A rule without published statements cites nothing."""
    assert bibtex([]) == ""


def test_unknown_key_is_refused():
    """A misspelled key is an error that lists the file's keys."""
    with pytest.raises(ValueError, match=r"no source `lee2019` in sde_momentum/references\.bib, which has .*li2019"):
        bibtex([Source("lee2019")])
