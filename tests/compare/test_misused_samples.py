"""Samples, identities and tables that make no sense are refused in one sentence that names the argument."""

import jax.numpy as jnp
import numpy as np
import pytest

from sde_momentum.compare import (
    IdentityResidual,
    ballistic_study,
    catalogue_study,
    conserved_combination,
    fluctuation_dissipation,
    sample_law,
    stationary_residual,
)
from sde_momentum.dynamics import chain, sde
from sde_momentum.optimizers import sgd
from sde_momentum.problems import double_well
from sde_momentum.symbolic import Regime, modified_equation

RULE, WELL = sgd(), double_well()
CHAIN = chain(RULE, WELL, learning_rate=0.1)
EQUATION = sde(modified_equation(RULE, order=1), WELL, learning_rate=0.1)
CHANGING = chain(RULE, WELL, regime=Regime.small_noise().scheduled(), learning_rate=0.1, schedule=lambda t: 1 / (1 + t))


@pytest.mark.parametrize(
    ("process", "changes", "error", "message"),
    [
        (RULE, {}, TypeError, r"`process` must be a Chain or an SDE, .* got UpdateRule"),
        (None, {}, TypeError, "`process` must be a Chain or an SDE, .* got NoneType"),
        (CHAIN, {"t1": "a"}, TypeError, "`t1` must be a number, got 'a'"),
        (CHAIN, {"t1": np.inf}, ValueError, "`t1` must be positive and finite, got inf"),
        (CHAIN, {"t1": 0.25}, ValueError, "is 2.5 steps of length 0.1; choose t1 = 0.2, or another learning rate.$"),
        (EQUATION, {"t1": 0.33}, ValueError, "is 6.6 steps of length 0.05; choose t1 = 0.35, or another `dt`.$"),
        (EQUATION, {"dt": 0}, ValueError, "`dt` must be positive and finite, got 0"),
        (EQUATION, {"dt": "a"}, TypeError, "`dt` must be a number, got 'a'"),
        (CHAIN, {"dt": 0.05}, ValueError, "`dt` is for equations, and a chain has steps of 0.1: leave it out"),
        (CHAIN, {"num_paths": "a"}, TypeError, "`num_paths` must be a whole number, got 'a'"),
        (CHAIN, {"num_paths": 0}, ValueError, "`num_paths` must be at least 1, got 0"),
        (CHAIN, {"x0": np.nan}, ValueError, "x0 must be finite, got nan"),
        (EQUATION, {"x0": "a"}, TypeError, "x0 must hold numbers, got 'a'"),
        (CHAIN, {"x0": 1e3, "t1": 1.0}, ValueError, "3 of 3 paths diverge by t1 = 1: lower the learning rate, or"),
        (EQUATION, {"x0": 1e3, "t1": 1.0}, ValueError, "3 of 3 paths diverge by t1 = 1: lower `dt` or the learning"),
    ],
)
def test_a_law_of_nothing(process, changes, error, message):
    """Processes, times, steps, numbers of paths and starts that are none; three paths are enough here."""
    with pytest.raises(error, match=message):
        sample_law(process, **({"x0": 0.5, "t1": 0.2, "num_paths": 3, "seed": 0} | changes))


def test_processes_that_others_made():
    """Anything with the members of a chain or an equation is one, whatever its variables are called."""

    class Doubling:
        step_time = 1.0
        draw = CHAIN.draw

        def init(self, x0):
            return x0

        def step(self, k, state, draw):
            return 2 * state + 0 * draw[0]

    assert sample_law(Doubling(), jnp.array(1.0), t1=3.0, num_paths=2, seed=0).tolist() == [[8.0], [8.0]]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: stationary_residual(RULE), TypeError, "`process` must be a Chain or an SDE, .* got UpdateRule"),
        (lambda: conserved_combination(EQUATION), TypeError, "`process` must be a Chain, .* got SDE"),
        (lambda: stationary_residual(CHANGING), ValueError, "no stationary state while `schedule` changes with time"),
    ],
)
def test_an_identity_of_nothing(call, error, message):
    """What has no stationary state that the identity is for."""
    with pytest.raises(error, match=message):
        call()


