# %% [markdown]
# # RMSProp
#
# RMSProp divides the stochastic gradient by the root of an average of its squares,
#
# $$G' = \rho\,G + (1-\rho)\,g^2, \qquad x' = x - \frac{\eta\,g}{\sqrt{G'} + \varepsilon},$$
#
# component by component, with $g = \nabla L(x) + \sigma\xi$, $\operatorname{Cov}\xi = \Sigma(x)$.
#
# **Assumptions.** Steps are independent. How $\sigma$, $1-\rho$ and $\varepsilon$ scale with the learning rate is part of the
# *regime*: two scalings give two different equations.

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

rule = sm.optimizers.rmsprop()
loud, ballistic = rule.regimes()
print(rule)

# %% [markdown]
# ## Noise-dominated: $\sigma = \sigma_0/\eta$, $1-\rho = c\,\eta^2$, $t = k\eta^2$
#
# The averages of squares are then of size $1/\eta^2$; the limit describes $u = \eta^2 G$, which is called $G$ again.

# %%
first = sm.modified_equation(rule, loud, order=1)
first

# %% [markdown]
# This is the equation of {cite:t}`malladi2022sdes`, Theorem 4.5:
# $dX = -P^{-1}(\nabla L\,dt + \sigma_0\Sigma^{1/2}dW)$, $du = c\,(\sigma_0^2\operatorname{diag}\Sigma - u)\,dt$ with
# $P = \sqrt u + \varepsilon_0$. (They scale $u$ by $\sigma^2$ where we scale it by $\eta^{-2}$.) We write both lines by hand and
# subtract: the difference is exactly zero.

# %%
c, sigma = hyperparameter("rate_decay"), hyperparameter("sigma0")
((graph, coefficient),) = first.drift["x"].terms
(inverse,) = [node for node in graph if elementwise_expression(node) is not None]
assert str(elementwise_expression(inverse)) == "1/(sqrt(G) + eps0)"
gradient, diagonal = Node("L", ((-1,),)), Node("Sigma", ((-1, -1), ()))
assert not first.drift["x"] - TensorExpression.collect([((inverse, gradient), -1)])
relaxation = TensorExpression.collect([((diagonal,), c * sigma**2), ((Node("G", ((-1,),)),), -c)])
assert not first.drift["G"] - relaxation
column = Node("S", ((-1,), (-2,), ()))
assert not first.factor["x"] - TensorExpression.collect([((inverse, column), sigma)])

# %% [markdown]
# At order 2 there is no such equation, not even for Gaussian noise of constant covariance: the same draw $\xi$ moves $x$ and,
# squared, $G$, and $\mathbb E\,\xi_i\xi_j\xi_k^2$ leaves the third derivatives $\Sigma_{ik}\Sigma_{jk}\,\partial_{x_i}\partial_{x_j}
# \partial_{u_k}$.

# %%
obstruction = sm.modified_equation(rule, loud, order=2)
print(obstruction)
assert not obstruction.exists

# %% [markdown]
# ## Ballistic: $\sigma = 1$, $1-\rho = c\,\eta$, $t = k\eta$
#
# Now $G$ follows $(\nabla L)^2 + \operatorname{diag}\Sigma$, and both orders exist. The noise of $G$ is that of
# $\xi\odot\xi$, which is not the noise of $\xi$: the factor of the covariance has further columns, $R$.

# %%
limits = [sm.modified_equation(rule, ballistic, order=order) for order in (1, 2)]
limits[1]

# %%
squares = Node("R", ((-1,), (-2,), ()))
root = sp.sqrt(LEARNING_RATE)
joint = TensorExpression.collect([((squares,), -c * root), ((gradient, column), -2 * c * root)])
assert not limits[1].factor["G"] - joint

# %% [markdown]
# The second derivation, in coordinates, shares no code with the first. It agrees, in one dimension and in two.

# %%
for dimension in (1, 2):
    assert not any(sm.symbolic.difference(limits[1], dimension).values())

# %% [markdown]
# ## In numbers
#
# A quadratic loss with Gaussian noise, for which the factor $R$ is known, and a large learning rate. The average starts
# at $G_0 = 1$, given with the parameters.

# %%
import numpy as np

problem = sm.problems.quadratic(1.0, noise=0.3)
numbers = {"learning_rate": 0.1, "rate_decay": 2.0, "eps": 0.1}
start = {"x": np.array(1.5), "G": np.array(1.0)}
paths = sm.compare.mean_paths(rule, limits, problem, start, t1=2.0, num_paths=8192, seed=1, **numbers)
paths.plot()
print(paths)
assert np.all(paths.gaps.sel(process="order 2") < paths.gaps.sel(process="order 1") / 3)
