"""Weak errors of functions written by hand over learning rates, without sampling."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sde_momentum.compare.orders._order_fit import fit_order
from sde_momentum.compare.question._arguments import checked_function, known_name, positive_number
from sde_momentum.compare.transition._expectations import chain_ways, checked_tolerance, sde_ways
from sde_momentum.compare.transition._noise import checked_noise

# What `fit_order` may be told beyond learning rates, errors and standard errors.
_OPTIONS = tuple(inspect.signature(fit_order).parameters)[3:]


@dataclass(frozen=True, eq=False)
class TransitionStudy:
    """Weak errors by transition operators, with the residual of their own refinement.

    Attributes:
        learning_rates: shape `(n,)`.
        observables: names, `m` of them.
        discrete: expected observables of the chain, shape `(n, m)`.
        continuous: expected observables of the limit, shape `(n, m)`.
        residuals: summed refinement residuals of the two, shape `(n, m)`; infinite where a process diverged.
        converged: whether both sides met their tolerance, shape `(n,)`.
    """

    learning_rates: np.ndarray
    observables: tuple[str, ...]
    discrete: np.ndarray
    continuous: np.ndarray
    residuals: np.ndarray
    converged: np.ndarray

    @property
    def errors(self):
        """Signed weak errors, discrete minus continuous, shape `(n, m)`."""
        return self.discrete - self.continuous

    def fit(self, observable=None, **options):
        """Fit the order; the residuals enter as standard errors, and the fit reports what they forbid.

        Args:
            observable: a name; by default all, as a tuple of fits.
            options: of `fit_order`.

        Raises:
            TypeError: what `fit_order` refuses.
            ValueError: unknown observable or option, a process that diverged at some learning rate, or what
                `fit_order` refuses.
        """
        if observable is not None and observable not in self.observables:
            raise ValueError(
                f"`observable` must be one of {', '.join(map(str, self.observables))}, got {observable!r}."
            )
        for option in options:
            known_name(option, _OPTIONS, "options")
        if not np.all(np.isfinite(self.errors)):
            bad = self.learning_rates[~np.isfinite(self.errors).all(axis=1)]
            raise ValueError(f"the process diverges at learning rates {bad.tolist()}: lower them or shorten the time")
        if observable is None:
            return fit_order(self.learning_rates, self.errors, self.residuals, **options)
        column = self.observables.index(observable)
        return fit_order(self.learning_rates, self.errors[:, column], self.residuals[:, column], **options)

    @property
    def dataset(self):
        """The study as an `xarray.Dataset` with dimensions `learning_rate` and `observable`."""
        import xarray

        tables = {name: getattr(self, name) for name in ("discrete", "continuous", "errors", "residuals")}
        return xarray.Dataset(
            {name: (("learning_rate", "observable"), table) for name, table in tables.items()}
            | {"converged": ("learning_rate", self.converged)},
            coords={"learning_rate": self.learning_rates, "observable": list(self.observables)},
        )

    def __str__(self):
        lines = ["learning rate  " + "".join(f"{name:>26}" for name in self.observables)]
        for eta, errors, residuals, fine in zip(
            self.learning_rates, self.errors, self.residuals, self.converged, strict=True
        ):
            cells = "".join(f"{e:>+16.6e} ± {r:.1e}" for e, r in zip(errors, residuals, strict=True))
            lines.append(f"{eta:<15.6g}{cells}" + ("" if fine else "  did not converge"))
        return "\n".join(lines)


def transition_weak_error(
    step,
    drift,
    diffusion,
    observables,
    start,
    time,
    learning_rates,
    *,
    noise,
    step_time=None,
    limit_start=None,
    limit_observables=None,
    domain=None,
    limit_domain=None,
    tolerance=None,
):
    r"""Weak error $E f(x_{T/\Delta}) - E f(X_T)$ of a chain against an equation, exact up to a reported residual.

    Both expectations are those of `chain_expectation` and `sde_expectation`. States are arrays of shape `(N,)` in one
    dimension and `(d, N)` in more, up to twenty. Chain and limit may differ in dimension, as SGDM against a limit in x
    alone; the limit then gets its own start and observables. On a box, momentum is resolved best in a variable whose
    drift points inward, such as $y = x - \eta\beta m/(1-\beta)$ in place of $x$.

    Args:
        step: `step(x, xi, learning_rate)`, next state for one noise point.
        drift: `drift(x, learning_rate)` of the limit, per unit of time.
        diffusion: `diffusion(x, learning_rate)`, its noise coefficient with its powers of the learning rate; shape
            `(N,)`, or `(d, noises, N)` in more dimensions.
        observables: mapping from name to function of x.
        start: initial state, a number or several.
        time: $T$, on the limit's clock.
        learning_rates: in the order they are to be reported.
        noise: a `NoiseLaw`.
        step_time: `step_time(learning_rate)`, clock per step; the learning rate itself by default.
        limit_start: `limit_start(learning_rate)`, start of the limit where the expansion shifts it.
        limit_observables: `limit_observables(learning_rate)`, mapping with the same names, where it lifts them.
        domain: box of the chain's grid; found by default.
        limit_domain: box of the limit's grid; found by default.
        tolerance: of each side's residual; by default half of 1e-10 in one dimension, and half of 1e-8 in more.

    Returns:
        A `TransitionStudy`.

    Raises:
        TypeError: functions that are none, observables that are no mapping from names to functions, learning rates
            that are no numbers, and what `chain_expectation` and `sde_expectation` refuse.
        ValueError: a time that is not a whole number of steps (clocks that do not match), names that differ, learning
            rates that are not positive, and what `chain_expectation` and `sde_expectation` refuse.

    Example:
        SGD on x²/2 + x⁴/4 with unit noise against its first-order equation:

        >>> import numpy as np
        >>> from sde_momentum.compare import NoiseLaw
        >>> study = transition_weak_error(
        ...     step=lambda x, xi, eta: x - eta * (x + x**3 + xi),
        ...     drift=lambda x, eta: -x - x**3,
        ...     diffusion=lambda x, eta: np.sqrt(eta) + 0 * x,
        ...     observables={"second": np.square},
        ...     start=0.7, time=1.0, learning_rates=[1 / 20, 1 / 40, 1 / 80, 1 / 160],
        ...     noise=NoiseLaw.gaussian(),
        ... )
        >>> study.fit("second", claimed_order=1).verdict
        <Verdict.CONFIRMED: 'confirmed'>
    """
    checked_noise(noise)
    optional = {"step_time": step_time, "limit_start": limit_start, "limit_observables": limit_observables}
    given = {name: function for name, function in optional.items() if function is not None}
    for name, function in {"step": step, "drift": drift, "diffusion": diffusion, **given}.items():
        checked_function(function, name)
    names, rates = tuple(_named(observables, "observables")), _checked_rates(learning_rates)
    time, tolerance = positive_number(time, "time"), checked_tolerance(tolerance)

    def sides(eta):
        steps = _whole_steps(time, eta if step_time is None else step_time(eta), eta)
        lifted = observables if limit_observables is None else _named(limit_observables(eta), "limit_observables")
        if set(lifted) != set(names):
            raise ValueError(f"limit_observables must have the names {names}, got {tuple(lifted)}")
        return (
            chain_ways(
                lambda x, xi: step(x, xi, eta),
                [observables[name] for name in names],
                start,
                steps,
                noise,
                domain=domain,
                tolerance=tolerance,
            ),
            sde_ways(
                lambda x: drift(x, eta),
                lambda x: diffusion(x, eta),
                [lifted[name] for name in names],
                start if limit_start is None else limit_start(eta),
                time,
                domain=limit_domain,
                tolerance=tolerance,
                prefix="limit_",
            ),
        )

    # What is asked is checked at all learning rates before anything is computed at the first.
    rows = [tuple(ways.expectation for ways in both) for both in [sides(eta) for eta in learning_rates]]
    return TransitionStudy(
        learning_rates=rates,
        observables=names,
        discrete=np.stack([chain.values for chain, _ in rows]),
        continuous=np.stack([limit.values for _, limit in rows]),
        residuals=np.stack([chain.residuals + limit.residuals for chain, limit in rows]),
        converged=np.array([chain.converged and limit.converged for chain, limit in rows]),
    )


def _named(observables, name):
    """A mapping from names to functions, itself."""
    if not isinstance(observables, Mapping) or not all(callable(function) for function in observables.values()):
        raise TypeError(
            f"`{name}` must map names to functions of x, such as {{'second': np.square}}, got {observables!r}."
        )
    if not observables:
        raise ValueError(f"`{name}` is empty: pass at least one name with its function of x.")
    return observables


def _checked_rates(learning_rates):
    """Learning rates as an array, at least one, in any order."""
    rates = np.asarray(learning_rates)
    if rates.dtype.kind not in "iuf" or rates.ndim != 1:
        raise TypeError(f"`learning_rates` must be a sequence of numbers, got {learning_rates!r}.")
    if not (len(rates) and np.all(np.isfinite(rates)) and np.all(rates > 0)):
        raise ValueError(f"`learning_rates` must be at least one positive and finite number, got {learning_rates!r}.")
    return rates.astype(float)


def _whole_steps(time, duration, eta):
    duration = positive_number(duration, "step_time(learning_rate)")
    steps = round(time / duration)
    if steps < 1 or abs(steps * duration - time) > 1e-9 * time:
        raise ValueError(
            f"time {time:g} is {time / duration:.6g} steps of {duration:g} at learning rate {eta:g}: "
            "it must be a whole number of steps, on the clock of both sides"
        )
    return steps
