"""Where the boxes of a flow's picture stand, in rows from top to bottom.

Four steps: every task gets a row below all that it reads; an edge that passes a row gets a bend
there; within the rows, tasks move near what they are tied to, so that few edges cross; then each
moves as far to the left or right as its neighbours in the row allow. The same flow always gives
the same picture, and nothing recurses, so that a thousand tasks are no problem.
"""

from __future__ import annotations

import heapq
import math
from bisect import bisect_right, insort
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

Pair = tuple[int, int]
Rows = list[list[int]]

_BEND_WIDTH: Final = 12.0
_STRAIGHT: Final = 6.0
_SWEEPS: Final = 8
_SWEEPS_OF_MANY: Final = 3
_MANY: Final = 400


@dataclass(frozen=True, slots=True)
class Measures:
    """How large things are, in pixels.

    Args:
        width: Of a box.
        height: Of a box.
        gap: Between boxes of one row.
        drop: Between rows.
        most: How many boxes a row may hold; the rest moves to rows of its own.
        bends: How many bends there may be; edges beyond that lead straight to their end.
    """

    width: float = 160.0
    height: float = 44.0
    gap: float = 24.0
    drop: float = 38.0
    most: int = 8
    bends: int = 4000


@dataclass(frozen=True, slots=True)
class Box:
    """The place of one task: its left and upper edge and its row, counted from 0."""

    x: float
    y: float
    row: int


@dataclass(frozen=True, slots=True)
class Layout:
    """The places of everything.

    Args:
        boxes: One for each task.
        routes: For each edge the points that it passes; empty for one that cannot be drawn.
        width: Of the whole picture.
        height: Of the whole picture.
    """

    boxes: tuple[Box, ...]
    routes: tuple[tuple[tuple[float, float], ...], ...]
    width: float
    height: float


def arrange(count: int, edges: Sequence[Pair], measures: Measures | None = None) -> Layout:
    """Return the places of `count` tasks, which are numbered in flow order.

    Args:
        count: How many tasks there are.
        edges: Source and target of each edge. Edges of a task to itself are not drawn; in a
            cycle, one edge leads upwards.
        measures: Sizes; the usual ones if not given.

    Example:
        >>> places = arrange(3, [(0, 1), (1, 2), (0, 2)])
        >>> [box.row for box in places.boxes]
        [0, 1, 2]
    """
    sizes = measures or Measures()
    known = sorted({pair for pair in edges if _is_drawn(pair, count)})
    forward = _without_cycles(count, known)
    row_of = _rows_of(count, forward, sizes.most)
    graph = _Threaded(count, forward, row_of, sizes.bends)
    rows = graph.ordered()
    centres = graph.placed(rows, sizes)
    return _drawing(count, edges, graph, centres, sizes)


def _is_drawn(pair: Pair, count: int) -> bool:
    source, target = pair
    return source != target and 0 <= source < count and 0 <= target < count


# --- rows --------------------------------------------------------------------------------------


def _without_cycles(count: int, edges: Sequence[Pair]) -> list[Pair]:
    """Leave out the edges that lead back, seen along an order in which the fewest do."""
    if all(source < target for source, target in edges):
        return list(edges)
    place = {node: position for position, node in enumerate(_nearly_topological(count, edges))}
    return [pair for pair in edges if place[pair[0]] < place[pair[1]]]


def _nearly_topological(count: int, edges: Sequence[Pair]) -> list[int]:
    """Each task after what it reads; where all that are left wait, the first one goes ahead."""
    after: list[list[int]] = [[] for _ in range(count)]
    waiting = [0] * count
    for source, target in edges:
        after[source].append(target)
        waiting[target] += 1
    ready = [node for node in range(count) if not waiting[node]]
    left, order = set(range(count)), list[int]()
    while left:
        node = heapq.heappop(ready) if ready else min(left)
        if node not in left:
            continue
        left.discard(node)
        order.append(node)
        for target in after[node]:
            waiting[target] -= 1
            if not waiting[target] and target in left:
                heapq.heappush(ready, target)
    return order


def _rows_of(count: int, edges: Sequence[Pair], most: int) -> list[int]:
    """The row of each task: below all that it reads, and sources just above their first reader."""
    before: list[list[int]] = [[] for _ in range(count)]
    after: list[list[int]] = [[] for _ in range(count)]
    for source, target in edges:
        before[target].append(source)
        after[source].append(target)
    row_of, taken = [0] * count, list[int]()
    order = _nearly_topological(count, edges)
    tied = [node for node in order if before[node] or after[node]]
    loose = [node for node in order if not (before[node] or after[node])]
    for node in (*tied, *loose):
        wanted = max((row_of[source] + 1 for source in before[node]), default=0)
        row_of[node] = _first_free(taken, wanted, most)
    for node in tied:
        if not before[node]:
            _move_down(node, row_of, taken, min(row_of[target] for target in after[node]) - 1, most)
    return _dense(row_of)


