"""What runs of explicit flows were given and have made, as far as this process knows it still; what runs say.

Kept are words and small values. A large value is shown as long as somebody else holds it, or the state whose
result it is: nothing stays in memory because it might be looked at. What runs log, and where they fail, is
told to the history.
"""

from __future__ import annotations

import importlib
import logging
import sys
from collections import deque
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast
from weakref import WeakValueDictionary, ref

from nbflow.engine.previews import preview
from nbflow.running.logs import RUN_LOGGERS
from nbflow.running.runs import Run
from nbflow.secrets import HIDDEN, hides, looks_secret
from nbflow.store.protocol import LOG, TRACEBACK
from nbflow.task_runners.telling import hear
from nbflow.views.values import described

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping

    from nbflow.engine.drive import Entered, Journal
    from nbflow.states import State
    from nbflow.store.protocol import History

SAID: Final = "said"
"""The kind of what a worker tells of lines that runs log there: a run, and the lines."""

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
_T = TypeVar("_T")


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
    """Listens to runs.

    Args:
        journal: Where their states are entered.
        history: Where texts of runs are kept.
    """

    def __init__(self, journal: Journal, history: History) -> None:
        self._history = history
        self._begun: dict[str, Run] = {}
        self._insides: dict[str, _Kept] = {}
        self._lines: dict[str, deque[str]] = {}
        self._makers: WeakValueDictionary[int, State] = WeakValueDictionary()
        self._unsubscribe = journal.subscribe(self._note, straight=())
        self._listening = ExitStack()
        self._listening.enter_context(listening(self.heard))
        self._listening.callback(hear(SAID, lambda told: self.heard(*told)))

    def close(self) -> None:
        """Listen no more."""
        self._unsubscribe()
        self._listening.close()

    def insides(self, run: str) -> Insides:
        """What a run was given and has made, as far as that is known."""
        kept, begun = self._insides.get(run), self._begun.get(run)
        if kept is None and begun is not None:
            kept = _Kept(begun.of.name, {name: self._seen(name, of) for name, of in begun.parameters.items()})
        return kept.insides(self._glimpse) if kept is not None else _UNKNOWN

    def heard(self, run: str, lines: Iterable[str]) -> None:
        """Note lines that a run has said."""
        known = self._lines.get(run)
        if known is None:
            known = _put(self._lines, run, deque[str](maxlen=_MOST_LINES))
        known.extend(lines)
        self._history.keep_text(run, LOG, known)
        self._history.flush_soon()

    # --- listening -----------------------------------------------------------------------------

    def _note(self, entered: Entered) -> None:
        run, state = entered.spec.body, entered.state
        if state.is_failed() and isinstance(state.result, BaseException):
            self._note_failure(entered.spec.id, state.result)
        if not isinstance(run, Run):
            return
        if not (state.is_final() or state.is_paused()):
            _put(self._begun, run.id, run)
            return
        self._begun.pop(run.id, None)
        inputs = {name: self._seen(name, value) for name, value in run.parameters.items()}
        kept = _Kept(run.of.name, inputs)
        if state.is_completed() and not state.is_skipped():
            self._makers[id(state.result)] = state
            kept = _Kept(run.of.name, inputs, (self._seen(run.of.name, state.result),))
        _put(self._insides, run.id, kept)

    def _note_failure(self, run: str, error: BaseException) -> None:
        """Where it was raised, in words; what was raised nowhere has no such place."""
        if error.__traceback__ is not None or error.__cause__ is not None:
            # What few runs need is imported with the first of them.
            trace = importlib.import_module("nbflow.notebook.tracebacks").text_of_trace(error)
            self._history.keep_text(run, TRACEBACK, trace.splitlines())

    def _seen(self, name: str, value: object) -> object:
        """A value in words as it is now; what never changes is put into words when somebody looks."""
        is_lasting = type(value) in _ATOMS and sys.getsizeof(value) <= _SMALL and not looks_secret(name)
        return value if is_lasting else self._glimpse(name, value)

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


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is kept of a run: glimpses, and values that are small and never change.

    Args:
        name: What made the result.
        inputs: Parameter to argument.
        made: The result; none where there is none.
    """

    name: str
    inputs: Mapping[str, object]
    made: tuple[object, ...] = ()

    def insides(self, glimpse: Callable[[str, object], Glimpse]) -> Insides:
        """The same with all values in words."""

        def seen(name: str, value: object) -> Glimpse:
            return value if isinstance(value, Glimpse) else glimpse(name, value)

        inputs = {name: seen(name, value) for name, value in self.inputs.items()}
        return Insides(inputs, seen(self.name, self.made[0]) if self.made else None)


@contextmanager
def listening(heard: Callable[[str, Iterable[str]], object]) -> Generator[None]:
    """Have `heard` called with each run that logs something in a block, and the lines of it."""
    handler = _Listener(heard)
    for logger in RUN_LOGGERS:
        logger.addHandler(handler)
    try:
        yield
    finally:
        for logger in RUN_LOGGERS:
            logger.removeHandler(handler)


class _Listener(logging.Handler):
    """Hears what runs log, whoever else shows it."""

    def __init__(self, heard: Callable[[str, Iterable[str]], object]) -> None:
        super().__init__()
        self._heard = heard
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))

    def emit(self, record: logging.LogRecord) -> None:
        """Pass on one line."""
        run = getattr(record, "run_id", "")
        if run:
            self._heard(run, self.format(record).splitlines())


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


def _put(kept: dict[str, _T], run: str, what: _T) -> _T:
    """Keep what belongs to a run; what belongs to the oldest ones goes."""
    kept[run] = what
    if len(kept) > _MOST_RUNS:
        kept.pop(next(iter(kept)), None)
    return what
