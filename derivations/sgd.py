# %% [markdown]
# # Stochastic gradient descent
#
# One step of SGD is $x' = x - \eta\,(\nabla L(x) + \sigma\xi)$ with $\mathbb E\xi = 0$, $\operatorname{Cov}\xi = \Sigma(x)$.
# We derive the Itô equation it follows: for any loss, any noise, in every dimension.
#
# **Assumptions.** Steps are independent. The noise scale $\sigma$ and the clock belong to the *regime* and are stated with
# every result; "order $p$" means that expectations agree up to $O(\eta^p)$ at a fixed time $t = k\eta$.

# %%
import sde_momentum as sm
from sde_momentum.symbolic import LEARNING_RATE, Node, TensorExpression

rule = sm.optimizers.sgd()
print(rule)

# %% [markdown]
# ## Noise of unit size, $\sigma = 1$
#
# The one-step operator $P f(x) = \mathbb E f(x')$ has the modified generator $\mathcal L_\eta = \eta^{-1}\log P$. Its first
# derivatives are the drift, its second ones the covariance.

# %%
first = sm.modified_equation(rule, order=1)
first

# %%
second = sm.modified_equation(rule, order=2)
second

# %% [markdown]
# These are the equations of {cite:t}`li2019stochastic`, Theorem 9: to order 1 the gradient flow with noise
# $\sqrt\eta\,\Sigma^{1/2}\,dW$, to order 2 the flow of the modified loss $L + \frac\eta4|\nabla L|^2$ with the same noise. We
# write that drift by hand, as contracted graphs, and subtract: the difference is exactly zero.

# %%
gradient = (Node("L", ((-1,),)),)
hessian_gradient = (Node("L", ((-1, 0),)), Node("L", ((0,),)))
terms = [(gradient, -1), (hessian_gradient, -LEARNING_RATE / 2)]
published = TensorExpression.collect(terms)
assert not second.drift["x"] - published

# %% [markdown]
# ## Where it stops: order 3
#
# A third-order derivative survives in the generator, $-\frac{\eta^2}{6}\kappa_3\cdot\nabla^3$: skewed noise, such as that of
# minibatches, has no diffusion of order 3.

# %%
third = sm.modified_equation(rule, order=3)
print(third)
assert not third.exists

# %% [markdown]
# ## Large noise, $\sigma = \eta^{-1/2}$
#
# Drift and noise are then of one size. Order 1 holds when the skewness is small; at order 2 *any* state dependence of
# $\Sigma$ is an obstruction, and so is a fourth cumulant.

# %%
loud = sm.Regime.noise_dominated()
print(sm.modified_equation(rule, loud, order=1))
print(sm.modified_equation(rule, loud, order=2))

# %% [markdown]
# ## The orders, measured
#
# A double well $L = \frac14(x^2-1)^2$ with state-dependent noise. Optimizer and equation share one Brownian motion, so that
# small differences are seen with few paths. The equation without its drift correction has order 1 only.

# %%
import jax
import matplotlib.pyplot as plt

jax.config.update("jax_enable_x64", True)

problem = sm.problems.double_well()
figure, axes = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
for axis, limit in zip(axes, (first, second), strict=True):
    study = sm.weak_error(
        rule,
        limit,
        problem,
        0.5,
        t1=0.96,
        learning_rates=(0.16, 0.08, 0.04, 0.02),
        observables={"E x": lambda x: x, "E x²": lambda x: x**2},
        num_paths=32_768,
        seed=1,
        substeps=2,
        progress=False,
    )
    print(study)
    study.plot(axis)
    axis.set_title(f"order {limit.order}")
    assert study.verdict is sm.Verdict.CONFIRMED
