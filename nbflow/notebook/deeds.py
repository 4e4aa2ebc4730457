"""What one flow run did with each task, as a card for the views."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbflow.engine.gates import SKIPPED
from nbflow.exceptions import TaskFailedError, text_of
from nbflow.notebook.mentions import outdated_cells
from nbflow.types import Verdict
from nbflow.views import ActionCard, ActionLine
from nbflow.views.words import cause_words, causes_words, listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from nbflow.engine.action import Action
    from nbflow.engine.book import Step
    from nbflow.notebook.report import Report
    from nbflow.notebook.session import Session
    from nbflow.states import State
    from nbflow.store.protocol import RunRecord
    from nbflow.types import Cause, Trace
    from nbflow.views.cards import DeedWord

_NEVER_RAN: Final = "never ran"
_MOST_LOOSE: Final = 5
_MEANWHILE: Final = "kept in the history, as meanwhile"
_NOT_HANDED: Final = "what it made can be neither stored nor handed over; `%flow run` runs it here"


class Deeds:
    """Makes the card of one flow run.

    Args:
        session: The session.
        report: Knows how its steps stand.
        action: What the run did.
        is_resumed: Whether a person let in what had waited; nothing else was asked for.
    """

    def __init__(self, session: Session, report: Report, action: Action, *, is_resumed: bool = False) -> None:
        self._session = session
        self._report = report
        self._action = action
        self._is_resumed = is_resumed

    def card(
        self, names: Sequence[str], unused: Mapping[str, Trace], notices: Sequence[str], number: int = 0
    ) -> ActionCard:
        """What it did, in the order of work, and what of the tasks asked for it had to leave.

        Args:
            names: The tasks asked for; none: all.
            unused: What bodies made, by step, of code or inputs that are others now.
            notices: What else is to be said, a line each.
            number: The number of the flow run; 0: that of the newest run among what was done.
        """
        action, steps = self._action, self._session.book.steps
        done = [steps[id] for id in dict.fromkeys((*action.executed, *action.reused))]
        newest = max((self._report.newest_run(step).number for step in done), default=0)
        number = (number or newest) if done else 0
        lines = [
            self._unused_line(step, unused[step.id]) if step.id in unused else self._line(step)
            for step in done
        ]
        refused = [self._refused_line(steps[id], state) for id, state in action.refused.items()]
        left = () if self._is_resumed else self._left(names)
        rest = "no task waits for you" if self._is_resumed else self._rest(names)
        outdated = filter(None, [outdated_cells(self._session.book, self._session.trunk.sweep)])
        return ActionCard((*lines, *refused, *left), number, (*notices, *outdated), rest)

    def _rest(self, names: Sequence[str]) -> str:
        """How the tasks asked for stand after a run that had nothing to do."""
        places, judged = self._session.places, self._session.trunk.sweep.judgement
        asked = [places.named(name) for name in names] or places.tasks()
        stand = {cell.step.name: judged(cell.step).verdict for cell in asked if not cell.step.idle}
        if old := [name for name, verdict in stand.items() if verdict in (Verdict.STALE, Verdict.WAITS)]:
            return f"but not up to date: {listed(old, _MOST_LOOSE)}"
        loose = [name for name, verdict in stand.items() if verdict is Verdict.AS_OF]
        told = f"but not proven up to date, only as of: {listed(loose, _MOST_LOOSE)}"
        return told if loose else "everything is up to date"

    def _refused_line(self, step: Step, state: State) -> ActionLine:
        """What became of a task that its trigger did not let run."""
        word: DeedWord = "skipped" if state.is_skipped() else "waits" if state.is_paused() else "not run"
        return ActionLine(step.name, word, self._report.obstacles.of(step))

    def _unused_line(self, step: Step, made: Trace) -> ActionLine:
        """What was made beside the notebook, which does not stand at it."""
        causes = self._report.root_causes(step)
        is_same = all(cause.category == _NEVER_RAN for cause in causes)
        note = _NOT_HANDED if is_same else f"{_MEANWHILE}: {causes_words(causes)}"
        return ActionLine(step.name, "ran", causes, made.ran, note, is_plain=step.plain)

    def _line(self, step: Step) -> ActionLine:
        action, resumed = self._action, self._is_resumed
        run, seconds = self._run(step), step.bound_trace.ran if step.bound_trace else None
        causes = tuple(cause for cause in run.causes if cause.category != _NEVER_RAN and not resumed)
        error = action.errors.get(step.id)
        if error is not None:
            if isinstance(error, KeyboardInterrupt):
                return ActionLine(step.name, "stopped", causes, is_plain=step.plain)
            note = text_of(error) if isinstance(error, TaskFailedError) else step.failure or text_of(error)
            return ActionLine(step.name, "failed", causes, note=note, is_plain=step.plain)
        if step.ended is not None and step.ended.is_paused():
            return ActionLine(step.name, "waits", self._report.obstacles.of(step))
        if step.trace is not None and SKIPPED in step.trace.flags:
            return ActionLine(step.name, "skipped", self._report.told(step), seconds, is_plain=step.plain)
        if step.id in action.executed:
            inline = f"ran inline: {action.inline[step.id]}" if step.id in action.inline else ""
            note = inline or (
                "resumed" if resumed else self._held_words(step, causes) if causes else "first run"
            )
            saved = step.trace.reused or None if step.trace is not None else None
            return ActionLine(step.name, "ran", causes, seconds, note, is_plain=step.plain, saved=saved)
        return self._reused(step)

    def _run(self, step: Step) -> RunRecord:
        """The run of a step that this was about; others may have taken its result since."""
        is_own = step.id in self._action.executed and step.id not in self._action.errors
        return (self._report.run_of(step.trace) if is_own else None) or self._report.newest_run(step)

    def _reused(self, step: Step) -> ActionLine:
        """A result that was there, or that a run in the background had yet to make."""
        awaited, made = self._session.background.awaited, self._report.number_of(step.bound_trace)
        saved = self._session.saved_seconds.get(step.id)
        words = f"waited for run {made}" if made and made == awaited else self._report.reuse_words(step)
        return ActionLine(step.name, "reused", (), note=words, is_plain=step.plain, saved=saved)

    def _held_words(self, step: Step, causes: Sequence[Cause]) -> str:
        """Why a step was run that stands at a chosen result all the same; empty where there is none."""
        held = next(iter(self._session.trunk.sweep.judgement(step).causes[:1]), None)
        if held is None or held.category != "held":
            return ""
        return f"{causes_words(causes)}; it stays {cause_words(held)}"

    def _left(self, names: Sequence[str]) -> Iterator[ActionLine]:
        """The tasks that the run could not bring up to date."""
        action = self._action
        done = {*action.executed, *action.reused, *action.refused}
        for cell in self._session.places.tasks():
            step, judgement = cell.step, self._session.trunk.sweep.judgement(cell.step)
            if step.id in done or step.ran is None or (names and step.name not in names) or step.idle:
                continue
            if judgement.verdict is Verdict.WAITS:
                yield ActionLine(step.name, "waits", self._report.obstacles.of(step))
            elif judgement.verdict is Verdict.STALE and (action.errors or action.spent):
                maker = self._session.book.steps.get(action.spent.get(step.id, ""))
                note = self._report.waiting_words((), maker) if maker is not None else ""
                yield ActionLine(step.name, "not run", judgement.causes, note=note)
