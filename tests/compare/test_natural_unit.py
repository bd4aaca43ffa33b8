"""The unit of the learning rate holds for every damping; below it right limits are confirmed and wrong ones never."""

from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pytest
import sympy as sp

from sde_momentum.compare import Verdict, weak_error
from sde_momentum.compare.catalogue._controls import perturbations
from sde_momentum.compare.orders._natural_unit import natural_unit
from sde_momentum.compare.question._question import Question
from sde_momentum.optimizers import heavy_ball, nesterov, qhm, sgd, sgdm
from sde_momentum.problems import quadratic
from sde_momentum.symbolic import Regime, modified_equation

NOISE = np.array([[0.6, 0.2], [0.2, 0.4]])


class Asked(NamedTuple):
    """A question of the table; `open` where the leading coefficient has died out at a part of the unit."""

    rule: Any
    order: int
    curvatures: tuple[float, ...]
    t1: float
    regime: Regime | None = None
    numbers: dict[str, float] | None = None
    open: bool = False


LOUD = Regime.noise_dominated
TABLE = {
    "SGD, order 1": Asked(sgd(), 1, (1.0,), 1.0),
    "SGD, order 2, 0.3 relaxation times": Asked(sgd(), 2, (1.0,), 0.3),
    "SGD, order 2, ten relaxation times": Asked(sgd(), 2, (10.0,), 1.0),
    "SGD, order 1, noise above a slow start": Asked(sgd(), 1, (0.1,), 10.0, open=True),
    "SGD, order 2, two time scales": Asked(sgd(), 2, (10.0, 0.1), 1.0),
    "SGD, loud": Asked(sgd(), 1, (1.0, 0.5), 4.0, LOUD()),
    "SGDM, order 1": Asked(sgdm(), 1, (1.0, 0.5), 4.0, numbers={"momentum": 0.9}),
    "SGDM, order 2": Asked(sgdm(), 2, (1.0, 0.5), 4.0, numbers={"momentum": 0.5}),
    "SGDM, loud": Asked(sgdm(), 1, (1.0, 0.5), 4.0, LOUD(), {"momentum": 0.9}),
    "heavy ball": Asked(heavy_ball(), 2, (1.0, 0.5), 4.0, numbers={"momentum": 0.9}),
    "Nesterov": Asked(nesterov(), 2, (1.0, 0.5), 4.0, numbers={"momentum": 0.5}),
    "QHM": Asked(qhm(), 2, (1.0, 0.5), 4.0, numbers={"momentum": 0.9, "dampening": 0.7}),
    "index ½": Asked(sgdm(), 1, (1.0, 0.5), 4.0, LOUD(sp.Rational(1, 2)), {"relaxation_rate": 1.0}),
    "index 1, weak friction": Asked(sgdm(), 1, (1.0,), 1.0, LOUD(1), {"relaxation_rate": 0.3}),
    "index 1, a fast oscillation": Asked(sgdm(), 1, (10.0,), 1.0, LOUD(1), {"relaxation_rate": 2.0}),
    "index 1, critical": Asked(sgdm(), 1, (1.0,), 1.0, LOUD(1), {"relaxation_rate": 4.0}),
    "index 1, overdamped": Asked(sgdm(), 1, (0.1,), 20.0, LOUD(1), {"relaxation_rate": 5.0}),
    "index 1, at rest": Asked(sgdm(), 1, (1.0, 0.5), 4.0, LOUD(1), {"relaxation_rate": 2.0}, open=True),
    "index 1, long at rest": Asked(sgdm(), 1, (1.0,), 10.0, LOUD(1), {"relaxation_rate": 1.0}, open=True),
}
AT_REST = "index 1, at rest"


@cache
def limit_of(name):
    asked = TABLE[name]
    return modified_equation(asked.rule, asked.regime or asked.rule.default_regime(), order=asked.order)


def question(name):
    """The question of the table, and the numbers that `weak_error` takes."""
    asked, size = TABLE[name], len(TABLE[name].curvatures)
    problem = quadratic(np.diag(asked.curvatures), noise=NOISE if size == 2 else 0.5 * np.eye(1))
    start = np.array([1.0, -1.0])[:size]
    return Question(asked.rule, limit_of(name), problem, start, t1=asked.t1, hyperparameters=asked.numbers)


def study(name, rates, limit=None):
    asked = question(name)
    limit = asked.limit if limit is None else limit
    numbers = {"t1": asked.t1, "learning_rates": tuple(rates), "method": "exact", **asked.hyperparameters}
    return weak_error(asked.rule, limit, asked.problem, asked.x0, **numbers)


