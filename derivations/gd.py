# %% [markdown]
# # Gradient descent
#
# $$x' = x - \eta\,\nabla L(x).$$
#
# Gradient descent does not follow the gradient flow $\dot x = -\nabla L$: its steps are chords, and the curve they follow is
# the flow of another field. Backward error analysis finds that field, for any loss and in every dimension.
#
# **Assumptions.** $L$ has as many derivatives as the order asks for; there is no noise; the clock is $t = k\eta$.

# %%
import sde_momentum as sm
from sde_momentum.symbolic import LEARNING_RATE, TensorExpression, loss_derivative, split_gradient

rule = sm.optimizers.gd()
print(rule)

# %% [markdown]
# ## The modified equation
#
# One step is the operator $Pf(x) = f(x')$; the field is the one whose flow over a time $\eta$ is that operator, $P = e^{\eta b\cdot\nabla}$.

# %%
second = sm.modified_equation(rule, order=2)
second

# %% [markdown]
# This is the flow of the modified loss $L + \frac\eta4|\nabla L|^2$ of {cite:t}`barrett2021implicit`, Theorem 3.1: steep places
# are avoided. Written by hand, as contracted derivatives of $L$, and subtracted: the difference is exactly zero.

# %%
eta = LEARNING_RATE
D = loss_derivative
published = TensorExpression.collect([((D(-1),), -1), ((D(-1, 0), D(0)), -eta / 2)])
assert not second.drift["x"] - published

# %% [markdown]
# ## Order 3, and the end of the modified loss
#
# Every order exists. But from order 3 on the field is no gradient any more:
# $-\eta^2\left(\frac13 H^2\nabla L + \frac1{12}D^3L[\nabla L,\nabla L]\right)$ would be one only with other coefficients.

# %%
third = sm.modified_equation(rule, order=3)
correction = third.drift["x"] - second.drift["x"]
by_hand = [((D(-1, 0), D(0, 1), D(1)), -(eta**2) / 3), ((D(-1, 0, 1), D(0), D(1)), -(eta**2) / 12)]
assert not correction - TensorExpression.collect(by_hand)
assert split_gradient(correction).remainder
third

# %% [markdown]
# ## A learning rate that changes with time
#
# With $\eta\,\varphi(t)$ the derivative of the schedule enters at order 2, as if the loss were weighted differently.

# %%
moving = sm.modified_equation(rule, sm.Regime.noiseless().scheduled(), order=2)
moving

# %% [markdown]
# ## The orders, by running it
#
# A double well, from one start to one end. The distance between the iterate and the solution of each equation falls with the
# power of the learning rate that the order states.

# %%
import jax
import matplotlib.pyplot as plt
import numpy as np
from scipy.integrate import solve_ivp

jax.config.update("jax_enable_x64", True)

problem, start, end = sm.problems.double_well(), 0.4, 1.6
rates = np.array([0.2, 0.1, 0.05, 0.025])


def iterate(rate):
    """The optimizer's parameters at the end."""
    slope, x = jax.jit(lambda at: problem.gradient(at)), start
    for _ in range(round(end / rate)):
        x = x - rate * float(slope(x))
    return x


def solution(limit, rate):
    """The equation's parameters at the end."""
    equation = sm.sde(limit, problem, learning_rate=rate)
    field = jax.jit(lambda x: equation.drift(0.0, {"x": x}, None)["x"])
    return solve_ivp(lambda _, x: [float(field(x[0]))], (0, end), [start], rtol=1e-10, atol=1e-12).y[0, -1]


last = {rate: iterate(rate) for rate in rates}
figure, axis = plt.subplots(figsize=(5, 3.5), layout="constrained")
for order, limit in enumerate((sm.modified_equation(rule, order=1), second, third), start=1):
    errors = np.array([abs(solution(limit, rate) - last[rate]) for rate in rates])
    slope = np.polyfit(np.log(rates), np.log(errors), 1)[0]
    axis.loglog(rates, errors, "o-", label=f"order {order}: slope {slope:.2f}")
    assert abs(slope - order) < 0.2
axis.set(xlabel="learning rate", ylabel="distance at the end")
_ = axis.legend()
