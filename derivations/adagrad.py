# %% [markdown]
# # AdaGrad
#
# AdaGrad divides by the root of the *sum* of squared gradients,
#
# $$G' = G + g^2, \qquad x' = x - \frac{\eta\,g}{\sqrt{G'} + \varepsilon}.$$
#
# **Assumptions.** Steps are independent, $g = \nabla L(x) + \sigma\xi$ with $\operatorname{Cov}\xi = \Sigma(x)$.

# %%
import sympy as sp

import sde_momentum as sm
from sde_momentum.symbolic import LEARNING_RATE, Node, TensorExpression, elementwise_expression, hyperparameter

rule = sm.optimizers.adagrad()
print(rule)

# %% [markdown]
# ## A small learning rate
#
# After $k = t/\eta^2$ steps the sum is of size $1/\eta^2$ and a step of size $\eta^2$: that is the clock. The limit describes
# $u = \eta^2 G$, called $G$ again. No equation has been published for this scaling that we know of; we assert the line that
# one finds by hand, $dX = -\nabla L/(\sqrt u + \varepsilon_0)\,dt$, $du = ((\nabla L)^2 + \operatorname{diag}\Sigma)\,dt$, and let the
# second derivation, in coordinates, confirm order 2.

# %%
limits = [sm.modified_equation(rule, order=order) for order in (1, 2)]
limits[0]

# %%
limits[1]

# %%
gradient, diagonal, column = Node("L", ((-1,),)), Node("Sigma", ((-1, -1), ())), Node("S", ((-1,), (-2,), ()))
((graph, _),) = limits[0].drift["x"].terms
(inverse,) = [node for node in graph if elementwise_expression(node) is not None]
G, eps = sp.Symbol("G", real=True), hyperparameter("eps0")
assert elementwise_expression(inverse) == 1 / (sp.sqrt(G) + eps)
assert not limits[0].drift["x"] - TensorExpression.collect([((inverse, gradient), -1)])
assert not limits[0].drift["G"] - TensorExpression.collect([((gradient, gradient), 1), ((diagonal,), 1)])
for dimension in (1, 2):
    assert not any(sm.symbolic.difference(limits[1], dimension).values())

# %% [markdown]
# The noise has the size $\eta$, and no larger noise $\sigma$ changes that: the sum takes the size of $\sigma^2$ too. With a small
# learning rate AdaGrad has no noise-dominated regime.
#
# ## A fixed learning rate and a warm accumulator
#
# Steps are small as well where the sum is large from the start, $G = u/\delta^2$. With $\sigma = \delta^{-1/2}$ and $t = k\delta$ noise
# and drift are of one size at a fixed step size $\alpha$. The small parameter $\delta$ takes the place of the learning rate.

# %%
warm = sm.optimizers.adagrad(fixed_step=True)
loud = sm.modified_equation(warm, order=1)
loud

# %%
alpha = hyperparameter("step_size")
assert not loud.drift["x"] - TensorExpression.collect([((inverse, gradient), -alpha)])
assert not loud.factor["x"] - TensorExpression.collect([((inverse, column), alpha)])
assert not loud.drift["G"] - TensorExpression.collect([((diagonal,), 1)])
assert not sm.modified_equation(warm, order=2).exists

# %% [markdown]
# ## In numbers
#
# A quadratic loss with Gaussian noise, a large learning rate and $u_0 = 0.5$: the equation of order 1, that of order 2, and
# AdaGrad itself.

# %%
import numpy as np

problem = sm.problems.quadratic(1.0, noise=0.3)
numbers = {"learning_rate": 0.4, "eps0": 0.1}
start = {"x": np.array(1.5), "G": np.array(0.5)}
setting = {"t1": 1.6, "num_paths": 8192, "seed": 1, "observables": {"x": lambda state: state["x"]}, **numbers}
paths = sm.compare.mean_paths(rule, limits, problem, start, **setting)
paths.plot()
print(paths)
assert np.all(paths.gaps.sel(process="order 2") < paths.gaps.sel(process="order 1") / 2)
assert LEARNING_RATE in limits[1].drift["x"].free_symbols
