# %% [markdown]
# # Sign descent
#
# One step of sign descent is $x' = x - \eta\,\mathrm{sign}(g)$, componentwise, with $g = \nabla L(x) + \sigma\xi$. The update
# is not polynomial in the gradient: its average depends on the whole law of the noise, not on the covariance alone.
#
# **Assumptions.** Steps are independent. The noise is Gaussian with independent components, $\Sigma$ diagonal; the regime
# says so, as it says the noise scale and the clock.

# %%
import sympy as sp

import sde_momentum as sm
from sde_momentum.symbolic import LEARNING_RATE, LOSS_SLOPE, NOISE_VARIANCE, Node, function_expression

rule = sm.optimizers.sign_gd()
print(rule)
for regime in rule.regimes():
    print(regime)

# %% [markdown]
# ## Gradient and noise of one size
#
# A component of $g$ is positive with probability $\frac12(1 + m_i)$, where $m_i = \mathrm{erf}(\partial_i L/\sqrt{2\Sigma_{ii}})$:
# this is the Gaussian average of a sign, which the engine computes by Gaussian integration by parts. Its variance is
# $1 - m_i^2$, and different components do not covary.

# %%
first = sm.modified_equation(rule, order=1)
first

# %% [markdown]
# This is the equation of {cite:t}`compagnoni2025adaptive`. We write the mean of a sign by hand and subtract.

# %%
mean = sp.erf(LOSS_SLOPE / sp.sqrt(2 * NOISE_VARIANCE))
((graph, coefficient),) = first.drift["x"].terms
assert coefficient * function_expression(graph[0]) + mean == 0

# S Sᵀ = Σ is diagonal, so the squared root times Σ_ii is the variance of a step per unit of time, η(1 − m²).
((graph, coefficient),) = first.factor["x"].terms
(root,) = (function_expression(node) for node in graph if node != Node("S", ((-1,), (-2,), ())))
variance = coefficient**2 * root**2 * NOISE_VARIANCE
assert sp.expand(variance - LEARNING_RATE * (1 - mean**2)) == 0

# %% [markdown]
# ## Order 2, and where it stops
#
# To second order the drift is $-m - \frac\eta2 (m\cdot\nabla)m$, where $m$ depends on $x$ through $\nabla L$ and through
# $\Sigma$. At order 3 the skewness of a sign is in the way, $\kappa_3 = -2m(1-m^2)$.

# %%
second = sm.modified_equation(rule, order=2)
second

# %%
third = sm.modified_equation(rule, order=3)
print(third)
assert not third.exists

# %% [markdown]
# ## Noise that dominates
#
# With $\sigma = \sigma_0/\eta$ only the slope of the error function at zero is left: gradient descent preconditioned by
# the standard deviation of the noise, with a noise that does not depend on the noise.

# %%
loud = rule.regimes()[1]
print(sm.modified_equation(rule, loud, order=1))

# %% [markdown]
# ## One step, measured
#
# Steps of the optimizer itself on $L = \frac12 x^2$ with noise of standard deviation $\frac12$: their mean and their
# standard deviation against drift and noise of the equation, at gradients from none to three times the noise.

# %%
import jax
import matplotlib.pyplot as plt
import numpy as np

rate, count = 0.1, 20_000
problem = sm.problems.quadratic(1.0, noise=0.5)
optimizer, equation = (make(what, problem, learning_rate=rate) for make, what in ((sm.chain, rule), (sm.sde, first)))
points = np.linspace(-1.5, 1.5, 25, dtype=np.float32)
draws = np.random.default_rng(1).normal(size=(count, 1)).astype(np.float32)
moves = jax.vmap(jax.vmap(lambda x, w: optimizer.step(0, {"x": x}, w)["x"] - x, (None, 0)), (0, None))
steps = np.asarray(jax.jit(moves)(points, draws)) / rate
drift = jax.vmap(lambda x: equation.drift(0.0, {"x": x}, None)["x"])(points)
noise = jax.vmap(lambda x: equation.noise_product(0.0, {"x": x}, None, np.ones(1, np.float32))["x"])(points)

figure, axis = plt.subplots(figsize=(5, 3.5), layout="constrained")
axis.plot(points, steps.mean(1), "k.", label="mean of a step")
axis.plot(points, drift, label="drift, $-\\mathrm{erf}$")
axis.plot(points, steps.std(1), "kx", label="standard deviation")
axis.plot(points, noise / rate**0.5, label="noise, $\\sqrt{1-\\mathrm{erf}^2}$")
axis.set(xlabel="gradient", ylabel="in units of the learning rate")
axis.legend()

# %%
error = steps.std(1) / count**0.5 + 1e-6
assert np.all(abs(steps.mean(1) - drift) < 5 * error)
# A drift of the sign itself, as without noise, is refuted by the same numbers.
assert np.any(abs(steps.mean(1) + np.sign(points)) > 50 * error)
