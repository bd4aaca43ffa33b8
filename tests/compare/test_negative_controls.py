"""Wrong equations are refuted at the order at which they show; right ones are not, as often as is promised."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import binom

from sde_momentum.compare import Verdict, fit_order, judge, weak_error
from sde_momentum.compare.errors._route_coupled import coupled
from sde_momentum.compare.question._question import Question
from sde_momentum.optimizers import heavy_ball, sgd
from sde_momentum.problems import general
from sde_momentum.symbolic import LEARNING_RATE, Regime, TensorExpression, modified_equation, noise_covariance

RATES = (0.1, 0.05, 0.025, 0.0125)


@pytest.fixture(scope="module")
def sloped():
    """Noise that is linear in the parameter, so that Itô and Stratonovich differ."""
    return general(lambda x: 0.5 * x**2, lambda x, w: (0.6 + 0.5 * x) * w[0], 1, start=1.0)


def stratonovich(limit):
    """The equation that S ∘ dW would be: in one dimension the drift gains ½ σ² c S S' = ¼ σ² c Σ', clock c."""
    scale = limit.regime.noise_scale**2 * limit.regime.clock
    gained = TensorExpression.collect([((noise_covariance(-1, 0, 0),), scale / 4)])
    return replace(limit, drift={"x": limit.drift["x"] + gained})


def on_clock(limit, factor):
    """The same equation on a clock that runs faster by a factor."""
    return replace(limit, drift={"x": limit.drift["x"] * factor}, factor={"x": limit.factor["x"] * factor**0.5})


def verdict(rule, limit, problem, rates=RATES, **numbers):
    """Of the study at its default settings."""
    return weak_error(rule, limit, problem, np.asarray(1.0), t1=1.0, learning_rates=rates, **numbers).verdict


@pytest.mark.slow
def test_stratonovich_for_ito_shows_where_the_theory_says(sloped):
    """At unit noise the difference is of size η: order 2 refutes it, order 1 cannot; dominant noise shows it at 1."""
    first, second = (modified_equation(sgd(), order=order) for order in (1, 2))
    dominated = modified_equation(sgd(), Regime.noise_dominated())
    assert verdict(sgd(), second, sloped) is Verdict.CONFIRMED
    assert verdict(sgd(), stratonovich(second), sloped) is Verdict.REFUTED
    assert verdict(sgd(), stratonovich(first), sloped) is Verdict.CONFIRMED
    assert verdict(sgd(), dominated, sloped) is Verdict.CONFIRMED
    assert verdict(sgd(), stratonovich(dominated), sloped) is Verdict.REFUTED


@pytest.mark.slow
def test_a_wrong_clock_shows_at_order_one(sloped):
    """Heavy ball on t = kγ in place of kγ/(1 − μ), and a clock that is late by a factor 1 + η, which order 2 sees."""
    rates = [0.25 * rate for rate in RATES]
    right = modified_equation(heavy_ball(), order=1)
    assert verdict(heavy_ball(), right, sloped, rates, momentum=0.5) is Verdict.CONFIRMED
    assert verdict(heavy_ball(), on_clock(right, 0.5), sloped, rates, momentum=0.5) is Verdict.REFUTED
    first, second = (modified_equation(sgd(), order=order) for order in (1, 2))
    assert verdict(sgd(), on_clock(second, 1 + LEARNING_RATE), sloped) is Verdict.REFUTED
    assert verdict(sgd(), on_clock(first, 1 + LEARNING_RATE), sloped) is Verdict.CONFIRMED


@pytest.mark.slow
def test_false_alarms_over_two_hundred_seeds(sloped):
    """A true claim is refuted by one observable in at most 2.5 % of sampled studies; a wrong one nearly always."""
    limit = modified_equation(sgd(), order=1)
    counts = {}
    for name, equation in (("right", limit), ("wrong", on_clock(limit, 1.05))):
        fits = _sampled_fits(equation, sloped, studies=200, paths=1024)
        verdicts = [judge(fit, 1) for fit in fits]
        counts[name] = {one: verdicts.count(one) for one in Verdict}
    assert counts["right"][Verdict.REFUTED] <= binom.ppf(0.999, 200, 0.025), counts
    assert counts["right"][Verdict.CONFIRMED] >= 100, counts
    assert counts["wrong"][Verdict.REFUTED] >= 180, counts


def _sampled_fits(limit, problem, studies, paths):
    """Fits of independent studies of E x², all their paths in one batch."""
    question = Question(sgd(), limit, problem, 1.0, t1=1.0, observables={"x²": lambda x: x**2})
    generator = np.random.default_rng(20240607)
    tables = []
    for rate in RATES:
        process = coupled(question, rate, 1)
        step = jax.jit(jax.vmap(lambda s, d, p=process: p.step(0, s, d), in_axes=-1, out_axes=-1))
        state = jax.tree.map(lambda leaf: jnp.full(studies * paths, leaf), process.init(question.x0))
        for _ in range(round(1 / rate)):
            state = step(state, generator.normal(size=(process.draw.size, studies * paths)))
        apart = np.asarray(state["chain"]["x"] ** 2 - state["fine"]["x"] ** 2).reshape(studies, paths)
        tables.append((apart.mean(axis=1), apart.std(axis=1, ddof=1) / paths**0.5))
    errors, deviations = np.array(tables).transpose(1, 2, 0)
    return [fit_order(RATES, e, s) for e, s in zip(errors, deviations, strict=True)]
