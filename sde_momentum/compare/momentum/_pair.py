"""SGDM and SGD on the same noise: how far apart in law and along paths, exactly or by sampling."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jax.scipy.linalg import block_diag as joined
from jaxtyping import Array, ArrayLike, PyTree
from scipy.linalg import block_diag

from sde_momentum.compare.coupling._paired import PairedChains
from sde_momentum.compare.exact._affine_chain import AffineChain
from sde_momentum.compare.exact._linearize import magnitude, quadratic_observable
from sde_momentum.compare.exact._stacked import affine_chains, scheduled_chain
from sde_momentum.compare.momentum._schedule import MomentumSchedule
from sde_momentum.compare.question._observables import Observable
from sde_momentum.dynamics import Chain
from sde_momentum.ensembles import simulate
from sde_momentum.solvers import Seed

_BLOCK = 128


class Gap(NamedTuple):
    """Distance between two optimizers at one learning rate.

    Attributes:
        weak: E f(x) − E f(z), shape `(observables,)`.
        weak_deviation: its standard errors; where nothing is sampled, a bound on the rounding.
        strong: root of E |x − z|² under the same noise.
        strong_deviation: its standard error.
    """

    weak: np.ndarray
    weak_deviation: np.ndarray
    strong: float
    strong_deviation: float


class ScheduledChain(eqx.Module):
    """An optimizer whose hyperparameters change from step to step; the noise scale stays.

    Args:
        chain: the optimizer.
        schedules: hyperparameter → values, shape `(steps,)`.
    """

    chain: Chain
    schedules: dict[str, Array]

    @property
    def step_time(self) -> Any:
        """Time per step."""
        return self.chain.step_time

    @property
    def draw(self):
        """What one step consumes."""
        return self.chain.draw

    def init(self, x0: PyTree[ArrayLike]) -> dict[str, PyTree[Array]]:
        """Return the state at the start."""
        return self.chain.init(x0)

    def step(self, k: ArrayLike, state: dict[str, PyTree[Array]], draw: PyTree[ArrayLike]) -> dict[str, PyTree[Array]]:
        """Return the next state, with the hyperparameters of step k."""
        now = {name: jnp.asarray(values)[k] for name, values in self.schedules.items()}
        values = self.chain.hyperparameters | now
        return eqx.tree_at(lambda c: c.hyperparameters, self.chain, values).step(k, state, draw)

    def describe(self) -> dict[str, Any]:
        """Return what the process is, for provenance."""
        return {"kind": "scheduled chain", "chain": self.chain.describe(), "schedules": sorted(self.schedules)}


def exact_gap(
    first: Chain, second: Chain, schedule: MomentumSchedule | None, x0: Any, steps: int, observables: Mapping
) -> Gap | None:
    """The gap from closed moments of the joint chain, or None where they are not closed.

    Args:
        first: SGDM.
        second: SGD with the same problem and clock.
        schedule: what they use at each step; None for the numbers they have.
        x0: start.
        steps: number of steps.
        observables: name → quadratic function of the parameters.
    """
    found = [quadratic_observable(function, x0) for function in observables.values()]
    quadratics = [quadratic for quadratic in found if quadratic is not None]
    if len(quadratics) < len(found):
        return None
    starts = [first.init(x0), second.init(x0)]
    columns = _columns(starts)
    start = np.concatenate([np.asarray(ravel_pytree(state)[0], dtype=float) for state in starts])
    # The parameters of the first are replaced by x − z, whose moments then lose no digits to subtraction.
    basis = np.eye(len(start))
    basis[columns[0], columns[1]] = -1.0
    if schedule is None:
        law = _constant(first, second, starts, basis @ start, basis, steps)
    else:
        law = _varying(first, second, starts, basis @ start, basis, schedule)
    if law is None:
        return None
    (mean, covariance), (apart, behind) = law, columns
    strong = float(np.sqrt(mean[apart] @ mean[apart] + np.trace(covariance[np.ix_(apart, apart)])))
    weak = np.array([_between(quadratic, mean, covariance, apart, behind) for quadratic in quadratics])
    # Mean and lag of the momentum nearly cancel in every step, so that its rounding adds up over all of them.
    rounding = 0.25 * np.finfo(float).eps * steps
    inner = mean[behind], covariance[np.ix_(behind, behind)]
    # The constant is not among what is subtracted here.
    scale = np.array([magnitude((0.0, *quadratic[1:]), *inner) for quadratic in quadratics])
    return Gap(weak, rounding * scale, strong, rounding * strong)


def _between(
    quadratic: tuple, mean: np.ndarray, covariance: np.ndarray, apart: np.ndarray, behind: np.ndarray
) -> float:
    """E f(z + d) − E f(z) for quadratic f, from the joint moments of d and z."""
    _, slope, bend = quadratic
    second = covariance + np.outer(mean, mean)
    inner = second[np.ix_(apart, apart)] + 2 * second[np.ix_(behind, apart)]
    return float(slope @ mean[apart] + 0.5 * np.sum(bend * inner))


def sampled_gap(
    first: Chain,
    second: Chain,
    schedule: MomentumSchedule | None,
    x0: Any,
    t1: float,
    observables: Mapping[str, Observable],
    num_paths: int,
    seed: Seed,
) -> Gap:
    """The gap from paths of both optimizers on the same draws, of any problem."""
    one: Any = first
    two: Any = second
    if schedule is not None:
        own = {"learning_rate": jnp.asarray(schedule.learning_rates), "momentum": jnp.asarray(schedule.momenta)}
        one = ScheduledChain(first, own)
        two = ScheduledChain(second, {"learning_rate": jnp.asarray(schedule.followed)})
    pair = PairedChains(one, two)

    def between(function: Observable):
        return lambda state: function(state["first"]["x"]) - function(state["second"]["x"])

    functions = {name: between(function) for name, function in observables.items()}
    functions["strong"] = _squared_distance
    result = simulate(
        pair, x0, t1=t1, num_paths=num_paths, seed=seed, observables=functions, covariance=False, progress=False
    )
    mean, deviation = result["mean"].values[-1], result["standard_error"].values[-1]
    strong = float(np.sqrt(mean[-1]))
    return Gap(mean[:-1], deviation[:-1], strong, float(deviation[-1] / (2 * strong)) if strong > 0 else 0.0)


def _squared_distance(state: dict) -> Array:
    squares = jax.tree.map(lambda a, b: jnp.sum((a - b) ** 2), state["first"]["x"], state["second"]["x"])
    return jax.tree.reduce(jnp.add, squares)


def _columns(starts: list) -> list[np.ndarray]:
    """Positions of the parameters of either optimizer in the joint vector."""
    found, offset = [], 0
    for state in starts:
        marks = {name: jnp.full_like(ravel_pytree(value)[0], float(name == "x")) for name, value in state.items()}
        flat = np.asarray(ravel_pytree(marks)[0])
        found.append(offset + np.flatnonzero(flat))
        offset += len(flat)
    return found


def _constant(first: Chain, second: Chain, starts: list, start: np.ndarray, basis: np.ndarray, steps: int):
    forms = [affine_chains([chain], state) for chain, state in zip((first, second), starts, strict=True)]
    if forms[0] is None or forms[1] is None:
        return None
    a, b = forms[0][0], forms[1][0]
    inverse = np.linalg.inv(basis)
    multiplicative = None
    if a.multiplicative is not None or b.multiplicative is not None:
        pairs = zip(_tensor(a), _tensor(b), strict=True)
        multiplicative = np.stack([basis @ block_diag(p, q) @ inverse for p, q in pairs])
    joint = AffineChain(
        basis @ block_diag(a.matrix, b.matrix) @ inverse,
        basis @ np.concatenate([a.offset, b.offset]),
        basis @ np.concatenate([a.noise, b.noise]),
        multiplicative,
    )
    law = joint.moments(start, [steps])
    return law.mean[0], law.covariance[0]


def _tensor(form: AffineChain) -> np.ndarray:
    size = len(form.offset)
    return np.zeros((form.noise.shape[1], size, size)) if form.multiplicative is None else form.multiplicative


def _varying(
    first: Chain, second: Chain, starts: list, start: np.ndarray, basis: np.ndarray, schedule: MomentumSchedule
):
    """March in blocks of one length, so that one compiled program serves every learning rate."""
    law = jnp.asarray(start), jnp.zeros((len(start), len(start)))
    for begin in range(0, len(schedule.momenta), _BLOCK):
        part = MomentumSchedule(*(_padded(values[begin : begin + _BLOCK]) for values in schedule))
        count = min(_BLOCK, len(schedule.momenta) - begin)
        one = scheduled_chain(first, starts[0], {"learning_rate": part.learning_rates, "momentum": part.momenta})
        two = scheduled_chain(second, starts[1], {"learning_rate": part.followed})
        if one is None or two is None:
            return None
        law = _march(law, one, two, np.arange(_BLOCK) < count, basis)
    return tuple(np.asarray(part) for part in law)


def _padded(values: np.ndarray) -> np.ndarray:
    return np.pad(values, (0, _BLOCK - len(values)), mode="edge")


@jax.jit
def _march(law: tuple, one: tuple, two: tuple, live: Array, basis: Array):
    """Mean and covariance of the joint chain, step by step; steps that are not live change nothing."""
    inverse = jnp.linalg.inv(basis)

    def step(law, now):
        mean, covariance = law
        (a, b, c, m), (p, q, r, n), on = now
        matrix, noise = basis @ joined(a, p) @ inverse, basis @ jnp.concatenate([c, r])
        tensor = basis @ jax.vmap(joined)(m, n) @ inverse
        kicks = jnp.einsum("aij,j->ia", tensor, mean) + noise
        spread = jnp.einsum("aij,jk,alk->il", tensor, covariance, tensor)
        advanced = (
            matrix @ mean + basis @ jnp.concatenate([b, q]),
            matrix @ covariance @ matrix.T + spread + kicks @ kicks.T,
        )
        return jax.tree.map(lambda new, old: jnp.where(on, new, old), advanced, law), None

    return jax.lax.scan(step, law, (one, two, live))[0]
