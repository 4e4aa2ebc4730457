"""Where the boxes of a picture stand."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from nbflow.views.layout import Layout, Measures, arrange

SIZES = Measures()
Pairs = list[tuple[int, int]]


@st.composite
def flows(draw: st.DrawFn) -> tuple[int, Pairs]:
    """Flows whose edges lead from earlier to later tasks."""
    size = draw(st.integers(1, 14))
    pairs = st.tuples(st.integers(0, size - 1), st.integers(0, size - 1)).filter(
        lambda pair: pair[0] < pair[1]
    )
    return size, draw(st.lists(pairs, max_size=24)) if size > 1 else []


any_graphs = st.integers(0, 9).flatmap(
    lambda size: st.tuples(
        st.just(size), st.lists(st.tuples(st.integers(-1, size + 1), st.integers(-1, size + 1)), max_size=20)
    )
)


def overlaps(places: Layout) -> bool:
    """Whether two boxes cover each other or come nearer than half the gap."""
    return any(
        abs(one.x - other.x) < SIZES.width + SIZES.gap / 2
        and abs(one.y - other.y) < SIZES.height + SIZES.drop / 2
        for one, other in combinations(places.boxes, 2)
    )


class TestLaws:
    """What holds for every flow."""

    @given(any_graphs)
    def test_boxes_keep_their_distance(self, graph: tuple[int, Pairs]) -> None:
        """Also where the edges are nonsense: cycles, loops, tasks that there are not."""
        assert not overlaps(arrange(*graph, SIZES))

    @given(flows())
    def test_edges_go_forward(self, flow: tuple[int, Pairs]) -> None:
        """Every reader stands in a row below what it reads, and so does each point of the way."""
        size, edges = flow
        places = arrange(size, edges)
        for (source, target), route in zip(edges, places.routes, strict=True):
            heights = [y for _, y in route]
            assert places.boxes[source].row < places.boxes[target].row
            assert heights == sorted(heights)
            assert (heights[0], heights[-1]) == (
                places.boxes[source].y + SIZES.height,
                places.boxes[target].y,
            )

    @given(flows())
    def test_long_edges_pass_no_box(self, flow: tuple[int, Pairs]) -> None:
        """Where an edge passes a row it passes between the boxes."""
        places = arrange(*flow)
        for route in places.routes:
            for x, y in route[1:-1]:
                row = [box for box in places.boxes if box.y <= y <= box.y + SIZES.height]
                assert not any(box.x < x < box.x + SIZES.width for box in row)

    @given(any_graphs)
    def test_the_same_flow_gives_the_same_picture(self, graph: tuple[int, Pairs]) -> None:
        """In every process, and whatever order its edges come in."""
        size, edges = graph
        assert arrange(size, edges) == arrange(size, edges)
        assert arrange(size, edges).boxes == arrange(size, edges[::-1]).boxes

    @given(any_graphs)
    def test_everything_is_inside(self, graph: tuple[int, Pairs]) -> None:
        """The picture is as large as what it holds."""
        places = arrange(*graph, SIZES)
        assert all(0 <= box.x <= places.width - SIZES.width + 1 for box in places.boxes)
        assert all(0 <= box.y <= places.height - SIZES.height for box in places.boxes)
        assert all(0 <= x <= places.width + 1 for route in places.routes for x, _ in route)

    @given(flows(), st.integers(1, 5))
    def test_no_row_is_wider_than_asked(self, flow: tuple[int, Pairs], most: int) -> None:
        """A page has an end."""
        places = arrange(*flow, Measures(most=most))
        rows = [box.row for box in places.boxes]
        assert all(rows.count(row) <= most for row in set(rows))


class TestLooks:
    """What makes a picture easy to read."""

    def test_a_chain_is_a_straight_line(self) -> None:
        """All boxes stand under each other."""
        places = arrange(5, [(0, 1), (1, 2), (2, 3), (3, 4)])
        assert {box.x for box in places.boxes} == {0}

    def test_a_source_stands_just_above_its_reader(self) -> None:
        """Not at the top of a long chain that it has nothing to do with."""
        places = arrange(5, [(0, 2), (2, 3), (3, 4), (1, 4)])
        assert places.boxes[1].row == places.boxes[4].row - 1

    def test_a_diamond_is_symmetric(self) -> None:
        """The tip is in the middle of the two sides."""
        top, left, right, bottom = arrange(4, [(0, 1), (0, 2), (1, 3), (2, 3)]).boxes
        assert top.x == bottom.x == (left.x + right.x) / 2

    def test_edges_are_uncrossed_where_possible(self) -> None:
        """Two crossed pairs are put side by side."""
        first, second, of_second, of_first = arrange(4, [(0, 3), (1, 2)]).boxes
        assert (first.x < second.x) == (of_first.x < of_second.x)

    def test_in_a_cycle_one_edge_leads_back(self) -> None:
        """The rest goes on downwards."""
        rows = [box.row for box in arrange(3, [(0, 1), (1, 2), (2, 0)]).boxes]
        assert rows == [0, 1, 2]

    def test_edges_that_cannot_be_drawn_have_no_way(self) -> None:
        """A task to itself, and tasks that there are not."""
        assert arrange(2, [(0, 0), (0, 5), (0, 1)]).routes[:2] == ((), ())

    def test_no_tasks(self) -> None:
        """An empty picture has no size."""
        assert arrange(0, []) == Layout((), (), 0, 0)


class TestSpeed:
    """Large flows."""

    def test_a_thousand_tasks(self) -> None:
        """They are all placed; how long that takes is a benchmark's matter."""
        edges = [(place - 1 - place * 7 % min(place, 40), place) for place in range(1, 1000)]
        edges += [(place - 1 - place * 11 % min(place, 20), place) for place in range(500, 1000)]
        places = arrange(1000, edges, Measures(most=40))
        assert len(places.boxes) == 1000
        assert all(places.boxes[above].row < places.boxes[below].row for above, below in edges)

    def test_a_long_chain(self) -> None:
        """Nothing recurses."""
        places = arrange(5000, [(place, place + 1) for place in range(4999)])
        assert places.boxes[-1].row == 4999
