"""Mean paths of an optimizer and its equations are those that theory gives, in one scale."""

import json
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

import sde_momentum as sm
from sde_momentum.compare import mean_paths

RATE, TIMES = 0.4, np.array([0.8, 1.6])
SGD = sm.optimizers.sgd()
LIMITS = [sm.modified_equation(SGD, order=order) for order in (1, 2)]


@pytest.mark.slow
def test_means_of_sgd_on_a_quadratic():
    """E x_k = (1 − ηh)^k, and Euler's E x = (1 − h′ dt)^n with h′ = h, h + ηh²/2, within 5 SE; no two agree."""
    problem = sm.problems.quadratic(1.0, noise=0.2)
    setting = {"t1": 1.6, "num_paths": 4096, "seed": 3, "saves": 2, "learning_rate": RATE}
    paths = mean_paths(SGD, LIMITS, problem, np.array(1.0), **setting)
    substeps = 8 * TIMES / RATE
    exact = [(1 - RATE) ** (TIMES / RATE), *((1 - RATE / 8 * h) ** substeps for h in (1, 1 + RATE / 2))]
    mean, error = (paths.dataset[name].sel(observable="x").values for name in ("mean", "standard_error"))
    distance = abs(mean - np.stack(exact)) / error
    assert distance.max() < 5
    # Negative control: the mean of another process is rejected.
    assert (abs(mean - np.roll(exact, 1, axis=0)) / error).max(axis=1).min() > 5
    assert paths.gaps.sel(process="order 2").item() < paths.gaps.sel(process="order 1").item()
    assert "order 2: x" in str(paths)


@pytest.mark.parametrize("name", ["adagrad", "adadelta"])
def test_states_of_a_chain_in_the_scale_of_the_limit(name):
    """Returning to the limit's variables undoes what a full start goes through; the chain's own scale is another."""
    rule = sm.optimizers.CATALOGUE[name]()
    numbers = {"learning_rate": 0.1, "eps0": 0.2, **({"rate_decay": 1.0} if name == "adadelta" else {})}
    process = sm.chain(rule, sm.problems.quadratic(1.0), **numbers)
    start = {variable: jnp.asarray(0.3 + j) for j, variable in enumerate(rule.state)}
    returned = process.in_limit_variables(process.init(start))
    for variable in rule.state:
        np.testing.assert_allclose(returned[variable], start[variable], rtol=1e-12)
    assert any(process.init(start)[v] != start[v] for v in rule.state)


def test_limits_of_another_rule_or_regime():
    """Only limits of the rule, under one regime, can be put beside it."""
    problem, setting = sm.problems.quadratic(1.0), {"t1": 0.8, "num_paths": 8, "seed": 0, "learning_rate": RATE}
    loud = sm.modified_equation(SGD, sm.Regime.noise_dominated())
    for limits in ([], [LIMITS[0], loud], [sm.modified_equation(sm.optimizers.sgdm())]):
        with pytest.raises(ValueError, match=r"derive all limits|is empty"):
            mean_paths(SGD, limits, problem, 1.0, **setting)


WELL = sm.problems.double_well()
SETTING = {"t1": 2.0, "num_paths": 64, "seed": 7, "learning_rate": RATE, "saves": 1}


@pytest.fixture(scope="module")
def beside():
    """The limit of order 2, and one of order 2 whose drift lacks its correction."""
    return mean_paths(SGD, [LIMITS[1], replace(LIMITS[1], drift=LIMITS[0].drift)], WELL, 0.5, **SETTING)


def test_limits_of_one_order_stand_side_by_side(beside):
    """None is dropped: they are numbered in the order in which they were given, and differ."""
    assert beside.dataset["process"].values.tolist() == ["sgd", "order 2 (1)", "order 2 (2)"]
    means = beside.dataset["mean"].sel(observable="x", time=2.0)
    assert means.sel(process="order 2 (1)") != means.sel(process="order 2 (2)")


