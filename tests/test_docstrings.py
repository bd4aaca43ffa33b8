"""The examples in the docstrings are true, in the single precision that JAX has unless told otherwise."""

import doctest
import importlib
import pkgutil

import jax
import pytest

import sde_momentum

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
MODULES = [info.name for info in pkgutil.walk_packages(sde_momentum.__path__, "sde_momentum.")]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    """Every example prints what its docstring says."""
    with jax.enable_x64(False):
        result = doctest.testmod(importlib.import_module(name), optionflags=FLAGS)
    assert result.failed == 0


def test_wrong_example_is_noticed():
    """Negative control: an example that prints something else fails."""
    example = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, None)
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    runner.run(example, out=lambda text: None)
    assert runner.failures == 1
