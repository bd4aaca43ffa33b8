"""Rule and limit as functions of many raveled states at once, compiled once for all learning rates."""

from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from sde_momentum.compare.orders._measured import NotApplicable
from sde_momentum.compare.question._observables import Observable
from sde_momentum.compare.transition._noise import NoiseLaw
from sde_momentum.compare.transition._ways import Ways, ways_of_chain, ways_of_sde
from sde_momentum.dynamics import SDE, Chain

# Every batch is padded to whole chunks, so that one compiled program serves grids of all sizes.
_CHUNK = 512


class Side:
    """Rule or limit on raveled states, batched and compiled; what a jit would hash at every call is closed over.

    Args:
        process: at any learning rate; others differ in arrays only.
        start: its state at the start.
        observables: name → function of the parameters.
        parameters: name of the parameters in the state.
    """

    def __init__(self, process: Chain | SDE, start: Any, observables: Mapping[str, Observable], parameters: str):
        self.unravel = unravel = ravel_pytree(start)[1]
        static = eqx.partition(_as_jax(process), eqx.is_array)[1]

        def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
            def call(arrays: Any, when: Any, points: Any, draws: Any) -> Any:
                one = eqx.combine(arrays, static)
                return jax.vmap(lambda z, draw: function(one, when, z, draw), (-1, 0), -1)(points, draws)

            return jax.jit(call)

        flat = lambda state: ravel_pytree(state)[0]
        self.advance = compiled(lambda one, k, z, draw: flat(one.step(k, unravel(z), draw)))
        # Drift and noise factor as one matrix, whose first column is the drift: one call in place of two.
        self.coefficients = compiled(
            lambda one, t, z, draw: jnp.column_stack(
                [flat(one.drift(t, unravel(z), None)), _columns(one, t, z, unravel)]
            )
        )
        self.observables = {
            name: compiled(lambda one, t, z, draw, f=f: jnp.asarray(f(unravel(z)[parameters])))
            for name, f in observables.items()
        }

    def at(self, process: Chain | SDE, start: Any) -> "SideAt":
        """The side at one learning rate.

        Args:
            process: rule or limit there.
            start: its state at the start.
        """
        return SideAt(self, eqx.partition(_as_jax(process), eqx.is_array)[0], np.asarray(ravel_pytree(start)[0]))


class SideAt:
    """A side at one learning rate; states have shape `(d, N)`."""

    def __init__(self, side: Side, arrays: Any, start: np.ndarray):
        self.side, self.arrays, self.start = side, arrays, start

    def chain_ways(self, steps: int, law: NoiseLaw, table: Any, *, box: bool) -> Ways:
        """Ways to expected observables of a rule; `table` holds the draws that the points number, None for normals."""

        def moves(k: int, states: np.ndarray, points: np.ndarray, which: np.ndarray) -> np.ndarray:
            draws = np.reshape(points, (len(points), -1)) if table is None else table[points]
            return self._batch(self.side.advance, k, states, draws[which])

        return ways_of_chain(moves, self._observables(), self.start, steps, law, box=box)

    def sde_ways(self, time: float, *, box: bool) -> Ways:
        """Ways to expected observables of a limit."""

        def coefficients(t: float, states: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            both = self._batch(self.side.coefficients, t, states)
            return both[:, 0], both[:, 1:]

        return ways_of_sde(coefficients, self._observables(), self.start, time, box=box)

    def _observables(self) -> list[Callable[[np.ndarray], np.ndarray]]:
        return [lambda states, n=name: self._observed(n, states) for name in self.side.observables]

    def _observed(self, name: str, states: np.ndarray) -> np.ndarray:
        values = self._batch(self.side.observables[name], 0.0, states)
        if np.all(np.isfinite(states)) and not np.all(np.isfinite(values)):
            raise NotApplicable(
                f"observable `{name}` is not finite at some states between {states.min():.4g} and {states.max():.4g}, "
                "where transition operators need it: choose one that is finite and smooth there, such as log(ε + x²) "
                "in place of log x."
            )
        return values

    def _batch(self, function: Callable[..., Any], when: Any, states: np.ndarray, draws: Any = None) -> np.ndarray:
        """A function of one state at many, in padded chunks."""
        count = states.shape[1]
        draws = np.zeros((count, 1)) if draws is None else draws
        padding = -count % _CHUNK
        states = np.pad(states, ((0, 0), (0, padding)), mode="edge")
        draws = np.concatenate([draws, np.repeat(draws[-1:], padding, axis=0)])
        parts = [
            np.asarray(function(self.arrays, when, states[:, k : k + _CHUNK], draws[k : k + _CHUNK]))
            for k in range(0, states.shape[1], _CHUNK)
        ]
        return np.concatenate(parts, axis=-1)[..., :count]


def _columns(process: SDE, t: Any, z: Any, unravel: Callable[[Any], Any]) -> Any:
    product = lambda w: ravel_pytree(process.noise_product(t, unravel(z), None, w))[0]
    return jax.vmap(product, out_axes=-1)(jnp.eye(process.noise_dim, dtype=z.dtype))


def _as_jax(process: Any) -> Any:
    return jax.tree.map(lambda leaf: jnp.asarray(leaf) if eqx.is_array_like(leaf) else leaf, process)
