"""Runs that wait for a person, as their history knows them: how to go on with one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from nbflow.states import State, StateType, state_of

if TYPE_CHECKING:
    from nbflow.running.records import Records
    from nbflow.store.protocol import RunRecord


@dataclass(frozen=True, slots=True)
class Parked:
    """Where a run stood.

    Args:
        run: Identifier of the run; empty: there is none.
        state: Its last state.
        attempt: The attempt of its iteration, from 1.
        loop: Its iteration of LOOP, from 1.

    Example:
        >>> Parked.NEW.how()
        {}
    """

    NEW: ClassVar[Parked]

    run: str = ""
    state: State | None = None
    attempt: int = 1
    loop: int = 1

    def how(self) -> dict[str, Any]:
        """The fields of the `RunSpec` with which the run goes on."""
        if self.state is None:
            return {}
        return {"resumed": self.state, "attempt": self.attempt, "loop": self.loop}


Parked.NEW = Parked()


def parked(records: Records, run: str) -> Parked | None:
    """Where a run waits for a person; None where it does not."""
    last = next(reversed(records.history.transitions(run)), None)
    if last is None or last.type != StateType.PAUSED.value:
        return None
    return Parked(run, state_of(last), last.attempt, last.loop)


def parked_flow_run(records: Records, name: str) -> tuple[RunRecord, Parked] | None:
    """The last run of the flow of that name, where it waits for a person."""
    runs = records.history.runs(records.notebook, f"{name}()")
    last = next((run for run in runs if run.role == "flow"), None)
    found = parked(records, last.id) if last is not None else None
    return (last, found) if last is not None and found is not None else None
