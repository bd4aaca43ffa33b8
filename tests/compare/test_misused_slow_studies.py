"""Senseless questions over long times or momentum indices are refused in one sentence, before anything runs."""

import jax.numpy as jnp
import numpy as np
import pytest

from sde_momentum.compare import momentum_index_study, slow_weak_error, time_scales
from sde_momentum.manifold import slow_sde
from sde_momentum.optimizers import adam, heavy_ball, rmsprop, sgd, sgdm
from sde_momentum.problems import double_well, general, label_noise_parabola, quadratic
from sde_momentum.symbolic import modified_equation

PARABOLA = label_noise_parabola([1.0, 2.0], 0.5)
TRACE = {"tr H": PARABOLA.hessian_trace}
LONG = {"t1": 0.32, "learning_rates": (0.04, 0.02, 0.01, 0.005), "observables": TRACE, "progress": False}
SCALES = {"t1": 0.5, "learning_rates": (0.1,), "observables": TRACE, "exponents": (1.0, 2.0), "progress": False}
BOWL = quadratic(np.eye(2), noise=0.5 * np.eye(2))


def refused(study, error, message, question, settings):
    """The study raises, and says so in one line."""
    with pytest.raises(error, match=message) as caught:
        study(*question, **settings)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"rules": []}, ValueError, "`rules` is empty: pass an optimizer, such as"),
        ({"rules": "sgd"}, TypeError, r"`rules` must be an UpdateRule or several, such as .*sgd\(\), got str"),
        ({"rules": sgd}, TypeError, "got function that was not called"),
        ({"rules": None}, TypeError, "`rules` must be .* got NoneType"),
        ({"rules": [sgd(), sgdm]}, TypeError, "got function that was not called"),
        ({"problem": None}, TypeError, "`problem` must be a loss with its noise, .* got NoneType"),
        ({"saves": 0}, ValueError, "`saves` must be at least 1, got 0"),
        ({"saves": "a"}, TypeError, "`saves` must be a whole number, got 'a'"),
        ({"saves": None}, TypeError, "`saves` must be a whole number, got None"),
        ({"saves": (0.16, 0.32)}, TypeError, "`saves` must be a whole number"),
        ({"t1": "a"}, TypeError, "`t1` must be a number, got 'a'"),
        ({"t1": None}, TypeError, "`t1` must be a number, got None"),
        ({"t1": np.inf}, ValueError, "`t1` must be positive and finite, got inf"),
        ({"t1": -1}, ValueError, "`t1` must be positive and finite, got -1"),
        ({"codimension": 1.5}, TypeError, "`codimension` must be a whole number, got 1.5"),
        ({"codimension": "a"}, TypeError, "`codimension` must be a whole number, got 'a'"),
        ({"slow_steps": "a"}, TypeError, "`slow_steps` must be a whole number, got 'a'"),
        ({"momentum_index": "a"}, TypeError, "`momentum_index` must be a number, got 'a'"),
        ({"momentum_index": None}, TypeError, "`momentum_index` must be a number, got None"),
        ({"momentum_index": 2}, ValueError, r"`momentum_index` must lie in \[0, 2\)"),
        (
            {"limit": modified_equation(sgd(), order=1)},
            TypeError,
            "`limit` must be a slow equation, made by .*slow_sde",
        ),
        ({"limit": slow_sde}, TypeError, "`limit` must be a slow equation, .* got function"),
        ({"learning_rate": 0.1}, ValueError, "pass `learning_rates`, several of them, in place of one"),
        ({"learning_rates": 0.1}, ValueError, "`learning_rates` needs at least four values"),
        ({"observables": {"up": lambda x: x[0] > 0}}, ValueError, "observable `up` must return a real"),
        ({"x0": "a"}, TypeError, "x0 must hold numbers, got 'a'"),
        ({"x0": jnp.array([jnp.nan, 1.0])}, ValueError, "x0 must be finite"),
        ({"confidence": 95}, ValueError, "`confidence` must lie strictly between 0 and 1, got 95"),
        ({"num_paths": 7}, ValueError, "`num_paths` must be at least 8, for a standard error, got 7"),
        ({"num_paths": 100.0}, TypeError, "`num_paths` must be a whole number, got 100.0"),
    ],
)
def test_slow_weak_error_refuses(changes, error, message):
    """The argument is named, with what was given."""
    question = {"rules": sgd(), "problem": PARABOLA, "x0": PARABOLA.initial(), **LONG, "num_paths": 64} | changes
    refused(slow_weak_error, error, message, (), question)


