r"""The one-step Markov operator of an update rule under a regime, acting on graphs.

$P f(z) = \mathbb{E} f(Z(z, \xi))$. Slow variables move by a displacement of positive order, so functions of them are
expanded in Taylor series; eliminated (fast) variables enter polynomially and are replaced by their next value, exactly.
"""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from functools import cached_property
from types import MappingProxyType
from typing import NamedTuple

import sympy as sp

from sde_momentum.symbolic.graphs._algebra import Algebra, Coefficient, Combination, accumulate
from sde_momentum.symbolic.graphs._canonical import canonical
from sde_momentum.symbolic.graphs._graph import FREE, Graph, Node, next_label, relabel, shift
from sde_momentum.symbolic.graphs._operator import Operator
from sde_momentum.symbolic.noise._cumulants import noise_node, set_partitions, split_noise
from sde_momentum.symbolic.noise._noise_average import law_for, quiet_functions, split_function
from sde_momentum.symbolic.rules._gradient_functions import GRADIENT_SQUARE, with_squares
from sde_momentum.symbolic.rules._noise_law import GENERAL
from sde_momentum.symbolic.rules._regime import Regime, power_of_learning_rate
from sde_momentum.symbolic.step._expansion import Monomial, monomials
from sde_momentum.symbolic.step._jumps import expanded_functions, has_jumps, held, released
from sde_momentum.symbolic.step._schedules import step_later
from sde_momentum.symbolic.symbols._symbols import GRADIENT, LEARNING_RATE, variable

OUT = FREE[0]  # the free label of a vector fragment


class Fragment(NamedTuple):
    """One term of a vector: coefficient · η^exponent · nodes, with the free label −1."""

    exponent: Fraction
    coefficient: Coefficient
    nodes: Graph


