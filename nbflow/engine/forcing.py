"""Which steps are executed although a result fits: because of `--force`, or of how their results are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow.engine.bind import by_unit
from nbflow.engine.keeping import runs_each_time
from nbflow.engine.record import outputs_in_memory
from nbflow.engine.slots import key_of
from nbflow.types import Verdict

if TYPE_CHECKING:
    from collections.abc import Collection

    from nbflow.engine.book import Step
    from nbflow.engine.plan import Work


def forced(
    work: Work, targets: Collection[Step] | None, *, force: bool = False, is_asked: bool = True
) -> list[Step]:
    """The steps whose bodies run whether or not a result fits, if all or these are run.

    Args:
        work: The work.
        targets: The steps that are run; None: all tasks.
        force: Whether all of them are to run.
        is_asked: Whether a person wants these steps themselves, and not only what they give.
    """
    if targets is None:
        return [step for step in work.tasks() if force or runs_each_time(step)]
    return [step for step in targets if force or (is_asked and _runs_when_asked(work, step))]


def _runs_when_asked(work: Work, step: Step) -> bool:
    keeping = step.keeping
    return keeping.refreshes or not (keeping.stores or (keeping.reuses and _is_at_hand(work, step)))


def _is_at_hand(work: Work, step: Step) -> bool:
    """Whether a step is up to date and its values are there."""
    work.sweep.look_outside()
    judgement = work.sweep.judgement(step)
    if step.ran is not step.body or judgement.verdict not in (Verdict.FRESH, Verdict.AS_OF):
        return False
    made = {
        key_of(output.slot): judgement.version(output.slot) for output in outputs_in_memory(step.bound_trace)
    }
    return all(map(work.workspace.is_available, by_unit(made)))
