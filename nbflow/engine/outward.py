"""What steps change outside the notebook: what their text shows, and what must not happen twice.

An effect that is to happen once is marked as begun, on disk, before its body starts, and as done when its
result is kept. What finds the mark and no result does not run it again: it may have happened. Who names it
with `--force` says that it may once more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbflow.analysis import effect_of, writes_outside
from nbflow.engine.effects import Ended
from nbflow.engine.influence import reached
from nbflow.engine.keeping import name_in
from nbflow.engine.marks import BEGUN, Marks
from nbflow.engine.observation import not_started
from nbflow.engine.placeholder import REMEDY
from nbflow.engine.record import CHANGES_PROCESS
from nbflow.engine.slots import NAME, key_of
from nbflow.engine.verify import begun_slot
from nbflow.exceptions import StorageError
from nbflow.states import StateType
from nbflow.store.digests import key_digest
from nbflow.types import FILE, Effect

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from nbflow.analysis import Definition
    from nbflow.engine.bind import View
    from nbflow.engine.book import Body, Book, Step
    from nbflow.engine.effects import Call
    from nbflow.engine.enact import Finished
    from nbflow.engine.observation import Observation
    from nbflow.engine.observe import Observing
    from nbflow.engine.record import Seen
    from nbflow.engine.slots import Outside
    from nbflow.types import Trace

_READ_ANY_NAME: Final = frozenset({"globals", "locals", "eval", "exec"})
"""Builtins through which code reads names that no analysis sees; so does `vars` where it is given nothing."""


def definitions_of(bodies: Collection[Body], keys: Collection[str]) -> list[Definition]:
    """What these bodies say of the code behind these keys."""
    if not bodies:
        return []
    every = [definition for ran in bodies for definition in ran.analysis.definitions.values()]
    return [definition for definition in every if definition.name in keys]


def effects_of(body: Body, called: Iterable[Definition]) -> frozenset[str]:
    """What a body, or code that it may call, visibly does outside."""
    called = list(called)
    hidden = ["names: " + name for name in sorted(_READ_ANY_NAME & body.analysis.builtins)]
    if not called:
        return body.analysis.effects.union(hidden)
    origins = {definition.name: definition.origin for definition in called if definition.origin}
    later = [effect_of(call.path, origins) for definition in called for call in definition.calls]
    later += [effect_of(call.path, origins) for call in body.analysis.calls if call.callee in origins]
    return body.analysis.effects.union(hidden, filter(None, later), *(each.effects for each in called))


def effects_called(step: Step, view: View, book: Book) -> frozenset[str]:
    """What a step, or code that it may call, visibly does outside."""
    body = step.ran or step.body
    slots = [slot for slot in reached(body, view) if slot.kind == NAME]
    writers = {bound.version.step for slot in slots if (bound := view.bound(slot)).version is not None}
    others = [ran for id in writers if (ran := book.steps[id].ran) is not None and ran is not body]
    return effects_of(body, definitions_of(others, [key_of(slot) for slot in slots]))


def outward_calls(step: Step, view: View, book: Book) -> list[str]:
    """The calls by which a step, or code that it may call, visibly changes something outside."""
    return sorted({effect.partition(": ")[2] for effect in outward_effects(step, view, book)})


def outward_effects(step: Step, view: View, book: Book) -> list[str]:
    """The same calls, each behind the category of what it does."""
    return sorted(filter(writes_outside, effects_called(step, view, book)))


def is_effect(step: Step, view: View, book: Book) -> bool:
    """Whether running a step changes something outside, by its header or visibly."""
    return step.effect is not None or bool(outward_calls(step, view, book))


_UNMARKED: Final = (
    "it is to happen once, and nobody could tell later that it has: nothing can be stored at present; "
    "see `%flow cache`, or give it `--effect always`"
)


class Once:
    """Marks an effect that is to happen once while its body runs.

    Args:
        marks: The marks.
        name: What tells it from all others: its code and what it sees.
        now: Seconds since the epoch.
    """

    def __init__(self, marks: Marks, name: str, now: Callable[[], float]) -> None:
        self._marks = marks
        self._name = name
        self._now = now
        self.has_begun = False
        self._is_uncertain = False

    @property
    def doubt(self) -> str:
        """Why it may have happened already, in words; empty where that is known."""
        return self._marks.doubt(self._name)

    def begin(self) -> None:
        """Note that the body starts.

        Raises:
            StorageError: If that cannot be written, so that a later kernel would repeat it unknowingly.
        """
        if not self._marks.set(BEGUN, self._name, repr(self._now())):
            self._marks.clear(BEGUN, self._name)
            raise StorageError(_UNMARKED)
        self.has_begun = True

    def note(self, observation: Observation) -> None:
        """Note how one attempt ended: what was stopped may have happened, whatever a later one says."""
        self._is_uncertain |= observation.outcome.ended not in (Ended.RETURNED, Ended.RAISED)

    def attempt(self, run: Callable[[Call], Observing]) -> Callable[[Call], Observing]:
        """The same attempts, each with the mark set before the body starts."""

        def marked(call: Call) -> Observing:
            try:
                self.begin()
            except StorageError as error:
                return not_started(call, error)
            observation = yield from run(call)
            self.note(observation)
            return observation

        return marked

    def ended(self, finished: Finished, trace: Trace | None) -> None:
        """Note what became of the effect, where that is known.

        A body that raised has said that it failed. One that was stopped, by its limit or by the user, or
        whose result proves nothing because a file changed meanwhile, may have done its work.
        """
        state, observation = finished.state, finished.observation
        is_whole = observation is None or observation.is_whole
        is_failed = state.type is StateType.FAILED and not self._is_uncertain
        if is_failed or state.is_skipped() or not state.is_final():
            self._marks.clear(BEGUN, self._name)
        elif trace is not None and state.is_completed() and is_whole:
            self._marks.done(self._name, trace.id)


def once_of_item(
    step: Step, one: Body, seen: Seen, ignored: frozenset[str], marks: Marks, now: Callable[[], float]
) -> Once | None:
    """The same for one item of a mapped effect that sees this; None where the step is no such effect."""
    if step.effect is not Effect.ONCE:
        return None
    compared = (entry for entry in seen.entries.values() if name_in(entry.looked.slot) not in ignored)
    saw = (part for entry in compared for part in (*entry.looked.slot, entry.digest))
    return Once(marks, key_digest("item", one.static_key, *saw), now)


def remedy(step: Step) -> str:
    """What makes the values of a step again that are nowhere, in words."""
    if step.effect is not Effect.ONCE:
        return REMEDY
    return f"only `%flow run {step.name} --force` makes it again, and repeats its effect"


def is_known_to_write(step: Step) -> bool:
    """Whether a step is known to change what is outside, by its text or by its last run."""
    return (step.ran is not None and step.ran.writes_files) or has_changed_outside(step)


def has_changed_outside(step: Step) -> bool:
    """Whether the last run of a step has written files or changed the state of the process."""
    trace = step.trace
    written = any(output.slot.kind == FILE for output in trace.outputs) if trace is not None else False
    return written or (trace is not None and CHANGES_PROCESS in trace.flags)


def is_unsure(step: Step, body: Body, view: View, outside: Outside, book: Book) -> bool:
    """Whether a step is an effect that may have happened already, on what it would see now."""
    if step.effect is not Effect.ONCE or body.one is not None:
        return False  # of a mapped one each item is marked for itself
    slot = begun_slot(step, body, view, outside, book)
    outside.look((slot,))
    return outside.digest(slot) == BEGUN