class OneStep:
    """The operator P for given expressions of the next state.

    Args:
        algebra: fields and coefficients.
        displacement: slow variable → v' − v, a sympy expression of one component.
        replacement: eliminated variable → v'.
        gradient_offset: point of the gradient minus x.
        regime: gives σ and the cumulants' scaling.
        cutoff: exponents at and above which nothing is kept.
    """

    def __init__(
        self,
        algebra: Algebra,
        displacement: Mapping[str, sp.Expr],
        replacement: Mapping[str, sp.Expr],
        gradient_offset: sp.Expr,
        regime: Regime,
        cutoff: Fraction,
    ):
        self.algebra, self.regime, self.cutoff = algebra, regime, cutoff
        self._symbols = tuple(variable(v) for v in algebra.variables)
        self._cache: dict[tuple[Graph, Fraction], dict[Fraction, Combination]] = {}
        self._expansions: dict[sp.Expr, list[Monomial]] = {}
        # Where the noise is large, g = η^e ĝ with ĝ = O(1): expansions in η are then expansions at fixed ĝ.
        self._gradient_exponent = min(regime.noise_exponent or Fraction(0), Fraction(0))
        expanded = [m for e in (*displacement.values(), *replacement.values()) for m in self._expanded(e)]
        self._law = law_for([m.function * sp.Mul(*(s**p for s, p in m.powers)) for m in expanded], regime, cutoff)
        self.offset = self.fragments(gradient_offset)
        if any(fragment.exponent <= 0 for fragment in self.offset):
            point = sp.Symbol(algebra.variables[0]) + gradient_offset
            raise ValueError(
                f"the gradient is read at {point}, which does not approach {algebra.variables[0]} as the learning rate "
                "vanishes; write the rule with the point of its gradient as the first variable."
            )
        gradient = [f._replace(exponent=f.exponent - self._gradient_exponent) for f in self._gradient()]
        self.displacement = {v: self.fragments(e, {GRADIENT: gradient}) for v, e in displacement.items()}
        self.replacement = {v: self.fragments(e, {GRADIENT: gradient}) for v, e in replacement.items()}
        self._lowest_replacement = {
            name: min((f.exponent for f in fragments if f.exponent < 0), default=Fraction(0))
            for name, fragments in self.replacement.items()
        }
        for name, fragments in self.displacement.items():
            lowest = min((fragment.exponent for fragment in fragments), default=Fraction(1))
            if displacement[name] == 1:
                raise ValueError(
                    f"`{name}` counts steps: regime `{regime.name}` must say how many, as by "
                    f"`state_scales={{'{name}': 1 / learning_rate}}` with `scalings` of the rates that go with it."
                )
            if lowest <= 0:
                raise ValueError(
                    f"variable `{name}` changes by O(η^{lowest}) in one step under regime `{regime.name}`: it must be "
                    "eliminated (declare it in `fast`), rescaled (`state_scales`), or the hyperparameters scaled."
                )

    # --- vectors as fragments ----------------------------------------------------------------------------------------

    def _gradient(self) -> list[Fragment]:
        """∇L(x + offset) + σ ξ as fragments."""
        point = [Fragment(Fraction(0), self.algebra.field.one, (self.algebra.loss.node(derivative=(OUT,)),))]
        found = self._displaced(point, self.offset)
        if self.regime.noise_exponent is not None:
            constant, exponent = power_of_learning_rate(self.regime.noise_scale, "noise_scale")
            found.append(Fragment(exponent, self.algebra.coefficient(constant), (noise_node(OUT),)))
        return found

    def fragments(
        self, expression: sp.Expr, vectors: Mapping[sp.Symbol, list[Fragment]] = MappingProxyType({})
    ) -> list[Fragment]:
        """Turn a componentwise expression into fragments; `vectors` gives a meaning to symbols besides the state."""
        result: list[Fragment] = []
        for monomial in self._expanded(expression):
            result.extend(self._product(monomial, vectors))
        return _collect(self.algebra, [f for f in result if f.exponent < self.cutoff])

    def _expanded(self, expression: sp.Expr) -> list[Monomial]:
        """Monomials of an expression in the scaled gradient."""
        if expression not in self._expansions:
            power = sp.Rational(self._gradient_exponent.numerator, self._gradient_exponent.denominator)
            scale = LEARNING_RATE**power
            scaled = with_squares(sp.sympify(expression)).subs(
                {GRADIENT: scale * GRADIENT, GRADIENT_SQUARE: scale**2 * GRADIENT_SQUARE}, simultaneous=True
            )
            scaled = expanded_functions(scaled, self.cutoff)
            jumps = held(scaled)
            variables = (*self._symbols, GRADIENT_SQUARE, *jumps.values())
            found = monomials(scaled.xreplace(jumps), variables, self.cutoff)
            self._expansions[expression] = [released(monomial, jumps) for monomial in found]
        return self._expansions[expression]

    def _product(self, monomial: Monomial, vectors: Mapping[sp.Symbol, list[Fragment]]) -> list[Fragment]:
        nodes: Graph = ()
        powers = dict(monomial.powers)
        outer, inner = split_function(monomial.function * GRADIENT_SQUARE ** powers.pop(GRADIENT_SQUARE, 0))
        if outer != 1 and not has_jumps(outer):
            arguments = dict(zip(self.algebra.variables, self._symbols, strict=True))
            nodes = (self.algebra.elementwise(outer, arguments).node(OUT),)
        product = [Fragment(monomial.exponent, self.algebra.coefficient(monomial.coefficient), nodes)]
        if has_jumps(outer):
            terms = [Fragment(Fraction(0), self.algebra.coefficient(c), n) for c, n in quiet_functions(outer, OUT)]
            product = [_multiply(left, right) for left in product for right in terms]
        if self._law is not None and (inner != 1 or GRADIENT in powers):
            random = self._law.nodes(inner, powers.pop(GRADIENT, 0), OUT)
            product = [_multiply(left, Fragment(Fraction(0), self.algebra.field.one, random)) for left in product]
        elif inner != 1:
            product = [_multiply(left, right) for left in product for right in self._quiet(inner)]
        for symbol, power in powers.items():
            factor = vectors.get(symbol) or [
                Fragment(Fraction(0), self.algebra.field.one, (self.algebra.state(str(symbol)).node(OUT),))
            ]
            for _ in range(power):
                product = [_multiply(left, right) for left in product for right in factor]
        return product

    def _quiet(self, function: sp.Expr) -> list[Fragment]:
        """A function of the gradient where there is no noise: one of ∇L at the point of the gradient."""
        terms = [Fragment(Fraction(0), self.algebra.coefficient(c), n) for c, n in quiet_functions(function, OUT)]
        return self._displaced(terms, self.offset)

    def _displaced(self, terms: list[Fragment], offset: list[Fragment]) -> list[Fragment]:
        """Evaluate fields of x at x + offset by Taylor's formula."""
        result = []
        for term in terms:
            for exponent, coefficient, prefix, slots in self.displacements(
                {self.algebra.variables[0]: offset}, term.exponent
            ):
                moved = shift(term.nodes, next_label(prefix))
                for factor, nodes in self.algebra.apply_derivatives(prefix, moved, slots):
                    result.append(Fragment(exponent, term.coefficient * coefficient * factor, nodes))
        return result

    def displacements(self, vectors: Mapping[str, list[Fragment]], start: Fraction):
        """Yield exponent, coefficient, nodes and derivative slots of every term of exp(Δ·∂) below the cutoff."""
        choices = [(v, fragment) for v in vectors for fragment in vectors[v]]

        def extend(first: int, exponent: Fraction, coefficient, prefix: Graph, slots, repeats: int):
            yield exponent, coefficient, prefix, slots
            for position in range(first, len(choices)):
                name, fragment = choices[position]
                total = exponent + fragment.exponent
                if total >= self.cutoff:
                    continue
                # Multinomial weight: the r-th repetition of one fragment brings a factor 1/r.
                again = repeats + 1 if position == first and slots else 1
                # A constant displacement, such as that of time, has no node: its label stands in the slots alone.
                label = max(next_label(prefix), 1 + max((used for _, used in slots), default=-1))
                nodes = relabel(shift(fragment.nodes, label + 1), {OUT: label})
                weight = coefficient * fragment.coefficient / again
                yield from extend(position, total, weight, (*prefix, *nodes), [*slots, (name, label)], again)

        yield from extend(0, start, self.algebra.field.one, (), [], 0)

    # --- the operator ------------------------------------------------------------------------------------------------

    def apply(self, operator: Operator, cutoff: Fraction | None = None) -> Operator:
        """P A: the one-step average of the function A f, for every f, below `cutoff`."""
        cutoff = self.cutoff if cutoff is None else min(cutoff, self.cutoff)
        total: dict[Fraction, Combination] = {}
        for start, graph, constant in operator:
            for delay, coefficient in self._later(constant, cutoff - start):
                exponent = start + delay
                for step, combination in self.on_graph(graph, cutoff - exponent).items():
                    target = total.setdefault(exponent + step, {})
                    for found, factor in combination.items():
                        accumulate(target, found, coefficient * factor)
        return Operator(self.algebra, total, min(operator.cutoff, cutoff))

    def _later(self, coefficient: Coefficient, cutoff: Fraction) -> Iterable[tuple[Fraction, Coefficient]]:
        """The coefficient at the next step's time, as (exponent, coefficient)."""
        if not self.algebra.field.rates:
            return ((Fraction(0), coefficient),)
        constant, exponent = power_of_learning_rate(self.regime.clock, "clock")
        return step_later(coefficient, (self.algebra.coefficient(constant), exponent), cutoff)

    def on_graph(self, graph: Graph, cutoff: Fraction) -> dict[Fraction, Combination]:
        """P acting on one graph, as exponent → combination, below `cutoff`."""
        key = (graph, cutoff)
        if key not in self._cache:
            self._cache[key] = self._average(graph, cutoff)
        return self._cache[key]

    def _average(self, graph: Graph, cutoff: Fraction) -> dict[Fraction, Combination]:
        result: dict[Fraction, Combination] = {}
        slow = tuple(node for node in graph if node.field not in self.replacement)
        for start, weight, fast in self._replaced(graph, cutoff):
            offset = next_label((*graph, *fast))
            for further, coefficient, prefix, slots in self._moves:
                exponent = start + further
                if exponent >= cutoff:
                    break
                moved_slots = [(v, label + offset) for v, label in slots]
                before = (*fast, *shift(prefix, offset))
                for factor, nodes in self.algebra.apply_derivatives(before, slow, moved_slots):
                    self._expect(result, exponent, weight * coefficient * factor, nodes, cutoff)
        return {e: c for e, c in result.items() if c}

    @cached_property
    def _moves(self) -> list[tuple]:
        """The terms of exp(Δ·∂) for the slow variables, by rising powers of η."""
        return sorted(self.displacements(self.displacement, Fraction(0)), key=lambda term: term[0])

    def _replaced(self, graph: Graph, cutoff: Fraction) -> list[tuple[Fraction, Coefficient, Graph]]:
        """The product of the next values of the eliminated variables in `graph`, as (exponent, coefficient, nodes)."""
        products = [(Fraction(0), self.algebra.field.one, ())]
        eliminated = [node for node in graph if node.field in self.replacement]
        # What the factors to come may take away again, where a variable follows one that is larger than itself.
        slack = sum((self._lowest_replacement[node.field] for node in eliminated), Fraction(0))
        for node in eliminated:
            slack -= self._lowest_replacement[node.field]
            label = node.slots[0][0]
            extended = []
            for exponent, coefficient, nodes in products:
                offset = next_label((*graph, *nodes))
                for fragment in self.replacement[node.field]:
                    if exponent + fragment.exponent + slack < cutoff:
                        fresh = relabel(shift(fragment.nodes, offset), {OUT: label})
                        extended.append(
                            (exponent + fragment.exponent, coefficient * fragment.coefficient, (*nodes, *fresh))
                        )
            products = extended
        return products

    def _expect(self, result, exponent: Fraction, coefficient, nodes: Graph, cutoff: Fraction) -> None:
        """Average over ξ, with the cumulants taken at the point of the gradient, and add to `result`."""
        averages = self._by_cumulants(nodes) if self._law is None else self._by_law(nodes, cutoff - exponent)
        for power, weight, factors, at_point in averages:
            for more, factor, full in self._at_gradient_point(exponent + power, factors, at_point, cutoff):
                accumulate(result.setdefault(more, {}), canonical(full), coefficient * weight * factor)

    def _by_law(self, nodes: Graph, cutoff: Fraction):
        """The average of functions of the gradient over the law that the regime gives the noise."""
        assert self._law is not None
        for power, weight, factors, at_point in self._law.averages(nodes, cutoff):
            yield power, self.algebra.coefficient(weight), factors, at_point

    def _by_cumulants(self, nodes: Graph):
        """The average of a polynomial in ξ: a product of cumulants for every partition of its factors."""
        noise, rest = split_noise(nodes)
        for partition in set_partitions(tuple(noise)):
            if self.regime.noise_law != GENERAL and any(len(block) > 2 for block in partition):
                continue  # Gaussian
            power, weight = Fraction(0), self.algebra.field.one
            at_point = []
            for block in partition:
                constant, extra = self._cumulant_scale(len(block))
                power, weight = power + extra, weight * constant
                at_point.append(self.algebra.cumulant(len(block)).node(base=block))
            yield power, weight, rest, tuple(at_point)

    def _cumulant_scale(self, order: int) -> tuple[Coefficient, Fraction]:
        constant, exponent = power_of_learning_rate(self.regime.cumulant_scales.get(order, sp.S.One), "cumulant_scales")
        return self.algebra.coefficient(constant), exponent

    def _at_gradient_point(self, exponent: Fraction, rest: Graph, cumulants: tuple[Node, ...], cutoff: Fraction):
        if exponent >= cutoff:
            return
        if not self.offset or not cumulants:
            yield exponent, self.algebra.field.one, (*rest, *cumulants)
            return
        base = next_label((*rest, *cumulants))
        for total, coefficient, prefix, slots in self.displacements({self.algebra.variables[0]: self.offset}, exponent):
            if total >= cutoff:
                continue
            moved = shift(prefix, base)
            moved_slots = [(v, label + base) for v, label in slots]
            for factor, nodes in self.algebra.apply_derivatives((*rest, *moved), cumulants, moved_slots):
                yield total, coefficient * factor, nodes


def _multiply(left: Fragment, right: Fragment) -> Fragment:
    nodes = (*left.nodes, *shift(right.nodes, next_label(left.nodes)))
    return Fragment(left.exponent + right.exponent, left.coefficient * right.coefficient, nodes)


def _collect(algebra: Algebra, fragments: list[Fragment]) -> list[Fragment]:
    """Merge equal fragments and drop zeros, in a fixed order."""
    total: dict[Fraction, Combination] = {}
    for exponent, coefficient, nodes in fragments:
        accumulate(total.setdefault(exponent, {}), canonical(nodes), coefficient)
    return [Fragment(e, c[g], g) for e, c in sorted(total.items()) for g in sorted(c)]
