"""Every limit of the catalogue in numbers: the measured order is the claimed one, and no wrong coefficient passes."""

from dataclasses import replace

import numpy as np
import pytest

from sde_momentum.compare import CatalogueStudy, Verdict, catalogue_study
from sde_momentum.compare.catalogue._row import catalogue_row
from sde_momentum.compare.catalogue._settings import settings

LINEAR = ("sgd", "sgdm", "heavy_ball", "nesterov", "qhm")


def check(study):
    """Every row passes, and every row with an equation beyond its leading term had controls."""
    assert not study.failures, str(study)
    assert any(row.exists for row in study.rows)
    for row in study.rows:
        if row.exists:
            assert row.attained or row.measured.order > row.claimed_order
            assert row.controls


def test_gradient_descent():
    """GD at order 2: both coefficients of its equation matter."""
    study = catalogue_study(["gd"], orders=(2,))
    check(study)
    assert [len(row.controls) for row in study.rows] == [2]
    assert study.rows[0].attained


@pytest.mark.slow
def test_gradient_descent_to_order_three():
    """GD has order p to every order, and each coefficient of its equation matters."""
    study = catalogue_study(["gd"], orders=(1, 2, 3))
    check(study)
    assert [len(row.controls) for row in study.rows] == [1, 2, 4]
    assert all(row.attained for row in study.rows)


def test_sgd_with_noise_that_depends_on_the_place():
    """SGD at order 2, by moments: drift, its correction and the noise are each rejected when twice as large."""
    study = catalogue_study(["sgd"], orders=(2,), routes=("moments",))
    check(study)
    small, dominated = study.rows
    assert small.attained
    assert len(small.controls) == 3
    assert not dominated.exists
    assert "no diffusion of this order" in str(study)
    table = study.dataset
    assert list(table["rejected"].values) == [3, 0]
    assert np.isnan(table["measured_order"].values[1])


def test_a_change_that_the_order_cannot_see_passes():
    """At order 1 and unit noise the factor of the noise is not among the controls: only order 2 sees it."""
    (row,) = catalogue_study(["gd"], orders=(1,)).rows
    assert [change.part for change in row.controls] == ["drift"]
    assert row.verdict is Verdict.CONFIRMED


@pytest.mark.slow
@pytest.mark.parametrize("rule", LINEAR)
def test_linear_rules(rule):
    """Every rule that is linear in its state, under each of its regimes, at orders 1 and 2, without sampling."""
    check(catalogue_study([rule], routes=("moments",)))


def test_the_sign_on_its_lattice():
    """Order 1 of sign descent, where the law of the rule lives on a lattice."""
    cheapest = min((one for one in settings() if one.route == "lattice"), key=lambda one: one.cost)
    assert catalogue_row(cheapest, 1, controls=False).passed


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["sign_gd", "normalized_gd"])
def test_rules_of_the_sign(rule):
    """Sign descent and its like, on the lattice where their law lives."""
    check(catalogue_study([rule], routes=("lattice",)))


@pytest.mark.slow
@pytest.mark.parametrize("rule", LINEAR)
def test_a_loss_that_is_not_quadratic(rule):
    """Third derivatives of the loss and derivatives of the noise, which moments do not see, by transition operators."""
    check(catalogue_study([rule], orders=(2,), routes=("operators",)))


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["rmsprop", "adagrad", "adadelta", "adam"])
@pytest.mark.parametrize("order", [1, 2])
def test_adaptive_rules(rule, order):
    """Adaptive rules with all their averages, and Adam's counter, of one parameter, by transition operators."""
    check(catalogue_study([rule], orders=(order,), routes=("operators",)))


@pytest.mark.slow
def test_one_observable_leaves_a_row_open():
    """At twice QHM's learning rates and time the error of x² is on its way through zero: not asymptotic yet."""
    (setting,) = (one for one in settings() if one.rule.name == "qhm" and one.route == "operators")
    row = catalogue_row(replace(setting, t1=2 * setting.t1), 2, controls=False)
    assert {name: fit.verdict for name, fit in row.fits.items()} == {
        "x": Verdict.CONFIRMED,
        "x²": Verdict.NOT_ASYMPTOTIC,
    }
    assert row.verdict is Verdict.NOT_ASYMPTOTIC
    assert CatalogueStudy((row,)).failures == (row,)


def test_the_figure_of_the_table():
    """Orders with intervals beside the claims, one line a row."""
    pytest.importorskip("matplotlib").use("Agg")
    study = catalogue_study(["gd"], orders=(1,), controls=False)
    axes = study.plot()
    assert len(axes.get_yticks()) == 1
    axes.figure.clear()


@pytest.mark.parametrize(("given", "message"), [({"rules": ["sgdx"]}, "rules"), ({"routes": ["magic"]}, "routes")])
def test_unknown_names(given, message):
    """A rule or route that does not exist is refused with those that do."""
    with pytest.raises(ValueError, match=f"{message} must be among"):
        catalogue_study(**given)
