# %% [markdown]
# # The slow equation on the manifold of minimizers
#
# Where a loss has a manifold $\Gamma$ of minimizers, SGD first falls onto it and then, over $O(1/\eta^2)$ steps, drifts *along*
# it. Where it drifts to is the implicit regularizer. We derive the equation of that motion, on the clock $\tau = k\eta^2$.
#
# **Assumptions.** $L$ is smooth, $\Gamma$ is a manifold on which the Hessian $H$ has rank equal to its codimension, noise has
# unit scale, $\mathbb E\xi = 0$ and $\operatorname{Cov}\xi = \Sigma(x)$. Itô throughout. $P$ projects on $\ker H = T\Gamma$.

# %%
import sympy as sp

import sde_momentum as sm
from sde_momentum.symbolic import Regime, limit_map_derivatives, slow_equation

# %% [markdown]
# ## The limit map and its derivatives
#
# $\Phi(x)$ is where gradient flow from $x$ ends. It is constant along the flow, $\partial\Phi\,\nabla L = 0$ *everywhere*, and the
# identity on $\Gamma$. We differentiate the first identity once and twice and drop what contains $\nabla L$, which vanishes on
# $\Gamma$; and the second one along a curve in $\Gamma$.

# %%
found = limit_map_derivatives()
for identity in found.invariance:
    print("0 =", identity)

# %% [markdown]
# In the eigenbasis of $H$ the equations decouple, $(h_i + h_j)\,\partial^2\Phi^a_{ij} = -P\,\partial^3L_{aij}$, and leave the
# tangent pairs open: those follow from the curve, $\partial^2\Phi[t,t] = -H^+\partial^3L[t,t]$. So $\partial\Phi = P$, and
# $\partial^2\Phi^a_{ij}$ is $\partial^3L_{aij}$ times

# %%
print("eigenvalues of ∂Φ:", found.first)
for block, coefficient in found.second.items():
    print(block, coefficient)

# %% [markdown]
# ## SGD
#
# A step moves $\Phi$ by $-\eta\,\partial\Phi\,\xi + \frac{\eta^2}{2}\partial^2\Phi[\xi,\xi]$; drift and noise on the clock
# $k\eta^2$ are the means. The library applies the same argument to the discrete rule itself: where the noiseless *rule* ends is a
# map $\tilde\Phi$ with $\tilde\Phi\circ F = \tilde\Phi$, and the limit $\eta \to 0$ is taken exactly.

# %%
slow = slow_equation(sm.optimizers.sgd())
slow

# %% [markdown]
# This is the equation of {cite:t}`li2022what`, Theorem 4.6:
# $\mathrm dY = P\Sigma^{1/2}\mathrm dW - \frac12 H^+\partial^3L[\Sigma_\parallel]\,\mathrm d\tau -
# \frac12 P\big(2\,\partial^3L[H^+\Sigma_{\perp\parallel}] + \partial^3L[\mathcal L_H^{-1}\Sigma_\perp]\big)\mathrm d\tau$,
# with $\mathcal L_H X = HX + XH$. In the eigenbasis:

# %%
h_a, h_i, h_j = sp.symbols("h_a h_i h_j", positive=True)
normal, curved = ("tangent", "normal", "normal"), ("normal", "tangent", "tangent")
cross = [("tangent", "normal", "tangent"), ("tangent", "tangent", "normal")]
published = {
    curved: -sp.Rational(1, 2) / h_a,
    normal: -sp.Rational(1, 2) / (h_i + h_j),
    cross[0]: -sp.Rational(1, 2) / h_i,
    cross[1]: -sp.Rational(1, 2) / h_j,
}
assert set(slow.blocks) == set(published)
assert all(sp.cancel(slow.blocks[block] - published[block]) == 0 for block in published)
assert all(sp.cancel(slow.blocks[block] - found.second[block] / 2) == 0 for block in published)

# %% [markdown]
# ## Momentum
#
# With $\beta$ fixed, and with $1-\beta = \lambda\eta^\alpha$ for $\alpha < 1$, nothing changes {cite:p}`wang2024marginal`: the
# same blocks, exactly, for heavy ball too on the clock of its effective learning rate $\gamma/(1-\mu)$.

# %%
momentum = sm.optimizers.sgdm()
for rule, regime in (
    (momentum, Regime.long_horizon()),
    (momentum, Regime.long_horizon(sp.Rational(1, 2))),
    (sm.optimizers.heavy_ball(), Regime.long_horizon()),
):
    assert slow_equation(rule, regime).blocks == slow.blocks

# %% [markdown]
# At $\alpha = 1$ the momentum relaxes as slowly as the iterate does across $\Gamma$. The fluctuations are those of an
# underdamped process, and where $\Sigma$ and $H$ do not commute the drift is a new one: the normal covariance and the cross term
# both change. Above, only the part of $\Sigma$ that commutes with $H$ remains.

# %%
one = slow_equation(momentum, Regime.long_horizon(1))
one

# %%
rate = sp.Symbol("relaxation_rate", positive=True)
weight = 1 / (h_i + h_j + (h_i - h_j) ** 2 / (2 * rate))
assert sp.cancel(one.blocks[normal] + weight / 2) == 0
assert sp.cancel(one.blocks[cross[0]] + weight.subs(h_j, 0) / 2) == 0
print(slow_equation(momentum, Regime.long_horizon(sp.Rational(3, 2))))

# %% [markdown]
# With a schedule $\eta_k = \lambda_\tau\eta$ the drift scales by $\lambda_\tau^2$, the noise by $\lambda_\tau$.

# %%
slow_equation(sm.optimizers.sgd(), schedule=True)

# %% [markdown]
# ## What it regularizes
#
# Noise whose covariance is a function of the Hessian on $\Gamma$ has a drift $-\nabla_\Gamma R$, the same for SGD and for momentum at
# every index. General noise has none: the drift then has a curl.

# %%
for noise in ("label", "isotropic", "normal", "interpolation", "general"):
    print(f"{noise}: {slow_equation(momentum, noise=noise).functional}")

c, s, h = sp.symbols("c s h", positive=True)
assert slow_equation(momentum, noise="label").regularizer == c * h / 4
assert slow_equation(momentum, noise="normal").regularizer == s**2 * sp.log(h) / 4
assert slow_equation(momentum, Regime.long_horizon(1), noise="label").regularizer == c * h / 4

# %% [markdown]
# ## The motion, observed
#
# Label noise on $L = \frac12(\sum_i z_iu_i^2 - 1)^2$, whose minimizers form an ellipsoid: SGD and momentum descend
# $\operatorname{tr}H$ along the derived flow, and their distance from it falls like $\eta$.

# %%
import jax

jax.config.update("jax_enable_x64", True)

from sde_momentum.compare import slow_weak_error

problem = sm.problems.label_noise_parabola([1.0, 2.0, 3.0], delta=0.5)
study = slow_weak_error(
    [sm.optimizers.sgd(), momentum],
    problem,
    problem.initial(),
    t1=0.32,
    learning_rates=(0.05, 0.04, 0.02, 0.0125),
    momentum=0.8,
    observables={"tr H": problem.hessian_trace},
    num_paths=1024,
    codimension=1,
    progress=False,
)
print(study)
study.plot()
assert study.orders["sgd", "tr H"].judged(1).verdict is sm.Verdict.CONFIRMED