def test_what_was_run_is_said(beside, tmp_path):
    """Learning rate, scheme and number of paths are printed; all of it goes through netCDF."""
    assert "at learning rate 0.4, until t = 2" in str(beside)
    assert "(64 paths each; equations by Euler steps of h/8, h = 0.4 the optimizer's; standard errors" in str(beside)
    beside.dataset.to_netcdf(tmp_path / "paths.nc", engine="h5netcdf")
    again = xr.load_dataset(tmp_path / "paths.nc", engine="h5netcdf")
    xr.testing.assert_identical(again, beside.dataset)
    attributes = again.attrs
    assert (attributes["rule"], attributes["t1"], attributes["learning_rate"], attributes["num_paths"]) == (
        "sgd",
        2.0,
        RATE,
        64,
    )
    assert attributes["regime"] == str(LIMITS[0].regime)
    assert (json.loads(attributes["hyperparameters"]), attributes["seed"]) == ({}, "7")


def test_one_limit_is_a_list_of_one():
    """One limit needs no brackets, a JAX key is a seed too, and other hyperparameters are kept."""
    rule, key = sm.optimizers.sgdm(), jax.random.key(2**20)
    found = mean_paths(rule, sm.modified_equation(rule), WELL, 0.5, **(SETTING | {"seed": key}), momentum=0.5)
    assert found.dataset["process"].values.tolist() == ["sgdm", "order 1"]
    assert (json.loads(found.dataset.attrs["hyperparameters"]), found.dataset.attrs["seed"]) == (
        {"momentum": 0.5},
        "1048576",
    )


def test_the_figure_takes_one_axes_for_one_panel(beside):
    """One panel takes axes as pyplot gives them; another number of axes is refused."""
    pytest.importorskip("matplotlib").use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots()
    assert beside.plot(axes) is axes
    assert len(axes.get_legend().get_texts()) == 3
    plt.close(figure)
    figure, two = plt.subplots(1, 2)
    for wrong, got in ((two, "2 of Axes"), ("a", "1 of str")):
        with pytest.raises(ValueError, match=f"`axes` must be 1 matplotlib axes, for x, got {got}"):
            beside.plot(wrong)
    plt.close(figure)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"rule": sm.optimizers.sgd}, TypeError, "`rule` must be an UpdateRule"),
        ({"limits": "order 1"}, TypeError, "`limits` must be a list of what modified_equation"),
        ({"limits": ["a"]}, TypeError, r"`limits` must be a list of what modified_equation.* got \['a'\]"),
        ({"x0": 100.0}, ValueError, "64 paths diverge at learning rate 0.4: lower it, or shorten t1"),
        ({"x0": np.nan}, ValueError, "x0 must be finite, got nan"),
        ({"x0": "a"}, TypeError, "x0 must hold numbers, got 'a'"),
        ({"learning_rate": [RATE]}, TypeError, r"`learning_rate` must be a number, got \[0.4\]"),
        ({"learning_rate": -1}, ValueError, "`learning_rate` must be positive and finite, got -1"),
        ({"t1": "a"}, TypeError, "`?t1`? must be a number.*, got 'a'"),
        ({"t1": np.inf}, ValueError, "`t1` must be positive and finite, got inf"),
        ({"saves": "a"}, TypeError, "`?saves`? must be None, a whole number or increasing times, got 'a'"),
        ({"saves": 3}, ValueError, "saves=3 does not divide the 5 steps of the run"),
        ({"num_paths": 7}, ValueError, "`num_paths` must be at least 8, for a standard error, got 7"),
        ({"num_paths": "64"}, TypeError, "`num_paths` must be a whole number, got '64'"),
        ({"observables": [jnp.sum]}, TypeError, "`observables` must map names to functions of the state, .*lambda s:"),
        ({"observables": {"x": "x"}}, TypeError, "`observables` must map names to functions of the state"),
        ({"observables": {}}, ValueError, "`observables` is empty; leave it out"),
        ({"observables": {"a": lambda x: x**2}}, ValueError, r"`a` fails \(TypeError: .* write `lambda s: s\['x'\]`"),
        ({"observables": {"a": lambda s: s["m"]}}, ValueError, r"`a` fails \(KeyError: 'm'\): it gets a dict of x, so"),
        ({"observables": {"a": lambda s: jnp.log(s["x"] - 10)}}, ValueError, "observable 'a' is NaN at the start"),
    ],
)
def test_misuse_is_refused(changes, error, message):
    """One sentence names the argument; observables get the state here, and the parameters elsewhere."""
    given = {"rule": SGD, "limits": LIMITS, "problem": WELL, "x0": 0.5, **SETTING} | changes
    with pytest.raises(error, match=message):
        mean_paths(**given)
