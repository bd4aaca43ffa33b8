# %% [markdown]
# # Normalized gradient descent
#
# One step is $x' = x - \eta\,g/|g|$ with $g = \nabla L(x) + \sigma\xi$: its length is always $\eta$, and only its direction is
# random.
#
# **Assumptions.** Steps are independent. Where there is noise it is Gaussian and isotropic, $\Sigma = s^2 I$ in dimension
# $d$; $s$ may depend on $x$.

# %%
import sympy as sp

import sde_momentum as sm
from sde_momentum.symbolic import (
    LEARNING_RATE,
    NOISE_DEVIATION,
    SQUARED_GRADIENT,
    hyperparameter,
    loss_derivative,
    scalar_expression,
)

rule = sm.optimizers.normalized_gd()
print(rule)
for regime in rule.regimes():
    print(regime)


def terms(expression):
    """The terms of an expression: graph without functions of |∇L| and s → coefficient times these functions."""
    found = {}
    for graph, coefficient in expression:
        functions = [scalar_expression(node) for node in graph]
        rest = tuple(node for node, function in zip(graph, functions, strict=True) if function is None)
        found[rest] = coefficient * sp.Mul(*(function for function in functions if function is not None))
    return found


# %% [markdown]
# ## Without noise
#
# To order 1 the flow of the unit vector $n = \nabla L/|\nabla L|$; to order 2 its modified equation, $-n - \frac\eta2
# (n\cdot\nabla)n$. The correction has no component along $n$: $n\cdot(n\cdot\nabla)n = 0$ for a unit vector.

# %%
quiet = sm.modified_equation(rule, sm.Regime.noiseless(), order=2)
quiet

# %%
L = loss_derivative
expected = {
    (L(-1),): -1 / sp.sqrt(SQUARED_GRADIENT),
    (L(-1, 0), L(0)): -LEARNING_RATE / (2 * SQUARED_GRADIENT),
    (L(-1), L(0), L(0, 1), L(1)): LEARNING_RATE / (2 * SQUARED_GRADIENT**2),
}
assert terms(quiet.drift["x"]) == expected

# %% [markdown]
# ## Noise that dominates
#
# With $\sigma = \sigma_0/\eta$ the direction is almost uniform on the sphere, and what is left of the gradient is the small
# mean of the direction, $-\frac{c_d}{\sigma_0 s}\nabla L$ with
# $c_d = \frac{\sqrt2\,\Gamma(\frac{d+1}2)}{d\,\Gamma(\frac d2)}$. A unit vector in a random direction has covariance $I/d$.

# %%
loud = sm.modified_equation(rule, order=1)
loud

# %%
d, sigma0 = sp.Symbol("dimension", positive=True, integer=True), hyperparameter("sigma0")
c_d = sp.sqrt(2) * sp.gamma((d + 1) / 2) / (d * sp.gamma(d / 2))
((graph, slope),) = terms(loud.drift["x"]).items()
assert graph == (L(-1),)
assert sp.simplify(slope + c_d / (sigma0 * NOISE_DEVIATION)) == 0
((_, spread),) = terms(loud.covariance["x", "x"]).items()
assert spread == 1 / d

# %% [markdown]
# On the clock $t = k\eta$, with the standard deviation $s$ of the whole noise, this reads $dX = -\frac{c_d}{s}\nabla L\,dt +
# \sqrt{\eta/d}\,dW$. There is no equation of order 2: a random direction is not a Gaussian vector, and its fourth
# cumulant obstructs.

# %%
print(sm.modified_equation(rule, order=2))

# %% [markdown]
# ## Gradient and noise of one size
#
# The mean direction is $\frac{c_d}{s}\,M(\tfrac12, 1+\tfrac d2, -\tfrac{|\nabla L|^2}{2s^2})\,\nabla L$ with Kummer's function
# $M$. It joins both ends: large noise is $M = 1$, and without noise $M$ makes the vector one of length 1.

# %%
even = sm.modified_equation(rule, rule.regimes()[1], order=1)
print(even.drift["x"])
((_, mean),) = terms(even.drift["x"]).items()
assert sp.simplify(mean.subs(SQUARED_GRADIENT, 0) + c_d / NOISE_DEVIATION) == 0

# %% [markdown]
# ## One step, measured
#
# The mean of a step of the optimizer along the gradient, in five dimensions, against the drift of the three equations:
# large noise is the tangent at zero, no noise the limit of steps of full length.

# %%
import jax
import matplotlib.pyplot as plt
import numpy as np

rate, dimension, count = 0.1, 5, 10_000
problem = sm.problems.quadratic(np.ones(dimension), noise=0.5)
axis_of = np.eye(dimension, dtype=np.float32)[0]
points = np.linspace(0.05, 4.0, 24, dtype=np.float32)
draws = np.random.default_rng(1).normal(size=(count, dimension)).astype(np.float32)
optimizer = sm.chain(rule, problem, regime=even.regime, learning_rate=rate)
move = lambda r, w: optimizer.step(0, {"x": r * axis_of}, w)["x"][0] - r
steps = np.asarray(jax.jit(jax.vmap(jax.vmap(move, (None, 0)), (0, None)))(points, draws)) / rate
along = lambda equation: jax.vmap(lambda r: equation.drift(0.0, {"x": r * axis_of}, None)["x"][0])(points)
drift = along(sm.sde(even, problem, learning_rate=rate))
# σ₀ = η makes σ = 1; the clock kη² is slower by the factor η.
tangent = rate * along(sm.sde(loud, problem, learning_rate=rate, sigma0=rate))

figure, axis = plt.subplots(figsize=(5, 3.5), layout="constrained")
axis.plot(points / 0.5, -steps.mean(1), "k.", label="optimizer")
axis.plot(points / 0.5, -drift, label="equation")
axis.plot(points / 0.5, -tangent, "--", label="equation for large noise")
axis.axhline(1, color="0.7", label="no noise")
axis.set(xlabel=r"$|\nabla L|/s$", ylabel="mean step in units of η", ylim=(0, 1.5))
axis.legend()

# %%
error = steps.std(1) / count**0.5
assert np.all(abs(steps.mean(1) - drift) < 5 * error)
# Large noise is a good guess below |∇L| = s/4 and refuted at four times the noise.
assert abs(tangent[-1] - steps.mean(1)[-1]) > 50 * error[-1]
