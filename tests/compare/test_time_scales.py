"""Between 1/η and 1/η² steps: gradient flow fails late, the slow equation fails early, both hold between."""

import json

import jax.numpy as jnp
import numpy as np
import pytest

from sde_momentum.compare import time_scales
from sde_momentum.compare.long_horizon._slow_flow import slow_flow
from sde_momentum.manifold import slow_sde
from sde_momentum.optimizers import sgd, sgdm
from sde_momentum.problems import general, label_noise_parabola

PARABOLA = label_noise_parabola([1.0, 2.0, 3.0], 0.5)
# Off the manifold: the fall takes a time 1/tr H ≈ 0.1.
START = PARABOLA.initial() * 1.3
GAMMAS = (0.5, 1.0, 1.25, 1.5, 2.0)


@pytest.mark.slow
@pytest.mark.parametrize("rule", [sgd(), sgdm()], ids=lambda rule: rule.name)
def test_each_description_fails_where_the_theory_says(rule):
    """E tr H: the flow's error is η^{2−γ} for γ > 1; the slow one is O(1) at γ = ½ and O(η) from γ = 1.25 on."""
    rates = (0.02, 0.005)
    study = time_scales(
        rule,
        PARABOLA,
        START,
        learning_rates=rates,
        observables={"tr H": PARABOLA.hessian_trace},
        exponents=GAMMAS,
        t1=0.5,
        num_paths=4096,
        codimension=1,
        progress=False,
        **({"momentum": 0.5} if rule.name == "sgdm" else {}),
    )
    errors = study.dataset.sel(observable="tr H")
    for gamma in (1.5, 2.0):
        fast = errors["fast_error"].sel(exponent=gamma).values
        slope = np.log(fast[0] / fast[1]) / np.log(rates[0] / rates[1])
        assert abs(slope - (2 - gamma)) < 0.3
    holds = study.holds(0.25).sel(observable="tr H", learning_rate=rates[-1])
    assert holds["fast"].values.tolist()[1:3] == [True, True]
    assert not bool(holds["fast"].sel(exponent=2.0))
    assert not bool(holds["slow"].sel(exponent=0.5))
    assert bool(holds["slow"].sel(exponent=2.0))
    assert bool(holds["both"].sel(exponent=1.25))


FACTOR = jnp.array([[0.5, 0.2], [0.5, 0.3]])
VALLEY = general(
    lambda x: 0.5 * jnp.exp(1.5 * x[0]) * (x[1] + 0.4 * x[0] ** 2) ** 2, lambda x, w: FACTOR @ w, noise_dim=2
)


@pytest.mark.slow
def test_noise_along_the_manifold_is_seen_by_the_slow_equation_alone():
    """Place across the valley, spread along it: the flow fails at γ = 2, the slow equation at ½, both hold at 3/2."""
    study = time_scales(
        sgdm(),
        VALLEY,
        jnp.array([0.0, 0.6]),
        learning_rates=(0.01,),
        observables={"x₁": lambda x: x[1], "x₀²": lambda x: x[0] ** 2},
        exponents=(0.5, 1.5, 2.0),
        t1=0.5,
        num_paths=1024,
        progress=False,
        momentum=0.5,
    )
    assert float(study.dataset["slow_standard_error"].min()) > 0
    holds = study.holds(0.02).isel(learning_rate=0)
    for name in ("x₁", "x₀²"):
        assert holds["fast"].sel(observable=name).values.tolist() == [True, True, False]
        assert holds["slow"].sel(observable=name).values.tolist()[1:] == [True, True]
    assert not bool(holds["slow"].sel(observable="x₁", exponent=0.5))


@pytest.mark.slow
def test_noise_that_enters_on_the_way_is_sampled():
    """Tangent noise that vanishes at the start but not where the flow leads: the slow equation has an error of its own.

    As a flow it misses what that noise adds to E x₀², more than five standard errors.
    """
    growing = general(
        lambda x: 0.5 * jnp.exp(x[0]) * x[1] ** 2, lambda x, w: jnp.array([x[0] * w[0], w[1]]), noise_dim=2
    )
    study = time_scales(
        sgd(),
        growing,
        jnp.zeros(2),
        learning_rates=(0.1,),
        observables={"x₀²": lambda x: x[0] ** 2},
        exponents=(1.0, 2.0),
        t1=1.0,
        num_paths=8192,
        codimension=1,
        progress=False,
    )
    data = study.dataset.isel(learning_rate=0, observable=0).sel(exponent=2.0)
    assert float(data["slow_standard_error"]) > 0
    slow = slow_sde(growing, codimension=1)
    flow = slow_flow(slow, slow.at(jnp.zeros(2)), (1.0,), {"x₀²": lambda x: x[0] ** 2}, 1).values[0, 0]
    assert abs(float(data["discrete"]) - flow) > 5 * float(data["standard_error"])
    assert "sampled on a noise of its own" in str(study)


def test_what_was_compared_is_kept_and_shown():
    """Attributes and text name the horizon, the numbers, the paths and the codimension; errors come with theirs."""
    study = time_scales(
        sgdm(),
        PARABOLA,
        START,
        learning_rates=(0.1, 0.05),
        observables={"tr H": PARABOLA.hessian_trace},
        exponents=(1.0, 2.0),
        t1=0.5,
        num_paths=16,
        momentum=0.5,
        progress=False,
    )
    about = study.dataset.attrs
    assert (about["rule"], about["t1"], about["num_paths"], about["codimension"]) == ("sgdm", 0.5, 16, 1)
    assert json.loads(about["hyperparameters"]) == {"momentum": 0.5}
    text = str(study)
    assert "t1 = 0.5; long-horizon; momentum = 0.5; codimension 1; 16 replicas" in text
    part = study.dataset.isel(learning_rate=-1, observable=0)
    row = f"{float(part['fast_error'][-1]):.3g} ± {float(part['standard_error'][-1]):.1g}"
    assert row in text
    pytest.importorskip("matplotlib").use("Agg")
    labels = study.plot().get_legend_handles_labels()[1]
    assert sum("η = 0.1" in label for label in labels) == sum("η = 0.05" in label for label in labels) == 2
    with pytest.raises(ValueError, match="`observable` must be one of tr H, got 'x'"):
        study.plot("x")
    for tolerance in (-1, np.nan, "a"):
        with pytest.raises((ValueError, TypeError), match="`tolerance` must"):
            study.holds(tolerance)


def test_exponents_that_leave_no_step_are_refused():
    """At η = 0.1, γ = 0 and t1 = 0.3 there is no step to take."""
    question = {"learning_rates": (0.1,), "observables": {"tr H": PARABOLA.hessian_trace}, "progress": False}
    with pytest.raises(ValueError, match="must be positive and increase"):
        time_scales(sgd(), PARABOLA, START, exponents=(0.0, 1.0), t1=0.3, num_paths=8, codimension=1, **question)
