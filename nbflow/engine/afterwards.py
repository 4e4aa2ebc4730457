"""What the names hold when an action has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow.engine.bind import unit_digest
from nbflow.engine.record import outputs_in_memory
from nbflow.engine.slots import is_kept_in_memory, key_of, slot_of
from nbflow.types import Verdict

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from nbflow.engine.apply import Workspace
    from nbflow.engine.bind import Bound, Version
    from nbflow.engine.book import Step
    from nbflow.engine.sweep import Sweep
    from nbflow.types import Slot


def stand_of(step: Step, sweep: Sweep) -> Mapping[str, Version | None]:
    """After a task's own cell its outputs stand."""
    given = sweep.judgement(step)
    outputs = outputs_in_memory(step.bound_trace)
    return {key_of(output.slot): given.version(output.slot) for output in outputs}


def stand_of_flow(
    sweep: Sweep, workspace: Workspace, settled: Collection[str], caught_up: Collection[str]
) -> Mapping[str, Version | None]:
    """After a flow run each name that it decides holds its last fresh writer's version.

    Only names are looked at whose object or whose binding moved since the last flow run.

    Args:
        sweep: The verdicts.
        workspace: The names; those that moved are noted anew from now on.
        settled: The steps that have ended without a result, and those below that ran nevertheless.
        caught_up: The plain cells that the flow ran last, and not their user.
    """
    slots = sweep.moved_slots() | {slot_of(key) for key in workspace.moved}
    stand: dict[str, Version | None] = {}
    for slot in filter(is_kept_in_memory, slots):
        bound = _decided(slot, sweep, caught_up)
        if bound is not None and _is_settled(bound, settled):
            stand[key_of(slot)] = bound.version
    workspace.moved.clear()
    return stand


def _is_settled(bound: Bound, settled: Collection[str]) -> bool:
    """Whether nothing is doubtful about a binding, or only that it was made below what failed."""
    doubts = [each.step for each in bound.doubts if each.verdict is not Verdict.AS_OF]
    return not doubts or (bound.version is not None and set(settled).issuperset(doubts))


def _decided(slot: Slot, sweep: Sweep, caught_up: Collection[str]) -> Bound | None:
    """What a task gives the name last, or a plain cell that no user ran last; None where a user's cell does.

    A plain cell that is not up to date and only came to share what the name stood for gives it nothing: run
    once more, it shares what the name stands for then.
    """
    view, steps = sweep.end(), sweep.book.steps
    for writer in reversed(sweep.writers(slot)):
        step = steps[writer]
        if not step.plain or writer in caught_up:
            return view.bound(slot)
        if not only_shares(step, slot) or sweep.judgement(step).verdict is not Verdict.STALE:
            return None
        view = sweep.view(step)
    return None


def only_shares(step: Step, slot: Slot) -> bool:
    """Whether a step has left as it was what a name of its own memory stands for, and shares that since."""
    if step.trace is None or step.ran is None:
        return False
    analysis = step.ran.analysis
    if slot.locator in analysis.writes | analysis.maybe_writes | analysis.mutates | analysis.deletes:
        return False  # what it leaves as it is once it may change the next time
    made = (output.digest for output in step.trace.outputs if output.slot == slot)
    left = {unit_digest(digest, (slot.locator,)) for digest in made}
    return any(entry.looked.slot == slot and entry.digest in left for entry in step.trace.entries)
