# %% [markdown]
# # Adam
#
# Adam averages the gradient as well as its square, and corrects both averages for their start at zero:
#
# $$m' = \beta_1 m + (1-\beta_1)g, \quad G' = \beta_2 G + (1-\beta_2)g^2, \quad
# x' = x - \eta\,\frac{m'/(1-\beta_1^k)}{\sqrt{G'/(1-\beta_2^k)} + \varepsilon}.$$
#
# **Assumptions.** Steps are independent, $g = \nabla L(x) + \sigma\xi$ with $\operatorname{Cov}\xi = \Sigma(x)$. The number of
# the step, $k$, is a state variable: in the limit it becomes time, and the corrections become functions of it.

# %%
import sympy as sp

import sde_momentum as sm
from sde_momentum.symbolic import (
    LEARNING_RATE,
    Node,
    TensorExpression,
    elementwise_expression,
    hyperparameter,
)

rule = sm.optimizers.adam()
print(rule)

# %% [markdown]
# ## Noise-dominated: $\sigma = \sigma_0/\eta$, $1-\beta_i = c_i\eta^2$, $t = k\eta^2$

# %%
first = sm.modified_equation(rule, order=1)
first

# %% [markdown]
# This is the equation of {cite:t}`malladi2022sdes`, Theorem 4.5, with $\gamma_i = 1 - e^{-c_it}$:
# $dX = -\frac{\sqrt{\gamma_2}}{\gamma_1}P^{-1}M\,dt$, $dM = c_1(\nabla L - M)\,dt + \sigma_0c_1\Sigma^{1/2}dW$,
# $P = \sqrt u + \varepsilon_0\sqrt{\gamma_2}$. (Their $u$ is ours divided by $\sigma_0^2$.)

# %%
c1, c2, eps, sigma = map(hyperparameter, ("rate_beta1", "rate_beta2", "eps0", "sigma0"))
G, k = sp.Symbol("G", real=True), sp.Symbol("k", real=True)
gamma1, gamma2 = 1 - sp.exp(-c1 * k), 1 - sp.exp(-c2 * k)
published = sp.sqrt(gamma2) / (gamma1 * (sp.sqrt(G) + eps * sp.sqrt(gamma2)))
((graph, coefficient),) = first.drift["x"].terms
(function,) = [node for node in graph if elementwise_expression(node) is not None]
assert sp.cancel(elementwise_expression(function) - published) == 0
m, gradient, column = Node("m", ((-1,),)), Node("L", ((-1,),)), Node("S", ((-1,), (-2,), ()))
assert not first.drift["x"] - TensorExpression.collect([((m, function), -1)])
assert not first.drift["m"] - TensorExpression.collect([((gradient,), c1), ((m,), -c1)])
assert not first.factor["m"] - TensorExpression.collect([((column,), c1 * sigma)])

# %% [markdown]
# Order 2 does not exist in this regime, for the reason that RMSProp's does not: one draw moves $m$ and, squared, $G$.

# %%
assert not sm.modified_equation(rule, order=2).exists

# %% [markdown]
# ## Ballistic: $\sigma = 1$, $1-\beta_i = c_i\eta$, $t = k\eta$
#
# Without bias correction, to show the terms. The noise of $G$ has its own columns $R$ beside those of $\Sigma^{1/2}$.

# %%
plain = sm.optimizers.adam(bias_correction=False)
ballistic = plain.regimes()[1]
limits = [sm.modified_equation(plain, ballistic, order=order) for order in (1, 2)]
limits[1]

# %%
root, squares = sp.sqrt(LEARNING_RATE), Node("R", ((-1,), (-2,), ()))
joint = TensorExpression.collect([((squares,), c2 * root), ((gradient, column), 2 * c2 * root)])
assert not limits[1].factor["G"] - joint
assert not any(sm.symbolic.difference(limits[1], dimension=1).values())

# %% [markdown]
# With bias correction both orders exist too, with functions of time in the drift.

# %%
print(sm.modified_equation(rule, rule.regimes()[1], order=1))

# %% [markdown]
# ## In numbers
#
# A quadratic loss with Gaussian noise and a large learning rate, from $m_0 = 0$ and $G_0 = 1$.

# %%
import numpy as np

problem = sm.problems.quadratic(1.0, noise=0.3)
numbers = {"learning_rate": 0.1, "rate_beta1": 4.0, "rate_beta2": 2.0, "eps": 0.1}
start = {"x": np.array(1.5), "m": np.array(0.0), "G": np.array(1.0)}
observables = {name: lambda state, name=name: state[name] for name in ("x", "m")}
setting = {"t1": 2.0, "num_paths": 4096, "seed": 1, "observables": observables, **numbers}
paths = sm.compare.mean_paths(plain, limits, problem, start, **setting)
paths.plot()
print(paths)
assert np.all(paths.gaps.sel(process="order 2") < paths.gaps.sel(process="order 1") / 3)
