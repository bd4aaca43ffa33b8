"""Weight decay and SVAG, rule to rule: their limits, in theory and in numbers."""

import jax.numpy as jnp
import numpy as np
import pytest
import sympy as sp

import sde_momentum as sm
from sde_momentum.optimizers import (
    adam,
    gd,
    momentum_regime,
    nesterov,
    normalized_gd,
    rmsprop,
    sgd,
    sgdm,
    sign_gd,
    svag,
    weight_decay,
)
from sde_momentum.symbolic import (
    LEARNING_RATE,
    Node,
    Regime,
    TensorExpression,
    difference,
    from_json,
    hyperparameter,
    modified_equation,
    to_json,
)

ETA, OMEGA, ELL = LEARNING_RATE, hyperparameter("weight_decay"), hyperparameter("amplification")


def same(left, right):
    return not (left - right)


def with_quadratic_term(expression, rate):
    """L ↦ L + ω/2 |x|² in every graph: ∂_iL ↦ ∂_iL + ωx_i, ∂_ijL ↦ ∂_ijL + ωδ_ij."""
    done = []
    for graph, coefficient in expression:
        pending = [((), graph, coefficient)]
        while pending:
            before, rest, weight = pending.pop()
            if not rest:
                done.append((before, weight))
                continue
            node, *others = rest
            pending.append(((*before, node), tuple(others), weight))
            if node.field == "L" and len(node.slots[0]) == 1:
                pending.append(((*before, Node("x", node.slots)), tuple(others), rate * weight))
            if node.field == "L" and len(node.slots[0]) == 2:
                keep, drop = sorted(node.slots[0])
                renamed = [
                    Node(n.field, tuple(tuple(keep if i == drop else i for i in group) for group in n.slots))
                    for n in (*before, *others)
                ]
                pending.append(((), tuple(renamed), rate * weight) if renamed else (before, (), None))
    return TensorExpression.collect([(g, c) for g, c in done if c is not None])


@pytest.mark.parametrize("rule", [gd(), sgd(), sgdm(), nesterov(), nesterov("pytorch")], ids=lambda rule: rule.name)
@pytest.mark.parametrize("order", [1, 2])
def test_coupled_weight_decay_is_a_term_of_the_loss(rule, order):
    """The limit with coupled decay is the rule's own limit for the loss L + ω/2 |x|²."""
    plain, decayed = modified_equation(rule, order=order), modified_equation(weight_decay(rule), order=order)
    assert same(decayed.drift["x"], with_quadratic_term(plain.drift["x"], OMEGA))
    assert not same(decayed.drift["x"], with_quadratic_term(plain.drift["x"], 2 * OMEGA))
    for pair, block in plain.covariance.items():
        assert same(decayed.covariance[pair], block)
    for name, shift in plain.initial_shift.items():
        assert same(decayed.initial_shift[name], with_quadratic_term(shift, OMEGA))


def test_decay_beside_the_step_of_sgd_is_decay_of_the_loss():
    """Without momentum and normalization coupled and decoupled decay are one rule."""
    coupled, decoupled = (modified_equation(weight_decay(sgd(), flag), order=2) for flag in (False, True))
    assert same(coupled.drift["x"], decoupled.drift["x"])


def test_decoupled_decay_is_not_delayed_by_momentum():
    """SGDM: at order 1 both kinds give −∇L − ωx, at order 2 the decoupled one has ω²x²'s correction of SGD."""
    coupled, decoupled = (modified_equation(weight_decay(sgdm(), flag), order=2) for flag in (False, True))
    assert not same(coupled.drift["x"], decoupled.drift["x"])
    x = (Node("x", ((-1,),)),)
    square = next(c for graph, c in decoupled.drift["x"] if graph == x)
    assert sp.expand(square + OMEGA + ETA * OMEGA**2 / 2) == 0


