"""The derivation: from an update rule and a regime to the equation it follows, or to the obstruction."""

from fractions import Fraction
from functools import lru_cache

import sympy as sp

from sde_momentum.symbolic.equation._extraction import covariance_of, drift_of, obstruction_of, order_of
from sde_momentum.symbolic.equation._factor import NoFactor, factor_of
from sde_momentum.symbolic.equation._gaussian_factor import gaussian_factor
from sde_momentum.symbolic.equation._limit import Limit, NoDiffusion
from sde_momentum.symbolic.equation._positivity import indefinite_block
from sde_momentum.symbolic.functions._elementwise_form import canonical_functions
from sde_momentum.symbolic.graphs._algebra import Algebra
from sde_momentum.symbolic.graphs._operator import Operator
from sde_momentum.symbolic.graphs._time_derivative import TIME
from sde_momentum.symbolic.rules._noise_law import GENERAL
from sde_momentum.symbolic.rules._regime import Regime, power_of_learning_rate
from sde_momentum.symbolic.rules._rule import UpdateRule, require_rule
from sde_momentum.symbolic.step._elimination import Elimination
from sde_momentum.symbolic.step._one_step import OneStep
from sde_momentum.symbolic.step._reduction import Reduced, in_rule_variables, reduce_rule
from sde_momentum.symbolic.step._schedules import at_frozen_time, chains, mark_time
from sde_momentum.symbolic.symbols._doors import has_limit
from sde_momentum.symbolic.symbols._symbols import GRADIENT, LEARNING_RATE, variable
from sde_momentum.symbolic.symbols._transcendental import GENERATORS


def modified_equation(
    rule: UpdateRule, regime: Regime | None = None, *, order: int = 1, describes: str = "x"
) -> Limit | NoDiffusion:
    r"""Derive the Itô equation that a rule follows to a given weak order, for every dimension and every loss and noise.

    The one-step operator P of the rule is expanded in graphs, fast variables are eliminated, and the modified
    generator $\mathcal L_h = h^{-1} \log P$ is read off: drift from its first derivatives, covariance from its second
    ones. A term with three or more derivatives below the order is an obstruction: no diffusion on the same state
    space, from the same start, has that order.

    Args:
        rule: the optimizer.
        regime: scaling of noise, time and hyperparameters; the rule's default when omitted.
        order: weak order p ≥ 1.
        describes: `"x"` for the law of the parameters, `"slow"` for the slow variable of an elimination.

    Returns:
        A `Limit`, or a `NoDiffusion` that shows the obstruction.

    Raises:
        ValueError: `order` is not a positive integer, or the regime does not fit the rule.
        TypeError: `rule` or `regime` is something else.

    Example:
        >>> from sde_momentum.optimizers import sgdm
        >>> limit = modified_equation(sgdm(), order=2)
        >>> print(limit.drift["x"])
        -∇(L + 1/4·η·(1 + β)/(1 - β)·|∇L|²)

    References:
        Li, Tai, E (2019), theorem 9 and corollary 10, for plain gradient descent.
    """
    require_rule(rule)
    regime = rule.default_regime() if regime is None else regime
    rule.require_suited(regime)
    if not isinstance(order, int) or order < 1:
        raise ValueError(f"`order` must be a positive integer, got {order!r}.")
    if describes not in ("x", "slow"):
        raise ValueError(f'`describes` must be "x" or "slow", got {describes!r}.')
    return _remembered(rule, regime, order, describes)


def derive(rule: UpdateRule, regime: Regime, order: int, describes: str = "x") -> Limit | NoDiffusion:
    """The work of `modified_equation`, done anew at every call."""
    # What fails early is found before the work for a higher order; at order 1 + ⅛ all terms of size η are seen.
    stages = [stage + Fraction(1, 8) for stage in range(1, order)]
    derivation = _Derivation(rule, regime, order * regime.grade)
    for below in [*(stage * regime.grade for stage in stages), derivation.below]:
        generator = derivation.generator(describes, below)
        _require_finite(rule, regime, generator)
        obstruction = _lowest_obstruction(generator)
        if obstruction:
            return NoDiffusion(rule, regime, order, obstruction, describes, "generator")
    start = derivation.start(describes)
    obstruction = _lowest_obstruction(start, allowed=1)  # a shift; what it had of a spread would be negative
    if obstruction:
        return NoDiffusion(rule, regime, order, obstruction, describes, "start")
    generator = canonical_functions(generator)
    covariance = covariance_of(generator) or _leading_covariance(rule, regime, derivation.below, describes)
    too_large = indefinite_block(covariance, derivation.below)
    if too_large:
        return NoDiffusion(rule, regime, order, too_large, describes, "covariance")
    eliminated = tuple(derivation.reduced.replacement)
    parameters = variable(rule.state[0])
    try:
        factor, gap = _root_of(covariance, tuple(v for v in rule.state if v not in eliminated), regime), ""
    except NoFactor as error:
        factor, gap = {}, str(error)
    return Limit(
        rule=rule,
        regime=regime,
        order=order,
        drift=drift_of(generator),
        covariance=covariance,
        factor=factor,
        factor_gap=gap,
        initial_shift=drift_of(canonical_functions(start)),
        eliminated=eliminated,
        describes=rule.state[0] if describes == "x" else "slow",
        slow_variable=in_rule_variables(parameters - derivation.reduced.raw_offset, rule) if eliminated else None,
        sources=rule.sources,
    )


_remembered = lru_cache(maxsize=256)(derive)


@has_limit.register
def _has_limit(rule: UpdateRule, regime: Regime) -> bool:
    try:
        return bool(modified_equation(rule, regime).exists)
    except ValueError:
        return False


