"""Fluctuation–dissipation as an observable with mean zero in every stationary state, for any run."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, PyTree

from sde_momentum.compare.question._independent_steps import require_independent_steps
from sde_momentum.dynamics import SDE, Chain

_PROBES = ((0.3, 0.7), (-1.1, 0.4))
_SUCH_AS = "such as sde_momentum.chain(rule, problem, learning_rate=0.1)"


def stationary_residual(process: Chain | SDE) -> Callable[[PyTree[Array]], Array]:
    r"""An observable whose mean is zero in the stationary state, whatever the loss.

    A linear optimizer has a combination y of its variables that moves by gradients alone, $y' = y - c\,g$; for SGDM it
    is $y = x - \eta\beta m/(1-\beta)$ with $c = \eta$. From $E|y'|^2 = E|y|^2$,

    $$E\bigl[2\,y\cdot\nabla L(p) - c\,(|\nabla L(p)|^2 + \sigma^2\operatorname{tr}\Sigma(p))\bigr] = 0,$$

    with p the point where the rule takes its gradient. For an equation dX = b dt + B dW it is
    $E[2\,x\cdot b + |B|_F^2] = 0$. Give it to `simulate` among the observables: a mean beyond its standard error
    says that the run is not stationary
    yet, or that its update is wrong. The trace costs all columns of the noise factor.

    Args:
        process: a `Chain` of a linear rule with constant hyperparameters, or an `SDE` in the parameters alone.

    Returns:
        Function of the state of one replica; unit of parameter² (per unit of time for an equation).

    Raises:
        TypeError: the process is neither `Chain` nor `SDE`.
        ValueError: no combination of the rule's variables moves by gradients alone, as in adaptive rules; something is
            scheduled; or steps are dependent, in reshuffled epochs.

    Example:
        >>> from sde_momentum import optimizers, problems
        >>> from sde_momentum.dynamics import chain
        >>> from sde_momentum.ensembles import simulate
        >>> process = chain(optimizers.sgdm(), problems.double_well(), learning_rate=0.2, momentum=0.5)
        >>> observables = {"residual": stationary_residual(process)}
        >>> setting = {"t1": 20.0, "num_paths": 2000, "seed": 1, "observables": observables, "progress": False}
        >>> last = simulate(process, 0.5, **setting).isel(time=-1, observable=0)
        >>> bool(abs(last["mean"]) < 5 * last["standard_error"])
        True

    References:
        Yaida, *Fluctuation-dissipation relations for stochastic gradient descent* (2019), equation (FDR1).
    """
    if not isinstance(process, Chain | SDE):
        raise TypeError(f"`process` must be a Chain or an SDE, {_SUCH_AS}, got {type(process).__name__}.")
    if process.schedules:
        names = ", ".join(f"`{name}`" for name, _ in process.schedules)
        raise ValueError(
            f"there is no stationary state while {names} changes with time: use a regime without schedules."
        )
    return _of_equation(process) if isinstance(process, SDE) else _of_chain(process)


def _of_chain(process: Chain) -> Callable[[PyTree[Array]], Array]:
    require_independent_steps(process.problem, "stationary_residual")
    weights, step = conserved_combination(process)

    def residual(state: PyTree[Array]) -> Array:
        point = process.gradient_point(state)
        terms = [jax.tree.map(lambda leaf, w=w: w * leaf, state[name]) for name, w in weights.items()]
        slow = ravel_pytree(jax.tree.map(lambda *parts: sum(parts), *terms))[0]
        slope = ravel_pytree(process.problem.gradient(point))[0]
        noise = process.noise_scale**2 * jnp.sum(process.problem.factor(point) ** 2)
        return 2 * slow @ slope - step * (slope @ slope + noise)

    return residual


def _of_equation(process: SDE) -> Callable[[PyTree[Array]], Array]:
    if len(process.limit.variables) > 1:
        raise ValueError(
            f"the equation has the variables {process.limit.variables}, and the identity is for one in the parameters "
            "alone: use the optimizer's own chain."
        )
    name = process.limit.variables[0]

    def residual(state: PyTree[Array]) -> Array:
        x = ravel_pytree(state[name])[0]
        column = lambda w: ravel_pytree(process.noise_product(0.0, state, None, w)[name])[0]
        columns = jax.vmap(column)(jnp.eye(process.noise_dim, dtype=x.dtype))
        return 2 * x @ ravel_pytree(process.drift(0.0, state, None)[name])[0] + jnp.sum(columns**2)

    return residual


def conserved_combination(process: Chain) -> tuple[dict[str, float], float]:
    r"""Weights w and step c of the combination $y = \sum_v w_v v$ of a linear rule's variables with $y' = y - c\,g$.

    Args:
        process: the chain; the parameters have weight one.

    Returns:
        Variable → weight, and c.

    Raises:
        TypeError: the process is no `Chain`.
        ValueError: the update is not linear, or nothing in it is conserved where the gradient is zero.

    Example:
        >>> from sde_momentum import optimizers, problems
        >>> from sde_momentum.dynamics import chain
        >>> process = chain(optimizers.sgdm(), problems.double_well(), learning_rate=0.1, momentum=0.5)
        >>> {name: round(weight, 6) for name, weight in conserved_combination(process)[0].items()}
        {'x': 1.0, 'm': -0.1}
    """
    if not isinstance(process, Chain):
        raise TypeError(f"`process` must be a Chain, {_SUCH_AS}, got {type(process).__name__}.")
    names = process.rule.state
    update = lambda state, g: jnp.stack([process.update(dict(zip(names, state, strict=True)), g)[n] for n in names])
    jacobians = []
    for base, g in _PROBES:
        state = base + 0.1 * jnp.arange(len(names), dtype=float)
        parts = jax.jacfwd(update, argnums=(0, 1))(state, jnp.asarray(g, float))
        jacobians.append([np.asarray(part) for part in parts])
    (matrix, kick), other = jacobians
    linear = all(np.allclose(a, b, rtol=1e-5, atol=1e-7) for a, b in zip((matrix, kick), other, strict=True))
    values, vectors = np.linalg.eig(matrix.T)
    index = int(np.argmin(np.abs(values - 1)))
    if not linear or abs(values[index] - 1) > 1e-5 or abs(vectors[0, index]) < 1e-12:
        raise ValueError(
            f"no combination of the variables of `{process.rule.name}` moves by gradients alone, so this identity does "
            "not hold for it: it serves SGD, momentum, Nesterov and quasi-hyperbolic momentum without weight decay."
        )
    weights = np.real(vectors[:, index] / vectors[0, index])
    return dict(zip(names, (float(w) for w in weights), strict=True)), float(-weights @ kick)
