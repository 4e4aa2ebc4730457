"""What a live page is told, and when: changes are gathered and sent together, so that bursts cost little.

A page holds a picture (see `scene`), the present state of each task that runs, and the events of the
last burst of work. Whoever tells the feed something waits for nobody: telling is cheap, may be
done from any thread, and what is told twice before it is sent is sent once.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from nbflow.states import TERMINAL
from nbflow.views.groups import is_bad
from nbflow.views.words import one_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.states import Transition
    from nbflow.views.scene import Picture

RATE: Final = 15
"""How many messages a second there may be."""

PATIENCE: Final = 1.0
"""How many seconds a page may take to say that it has painted, before it is told more all the same."""

PAUSE: Final = 3.0
"""Seconds without any work after which the next event begins a new burst."""

BRIEF: Final = 0.1
"""Seconds up to which a plain cell is no work that anybody would look for: it begins no burst."""

_MOST_EVENTS: Final = 20_000

STEP: Final = "step"
"""The role of the run of a task or a cell that has a box in the picture."""

_MESSAGE: Final = 160
_AT, _KEY = 2, 6
"""Where the values of an event have its time, and the key of its run."""

_PARKED: Final = "Paused"
"""A run in this state waits for a person, perhaps for days: nobody works on it."""

_FINAL: Final = frozenset(kind.value for kind in TERMINAL)


@dataclass(frozen=True, slots=True)
class Ran:
    """Which run something is told of.

    Args:
        task: The task's name.
        number: The flow run's number; 0 outside of one.
        run: Identifier of the run; empty: that of the task's only one.
        parent: Identifier of the run whose body started it; empty where none did.
        role: What it is a run of: `step`, or `flow`, `task` or `item` within one.
        index: Its position among mapped items; None for all else.
        is_plain: Whether it is of a plain cell.
    """

    task: str
    number: int = 0
    run: str = ""
    parent: str = ""
    role: str = STEP
    index: int | None = None
    is_plain: bool = False

    @property
    def key(self) -> str:
        """What tells it from other runs."""
        return self.run or self.task


@dataclass(frozen=True, slots=True)
class Event:
    """A run entered a state.

    Args:
        of: The run.
        state: The state's name.
        at: When, seconds since the epoch.
        attempt: Which attempt, counted from 1.
        saved: For a reuse, how many seconds the run took that made the result.
        is_open: Whether more states follow.
        message: What a state says in which a run failed.
    """

    of: Ran
    state: str
    at: float
    attempt: int = 1
    saved: float | None = None
    is_open: bool = False
    message: str = ""

    def values(self, parent: str = "") -> list[Any]:
        """The event as plain values, in the order in which a page reads them."""
        of = self.of
        what = [of.task, self.state, self.at, self.attempt, of.number, self.saved]
        return [*what, of.key, parent, of.role, of.index, self.message]


def event_of(of: Ran, entry: Transition, saved: float | None = None) -> Event:
    """Return the event that an entry of a history tells of.

    Example:
        >>> from nbflow.states import Transition
        >>> event_of(Ran("clean"), Transition("r", 1, 1, 5.0, "RUNNING", "Running")).is_open
        True
    """
    message = one_line(entry.message, _MESSAGE) if is_bad(entry.name) else ""
    return Event(of, entry.name, entry.at, entry.attempt, saved, entry.type not in _FINAL, message)


@dataclass
class Feed:
    """Gathers what a page is to be told.

    Args:
        clock: Seconds, monotonic.
        waits: Whether the page says when it has painted a message, also while the kernel works.

    Example:
        >>> now = [0.0]
        >>> feed = Feed(lambda: now[0])
        >>> feed.note(Event(Ran("clean"), "Running", 5.0, is_open=True))
        >>> feed.note(Event(Ran("clean"), "Completed", 6.0))
        >>> feed.due(), feed.message()["live"]["clean"][:6]
        (0.0, ['clean', 'Completed', 6.0, 1, 0, None])
        >>> feed.due() is None
        True
    """

    clock: Callable[[], float]
    waits: bool = False
    _picture: Picture = field(default_factory=dict[str, Any])
    _parts: dict[str, Any] = field(default_factory=dict[str, Any])
    _live: dict[str, list[Any]] = field(default_factory=dict[str, list[Any]])
    _events: list[list[Any]] = field(default_factory=list[list[Any]])
    _open: dict[str, str] = field(default_factory=dict[str, str])
    _within: dict[str, str] = field(default_factory=dict[str, str])
    _aside: list[list[Any]] = field(default_factory=list[list[Any]])
    _burst: int = 0
    _kept: int = 0
    _last: float = 0.0
    _aside_at: float = 0.0

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._sent, self._painted, self._sent_at = 0, 0, float("-inf")
        self._reset()

    def _reset(self) -> None:
        self._is_whole = False
        self._tasks: dict[str, Any] = {}
        self._told: dict[str, list[Any]] = {}
        self._new: list[list[Any]] = []
        self._others: dict[str, Any] = {}

    # --- being told ----------------------------------------------------------------------------

    def show(self, picture: Picture) -> None:
        """Replace the picture; all states that runs are in are told by it from now on."""
        with self._lock:
            before, self._picture = self._picture, picture
            # What is on its way is told by its own states until it has ended.
            was_live = self._live
            self._live = {name: values for name, values in was_live.items() if values[_KEY] in self._open}
            if not before or before["shape"] != picture["shape"]:
                self._is_whole = True
                return
            pairs = zip(before["tasks"], picture["tasks"], strict=True)
            changed = [new for old, new in pairs if old != new or new["name"] in was_live]
            self._tasks |= {task["name"]: task for task in changed}
            # What has no place in the picture is told by its own states alone.
            names = {task["name"] for task in picture["tasks"]}
            elsewhere = {name: values for name, values in self._told.items() if name not in names}
            self._told = elsewhere | self._live
            others = ("title", "notices")
            self._others |= {part: picture[part] for part in others if before[part] != picture[part]}

    def begin(self, picture: Picture) -> None:
        """Replace the picture by one of a flow whose run begins: what ran before is of no interest then."""
        self.show(picture)
        with self._lock:
            if not self._open:
                self._events = []
                self._begin_burst()

    def join(self, picture: Picture) -> None:
        """Replace the picture by one that has more tasks, and knows nothing better of the others."""
        with self._lock:
            self._picture, self._is_whole = picture, True

    def note(self, event: Event) -> None:
        """Take note that a task entered a state."""
        with self._lock:
            is_first = not self._open and event.at - self._last > PAUSE
            if is_first:
                self._within = {}
            values = event.values(self._parent_of(event.of))
            if event.is_open and event.state != _PARKED:
                self._open[event.of.key] = event.of.role
            else:
                self._open.pop(event.of.key, None)
            if event.of.role == STEP:
                self._live[event.of.task] = self._told[event.of.task] = values
            if is_first or self._aside:
                if is_first:
                    self._aside_at = self.clock()
                self._aside.append(values)
                self._weigh(event)
            else:
                self._keep(event.at, values)

    def _weigh(self, event: Event) -> None:
        """After a pause a plain cell begins a burst once it has taken a while, or something else runs."""
        if event.of.is_plain and event.is_open:
            return
        if event.of.is_plain and event.at - self._aside[0][_AT] < BRIEF:
            self._aside = []
            return
        self._begin_with_aside(event.at)

    def _begin_with_aside(self, at: float) -> None:
        aside, self._aside = self._aside, []
        self._begin_burst()
        for values in aside:
            self._keep(at, values)

    def _weigh_again(self) -> float | None:
        """Seconds until what is set aside will have taken a while; when it has, its burst begins."""
        if not self._aside:
            return None
        rest = BRIEF - (self.clock() - self._aside_at)
        if rest <= 0:
            self._begin_with_aside(self._aside[0][_AT])
        return rest

    def _keep(self, at: float, values: list[Any]) -> None:
        self._last = at
        if len(self._events) < _MOST_EVENTS:
            self._events.append(values)
            self._new.append(values)

    def _parent_of(self, of: Ran) -> str:
        """Who started a run: what begins by itself while the body of a task or cell runs is part of that."""
        if of.parent or of.role == STEP:
            return of.parent
        if of.key not in self._within:
            self._within[of.key] = next((run for run in reversed(self._open) if self._open[run] == STEP), "")
        return self._within[of.key]

    def _begin_burst(self) -> None:
        """Of earlier bursts only what the newest run of each task has started is still of interest."""
        self._burst += 1
        self._within = {}
        self._events = _newest_groups(self._events)
        self._new, self._kept = list(self._events), len(self._events)

    def tell(self, **parts: Any) -> None:
        """Set further parts of the picture, such as `running`."""
        with self._lock:
            changed = {part: value for part, value in parts.items() if self._parts.get(part) != value}
            self._parts |= parts
            self._others |= changed

    def painted(self, number: int) -> None:
        """The page has painted a message."""
        with self._lock:
            self._painted = max(self._painted, number)

    # --- telling -------------------------------------------------------------------------------

    @property
    def is_working(self) -> bool:
        """Whether a task is on its way, by the states that were noted; one that waits for a person is not."""
        return bool(self._open)

    @property
    def picture(self) -> Picture:
        """The picture as it was shown last."""
        return self._picture

    def whole(self) -> Picture:
        """Everything that a page has to know which is just being opened."""
        with self._lock:
            return self._whole()

    def _whole(self) -> Picture:
        drawn = {part: value for part, value in self._picture.items() if part != "shape"}
        more = {"live": dict(self._live), "events": list(self._events), "burst": self._burst}
        return {**drawn, **self._parts, **more, "kept": self._kept, "number": self._sent}

    def open(self) -> Picture:
        """The same for a page that is opened by it: nothing of it has to be sent."""
        with self._lock:
            self._reset()
            return self._whole()

    def opened(self, number: int) -> None:
        """A page has been opened and knows what was told up to a message: it may have missed later ones."""
        with self._lock:
            self._is_whole = self._is_whole or number != self._sent

    def due(self) -> float | None:
        """Seconds until a message may be sent, 0 for now, or to be asked again; None if there is nothing."""
        with self._lock:
            later = self._weigh_again()
            if not (self._is_whole or self._tasks or self._told or self._new or self._others):
                return later
            since = self.clock() - self._sent_at
            is_behind = self.waits and self._painted < self._sent
            return max((PATIENCE if is_behind else 1 / RATE) - since, 0.0)

    def message(self) -> dict[str, Any]:
        """Take the message that tells all that is new."""
        with self._lock:
            self._sent += 1
            self._sent_at = self.clock()
            if self._is_whole:
                message = {"kind": "whole", **self._whole()}
            else:
                known = {"tasks": self._tasks, "live": self._told, "events": self._new, **self._others}
                message = {"kind": "patch", "number": self._sent, "burst": self._burst, "kept": self._kept}
                message |= known
                message["now"] = self._picture.get("now", 0.0)
            self._reset()
            return message


def _newest_groups(events: list[list[Any]]) -> list[list[Any]]:
    """The events of each task's newest run, where that has started others, and of those."""
    roots, newest, groups = dict[str, str](), dict[str, str](), set[str]()
    for task, _, _, _, _, _, run, parent, role, *_ in events:
        roots[run] = roots.get(parent, parent) or run
        if role == STEP:
            newest[task] = run
        elif parent:
            groups.add(roots[run])
    kept = groups.intersection(newest.values())
    return [values for values in events if roots[values[6]] in kept]