def test_decoupled_decay_leaves_normalization_alone():
    """RMSProp with decoupled decay: the decay −ωx is not divided by √G."""
    rule = weight_decay(rmsprop(), decoupled=True)
    limit, plain = modified_equation(rule), modified_equation(rmsprop())
    extra = limit.drift["x"] - plain.drift["x"]
    # The step decays by ηω on a clock of η², so that ω is a rate per step of the learning rate.
    assert [graph for graph, _ in extra] == [(Node("x", ((-1,),)),)]


@pytest.mark.parametrize("make", [sgd, sgdm, nesterov])
def test_svag_has_the_limit_of_the_rule(make):
    """At order 1 the limit does not depend on ℓ; at order 2 the drift correction is divided by ℓ."""
    rule = make()
    finer = svag(rule)
    for regime, plain_regime in zip(finer.regimes(), rule.regimes(), strict=True):
        if regime.scalings:
            continue
        first, plain = modified_equation(finer, regime), modified_equation(rule, plain_regime)
        assert same(first.drift["x"], plain.drift["x"])
        assert same(first.covariance["x", "x"], plain.covariance["x", "x"])
    second, plain = (modified_equation(r, order=2) for r in (finer, rule))
    correction = plain.drift["x"] - modified_equation(rule).drift["x"]
    assert same(second.drift["x"] - modified_equation(rule).drift["x"], correction * (1 / ELL))
    assert same(second.drift["x"].subs(ELL, 1), plain.drift["x"])


def test_svag_scales_the_cumulants():
    """κ₃ is multiplied by r₊³ + r₋³ = (3ℓ − 1)/2: the obstruction at order 3 is −η²/6 κ₃ (3ℓ − 1)/(2ℓ²)."""
    verdict = modified_equation(svag(sgd()), order=3)
    ((_, coefficient),) = verdict.obstruction["x", "x", "x"].terms
    assert sp.expand(coefficient + ETA**2 / 6 * (3 * ELL - 1) / (2 * ELL**2)) == 0
    assert same(
        modified_equation(sgd(), order=3).obstruction["x", "x", "x"], verdict.obstruction["x", "x", "x"].subs(ELL, 1)
    )


def test_adaptive_svag_of_a_step_of_fixed_length():
    """Where noise dominates, ℓ² steps of length η/ℓ with noise amplified by ℓ give the rule's limit, for every ℓ."""
    x = sm.symbolic.variable("x")
    for rule in (normalized_gd(), sign_gd()):
        finer = svag(rule, adaptive=True)
        ratio = (finer.update["x"] - x) / (rule.update["x"] - x)
        assert sp.simplify(ratio - 1 / ELL) == 0
        loud = [next(r for r in each.regimes() if r.name == "noise-dominated") for each in (finer, rule)]
        limit, plain = modified_equation(finer, loud[0]), modified_equation(rule, loud[1])
        assert same(limit.drift["x"], plain.drift["x"])
        assert same(limit.factor["x"], plain.factor["x"])


@pytest.mark.slow
@pytest.mark.parametrize(
    "rule", [rmsprop(), rmsprop(eps_inside=True), adam(), adam(bias_correction=False)], ids=lambda rule: rule.name
)
def test_adaptive_svag_has_the_limit_of_the_rule(rule):
    """Noise-dominated, with 1 − β_i divided by ℓ² and ε grown with the gradient: the limit does not depend on ℓ."""
    finer = svag(rule, adaptive=True)
    limit, plain = modified_equation(finer), modified_equation(rule)
    assert set(limit.drift) == set(plain.drift)
    for name in plain.drift:
        assert same(limit.drift[name], plain.drift[name])
        assert same(limit.factor.get(name, TensorExpression()), plain.factor.get(name, TensorExpression()))


def test_plain_svag_of_an_adaptive_rule_has_another_limit():
    """Negative control: the scaling of the SGD family applied to RMSProp changes the limit."""
    finer = svag(rmsprop())
    limit, plain = modified_equation(finer), modified_equation(rmsprop())
    assert not same(limit.drift["G"], plain.drift["G"])


