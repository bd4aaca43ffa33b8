"""What rounding leaves of errors that do not scatter."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from sde_momentum.compare.coupling._paired import CoupledLimit
from sde_momentum.compare.question._question import Question

# Root mean square of one rounding, in units of the distance of two numbers next to each other.
_ONE = 0.25
# Scatter of single paths, in units of the rounding, below which it is nothing but rounding.
_NOTHING = 4.0


def rounding(question: Question, process: CoupledLimit) -> np.ndarray:
    """What rule and limit may be off by through rounding, in every observable; shape `(observables,)`.

    A rounding a solver step, as if they were independent, of the parameters and of the observable: what scatters
    averages it out over the paths, what is the same on all of them does not.
    """
    steps = 2 * process.substeps * question.steps(float(process.step_time))[-1]
    x0 = question.parameters_at_start
    precision = max(float(jnp.finfo(jnp.asarray(leaf, float).dtype).eps) for leaf in jax.tree.leaves(x0))
    floats = jax.tree.map(lambda leaf: jnp.asarray(leaf, float), x0)
    sizes = []
    for function in question.observables.values():
        value, along = jax.jvp(lambda x, f=function: jnp.asarray(f(x), float), (floats,), (floats,))
        sizes.append(abs(float(value)) + abs(float(along)))
    return _ONE * precision * np.sqrt(steps) * np.array(sizes)


def with_rounding(deviations: np.ndarray, rounded: np.ndarray, paths: Sequence[int]) -> np.ndarray:
    """Standard errors, shape `(rates, observables, times)`, and the rounding where paths do not scatter beyond it."""
    floor = np.broadcast_to(rounded[..., None], deviations.shape)
    return np.where(_alike(deviations, floor, paths), np.hypot(deviations, floor), deviations)


def is_felt(deviations: np.ndarray, rounded: np.ndarray, paths: Sequence[int]) -> bool:
    """Whether some errors show little but the rounding of single precision."""
    single = jnp.result_type(float) != jnp.float64
    return single and bool(np.any(_alike(deviations, rounded[..., None], paths)))


def _alike(deviations: np.ndarray, floor: np.ndarray, paths: Sequence[int]) -> np.ndarray:
    scatter = deviations * np.sqrt(np.asarray(paths, dtype=float))[:, None, None]
    return scatter <= _NOTHING * floor