@pytest.mark.parametrize(
    ("rules", "numbers", "message"),
    [
        (sgd(), {"num_path": 3}, "rule `sgd` takes `num_path`; did you mean `num_paths`?"),
        (sgd(), {"momentum": 0.9}, "rule `sgd` takes `momentum`; it has no number besides its learning rate"),
        (
            [sgd(), heavy_ball()],
            {"momentun": 0.9},
            "no rule among sgd, heavy_ball takes `momentun`; did you mean `mome",
        ),
        (
            sgdm(),
            {"relaxation_rate": 1.0},
            "`relaxation_rate`; it belongs to rules with momentum at a `momentum_index`",
        ),
        (
            sgdm(),
            {"momentum": 0.9, "momentum_index": 1},
            "`momentum` of rule `sgdm` is .*pass `relaxation_rate` in its",
        ),
        (adam(), {"beta2": 0.9}, "`beta2` of rule `adam` is .* here: pass `decay_rate` in its place"),
        (rmsprop(), {"decay_rate": 4.0, "beta1": 0.9}, "takes `beta1`; there are decay_rate, eps"),
        (sgdm(), {"momentum": "a"}, "`momentum` must be a number, got 'a'"),
        (sgdm(), {"momentum": 1.0}, r"`momentum` must lie in \[0, 1\), got 1.0"),
    ],
)
def test_a_keyword_that_no_rule_takes_is_refused(rules, numbers, message):
    """A slip of the pen would else change nothing, without a word; one that some rule takes is fine."""
    for study, settings in ((slow_weak_error, LONG), (time_scales, SCALES)):
        if study is time_scales and isinstance(rules, list):
            continue
        refused(study, (ValueError, TypeError), message, (rules, PARABOLA, PARABOLA.initial()), settings | numbers)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"rule": "sgd"}, TypeError, "`rule` must be an UpdateRule"),
        ({"problem": None}, TypeError, "`problem` must be a loss with its noise"),
        ({"learning_rates": 0.1}, TypeError, "`learning_rates` must be a sequence of numbers, such as .* got 0.1"),
        ({"learning_rates": ()}, ValueError, "`learning_rates` is empty"),
        ({"learning_rates": "a"}, TypeError, "`learning_rates` must be a sequence of numbers, such as .* got 'a'"),
        ({"learning_rates": (0.1, np.nan)}, ValueError, "`learning_rates` must be a number, got nan"),
        ({"learning_rates": (-0.1,)}, ValueError, "`learning_rates` must be positive and different"),
        ({"learning_rates": (0.1, 0.1)}, ValueError, "`learning_rates` must be positive and different"),
        ({"exponents": ()}, ValueError, "`exponents` is empty"),
        ({"exponents": 1.0}, TypeError, "`exponents` must be a sequence of numbers, such as .* got 1.0"),
        ({"exponents": (1.0, np.nan)}, ValueError, "`exponents` must be a number, got nan"),
        ({"t1": 0}, ValueError, "`t1` must be positive and finite, got 0"),
        ({"num_paths": 7}, ValueError, "`num_paths` must be at least 8"),
        ({"x0": "a"}, TypeError, "x0 must hold numbers"),
    ],
)
def test_time_scales_refuses(changes, error, message):
    """The argument is named, with what was given."""
    question = {"rule": sgd(), "problem": PARABOLA, "x0": PARABOLA.initial(), **SCALES} | changes
    refused(time_scales, error, message, (), question)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"indices": 0.5}, TypeError, r"`indices` must be a sequence of numbers, such as \(0, 0.5, 1\), got 0.5"),
        ({"indices": "a"}, TypeError, "`indices` must be a sequence"),
        ({"indices": None}, TypeError, "`indices` must be a sequence"),
        ({"indices": (0, np.nan)}, ValueError, "`indices` must be finite, got nan"),
        ({"indices": ("a",)}, ValueError, "`indices` must be numbers or fractions, got 'a'"),
        ({"indices": ()}, ValueError, "`indices` must be at least 0, one or more"),
        ({"learning_rates": 0.1}, ValueError, "`learning_rates` needs at least four values"),
        ({"problem": None}, TypeError, "`problem` must be a loss with its noise"),
        ({"rate_multiplier": 2.0}, TypeError, "`rate_multiplier` must be a function of the numbers of the steps"),
        ({"relaxation_multiplier": 2.0}, TypeError, "`relaxation_multiplier` must be a function"),
        ({"relaxation_rate": "a"}, TypeError, "`relaxation_rate` must be a number, got 'a'"),
        ({"t1": 0}, ValueError, "`t1` must be positive and finite, got 0"),
        ({"x0": "a"}, TypeError, "x0 must hold numbers"),
        ({"sample": True, "num_paths": 7}, ValueError, "`num_paths` must be at least 8"),
        ({"problem": double_well(), "x0": 0.5, "num_paths": 7}, ValueError, "`num_paths` must be at least 8"),
    ],
)
def test_momentum_index_study_refuses(changes, error, message):
    """The argument is named, with what was given."""
    question = {"problem": BOWL, "x0": np.ones(2), "indices": (0,)} | changes
    refused(momentum_index_study, error, message, (), question)