def _root_of(covariance: dict, variables: tuple[str, ...], regime: Regime) -> dict:
    """The diffusion's factor, by the law of the noise where Σ alone does not give it."""
    try:
        return factor_of(covariance, variables)
    except NoFactor:
        if regime.noise_law == GENERAL:
            raise
        return gaussian_factor(covariance, regime.noise_law)


def _require_finite(rule: UpdateRule, regime: Regime, generator: Operator) -> None:
    if generator.lowest >= 0 or not generator.terms:
        return
    (graph, *_) = sorted(generator.at(generator.lowest))
    names = ", ".join(sorted({name for name, _ in generator.algebra.derivatives(graph)}))
    raise ValueError(
        f"regime `{regime.name}` does not fit rule `{rule.name}`: on the clock {regime.clock} a step, the motion of "
        f"{names} grows like learning_rate**({generator.lowest}); find_clock finds the clock that fits, or scale the "
        "noise, the hyperparameters or the state."
    )


def _lowest_obstruction(operator: Operator, allowed: int = 2) -> dict:
    """Terms with too many derivatives, functions being brought to canonical form one power of η after the other."""
    high = operator.select(lambda graph: order_of(operator.algebra, graph) > allowed)
    for exponent, combination in high.terms.items():
        found = obstruction_of(
            canonical_functions(Operator(high.algebra, {exponent: combination}, high.cutoff)), allowed
        )
        if found:
            return found
    return {}


def _leading_covariance(rule: UpdateRule, regime: Regime, below: Fraction, describes: str) -> dict:
    """The lowest second-order terms when none lies below the order: looked for up to one power of the clock higher."""
    if regime.noise_exponent is None:
        return {}
    beyond = regime.grade / 8  # mostly they come at once, and a wider look costs much more
    while not (second := _second_order(rule, regime, below + beyond, describes)) and beyond < regime.clock_exponent:
        beyond = regime.grade if beyond < regime.grade else beyond + regime.grade
    return covariance_of(Operator(second.algebra, {second.lowest: second.at(second.lowest)}, second.cutoff))


def _second_order(rule: UpdateRule, regime: Regime, below: Fraction, describes: str) -> Operator:
    generator = _Derivation(rule, regime, below).generator(describes)
    return canonical_functions(generator.select(lambda graph: order_of(generator.algebra, graph) == 2))


def leading_correction(rule: UpdateRule, regime: Regime) -> Fraction:
    """The power of η by which the generator's first correction is smaller than its leading part; at most the clock."""
    clock = regime.clock_exponent
    for part in (8, 4, 2, 1):  # a wider look costs much more
        generator = _Derivation(rule, regime, clock / part).generator("x")
        corrections = [exponent for exponent in generator.terms if exponent > 0]
        if corrections:
            return min(corrections)
    return clock


class _Derivation:
    """One rule under one regime: its one-step operator, elimination, generator and start operator below `below`."""

    def __init__(self, rule: UpdateRule, regime: Regime, below: Fraction):
        self.below, self.clock = below, power_of_learning_rate(regime.clock, "clock")
        regime = rule.noise_of_step(regime)
        cutoff = below + regime.clock_exponent  # log P is the generator times the clock
        count = int(sp.ceiling(sp.Rational(cutoff) / sp.Rational(regime.clock_exponent))) if regime.schedules else 0
        self.reduced: Reduced = reduce_rule(rule, regime)
        derivatives = chains(regime, count + 1)
        state = {variable(v) for v in rule.state} | {GRADIENT, LEARNING_RATE}
        expressions = [*self.reduced.displacement.values(), *self.reduced.replacement.values()]
        expressions += [self.reduced.gradient_offset, regime.noise_scale, regime.clock]
        expressions += list(regime.cumulant_scales.values())
        symbols = set().union(*(sp.sympify(e).free_symbols for e in expressions)) - state
        if regime.noise_law != GENERAL:
            symbols |= set(GENERATORS)
        symbols |= {symbol for chain in derivatives for symbol in chain}
        times = {TIME: regime.clock} if regime.schedules else {}
        self.algebra = Algebra((*rule.state, *times), symbols)
        mark_time(self.algebra, derivatives)
        self.cutoff = cutoff
        self.step = OneStep(
            self.algebra,
            {**self.reduced.displacement, **times},
            self.reduced.replacement,
            self.reduced.gradient_offset,
            regime,
            cutoff,
        )
        self._eliminations: dict[Fraction, Elimination] = {}

    def generator(self, describes: str, below: Fraction | None = None) -> Operator:
        """The modified generator of the described variable, below `below` if that is less than what is wanted."""
        below = self.below if below is None else min(below, self.below)
        constant, exponent = self.clock
        generator = (self._logarithm(describes, below).shifted(-exponent) * (1 / constant)).truncated(below)
        return at_frozen_time(generator)

    def _logarithm(self, describes: str, below: Fraction) -> Operator:
        """The logarithm of one step of the described variable."""
        cutoff = below + self.clock[1]
        if not self.reduced.replacement:
            return self.step.apply(Operator.identity(self.algebra, cutoff), cutoff).log()
        elimination = self._eliminated(cutoff)
        return (elimination.evolution if describes == "x" else elimination.evolution_from_start).log()

    def _eliminated(self, cutoff: Fraction) -> Elimination:
        if cutoff not in self._eliminations:
            self._eliminations[cutoff] = Elimination(self.step, self.reduced.relaxation, self.clock[1], cutoff)
        return self._eliminations[cutoff]

    def start(self, describes: str) -> Operator:
        """The logarithm of S in E φ(Z(0)) = S φ(x_0), for fast variables that start at zero."""
        if not self.reduced.replacement or describes == "slow":
            return Operator.zero(self.algebra, self.below)
        return self._eliminated(self.cutoff).inverse_start.log() * -1
