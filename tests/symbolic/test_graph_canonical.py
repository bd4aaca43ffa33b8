"""Canonical forms of contracted tensor graphs."""

from itertools import combinations_with_replacement

import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from sde_momentum.symbolic import TensorExpression, in_coordinates
from sde_momentum.symbolic.graphs._canonical import canonical
from sde_momentum.symbolic.graphs._graph import Node, labels, relabel

EXACT = settings(derandomize=True, max_examples=60, deadline=None)

# field → sizes of its groups of slots
SHAPES = {"L": [(1,), (2,), (3,)], "Sigma": [(2, 0), (2, 1)], "kappa3": [(3, 0)], "m": [(1,)], "φ": [(1,)]}


@st.composite
def graphs(draw):
    """A product of one to four nodes whose labels are drawn freely: shared by one, two, three or more slots."""
    fields = draw(st.lists(st.sampled_from(sorted(SHAPES)), min_size=1, max_size=4))
    label = st.integers(-2, 4)
    nodes = []
    for field in fields:
        sizes = draw(st.sampled_from(SHAPES[field]))
        nodes.append(Node(field, tuple(tuple(draw(label) for _ in range(size)) for size in sizes)))
    return tuple(nodes)


@st.composite
def disguised(draw):
    """A graph, and the same one with summed labels renamed, nodes reordered and slots permuted within their groups."""
    graph = draw(graphs())
    summed = sorted({label for label in labels(graph) if label >= 0})
    names = draw(st.permutations(range(10)))
    other = relabel(graph, dict(zip(summed, names, strict=False)))
    other = [Node(field, tuple(tuple(draw(st.permutations(group))) for group in slots)) for field, slots in other]
    return graph, tuple(draw(st.permutations(other)))


@EXACT
@given(disguised())
def test_canonical_form_is_invariant(pair):
    """Renaming summed labels, reordering nodes and permuting symmetric slots do not change the canonical form."""
    graph, other = pair
    assert canonical(graph) == canonical(other)


@EXACT
@given(graphs())
def test_canonical_form_is_a_projection(graph):
    """A canonical form is its own, has consecutive labels, and keeps the free ones."""
    found = canonical(graph)
    assert canonical(found) == found
    summed = sorted({label for label in labels(found) if label >= 0})
    assert summed == list(range(len(summed)))
    free = lambda nodes: sorted(label for label in labels(nodes) if label < 0)
    assert free(found) == free(graph)


def _components(graph) -> dict:
    return in_coordinates(TensorExpression(((graph, sp.S.One),)), 2)


def test_canonical_forms_are_equal_iff_tensors_are():
    """Among all contractions of a few node lists, equal canonical forms and equal components come together."""
    for nodes in (("L2", "L2", "L1", "L1"), ("L3", "L1", "S"), ("L2", "S", "L1", "L1"), ("L2", "L2", "L2")):
        by_form: dict = {}
        for graph in _contractions(nodes):
            values = repr(_components(graph)[()])
            assert by_form.setdefault(canonical(graph), values) == values
        assert len(set(by_form.values())) == len(by_form) > 1


def _contractions(nodes):
    """All ways of pairing the slots of the given nodes."""
    sizes = {"L1": (1,), "L2": (2,), "L3": (3,), "S": (2, 0)}
    total = sum(sum(sizes[name]) for name in nodes)
    for pairing in _pairings(list(range(total))):
        value = {slot: number for number, pair in enumerate(pairing) for slot in pair}
        place, graph = 0, []
        for name in nodes:
            groups = []
            for size in sizes[name]:
                groups.append(tuple(value[slot] for slot in range(place, place + size)))
                place += size
            graph.append(Node("Sigma" if name == "S" else "L", tuple(groups)))
        yield tuple(graph)


def _pairings(slots):
    if not slots:
        yield []
        return
    first, rest = slots[0], slots[1:]
    for place, second in enumerate(rest):
        for others in _pairings(rest[:place] + rest[place + 1 :]):
            yield [(first, second), *others]


def test_symmetric_cycles_are_told_apart():
    """A cycle of six Hessians is not two cycles of three, though every label looks alike locally."""
    ring = lambda start, size: [Node("L", ((start + i, start + (i + 1) % size),)) for i in range(size)]
    one, two = tuple(ring(0, 6)), (*ring(0, 3), *ring(3, 3))
    assert canonical(one) != canonical(two)
    assert _components(one) != _components(two)


def test_all_monomials_of_one_label():
    """With a single label every assignment is the same graph, whatever the number of slots that share it."""
    for fields in combinations_with_replacement(["m", "φ"], 3):
        graph = tuple(Node(field, ((7,),)) for field in fields)
        assert canonical(graph) == tuple(Node(field, ((0,),)) for field in sorted(fields))
