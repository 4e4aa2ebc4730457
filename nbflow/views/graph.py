"""The picture of a flow: boxes in rows, edges with the names that pass along them.

One drawing serves two places. Inside a notebook's page it takes text colour, font and background
from the host. Alone, as an SVG file, it brings its own on white. A flow of very many tasks is
drawn as a map without words; its names are in the table.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple

from nbflow.types import Verdict
from nbflow.views.groups import group_words, is_bad
from nbflow.views.layout import Layout, Measures, arrange
from nbflow.views.looks import Look, look_of, mixed
from nbflow.views.markup import FONT, escaped, tinted
from nbflow.views.table import flow_head_text, reason, tasks_summary
from nbflow.views.words import counted, duration, listed, one_line, short_cause, shortened

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nbflow.views.cards import FlowCard, TaskCard

MOST_WITH_NAMES: Final = 150
"""How many boxes a picture may have; a larger flow is drawn as a map."""

MOST_WITH_LINES: Final = 1200
"""How many boxes a live page draws with the lines between them; more are a ground to it."""

_MOST_WITH_EDGES: Final = 1500
"""Among more squares edges are a grey ground that tells nothing and takes most of what is saved."""

_CROWD: Final = 20
_MULTITUDE: Final = 400
_SAID: Final = 2
"""How many names the label of an edge says."""
_MARGIN: Final = 12
_TEXT_AT: Final = 34
_FOLD: Final = 22
"""Room for what opens a group."""
_NARROWEST: Final = 176
_WIDEST: Final = 208
_PAGE: Final = 960
"""How wide an output usually is."""

_GAP: Final = Measures().gap
_INK: Final = "#1b1f24"
_PAPER: Final = "#ffffff"
_GROUND: Final = "var(--jp-layout-color0,var(--vscode-editor-background,transparent))"

_RULES: Final = (
    ".nbf-g .e{fill:none;stroke:currentColor;stroke-width:1.5;stroke-opacity:.3}.nbf-g .n{stroke-opacity:.75}"
    ".nbf-g .p{stroke-width:1;stroke-opacity:.16}.nbf-g .p.n{stroke-opacity:.4}"
    ".nbf-g .b{fill:currentColor;fill-opacity:.1;stroke:currentColor;stroke-width:1.5}"
    ".nbf-g .i{fill:none;stroke:currentColor;stroke-width:2;stroke-linecap:round;stroke-linejoin:round}"
    ".nbf-g text{fill:currentColor;font-size:11px}.nbf-g .t{font-size:13px;font-weight:600}"
    ".nbf-g .s{fill-opacity:.7}.nbf-g .q .b{fill:none;stroke-opacity:.35}.nbf-g .q .t{font-weight:400}"
    ".nbf-g .l{fill-opacity:.7;paint-order:stroke;stroke-width:4px;stroke-linejoin:round}"
)

GRAPH_STYLE: Final = (
    f"{_RULES}.nbf-g text{{font-family:{FONT}}}.nbf-g .l{{stroke:{_GROUND}}}"
    ".nbf .nbf-v{overflow-x:auto;display:block!important}.nbf-g{display:block}"
)
"""The rules of a picture inside a page."""

_OWN_STYLE: Final = f"{_RULES}.nbf-g text{{font-family:system-ui,sans-serif}}.nbf-g .l{{stroke:{_PAPER}}}"


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawn flow.

    Args:
        inline: The SVG for a page that has the rules `GRAPH_STYLE`.
        alone: The SVG as a file of its own.
    """

    inline: str
    alone: str


class Label(NamedTuple):
    """The names beside an edge: which edge, the text, its left edge and its base line."""

    edge: int
    text: str
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Line:
    """One edge of a plot.

    Args:
        source: Which task it leaves.
        target: Which task it enters.
        path: Its course, as SVG path data.
        names: What passes along it.
        label: What is written beside it; its text is empty where there is no room.
    """

    source: int
    target: int
    path: str
    names: tuple[str, ...]
    label: Label


@dataclass(frozen=True, slots=True)
class Plot:
    """Where everything of a picture stands, for a page that draws it itself.

    Args:
        size: Width and height of the whole.
        box: Width and height of each box.
        corners: The left and upper edge of each task's box.
        lines: The edges.
    """

    size: tuple[float, float]
    box: tuple[float, float]
    corners: tuple[tuple[float, float], ...]
    lines: tuple[Line, ...]


def plot(flow: FlowCard) -> Plot:
    """Return where the boxes and edges of a flow of any size stand.

    Example:
        >>> from nbflow.views.cards import FlowCard, TaskCard
        >>> plot(FlowCard((TaskCard("clean", Verdict.FRESH),))).corners
        ((0.0, 0.0),)
    """
    return _Drawing(flow).plot()