def rates_of(name, largest):
    """Four learning rates by halves, the first at most the one given, in whole steps."""
    asked = question(name)
    count = np.ceil(asked.t1 / float(asked.chain(largest).step_time) - 1e-9)
    power = float(asked.limit.regime.clock_exponent)
    return largest * (asked.t1 / (count * 2.0 ** np.arange(4)) / float(asked.chain(largest).step_time)) ** (1 / power)


def both_rates(name):
    """A quarter of the unit and below, and what a user would write."""
    return rates_of(name, natural_unit(question(name), 0.01) / 4), rates_of(name, 0.1)


def follow(name, rates, limit=None, rounds=3):
    """The verdicts on the way when learning rates are taken as suggested."""
    verdicts = []
    for _ in range(rounds):
        found = study(name, rates, limit)
        verdicts.append(found.verdict)
        smaller = found.sufficient_learning_rate
        if smaller is None:
            break
        rates = np.asarray(rates) * smaller / rates[0]
    return verdicts


def wrong_limits(name, scale):
    """The limit with one coefficient changed, for each that its order must see."""
    limit = limit_of(name)
    fields = {"drift": "drift", "factor": "factor", "initial shift": "initial_shift"}
    for change in perturbations(limit):
        if change.power < limit.order * float(limit.regime.grade):
            expressions = dict(getattr(limit, fields[change.part]))
            terms = list(expressions[change.variable])
            terms[change.index] = (terms[change.index][0], terms[change.index][1] * sp.nsimplify(scale))
            expressions[change.variable] = type(expressions[change.variable])(tuple(terms))
            yield replace(limit, **{fields[change.part]: expressions})


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("SGD, order 1", 1.0),  # One relaxation: 1/h.
        ("SGD, order 2, ten relaxation times", 1 / 40),  # Four of them count.
        ("index 1, at rest", 1 / (4 * 2**0.5)),  # An oscillation of h = 1: |1 ± i| = √(λh), more than h = ½ has.
        ("index 1, critical", 1 / 4),  # λ/2, twice: t₁ is two relaxation times.
        ("index 1, overdamped", 1 / (2 * (5 + 23**0.5))),  # (λ + √(λ² − 4λh))/2, four times.
    ],
)
def test_unit_of_the_fastest_relaxation(name, unit):
    """The unit is 1/(nρ): ρ the largest modulus of the limit's rates, n the relaxation times up to four."""
    assert natural_unit(question(name), 0.01) == pytest.approx(unit, rel=0.03)


@pytest.mark.parametrize("name", ["index ½", "SGDM, order 2"])
def test_unit_does_not_depend_on_the_rates_of_the_study(name):
    """Where a step's memory depends on η, as in 1 − β = λ√η, the unit solves for it: (λ/8)² at λ = h = 1, t₁ = 4."""
    large, small = (natural_unit(question(name), rate) for rate in (0.1, 1e-4))
    assert large == pytest.approx(small, rel=0.07)
    assert name != "index ½" or small == pytest.approx(1 / 64, rel=0.05)


def test_the_suggested_learning_rates_do():
    """c₁ is 240 times c₀: the local order still falls at η = 1/160, and the study says where it has fallen."""
    rates = (0.05, 0.025, 0.0125, 0.00625)
    verdicts = follow(AT_REST, rates)
    assert verdicts[0] is Verdict.NOT_ASYMPTOTIC
    assert verdicts[-1] is Verdict.CONFIRMED
    assert "remedy: learning rates from" in str(study(AT_REST, rates))


@pytest.mark.slow
@pytest.mark.parametrize("name", TABLE)
def test_right_limits_are_confirmed_below_the_unit(name):
    """At a quarter of the unit, or as soon as the learning rates are those suggested; never refuted."""
    below, written = both_rates(name)
    verdicts = follow(name, below)
    assert verdicts[-1] is Verdict.CONFIRMED
    assert (len(verdicts) == 1) is not TABLE[name].open
    verdicts = follow(name, written)
    assert verdicts[-1] is Verdict.CONFIRMED
    assert Verdict.REFUTED not in verdicts


@pytest.mark.slow
@pytest.mark.parametrize("scale", [1.01, 1.1, 2])
@pytest.mark.parametrize("name", TABLE)
def test_wrong_limits_are_never_confirmed(name, scale):
    """One coefficient off by 1 %, 10 % or 100 %: refuted, or open near the unit."""
    verdicts = [study(name, rates, wrong).verdict for wrong in wrong_limits(name, scale) for rates in both_rates(name)]
    assert verdicts
    assert Verdict.CONFIRMED not in verdicts
    assert scale == 1.01 or Verdict.REFUTED in verdicts