X = np.linspace(-1.0, 1.0, 6)[:, None]
PLAIN = {"position": X, "gradient": X, "learning_rate": 0.1, "noise_trace": 1.0}
HEAVY = {"position": X, "gradient": X, "learning_rate": 0.1, "momentum": X, "beta": 0.5}


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (PLAIN | {"learning_rate": 0}, ValueError, "`learning_rate` must be positive and finite, got 0"),
        (PLAIN | {"learning_rate": -1}, ValueError, "`learning_rate` must be positive and finite, got -1"),
        (PLAIN | {"learning_rate": np.nan}, ValueError, "`learning_rate` must be a number, got nan"),
        (PLAIN | {"learning_rate": "a"}, TypeError, "`learning_rate` must be a number, got 'a'"),
        (PLAIN | {"noise_trace": -1}, ValueError, "`noise_trace` must be finite and not negative, got -1"),
        (PLAIN | {"noise_trace": np.nan}, ValueError, "`noise_trace` must be finite and not negative, got nan"),
        (PLAIN | {"noise_trace": "a"}, TypeError, "`noise_trace` must be a sample of real numbers"),
        (PLAIN | {"noise_trace": np.ones(5)}, ValueError, r"a number or have shape \(6,\), got shape \(5,\)"),
        (PLAIN | {"beta": 0.5}, ValueError, r"or noise_trace= alone for SGD\.$"),
        (PLAIN | {"momentum": X}, ValueError, "pass momentum= with beta= for SGDM"),
        (HEAVY | {"noise_trace": 1.0}, ValueError, r"or noise_trace= alone for SGD\.$"),
        (HEAVY | {"beta": None}, ValueError, "pass momentum= with beta= for SGDM"),
        (HEAVY | {"beta": 1.0}, ValueError, r"`beta` must lie in \[0, 1\), got 1.0"),
        (HEAVY | {"beta": 1.5}, ValueError, r"`beta` must lie in \[0, 1\), got 1.5"),
        (HEAVY | {"beta": "a"}, TypeError, "`beta` must be a number, got 'a'"),
        (
            HEAVY | {"momentum": X[:3]},
            ValueError,
            r"`momentum` must have the shape of `position`, \(6, 1\), got \(3, 1",
        ),
        (HEAVY | {"momentum": X * np.nan}, ValueError, "`momentum` must be finite, got 6 numbers that are not"),
        (PLAIN | {"gradient": np.where(X > 0.9, np.inf, X)}, ValueError, "`gradient` must be finite, got 1 numbers"),
        (PLAIN | {"position": X[:0], "gradient": X[:0]}, ValueError, r"at least two replicas, got \(0, 1\)"),
        (PLAIN | {"position": X[:1], "gradient": X[:1]}, ValueError, r"at least two replicas, got \(1, 1\)"),
        (PLAIN | {"position": X[:, 0]}, ValueError, r"`position` must have shape \(replicas, d\) .* got \(6,\)"),
        (PLAIN | {"position": 1j * X}, TypeError, "`position` must be a sample of real numbers"),
    ],
)
def test_an_identity_of_nonsense(given, error, message):
    """Numbers out of range, samples that are none, and arguments of two identities at once."""
    with pytest.raises(error, match=message):
        fluctuation_dissipation(**given)


@pytest.mark.parametrize(("residual", "score"), [(0.0, 0.0), (-1.0, -np.inf), (2.0, np.inf)])
def test_a_residual_without_scatter(residual, score):
    """Replicas that agree to the last bit divide by zero."""
    assert IdentityResidual(residual, 0.0, 1.0).z_score == score


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"rules": []}, ValueError, "rules must be among .*, got none"),
        ({"rules": "sgdx"}, ValueError, "rules must be among .*, got sgdx$"),
        ({"rules": [RULE]}, TypeError, "`rules` must be names, such as 'adadelta', got"),
        ({"rules": RULE}, TypeError, "`rules` must be names, such as 'adadelta', got"),
        ({"routes": ()}, ValueError, "routes must be among .*, got none"),
        ({"orders": ()}, ValueError, r"`orders` must be among 1, 2 and 3, got \(\)"),
        ({"orders": (7,)}, ValueError, r"`orders` must be among 1, 2 and 3, got \(7,\)"),
        ({"orders": 0}, ValueError, "`orders` must be at least 1, got 0"),
        ({"orders": (1.5,)}, TypeError, "`orders` must be a whole number, got 1.5"),
        ({"orders": "a"}, TypeError, "`orders` must be a whole number, got 'a'"),
        ({"max_cost": -1}, ValueError, "no setting of gd .* `max_cost` = -1 seconds; the cheapest takes 1.$"),
        ({"max_cost": "a"}, TypeError, "`max_cost` must be a number, got 'a'"),
        ({"routes": "moments"}, ValueError, "no regime of gd by moments is in the table: leave `routes` out"),
        ({"scale": 1.0}, ValueError, "`scale` must be finite and not 1, which would change nothing, got 1.0"),
        ({"scale": np.inf}, ValueError, "`scale` must be finite and not 1"),
        ({"scale": "a"}, TypeError, "`scale` must be a number, got 'a'"),
    ],
)
def test_a_table_of_nothing(given, error, message):
    """Names that are none, orders whose derivation would not end, changes that change nothing, and empty tables."""
    with pytest.raises(error, match=message):
        catalogue_study(**({"rules": ["gd"]} | given))


def test_one_name_is_a_list_of_one():
    """One rule, one route and one order need no brackets."""
    (row,) = catalogue_study("gd", orders=1, routes="ordinary equation", controls=False).rows
    assert (row.rule, row.order, row.route) == ("gd", 1, "ordinary equation")


def test_the_figure_of_the_table_can_be_read():
    """All labels have one size, and every mark lies inside the frame with room around it."""
    pytest.importorskip("matplotlib").use("Agg")
    axes = catalogue_study("gd", orders=(1, 2), controls=False).plot()
    assert len({label.get_fontsize() for label in (*axes.get_xticklabels(), *axes.get_yticklabels())}) == 1
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        f"gd, noiseless, order {order}, ordinary equation" for order in (1, 2)
    ]
    assert axes.get_ylim() == (1.7, -0.7)
    axes.figure.clear()


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"problem": jnp.sum}, TypeError, "`problem` must be a loss with its noise"),
        ({"order": 3}, ValueError, "`order` must be 1 or 2, got 3"),
        ({"order": "a"}, TypeError, "`order` must be a whole number, got 'a'"),
        ({"num_paths": 4}, ValueError, "`num_paths` must be at least 8"),
        ({"dimension": 0}, ValueError, "`dimension` must be a whole number of at least 1, got 0"),
    ],
)
def test_a_ballistic_study_of_nothing(given, error, message):
    """Losses without noise, orders that are not derived, and too few paths."""
    with pytest.raises(error, match=message):
        ballistic_study(**given)