def draw(flow: FlowCard) -> Picture:
    """Return the picture of a flow.

    Example:
        >>> from nbflow.views.cards import FlowCard, TaskCard
        >>> draw(FlowCard((TaskCard("clean", Verdict.FRESH),))).alone[:50]
        '<svg xmlns="http://www.w3.org/2000/svg" class="nbf'
    """
    is_map = len(flow.tasks) > MOST_WITH_NAMES
    drawing = _Map(flow) if is_map else _Drawing(flow)
    return Picture(drawing.svg(is_alone=False), drawing.svg(is_alone=True))


class _Sheet:
    """What both kinds of pictures have in common.

    Args:
        flow: What is drawn.
        measures: How large things are.
    """

    def __init__(self, flow: FlowCard, measures: Measures) -> None:
        self.flow = flow
        number = {task.name: place for place, task in enumerate(flow.tasks)}
        self.looks = [look_of(task) for task in flow.tasks]
        self.edges = [edge for edge in flow.edges if edge.source in number and edge.target in number]
        self.pairs = [(number[edge.source], number[edge.target]) for edge in self.edges]
        self.measures = measures
        self.places: Layout = arrange(len(flow.tasks), self.pairs, measures)

    def svg(self, *, is_alone: bool) -> str:
        """The whole picture."""
        width, height = self.places.width + 2 * _MARGIN, math.ceil(self.places.height) + 2 * _MARGIN
        title = escaped(f"{self.flow.title}: {tasks_summary(self.flow)}".removeprefix(": "))
        own = f'<style>{_OWN_STYLE}</style><rect width="100%" height="100%" fill="{_PAPER}"/>'
        ink = f' color="{_INK}"' if is_alone else self.fitting()
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="nbf-g" role="img" aria-label="{title}" '
            f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"{ink}>'
            f"<title>{title}</title><desc>{escaped(flow_head_text(self.flow), 400)}</desc>"
            f'{own if is_alone else ""}<g transform="translate({_MARGIN},{_MARGIN})">'
            f"{''.join(self.content(is_alone=is_alone))}</g></svg>"
        )

    def fitting(self) -> str:
        """How the picture behaves in a narrow place: words keep their size, the place scrolls."""
        return ""

    def content(self, *, is_alone: bool) -> Iterator[str]:
        """What is drawn."""
        raise NotImplementedError

    @staticmethod
    def ink(look: Look, classes: str = "", *, is_alone: bool) -> str:
        """The attributes for classes and the colour of a look."""
        if is_alone:
            own = f'class="{classes}" ' if classes else ""
            return f'{own}color="{mixed(look.hue, 0.8, _INK)}"'
        return f'class="{classes} {tinted(look)}"' if classes else f'class="{tinted(look)}"'


