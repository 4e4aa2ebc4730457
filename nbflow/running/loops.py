"""LOOP that survives: where a run is stopped, or its kernel dies, another goes on at its last iteration.

A run keeps the last two results of LOOP under names of its own, and a mark under what it computes: the code
of its task, the inputs, the parameters of the flow. A later run of the same finds the mark, and goes on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from nbflow.engine.cache_validators import Digested
from nbflow.engine.effects import Left
from nbflow.exceptions import CacheError
from nbflow.running.caching import STORE_LOCK
from nbflow.running.identity import code_digest, named_arguments
from nbflow.running.keys import in_order
from nbflow.states import StateType
from nbflow.store.digests import key_digest
from nbflow.store.protocol import Missing
from nbflow.store.walks import is_plain

if TYPE_CHECKING:
    from collections.abc import Mapping
    from concurrent.futures import Future

    from nbflow.running.records import Records
    from nbflow.running.runs import Run
    from nbflow.store.protocol import Store

_FEW: Final = 8
"""So many iterations are kept first, unless that takes longer than `_GRACE`."""
_GRACE: Final = 1.0
"""Seconds."""
_SHARE: Final = 0.1
"""What part of the time of the run keeping may take then."""

_INTERRUPTED: Final = frozenset({StateType.CANCELLED.value, StateType.CRASHED.value})
_GOES_ON: Final = frozenset(
    {StateType.CANCELLED, StateType.CRASHED, StateType.PAUSED, StateType.SCHEDULED, StateType.RUNNING}
)


def has_looped(run: Run, records: Records) -> bool:
    """Whether any run of a task has kept a LOOP; the store is asked once, because most tasks never do."""
    name = run.of.name
    known = records.looped.get(name)
    if known is None:
        with STORE_LOCK:
            known = records.store is not None and records.store.has(_sign(records, name))
        records.looped[name] = known
    return known


@dataclass(slots=True)
class Loops:
    """What one run keeps of its LOOP.

    Args:
        run: The run.
        records: Where runs are kept.
        parameters: Those of its flow.
    """

    run: Run
    records: Records
    parameters: Mapping[str, Any]
    _key: str = ""
    _before: str = ""
    _last: tuple[int, Any] | None = None
    _written: int = 0
    _count: int = 0
    _is_marked: bool = False
    _spent: float = 0.0
    _began: float = field(default_factory=perf_counter)

    def recall(self, arguments: Mapping[str, Any], goes_on: bool, ended: Future[Any]) -> Left | None:
        """Where this run, if it goes on, or an interrupted one of the same goes on; None where there is none.

        Args:
            arguments: Parameter to argument.
            goes_on: Whether the run has waited for a person, or for a time, and goes on now.
            ended: Is done when the run has ended.
        """
        store = self.records.store
        if store is None:
            return None
        self._key = self._what(arguments)
        with STORE_LOCK:
            before = self.run.id if goes_on else self._interrupted(store)
            left = last_loop(store, before) if before else None
        if left is not None:
            self._before, self._last, self._written = before, (left.loop, left.result), left.loop
            ended.add_done_callback(lambda _: self._end())
        return left

    def save(self, loop: int, result: Any, arguments: Mapping[str, Any], ended: Future[Any]) -> None:
        """Keep what iteration `loop` starts from; after a few, very short ones are kept now and then."""
        if self._last is None:
            self._key = self._key or self._what(arguments)
            ended.add_done_callback(lambda _: self._end())
        self._last = (loop, result)
        self._count += 1
        is_first = self._count <= _FEW and self._spent <= _GRACE
        if is_first or self._spent <= _SHARE * (perf_counter() - self._began):
            self._write(loop, result)

    def _write(self, loop: int, result: Any) -> None:
        store, start = self.records.store, perf_counter()
        if store is None:
            return
        with STORE_LOCK:
            store.replace(_slot(self.run.id, loop), (loop, result))
            if not self._is_marked:
                self._leave_mark(store)
        self._written = loop
        self._spent += perf_counter() - start

    def _leave_mark(self, store: Store) -> None:
        self._is_marked = True
        store.replace(_sign(self.records, self.run.of.name), (True,))
        self.records.looped[self.run.of.name] = True
        if self._key:
            store.replace(_mark(self._key), (self.run.id,))
        if self._before not in ("", self.run.id):
            _discard(store, self._before)
        self._before = ""
        # Who finds the mark asks the history how this run ended, also if this process is killed.
        self.records.history.flush()

    def _end(self) -> None:
        """Keep what another run goes on from; of a run that has ended otherwise, nothing."""
        store = self.records.store
        if store is None or self._last is None:
            return
        if self.run.state.type not in _GOES_ON:
            with STORE_LOCK:
                _discard(store, self._before or self.run.id)
                if self._key:
                    store.discard(_mark(self._key))
        elif self._last[0] != self._written and is_plain(self._last[1:]):
            # What can be changed may have been, by the iteration that was stopped.
            self._write(*self._last)

    def _what(self, arguments: Mapping[str, Any]) -> str:
        """What the run computes; empty where that cannot be compared."""
        of = self.run.of
        inputs = Digested(named_arguments(of, arguments)).digests
        parameters = Digested(self.parameters).digests
        digests = [*in_order(inputs), "parameters", *in_order(parameters)]
        try:
            return key_digest("loop", code_digest(of), self.run.index, *digests) if all(digests) else ""
        except CacheError:
            return ""

    def _interrupted(self, store: Store) -> str:
        """The run that has done the same last, if it was interrupted."""
        found = _loaded(store, _mark(self._key)) if self._key else None
        transitions = self.records.history.transitions(str(found[0])) if found is not None else ()
        return str(found[0]) if found and transitions and transitions[-1].type in _INTERRUPTED else ""


def last_loop(store: Store, run: str) -> Left | None:
    """The last result of LOOP that is kept of a run, and the iteration that starts from it."""
    found = [slot for loop in (0, 1) if (slot := _loaded(store, _slot(run, loop))) is not None]
    if not found:
        return None
    loop, result = max(found, key=lambda slot: slot[0])
    return Left(loop, result)


def _sign(records: Records, task: str) -> str:
    return key_digest("has looped", records.notebook, task)


def _slot(run: str, loop: int) -> str:
    return key_digest("loop of", run, loop % 2)


def _mark(key: str) -> str:
    return key_digest("loop at", key)


def _loaded(store: Store, unit: str) -> Any:
    try:
        return store.load(unit)
    except Missing:
        return None


def _discard(store: Store, run: str) -> None:
    for loop in (0, 1):
        store.discard(_slot(run, loop))
