"""`nbflow status`, `plan`, `why` and `history`: answers about a notebook without a kernel.

They compare source and files. Of what they cannot compare they say that it is unknown, and never that a task
is up to date.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Final

from nbflow.engine.known import Knowledge
from nbflow.engine.least import least
from nbflow.engine.slots import NAME, parts_of
from nbflow.exceptions import OptionError
from nbflow.notebook.kernelless import Looked, looked_at, made_by
from nbflow.views.cards import PlanCard, PlanLine
from nbflow.views.spans import seconds_running
from nbflow.views.table import NO_TASKS
from nbflow.views.unproven import (
    REGISTERED,
    STALE,
    UNKNOWN,
    UnprovenCard,
    UnprovenFlow,
    open_words,
    plan_text,
    status_text,
    why_known_text,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from nbflow.engine.book import Step
    from nbflow.engine.known import Known
    from nbflow.types import Slot

_MOST_RESULTS: Final = 50


def answer(what: str, notebook: Path, names: Sequence[str] = ()) -> str:
    """Answer a question about a notebook as it is saved; nothing is run and nothing written.

    Args:
        what: `status`, `plan`, `why` or `history`.
        notebook: Its file.
        names: The tasks that are meant; none: all.

    Raises:
        SessionError: If it is no notebook, or has no store yet.
        StoreError: If its store cannot be read.
        UnknownTaskError: If a name is none of a task.
        OptionError: If the header of a cell makes no sense, or there are too many names.
    """
    if what in ("why", "history") and len(names) > 1:
        raise OptionError(f"one task at a time; {', '.join(names)} are {len(names)}")
    with looked_at(notebook) as looked:
        return _ANSWERS[what](_Asked(looked), names)


class _Asked:
    """Answers questions about a notebook that is looked at.

    Args:
        looked: The notebook.
    """

    def __init__(self, looked: Looked) -> None:
        trunk = looked.session.trunk
        self._looked = looked
        self._session = looked.session
        self._knowledge = Knowledge(trunk.sweep, trunk.explainer, looked.unreadable)
        self._known = self._knowledge.of_all()

    def status(self, names: Sequence[str]) -> str:
        """A line a task."""
        self._check(names)
        cards = [self._card(known) for known in self._tasks() if not names or known.step.name in names]
        return status_text(self._flow(), cards)

    def plan(self, names: Sequence[str]) -> str:
        """What a run would do at least."""
        self._check(names)
        targets = [self._named(name).step for name in names] or None
        outside = self._session.trunk.sweep.outside
        planned = list(least(self._known, targets, self._has_others, outside))
        lines = tuple(
            PlanLine(each.step.name, each.does, each.causes, each.seconds)  # type: ignore[arg-type]
            for each in planned
        )
        seconds = sum(line.seconds or 0.0 for line in lines if line.action == "runs")
        return plan_text(self._flow(), PlanCard(lines, seconds))

    def why(self, names: Sequence[str]) -> str:
        """Why a task, by default the first one that is stale, is so."""
        tasks = sorted(
            (each for each in self._tasks() if not each.step.idle), key=lambda each: not each.is_stale
        )
        found = self._named(names[0]) if names else next(iter(tasks), None)
        return why_known_text(self._flow(), self._card(found, in_full=True)) if found else NO_TASKS

    def history(self, names: Sequence[str]) -> str:
        """The runs of a task, or of the whole notebook."""
        return str(self._session.report.history(*names))

    # --- which -----------------------------------------------------------------------------------

    def _tasks(self) -> Iterator[Known]:
        return (self._known[cell.step.id] for cell in self._session.places.tasks())

    def _named(self, name: str) -> Known:
        return self._known[self._session.places.named(name).step.id]

    def _check(self, names: Sequence[str]) -> None:
        for name in names:
            self._named(name)

    # --- in words --------------------------------------------------------------------------------

    def _flow(self) -> UnprovenFlow:
        path, around = self._looked.path, self._session.around
        number = around.store.history.next_number(around.notebook) - 1
        how = f"`nbflow run {path}` finds out what is unknown, and so does the notebook in a kernel"
        return UnprovenFlow(path.name, number, around.clock(), tuple(self._looked.notices), how)

    def _card(self, known: Known, *, in_full: bool = False) -> UnprovenCard:
        step, last = known.step, self._session.lasts.get(known.step.id)
        history = self._session.around.store.history
        record, path = history.run(last.run) if last else None, history.transitions(last.run) if last else ()
        trace = made_by(self._session, record) if record is not None else None
        why = self._knowledge.why(known) if in_full else known.causes
        verdict = REGISTERED if step.idle else STALE if known.is_stale else UNKNOWN
        return UnprovenCard(
            step.name,
            verdict,
            last.state if last else "",
            last.number if last else 0,
            path[-1].at if path else None,
            trace.ran if trace is not None else seconds_running(path),
            why if verdict == STALE else known.doubts,
            tuple(_open_words(known.open)),
            self._knowledge.diffs(known) if in_full else (),
        )

    def _has_others(self, step: Step) -> bool:
        """Whether the code that a step has now has another result than the one that was compared."""
        compared = step.trace or step.earlier
        runs = self._session.around.store.history.runs(self._session.around.notebook, step.id, _MOST_RESULTS)
        made = {
            run.trace: run for run in runs if run.trace and (compared is None or run.trace != compared.id)
        }
        traces = (made_by(self._session, run) for run in made.values())
        is_old = compared is not None and compared.static_key == step.body.static_key
        keys = [trace.static_key for trace in traces if trace is not None]
        # What was edited, and then edited back, finds the result from before.
        return step.body.static_key in keys or (is_old and step.before is not None)


def _open_words(slots: Sequence[Slot]) -> Iterator[str]:
    ordered = sorted(slots, key=lambda slot: (slot.kind != NAME, slot.kind))
    for kind, group in groupby(ordered, key=lambda slot: slot.kind):
        yield open_words(kind, list(dict.fromkeys(parts_of(slot)[0] for slot in group)))


_ANSWERS: Final[Mapping[str, Callable[[_Asked, Sequence[str]], str]]] = {
    "status": _Asked.status,
    "plan": _Asked.plan,
    "why": _Asked.why,
    "history": _Asked.history,
}
QUESTIONS: Final = tuple(_ANSWERS)
"""What can be asked."""
