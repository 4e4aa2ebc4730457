"""How the tasks of earlier kernels ended where that left no result: they failed, were stopped, died or wait.

Of such a run the store has nothing, and the history all. A task is known by it as long as its cell has the
source that ran; what it would give now nobody knows before its cell has run here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbflow.engine.enact import source_digest
from nbflow.notebook.last import Last
from nbflow.states import Origin, state_of
from nbflow.types import Standing

if TYPE_CHECKING:
    from nbflow.engine.book import Body, Step
    from nbflow.notebook.session import Session
    from nbflow.states import State
    from nbflow.store.protocol import RunRecord

_MOST_AUDITS: Final = 20
"""How many runs are looked through for the last one that was no audit."""


def was_run(session: Session, cell: str, body: Body, *, is_task: bool) -> bool:
    """Whether earlier kernels have run a body: it has results, or is what the cell of a task ran last."""
    if session.around.store.lists(body.static_key):
        return True
    return is_task and _last_run(session, cell, body) is not None


def every(cell: str, body: Body, *, is_task: bool) -> bool:
    """Take each cell for one that was run."""
    return True


def note_ends(session: Session) -> None:
    """Let each remembered task for which no result was found stand as its last run left it."""
    for step in session.book:
        if step.standing is Standing.REMEMBERED and not step.plain and step.bound_trace is None:
            note_end(session, step, _last_run(session, step.id, step.body))


def note_end(session: Session, step: Step, run: RunRecord | None) -> bool:
    """Let a step stand as its last run left it; return whether that left no result."""
    path = session.around.store.history.transitions(run.id) if run is not None else ()
    if run is None or not path:
        return False
    state = state_of(path[-1])
    if not _leaves_nothing(state):
        return False
    step.ended = state
    step.failure = "" if state.is_skipped() or state.is_paused() else state.message or state.name
    session.lasts[step.id] = Last(state.name, run.number, path[-1].attempt, state.message, run.id)
    session.trunk.sweep.touch(step)
    return True


def _leaves_nothing(state: State) -> bool:
    """Whether a run is over, or waits for a person, and has no result."""
    is_over = state.is_final() and (state.is_skipped() or not state.is_completed())
    return is_over or state.is_paused()


def _last_run(session: Session, step: str, body: Body) -> RunRecord | None:
    """The last run of a step, if that was of this body; audits are runs of nobody."""
    around = session.around
    runs = around.store.history.runs(around.notebook, step, _MOST_AUDITS)
    last = next((run for run in runs if run.origin != Origin.AUDIT.value), None)
    return last if last is not None and last.source == source_digest(body) else None