@pytest.mark.parametrize("wrapper", [svag, weight_decay, lambda rule: momentum_regime(rule, 1)])
def test_wrappers_take_rules(wrapper):
    """The name of a rule, or the function that makes it, is no rule."""
    for other in ("sgdm", sgdm):
        with pytest.raises(TypeError, match="must be an UpdateRule"):
            wrapper(other)


def test_what_wrappers_refuse():
    """A second wrapping, and the adaptive scaling of a rule whose step grows with the gradient."""
    with pytest.raises(ValueError, match="combines draws already"):
        svag(svag(sgd()))
    with pytest.raises(ValueError, match="depends on the size of the gradient"):
        svag(sgdm(), adaptive=True)
    with pytest.raises(ValueError, match="`weight_decay` already"):
        weight_decay(weight_decay(sgd()))


@pytest.mark.parametrize("dimension", [1, 2])
@pytest.mark.parametrize(
    "rule", [svag(sgd()), svag(sgdm()), weight_decay(sgdm()), weight_decay(sgdm(), True)], ids=lambda rule: rule.name
)
def test_the_second_route_agrees(rule, dimension):
    """In coordinates the wrappers have the same drift, covariance and shift to order 2."""
    assert not any(difference(modified_equation(rule, order=2), dimension).values())


def test_wrapped_limits_survive_json():
    """Draw weights are part of the rule that is written."""
    limit = modified_equation(svag(sgdm()), order=2)
    assert from_json(to_json(limit)) == limit


# --- in numbers ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_svag_runs_with_the_moments_of_its_theory():
    """On a quadratic the exact order of the SVAG chain against its limit is 2, and against SGD's limit 1."""
    problem = sm.problems.quadratic(np.diag([1.0, 0.5]), noise=0.5 * np.eye(2))
    rule = svag(sgdm())
    numbers = {"momentum": 0.5, "amplification": 3.0}
    rates = {"learning_rates": (0.02, 0.01, 0.005, 0.0025), "learning_rate_unit": 0.1}
    study = sm.weak_error(rule, modified_equation(rule, order=2), problem, np.ones(2), t1=2.0, **numbers, **rates)
    assert study.verdict is sm.Verdict.CONFIRMED


@pytest.mark.slow
def test_two_draws_a_step():
    """The chain of SVAG uses r₊g₁ + r₋g₂ of the problem's own draws: mean kept, covariance times ℓ."""
    problem = sm.problems.quadratic(1.0, noise=0.5)
    process = sm.chain(svag(sgd()), problem, learning_rate=0.1, amplification=4.0)
    assert float(process.problem.covariance(jnp.asarray(1.0))[0, 0]) == pytest.approx(4 * 0.25)
    draw = process.draw.sample(jnp.zeros(2, jnp.uint32), jnp.arange(3), 0)
    single = tuple(part[:, 0] for part in draw)
    gradient = process.problem.stochastic_gradient(jnp.asarray(1.0), single)
    plus, minus = (1 + 7**0.5) / 2, (1 - 7**0.5) / 2
    expected = 1.0 + 0.5 * (plus * single[0][0] + minus * single[1][0])
    assert float(jnp.squeeze(gradient)) == pytest.approx(float(expected))
    state = process.step(0, process.init(1.0), single)
    assert float(jnp.squeeze(state["x"])) == pytest.approx(1 - 0.1 / 4 * float(expected))


def test_regimes_of_the_wrapper_keep_the_name():
    """The wrapper's regimes are the rule's, with a finer clock."""
    clocks = [regime.clock for regime in svag(sgd()).regimes()]
    assert clocks == [ETA / ELL] * len(sgd().regimes())
    assert svag(sgd()).default_regime().name == Regime.small_noise().name
