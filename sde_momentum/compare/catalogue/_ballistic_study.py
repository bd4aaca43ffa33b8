"""RMSProp and Adam of order 2 in the ballistic regime, on quadratics of any dimension."""

from collections.abc import Sequence
from numbers import Integral
from typing import Any, Literal

import jax
import numpy as np

from sde_momentum.compare.catalogue._settings import regimes_of
from sde_momentum.compare.errors._weak_error import weak_error
from sde_momentum.compare.orders._study import WeakError
from sde_momentum.compare.question._arguments import enough_paths, whole_number
from sde_momentum.compare.transition._expectations import LARGEST
from sde_momentum.dynamics._hyperparameters import require_problem
from sde_momentum.optimizers import adam, rmsprop
from sde_momentum.problems import AbstractProblem, quadratic
from sde_momentum.solvers import Seed
from sde_momentum.symbolic import modified_equation


def ballistic_study(
    rule: Literal["rmsprop", "adam"] = "rmsprop",
    dimension: int = 2,
    *,
    order: int = 2,
    problem: AbstractProblem | None = None,
    learning_rates: Sequence[float] = (1 / 8, 1 / 16, 1 / 32, 1 / 64),
    t1: float = 1.0,
    num_paths: int | None = None,
    seed: Seed = 0,
    progress: bool = True,
) -> WeakError:
    r"""Measure the order of the ballistic limit of RMSProp or Adam: σ = 1, 1 − β_i = c_i η, t = kη.

    The loss is a quadratic whose eigenvectors are not the axes, so that the components, which the optimizer treats one
    by one, are coupled through the gradient; the noise is correlated. Nothing is sampled while all variables together
    have at most twenty components, 2d of RMSProp and 3d of Adam: the expectations are those of transition operators,
    and their residual, which sets the width of the interval, is that of polynomials of degree 4, and of degree 3 from
    thirteen components on. Beyond, or with `num_paths`, optimizer and limit are sampled on one Brownian path: the noise
    of the gradient is shared, that of its square, which the limit draws for itself, is not, and the intervals are
    several times as wide.

    Args:
        rule: `"rmsprop"` (c = ½) or `"adam"` without bias correction (c₁ = 2, c₂ = ½); ε = 0.1 outside the root.
        dimension: number of parameters, where no problem is given.
        order: of the limit, 1 or 2.
        problem: another problem, with noise ξ = S z whose components are independent.
        learning_rates: at least four that divide t1, decreasing.
        t1: end, t = kη.
        num_paths: have so many coupled paths, at least eight, sampled at every learning rate; where sampling cannot be
            avoided, 262 144 over the dimension by default.
        seed: integer in [0, 2⁶⁴) or a JAX key.
        progress: show a bar while sampling.

    Returns:
        A `WeakError` with loss, mean and mean square of the parameters as observables.

    Raises:
        TypeError: the problem is none, or a number is none.
        ValueError: another rule, another order, or what `weak_error` refuses.

    Example:
        >>> ballistic_study("adagrad")
        Traceback (most recent call last):
        ...
        ValueError: `rule` must be "rmsprop" or "adam", got 'adagrad'.

    References:
        Compagnoni et al. (2025), whose equations of order 1 have this scaling.
    """
    if rule not in ("rmsprop", "adam"):
        raise ValueError(f'`rule` must be "rmsprop" or "adam", got {rule!r}.')
    if whole_number(order, "order") > 2:
        raise ValueError(f"`order` must be 1 or 2, got {order!r}.")
    if problem is not None:
        require_problem(problem)
    if num_paths is not None:
        enough_paths(num_paths)
    made = rmsprop() if rule == "rmsprop" else adam(bias_correction=False)
    regime = next(regime for regime in regimes_of(made) if regime.name == "ballistic")
    numbers = {"eps": 0.1} | ({"rate_decay": 0.5} if rule == "rmsprop" else {"rate_beta1": 2.0, "rate_beta2": 0.5})
    with jax.enable_x64(True):
        given = coupled_quadratic(dimension) if problem is None else problem
        x0 = given.initial()
        # The second moment starts where it is of the gradient's size: at zero the root in the update is not smooth.
        start: dict[str, Any] = {name: np.zeros(np.shape(x0)) for name in made.state}
        start |= {made.state[0]: x0, "G": np.ones(np.shape(x0))}
        components = sum(np.size(value) for value in start.values())
        sampled = num_paths is not None or components > LARGEST
        paths = max(262_144 // np.size(x0), 1024) if num_paths is None else num_paths
        return weak_error(
            made,
            modified_equation(made, regime, order=order),
            given,
            start,
            t1=t1,
            learning_rates=learning_rates,
            method="coupled" if sampled else "transition",
            num_paths=paths if sampled else None,
            seed=seed,
            progress=progress,
            **numbers,
        )


def coupled_quadratic(dimension: int) -> AbstractProblem:
    """A quadratic with eigenvalues from ½ to 2 along directions that mix all axes, and correlated noise.

    Args:
        dimension: number of parameters, at least 1.
    """
    if isinstance(dimension, bool) or not isinstance(dimension, Integral) or dimension < 1:
        raise ValueError(f"`dimension` must be a whole number of at least 1, got {dimension!r}")
    place = np.arange(dimension)
    # Rows of the discrete cosine transform: an orthogonal matrix without randomness.
    waves = np.cos(np.pi * (place[None] + 0.5) * place[:, None] / dimension) * np.sqrt(2 / dimension)
    waves[0] /= np.sqrt(2)
    hessian = waves.T @ np.diag(np.linspace(0.5, 2.0, dimension)) @ waves
    noise = 0.25 * (np.eye(dimension) + 0.3 * np.tri(dimension, k=-1) / np.sqrt(dimension))
    return quadratic((hessian + hessian.T) / 2, noise=noise, start=np.linspace(1.0, 0.5, dimension))
