# %% [markdown]
# # What momentum changes, and what it does not
#
# The same learning rate $\eta$, the same gradients, with and without momentum:
#
# $$x' = x - \eta\,g(x) \qquad\text{and}\qquad m' = \beta\,m + (1-\beta)\,g(x),\quad x' = x - \eta\,m'.$$
#
# An update with momentum is an average of gradients, so it is less noisy. Is the path less noisy? We let the derivation answer,
# for any loss and noise, and count.
#
# **Assumptions.** Steps are independent, $\operatorname{Cov}\xi = \Sigma(x)$, time is $t = k\eta$ for both.

# %%
import sympy as sp

import sde_momentum as sm
from sde_momentum.symbolic import LEARNING_RATE, MOMENTUM, RELAXATION_RATE, Regime, TensorExpression, noise_covariance

plain, averaged = sm.optimizers.sgd(), sm.optimizers.sgdm()
eta, beta = LEARNING_RATE, MOMENTUM

# %% [markdown]
# ## To order 1: nothing
#
# Drift and noise are the same, at noise of unit size and where the noise dominates {cite:p}`wang2024marginal`. The averaging
# that calms an update is paid back, since every gradient stays in $1/(1-\beta)$ updates.

# %%
for regime in (Regime.small_noise(), Regime.noise_dominated()):
    one, other = (sm.modified_equation(rule, regime) for rule in (plain, averaged))
    assert not one.drift["x"] - other.drift["x"]
    assert not one.covariance["x", "x"] - other.covariance["x", "x"]
other

# %% [markdown]
# ## To order 2: the drift, and the start
#
# The modified loss has $\frac\eta4\frac{1+\beta}{1-\beta}|\nabla L|^2$ in place of $\frac\eta4|\nabla L|^2$
# {cite:p}`ghosh2023implicit`, and the path seems to start at $x_0 + \frac{\eta\beta}{1-\beta}\nabla L(x_0)$. The noise is still that of SGD.

# %%
one, other = (sm.modified_equation(rule, order=2) for rule in (plain, averaged))
first = sm.modified_equation(plain)
ratio = (1 + beta) / (1 - beta)
assert not (other.drift["x"] - first.drift["x"]) - (one.drift["x"] - first.drift["x"]) * ratio
assert not one.covariance["x", "x"] - other.covariance["x", "x"]
assert not other.covariance["x", "x"] - TensorExpression.collect([((noise_covariance(-1, -2),), eta)])
other

# %% [markdown]
# ## To order 3: the noise as well
#
# With noise that is not skewed, order 3 exists for SGD. For momentum it does not: from $m_0 = 0$ the variance of $x$ stays
# $\eta^2\frac{\beta(2+\beta)}{1-\beta^2}\Sigma$ behind for good, and no start is sharper than a point. The slow variable has
# the order, and for the first time momentum shows in the noise: where the Hessian turns a disturbance while it is still being
# averaged, and where $\Sigma$ changes along the way.

# %%
symmetric = Regime("symmetric noise", cumulant_scales={3: eta, 4: eta})
assert sm.modified_equation(averaged, symmetric, order=3).part == "start"
one, other = (sm.modified_equation(rule, symmetric, order=3, describes="slow") for rule in (plain, averaged))
assert one.covariance["x", "x"] - other.covariance["x", "x"]
assert not one.covariance["x", "x"] - other.covariance["x", "x"].subs(beta, 0)
other

# %% [markdown]
# ## Where the claim ends
#
# With $1-\beta = \lambda\eta^\alpha$ the question has one answer for each part of the line, and the clock goes with it: the engine
# tries where two sides of the equations balance and keeps what leaves a limit.

# %%
loud = LEARNING_RATE ** -sp.Rational(1, 2)
for alpha in (0, sp.Rational(1, 2), 1, sp.Rational(3, 2)):
    regime = sm.optimizers.momentum_regime(averaged, alpha, noise_scale=loud)
    print(sm.modified_equation(averaged, regime), "\n")
frictionless = sm.modified_equation(averaged, regime)
momentum = TensorExpression.collect([((sm.symbolic.Node("m", ((-1,),)),), -1)])
assert not frictionless.drift["x"] - momentum
assert frictionless.drift["m"].free_symbols == {RELAXATION_RATE}

# %% [markdown]
# ## The update and the path, in numbers
#
# On a linear loss everything is exact. One run of each method is fed with the same noise. The variance of the *update* falls to
# the fraction $\frac{1-\beta}{1+\beta}$; that of the *path* does not fall: the two paths differ by a bounded amount,
# $\operatorname{Var}(x_k - z_k) = \eta^2\frac{\beta^2(1-\beta^{2k})}{1-\beta^2}$, while both spread like $\eta^2k$.

# %%
import matplotlib.pyplot as plt
import numpy as np

rate, memory, steps, paths = 0.1, 0.9, 400, 20_000
compiled = {}
for rule in (plain, averaged):
    names = sorted({str(s) for value in rule.update.values() for s in value.free_symbols})
    compiled[rule.name] = names, sp.lambdify(names, [rule.update[v] for v in rule.state])


def run(rule, noise):
    """Parameters after every step on the loss L = 0, where the gradient is the noise alone."""
    names, step = compiled[rule.name]
    state, history = {v: np.zeros(noise.shape[1]) for v in rule.state}, []
    for g in noise:
        values = {**state, "g": g, "learning_rate": rate, "momentum": memory}
        state = dict(zip(rule.state, step(*(values[name] for name in names)), strict=True))
        history.append(state["x"])
    return np.array(history)


noise = np.random.default_rng(7).standard_normal((steps, paths))
paths_of = {rule.name: run(rule, noise) for rule in (plain, averaged)}
updates = {name: np.diff(path, axis=0)[-1] for name, path in paths_of.items()}
fraction = updates["sgdm"].var() / updates["sgd"].var()
difference = (paths_of["sgdm"] - paths_of["sgd"])[-1].var()
relative = 5 * (2 / paths) ** 0.5  # five standard errors of a variance
assert abs(fraction / ((1 - memory) / (1 + memory)) - 1) < 2 * relative
expected = rate**2 * memory**2 * (1 - memory ** (2 * steps)) / (1 - memory**2)
assert abs(difference / expected - 1) < relative
spread = {name: path[-1].var() for name, path in paths_of.items()}
assert spread["sgdm"] / spread["sgd"] > 0.9 > 10 * fraction
print(f"variance of an update: {fraction:.3f} of SGD's; of the path: {spread['sgdm'] / spread['sgd']:.3f} of SGD's")

# %%
figure, axes = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
for name, path in paths_of.items():
    axes[0].plot(np.diff(path[:, 0]), label=name, linewidth=0.8)
    axes[1].plot(path[:, 0], label=name)
axes[0].set(title="one run: its updates", xlabel="step")
axes[1].set(title="the same run: its path", xlabel="step")
_ = axes[1].legend()