def _first_free(taken: list[int], wanted: int, most: int) -> int:
    row = wanted
    while True:
        while len(taken) <= row:
            taken.append(0)
        if taken[row] < most:
            taken[row] += 1
            return row
        row += 1


def _move_down(node: int, row_of: list[int], taken: list[int], lowest: int, most: int) -> None:
    free = [row for row in range(lowest, row_of[node], -1) if taken[row] < most]
    if free:
        taken[row_of[node]] -= 1
        taken[free[0]] += 1
        row_of[node] = free[0]


def _dense(row_of: list[int]) -> list[int]:
    number = {row: place for place, row in enumerate(sorted(set(row_of)))}
    return [number[row] for row in row_of]


# --- order within the rows and places ----------------------------------------------------------


class _Threaded:
    """The tasks and the bends of long edges, each tied to the rows next to its own only.

    Args:
        count: How many tasks there are; bends are numbered after them.
        edges: Edges that lead downwards.
        row_of: The row of each task.
        budget: How many bends there may be.
    """

    def __init__(self, count: int, edges: Sequence[Pair], row_of: Sequence[int], budget: int) -> None:
        self.count = count
        self.row_of = list(row_of)
        self.bends: dict[Pair, list[int]] = {}
        self.above: list[list[int]] = [[] for _ in range(count)]
        self.below: list[list[int]] = [[] for _ in range(count)]
        for source, target in sorted(edges, key=self._span):
            needed = self._span((source, target)) - 1
            self._thread(source, target, needed if needed <= budget else 0)
            budget -= needed if needed <= budget else 0

    def _span(self, pair: Pair) -> int:
        return self.row_of[pair[1]] - self.row_of[pair[0]]

    def _thread(self, source: int, target: int, bends: int) -> None:
        chain = [self._bend(self.row_of[source] + step) for step in range(1, bends + 1)]
        self.bends[source, target] = chain
        path = [source, *chain, target]
        for upper, lower in pairwise(path):
            self.below[upper].append(lower)
            self.above[lower].append(upper)

    def _bend(self, row: int) -> int:
        self.row_of.append(row)
        self.above.append([])
        self.below.append([])
        return len(self.row_of) - 1

    def ordered(self) -> Rows:
        """The rows, with their members in an order in which few edges cross."""
        rows: Rows = [[] for _ in range(max(self.row_of, default=-1) + 1)]
        for node, row in enumerate(self.row_of):
            rows[row].append(node)
        is_small = len(self.row_of) <= _MANY
        best, fewest = [*map(list, rows)], self._crossings(rows)
        for sweep in range(_SWEEPS if is_small else _SWEEPS_OF_MANY):
            if not fewest:
                break
            self._sweep(rows, downwards=sweep % 2 == 0)
            if is_small:
                self._swap_neighbours(rows)
            found = self._crossings(rows)
            if found < fewest:
                best, fewest = [*map(list, rows)], found
        return best

    def _sweep(self, rows: Rows, *, downwards: bool) -> None:
        """Sort each row by the mean place of what its members are tied to in the row before."""
        position = _positions(rows)
        ties = self.above if downwards else self.below
        for row in rows if downwards else reversed(rows):
            wanted = {node: _mean([position[tie] for tie in ties[node]], position[node]) for node in row}
            row.sort(key=wanted.__getitem__)
            position.update((node, place) for place, node in enumerate(row))

    def _swap_neighbours(self, rows: Rows) -> None:
        """Exchange neighbours wherever that removes crossings."""
        position = _positions(rows)
        for row in rows:
            for place in range(len(row) - 1):
                left, right = row[place], row[place + 1]
                now = self._crossings_of(left, right, position)
                if now and self._crossings_of(right, left, position) < now:
                    row[place], row[place + 1] = right, left
                    position[left], position[right] = place + 1, place

    def _crossings_of(self, left: int, right: int, position: dict[int, int]) -> int:
        """How often the edges of two neighbours cross if they stand in this order."""
        return sum(
            position[one] > position[other]
            for ties in (self.above, self.below)
            for one in ties[left]
            for other in ties[right]
        )

    def _crossings(self, rows: Rows) -> int:
        position = _positions(rows)
        total = 0
        for row in rows:
            seen: list[int] = []
            for node in row:
                ends = sorted(position[end] for end in self.below[node])
                total += sum(len(seen) - bisect_right(seen, end) for end in ends)
                for end in ends:
                    insort(seen, end)
        return total

    def placed(self, rows: Rows, sizes: Measures) -> list[float]:
        """The horizontal centre of every task and bend."""
        centres = [0.0] * len(self.row_of)
        offsets = [self._offsets(row, sizes) for row in rows]
        for row, starts in zip(rows, offsets, strict=True):
            for node, start in zip(row, starts, strict=True):
                centres[node] = start - starts[-1] / 2
        for sweep in range(_SWEEPS if len(self.row_of) <= _MANY else _SWEEPS_OF_MANY):
            downwards = sweep % 2 == 0
            ties = (self.above,) if downwards else (self.below,)
            self._settle(rows, offsets, centres, ties, downwards=downwards)
        self._settle(rows, offsets, centres, (self.above, self.below), downwards=True)
        return centres

    def _offsets(self, row: Sequence[int], sizes: Measures) -> list[float]:
        """The least distances of the members of a row from its first."""
        widths = [sizes.width if node < self.count else _BEND_WIDTH for node in row]
        offsets = [0.0]
        for one, other in pairwise(widths):
            is_thin = one == _BEND_WIDTH or other == _BEND_WIDTH
            offsets.append(offsets[-1] + (one + other) / 2 + (sizes.gap / 2 if is_thin else sizes.gap))
        return offsets[: len(row)]

    def _settle(
        self,
        rows: Rows,
        offsets: Sequence[Sequence[float]],
        centres: list[float],
        ties: Sequence[Sequence[Sequence[int]]],
        *,
        downwards: bool,
    ) -> None:
        """Move each row to where its ties pull it, as near as the distances allow."""
        for row, starts in list(zip(rows, offsets, strict=True))[:: 1 if downwards else -1]:
            pulls = [self._pull(node, centres, ties) for node in row]
            wanted = [pull[0] - start for pull, start in zip(pulls, starts, strict=True)]
            settled = _isotonic(wanted, [weight for _, weight in pulls])
            for node, place, start in zip(row, settled, starts, strict=True):
                centres[node] = place + start

    def _pull(
        self, node: int, centres: Sequence[float], ties: Sequence[Sequence[Sequence[int]]]
    ) -> tuple[float, float]:
        """Where a member is pulled, and how strongly: long edges want to be straight most."""
        others = [other for each in ties for other in each[node]]
        if not others:
            return centres[node], 0.05
        weight = [_STRAIGHT if node >= self.count and other >= self.count else 1.0 for other in others]
        total = sum(weight)
        return sum(centres[other] * each for other, each in zip(others, weight, strict=True)) / total, total


