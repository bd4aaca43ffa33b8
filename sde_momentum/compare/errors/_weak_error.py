"""The weak error of a rule against its limit, over several learning rates: one door, several routes."""

from collections.abc import Mapping, Sequence
from typing import Any, get_args

import numpy as np
from jaxtyping import PyTree

from sde_momentum.compare.errors._route_coupled import Sampling, coupled_errors
from sde_momentum.compare.errors._route_exact import exact_errors
from sde_momentum.compare.errors._route_multilevel import multilevel_errors
from sde_momentum.compare.errors._route_transition import transition_errors
from sde_momentum.compare.orders._make_study import make_study
from sde_momentum.compare.orders._measured import Measured, NotApplicable, Route
from sde_momentum.compare.orders._natural_unit import natural_unit
from sde_momentum.compare.orders._study import WeakError
from sde_momentum.compare.question._arguments import known_name, positive_number, probability
from sde_momentum.compare.question._observables import Observable
from sde_momentum.compare.question._question import Question
from sde_momentum.compare.question._times import checked_rates
from sde_momentum.problems import AbstractProblem
from sde_momentum.solvers import Seed
from sde_momentum.solvers._seed import seed_words
from sde_momentum.symbolic import Limit, UpdateRule


def weak_error(
    rule: UpdateRule,
    limit: Limit,
    problem: AbstractProblem,
    x0: PyTree[Any],
    *,
    t1: float,
    learning_rates: Sequence[float],
    saves: int | Sequence[float] | None = None,
    observables: Mapping[str, Observable] | None = None,
    method: Route = "auto",
    num_paths: int | None = None,
    target_snr: float | None = None,
    budget: float = 60.0,
    seed: Seed = 0,
    substeps: int = 1,
    confidence: float = 0.95,
    learning_rate_unit: float | None = None,
    progress: bool = True,
    **hyperparameters: float,
) -> WeakError:
    r"""Measure E f(x_k) − E f(X(t)) at k = t/clock for several learning rates, and fit its order.

    There are four routes. Two of them sample nothing:

    - `"exact"`: closed first and second moments, for linear rules on quadratic losses and quadratic observables; with
      learning rates and momenta that follow schedules too, where the equation's moments are integrated in time and the
      residual is what two tolerances differ by;
    - `"transition"`: transition operators, for states of up to twenty components and any smooth loss; the noise is the
      problem's own (Gauss–Hermite, or the sum over all signs or minibatches), errors come with a residual;
    - `"coupled"`: rule and limit on one Brownian path (`CoupledLimit`), and the solver's bias measured at two steps on
      the same paths; noise of independent components, and minibatches of one parameter, are quantiles of the path's
      normals, other noise is replaced by its Gaussian twin (`telescope` measures what that leaves out), and the result
      says which;
    - `"multilevel"`: coupled sampling of the differences between successive learning rates, each of which must be half
      of the one before.

    `"auto"` takes the first of exact, transition and coupled that serves the question; with `num_paths` or `target_snr`
    the choice is between exact and coupled. More than two components, and wide laws in two, can take transition
    operators minutes, so there they are to be asked for by name.

    Args:
        rule: the optimizer.
        limit: its limit; must have been derived from `rule`.
        problem: loss and noise.
        x0: parameters at the start, one replica; for a limit of several variables also a dict with the start of each,
            in its scale.
        t1: end, in units of the regime's clock; a whole number of steps for every learning rate. Infinity asks for the
            error of the stationary law, on the exact route and without schedules.
        learning_rates: at least four, strictly decreasing.
        saves: times at which the error is measured: None for t1 only, n for the times t1 j/n, or times that end with
            t1. The orders are those at t1; see `WeakError.at` and `WeakError.largest`.
        observables: name → function of the parameters, one number; by default the loss, the mean of the parameters and
            the mean of their squares.
        method: the route.
        num_paths: coupled paths for every learning rate, 65 536 unless planned.
        target_snr: have the sample sizes planned, from a pilot run, for this ratio of error and standard error at every
            learning rate and observable; the plan is printed and kept with the result.
        budget: seconds that pilot and planned run may take.
        seed: integer in [0, 2⁶⁴) or a JAX key.
        substeps: solver steps of the coarse solution in one optimizer step; the fine one takes twice as many.
        confidence: of the interval of the order.
        learning_rate_unit: learning rate at which the expansion's terms are of one size; the prior on the remainder
            holds in this unit. By default it is found from the limit's fastest rate at x0: for SGD 1/λ_max(H), with
            momentum (1 − β)/((1 + β) λ_max(H)); the result says which it is.
        progress: show a bar and the plan while sampling.
        **hyperparameters: numbers that rule and limit need besides `learning_rate`, and functions of the time for what
            the regime schedules. Their kinks and jumps belong between the steps of every learning rate: inside a step
            they add errors that follow no power, of size η² and η.

    Returns:
        A `WeakError`: signed errors with standard errors and solver bias, fitted orders, verdict, `.plot()`.

    Raises:
        ValueError: the limit is not one of the rule, the problem walks through reshuffled epochs, whose steps are
            dependent, t1 is not on the grid of some learning rate, there are fewer than four learning rates or they do
            not decrease, an observable does not give one finite number, a path diverges, or the route that was named
            does not serve the question (the message says which one does).

    Example:
        >>> import numpy as np
        >>> from sde_momentum import optimizers, problems
        >>> from sde_momentum.symbolic import modified_equation
        >>> rule = optimizers.sgd()
        >>> limit = modified_equation(rule, order=1)
        >>> problem = problems.quadratic(np.diag([1.0, 2.0]), noise=0.5 * np.eye(2))
        >>> rates = (0.1, 0.05, 0.025, 0.0125)
        >>> study = weak_error(rule, limit, problem, np.ones(2), t1=1.0, learning_rates=rates)
        >>> str(study.verdict), study.dataset.attrs["method"]
        ('confirmed', 'exact moments')
    """
    rates = checked_rates(learning_rates)
    known_name(method, get_args(Route), "method")
    sampling = Sampling(num_paths, seed, substeps, target_snr, budget, progress)
    if sampling.is_asked_for and method in ("exact", "transition"):
        raise ValueError(f"method={method!r} samples nothing: leave `num_paths` and `target_snr` out, or sample.")
    probability(confidence, "confidence")
    if learning_rate_unit is not None:
        positive_number(learning_rate_unit, "learning_rate_unit")
    seed_words(seed)
    if "learning_rate" in hyperparameters:
        raise ValueError("pass `learning_rates`, four or more of them, in place of one `learning_rate`.")
    question = Question(
        rule, limit, problem, x0, t1=t1, saves=saves, observables=observables, hyperparameters=hyperparameters
    )
    measured = _measure(question, rates, sampling, method)
    unit = natural_unit(question, float(rates[-1])) if learning_rate_unit is None else learning_rate_unit
    configuration = {"seed": seed, "substeps": substeps, "num_paths": num_paths, "confidence": confidence}
    return make_study(question, rates, measured, confidence=confidence, unit=unit, configuration=configuration)


def _measure(question: Question, rates: np.ndarray, sampling: Sampling, method: Route) -> Measured:
    """The route that was named, or the first that serves the question."""
    routes = {
        "exact": lambda: exact_errors([question], rates)[0],
        "transition": lambda: transition_errors([question], rates, thorough=method == "transition")[0],
        "coupled": lambda: coupled_errors(question, rates, sampling),
        "multilevel": lambda: multilevel_errors(question, rates, sampling),
    }
    if method != "auto":
        return routes[method]()
    obstacles = []
    for name in ("exact", "coupled") if sampling.is_asked_for else ("exact", "transition", "coupled"):
        try:
            return routes[name]()
        except NotApplicable as obstacle:
            obstacles.append(f"{name}: {obstacle}")
    raise ValueError("no route serves this question: " + "; ".join(obstacles))
