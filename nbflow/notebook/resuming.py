"""Resuming: running the tasks of a session that wait for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow.engine.action import Action
from nbflow.engine.gates import person_cause
from nbflow.exceptions import SessionError
from nbflow.types import Standing, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbflow.engine.book import Step
    from nbflow.engine.requests import Working
    from nbflow.notebook.session import Session


def resume(session: Session, names: Sequence[str] = ()) -> Working[Action]:
    """Run the tasks that wait for a person, or those named, and nothing above them.

    Raises:
        UnknownTaskError: If a name is none of a task.
        SessionError: If one waits for nobody, has not run in this kernel, or cannot run here.
    """
    session.prepare()
    steps = [session.places.named(name).step for name in names]
    for step in steps:
        if not _waits(session, step):
            raise SessionError(f"{step.name} waits for nobody; `%flow run {step.name}` runs it if need be")
    done = Action()
    for step in steps or _all_waiting(session):
        _check(session, step)
        # What it shows is shown here, as if this were its cell.
        done.add((yield from session.working(step, session.work.resume(step))))
    session.refresh_badges()
    if done.stop is not None:
        raise done.stop
    return done


def _all_waiting(session: Session) -> list[Step]:
    """The tasks that wait for a person; of those of earlier kernels only where there are no others."""
    found = [cell.step for cell in session.places.tasks() if _waits(session, cell.step)]
    return [step for step in found if step.standing is Standing.HERE] or found


def _waits(session: Session, step: Step) -> bool:
    is_done = session.trunk.sweep.judgement(step).verdict in (Verdict.FRESH, Verdict.AS_OF)
    return person_cause(step) is not None and not is_done


def _check(session: Session, step: Step) -> None:
    if step.standing is not Standing.HERE:
        raise SessionError(f"{step.name} waits, but has not run in this kernel: run its cell first")
    if session.cannot_wait(step):
        raise SessionError(f"{step.name} awaits at its top level; `%flow resume` in a cell of its own")
