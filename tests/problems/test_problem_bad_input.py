"""One clear sentence for every input that cannot work: it names the argument and says what to do."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sde_momentum import problems

ROWS = np.ones((5, 3))


def mean_loss(params, batch):
    return jnp.mean((batch @ params) ** 2)


def summed_loss(params, batch):
    return jnp.sum((batch @ params) ** 2)


def vector_loss(params, batch):
    return (batch @ params) ** 2


def _fit(loss=mean_loss, data=ROWS, batch_size=2, **options):
    return problems.minibatch(loss, data, batch_size, **options)


def _label(**changes):
    options = {"model": mean_loss, "inputs": ROWS, "targets": np.ones(5), "delta": 0.1} | changes
    return problems.label_noise(**options)


CASES = {
    "vector loss, tried at once": (lambda: _fit(vector_loss, start=jnp.ones(3)), "loss must return one real number"),
    "vector loss, when traced": (lambda: _fit(vector_loss).gradient(jnp.ones(3)), "average it with jnp.mean"),
    "summed loss": (lambda: _fit(summed_loss, start=jnp.ones(3)), "must be the mean over the rows"),
    "loss without a finite start": (lambda: _fit(start=jnp.full(3, 1e200)), "choose a start with a finite loss"),
    "loss that is no function": (lambda: _fit(loss=3), "loss must be a function"),
    "NaN data": (lambda: _fit(data={"x": np.full((5, 3), np.nan)}), r"data\['x'\] holds 15 values"),
    "unequal lengths": (lambda: _fit(data=(ROWS, np.ones(4))), r"data\[0\]: 5, data\[1\]: 4"),
    "no data": (lambda: _fit(data=np.ones((0, 3))), "0 examples"),
    "empty pytree": (lambda: _fit(data={}), "data holds no array"),
    "scalar data": (lambda: _fit(data=(ROWS, 1.0)), "a scalar"),
    "zero batch": (lambda: _fit(batch_size=0), "batch_size must be at least 1"),
    "fractional batch": (lambda: _fit(batch_size=2.5), "batch_size must be a whole number"),
    "batch beyond the data": (lambda: _fit(batch_size=6, replacement=False), "batch_size=6 exceeds the 5 examples"),
    "function among the parameters": (lambda: _fit(start={"w": jnp.ones(3), "f": jnp.tanh}), "eqx.partition"),
    "word among the data": (lambda: _fit(data={"x": ROWS, "name": "rows"}), "a scalar"),
    "integer parameters": (lambda: _fit().gradient(jnp.ones(3, int)), "x has dtype int64"),
    "integer leaf": (lambda: problems.breast_cancer().loss({"bias": 0, "weights": jnp.ones(30)}), r"x\['bias'\]"),
    "no start": (lambda: _fit().initial(), "pass start="),
    "weights of the wrong size": (lambda: _fit().noise_product(jnp.ones(3), jnp.ones(4)), "noise_dim=5"),
    "draw of the wrong shape": (lambda: _fit().stochastic_gradient(jnp.ones(3), jnp.ones(2)), "integer indices"),
    "draw of another batch": (lambda: _fit().stochastic_gradient(jnp.ones(3), jnp.arange(3)), "the 2 integer indices"),
    "negative l2": (lambda: problems.breast_cancer(l2=-1.0), "l2 must be a non-negative"),
    "empty layer": (lambda: problems.digits_mlp(hidden=0), "hidden must be at least 1"),
    "negative seed": (lambda: problems.digits_mlp().initial(seed=-1), "seed must be at least 0"),
    "skew Hessian": (lambda: problems.quadratic(np.array([[1.0, 2.0], [0.0, 1.0]])), "not symmetric"),
    "oblong Hessian": (lambda: problems.quadratic(np.ones((2, 3))), "hessian has shape"),
    "infinite Hessian": (lambda: problems.quadratic(np.inf), "hessian holds 1 values"),
    "foreign minimum": (lambda: problems.quadratic(np.eye(2), minimum=np.ones(3)), "minimum has shape"),
    "foreign noise": (lambda: problems.quadratic(np.eye(2), noise=np.ones((3, 2))), "noise has shape"),
    "x of another shape": (lambda: problems.quadratic(1.0).gradient(jnp.ones(2)), "one array of shape"),
    "loss of a general problem": (
        lambda: problems.general(lambda x: x, lambda x, w: x * w, 2).gradient(jnp.ones(2)),
        "loss must return one real number",
    ),
    "product of another shape": (
        lambda: problems.general(jnp.sum, lambda x, w: w[0], 2).noise_product(jnp.ones(2), jnp.ones(2)),
        "must be shaped like x",
    ),
    "product that is not linear": (
        lambda: problems.general(jnp.sum, lambda x, w: x * w**2, 2, start=jnp.ones(2)),
        "not linear in w",
    ),
    "list for an array": (lambda: problems.quadratic(np.eye(2)).loss([1.0, 1.0]), "but is a list"),
    "list of numbers as data": (lambda: _fit(data=[[1.0] * 9]), "convert lists of numbers"),
    "vector start": (lambda: problems.double_well(start=[0.5, 1.0]), "start must be one array of shape"),
    "tilt that is no number": (lambda: problems.double_well(tilt=np.nan), "tilt holds 1 values"),
    "rule that draws twice from epochs": (
        lambda: problems.CombinedDraws(_fit(replacement=False), (0.5, 0.5)),
        "replacement=True or reshuffle=False",
    ),
    "constant noise": (lambda: problems.double_well(0.3), "pass lambda x: 0.3"),
    "draw of another size": (lambda: problems.double_well().with_noise(problems.SignDraw(2)), "draw has size 2"),
    "draw that is not standardized": (
        lambda: problems.double_well().with_noise(problems.IndexDraw(3, 1)),
        "mean 0 and unit covariance",
    ),
    "infinite cumulant": (lambda: problems.StudentDraw(1, degrees=4).cumulant(4), "does not tell cumulant 4"),
    "no variance": (lambda: problems.StudentDraw(1, degrees=2), "degrees must be at least 3"),
    "no label noise": (lambda: _label(delta=0.0), "delta must be a positive"),
    "negative normalization": (lambda: _label(loss_factor=-1.0), "loss_factor must be a positive"),
    "matrix of targets": (lambda: _label(targets=ROWS), "targets must have shape"),
    "one prediction for all": (lambda: _label().loss(jnp.ones(3)), "one prediction per row"),
    "weight that is not positive": (lambda: problems.label_noise_parabola([1.0, 0.0], 0.1), "weights must be positive"),
    "SVAG of nothing": (lambda: problems.svag(problems.quadratic(1.0), 0), "ell must be at least 1"),
    "SVAG of epochs": (lambda: problems.svag(_fit(replacement=False), 2), "replacement=True or reshuffle=False"),
    "SVAG twice": (lambda: problems.svag(problems.svag(_fit(), 2), 2), "SVAG cannot be applied twice"),
    "vector least squares": (lambda: problems.least_squares(ROWS, ROWS, 1), "inputs and targets must have shapes"),
}


@pytest.mark.parametrize("name", CASES)
def test_refused_with_a_sentence(name):
    """A ValueError names the argument and the remedy."""
    action, message = CASES[name]
    with pytest.raises(ValueError, match=message):
        action()


def test_refused_while_tracing():
    """Structural faults are found under jit as well."""
    with pytest.raises(ValueError, match="one array of shape"):
        jax.jit(lambda x: problems.quadratic(1.0).gradient(x))(jnp.ones(2))


@pytest.mark.parametrize("name", ["hessian", "noise"])
@pytest.mark.parametrize("value", [1j, "steep", np.array([1.0, 2j])])
def test_coefficients_are_real(name, value):
    """A complex coefficient does not lose its imaginary part, and a word is no number."""
    with pytest.raises(TypeError, match=f"{name} must be real numbers, but has dtype"):
        problems.quadratic(**({"hessian": np.eye(2)} | {name: value}))
