"""Noise as a function of its address: a diffrax path that needs no memory and no order of evaluation."""

from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from diffrax import AbstractPath
from jax import Array, lax
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Int, UInt32

from sde_momentum.solvers._dtype import check_size, real_dtype
from sde_momentum.solvers._grid import check_grid, grid_step, refuse, wrong_length
from sde_momentum.solvers._increments import AbstractIncrements, GaussianIncrements
from sde_momentum.solvers._seed import Seed, seed_array
from sde_momentum.solvers._signs import sign_draw
from sde_momentum.solvers._streams import Kind, Stream, as_word

_UNROLLED = 4
_LONGEST_RUN = 128


class Substeps(eqx.Module):
    """The increments over the equal parts of one macro step, as a solver such as `MacroEuler` asks for them."""

    values: tuple[Array, ...]


class DeferredSubsteps(eqx.Module):
    """`Substeps` that are drawn where they are read, in the loop of their reader."""

    scale: Array
    draw: Callable[[Array], tuple[Array, ...]] = eqx.field(static=True)

    def drawn(self) -> Substeps:
        """The increments."""
        return Substeps(self.draw(self.scale))


class WeakIncrement(eqx.Module):
    """An increment together with independent signs of the same shape, for solvers that model double integrals."""

    value: Array
    signs: Array
    has_components: bool = eqx.field(static=True)


