"""Runs as the history has them: also those of earlier kernels, and those whose objects are gone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbflow.showing import ShowsItself
from nbflow.states import Pending, State, state_of

if TYPE_CHECKING:
    from nbflow.running.records import Records
    from nbflow.store.protocol import History, RunRecord


@dataclass(frozen=True, slots=True)
class PastRun(ShowsItself):
    """One run as its history has it.

    Args:
        record: What is known of it.
        history: The history.
    """

    record: RunRecord
    history: History

    @property
    def id(self) -> str:
        """Unique identifier."""
        return self.record.id

    @property
    def name(self) -> str:
        """What people called it."""
        return self.record.name

    @property
    def number(self) -> int:
        """The number of its flow run."""
        return self.record.number

    @property
    def states(self) -> tuple[State, ...]:
        """The states that it has entered, oldest first, without results."""
        return tuple(map(state_of, self.history.transitions(self.id)))

    @property
    def state(self) -> State:
        """The last state that it has entered."""
        states = self.states
        return states[-1] if states else Pending()

    def children(self, limit: int = 10_000) -> tuple[PastRun, ...]:
        """The runs that its body started, oldest first, among the last `limit` runs of all."""
        found = self.history.runs(limit=limit)
        return tuple(PastRun(each, self.history) for each in reversed(found) if each.parent == self.id)

    def __repr__(self) -> str:
        return f"<{self.record.role} run {self.name!r} (#{self.number}): {self.state.name}>"


def past_runs(records: Records, name: str, limit: int) -> tuple[PastRun, ...]:
    """The runs of the task or flow of that name, newest first.

    Example:
        >>> from nbflow.running.records import records_in
        >>> from nbflow.store.memory import MemoryStore
        >>> past_runs(records_in(MemoryStore()), "etl", 10)
        ()
    """
    found = records.history.runs(records.notebook, f"{name}()", limit)
    return tuple(PastRun(record, records.history) for record in found)
