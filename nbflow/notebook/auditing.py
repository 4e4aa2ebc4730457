"""Audits of a session's tasks: each is run once more, apart from everything, and compared with its record."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from nbflow.engine.apart import execute
from nbflow.engine.audit import Audit, Finding, Found
from nbflow.engine.drive import answered
from nbflow.engine.requests import answering
from nbflow.engine.wiring import run_wired
from nbflow.notebook.cells import does_wait
from nbflow.notebook.within import shown_in
from nbflow.running.records import records_in, using
from nbflow.running.tags import untagged
from nbflow.store.memory import MemoryStore
from nbflow.task_runners.base import TaskCall
from nbflow.task_runners.inline import InlineTaskRunner
from nbflow.tasks import attach_reader
from nbflow.views import Shown, show_lines
from nbflow.views.words import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nbflow.engine.apart import Apart
    from nbflow.engine.book import Step
    from nbflow.engine.effects import Outcome
    from nbflow.engine.requests import Execution
    from nbflow.notebook.session import Session


@dataclass(frozen=True, slots=True, repr=False)
class Audited:
    """What an audit has found; it shows itself, a line for each task below one that counts them.

    Args:
        findings: Of each task, in flow order.

    Example:
        >>> from nbflow.engine.book import Step, read_body
        >>> step = Step("raw", "raw", read_body("raw = 1"))
        >>> Audited((Finding(step, Found.SAME), Finding(step, Found.VARIES, "raw")))
        audited 2 tasks: 1 same, 1 non-deterministic
          raw  same
          raw  not deterministic: each run makes another raw
    """

    findings: tuple[Finding, ...]

    @property
    def shown(self) -> Shown:
        """The lines as a view."""
        return show_lines(repr(self))

    def __repr__(self) -> str:
        counts = Counter(finding.found for finding in self.findings)
        told = ", ".join(f"{counts[found]} {found.value}" for found in Found if counts[found])
        width = max((len(finding.step.name) for finding in self.findings), default=0)
        each = [f"  {finding.step.name:<{width}}  {_words_of(finding)}" for finding in self.findings]
        head = f"audited {counted(len(self.findings), 'task')}: {told or 'there are none'}"
        return "\n".join([head, *each])

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return self.shown.bundle()


def audit(session: Session, names: Sequence[str] = ()) -> Audited:
    """Run tasks once more, apart from the notebook, and compare what they make with what is recorded.

    Nothing of the session changes but what is found out: a result that is refuted is stale, and an
    acceptance that was wrong ends. Effects are never executed.

    Args:
        session: The session.
        names: Names of tasks; none: all tasks.

    Raises:
        UnknownTaskError: If a name is none of a task.
        KeyboardInterrupt: If the user pressed Stop.
    """
    session.prepare()
    session.trunk.sweep.look()
    cells = [session.places.named(name) for name in names] or list(session.places.tasks())
    work = Audit(session.trunk, _hindrance)
    numbers, session.trunk.runs.number = session.records.numbers, session.records.numbers.take()
    findings = answered(
        work.run([cell.step for cell in cells if not cell.step.idle]),
        answering(partial(_perform, session, work.apart)),
    )
    if all(finding.found is Found.NOT_AUDITED for finding in findings):
        numbers.give_back(session.trunk.runs.number)
    session.trunk.sweep.news.update(finding.step.id for finding in findings)
    session.work.stand()
    session.refresh_badges()
    return Audited(tuple(findings))


def _hindrance(step: Step) -> str:
    return "it awaits at its top level" if does_wait(step.body.source) else ""


def _perform(session: Session, apart: Apart, execution: Execution) -> Outcome:
    around = session.around
    with around.routes.captured(shows=False), around.screen.interruptible():
        return perform_apart(apart, execution)


_WORDS: Final[Mapping[Found, str]] = {
    Found.SAME: "same",
    Found.REFUTED: "another result: {}; it depends on something that nbflow does not see, and is stale now",
    Found.VARIES: "not deterministic: each run makes another {}",
    Found.RAISED: "could not be repeated: {}",
    Found.NOT_AUDITED: "not audited: {}",
}


def _words_of(finding: Finding) -> str:
    is_over = finding.was_accepted and finding.found is Found.REFUTED
    return (_NO_LONGER_ACCEPTED if is_over else _WORDS[finding.found]).format(finding.told)


_NO_LONGER_ACCEPTED: Final = "another result: {}; it had been accepted as up to date, and is no more"


def perform_apart(apart: Apart, execution: Execution) -> Outcome:
    """Run a body over the private names of an audit, in this thread and under its limit.

    What flows do that it calls is kept nowhere.
    """
    call, body = execution.call, partial(_run, apart, execution)
    return InlineTaskRunner().run(TaskCall(call.attempt, execution.step.name, body, call.timeout)).outcome()


def _run(apart: Apart, execution: Execution) -> None:
    body, names = execution.body, apart.workspace.names
    detach = attach_reader(apart)
    try:
        shown = shown_in(execution, apart.trunk.flow, is_kept=False)
        with using(records_in(MemoryStore())), untagged(), shown:
            if body.wiring is not None:
                run_wired(body.wiring, names)
            else:
                execute(body.source, names, f"<audit of {execution.step.name}>")
    finally:
        detach()
