# %% [markdown]
# # Heavy ball
#
# Momentum as Polyak wrote it, and as PyTorch and optax do:
#
# $$v' = \mu\,v + g(x), \qquad x' = x - \gamma\,v'.$$
#
# **Assumptions.** Steps are independent, $\operatorname{Cov}\xi = \Sigma(x)$, $v_0 = 0$. In a steady state $v \approx g/(1-\mu)$, so the
# natural clock of a step is $\gamma/(1-\mu)$: it is a field of the regime.

# %%
import sympy as sp

import sde_momentum as sm
from sde_momentum.symbolic import (
    LEARNING_RATE,
    MOMENTUM,
    RELAXATION_RATE,
    TensorExpression,
    find_clock,
    loss_derivative,
    noise_covariance,
)

rule = sm.optimizers.heavy_ball()
print(rule)

# %%
limit = sm.modified_equation(rule, order=2)
limit

# %% [markdown]
# The drift is that of {cite:t}`ghosh2023implicit`, Theorem 4.1: in time $t = k\gamma/(1-\mu)$ the flow of
# $L + \frac{\gamma}{4}\frac{1+\mu}{(1-\mu)^2}|\nabla L|^2$. The noise has the size of plain SGD's with $\eta = \gamma/(1-\mu)$.

# %%
gamma, mu = LEARNING_RATE, MOMENTUM
D = loss_derivative
effective = gamma / (1 - mu)
terms = [((D(-1),), -1), ((D(-1, 0), D(0)), -effective / 2 * (1 + mu) / (1 - mu))]
assert not limit.drift["x"] - TensorExpression.collect(terms)
assert not limit.covariance["x", "x"] - TensorExpression.collect([((noise_covariance(-1, -2),), effective)])

# %% [markdown]
# ## Changing the convention commutes with deriving
#
# $\gamma = \eta(1-\beta)$, $\mu = \beta$, $v = m/(1-\beta)$ turns heavy ball into momentum as a moving average, step by step. It
# also turns the one limit into the other.

# %%
x, m, g = (sp.Symbol(name, real=True) for name in "xmg")
average = sm.optimizers.sgdm()
eta = LEARNING_RATE
convert = {gamma: eta * (1 - mu), sp.Symbol("v", real=True): m / (1 - mu)}
step = {name: value.subs(convert, simultaneous=True) for name, value in rule.update.items()}
assert sp.simplify(step["x"] - average.update["x"]) == 0
assert sp.simplify(step["v"] * (1 - mu) - average.update["m"]) == 0
other = sm.modified_equation(average, order=2)
for mine, theirs in ((limit.drift, other.drift), (limit.initial_shift, other.initial_shift)):
    assert not mine["x"].subs({gamma: eta * (1 - mu)}) - theirs["x"]

# %% [markdown]
# ## Friction that vanishes with the learning rate
#
# The two conventions scale differently. With $1-\mu = \lambda\gamma^\alpha$ the clock is found by asking which balances leave a
# limit: below $\alpha = \frac12$ momentum is eliminated, at $\frac12$ it is a variable with friction, above it has none.

# %%
for alpha in (sp.Rational(1, 4), sp.Rational(1, 2), sp.Rational(3, 4)):
    regime = find_clock(rule, {"momentum": 1 - RELAXATION_RATE * gamma**alpha})
    print(sm.modified_equation(rule, regime), "\n")

# %% [markdown]
# ## The orders, without sampling
#
# On a quadratic loss the first two moments of rule and equation are closed.

# %%
import jax
import matplotlib.pyplot as plt
import numpy as np

jax.config.update("jax_enable_x64", True)

problem = sm.problems.quadratic(np.diag([1.0, 0.5]), noise=np.array([[0.6, 0.2], [0.2, 0.4]]))
rates = {"learning_rates": (0.004, 0.002, 0.001, 0.0005), "learning_rate_unit": 0.02}
study = sm.weak_error(rule, limit, problem, np.array([1.0, -1.0]), t1=4.0, momentum=0.8, **rates)
print(study)
figure, axis = plt.subplots(figsize=(5, 3.5), layout="constrained")
study.plot(axis)
assert study.verdict is sm.Verdict.CONFIRMED