def test_paths_are_not_looked_at_where_none_is_drawn():
    """Closed moments need no paths, however few."""
    rates = [4.0**-k for k in (3, 4, 5, 6)]
    found = momentum_index_study(BOWL, np.ones(2), indices=(0,), learning_rates=rates, t1=1.0, num_paths=1)
    assert found.dataset.attrs["method"] == "exact moments"


def test_a_limit_with_other_noise_cannot_share_it():
    """One noise drives both sides: a limit with three columns does not go with an optimizer of two."""
    flat = lambda size: general(lambda x: 0.5 * x[1] ** 2, lambda x, w: w[:2] + w[size - 1], noise_dim=size)
    question = (sgd(), flat(2), jnp.zeros(2))
    refused(
        slow_weak_error,
        ValueError,
        "`limit` is driven by 3 noises and the optimizer by 2",
        question,
        LONG | {"limit": slow_sde(flat(3)), "observables": {"x₀": lambda x: x[0]}},
    )


def test_a_study_says_what_it_compared_and_what_it_knows():
    """The text and attributes of a study on the slow clock; rules and observables that it does not have are named."""
    settings = LONG | {"t1": 0.04, "learning_rates": (0.1, 0.05, 0.04, 0.02), "num_paths": 8, "saves": 1}
    study = slow_weak_error([sgd(), sgdm()], PARABOLA, PARABOLA.initial(), momentum=0.5, **settings)
    text = str(study)
    assert "t1 = 0.04; codimension 1; sgd: long-horizon, sgdm: long-horizon" in text
    assert "momentum = 0.5" in text
    assert study.dataset.attrs["hyperparameters"] == '{"momentum": 0.5}'
    with pytest.raises(ValueError, match="`observable` must be one of tr H, got 'x'"):
        study.plot("x")
    with pytest.raises(ValueError, match="`observable` must be one of tr H, got 'x'"):
        study.agreement("sgd", "sgdm", "x")
    with pytest.raises(ValueError, match="`second` must be one of sgd, sgdm, got 'adam'"):
        study.agreement("sgd", "adam", "tr H")
    pytest.importorskip("matplotlib").use("Agg")
    left, right = study.plot()
    labels = left.get_legend_handles_labels()[1]
    assert {f"sgd, η = {rate:g}" for rate in settings["learning_rates"]} <= set(labels)
    # Eight paths show no order, and then no curve is drawn through the points.
    assert str(study.orders["sgd", "tr H"].verdict) == "Monte-Carlo floor"
    assert all("floor" in label for label in right.get_legend_handles_labels()[1])
    assert all(line.get_linestyle() == "None" for line in right.lines)
