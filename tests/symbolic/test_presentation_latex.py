"""LaTeX and MathML say what the text says."""

import sys
import xml.etree.ElementTree as ElementTree

import pytest

from sde_momentum.optimizers import sgd, sgdm
from sde_momentum.symbolic import Regime, modified_equation, to_latex, to_mathml

MATHML = "{http://www.w3.org/1998/Math/MathML}"
STATEMENTS = {
    "limit": lambda: modified_equation(sgdm(), order=2),
    "two variables": lambda: modified_equation(sgdm(), Regime.noise_dominated(1)),
    "no noise": lambda: modified_equation(sgd(), Regime("no noise", noise_scale=0), order=3),
    "obstruction": lambda: modified_equation(sgd(), Regime.noise_dominated(), order=2),
    "expression": lambda: modified_equation(sgdm(), order=2).drift["x"],
}


def test_limit_in_latex():
    """The aligned environment has the assumptions, the equation, the start, the symbols and the convention."""
    convention = (
        r"& \text{order p keeps the generator below (small parameter)}^{p}\text{, and the leading "
        r"covariance in any case}"
    )
    assert to_latex(STATEMENTS["limit"]()).splitlines() == [
        r"\begin{aligned}",
        r"& \text{sgdm, order 2, small-noise: } \sigma = 1, \; t = k \, \eta \\",
        r"& \text{Itô}; \; \text{describes }x; \; m\text{ eliminated}; \; "
        r"\text{slow variable }x - \frac{\eta \beta}{1 - \beta} \, m \\",
        r"\mathrm{d}X &= -\nabla \left( L + \frac{\eta}{4} \frac{1 + \beta}{1 - \beta} \, |\nabla L|^{2} \right) "
        r"\, \mathrm{d}t + \sqrt{\eta} \, \Sigma^{1/2} \, \mathrm{d}W \\",
        r"X(0) &= x_{0} + \frac{\eta \beta}{1 - \beta} \, \nabla L(x_{0}) \qquad (m_{0} = 0) \\",
        r"& \text{where } g = \nabla L + \sigma \xi, \; "
        r"\Sigma = \operatorname{Cov}(\xi) = \Sigma^{1/2} (\Sigma^{1/2})^{\top} \\",
        convention,
        r"\end{aligned}",
    ]


def test_obstruction_in_latex():
    """An obstruction shows its terms with indices."""
    assert (
        r"-\frac{\eta}{6} \, (\kappa_{3})_{ijk} \, \partial_{ijk} f "
        r"- \frac{\eta}{4} \, \partial_{l} \Sigma_{jk} \, \Sigma_{il} \, \partial_{ijk} f "
        r"+ \frac{\eta}{24} \, (\kappa_{4})_{ijkl} \, \partial_{ijkl} f"
    ) in to_latex(STATEMENTS["obstruction"]())


@pytest.mark.parametrize("case", STATEMENTS)
def test_braces_and_delimiters_balance(case):
    r"""Every brace closes, and \left has its \right."""
    latex = to_latex(STATEMENTS[case]())
    depth = 0
    for character in latex:
        depth += {"{": 1, "}": -1}.get(character, 0)
        assert depth >= 0
    assert depth == 0
    assert latex.count(r"\left(") == latex.count(r"\right)")


@pytest.mark.parametrize("case", ["limit", "obstruction"])
def test_notebooks_get_a_displayed_formula(case):
    """Limits show themselves as displayed formulas in notebooks."""
    statement = STATEMENTS[case]()
    assert statement._repr_latex_() == f"$${to_latex(statement)}$$"


@pytest.mark.parametrize("case", STATEMENTS)
def test_mathml_is_well_formed(case):
    """The converter reads all of it: no raw command and no alignment mark is left, and each line is a row."""
    statement = STATEMENTS[case]()
    element = ElementTree.fromstring(to_mathml(statement))
    assert element.tag == f"{MATHML}math"
    text = "".join(element.itertext())
    assert "\\" not in text
    assert "&" not in text
    if case != "expression":
        assert len(element.findall(f".//{MATHML}mtr")) == to_latex(statement).count("\\\\\n") + 1


def test_mathml_without_its_package_says_how_to_get_it(monkeypatch):
    """The optional dependency is named together with the extra that brings it."""
    monkeypatch.setitem(sys.modules, "latex2mathml", None)
    monkeypatch.setitem(sys.modules, "latex2mathml.converter", None)
    with pytest.raises(ImportError, match=r"pip install sde_momentum\[claims\]"):
        to_mathml(STATEMENTS["expression"]())


def test_other_objects_are_refused():
    """Only what a derivation returns is written as LaTeX."""
    with pytest.raises(TypeError, match="`statement` must be a Limit, a NoDiffusion or a TensorExpression, got str"):
        to_latex("L")
