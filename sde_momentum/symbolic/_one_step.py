r"""The one-step Markov operator of an update rule under a regime, acting on graphs.

$P f(z) = \mathbb{E} f(Z(z, \xi))$. Slow variables move by a displacement of positive order, so functions of them are
expanded in Taylor series; eliminated (fast) variables enter polynomially and are replaced by their next value, exactly.
"""

from collections.abc import Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import NamedTuple

import sympy as sp

from ._algebra import Algebra, Coefficient, Combination, accumulate
from ._cumulants import noise_node, set_partitions, split_noise
from ._expansion import Monomial, monomials
from ._graph import FREE, Graph, Node, canonical, next_label, relabel, shift
from ._operator import Operator
from ._regime import Regime, power_of_learning_rate
from ._symbols import GRADIENT, LEARNING_RATE, variable

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
        self._gradient_exponent = Fraction(0)
        self.offset = self.fragments(gradient_offset)
        if any(fragment.exponent <= 0 for fragment in self.offset):
            raise ValueError("the point of the gradient does not approach x as the learning rate vanishes.")
        # Where the noise is large, g = η^e ĝ with ĝ = O(1): expansions in η are then expansions at fixed ĝ.
        self._gradient_exponent = min(regime.noise_exponent or Fraction(0), Fraction(0))
        gradient = [f._replace(exponent=f.exponent - self._gradient_exponent) for f in self._gradient()]
        self.displacement = {v: self.fragments(e, {GRADIENT: gradient}) for v, e in displacement.items()}
        self.replacement = {v: self.fragments(e, {GRADIENT: gradient}) for v, e in replacement.items()}
        for name, fragments in self.displacement.items():
            lowest = min((fragment.exponent for fragment in fragments), default=Fraction(1))
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
        power = sp.Rational(self._gradient_exponent.numerator, self._gradient_exponent.denominator)
        scaled = sp.sympify(expression).subs(GRADIENT, LEARNING_RATE**power * GRADIENT)
        result: list[Fragment] = []
        for monomial in monomials(scaled, self._symbols, self.cutoff):
            result.extend(self._product(monomial, vectors))
        return _collect(self.algebra, [f for f in result if f.exponent < self.cutoff])

    def _product(self, monomial: Monomial, vectors: Mapping[sp.Symbol, list[Fragment]]) -> list[Fragment]:
        nodes: Graph = ()
        if monomial.function != 1:
            arguments = dict(zip(self.algebra.variables, self._symbols, strict=True))
            if monomial.function.has(GRADIENT):
                raise ValueError(f"the update is not polynomial in the gradient: {monomial.function}.")
            nodes = (self.algebra.elementwise(monomial.function, arguments).node(OUT),)
        product = [Fragment(monomial.exponent, self.algebra.coefficient(monomial.coefficient), nodes)]
        for symbol, power in monomial.powers:
            factor = vectors.get(symbol) or [
                Fragment(Fraction(0), self.algebra.field.one, (self.algebra.state(str(symbol)).node(OUT),))
            ]
            for _ in range(power):
                product = [_multiply(left, right) for left in product for right in factor]
        return product

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

    def apply(self, operator: Operator) -> Operator:
        """P A: the one-step average of the function A f, for every f."""
        total: dict[Fraction, Combination] = {}
        for exponent, graph, coefficient in operator:
            for step, combination in self.on_graph(graph, self.cutoff - exponent).items():
                target = total.setdefault(exponent + step, {})
                for found, factor in combination.items():
                    accumulate(target, found, coefficient * factor)
        return Operator(self.algebra, total, min(operator.cutoff, self.cutoff))

    def on_graph(self, graph: Graph, cutoff: Fraction) -> dict[Fraction, Combination]:
        """P acting on one graph, as exponent → combination, below `cutoff`."""
        key = (graph, cutoff)
        if key not in self._cache:
            self._cache[key] = self._average(graph, cutoff)
        return self._cache[key]

    def _average(self, graph: Graph, cutoff: Fraction) -> dict[Fraction, Combination]:
        result: dict[Fraction, Combination] = {}
        slow = tuple(node for node in graph if node.field not in self.replacement)
        for start, weight, fast in self._replaced(graph):
            for exponent, coefficient, prefix, slots in self.displacements(self.displacement, start):
                if exponent >= cutoff:
                    continue
                offset = next_label((*graph, *fast))
                moved_slots = [(v, label + offset) for v, label in slots]
                before = (*fast, *shift(prefix, offset))
                for factor, nodes in self.algebra.apply_derivatives(before, slow, moved_slots):
                    self._expect(result, exponent, weight * coefficient * factor, nodes, cutoff)
        return {e: c for e, c in result.items() if c}

    def _replaced(self, graph: Graph) -> list[tuple[Fraction, Coefficient, Graph]]:
        """The product of the next values of the eliminated variables in `graph`, as (exponent, coefficient, nodes)."""
        products = [(Fraction(0), self.algebra.field.one, ())]
        for node in graph:
            if node.field not in self.replacement:
                continue
            label = node.slots[0][0]
            extended = []
            for exponent, coefficient, nodes in products:
                offset = next_label((*graph, *nodes))
                for fragment in self.replacement[node.field]:
                    if exponent + fragment.exponent < self.cutoff:
                        fresh = relabel(shift(fragment.nodes, offset), {OUT: label})
                        extended.append(
                            (exponent + fragment.exponent, coefficient * fragment.coefficient, (*nodes, *fresh))
                        )
            products = extended
        return products

    def _expect(self, result, exponent: Fraction, coefficient, nodes: Graph, cutoff: Fraction) -> None:
        """Average over ξ, with the cumulants taken at the point of the gradient, and add to `result`."""
        noise, rest = split_noise(nodes)
        for partition in set_partitions(tuple(noise)):
            power, weight, factors = exponent, coefficient, rest
            at_point = []
            for block in partition:
                constant, extra = self._cumulant_scale(len(block))
                power, weight = power + extra, weight * constant
                at_point.append(self.algebra.cumulant(len(block)).node(base=block))
            for more, factor, full in self._at_gradient_point(power, factors, tuple(at_point), cutoff):
                accumulate(result.setdefault(more, {}), canonical(full), weight * factor)

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
