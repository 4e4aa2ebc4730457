"""A flow as the plain values that a live page draws: what stands where, and one entry a task.

What is unknown or empty is left out of an entry. Everything is text, numbers and lists of them.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from nbflow.states import TYPES
from nbflow.store.told import told_path
from nbflow.views.graph import plot, subtitle
from nbflow.views.looks import NOT_RUN, REGISTERED, REUSED, STATES, VERDICTS, look_of
from nbflow.views.table import reason
from nbflow.views.words import duration, one_line, size

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nbflow.views.cards import FlowCard, TaskCard
    from nbflow.views.graph import Line
    from nbflow.views.looks import Look

Entry = dict[str, Any]
"""What a page knows of one task."""

Picture = dict[str, Any]
"""What a page knows of a flow."""

_REUSED: Final = "reused"
_MOST_NAMES: Final = 40


def picture_of(flow: FlowCard, *, at: Picture | None = None) -> Picture:
    """Return a flow as a page draws it.

    Args:
        flow: The flow.
        at: An earlier picture; where it has the same tasks and edges, everything stays where it was.

    Example:
        >>> from nbflow.types import Verdict
        >>> from nbflow.views.cards import FlowCard, TaskCard
        >>> picture = picture_of(FlowCard((TaskCard("clean", Verdict.FRESH, "Cached", saved=1.4),)))
        >>> picture["tasks"][0]["look"], picture["tasks"][0]["sub"], picture["corners"]
        ('reused', 'fresh · saved 1.4 s', [[0.0, 0.0]])
    """
    tasks = [entry_of(card) for card in flow.tasks]
    shape = {"names": [task["name"] for task in tasks], "edges": _edges(flow)}
    plan = _plan_of(at) if at and at["shape"] == shape else _plot(flow)
    told = {"title": one_line(flow.title, 80), "now": flow.now, "notices": list(flow.notices)}
    return {**told, **plan, "shape": shape, "tasks": tasks}


@lru_cache(maxsize=10_000)
def entry_of(card: TaskCard) -> Entry:
    """Return one task as a page draws it; the same object for an equal card, never to be changed."""
    known = {
        "verdict": card.verdict.value if card.verdict is not None else REGISTERED.word * card.is_registered,
        "state": card.state,
        "why": reason(card),
        "seconds": card.seconds,
        "took": duration(card.seconds),
        "saved": card.saved if card.state == "Cached" else None,
        "attempt": card.attempt if card.attempt > 1 else None,
        "run": card.run,
        "made": card.made,
        "bytes": card.size,
        "size": size(card.size),
        "plain": card.is_plain,
        "tags": list(card.tags),
        "about": one_line(card.description),
        "error": one_line(card.error, 600),
        "notes": list(card.notes),
        "hold": card.hold,
        "items": [list(each) for each in card.items],
        "reads": [told_path(name) for name in card.reads[:_MOST_NAMES]],
        "writes": [told_path(name) for name in card.writes[:_MOST_NAMES]],
    }
    always = {"name": card.name, "look": look_name(look_of(card)), "sub": subtitle(card)}
    return always | {field: value for field, value in known.items() if value not in (None, "", 0, False, [])}


def look_name(look: Look) -> str:
    """Return the name of a look in `looks`.

    Example:
        >>> look_name(REUSED), look_name(NOT_RUN)
        ('reused', 'not run')
    """
    return _REUSED if look is REUSED else look.word


def looks() -> Mapping[str, Any]:
    """Return all looks by name, the look of each state, and which states are open."""
    every = [*STATES.values(), *VERDICTS.values(), NOT_RUN, REGISTERED]
    named = {look.word: _look(look) for look in every} | {_REUSED: _look(REUSED)}
    open_states = [name for name, kind in TYPES.items() if kind.value in _OPEN]
    return {"looks": named, "states": {name: look.word for name, look in STATES.items()}, "open": open_states}


_OPEN: Final = ("SCHEDULED", "PENDING", "RUNNING", "PAUSED", "CANCELLING")


def _look(look: Look) -> Mapping[str, str]:
    return {"word": look.word, "hue": look.hue, "icon": look.icon, "shape": look.shape, "dash": look.dash}


def _edges(flow: FlowCard) -> Sequence[Any]:
    return [[edge.source, edge.target, list(edge.names)] for edge in flow.edges]


def _plan_of(picture: Picture) -> Picture:
    return {part: picture[part] for part in ("extent", "box", "corners", "lines")}


def _plot(flow: FlowCard) -> Picture:
    found = plot(flow)
    lines = [_line(line) for line in found.lines]
    corners = [list(corner) for corner in found.corners]
    return {"extent": list(found.size), "box": list(found.box), "corners": corners, "lines": lines}


def _line(line: Line) -> Sequence[Any]:
    """A line as a page draws it; where that draws none, only from where to where it goes."""
    ends = [line.source, line.target]
    return [*ends, line.path, list(line.names), *line.label[1:]] if line.path else ends
