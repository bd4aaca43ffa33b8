"""A name has the value of its graph: names are read as formulas of arrays and compared with the sum over indices."""

from dataclasses import dataclass
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sde_momentum.optimizers import sgd
from sde_momentum.symbolic import Node, Regime, graph_labels, modified_equation
from sde_momentum.symbolic.graphs._canonical import canonical
from sde_momentum.symbolic.presentation._names import _Namer
from sde_momentum.symbolic.presentation._tensor_names import Unnameable, components
from sde_momentum.symbolic.presentation._text_style import TextStyle

DIMENSION = 3


class FormulaStyle(TextStyle):
    """Writes names as Python expressions in the functions of `VALUES`."""

    hessian, noise_covariance, noise_factor, identity, loss = "L2", "Sigma", "S", "np.eye(3)", "L"

    def product(self, factors):
        return factors[0] if len(factors) == 1 else f"product({', '.join(factors)})"

    def transposed(self, phrase):
        return f"Row({phrase})"

    def gradient(self, phrase, compound=False):
        return f"derivative({phrase!r}, 1)"

    def directional(self, order, field, arguments):
        return f"contract(derivative({field!r}, {order}), {rank_of(field)}, {', '.join(arguments)})"

    def laplacian(self, times):
        return "laplacian" if times == 1 else f"laplacian{times}"

    def cumulant(self, order):
        return f"kappa{order}"

    def function(self, name, argument):
        return f"{name}({argument})"

    def norm_squared(self, phrase):
        return f"inner({phrase}, {phrase})"

    def dot(self, left, right):
        return f"inner({left}, {right})"

    def hadamard(self, phrases):
        return " * ".join(f"({phrase})" for phrase in phrases)


def rank_of(field: str) -> int:
    return 2 if field in ("Sigma", "S") else 0


@dataclass
class Row:
    vector: np.ndarray


class Cumulant:
    def __init__(self, array):
        self.array = array

    def __getitem__(self, arguments):
        arguments = arguments if isinstance(arguments, tuple) else (arguments,)
        return contract(self.array, 0, *arguments)


def contract(array, skip, *arguments):
    """Contract arguments of any rank with the axes behind the first `skip` ones."""
    for argument in arguments:
        argument = argument.array if isinstance(argument, Cumulant) else argument
        axes = list(range(skip, skip + argument.ndim))
        array = np.tensordot(array, argument, (axes, list(range(argument.ndim))))
    return array


def product(*factors):
    value = factors[0]
    for factor in factors[1:]:
        value = np.multiply.outer(value, factor.vector) if isinstance(factor, Row) else value @ factor
    return value


def symmetric(array, axes):
    """Sum over all orders of the given axes."""
    total = np.zeros_like(array)
    for order in permutations(axes):
        full = list(range(array.ndim))
        for axis, source in zip(axes, order, strict=True):
            full[axis] = source
        total += array.transpose(full)
    return total


RANDOM = np.random.default_rng(7)


def random(*shape):
    return RANDOM.integers(-3, 4, shape).astype(float)


LOSS = [symmetric(random(*[DIMENSION] * k), range(k)) for k in range(6)]
SIGMA = [symmetric(symmetric(random(*[DIMENSION] * (2 + k)), (0, 1)), range(2, 2 + k)) for k in range(3)]
FACTOR = [symmetric(random(*[DIMENSION] * (2 + k)), range(2, 2 + k)) for k in range(2)]
KAPPA3 = symmetric(random(3, 3, 3), range(3))
M = random(DIMENSION)


def derivative(field, order):
    """The derivatives of a scalar or tensor field."""
    arrays = {
        "L": LOSS,
        "laplacian": [np.trace(array, axis1=0, axis2=1) for array in LOSS[2:]],
        "tr(Sigma)": [np.trace(array, axis1=0, axis2=1) for array in SIGMA],
        "Sigma": SIGMA,
        "S": FACTOR,
    }
    return arrays[field][order]


VALUES = {
    "np": np,
    "Row": Row,
    "contract": contract,
    "derivative": derivative,
    "product": product,
    "inner": lambda left, right: left @ right,
    "tr": np.trace,
    "diag": lambda value: np.diag(value),
    "div": lambda field: np.trace(SIGMA[1], axis1=1, axis2=2),
    "L": LOSS[0],
    "L2": LOSS[2],
    "laplacian": np.trace(LOSS[2]),
    "laplacian2": np.einsum("iijj", LOSS[4]),
    "Sigma": SIGMA[0],
    "S": FACTOR[0],
    "kappa3": Cumulant(KAPPA3),
    "m": M,
}


