"""The examples in the docstrings are true, in the single precision that JAX has unless told otherwise."""

import doctest
import importlib
import pkgutil

import jax
import pytest

import sde_momentum

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
# Examples that compile or integrate for long; `make slow` runs them.
SLOW = {
    "sde_momentum.compare.catalogue._study",
    "sde_momentum.compare.errors._mean_paths",
    "sde_momentum.compare.momentum._index",
    "sde_momentum.compare.question._observables",
    "sde_momentum.compare.long_horizon._slow_weak_error",
    "sde_momentum.compare.laws._stationarity",
    "sde_momentum.compare.errors._strong_error",
    "sde_momentum.compare.errors._telescope",
    "sde_momentum.compare.long_horizon._time_scales",
    "sde_momentum.compare.transition._expectations",
    "sde_momentum.compare.transition._study",
    "sde_momentum.compare.errors._weak_error",
    "sde_momentum.manifold._adam_sde",
    "sde_momentum.manifold._flow_projection",
    "sde_momentum.manifold._kernel_drift",
    "sde_momentum.manifold._kernel_sde",
    "sde_momentum.manifold._limit_map",
    "sde_momentum.manifold._noise_report",
    "sde_momentum.manifold._normal_space",
    "sde_momentum.manifold._point",
    "sde_momentum.manifold._regularizers",
    "sde_momentum.manifold._retracted_euler",
    "sde_momentum.manifold._slow_drift",
    "sde_momentum.manifold._slow_sde",
    "sde_momentum.problems._draw",
    "sde_momentum.problems._draw_subset",
    "sde_momentum.solvers._fused_term",
    "sde_momentum.solvers._macro_euler",
    "sde_momentum.solvers._shuffled_indices",
    "sde_momentum.solvers._underdamped",
}
# Importing `__main__` runs the command line.
MODULES = [
    info.name
    for info in pkgutil.walk_packages(sde_momentum.__path__, "sde_momentum.")
    if not info.name.endswith(".__main__")
]


def marked(name):
    """A module as a parameter, marked where its examples are slow."""
    return pytest.param(name, marks=pytest.mark.slow if name in SLOW else ())


@pytest.mark.parametrize("name", [marked(name) for name in MODULES])
def test_examples(name):
    """Every example prints what its docstring says."""
    with jax.enable_x64(False):
        result = doctest.testmod(importlib.import_module(name), optionflags=FLAGS)
    assert result.failed == 0


def test_slow_modules_exist():
    """A module that was renamed does not stay on the list of slow ones."""
    assert set(MODULES) >= SLOW


def test_wrong_example_is_noticed():
    """Negative control: an example that prints something else fails."""
    example = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, None)
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    runner.run(example, out=lambda text: None)
    assert runner.failures == 1
