"""The exact law of one step: every outcome of its finite noise, with its probability.

A method driven by three-valued increments and signs has finitely many outcomes per step. Giving a solver all of them at
once, as a batch of paths, yields the exact expectation of any function of one step. For a linear equation one step is
X' = R X with random R, so moments of order p evolve by the matrix E[R ⊗ … ⊗ R], and the weak error after many steps is
known to rounding error: orders are measured without sampling.
"""

import functools
import itertools
import math

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg

from sde_momentum.solvers import FusedTerm, WeakIncrement


class EnumeratedPath(dfx.AbstractPath):
    """All outcomes of m three-valued increments (and m signs) as a batch of paths."""

    units: jax.Array
    signs: jax.Array
    t0: float = 0.0
    t1: float = 1e9

    def evaluate(self, t0, t1=None, left=True, *, weak=False):
        value = jnp.sqrt(t1 - t0) * self.units
        return WeakIncrement(value, self.signs, True) if weak else value


def outcomes(components, with_signs):
    """The path of all outcomes and their probabilities."""
    values, weights = (-math.sqrt(3), 0.0, math.sqrt(3)), (1 / 6, 2 / 3, 1 / 6)
    rows, probabilities = [], []
    for choice in itertools.product(range(3), repeat=components):
        for signs in itertools.product((-1.0, 1.0), repeat=components if with_signs else 0):
            rows.append([values[c] for c in choice] + (list(signs) or [1.0] * components))
            probabilities.append(math.prod(weights[c] for c in choice) * 0.5 ** len(signs))
    table = np.array(rows).T
    path = EnumeratedPath(jnp.asarray(table[:components]), jnp.asarray(table[components:]))
    return path, np.array(probabilities)


def linear_term(drift, noises, path):
    """The equation dX = A X dt + Σ Bₖ X dWᵏ on a batch, shape `(d, N)`, as one term."""
    drift, noises = jnp.asarray(drift), jnp.asarray(noises)

    def increment(t, y, args, dt, dw):
        return drift @ y * dt + jnp.einsum("kij,j...,k...->i...", noises, y, dw)

    return FusedTerm(increment, path)


def one_step(solver, term, y, h, t=0.0):
    """One step of a solver from a batch of states."""
    return solver.step(term, jnp.asarray(t), jnp.asarray(t + h), y, None, None, False)[0]


def step_matrices(solver, drift, noises, with_signs):
    """A function of h that gives the matrices R of all outcomes, shape `(N, d, d)`, and their probabilities."""
    path, weights = outcomes(len(noises), with_signs)
    dimension, count = len(drift), len(weights)
    tiled = EnumeratedPath(jnp.tile(path.units, dimension), jnp.tile(path.signs, dimension))
    term = linear_term(drift, noises, tiled)
    starts = jnp.repeat(jnp.eye(dimension), count, axis=1)
    step = eqx.filter_jit(lambda h: one_step(solver, term, starts, h))
    return lambda h: np.asarray(step(jnp.asarray(h))).reshape(dimension, dimension, count).transpose(2, 0, 1), weights


def _power(matrices, order):
    out = matrices
    for _ in range(order - 1):
        out = np.einsum("nij,nkl->nikjl", out, matrices).reshape(len(matrices), out.shape[1] * matrices.shape[1], -1)
    return out


def moment_generator(drift, noises, order):
    """The matrix that generates E[X ⊗ … ⊗ X] (order factors) of dX = A X dt + Σ Bₖ X dWᵏ."""
    d = len(drift)

    def place(*at):
        factors = [np.eye(d)] * order
        for position, matrix in at:
            factors[position] = np.asarray(matrix)
        out = factors[0]
        for factor in factors[1:]:
            out = np.kron(out, factor)
        return out

    total = sum(place((i, drift)) for i in range(order))
    for i, j in itertools.combinations(range(order), 2):
        total = total + sum(place((i, b), (j, b)) for b in noises)
    return total


def moment_errors(solver, drift, noises, x0, time, steps, orders, with_signs=True):
    """Signed errors of all moments at a time, exact up to rounding: for each order, a list over numbers of steps."""
    matrices_of, weights = step_matrices(solver, drift, noises, with_signs)
    table = [matrices_of(time / count) for count in steps]
    errors = {}
    for order in orders:
        lifted = functools.reduce(np.kron, [np.asarray(x0, float)] * order)
        exact = scipy.linalg.expm(time * moment_generator(drift, noises, order)) @ lifted
        means = [np.einsum("n,nij->ij", weights, _power(matrices, order)) for matrices in table]
        errors[order] = [np.linalg.matrix_power(m, k) @ lifted - exact for m, k in zip(means, steps, strict=True)]
    return errors


def observed_order(errors):
    """log₂ ratios of the norms of successive errors, each from half the step of the one before."""
    norms = [np.linalg.norm(e) for e in errors]
    return [math.log2(a / b) for a, b in itertools.pairwise(norms)]
