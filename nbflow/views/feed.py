"""What a live page is told, and when: changes are gathered and sent together, so that bursts cost little.

A page holds a picture (see `scene`), the present state of each task that runs, and the events of the
last burst of work. Whoever tells the feed something waits for nobody: telling is cheap, may be
done from any thread, and what is told twice before it is sent is sent once.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.views.scene import Picture

RATE: Final = 15
"""How many messages a second there may be."""

PATIENCE: Final = 1.0
"""How many seconds a page may take to say that it has painted, before it is told more all the same."""

PAUSE: Final = 3.0
"""Seconds without any work after which the next event begins a new burst."""

_MOST_EVENTS: Final = 5_000


@dataclass(frozen=True, slots=True)
class Event:
    """A run of a task entered a state.

    Args:
        task: The task's name.
        state: The state's name.
        at: When, seconds since the epoch.
        attempt: Which attempt, counted from 1.
        number: The flow run's number; 0 outside of one.
        saved: For a reuse, how many seconds the run took that made the result.
        is_open: Whether more states follow.
    """

    task: str
    state: str
    at: float
    attempt: int = 1
    number: int = 0
    saved: float | None = None
    is_open: bool = False

    def values(self) -> list[Any]:
        """The event as plain values, in the order of its fields."""
        return [self.task, self.state, self.at, self.attempt, self.number, self.saved]


@dataclass
class Feed:
    """Gathers what a page is to be told.

    Args:
        clock: Seconds, monotonic.
        waits: Whether the page says when it has painted a message, also while the kernel works.

    Example:
        >>> now = [0.0]
        >>> feed = Feed(lambda: now[0])
        >>> feed.note(Event("clean", "Running", 5.0, is_open=True))
        >>> feed.note(Event("clean", "Completed", 6.0))
        >>> feed.due(), feed.message()["live"]
        (0.0, {'clean': ['clean', 'Completed', 6.0, 1, 0, None]})
        >>> feed.due() is None
        True
    """

    clock: Callable[[], float]
    waits: bool = False
    _picture: Picture = field(default_factory=dict[str, Any])
    _live: dict[str, list[Any]] = field(default_factory=dict[str, list[Any]])
    _events: list[list[Any]] = field(default_factory=list[list[Any]])
    _open: set[str] = field(default_factory=set[str])
    _burst: int = 0
    _last: float = 0.0

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
            was_live, self._live = self._live, {}
            if not before or before["shape"] != picture["shape"]:
                self._is_whole = True
                return
            pairs = zip(before["tasks"], picture["tasks"], strict=True)
            changed = [new for old, new in pairs if old != new or new["name"] in was_live]
            self._tasks |= {task["name"]: task for task in changed}
            self._told = {}
            others = ("title", "notices")
            self._others |= {part: picture[part] for part in others if before[part] != picture[part]}

    def note(self, event: Event) -> None:
        """Take note that a task entered a state."""
        with self._lock:
            if not self._open and event.at - self._last > PAUSE:
                self._burst += 1
                self._events, self._new = [], []
            self._last = event.at
            (self._open.add if event.is_open else self._open.discard)(event.task)
            values = event.values()
            self._live[event.task] = self._told[event.task] = values
            if len(self._events) < _MOST_EVENTS:
                self._events.append(values)
                self._new.append(values)

    def tell(self, **parts: Any) -> None:
        """Set further parts of the picture, such as `running`."""
        with self._lock:
            changed = {part: value for part, value in parts.items() if self._picture.get(part) != value}
            self._picture = self._picture | parts
            self._others |= changed

    def painted(self, number: int) -> None:
        """The page has painted a message."""
        with self._lock:
            self._painted = max(self._painted, number)

    # --- telling -------------------------------------------------------------------------------

    @property
    def is_working(self) -> bool:
        """Whether a task is on its way, by the states that were noted."""
        return bool(self._open)

    def whole(self) -> Picture:
        """Everything that a page has to know which is just being opened."""
        with self._lock:
            return self._whole()

    def _whole(self) -> Picture:
        more = {"live": dict(self._live), "events": list(self._events), "burst": self._burst}
        return {**self._picture, **more, "number": self._sent}

    def due(self) -> float | None:
        """Seconds until a message may be sent, 0 for now; None if there is nothing to say."""
        with self._lock:
            if not (self._is_whole or self._tasks or self._told or self._new or self._others):
                return None
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
                message = {"kind": "patch", "number": self._sent, "burst": self._burst, **known}
                message["now"] = self._picture.get("now", 0.0)
            self._reset()
            return message
