# %% [markdown]
# # Quasi-hyperbolic momentum
#
# A step is a mixture of momentum and fresh gradient:
#
# $$m' = \beta\,m + (1-\beta)\,g(x), \qquad x' = x - \eta\,[(1-\nu)\,g + \nu\,m'].$$
#
# **Assumptions.** Steps are independent, $\operatorname{Cov}\xi = \Sigma(x)$, $m_0 = 0$, fixed $\beta$ and $\nu$. No stochastic differential equation has
# been published for it, as far as we know; its special cases are known.

# %%
import sympy as sp

import sde_momentum as sm
from sde_momentum.symbolic import LEARNING_RATE, MOMENTUM, TensorExpression, hyperparameter, loss_derivative

rule = sm.optimizers.qhm()
print(rule)

# %%
limit = sm.modified_equation(rule, order=2)
limit

# %% [markdown]
# The gradients in a step are $\nu\frac{\beta}{1-\beta}$ steps old on average, and that is all that counts to order 2: the drift is
# $-\nabla L - \eta\left(\frac12 + \nu\frac{\beta}{1-\beta}\right)H\nabla L$.

# %%
eta, beta, nu = LEARNING_RATE, MOMENTUM, hyperparameter("dampening")
D = loss_derivative
terms = [((D(-1),), -1), ((D(-1, 0), D(0)), -eta * (sp.Rational(1, 2) + nu * beta / (1 - beta)))]
assert not limit.drift["x"] - TensorExpression.collect(terms)

# %% [markdown]
# ## Its neighbors
#
# $\nu = 0$ is SGD {cite:p}`li2019stochastic`, $\nu = 1$ SGD with momentum {cite:p}`ghosh2023implicit`, and $\nu = \beta$ is Nesterov's
# method in PyTorch's form: three laws that the derivation must respect, for drift, noise and start.

# %%
pytorch = sm.optimizers.nesterov("pytorch")
conversions = {
    "sgd": (sm.optimizers.sgd(), {nu: 0}, {}),
    "sgdm": (sm.optimizers.sgdm(), {nu: 1}, {}),
    "nesterov": (pytorch, {nu: beta}, {eta: eta * (1 - beta)}),
}
nothing = TensorExpression()
for other, mine, theirs in conversions.values():
    known = sm.modified_equation(other, order=2)
    pairs = [(limit.drift["x"], known.drift["x"]), (limit.covariance["x", "x"], known.covariance["x", "x"])]
    pairs.append((limit.initial_shift["x"], known.initial_shift.get("x", nothing)))
    assert not any(a.subs(mine) - b.subs(theirs) for a, b in pairs)

# %% [markdown]
# ## With large noise and slow averages
#
# At $1-\beta = \lambda\eta$, $\sigma = \eta^{-1/2}$ the fresh part of the gradient shakes $x$ itself, the rest acts through $m$. Noise in $x$ and
# noise in $m$ are the same noise.

# %%
regime = sm.optimizers.momentum_regime(rule, 1)
underdamped = sm.modified_equation(rule, regime)
assert set(underdamped.factor) == {"x", "m"}
underdamped

# %% [markdown]
# ## The order, without sampling
#
# The equation of plain momentum, $\nu = 1$, is the control: it has order 1 for this method and no more.

# %%
from dataclasses import replace

import jax
import matplotlib.pyplot as plt
import numpy as np

jax.config.update("jax_enable_x64", True)

problem = sm.problems.quadratic(np.diag([1.0, 0.5]), noise=np.array([[0.6, 0.2], [0.2, 0.4]]))
rates = {"learning_rates": (0.02, 0.01, 0.005, 0.0025), "learning_rate_unit": 0.1}
setting = {"t1": 4.0, "momentum": 0.8, "dampening": 0.4, **rates}
wrong = replace(limit, drift={"x": limit.drift["x"].subs(nu, 1)})
figure, axes = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
verdicts = []
for axis, (title, equation) in zip(axes, {"as derived": limit, "drift of SGDM": wrong}.items(), strict=True):
    study = sm.weak_error(rule, equation, problem, np.array([1.0, -1.0]), **setting)
    print(study)
    study.plot(axis)
    axis.set_title(title)
    verdicts.append(study.verdict)

# %%
assert verdicts == [sm.Verdict.CONFIRMED, sm.Verdict.REFUTED]
