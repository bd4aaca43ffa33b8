"""Φ by a fixed number of steps: what the flow conserves, and how far Newton steps alone are from it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sde_momentum.manifold import flow_projection, retract


@pytest.mark.slow
@pytest.mark.parametrize("ratio", [1.0, 5.0, 20.0])
def test_it_keeps_what_the_flow_keeps(ratio):
    """L = ½(xy − 1)² + ½ρ(zw − 1)² conserves x² − y² and z² − w² to 1e-3 δ²; Newton steps miss them by over 0.05 δ²."""

    def loss(u):
        return 0.5 * (u[0] * u[1] - 1) ** 2 + 0.5 * ratio * (u[2] * u[3] - 1) ** 2

    kept = lambda u: np.array([u[0] ** 2 - u[1] ** 2, u[2] ** 2 - u[3] ** 2])
    start = jnp.array([2.0, 0.5, 2.0, 0.5]) + 0.05
    flow = jax.jit(lambda u: flow_projection(loss, u, codimension=2))(start)
    newton = jax.jit(lambda u: retract(loss, u, codimension=2))(start)
    size = 2 * 0.05**2
    assert float(loss(flow)) < 1e-20
    assert np.max(np.abs(kept(flow) - kept(start))) < 1e-3 * size
    assert np.max(np.abs(kept(newton) - kept(start))) > 0.05 * size
