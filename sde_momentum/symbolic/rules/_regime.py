"""Regimes: how noise, time and hyperparameters scale with the learning rate."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from types import MappingProxyType

import sympy as sp

from sde_momentum.symbolic.rules._noise_law import GENERAL, check_noise_law
from sde_momentum.symbolic.symbols._doors import text
from sde_momentum.symbolic.symbols._expression_reading import read_expression
from sde_momentum.symbolic.symbols._symbols import LEARNING_RATE, RELAXATION_RATE, hyperparameter


@dataclass(frozen=True)
class Regime:
    r"""The scaling under which a limit is taken, η → 0.

    "Order p" has no meaning without it: different scalings give different equations.

    Args:
        name: what printouts call it.
        noise_scale: σ in g = ∇L + σ ξ, a power of `learning_rate` times a constant; like every expression here a sympy
            expression, a number, or text such as `"learning_rate**(-1/4)"`.
        clock: time per step; t = k · clock.
        scalings: hyperparameter → its expression in `learning_rate` and new constants; others stay fixed.
        state_scales: state variable v → s(η) where v = s v̂ and v̂ is the variable that the limit describes. Eliminated
            variables need none.
        cumulant_scales: order j ≥ 3 → s(η), the j-th cumulant of ξ being s κ_j.
        small_parameter: what an order counts in, a power of η; the clock unless said. Order p drops the generator's
            terms of size small_parameter^p and beyond.
        noise_law: `"general"` where cumulants are all that is known of ξ; `"independent Gaussian components"` (Σ
            diagonal) or `"isotropic Gaussian"` (Σ = s² I) for updates that are not polynomial in the gradient.
        schedules: what is a function of the time t: `learning_rate`, which becomes η φ(t), or a hyperparameter or new
            constant itself, as β(t). Limits have time-dependent coefficients, with derivatives φ′, β′ from order 2 on.

    Raises:
        ValueError: the noise scale or the clock is not a power of the learning rate times a constant, or the clock does
            not vanish with it.

    Example:
        >>> print(Regime.noise_dominated())
        noise-dominated: σ = η^(-1/2), t = k·η, κ₃ = O(√η)

    References:
        Scalings of the SGD family: Li, Tai, E (2019), section 3; Wang et al. (2024), section 3.
    """

    name: str = "custom"
    noise_scale: sp.Expr = sp.S.One
    clock: sp.Expr = LEARNING_RATE
    scalings: Mapping[str, sp.Expr] = field(default_factory=dict)
    state_scales: Mapping[str, sp.Expr] = field(default_factory=dict)
    cumulant_scales: Mapping[int, sp.Expr] = field(default_factory=dict)
    small_parameter: sp.Expr | None = None
    noise_law: str = GENERAL
    schedules: tuple[str, ...] = ()

    def __post_init__(self):
        if self.small_parameter is None:
            object.__setattr__(self, "small_parameter", self.clock)
        for name in ("noise_scale", "clock", "small_parameter"):
            object.__setattr__(self, name, by_name(getattr(self, name), f"regime `{self.name}`: `{name}`"))
        for name in ("scalings", "state_scales", "cumulant_scales"):
            if not isinstance(getattr(self, name), Mapping):
                raise TypeError(f"regime `{self.name}`: `{name}` must be a dictionary, got {getattr(self, name)!r}.")
            what = f"regime `{self.name}`: `{name}`"
            values = {key: by_name(value, f"{what}[{key!r}]") for key, value in getattr(self, name).items()}
            object.__setattr__(self, name, MappingProxyType(values))
        if self.clock_exponent <= 0:
            raise ValueError(
                f"regime `{self.name}`: the time per step, {self.clock}, does not vanish with learning_rate."
            )
        if self.grade <= 0:
            raise ValueError(f"regime `{self.name}`: {self.small_parameter} does not vanish with learning_rate.")
        _ = self.noise_exponent
        check_noise_law(self.noise_law, self.name)
        if isinstance(self.schedules, str):
            raise TypeError(
                f"regime `{self.name}`: `schedules` must be a tuple of names, got {self.schedules!r}: write "
                f"({self.schedules!r},)."
            )
        object.__setattr__(self, "schedules", tuple(self.schedules))
        for name in ("noise_scale", "clock", "small_parameter"):
            moving = [s for s in self.schedules if s in map(str, getattr(self, name).free_symbols - {LEARNING_RATE})]
            if moving:
                raise ValueError(
                    f"regime `{self.name}`: {name} depends on the scheduled `{moving[0]}`; state it in constants, such "
                    "as the schedule's value at the start."
                )
        self._check_scalings()
        for order, scale in self.cumulant_scales.items():
            if power_of_learning_rate(scale, f"cumulant_scales[{order}]")[1] < 0:
                raise ValueError(
                    f"regime `{self.name}`: cumulant {order} of ξ grows like {scale}; put the growth into "
                    "`noise_scale`, of which every cumulant takes its share."
                )

    def _check_scalings(self) -> None:
        if "learning_rate" in self.scalings:
            raise ValueError(f"regime `{self.name}`: `learning_rate` is what tends to zero; scale the others by it.")
        for name, value in self.scalings.items():
            limit = sp.limit(value, LEARNING_RATE, 0, "+")
            if (name == "momentum" or name.startswith(("beta", "decay"))) and (
                not limit.is_finite or limit.is_negative or (limit - 1).is_positive
            ):
                raise ValueError(
                    f"regime `{self.name}`: `{name}` = {value} tends to {limit} as the learning rate vanishes, but the "
                    "rate of an average must stay between 0 and 1."
                )
            if any(logarithm.has(LEARNING_RATE) for logarithm in value.atoms(sp.log)):
                raise ValueError(
                    f"regime `{self.name}`: `{name}` = {value} has no expansion in powers of learning_rate; scale by a "
                    "power."
                )
            if name == "momentum" and sp.limit((value - 1) / LEARNING_RATE, LEARNING_RATE, 0, "+").is_positive:
                raise ValueError(f"regime `{self.name}`: `{name}` = {value} exceeds 1, so the average never forgets.")
            if name in self.schedules:
                raise ValueError(
                    f"regime `{self.name}`: `{name}` is scaled, {name} = {value}, so its schedule is that of the "
                    f"constants in it: schedule {', '.join(sorted(map(str, value.free_symbols - {LEARNING_RATE})))}."
                )

    def __hash__(self) -> int:
        return hash((self.name, self.noise_scale, self.clock, tuple(self.scalings.items()), self.schedules))

    def scheduled(self, *names: str) -> "Regime":
        r"""Return the regime with some of its numbers as functions of the time t.

        Args:
            *names: `learning_rate` for $\eta\,\varphi(t)$, others for themselves as functions; the learning rate when
                none is named.

        Example:
            >>> from sde_momentum.optimizers import sgd
            >>> from sde_momentum.symbolic import modified_equation
            >>> print(modified_equation(sgd(), Regime.small_noise().scheduled(), order=2).drift["x"])
            -∇((φ - 1/2·φ′·η)·L + 1/4·η·φ²·|∇L|²)

        References:
            Li, Tai, E (2019), section 4, where the learning rate is η u_t.
        """
        return replace(self, schedules=names or ("learning_rate",))

    @classmethod
    def small_noise(cls) -> "Regime":
        """σ = 1, t = kη: the noise of the limit is of size √η (Li, Tai, E 2019)."""
        return cls("small-noise")

    @classmethod
    def noiseless(cls) -> "Regime":
        """No noise, σ = 0, t = kη: limits are ordinary differential equations."""
        return cls("noiseless", sp.S.Zero)

    @classmethod
    def noise_dominated(cls, momentum_index: int | Fraction | sp.Rational = 0) -> "Regime":
        r"""σ = η^{−1/2}, t = kη: noise and drift of the limit are of the same size.

        Skewness is taken to be O(1/σ), without which order 1 fails.

        Args:
            momentum_index: α in 1 − β = λ η^α; 0 keeps β fixed.

        Raises:
            ValueError: `momentum_index` is not in [0, 1]: above one the clock is not kη, and `find_clock` finds it.
        """
        index = sp.Rational(str(momentum_index))
        if index > 1:
            raise ValueError(
                f"at `momentum_index` {momentum_index} > 1 the momentum outlasts the clock kη, on which nothing moves; "
                '`find_clock(rule, {"momentum": 1 - RELAXATION_RATE * LEARNING_RATE**index}, noise_scale=…)` finds '
                "the clock of the rule, as `optimizers.momentum_regime(rule, index)` does."
            )
        if index < 0:
            raise ValueError(f"`momentum_index` must be ≥ 0 (1 − β = λ η^α must not grow), got {momentum_index}.")
        scalings = {"momentum": 1 - RELAXATION_RATE * LEARNING_RATE**index} if index > 0 else {}
        name = "noise-dominated" if index == 0 else f"noise-dominated, momentum index {index}"
        half = sp.Rational(1, 2)
        # Between 0 and 1 the momentum relaxes over η^α in units of t, and corrections come in powers of η^(1−α).
        small = LEARNING_RATE ** (1 - index) if 0 < index < 1 else LEARNING_RATE
        return cls(
            name,
            LEARNING_RATE**-half,
            scalings=scalings,
            cumulant_scales={3: LEARNING_RATE**half},
            small_parameter=small,
        )

    @classmethod
    def long_horizon(cls, momentum_index: int | Fraction | sp.Rational = 0) -> "Regime":
        r"""σ = 1, t = kη²: the motion along the minimizers, which takes O(1/η²) steps.

        Args:
            momentum_index: α in 1 − β = λ η^α; 0 keeps β fixed.

        Raises:
            ValueError: `momentum_index` is not in [0, 2), where the momentum forgets before the iterate has moved.
        """
        index = sp.Rational(str(momentum_index))
        if not 0 <= index < 2:
            raise ValueError(f"`momentum_index` must lie in [0, 2) on the slow clock kη², got {momentum_index}.")
        scalings = {"momentum": 1 - RELAXATION_RATE * LEARNING_RATE**index} if index > 0 else {}
        name = "long-horizon" if index == 0 else f"long-horizon, momentum index {index}"
        return cls(name, clock=LEARNING_RATE**2, scalings=scalings)

    @property
    def noise_exponent(self) -> Fraction | None:
        """The power of the learning rate in σ; None without noise."""
        return None if self.noise_scale == 0 else power_of_learning_rate(self.noise_scale, "noise_scale")[1]

    @property
    def clock_exponent(self) -> Fraction:
        """The power of the learning rate in the time per step."""
        return power_of_learning_rate(self.clock, "clock")[1]

    @property
    def grade(self) -> Fraction:
        """The power of the learning rate in the small parameter."""
        return power_of_learning_rate(self.small_parameter, "small_parameter")[1]

    def __str__(self) -> str:
        return text(self)


def by_name(value: sp.Expr | float | str, what: str) -> sp.Expr:
    """Read an expression so that a symbol means what its name says, with whatever assumptions it was made."""
    return read_expression(value, hyperparameter, what)


def power_of_learning_rate(expression: sp.Expr, what: str) -> tuple[sp.Expr, Fraction]:
    """Split c · η^e into (c, e)."""
    coefficient, power = expression.as_independent(LEARNING_RATE, as_Add=False)
    base, exponent = power.as_base_exp()
    if power == 1:
        return coefficient, Fraction(0)
    if base != LEARNING_RATE or not exponent.is_Rational:
        raise ValueError(f"`{what}` must be a constant times a rational power of learning_rate, got {expression}.")
    return coefficient, Fraction(int(exponent.p), int(exponent.q))
