"""What runs of explicit flows were given, have made and have logged, as far as this process knows it still.

Kept are words, lines and small values. A large value is shown as long as somebody else holds it, or the state
whose result it is: nothing stays in memory because it might be looked at.
"""

from __future__ import annotations

import logging
import sys
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast
from weakref import WeakValueDictionary, ref

from nbflow.engine.previews import preview
from nbflow.running.logs import RUN_LOGGERS
from nbflow.running.runs import Run
from nbflow.secrets import HIDDEN, KNOWN, hides, looks_secret
from nbflow.views.values import described

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from nbflow.engine.drive import Entered, Journal
    from nbflow.states import State

GONE: Final = object()
"""What a value is that nobody holds any more."""

_MOST_RUNS: Final = 5_000
_MOST_LINES: Final = 500
_SMALL: Final = 4_096
"""Bytes up to which a value is kept for the sake of being looked at."""

_MOST_PARTS: Final = 64
_ATOMS: Final = frozenset({int, float, complex, bool, str, bytes, type(None)})
_CONTAINERS: Final = frozenset({list, tuple, set, dict})
_PLAIN: Final = _ATOMS | _CONTAINERS
_Kept = TypeVar("_Kept")


@dataclass(frozen=True, slots=True)
class Glimpse:
    """A value in words, and a way to it.

    Args:
        about: What it is: `DataFrame, 336,776 × 19`.
        text: It in a few characters, as it was when its run ended.
        reach: Gives the value, or `GONE`.
    """

    about: str
    text: str
    reach: Callable[[], Any] = lambda: GONE


@dataclass(frozen=True, slots=True)
class Insides:
    """What a run was given and has made.

    Args:
        inputs: Parameter to argument.
        result: What it made; None for one that has made nothing.
    """

    inputs: Mapping[str, Glimpse] = field(default_factory=dict[str, Glimpse])
    result: Glimpse | None = None


class Remembered:
    """Listens to the runs of explicit flows.

    Args:
        journal: Where their states are entered.
    """

    def __init__(self, journal: Journal) -> None:
        self._insides: dict[str, Insides] = {}
        self._lines: dict[str, deque[str]] = {}
        self._makers: WeakValueDictionary[int, State] = WeakValueDictionary()
        self._unsubscribe = journal.subscribe(self._note)
        self._handler = _Listener(self._hear)
        for logger in RUN_LOGGERS:
            logger.addHandler(self._handler)

    def close(self) -> None:
        """Listen no more."""
        self._unsubscribe()
        for logger in RUN_LOGGERS:
            logger.removeHandler(self._handler)

    def insides(self, run: str) -> Insides:
        """What a run was given and has made, as far as that is known."""
        return self._insides.get(run, _UNKNOWN)

    def lines(self, run: str) -> tuple[str, ...]:
        """What a run has logged, oldest first: of very many lines, the last ones."""
        return tuple(self._lines.get(run, ()))

    # --- listening -----------------------------------------------------------------------------

    def _note(self, entered: Entered) -> None:
        run, state = entered.spec.body, entered.state
        if not isinstance(run, Run) or not state.is_final():
            return
        inputs = {name: self._glimpse(name, value) for name, value in run.parameters.items()}
        result = None
        if state.is_completed() and not state.is_skipped():
            self._makers[id(state.result)] = state
            result = self._glimpse(run.of.name, state.result)
        _put(self._insides, run.id, Insides(inputs, result))

    def _glimpse(self, name: str, value: object) -> Glimpse:
        if looks_secret(name) or (type(value) not in _PLAIN and hides(type(value))):
            return Glimpse("", HIDDEN)
        return Glimpse(described(value), preview(value), self._way_to(value))

    def _way_to(self, value: object) -> Callable[[], Any]:
        """How a value is found later, without holding one that is large."""
        if _is_small(value):
            return lambda: value
        try:
            held = ref(value)
        except TypeError:  # lists and their like: the state holds them whose result they are
            made = self._makers.get(id(value))
            return _result_of(ref(made)) if made is not None and made.result is value else lambda: GONE
        return lambda: GONE if (found := held()) is None else found

    def _hear(self, run: str, line: str) -> None:
        lines = self._lines.get(run)
        if lines is None:
            lines = _put(self._lines, run, deque[str](maxlen=_MOST_LINES))
        lines.append(KNOWN.masked(line))


class _Listener(logging.Handler):
    """Hears what runs log, whoever else shows it."""

    def __init__(self, heard: Callable[[str, str], object]) -> None:
        super().__init__()
        self._heard = heard
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))

    def emit(self, record: logging.LogRecord) -> None:
        """Pass on one line."""
        run = getattr(record, "run_id", "")
        if run:
            self._heard(run, self.format(record))


_UNKNOWN: Final = Insides()


def _result_of(made: ref[State]) -> Callable[[], Any]:
    return lambda: GONE if (state := made()) is None else state.result


def _is_small(value: object) -> bool:
    """Whether it is plain data that takes next to nothing."""
    kind = type(value)
    if kind in _ATOMS:
        return sys.getsizeof(value) <= _SMALL
    if kind not in _CONTAINERS or len(cast("list[Any]", value)) > _MOST_PARTS:
        return False
    parts = _parts(value)
    return all(type(part) in _ATOMS for part in parts) and sum(map(sys.getsizeof, parts)) <= _SMALL


def _parts(value: object) -> Iterable[object]:
    found = cast("dict[object, object]", value)
    return (*found, *found.values()) if type(value) is dict else found


def _put(kept: dict[str, _Kept], run: str, what: _Kept) -> _Kept:
    """Keep what belongs to a run; what belongs to the oldest ones goes."""
    kept[run] = what
    if len(kept) > _MOST_RUNS:
        kept.pop(next(iter(kept)), None)
    return what
