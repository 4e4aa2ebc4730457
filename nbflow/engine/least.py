"""What a run would do at least, where nothing is known but source and files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow.engine.gates import person_cause
from nbflow.engine.keeping import asks_again, forced_cause, world_of
from nbflow.engine.preview import Planned
from nbflow.types import Cause, Effect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from nbflow.engine.book import Step
    from nbflow.engine.known import Known
    from nbflow.engine.slots import Outside


def least(
    known: Mapping[str, Known],
    targets: Iterable[Step] | None,
    has_others: Callable[[Step], bool],
    outside: Outside,
) -> Iterator[Planned]:
    """Say of all tasks, or of these and what they need, what a run would do with them, in flow order.

    It `runs` those that are certainly stale and have no other result, and `may run` all others.

    Args:
        known: What is known of each step, in flow order.
        targets: The tasks asked for; None: all.
        has_others: Whether a step has other results of its code than the last one.
        outside: What is known of the world outside.
    """
    wanted = None if targets is None else with_needs(known, targets)
    waiting: dict[str, Step] = {}
    for id, each in known.items():
        if each.step.plain or each.step.idle or (wanted is not None and id not in wanted):
            continue
        above = [waiting[need] for need in sorted(with_needs(known, [each.step])) if need in waiting]
        planned = _waiting(each, above) or _planned(each, has_others, outside)
        if planned.does == "waits":
            waiting[id] = each.step
        yield planned


def with_needs(known: Mapping[str, Known], targets: Iterable[Step]) -> set[str]:
    """The identifiers of steps and of all that they read from."""
    found: set[str] = set()
    todo = [step.id for step in targets]
    while todo:
        id = todo.pop()
        if id not in found:
            found.add(id)
            todo += known[id].needs if id in known else ()
    return found


def _waiting(known: Known, above: Sequence[Step]) -> Planned | None:
    """That a step waits for a person, itself or because of what it reads from; None where it does not."""
    person = person_cause(known.step)
    causes = (
        (person,)
        if person is not None
        else tuple(Cause("upstream", each.name, after="waits", origin=each.name) for each in above)
    )
    return Planned(known.step, "waits", causes, None) if causes else None


def _planned(known: Known, has_others: Callable[[Step], bool], outside: Outside) -> Planned:
    step = known.step
    trace = step.trace or step.earlier
    seconds = trace.seconds if trace is not None else None
    if known.is_unreadable:
        return Planned(step, "fails", known.own, None)
    if known.own and not has_others(step):
        return Planned(step, "runs", known.causes, seconds)
    if step.hold is None and (step.effect is Effect.ALWAYS or not step.keeping.reuses):
        return Planned(step, "runs", (forced_cause(step),), seconds)
    if step.hold is None and trace is not None and asks_again(step, trace, outside):
        return Planned(step, "runs", (Cause("outside", world_of(trace)[0]),), seconds)
    return Planned(step, "may run", known.causes, seconds)