def _positions(rows: Rows) -> dict[int, int]:
    return {node: place for row in rows for place, node in enumerate(row)}


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _isotonic(wanted: Sequence[float], weights: Sequence[float]) -> list[float]:
    """The nearest ascending values, by weighted least squares: neighbours that collide share a mean."""
    blocks: list[tuple[float, float, int]] = []
    for value, weight in zip(wanted, weights, strict=True):
        block = (value, weight, 1)
        while blocks and blocks[-1][0] >= block[0]:
            mean, total, size = blocks.pop()
            together = total + block[1]
            block = ((mean * total + block[0] * block[1]) / together, together, size + block[2])
        blocks.append(block)
    return [mean for mean, _, size in blocks for _ in range(size)]


# --- the drawing -------------------------------------------------------------------------------


def _drawing(
    count: int, edges: Sequence[Pair], graph: _Threaded, centres: Sequence[float], sizes: Measures
) -> Layout:
    half, step = sizes.width / 2, sizes.height + sizes.drop
    left = min((centres[node] - (half if node < count else 0) for node in range(len(centres))), default=0.0)
    right = max((centres[node] + (half if node < count else 0) for node in range(len(centres))), default=0.0)
    xs = [float(round(centre - left)) for centre in centres]
    boxes = tuple(
        Box(xs[node] - half, graph.row_of[node] * step, graph.row_of[node]) for node in range(count)
    )
    routes = tuple(_route(pair, graph, xs, sizes) if _is_drawn(pair, count) else () for pair in edges)
    rows = max(graph.row_of, default=-1) + 1
    return Layout(boxes, routes, math.ceil(right - left), max(rows * step - sizes.drop, 0.0))


def _route(
    pair: Pair, graph: _Threaded, xs: Sequence[float], sizes: Measures
) -> tuple[tuple[float, float], ...]:
    source, target = pair
    step = sizes.height + sizes.drop
    points = [(xs[source], graph.row_of[source] * step + sizes.height)]
    for bend in graph.bends.get(pair, ()):
        top = graph.row_of[bend] * step
        points += [(xs[bend], top), (xs[bend], top + sizes.height)]
    return (*points, (xs[target], graph.row_of[target] * step))