class CounterPath(AbstractPath):
    r"""Driving noise on a uniform grid whose increments are pure functions of (seed, path, step, component, stream).

    The increment over grid step k is √dt ξₖ with ξₖ of mean 0 and variance 1, drawn by counter. Hence a path may be
    evaluated anywhere, in any order, in any batch and on any device, with the same bits, and takes no memory.

    Use it as the control of a `diffrax.ControlTerm` with a constant step size. One solve carries all paths along the
    last axis of the state: an increment has shape `(N,)` for `size=None` and `(size, N)` else; for a scalar
    `path_index` the path axis is absent, and the path drives a single replica as diffrax's own paths do.

    Forward-mode and discretise-then-optimise adjoints (`diffrax.ForwardMode`, `DirectAdjoint`,
    `RecursiveCheckpointAdjoint`) differentiate through a solve; the noise itself has no derivative.

    Args:
        t0: start of the path (time).
        t1: end of the path (time).
        dt: length of a grid step (time); it divides t1 − t0 into at most 2**32 steps.
        seed: an integer in [0, 2**64), a JAX key, or its two words; see `seed_from_key`.
        path_index: integers in [0, 2**32) that name the paths, shape `(N,)`, or a scalar for a single path.
        size: the number of noise components, or `None` for one without a component axis (the faster layout).
        dtype: float32 or float64; by default JAX's default float. float32 noise may drive a float64 state.
        increments: the law of the increments: `GaussianIncrements`, `TwoPointIncrements`, `ThreePointIncrements`.
        stream: which of the independent streams; two paths of different streams are independent.
        stride: how many grid steps `evaluate` takes at once; see `coarsen`.
        check_times: refuse times off the grid as the solve runs. Without it they are taken to the nearest grid time,
            for a caller who knows that all of them are on the grid; it saves compilation.

    Raises:
        ValueError: dt · stride does not divide t1 − t0; no path; `size` < 1; a dtype other than float32 and float64; an
            integer out of range.

    Example:
        >>> import diffrax as dfx
        >>> import jax.numpy as jnp
        >>> import lineax as lx
        >>> path = CounterPath(t0=0.0, t1=1.0, dt=0.125, seed=7, path_index=jnp.arange(1000))
        >>> noise = dfx.ControlTerm(lambda t, y, args: lx.DiagonalLinearOperator(jnp.ones_like(y)), path)
        >>> terms = dfx.MultiTerm(dfx.ODETerm(lambda t, y, args: -y), noise)
        >>> solution = dfx.diffeqsolve(terms, dfx.Euler(), 0.0, 1.0, dt0=0.125, y0=jnp.zeros(1000))
        >>> solution.ys.shape
        (1, 1000)

    References:
        J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC'11.
    """

    t0: ArrayLike
    t1: ArrayLike
    dt: ArrayLike
    seed: UInt32[Array, " 2"]
    path_index: UInt32[Array, "*paths"]
    law: AbstractIncrements
    size: int | None = eqx.field(static=True)
    dtype: np.dtype = eqx.field(static=True)
    stream: int = eqx.field(static=True)
    stride: int = eqx.field(static=True)
    check_times: bool = eqx.field(static=True)

    def __init__(
        self,
        t0: ArrayLike,
        t1: ArrayLike,
        dt: ArrayLike,
        seed: Seed,
        path_index: Int[Array, "*paths"] | np.ndarray | int,
        size: int | None = None,
        *,
        dtype: DTypeLike | None = None,
        increments: AbstractIncrements | None = None,
        stream: int = Stream.GAUSSIAN,
        stride: int = 1,
        check_times: bool = True,
    ):
        check_size(stride, "stride")
        check_grid(t0, t1, dt)
        check_grid(t0, t1, dt * stride)
        check_size(size)
        as_word(int(stream), "stream")
        shape = np.shape(path_index)
        if len(shape) > 1 or 0 in shape:
            raise ValueError(f"path_index must be a scalar or name at least one path along one axis, got shape {shape}")
        if increments is not None and not isinstance(increments, AbstractIncrements):
            raise TypeError(f"increments must be an object such as GaussianIncrements(), got {increments!r}")
        self.t0, self.t1, self.dt = t0, t1, dt
        self.seed = seed_array(seed)
        self.path_index = as_word(path_index, "path_index")
        self.law = GaussianIncrements() if increments is None else increments
        self.size, self.dtype, self.stream, self.stride = size, real_dtype(dtype), int(stream), int(stride)
        self.check_times = bool(check_times)

    def _shared(self, count: int) -> int:
        """How many consecutive steps, from a multiple of that number on, share their random words in a run."""
        return self.law.alignment(count) if self.size is None else 1

    def _draws(self, step: Array, count: int) -> tuple[Array, ...]:
        """Unit increments of `count` steps, drawn together from a multiple of `_shared(count)` on."""
        address = (self.seed, self.path_index, step)
        if count > 1:
            return self.law.run(*address, count, self.stream, self.dtype)
        return (self.law.draw(*address, self.size, self.stream, self.dtype),)

    def _sum(self, step: ArrayLike, count: int, aligned: bool = False) -> Array:
        """Increment over `count` grid steps, summed in their order whatever the unrolling."""
        chunk = self._shared(count) if aligned else 1
        first = as_word(step, "step")

        def add(number: Array, total: Array) -> Array:
            return sum(self._draws(first + number * jnp.uint32(chunk), chunk), total)

        total = jnp.zeros(self.shape, self.dtype)
        if count // chunk > _UNROLLED:
            total = lax.fori_loop(jnp.uint32(0), jnp.uint32(count // chunk), add, total)
        else:
            for number in range(count // chunk):
                total = add(jnp.uint32(number), total)
        return jnp.sqrt(jnp.asarray(self.dt)).astype(self.dtype) * total

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of an increment: `(size, N)` without the axes that are absent."""
        return (() if self.size is None else (self.size,)) + self.path_index.shape

    def coarsen(self, count: int) -> "CounterPath":
        """The same noise on a grid `count` times coarser: one step of the result sums `count` steps of this path.

        A chain with step time η = m dt then consumes the noise of an equation solved with steps dt.

        Args:
            count: m, how many steps become one.

        Returns:
            A path whose `evaluate` takes steps of length m dt.

        Raises:
            ValueError: `count` < 1, or m dt does not divide t1 − t0.

        Example:
            >>> import jax.numpy as jnp
            >>> path = CounterPath(t0=0.0, t1=1.0, dt=0.125, seed=7, path_index=jnp.arange(3))
            >>> bool(jnp.allclose(path.coarsen(4).evaluate(0.5, 1.0), path.increments(step=4, count=4)))
            True
        """
        check_size(count, "count")
        return CounterPath(
            *(self.t0, self.t1, self.dt, self.seed, self.path_index, self.size),
            dtype=self.dtype,
            increments=self.law,
            stream=self.stream,
            stride=self.stride * count,
            check_times=self.check_times,
        )

    def increment(self, step: ArrayLike) -> Array:
        """The increment over grid step `step`, from t0 + step · dt to the next grid time.

        Args:
            step: an integer in [0, 2**32), possibly traced.

        Returns:
            √dt ξ of shape `(size, N)`, without the axes that are absent.
        """
        return self._sum(step, 1)

    def increments(self, step: ArrayLike, count: int) -> Array:
        """The increment over `count` consecutive grid steps from `step` on, W(t + count · dt) − W(t).

        Args:
            step: an integer in [0, 2**32), possibly traced.
            count: how many grid steps, a Python integer.

        Returns:
            The sum of the increments, of shape `(size, N)`, without the axes that are absent.

        Raises:
            ValueError: `count` < 1.
        """
        check_size(count, "count")
        concrete = isinstance(step, (int, np.integer))
        return self._sum(step, count, aligned=concrete and int(step) % self._shared(count) == 0)

    def _step(self, t: ArrayLike) -> tuple[Array, Array]:
        """The grid step at a time, and whether it is off the grid."""
        step, off = grid_step(t, self.t0, self.t1, self.dt * self.stride)
        return step * jnp.uint32(self.stride), off

    def _start(self, t0: ArrayLike, t1: ArrayLike, substeps: int | None) -> Array:
        """The grid step at which [t0, t1] starts, after checking that it is `substeps` strides long."""
        (start, off), (end, end_off) = self._step(t0), self._step(t1)
        count = (substeps or 1) * self.stride
        wrong = wrong_length(jnp.asarray(t0), jnp.asarray(t1), self.dt * count) | (end - start != count)
        faults = {_OFF_GRID: off | end_off, _WRONG_LENGTH: wrong}
        if substeps is not None and self._share_run(count):
            faults[_NOT_ALIGNED] = start % self._shared(count) != 0
        return refuse(start, faults) if self.check_times else start

    def _substeps(self, start: Array, substeps: int) -> Substeps:
        count = substeps * self.stride
        if self._share_run(count):
            draws = self._draws(start, count)
            root = jnp.sqrt(jnp.asarray(self.dt)).astype(self.dtype)
            parts = (draws[i : i + self.stride] for i in range(0, count, self.stride))
            return Substeps(tuple(root * sum(part[1:], part[0]) for part in parts))
        firsts = (start + jnp.uint32(i * self.stride) for i in range(substeps))
        return Substeps(tuple(self._sum(first, self.stride, aligned=True) for first in firsts))

    def _deferred(self, start: Array, substeps: int) -> DeferredSubsteps:
        """The same substeps, drawn in their reader's loop."""
        if self.stride == 1 and self.size is not None:
            return self._stored(start, substeps, self.size)
        draw = lambda scale: tuple(scale * value for value in self._substeps(start, substeps).values)
        return DeferredSubsteps(jnp.ones((), self.dtype), draw)

    def _stored(self, start: Array, substeps: int, size: int) -> DeferredSubsteps:
        """Vector noise, computed in a loop of its own; the reader's loop only takes the components apart."""
        steps = start + jnp.arange(substeps, dtype=jnp.uint32)
        stored = self.law.store(self.seed, self.path_index, steps, size, self.stream, self.dtype)

        # XLA sees through a join that is taken apart at once, so the components are joined last.
        def draw(scale: Array) -> tuple[Array, ...]:
            parts = (self.law.components(stored, number, size) for number in range(substeps))
            return tuple(jnp.stack([scale * part for part in components]) for components in parts)

        return DeferredSubsteps(jnp.sqrt(jnp.asarray(self.dt)).astype(self.dtype), draw)

    def _share_run(self, count: int) -> bool:
        return self._shared(count) > 1 and count <= _LONGEST_RUN

    def evaluate(
        self,
        t0: ArrayLike,
        t1: ArrayLike | None = None,
        left: bool = True,
        *,
        substeps: int | None = None,
        deferred: bool = False,
        weak: bool = False,
    ) -> Array | Substeps | DeferredSubsteps | WeakIncrement:
        """The increment over [t0, t1], which must be one step of the path, both ends on its grid.

        Args:
            t0: start, a grid time.
            t1: end, t0 + dt · stride; if absent, the value W(t0) − W(path.t0) is summed up from the start.
            left: has no effect; part of diffrax's interface.
            substeps: divide [t0, t1], now that many steps long, into its steps and return `Substeps`. For scalar noise,
                whose steps share hashes, t0 must then be a multiple of the steps that share one.
            deferred: return the substeps undrawn, for a solver that draws them in the loop that takes the substeps.
            weak: return a `WeakIncrement`, with independent signs.

        Returns:
            The increment, of shape `(size, N)` without the axes that are absent; or `Substeps`, `DeferredSubsteps`, or
            `WeakIncrement`.

        Raises:
            RuntimeError: (equinox) a time is off the grid or outside the path; [t0, t1] is not one step.
        """
        del left
        if t1 is None:
            one = lambda step, total: total + self.increment(step)
            step, off = self._step(t0)
            step = refuse(step, {_OFF_GRID: off}) if self.check_times else step
            return lax.fori_loop(jnp.uint32(0), step, one, jnp.zeros(self.shape, self.dtype))
        start = self._start(t0, t1, substeps)
        if substeps is not None:
            return (self._deferred if deferred else self._substeps)(start, substeps)
        # A step starts at a multiple of the stride, hence of the number of steps that share words in a run so long.
        value = self._sum(start, self.stride, aligned=True)
        if not weak:
            return value
        address = (self.seed, self.path_index, start, self.size, self.stream, self.dtype)
        return WeakIncrement(value, sign_draw(*address, Kind.SOLVER_SIGNS), self.size is not None)


_OFF_GRID = (
    "CounterPath was evaluated at a time off its grid or outside [t0, t1]. Use a constant step size equal to its "
    "dt times its stride; in float32 a long grid needs time in float64, or a unit in which dt is a power of two."
)
_WRONG_LENGTH = (
    "CounterPath was evaluated over an interval that is not one of its steps. Use a constant step size equal to the "
    "path's dt, take `path.coarsen(m)` for steps of m dt, or a solver that takes substeps."
)
_NOT_ALIGNED = (
    "CounterPath shares random words among consecutive steps: a macro step must start at a multiple of them (4 for "
    "Gaussian increments) counted from the path's t0. Start the solve there or use substeps=1."
)