class _Drawing(_Sheet):
    """The picture with names."""

    def __init__(self, flow: FlowCard) -> None:
        self.subtitles = [subtitle(task) for task in flow.tasks]
        titles = (_pixels(task.name, 13.5) for task in flow.tasks)
        needed = max((*titles, *(_pixels(text, 11) for text in self.subtitles), 0)) + _TEXT_AT + 12
        needed += _FOLD * any(task.items for task in flow.tasks)
        width = min(max(2 * math.ceil(needed / 2), _NARROWEST), _WIDEST)
        most = max(int((_PAGE + _GAP) // (width + _GAP)), math.ceil(0.9 * math.sqrt(len(flow.tasks))))
        super().__init__(flow, Measures(width=width, most=most))

    def plot(self) -> Plot:
        """Where everything stands."""
        places, sizes = self.places, self.measures
        labels = {label.edge: label for label in self._labels()}
        none = Label(0, "", 0, 0)
        is_drawn = len(self.flow.tasks) <= MOST_WITH_LINES
        lines = tuple(
            Line(
                *self.pairs[place],
                _curve(route) if is_drawn else "",
                self.edges[place].names,
                labels.get(place, none),
            )
            for place, route in enumerate(places.routes)
            if route
        )
        corners = tuple((box.x, box.y) for box in places.boxes)
        return Plot((places.width, places.height), (sizes.width, sizes.height), corners, lines)

    def content(self, *, is_alone: bool) -> Iterator[str]:
        labels = list(self._labels())
        labelled = {label.edge for label in labels if len(self.edges[label.edge].names) <= _SAID}
        for place in range(len(self.edges)):
            yield self._edge(place, is_alone=is_alone, is_told=place in labelled)
        for label in labels:
            yield f'<text class="l" x="{label.x}" y="{label.y}">{escaped(label.text)}</text>'
        for place, task in enumerate(self.flow.tasks):
            yield self._box(place, task, is_alone=is_alone)

    def _edge(self, place: int, *, is_alone: bool, is_told: bool) -> str:
        edge, route = self.edges[place], self.places.routes[place]
        if not route:
            return ""
        look = self.looks[self.pairs[place][0]]
        css = "e p" if self._is_from_plain(place) else "e"
        ink = self.ink(look, f"{css} n", is_alone=is_alone) if _is_news(look) else f'class="{css}"'
        names = f": {listed(edge.names, 8)}" if edge.names else ""
        title = "" if is_told else f"<title>{escaped(f'{edge.source} → {edge.target}{names}')}</title>"
        dash = "" if edge.names else ' stroke-dasharray="3 3"'
        drawn = f'<path {ink}{dash} d="{_curve(route)}"'
        return f"{drawn}>{title}</path>" if title else f"{drawn}/>"

    def _is_from_plain(self, place: int) -> bool:
        """Whether an edge only hands on what a plain cell made: constants and helpers step back."""
        return self.flow.tasks[self.pairs[place][0]].is_plain

    def _labels(self) -> Iterator[Label]:
        """The names on the edges, where they cover neither a box nor each other.

        In a crowd, those from plain cells are told by the edge's title alone; in a multitude, all are.
        """
        taken: list[_Area] = []
        if len(self.edges) > _MULTITUDE:
            return
        for place, (edge, route) in enumerate(zip(self.edges, self.places.routes, strict=True)):
            if self._is_from_plain(place) and len(self.edges) > _CROWD:
                continue
            text = shortened(listed(edge.names, _SAID), 22)
            if not route or not text or text == edge.source:
                continue
            for x, y, lean in _middles(route):
                area = _label_area(x, y, text, lean)
                if not any(_overlap(area, other) for other in taken):
                    taken.append(area)
                    yield Label(place, text, round(area[0] + 4), round(y + 4))
                    break

    def _box(self, place: int, task: TaskCard, *, is_alone: bool) -> str:
        look, box, sizes = self.looks[place], self.places.boxes[place], self.measures
        room = sizes.width - _TEXT_AT - 8
        name, below = _fitted(task.name, 13.5, room), _fitted(self.subtitles[place], 11, room)
        dash = f' stroke-dasharray="{look.dash}"' if look.dash else ""
        outline = _outline("round" if task.is_plain else look.shape, sizes.width, sizes.height)
        quiet = ' class="q"' if task.is_plain else ""
        return (
            f'<g{quiet} transform="translate({_number(box.x)},{_number(box.y)})">'
            f"{_told(task, look, name, below)}"
            f'<g {self.ink(look, is_alone=is_alone)}><{outline} class="b"{dash}/>'
            f'<path class="i" transform="translate(10,13)" d="{look.icon}"/></g>'
            f'<text class="t" x="{_TEXT_AT}" y="19">{escaped(name)}</text>'
            f'<text class="s" x="{_TEXT_AT}" y="34">{escaped(below)}</text></g>'
        )


def _told(task: TaskCard, look: Look, name: str, below: str) -> str:
    """What pointing at a box tells, where that is more than the box says."""
    why = reason(task)
    if name == task.name and (not why or why in below):
        return ""
    return f"<title>{escaped(f'{task.name}: {look.word}' + (f' · {why}' if why else ''), 300)}</title>"


class _Map(_Sheet):
    """The picture of very many tasks: small squares, drawn together by colour."""

    def __init__(self, flow: FlowCard) -> None:
        most = max(24, math.ceil(1.6 * math.sqrt(len(flow.tasks))))
        super().__init__(flow, Measures(width=14, height=14, gap=6, drop=16, most=most, bends=0))

    def fitting(self) -> str:
        return ' style="max-width:100%;height:auto"'

    def content(self, *, is_alone: bool) -> Iterator[str]:
        if len(self.flow.tasks) <= _MOST_WITH_EDGES:
            lines = "".join(_straight(route) for route in self.places.routes if route)
            yield f'<path class="e" d="{lines}"/>'
        for hue in sorted({look.hue for look in self.looks}):
            shown = [place for place, look in enumerate(self.looks) if look.hue == hue]
            corners = [self.places.boxes[place] for place in shown]
            squares = "".join(f"M{_number(box.x)} {_number(box.y)}h14v14h-14z" for box in corners)
            words = listed(sorted({self.looks[place].word for place in shown}), 8)
            about = f"<title>{counted(len(shown), 'task')}: {escaped(words)}</title>"
            filled = f'<path class="b" style="fill-opacity:.75" d="{squares}">{about}</path>'
            yield f"<g {self.ink(self.looks[shown[0]], is_alone=is_alone)}>{filled}</g>"


_NO_NEWS: Final = frozenset(
    {"fresh", "as of", "completed", "cached", "mapped", "skipped", "not run", "registered"}
)


def _is_news(look: Look) -> bool:
    """Whether what a task made is about to change or never came."""
    return look.word not in _NO_NEWS


def subtitle(task: TaskCard) -> str:
    """Return the second line of a task's box: how it stands, and the time or the reason.

    Example:
        >>> from nbflow.views.cards import TaskCard
        >>> subtitle(TaskCard("clean", Verdict.FRESH, "Cached", saved=1.4))
        'fresh · saved 1.4 s'
    """
    look = look_of(task)
    if task.items and is_bad(task.items[0][0]) and look.shape == "octagon":
        return group_words(task.items)
    return f"{look.word} · {detail}" if (detail := _detail(task, look)) else look.word


def _detail(task: TaskCard, look: Look) -> str:
    if task.verdict is Verdict.FRESH and not task.items:
        is_reused = task.state == "Cached" and task.saved is not None
        return f"saved {duration(task.saved)}" if is_reused else duration(task.seconds)
    if task.items:
        return group_words(task.items)
    if look.shape == "octagon" and task.error:
        return one_line(task.error, 40)
    if task.attempt > 1 and look.word not in ("stale", "waits", "as of"):
        return f"attempt {task.attempt}"
    return short_cause(task.causes[0]) if task.causes else duration(task.seconds)


# --- shapes and lines --------------------------------------------------------------------------


def _outline(shape: str, width: float, height: float) -> str:
    """The element that outlines a box: a state can be told by it without colours."""
    w, h = _number(width), _number(height)
    if shape == "slant":
        return f'path d="M9 0H{w}L{_number(width - 9)} {h}H0z"'
    if shape == "octagon":
        return (
            f'path d="M10 0H{_number(width - 10)}L{w} 10V{_number(height - 10)}L{_number(width - 10)} {h}'
            f'H10L0 {_number(height - 10)}V10z"'
        )
    corners = "" if shape == "square" else ' rx="8"'
    return f'rect width="{w}" height="{h}"{corners}'


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _curve(route: Sequence[tuple[float, float]]) -> str:
    """A line that leaves and enters every point vertically."""
    (x, y), *rest = route
    parts = [f"M{_number(x)} {_number(y)}"]
    for next_x, next_y in rest:
        if next_x == x:
            parts.append(f"V{_number(next_y)}")
        else:
            middle = _number((y + next_y) / 2)
            parts.append(
                f"C{_number(x)} {middle} {_number(next_x)} {middle} {_number(next_x)} {_number(next_y)}"
            )
        x, y = next_x, next_y
    return "".join(parts)


def _straight(route: Sequence[tuple[float, float]]) -> str:
    (x, y), *_, (end_x, end_y) = route
    return f"M{_number(x)} {_number(y)}L{_number(end_x)} {_number(end_y)}"


def _middles(route: Sequence[tuple[float, float]]) -> list[tuple[float, float, float]]:
    """The middle of each part between two rows, where there are no boxes, and how far it leans.

    The last part comes first: there a name stands near its reader.
    """
    parts = list(zip(route[::2], route[1::2], strict=False))
    return [((x + end_x) / 2, (y + end_y) / 2, abs(end_x - x)) for (x, y), (end_x, end_y) in reversed(parts)]


_Area = tuple[float, float, float, float]
_STEEP: Final = 45


def _label_area(x: float, y: float, text: str, lean: float) -> _Area:
    """Beside a steep line, upon a flat one."""
    width = _pixels(text, 11) + 8
    left = x + 3 + lean / 5 if lean < _STEEP else x - width / 2
    return left, y - 8, left + width, y + 8


def _overlap(one: _Area, other: _Area) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


_NARROW: Final = frozenset("iljtfrI.,:;'|!()[] ·")
_WIDE: Final = frozenset("mwMW@%→…")


def _pixels(text: str, size: float) -> float:
    """About how wide a text is; the font is the host's, so that it is an upper estimate."""
    return sum(size * _share(char) for char in text)


@cache
def _share(char: str) -> float:
    if char in _NARROW:
        return 0.38
    if char in _WIDE or ord(char) > 0x2E80:
        return 1.0
    return 0.7 if char.isupper() else 0.61


def _fitted(text: str, size: float, room: float) -> str:
    """A text cut to the room that there is."""
    plain = one_line(text, 80)
    while plain and _pixels(plain, size) > room:
        plain = plain.removesuffix("…")[:-1].rstrip(" ·:") + "…"
        if plain == "…":
            break
    return plain
