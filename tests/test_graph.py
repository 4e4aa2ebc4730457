"""Order: ancestors, descendants, topological order and cycles, without recursion."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbflow.engine.graph import ancestors, descendants, downstream_of, find_cycle, topological_order
from nbflow.exceptions import CycleError

Graph = dict[int, list[int]]
LONG = 20_000


@st.composite
def acyclic_graphs(draw: st.DrawFn) -> Graph:
    """Graphs whose edges lead from lower to higher numbers, named in any order."""
    size = draw(st.integers(0, 8))
    nodes = draw(st.permutations(range(size)))
    return {node: draw(st.lists(st.integers(0, node - 1), max_size=4)) if node else [] for node in nodes}


any_graphs = st.dictionaries(st.integers(0, 6), st.lists(st.integers(0, 6), max_size=3), max_size=7)


def reaches(graph: Graph, start: int, goal: int) -> bool:
    """Whether `goal` is before `start`, found by the dullest means: matrix closure."""
    pairs = {(node, earlier) for node, before in graph.items() for earlier in before}
    for middle in range(9):
        pairs |= {(a, c) for a, b in pairs for b2, c in pairs if b == b2 == middle}
    return (start, goal) in pairs


class Named:
    """A node that has a name, as a task has."""

    def __init__(self, name: str) -> None:
        self.name = name


class TestAncestors:
    """What comes before and after."""

    @given(any_graphs, st.integers(0, 6))
    def test_ancestors_are_what_can_be_reached(self, graph: Graph, start: int) -> None:
        """Also in graphs with cycles."""
        assert ancestors(graph, [start]) == {goal for goal in range(7) if reaches(graph, start, goal)}

    @given(any_graphs, st.integers(0, 6), st.integers(0, 6))
    def test_descendants_are_the_converse(self, graph: Graph, one: int, other: int) -> None:
        """A is before B exactly where B is after A."""
        assert (one in ancestors(graph, [other])) == (other in descendants(graph, [one]))

    def test_several_nodes_at_once(self) -> None:
        """The union, without the nodes themselves."""
        assert ancestors({3: [1], 4: [2]}, [3, 4]) == {1, 2}

    def test_turning_around_keeps_all_nodes(self) -> None:
        """Also those that nothing follows and those that are only needed."""
        assert downstream_of({2: [1], 3: []}) == {1: [2], 2: [], 3: []}


class TestOrder:
    """Each node after everything that it needs."""

    @given(acyclic_graphs())
    def test_all_nodes_once_and_after_their_upstream(self, graph: Graph) -> None:
        """It is an order of the graph."""
        order = topological_order(graph)
        place = {node: position for position, node in enumerate(order)}
        assert sorted(order) == sorted(graph)
        assert all(place[earlier] < place[node] for node, before in graph.items() for earlier in before)

    @given(acyclic_graphs())
    def test_an_order_is_left_as_it_is(self, graph: Graph) -> None:
        """What is in order already does not move."""
        order = topological_order(graph)
        assert topological_order({node: graph[node] for node in order}) == order

    def test_a_node_that_is_only_needed_comes_before_its_first_user(self) -> None:
        """It need not be listed."""
        assert topological_order({"b": ["a"], "c": []}) == ["a", "b", "c"]

    def test_a_cycle_is_named(self) -> None:
        """By the names of its tasks, in the direction of the data."""
        one, other = Named("one"), Named("other")
        with pytest.raises(CycleError, match="one -> other -> one") as caught:
            topological_order({one: [other], other: [one]})
        assert caught.value.path == ("one", "other", "one")


class TestCycle:
    """Finding one cycle."""

    @given(any_graphs)
    def test_there_is_one_exactly_where_a_node_is_before_itself(self, graph: Graph) -> None:
        """And what is found is a cycle."""
        cycle = find_cycle(graph)
        assert bool(cycle) == any(reaches(graph, node, node) for node in range(7))
        if cycle:
            assert cycle[0] == cycle[-1]
            assert all(earlier in graph[later] for earlier, later in pairwise(cycle))

    def test_a_node_that_needs_itself(self) -> None:
        """The shortest cycle."""
        assert find_cycle({1: [1]}) == [1, 1]


class TestDepth:
    """Long chains do not meet the recursion limit."""

    chain: Graph = {node: [node - 1] if node else [] for node in range(LONG)}  # noqa: RUF012

    def test_order(self) -> None:
        """A chain is its own order."""
        assert topological_order(self.chain) == list(range(LONG))

    def test_ancestors_and_descendants(self) -> None:
        """Both ends see the whole chain."""
        assert len(ancestors(self.chain, [LONG - 1])) == len(descendants(self.chain, [0])) == LONG - 1

    def test_cycle(self) -> None:
        """A ring of all nodes is found."""
        assert len(find_cycle({**self.chain, 0: [LONG - 1]})) == LONG + 1
