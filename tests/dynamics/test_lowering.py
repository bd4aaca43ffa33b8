"""Tensor graphs by automatic differentiation equal the same graphs by dense contraction."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy as sp

from sde_momentum.dynamics._contraction import passes
from sde_momentum.dynamics._lowering import Surroundings, graph_vector
from sde_momentum.problems import general
from sde_momentum.symbolic import Node

D, NOISES = 3, 4


@pytest.fixture(scope="module")
def problem():
    """A loss and a factor without any symmetry, in three dimensions with four noises."""
    generator = np.random.default_rng(3)
    a, b = jnp.asarray(generator.normal(size=(D, D))), jnp.asarray(generator.normal(size=(D, NOISES)))

    def loss(x):
        return jnp.sum(jnp.sin(a @ x)) + jnp.prod(1 + 0.3 * x) + 0.1 * jnp.sum(x) ** 3

    def factor(x, w):
        return (b * jnp.cos(x)[:, None] + 0.2 * jnp.outer(a @ x, jnp.ones(NOISES))) @ w

    return general(loss, factor, NOISES)


@pytest.fixture(scope="module")
def dense(problem):
    """Every tensor at one point."""
    S = problem.factor
    Sigma = lambda y: S(y) @ S(y).T

    @jax.jit
    def tensors(x):
        found, function = {}, problem.loss
        for order in range(1, 5):
            function = jax.jacfwd(function)
            found[f"L{order}"] = function(x)
        for order, function in enumerate((Sigma, jax.jacfwd(Sigma), jax.jacfwd(jax.jacfwd(Sigma)))):
            found[f"Sigma{order}"] = function(x)
        return found | {"S0": S(x), "S1": jax.jacfwd(S)(x)}

    x = jnp.asarray([0.3, -0.7, 0.5])
    vectors = {"x": x, "m": jnp.asarray([0.2, 1.1, -0.4]), "w": jnp.asarray([0.5, -1.0, 0.25, 2.0])}
    return tensors(x) | vectors


def L(*indices):
    return Node("L", (indices,))


def Sigma(i, j, *derivative):
    return Node("Sigma", ((i, j), derivative))


def S(i, *derivative):
    return Node("S", ((i,), (-2,), derivative))


M = lambda i: Node("m", ((i,),))

# graph, einsum over dense tensors, number of tree evaluations
CASES = {
    "gradient": ((L(-1),), "i", ["L1"], 1),
    "Hessian product": ((L(-1, 0), L(0)), "ij,j->i", ["L2", "L1"], 1),
    "third derivative on two vectors": ((L(-1, 0, 1), L(0), M(1)), "ijk,j,k->i", ["L3", "L1", "m"], 1),
    "chain of Hessians": ((L(-1, 0), L(0, 1), L(1)), "ij,jk,k->i", ["L2", "L2", "L1"], 1),
    "gradient of tr(HΣ) at fixed Σ": ((L(-1, 0, 1), Sigma(0, 1)), "ijk,jk->i", ["L3", "Sigma0"], NOISES),
    "gradient of the Laplacian": ((L(-1, 0, 0),), "ijj->i", ["L3"], D),
    "covariance product": ((Sigma(-1, 0), L(0)), "ij,j->i", ["Sigma0", "L1"], 1),
    "divergence of Σ": ((Sigma(-1, 0, 0),), "ijj->i", ["Sigma1"], D),
    "gradient of tr Σ": ((Sigma(0, 0, -1),), "jji->i", ["Sigma1"], D),
    "derivative of Σ along ∇L, times m": ((Sigma(-1, 0, 1), M(0), L(1)), "ijk,j,k->i", ["Sigma1", "m", "L1"], 1),
    "form of Σ differentiated": ((Sigma(0, 1, -1), L(0), M(1)), "jki,j,k->i", ["Sigma1", "L1", "m"], 1),
    "two derivatives of Σ": ((Sigma(-1, 0, 1, 2), L(0), M(1), L(2)), "ijkl,j,k,l->i", ["Sigma2", "L1", "m", "L1"], 1),
    "scalar times vector": ((L(0), L(0), L(-1)), "j,j,i->i", ["L1", "L1", "L1"], 1),
    "trace times vector": ((L(0, 0), M(-1)), "jj,i->i", ["L2", "m"], D),
    "componentwise square": ((L(-1), L(-1)), "i,i->i", ["L1", "L1"], 1),
    "componentwise inside": ((L(-1, 0), L(0), M(0)), "ij,j,j->i", ["L2", "L1", "m"], 1),
    "state variable": ((M(-1),), "i->i", ["m"], 1),
    "noise column": ((S(-1),), "ia,a->i", ["S0", "w"], 1),
    "Hessian of a noise column": ((L(-1, 0), S(0)), "ij,ja,a->i", ["L2", "S0", "w"], 1),
    "derivative of a noise column": ((S(-1, 0), L(0)), "iaj,j,a->i", ["S1", "L1", "w"], 1),
    "fourth derivative with a cycle": (
        (L(-1, 0, 1, 2), Sigma(0, 1), L(2)),
        "ijkl,jk,l->i",
        ["L4", "Sigma0", "L1"],
        NOISES,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_graph_equals_dense_contraction(problem, dense, name):
    """Every shape of graph: trees, cycles, scalars, shared indices, noise columns."""
    graph, subscripts, fields, _ = CASES[name]
    around = Surroundings(problem, {"x": dense["x"], "m": dense["m"]}, "x", dense["w"], {})
    value = eqx.filter_jit(graph_vector)(graph, around)
    expected = dense[fields[0]] if subscripts == "i" else jnp.einsum(subscripts, *(dense[field] for field in fields))
    np.testing.assert_allclose(value, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", CASES)
def test_cost_of_a_graph(name):
    """Trees need one evaluation; a cycle one for each noise column or basis vector."""
    graph, _, _, count = CASES[name]
    assert passes(graph, D, NOISES) == count


def test_elementwise_function_of_a_state():
    """φ(m_i) L_i, with φ a sympy function of one component."""
    from sde_momentum.dynamics._expressions import componentwise

    m = sp.Symbol("m", real=True)
    values = {"m": {"a": jnp.asarray([0.5, 2.0]), "b": jnp.asarray(3.0)}}
    result = jax.jit(lambda v: componentwise(sp.erf(m) / sp.sqrt(1 + m**2), v))(values)
    for leaf, argument in zip(jax.tree.leaves(result), jax.tree.leaves(values), strict=True):
        np.testing.assert_allclose(leaf, jax.scipy.special.erf(argument) / jnp.sqrt(1 + argument**2))


def test_a_field_that_no_problem_supplies(problem):
    """A field that is neither L nor a cumulant of the noise cannot be integrated."""
    around = Surroundings(problem, {"x": jnp.zeros(3)}, "x", None, {})
    with pytest.raises(ValueError, match="field unknown"):
        graph_vector((Node("unknown", ((-1, 0, 1),)), L(0), L(1)), around)
