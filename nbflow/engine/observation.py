"""What was seen of one execution of a body, while it ran and once it is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from nbflow.engine.again import outside_entries
from nbflow.engine.effects import Ended, Outcome
from nbflow.engine.signals import ENDRUN, Signal
from nbflow.exceptions import text_of
from nbflow.store.at_import import NOTHING_ASKED, AtImport
from nbflow.store.settlement import NOTHING
from nbflow.store.told import told_path
from nbflow.types import WHILE_IT_RAN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from nbflow.engine.effects import Call
    from nbflow.engine.slots import InContext
    from nbflow.store.watching import Watch
    from nbflow.types import Entry, Output


class Observation(msgspec.Struct, frozen=True):
    """What was seen of one execution of a body.

    Args:
        outcome: How the body ended.
        changed: Keys that it bound, changed in place or deleted.
        outputs: The outputs among the keys in memory, alias groups counted in.
        watch: Files and the rest of the outside, as watched; None where it never started.
        started: When it started, seconds since the epoch.
        seconds: How long it took.
        drew: The generators whose state it moved or set.
        context: What it read from `nbflow.context`, by key.
        undecided: Names of which nobody can tell whether it bound them: they hold the same object.
        data: What local modules looked at when they were imported.
        folder: Digest of the working folder when it started.
        fault: Why nbflow could not see what it did; empty where it could.
        cause: What an item raised, where the outcome only sums up how the items have ended.
        item: Which item that was, in words.
        doubt: Why nbflow could not tell which names it changed, so that all that it may have changed
            count as changed; empty where it could.
        connections: Names of connections to databases that it had.
    """

    outcome: Outcome
    changed: frozenset[str]
    outputs: tuple[Output, ...]
    watch: Watch | None
    started: float
    seconds: float
    drew: frozenset[str] = frozenset()
    context: Mapping[str, InContext] = {}
    undecided: frozenset[str] = frozenset()
    fault: str = ""
    folder: str = ""
    data: AtImport = NOTHING_ASKED
    cause: BaseException | None = None
    item: str = ""
    doubt: str = ""
    connections: frozenset[str] = frozenset()

    @property
    def error(self) -> BaseException | None:
        """What the body raised; None where it completed, or was stopped by its limit."""
        value = self.outcome.value if self.outcome.ended is Ended.RAISED else None
        return self.cause or (value if isinstance(value, BaseException) else None)

    @property
    def outside(self) -> Iterator[Entry]:
        """What the body looked at that no name holds; nothing if it never started."""
        watch = self.watch
        return iter(()) if watch is None else outside_entries(watch, self.context, self.folder, self.data)

    @property
    def looked_outside(self) -> bool:
        """Whether it may have looked at anything of that."""
        return self.watch is not None and bool(self.watch.settled is not NOTHING or self.context or self.data)

    @property
    def has_returned(self) -> bool:
        """Whether the body ran to its end, be it by a signal that it is done."""
        return self.outcome.has_returned

    @property
    def failure(self) -> str:
        """Why there is no trace, in one line; empty where there may be one."""
        if self.error is not None:
            return ": ".join(filter(None, (self.item, _said(self.error))))
        if not self.has_returned:
            told: object = self.outcome.value if self.outcome.ended is Ended.CRASHED else ""
            return str(told or self.outcome.ended.value)
        if self.fault:
            return self.fault
        voided = ", ".join(map(told_path, self.watch.voided)) if self.watch is not None else ""
        return f"{voided} {WHILE_IT_RAN}; --writes, if the body writes it" if voided else ""

    @property
    def touched_outside(self) -> bool:
        """Whether it may have changed what slots outside hold."""
        watch = self.watch
        return watch is None or not (watch.saw_nothing or not (watch.written or watch.noise))

    @property
    def is_whole(self) -> bool:
        """Whether the body completed and nothing that it looked at changed under it."""
        watch, outcome = self.watch, self.outcome
        if watch is None or self.fault or not (outcome.ended is Ended.RETURNED or outcome.has_returned):
            return False
        return watch.settled is NOTHING or not watch.voided


def _said(error: BaseException) -> str:
    """What an error says; of one that only hands over a state, what that says."""
    return (isinstance(error, ENDRUN) and error.state.message) or text_of(error)


def refusal(error: BaseException | None) -> str:
    """Why a plain cell cannot go on as it has asked by a signal; empty where it has asked for nothing.

    Example:
        >>> from nbflow.engine.signals import PAUSE
        >>> refusal(PAUSE("look"))
        'only a task can run again or wait after PAUSE; let the cell begin with `#@task`'
    """
    if not isinstance(error, Signal) or error.state.is_final():
        return ""
    return f"only a task can run again or wait after {type(error).__name__}; let the cell begin with `#@task`"


def not_started(call: Call, error: BaseException) -> Observation:
    """What there is to see of an attempt whose body could not start."""
    return Observation(Outcome(call.attempt, Ended.RAISED, error), frozenset(), (), None, 0.0, 0.0)


class Watched(msgspec.Struct):
    """What was seen of an execution so far; what it did to the names is looked at afterwards."""

    outcome: Outcome
    watch: Watch
    started: float
    seconds: float
    context: Mapping[str, InContext]
    folder: str
    data: AtImport
    undecided: frozenset[str] = frozenset()
    connections: frozenset[str] = frozenset()

    @property
    def outside(self) -> Iterator[Entry]:
        """What the body looked at that no name holds."""
        return outside_entries(self.watch, self.context, self.folder, self.data)

    def observation(
        self,
        changed: frozenset[str] = frozenset(),
        outputs: tuple[Output, ...] = (),
        drew: frozenset[str] = frozenset(),
        fault: str = "",
        doubt: str = "",
    ) -> Observation:
        """All of it, with what the body did to the names."""
        what = self.outcome, changed, outputs, self.watch, self.started, self.seconds, drew
        rest = self.context, self.undecided, fault, self.folder, self.data
        return Observation(*what, *rest, doubt=doubt, connections=self.connections)
