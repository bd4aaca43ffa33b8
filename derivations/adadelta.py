# %% [markdown]
# # AdaDelta
#
# AdaDelta has no learning rate. The size of its steps comes from an average of their own squares:
#
# $$G' = \rho G + (1-\rho) g^2, \quad \Delta = -\sqrt{\frac{s + \varepsilon}{G' + \varepsilon}}\,g, \quad
# s' = \rho s + (1-\rho)\Delta^2, \quad x' = x + \Delta.$$
#
# **Assumptions.** Steps are independent, $g = \nabla L(x) + \sigma\xi$ with $\operatorname{Cov}\xi = \Sigma(x)$. No stochastic
# differential equation has been published for AdaDelta that we know of, so there is nothing to compare with but a second
# derivation that shares no code with the first, and the optimizer itself.

# %%
import sympy as sp

import sde_momentum as sm
from sde_momentum.symbolic import Node, TensorExpression, elementwise_expression, hyperparameter

rule = sm.optimizers.adadelta()
ballistic, loud = rule.regimes()
print(rule)

# %% [markdown]
# ## Where is the small parameter?
#
# Steps are small because $s$ and $\varepsilon$ are. With $\varepsilon = \varepsilon_0\eta^2$ and $s = \eta^2\hat s$ a step has size $\eta$:
# η is the learning rate that AdaDelta hides. $\varepsilon$ in the denominator is then of no account.
#
# ## Ballistic: $\sigma = 1$, $1-\rho = c\,\eta$, $t = k\eta$

# %%
limits = [sm.modified_equation(rule, ballistic, order=order) for order in (1, 2)]
limits[0]

# %%
limits[1]

# %% [markdown]
# We write order 1 by hand: $dX = -\sqrt{(s+\varepsilon_0)/G}\,\nabla L\,dt$, $dG = c\,(q - G)\,dt$ and
# $ds = c\,(\frac{s+\varepsilon_0}{G}\,q - s)\,dt$ with $q = (\nabla L)^2 + \operatorname{diag}\Sigma$.

# %%
c, eps = hyperparameter("rate_decay"), hyperparameter("eps0")
G, s = sp.Symbol("G", real=True), sp.Symbol("s", real=True)
functions = {
    elementwise_expression(node): node for v in ("x", "s") for graph, _ in limits[0].drift[v] for node in graph
}
step, ratio = functions[sp.sqrt(s + eps) / sp.sqrt(G)], functions[(s + eps) / G]
gradient, diagonal = Node("L", ((-1,),)), Node("Sigma", ((-1, -1), ()))
assert not limits[0].drift["x"] - TensorExpression.collect([((step, gradient), -1)])
state = {name: Node(name, ((-1,),)) for name in ("G", "s")}
square = [((gradient, gradient), c), ((diagonal,), c)]
assert not limits[0].drift["G"] - TensorExpression.collect([*square, ((state["G"],), -c)])
scaled = [((*graph, ratio), weight) for graph, weight in square]
assert not limits[0].drift["s"] - TensorExpression.collect([*scaled, ((state["s"],), -c)])

# %% [markdown]
# Once $G = q$, what is left is $ds = c\,\varepsilon_0\,dt$: the square of the step size grows linearly. **AdaDelta accelerates**,
# until $s$ is no longer small and the equation no longer holds.
#
# ## Noise-dominated: $\sigma = \sigma_0/\eta$, $1-\rho = c\,\eta^2$, $t = k\eta^2$

# %%
print(sm.modified_equation(rule, loud, order=1))
assert not sm.modified_equation(rule, loud, order=2).exists
assert not any(sm.symbolic.difference(sm.modified_equation(rule, loud, order=1), dimension=1).values())

# %% [markdown]
# ## In numbers
#
# A quadratic loss with Gaussian noise. The step size grows as the equation says.

# %%
import numpy as np

problem = sm.problems.quadratic(1.0, noise=0.3)
numbers = {"learning_rate": 0.1, "rate_decay": 2.0, "eps0": 1.0}
start = {"x": np.array(1.5), "G": np.array(1.5), "s": np.array(0.0)}
observables = {name: lambda state, name=name: state[name] for name in ("x", "s")}
setting = {"t1": 1.0, "num_paths": 4096, "seed": 1, "observables": observables, **numbers}
paths = sm.compare.mean_paths(rule, limits, problem, start, **setting)
paths.plot()
print(paths)
assert np.all(paths.gaps.sel(process="order 2") < paths.gaps.sel(process="order 1") / 2)
