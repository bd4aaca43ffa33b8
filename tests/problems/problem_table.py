"""One table of small problems, with a generic point for each; every law is checked on every row."""

import jax
import jax.numpy as jnp
import numpy as np

from sde_momentum import problems

RNG = np.random.default_rng(20)
INPUTS = RNG.normal(size=(7, 3))
TARGETS = RNG.normal(size=7)


def cubic_loss(params, batch):
    """A loss that is not quadratic, on a nested pytree."""
    inputs, targets = batch
    prediction = jnp.tanh(inputs @ params["w"]) + params["b"]
    return jnp.mean((prediction - targets) ** 2 + 0.1 * prediction**3) + 0.05 * jnp.sum(params["w"] ** 2)


def nested_noise(x, w):
    """A factor that mixes leaves and depends on x."""
    return {"a": x["a"] * w[:2] + w[2], "b": jnp.sin(x["b"]) * w[3]}


def squares(params, inputs):
    """An over-parameterized model: more parameters than data."""
    return inputs @ params["u"] ** 2 + params["b"]


def _point(tree):
    return jax.tree.map(lambda shape: jnp.asarray(RNG.normal(size=shape)), tree, is_leaf=lambda s: isinstance(s, tuple))


HESSIAN = np.array([[2.0, 0.5], [0.5, 1.0]])
DATA = (INPUTS, TARGETS)
MINIBATCH = {"w": (3,), "b": ()}
LABELS = {"u": (3,), "b": ()}
SMALL = (INPUTS[:2], TARGETS[:2])

TABLE = {
    "scalar quadratic": (problems.quadratic(1.5, lambda x: jnp.sqrt(1 + 0.49 * x**2)), ()),
    "diagonal quadratic": (problems.quadratic(np.array([1.0, 3.0]), np.array([0.5, 2.0]), slope=0.3), (2,)),
    "dense quadratic": (problems.quadratic(HESSIAN, RNG.normal(size=(2, 4)), [1.0, -1.0]), (2,)),
    "linear": (problems.linear(np.array([1.0, -2.0]), 0.7), (2,)),
    "double well": (problems.double_well(tilt=0.2), ()),
    "general": (
        problems.general(lambda x: jnp.sum(x["a"] ** 4) + x["b"] ** 3, nested_noise, 4),
        {"a": (2,), "b": ()},
    ),
    "minibatch": (problems.minibatch(cubic_loss, DATA, 2), MINIBATCH),
    "subsets": (problems.minibatch(cubic_loss, DATA, 2, replacement=False, reshuffle=False), MINIBATCH),
    "epochs": (problems.minibatch(cubic_loss, DATA, 3, replacement=False), MINIBATCH),
    "least squares": (problems.least_squares(INPUTS, TARGETS, 3), (3,)),
    "label noise": (problems.label_noise(squares, *SMALL, 0.3, 1), LABELS),
    "label noise, batch 2": (problems.label_noise(squares, *SMALL, 0.3, 2, loss_factor=1.0), LABELS),
    "label noise, all": (problems.label_noise(squares, *SMALL, 0.3, None), LABELS),
    "parabola": (problems.label_noise_parabola([1.0, 2.0, 0.5], 0.4), (3,)),
    "svag": (problems.svag(problems.minibatch(cubic_loss, DATA, 2), 3), MINIBATCH),
    "adaptive svag": (problems.svag(problems.quadratic(1.0, noise=0.5), 2, adaptive=True), ()),
    "gaussian twin": (problems.minibatch(cubic_loss, DATA, 2).gaussian(), MINIBATCH),
}
NAMES = tuple(TABLE)


def make_draw(draw, paths):
    """Numbers of the shape that `draw` gives, without running the counters."""
    if isinstance(draw, problems.PairDraw):
        return make_draw(draw.single, paths), make_draw(draw.single, paths)
    if isinstance(draw, problems.LabelDraw):
        return jnp.asarray(RNG.integers(draw.population, size=(draw.size, paths))), _signs(draw.size, paths)
    if isinstance(draw, problems.AbstractIndexDraw):
        return jnp.asarray(RNG.integers(draw.population, size=(draw.size, paths)))
    return (
        _signs(draw.size, paths)
        if isinstance(draw, problems.SignDraw)
        else jnp.asarray(RNG.normal(size=(draw.size, paths)))
    )


def _signs(size, paths):
    return jnp.asarray(RNG.choice([-1.0, 1.0], size=(size, paths)))


POINTS = {name: _point(shape) for name, (_, shape) in TABLE.items()}
WEIGHTS = {name: jnp.asarray(RNG.normal(size=problem.noise_dim)) for name, (problem, _) in TABLE.items()}


def row(name):
    """The problem, a point, and noise weights."""
    return TABLE[name][0], POINTS[name], WEIGHTS[name]
