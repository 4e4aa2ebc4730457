"""Why one item of a mapped task is as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow.exceptions import SessionError
from nbflow.notebook.recall import Recall
from nbflow.notebook.report import compared_names, compared_words
from nbflow.types import Cause, Verdict
from nbflow.views import TaskCard, WhyCard
from nbflow.views.words import moment

if TYPE_CHECKING:
    from nbflow.notebook.past import Subject
    from nbflow.notebook.session import Session
    from nbflow.store.protocol import RunRecord
    from nbflow.types import Trace

_DONE = (Verdict.FRESH, Verdict.AS_OF)


def why_item(session: Session, item: Subject) -> WhyCard:
    """Why an item is as it is: how its last run ended, and why its task ran, or would run again.

    Args:
        session: The session.
        item: The item.

    Raises:
        SessionError: If it has not run.
    """
    session.trunk.sweep.look()
    run = next(iter(session.past_runs.runs_of(item)), None)
    if run is None:
        whole = item.name.rpartition("[")[0]
        raise SessionError(f"{item.name} has not run; `%flow why {whole}` says why {whole} is as it is")
    recall, verdict = Recall(session), _verdict(session, item)
    line, trace = recall.line(run), recall.made(run)
    error = line.transitions[-1].message if trace is None and line.transitions else ""
    card = TaskCard(
        item.name,
        verdict if verdict in _DONE else None,
        line.state,
        seconds=line.seconds,
        attempt=line.attempts,
        run=run.number,
        error=error,
    )
    return WhyCard(card, _causes(session, item, run), _result(session, trace), now=session.around.clock())


def _verdict(session: Session, item: Subject) -> Verdict | None:
    return session.trunk.sweep.judgement(item.step).verdict if item.step is not None else None


def _causes(session: Session, item: Subject, run: RunRecord) -> tuple[Cause, ...]:
    """Why its task would run again, else why it ran when the item did."""
    again = session.report.root_causes(item.step) if item.step is not None else ()
    whole = session.around.store.history.run(run.parent) if run.parent else None
    before = whole.causes if whole is not None else ()
    # That the whole has failed is only the sum of how its items ended.
    again, before = (tuple(each for each in told if each.category != "failed") for told in (again, before))
    return again or before


def _result(session: Session, trace: Trace | None) -> str:
    if trace is None:
        return ""
    made, when = session.around.store.history.run(trace.run), moment(trace.started, session.around.clock())
    number = f"run {made.number}" if made is not None and made.number else "an earlier run"
    return f"result of {number}, {when}; compared: {compared_words(trace)}{compared_names(trace)}"
