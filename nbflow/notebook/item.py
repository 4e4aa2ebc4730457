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
    from collections.abc import Iterable, Iterator, Mapping

    from nbflow.notebook.past import Subject
    from nbflow.notebook.session import Session
    from nbflow.store.protocol import RunRecord
    from nbflow.types import Entry, Trace

_DONE = (Verdict.FRESH, Verdict.AS_OF)
_SUMS = ("failed", "stopped")


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
    made = session.past_runs.made_by(run)
    card = TaskCard(
        item.name,
        verdict if verdict in _DONE else None,
        line.state,
        seconds=line.seconds,
        attempt=line.attempts,
        run=made.number,
        saved=line.saved,
        error=error,
    )
    return WhyCard(
        card,
        _causes(session, item, run, is_reuse=made.id != run.id),
        _result(session, trace),
        now=session.around.clock(),
    )


def _verdict(session: Session, item: Subject) -> Verdict | None:
    return session.trunk.sweep.judgement(item.step).verdict if item.step is not None else None


def _causes(session: Session, item: Subject, run: RunRecord, *, is_reuse: bool) -> tuple[Cause, ...]:
    """Why its task would run again, else why the item ran; nothing where its result is an older one."""
    again = session.report.root_causes(item.step) if item.step is not None else ()
    # That the whole has failed is only the sum of how its items ended.
    again = tuple(each for each in again if each.category not in _SUMS and not _is_of_other(item, each))
    if again or is_reuse:
        return again
    whole = session.around.store.history.run(run.parent) if run.parent else None
    before = tuple(each for each in (whole.causes if whole is not None else ()) if each.category not in _SUMS)
    older = next(iter(session.past_runs.runs_of(item)[1:]), None)
    if older is None:
        return (Cause("never ran", item.name),)
    return tuple(_of_item(session, item, run, older, before)) or before


def _is_of_other(item: Subject, cause: Cause) -> bool:
    """Whether a cause is about the element of another item."""
    lists = dict(item.step.body.mapped).values() if item.step is not None else ()
    return cause.subject in lists and cause.part not in ("", f"[{item.index}]")


def _of_item(
    session: Session, item: Subject, run: RunRecord, older: RunRecord, whole: Iterable[Cause]
) -> Iterator[Cause]:
    """What of the causes of a whole run counts for an item, by what its run before saw."""
    if not run.trace:
        yield from whole
        return
    then, now = (_seen(session, each) for each in (older, run))
    mapped = dict(item.step.body.mapped if item.step is not None else ())
    for name in mapped:
        if name in then and name in now and then[name].digest != now[name].digest:
            yield Cause("input", name, then[name].preview, now[name].preview)
    for cause in whole:
        entry = then.get(cause.subject)
        is_same = entry is not None and entry == now.get(cause.subject, entry)
        if not is_same and cause.subject not in mapped.values():
            yield cause
    if not older.trace:
        yield Cause("over", item.name, "failed", _message(session, older))


def _seen(session: Session, run: RunRecord) -> Mapping[str, Entry]:
    """What a run had looked at, by what people call it; nothing where it has no result."""
    trace = session.around.store.trace(run.trace) if run.trace else None
    return {entry.looked.slot.locator: entry for entry in (trace.entries if trace is not None else ())}


def _message(session: Session, run: RunRecord) -> str:
    path = session.around.store.history.transitions(run.id)
    return path[-1].message if path else ""


def _result(session: Session, trace: Trace | None) -> str:
    if trace is None:
        return ""
    made, when = session.around.store.history.run(trace.run), moment(trace.started, session.around.clock())
    number = f"run {made.number}" if made is not None and made.number else "an earlier run"
    return f"result of {number}, {when}; compared: {compared_words(trace)}{compared_names(trace)}"