def summed(graph, frees):
    """The graph's components by the definition: sum over every index that is not free."""
    letters = {label: chr(ord("a") + rank) for rank, label in enumerate(sorted(set(graph_labels(graph))))}
    operands, subscripts = [], []
    for node in graph:
        order = len(node.slots[-1])
        arrays = {"L": LOSS, "Sigma": SIGMA, "S": FACTOR}
        array = arrays[node.field][order] if node.field in arrays else {"kappa3": KAPPA3, "m": M}[node.field]
        operands.append(array)
        subscripts.append("".join(letters[label] for group in node.slots for label in group))
    return np.einsum(",".join(subscripts) + "->" + "".join(letters[free] for free in frees), *operands)


def named(graph, frees):
    """The value of the graph's name."""
    factors = _Namer(FormulaStyle()).factors(graph, frees)
    value = 1.0
    for factor in factors:
        value = value * eval(factor, dict(VALUES))
    return value


def free_labels(graph):
    return tuple(sorted({label for label in graph_labels(graph) if label < 0}, reverse=True))


def shapes(node_count):
    """Fields with the number of labels in each group of slots."""
    losses = [("L", (order,)) for order in (1, 1, 2, 3, 4)]
    others = [("Sigma", (2, 0)), ("Sigma", (2, 1)), ("m", (1,)), ("kappa3", (3, 0))]
    field = st.sampled_from(losses + others)
    return st.lists(field, min_size=1, max_size=node_count)


@st.composite
def graphs(draw):
    """Products of fields whose slots are paired at random, with up to two slots left free."""
    fields = draw(shapes(4))
    slots = sum(sum(groups) for _, groups in fields)
    free = draw(st.integers(0, min(2, slots)).filter(lambda count: (slots - count) % 2 == 0) if slots else st.just(0))
    pool = [-1 - k for k in range(free)] + [k for k in range((slots - free) // 2) for _ in range(2)]
    labels = draw(st.permutations(pool))
    nodes, position = [], 0
    for name, groups in fields:
        parts = []
        for size in groups:
            parts.append(tuple(labels[position : position + size]))
            position += size
        nodes.append(Node(name, tuple(parts)))
    return canonical(nodes)


@settings(max_examples=250, deadline=None, derandomize=True, database=None)
@given(graphs())
def test_every_name_has_the_value_of_its_graph(graph):
    """Whatever is given a name has it rightly; what has none is refused rather than misnamed."""
    frees = free_labels(graph)
    try:
        value = named(graph, frees)
    except Unnameable:
        return
    np.testing.assert_array_equal(value, summed(graph, frees))


HADAMARD = {
    "gradient squared": (Node("L", ((-1,),)), Node("L", ((-1,),))),
    "scaled from both sides": (Node("m", ((-1,),)), Node("Sigma", ((-1, -2), ())), Node("L", ((-2,),))),
    "outer product, scaled": (Node("L", ((-1,),)), Node("m", ((-1,),)), Node("L", ((-2,),))),
    "diagonal": (Node("Sigma", ((-1, -1), ())), Node("L", ((-1, 0),)), Node("m", ((0,),))),
    "column": (Node("m", ((-1,),)), Node("S", ((-1,), (-2,), ()))),
    "derived factor": (Node("S", ((-1,), (-2,), (0,))), Node("L", ((0,),))),
    "factor behind H": (Node("L", ((-1, 0),)), Node("S", ((0,), (-2,), ()))),
}


@pytest.mark.parametrize("case", HADAMARD)
def test_componentwise_products_have_the_value_of_their_graph(case):
    """A free index on several nodes is a componentwise product, or a diagonal matrix beside another one."""
    graph = canonical(HADAMARD[case])
    value = named(graph, free_labels(graph))
    if "diag" in case:
        assert value.shape == (DIMENSION,)
    np.testing.assert_array_equal(value, summed(graph, free_labels(graph)))


def test_everything_in_derived_limits_has_a_name():
    """Drift and covariance of the limits of SGD to order 3 need no indices."""
    limits = [modified_equation(sgd(), order=2), modified_equation(sgd(), Regime("no noise", noise_scale=0), order=3)]
    for limit in limits:
        for tensor in (*limit.drift.values(), *limit.covariance.values(), *limit.factor.values()):
            for graph, _ in tensor:
                np.testing.assert_array_equal(named(graph, free_labels(graph)), summed(graph, free_labels(graph)))


def test_a_wrong_name_is_noticed():
    """Negative control: H∇L and ΣHm differ from graphs with another order of factors."""
    right = canonical((Node("Sigma", ((-1, 0), ())), Node("L", ((0, 1),)), Node("m", ((1,),))))
    wrong = canonical((Node("L", ((-1, 0),)), Node("Sigma", ((0, 1), ())), Node("m", ((1,),))))
    assert np.any(named(right, (-1,)) != summed(wrong, (-1,)))


def test_components_are_found_through_any_chain():
    """Parts are joined however late the connecting node comes."""
    graph = (Node("L", ((0,),)), Node("L", ((1,),)), Node("m", ((2,),)), Node("L", ((0, 1),)))
    assert [len(part) for part in components(graph)] == [3, 1]
