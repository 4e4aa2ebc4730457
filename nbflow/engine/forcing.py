"""Which steps are executed although a result fits: because of `--force`, or of how their results are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow.engine.bind import by_unit
from nbflow.engine.keeping import runs_each_time
from nbflow.engine.placeholder import is_placeholder
from nbflow.engine.record import outputs_in_memory
from nbflow.engine.slots import key_of
from nbflow.types import Effect, Verdict

if TYPE_CHECKING:
    from collections.abc import Collection

    from nbflow.engine.apply import Workspace
    from nbflow.engine.book import Step
    from nbflow.engine.plan import Work
    from nbflow.engine.sweep import Sweep


def forced(
    work: Work,
    targets: Collection[Step] | None,
    *,
    force: bool = False,
    is_asked: bool = True,
    is_again: bool = False,
) -> list[Step]:
    """The steps whose bodies run whether or not a result fits, if all or these are run.

    Args:
        work: The work.
        targets: The steps that are run; None: all tasks.
        force: Whether all of them are to run.
        is_asked: Whether a person wants these steps themselves, and not only what they give.
        is_again: Whether their cells have run in this kernel already; then names that still stand for
            nothing are missed.
    """
    if targets is None:
        return [step for step in work.tasks() if force or runs_each_time(step)]
    targets = [step for step in targets if is_asked or step.effect is None]
    gone = (step for step in targets if is_again and has_gone(work.workspace, work.sweep, step))
    lost = [step for step in gone if step.effect is not Effect.ONCE]
    return [step for step in targets if force or (is_asked and _runs_when_asked(work, step)) or step in lost]


def _runs_when_asked(work: Work, step: Step) -> bool:
    """Whether a person who asks for a step itself makes its body run, whatever it has."""
    keeping = step.keeping
    if step.effect is Effect.ALWAYS or keeping.refreshes or not keeping.reuses:
        return True
    if step.effect is Effect.ONCE:
        return False  # it does not happen again for values that are lost
    if not keeping.stores:
        return not _is_at_hand(work, step)
    return (
        _is_up_to_date(work, step) and work.absences.note(step, step.bound_trace, is_asked=True) is not None
    )


def _is_up_to_date(work: Work, step: Step) -> bool:
    work.sweep.look_outside()
    return step.ran is step.body and work.sweep.judgement(step).verdict in (Verdict.FRESH, Verdict.AS_OF)


def has_gone(names: Workspace, sweep: Sweep, step: Step) -> bool:
    """Whether a name misses what a step made and could not store."""
    is_edited = step.ran is None or step.ran.static_key != step.body.static_key
    if is_edited or step.hold is not None:
        return False
    judgement, place = sweep.judgement(step), sweep.book.place(step.id)
    outputs = outputs_in_memory(step.bound_trace)
    made = {key_of(output.slot): judgement.version(output.slot) for output in outputs}
    missed = {key_of(output.slot) for output in outputs if output.sort == "value"}
    missed = {key for key in missed if key in names.names and _is_before(key, place, names, sweep)}
    return any(missed & unit.keys() and not names.is_available(unit) for unit in by_unit(made))


def _is_before(key: str, place: int | None, names: Workspace, sweep: Sweep) -> bool:
    """Whether a name stands for nothing, or for what it was before a place in flow order."""
    if is_placeholder(names.names[key]):
        return True
    held = names.labels[key].version if key in names.labels else None
    before = sweep.book.place(held.step) if held is not None else None
    return before is not None and place is not None and before < place


def _is_at_hand(work: Work, step: Step) -> bool:
    """Whether a step is up to date and its values are there."""
    if not _is_up_to_date(work, step):
        return False
    judgement = work.sweep.judgement(step)
    made = {
        key_of(output.slot): judgement.version(output.slot) for output in outputs_in_memory(step.bound_trace)
    }
    return all(map(work.workspace.is_available, by_unit(made)))
