"""Making again: whose bodies run once more because what another starts from is nowhere, and whose may not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbflow.engine.absence import SPENT
from nbflow.engine.gates import ended_cause
from nbflow.engine.record import CHANGES_PROCESS
from nbflow.types import Cause, Standing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nbflow.engine.book import Step
    from nbflow.engine.plan import Work

LACK: Final = "lack"
"""The category of the cause that a body cannot run because what it starts from is nowhere."""


def made_again(work: Work, step: Step) -> tuple[list[Step], list[Step]]:
    """Who makes again what a body starts from and nobody has, in flow order, and who of them may not.

    Args:
        work: The work.
        step: The step whose body is to run.
    """
    found: dict[str, Step] = {}
    todo = [step]
    while todo:
        new = [each for each in work.missed_by(todo.pop()) if each.id not in found and each is not step]
        found |= {each.id: each for each in new}
        todo += new
    makers = work.in_flow_order(found.values())
    return makers, [each for each in makers if each.hold is not None or not work.may_ever_execute(each)]


def lack_cause(step: Step, stuck: Iterable[Step]) -> Cause:
    """What the user has to do first where those who made what a body starts from may not run."""
    (first, *rest) = stuck
    held = next((each for each in (first, *rest) if each.hold is not None), None)
    if held is None:
        cells = ", then ".join(map(_cell_of, (first, *rest)))
        told = f"run {cells}: what {first.name} made is gone, and not stored"
    else:
        # What it makes anew need not be what it is held at.
        is_pinned = held.hold is not None and held.hold.reason == "pin"
        ends = f"`%flow unpin {held.name}` lets it run again" if is_pinned else f"run {_cell_of(held)}"
        told = f"what {held.name} is held at is not stored and was changed since: {ends}"
    return Cause(LACK, step.name, after=told, origin=(held or first).name)


def _cell_of(step: Step) -> str:
    return step.name if step.plain else f"the cell of {step.name}"


def remade_cause(work: Work, maker: Step) -> Cause:
    """Why a body runs for what others read of it."""
    absence = work.absences.note(maker, maker.bound_trace)
    names = (output.slot.locator for output in (maker.bound_trace.outputs if maker.bound_trace else ()))
    return absence or Cause(SPENT, min(names, default=maker.name))


class Outlook:
    """Notes of steps that are not up to date what verdicts alone do not tell: what names and store have.

    Args:
        work: The work.
    """

    def __init__(self, work: Work) -> None:
        self._work = work
        self._noted: set[str] = set()

    def note(self) -> None:
        """Note which bodies cannot run as they are, and which need not as an earlier result fits."""
        sweep, book = self._work.sweep, self._work.book
        for step in sweep.pending():
            self._let_stand(step)
        pending = {step.id: step for step in sweep.pending()}
        steps = (
            *pending.values(),
            *(book.steps[id] for id in self._noted - pending.keys() if id in book.steps),
        )
        for step in steps:
            lack, fits = self._of(step) if step.id in pending else (None, False)
            if (lack, fits) != (step.lack, step.fits):
                step.lack, step.fits = lack, fits
                sweep.touch(step)
            (self._noted.add if lack is not None or fits else self._noted.discard)(step.id)

    def _let_stand(self, step: Step) -> None:
        """Let a plain cell stand at an earlier result that fits its place, where its last run left the same.

        Its user ran it on other things, such as what it had left itself, and that made no difference. What
        it may have done outside, no output tells.
        """
        work, trace = self._work, step.trace
        is_run = step.plain and step.hold is None and step.standing is Standing.HERE
        if trace is None or not is_run or trace.unknowns or CHANGES_PROCESS in trace.flags:
            return
        found = work.find(step) if not work.stale_above(step) else None
        if found is not None and found.id != trace.id and found.outputs == trace.outputs:
            step.take_again(found)
            work.sweep.touch(step)

    def _of(self, step: Step) -> tuple[Cause | None, bool]:
        work = self._work
        if step.ran is None or work.stale_above(step):
            return None, False
        if not work.may_ever_execute(step):
            # That an effect has happened lets nobody start it.
            return None, not step.plain and step.effect is None and work.find(step) is not None
        if work.is_refused(step):
            return ended_cause(step), False
        stuck = made_again(work, step)[1]
        return (lack_cause(step, stuck), False) if stuck and work.find(step) is None else (None, False)
