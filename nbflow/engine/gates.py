"""How the tasks above a step ended: what its trigger is asked about, and what its trace then hangs on.

A task gives those below it not only what it made but how it ended. Only a step whose trigger is another
than the default looks at that: below the default one all have succeeded whenever the body runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbflow.engine.bind import Bound, Version
from nbflow.engine.influence import lasting
from nbflow.engine.slots import STATE
from nbflow.states import Completed, Skipped, State
from nbflow.triggers import RUNS_ALL_THE_SAME, Edge, manual_only
from nbflow.types import Cause, Output, Slot, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from nbflow.engine.bind import Doubt, View
    from nbflow.engine.book import Book, Step

SKIPPED: Final = "skipped"
"""The flag of a trace whose body asked to be skipped: it gives nothing, and no store keeps it."""

STOPPED: Final = "stopped"
"""The text that tells how a run ended which somebody stopped."""
_DONE: Final = (Verdict.FRESH, Verdict.AS_OF)
_ASK_PERSON: Final = ("manual", "paused")


def state_of(step: Step, verdict: Verdict) -> State | None:
    """How a step ended, as far as those below it are concerned; None where it has not run yet."""
    if step.ended is not None and verdict not in _DONE:
        return step.ended
    trace = step.bound_trace
    if trace is None:
        return None
    return Skipped() if SKIPPED in trace.flags else Completed()


def gives_nothing(step: Step, verdict: Verdict) -> bool:
    """Whether it ended without a result: an older one is not what those below it are to have."""
    return step.ended is not None and verdict not in _DONE


def given_state(
    step: Step, verdict: Verdict, doubts: tuple[Doubt, ...], *, is_outlived: bool = False
) -> tuple[Slot, Bound]:
    """What a step gives those below it that ask how it ended.

    Args:
        step: The step.
        verdict: Whether it is up to date.
        doubts: What is doubtful about it.
        is_outlived: Whether what it looked at when it ended so has changed: nobody knows how it ends now.
    """
    slot, state = Slot(STATE, step.name), state_of(step, verdict)
    if state is None or is_outlived:
        return slot, Bound(None, doubts)
    word = (state.name if state.is_skipped() else state.type.value).lower()
    return slot, Bound(Version(step.id, Output(slot, word, preview=word)), doubts, written=True)


def above(slots: Iterable[Slot], view: View, book: Book) -> dict[Step, str]:
    """The tasks that gave these slots their bindings, or may yet, each with the first name it gave."""
    found: dict[Step, str] = {}
    for slot in slots:
        bound = view.bound(slot)
        ids = [doubt.step for doubt in bound.doubts]
        if bound.version is not None:
            ids.append(bound.version.step)
        elif bound.written and (place := view.giver(slot)) is not None:
            ids.append(book.at(place).id)
        for step in (book.steps[id] for id in ids):
            if not step.plain:
                found.setdefault(step, slot.locator)
    return found


def asked_about(step: Step, slots: Iterable[Slot], view: View, book: Book) -> tuple[Slot, ...]:
    """The slots that tell how the tasks above a step ended, where its trigger asks for that."""
    if not step.asks_states or step.ran is None:
        return ()
    looked_at = (*slots, *lasting(step, step.ran, view))
    return tuple(Slot(STATE, each.name) for each in above(looked_at, view, book) if each is not step)


def saw_end_of(step: Step, above: Step) -> bool:
    """Whether a step has its result because the body of one above it had ended without one."""
    has_failed = above.ended is not None and above.ended.is_final() and above.ended_on is not None
    if not has_failed or not step.asks_states or step.trace is None:
        return False
    slot = Slot(STATE, above.name)
    return any(entry.looked.slot == slot for entry in step.trace.entries)


def upstream_of(
    step: Step, slots: Iterable[Slot], view: View, book: Book, verdict_of: Callable[[Step], Verdict]
) -> dict[Edge, State]:
    """What the trigger of a step is given: how each task above it ended.

    Args:
        step: The step.
        slots: What its body reads.
        view: The bindings at its place.
        book: The steps.
        verdict_of: Says whether a step is up to date.

    Returns:
        Nothing where all have succeeded and the trigger asks for no more.
    """
    looked_at = (*slots, *(lasting(step, step.ran, view) if step.ran is not None else ()))
    if not looked_at:
        return {}
    found: dict[Edge, State] = {}
    for each, key in above(looked_at, view, book).items():
        state = state_of(each, verdict_of(each))
        if each is not step and state is not None:
            found[Edge(each, key)] = state
    plain = not step.asks_states and all(state.name == "Completed" for state in found.values())
    return {} if plain else found


_CATEGORIES: Final = {"Skipped": "skipped", "TriggerFailed": "trigger"}


def ended_cause(step: Step) -> Cause | None:
    """Why a step has no result although it was its turn: its trigger, or a skip; None else."""
    if step.ended is None or step.ended.name not in _CATEGORIES:
        return None
    if step.ended.name == "TriggerFailed" and not step.asks_states:
        return None  # that something above failed is said of that
    told = step.ended.message
    if step.body.wiring is None:  # a cell, whose options stand in a header
        told = told.replace(RUNS_ALL_THE_SAME, "`--skip-on-upstream-skip no` runs it all the same")
    return Cause(_CATEGORIES[step.ended.name], step.name, after=told)


def ended_badly(step: Step) -> Cause:
    """That the last run of a step failed, or was stopped."""
    if step.ended is not None and step.ended.is_cancelled():
        return Cause("stopped", step.name)
    return Cause("failed", step.name, after=step.failure)


def person_cause(step: Step) -> Cause | None:
    """Why only a person can let a step run; None where nbflow may start it."""
    how = f"`%flow resume {step.name}` runs it"
    if step.ended is not None and step.ended.is_paused() and step.trigger is not manual_only:
        return Cause("paused", step.name, after=f"{step.ended.message}; {how}".removeprefix("; "))
    return Cause("manual", step.name, after=how) if step.trigger is manual_only else None


def asks_person(causes: Iterable[Cause]) -> bool:
    """Whether a person is waited for, be it by a step above.

    Example:
        >>> asks_person([Cause("upstream", "approve", after="waits"), Cause("manual", "approve")])
        True
    """
    return any(cause.category in _ASK_PERSON for cause in causes)
