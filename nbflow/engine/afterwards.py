"""What the names hold when an action has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
    end = sweep.end()
    slots = sweep.moved_slots() | {slot_of(key) for key in workspace.moved}
    stand: dict[str, Version | None] = {}
    for slot in slots:
        bound = end.bound(slot)
        if is_kept_in_memory(slot) and _is_settled(bound, settled) and _is_decided(slot, sweep, caught_up):
            stand[key_of(slot)] = bound.version
    workspace.moved.clear()
    return stand


def _is_settled(bound: Bound, settled: Collection[str]) -> bool:
    """Whether nothing is doubtful about a binding, or only that it was made below what failed."""
    doubts = [each.step for each in bound.doubts if each.verdict is not Verdict.AS_OF]
    return not doubts or (bound.version is not None and set(settled).issuperset(doubts))


def _is_decided(slot: Slot, sweep: Sweep, caught_up: Collection[str]) -> bool:
    """Whether a task decides the name at the end of the flow, or a plain cell that no user ran last."""
    writers = sweep.writers(slot)
    last = sweep.book.steps[writers[-1]] if writers else None
    return last is not None and (not last.plain or last.id in caught_up)
