# %% [markdown]
# # Nesterov momentum
#
# The gradient is taken where the momentum is about to lead:
#
# $$m' = \beta\,m + (1-\beta)\,g(x - c\,\eta\,m), \qquad x' = x - \eta\,m'.$$
#
# The textbook has $c = \beta$; some authors look ahead by a full step, $c = 1$; PyTorch and optax have a third form.
#
# **Assumptions.** Steps are independent, $\operatorname{Cov}\xi = \Sigma(x)$ at the point of the gradient, $m_0 = 0$, fixed $\beta$.

# %%
import sympy as sp

import sde_momentum as sm
from sde_momentum.symbolic import LEARNING_RATE, MOMENTUM, TensorExpression, loss_derivative

textbook, full, pytorch = (sm.optimizers.nesterov(form) for form in ("textbook", "full", "pytorch"))
print(textbook)

# %%
limit = sm.modified_equation(textbook, order=2)
limit

# %% [markdown]
# ## Looking ahead shortens the lag
#
# Momentum acts on gradients that are $\frac{\beta}{1-\beta}$ steps old on average; looking ahead by $c$ steps makes them $c$ steps
# younger. The correction to the drift is $-\eta\left(\frac12 + \frac\beta{1-\beta} - c\right)H\nabla L$, for each form; with $c = 0$ it is
# that of {cite:t}`ghosh2023implicit` for heavy ball. Nothing changes in the noise, to this order.

# %%
eta, beta = LEARNING_RATE, MOMENTUM
D = loss_derivative
for rule, ahead in ((sm.optimizers.sgdm(), 0), (textbook, beta), (full, 1)):
    lag = beta / (1 - beta) - ahead
    terms = [((D(-1),), -1), ((D(-1, 0), D(0)), -eta * (sp.Rational(1, 2) + lag))]
    found = sm.modified_equation(rule, order=2)
    assert not found.drift["x"] - TensorExpression.collect(terms)
    assert not found.covariance["x", "x"] - limit.covariance["x", "x"]

# %% [markdown]
# ## The form of PyTorch is a change of variables
#
# $v' = \mu v + g(x)$, $x' = x - \gamma(g + \mu v')$. Take the textbook's method in heavy-ball form, $v' = \mu v + g(\theta - \gamma\mu v)$,
# $\theta' = \theta - \gamma v'$, and follow its look-ahead point $x = \theta - \gamma\mu v$: that is PyTorch's iterate, at constant $\gamma$, $\mu$.

# %%
print(pytorch)
gamma, mu, theta, v, g = LEARNING_RATE, MOMENTUM, *(sp.Symbol(name, real=True) for name in ("theta", "v", "g"))
look_ahead = theta - gamma * mu * v
next_v = mu * v + g  # one and the same gradient, taken at the look-ahead point
next_theta = theta - gamma * next_v
in_pytorch = pytorch.update["x"].subs({sp.Symbol("x", real=True): look_ahead})
assert sp.expand(in_pytorch - (next_theta - gamma * mu * next_v)) == 0
assert sp.expand(pytorch.update["v"] - next_v) == 0

# %% [markdown]
# Both describe one motion, seen at two points, so the drifts differ at order 2 by how the points are related,
# $x \approx \theta - \frac{\gamma\mu}{1-\mu}\nabla L(\theta)$. A change of variables by $O(\gamma)$ along the flow's own direction changes
# nothing in the drift of a gradient flow: the two drifts are one.

# %%
theirs = sm.modified_equation(pytorch, order=2)
mine = limit.drift["x"].subs({eta: gamma / (1 - mu)})
assert not theirs.drift["x"] - mine
theirs

# %% [markdown]
# What differs is the start, and what noise does within the last step, which shows at order 3.
#
# ## The order in PyTorch's form, without sampling

# %%
import jax
import matplotlib.pyplot as plt
import numpy as np

jax.config.update("jax_enable_x64", True)

problem = sm.problems.quadratic(np.diag([1.0, 0.5]), noise=np.array([[0.6, 0.2], [0.2, 0.4]]))
rates = {"learning_rates": (0.004, 0.002, 0.001, 0.0005), "learning_rate_unit": 0.02}
study = sm.weak_error(pytorch, theirs, problem, np.array([1.0, -1.0]), t1=4.0, momentum=0.8, **rates)
print(study)
figure, axis = plt.subplots(figsize=(5, 3.5), layout="constrained")
study.plot(axis)
assert study.verdict is sm.Verdict.CONFIRMED
