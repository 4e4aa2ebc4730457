"""One item of a mapped step after the other: what it is given, what is kept of it, and its run.

Every item starts from what is bound at the place of the step, with an element of its own: nothing that one
item does can be seen by another.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import msgspec

from nbflow.engine.effects import Ended, Outcome
from nbflow.engine.keeping import NOT_COMPARED, is_reusable, name_in
from nbflow.engine.map_result import Unread
from nbflow.engine.mapped import PLACE
from nbflow.engine.meanwhile import sure
from nbflow.engine.outward import Once, once_of_item
from nbflow.engine.previews import preview
from nbflow.engine.record import CHANGES_PROCESS, Maker, action_key, key_of_trace, make_trace
from nbflow.engine.requests import Execution
from nbflow.engine.slots import NAME, RANDOM, SETTINGS, context_digest, key_of, slot_of
from nbflow.engine.verify import content, not_looked_at
from nbflow.exceptions import CacheError, DefinitionError, SessionError, StorageError
from nbflow.secrets import HIDDEN, KNOWN, looks_secret
from nbflow.states import Failed
from nbflow.store.memory import MemoryStore
from nbflow.store.walks import is_plain
from nbflow.types import UNBOUND, Effect, Entry, Looked, Output, Slot, Trace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from nbflow.engine.apply import Workspace
    from nbflow.engine.bind import View
    from nbflow.engine.book import Body, Step
    from nbflow.engine.effects import Call
    from nbflow.engine.enact import Finished, Item, StepRuns
    from nbflow.engine.observation import Observation
    from nbflow.engine.observe import Observer
    from nbflow.engine.reached import Reached
    from nbflow.engine.record import Seen
    from nbflow.engine.requests import Observing
    from nbflow.engine.storing import Storing
    from nbflow.engine.sweep import Sweep
    from nbflow.states import Origin, State
    from nbflow.store.digests import Fingerprint

    Hands = tuple[Workspace, Observer, StepRuns, Sweep, Storing]


@dataclass(frozen=True, slots=True)
class Plan:
    """What the items of one run have in common.

    Args:
        step: The step.
        body: Its body.
        view: The bindings at its place.
        seen: What each item sees, but for its elements.
        reach: What each item reaches, but for its elements.
        put_back: Puts every input back; False where one is lost.
        origin: Who wants the run.
        anew: Whether earlier results are left aside.
    """

    step: Step
    body: Body
    view: View
    seen: Seen
    reach: Reached
    put_back: Callable[[], bool]
    origin: Origin
    anew: bool

    @property
    def one(self) -> Body:
        """The body of an item."""
        return self.body.one or self.body

    @property
    def names(self) -> tuple[str, ...]:
        """The names that are bound to elements."""
        return tuple(name for name, _ in self.body.mapped)

    @property
    def ignored(self) -> frozenset[str]:
        """The names whose content does not count, by the header."""
        return self.step.keeping.compared.without.difference(self.names)


@dataclass(frozen=True, slots=True)
class Done:
    """An item that ended.

    Args:
        state: How.
        trace: What it saw and made; None where it failed.
        values: What it bound, as copies that nothing else shares memory with.
        error: What it raised.
        captured: What it showed.
    """

    state: State
    trace: Trace | None = None
    values: Mapping[str, object] = field(default_factory=dict[str, object])
    error: BaseException | None = None
    captured: bytes = b""

    def value(self, key: str) -> object:
        """What it bound a name to, or what stands for that."""
        if key in self.values:
            return self.values[key]
        told = f"the body did not bind {key} for this element"
        return Unread(
            self.error or (NameError(told) if self.trace is not None else SessionError(self.state.message))
        )


_LOST: Final = "changed its inputs, and they are not stored: run the cells that make them"


class Each:
    """Gives one element after the other to the body of a mapped step, over one set of names.

    Args:
        plan: What the items have in common.
        hands: Names, what runs bodies there, what gives items their runs, what is outside, and what says
            which values are worth storing.
        home: The names over which the elements are, and over which what items bind is handed over; None:
            those of `hands`.
    """

    def __init__(self, plan: Plan, hands: Hands, home: Workspace | None = None) -> None:
        self.why_not_handed = ""
        """Why something that an item has bound could not be handed over; empty where all was."""
        self._home = home
        self._keeps = False
        self._stand_on(plan, hands)

    def _stand_on(self, plan: Plan, hands: Hands) -> None:
        self.plan = plan
        self.given = plan.seen
        """What the present item sees."""
        self._workspace, self._observer, self._runs, self._sweep, self._storing = hands

    @property
    def home(self) -> Workspace:
        """The names over which the elements are, and the results will be."""
        return self._home or self._workspace

    # --- what it is given ------------------------------------------------------------------------

    def prepare(self) -> None:
        """Put every input back, and take the element of the last item away."""
        self.given, is_whole = self.plan.seen, self.plan.put_back()
        self.take_away()
        if not is_whole:
            raise StorageError(f"{self.plan.step.name} {_LOST}")

    def take_away(self) -> None:
        """Take the element of the last item away."""
        for name in self.plan.names:
            self._workspace.unbind(name)
            self._workspace.note(name)

    def begin(self, row: tuple[Any, ...]) -> Seen:
        """Put every input back, and the elements of the next item in place; return what it sees.

        Raises:
            StorageError: If an input is lost.
            DefinitionError: If an element cannot be copied.
        """
        self.prepare()
        self.given, self._keeps = self._give(row)
        return self.given

    def _give(self, row: tuple[Any, ...]) -> tuple[Seen, bool]:
        """Bind the names to their elements; return what the item sees, and whether that can be kept."""
        entries, keeps = dict(self.plan.seen.entries), True
        for name, element in self._named(row):
            own, is_own = copied(element, self.home, self._workspace)
            if not is_own:
                raise DefinitionError(
                    f"{self.plan.step.name} cannot be mapped over {name}: it cannot be copied"
                )
            KNOWN.meet_named({name: own})
            look, slot = self._workspace.look_at(own, name), slot_of(name)
            # Instances of the notebook's classes depend on who defined these last; they are made anew.
            keeps = keeps and not self._workspace.known.describe(look.classes or {})
            entries[slot] = Entry(Looked(slot), look.digest, HIDDEN if looks_secret(name) else preview(own))
            self._workspace.bind(name, own)
        return msgspec.structs.replace(self.plan.seen, entries=entries), keeps

    # --- what is kept of earlier ones -----------------------------------------------------------

    def reused(self, item: Item, row: tuple[Any, ...]) -> Done | None:
        """What is kept of an item, if it fits; a fault of the elements is left to whoever runs it."""
        self._keeps = False
        if self.plan.anew:
            return None
        try:
            self.given, self._keeps = self._give(row)
        except DefinitionError:
            return None
        trace = self.found(item) if self._keeps else None
        values = self._load(trace) if trace is not None else None
        if trace is None or values is None:
            return None
        finished = self._runs.reuse(self.plan.step, trace, self.plan.origin, item)
        return Done(finished.state, trace, values, captured=self._captured(trace))

    @property
    def elements(self) -> tuple[str, ...] | None:
        """What tells the item asked for last from others, where its result may be reused."""
        entries = self.given.entries
        return tuple(entries[slot_of(name)].digest for name in self.plan.names) if self._keeps else None

    def element_lines(self) -> list[str]:
        """What the present item is given of its own, a line for each name."""
        given = {name: self.given.entries.get(slot_of(name)) for name in self.plan.names}
        return [f"{name} = {entry.preview}" for name, entry in given.items() if entry is not None]

    def once(self) -> Once | None:
        """Whether the present item has happened, where that counts."""
        plan, marks = self.plan, self._workspace.marks
        return once_of_item(plan.step, plan.one, self.given, plan.ignored, marks, self._runs.now)

    def unsure(self, item: Item, row: tuple[Any, ...]) -> Done | None:
        """An effect that has happened, or may have, and whose result cannot be had is left alone."""
        plan = self.plan
        if plan.step.effect is not Effect.ONCE or plan.anew:
            return None
        try:
            self.given, _ = self._give(row)
        except DefinitionError:
            return None  # whoever runs it says so
        once = self.once()
        doubt = once.doubt if once is not None else ""
        if not doubt and self.found(item) is None:
            return None
        name, why = plan.step.name, doubt or "it has happened, and its values are not stored"
        told = f"{item.name(name)}: {why}; `%flow run {name} --force` runs all items anew"
        return Done(Failed(told), error=SessionError(told))

    def _captured(self, trace: Trace) -> bytes:
        try:
            (captured,) = self._workspace.store.load(trace.captured) if trace.captured else (b"",)
        except CacheError:
            return b""
        return captured if isinstance(captured, bytes) else b""

    def looked_for(self, item: Item, row: tuple[Any, ...]) -> Trace | None:
        """What is kept of an item that is given nothing and will not run now."""
        slots = {slot_of(name): self._workspace.look_at(each, name) for name, each in self._named(row)}
        entries = {slot: Entry(Looked(slot), look.digest) for slot, look in slots.items()}
        seen = self.plan.seen
        self.given = msgspec.structs.replace(seen, entries={**seen.entries, **entries})
        return self.found(item)

    def _named(self, row: tuple[Any, ...]) -> Iterable[tuple[str, Any]]:
        return zip(self.plan.names, row, strict=True)

    def found(self, item: Item) -> Trace | None:
        """The newest result that is kept of what the present item sees."""
        one, store, seen = self.plan.one, self._workspace.store, self.given
        wanted = (
            *seen.entries,
            *(entry.looked.slot for entry in seen.asked if entry.looked.slot.kind != "package"),
        )
        for looked in store.lists(one.static_key):
            digests = [self._content(each, item) for each in looked]
            known = [digest for digest in digests if digest is not None]
            if len(known) < len(digests) or any(not_looked_at(looked, wanted)):
                continue
            traces = store.find(action_key(one.static_key, looked, known))
            found = next(filter(self._is_taken, traces), None)
            if found is not None:
                return found
        return None

    def _is_taken(self, trace: Trace) -> bool:
        """Whether a result that fits stands for a run: what an effect has done it has done in any case."""
        step, outside = self.plan.step, self._sweep.outside
        if step.effect is Effect.ONCE:
            return True
        is_whole = CHANGES_PROCESS not in trace.flags and not outside.is_refuted(trace.id)
        return is_whole and is_reusable(step, trace, outside)

    def _content(self, looked: Looked, item: Item) -> str | None:
        if looked.slot == PLACE:
            return context_digest(item.index)
        if name_in(looked.slot) in self.plan.ignored:
            return NOT_COMPARED
        if looked.slot.locator in self.plan.names and looked.slot.kind == NAME:
            return self.given.entries[looked.slot].digest
        return content(looked, self.plan.view, self._sweep.outside)

    def _load(self, trace: Trace) -> dict[str, object] | None:
        store, values = self._workspace.store, dict[str, object]()
        for output in bound(trace.outputs):
            try:
                if not store.has(output.unit):
                    return None
                values[key_of(output.slot)] = store.load(output.unit, self._workspace.names)[0]
            except CacheError:
                return None
        return values

    # --- its run ----------------------------------------------------------------------------------

    def run(self, call: Call, item: Item) -> Observing:
        """Run the body on what `begin` has put in place."""
        plan, names = self.plan, self._workspace.names
        before = {key: (value, self._digest(key)) for key, value in names.items()}
        execution = Execution(plan.step, plan.one, call, self._workspace, self._workspace.elsewhere)
        observation = yield from self._observer.run(execution, plan.reach, hide=True)
        return self._alone(self._judged(observation), before, item)

    def _judged(self, observation: Observation) -> Observation:
        """What counts of what was seen: here, all."""
        return observation

    def done(self, finished: Finished) -> Done:
        """What became of the present item."""
        finished = sure(finished, self.given.asked, self._sweep.outside)
        observation = finished.observation
        if observation is not None and observation.touched_outside:
            self._sweep.look_outside()
        if not finished.state.is_completed() or observation is None or not observation.is_whole:
            return self._unfinished(finished)
        return self._kept(finished, observation)

    def _digest(self, key: str) -> str:
        label = self._workspace.labels.get(key)
        return label.digest if label is not None else ""

    def _unfinished(self, finished: Finished) -> Done:
        observation = finished.observation
        error = observation.error if observation is not None else None
        if not finished.state.is_completed():
            return Done(finished.state, error=error)
        told = observation.failure if observation is not None else "nobody saw what it did"
        return Done(Failed(told), error=SessionError(told))

    def _alone(
        self, observation: Observation, before: Mapping[str, tuple[object, str]], item: Item
    ) -> Observation:
        """What an item has made for itself; one that changes what all items share fails."""
        names, assigned = self._workspace.names, self.plan.one.analysis.writes
        made: list[Output] = []
        shared: list[str] = []
        for output in observation.outputs:
            key = key_of(output.slot)
            if key in self.plan.names:
                continue
            value, digest = before.get(key, (None, ""))
            is_same = key in before and names.get(key) is value
            if output.slot.kind == SETTINGS:
                continue  # they are put back before the next item, and when all have ended
            if output.slot.kind == RANDOM:
                shared += ["the global random state"] * self._is_seeded(output.slot)
            elif is_same and key not in assigned and output.digest != digest:
                shared.append(key)
            elif not is_same or key in assigned:
                made.append(_of_its_own(output))
        if shared and observation.has_returned:
            error = SessionError(
                f"{item.name(self.plan.step.name)} changes {', '.join(shared)}, which all items share: "
                "bind a new name instead"
            )
            outcome = Outcome(observation.outcome.attempt, Ended.RAISED, error)
            return msgspec.structs.replace(observation, outcome=outcome)
        return msgspec.structs.replace(observation, outputs=tuple(made))

    def _is_seeded(self, slot: Slot) -> bool:
        known = self.plan.seen.entries.get(slot)
        return slot.locator in self.plan.one.analysis.seeds or (known is not None and known.digest != UNBOUND)

    def _kept(self, finished: Finished, observation: Observation) -> Done:
        """Store what an item has made, so that it need not run again."""
        plan, store, keeps = self.plan, self._workspace.store, self._keeps
        maker = Maker(plan.step, finished.run, self._runs.notebook, plan.reach.effects)
        trace = make_trace(maker, plan.one, self.given, observation)
        names, values = self._workspace.names, dict[str, object]()
        for output in bound(trace.outputs):
            key = key_of(output.slot)
            values[key], is_own = copied(names[key], self._workspace, self.home)
            if not is_own and self.home is not self._workspace:
                self.why_not_handed = f"{key} cannot be handed over"
            keeps = keeps and is_own and not output.classes
        if keeps and not finished.state.is_skipped() and not self.why_not_handed:
            loose = [
                entry.looked.slot for entry in trace.entries if name_in(entry.looked.slot) in plan.ignored
            ]
            key = key_of_trace(trace, loose)
            units = {output.unit: (values[key_of(output.slot)],) for output in bound(trace.outputs)}
            shown = {trace.captured: (observation.outcome.captured,)} if trace.captured else {}
            stored = {**units, **shown} if plan.step.keeping.stores else {}
            choice = self._storing.choice(plan.step, trace, key, observation, plan.reach.effects)
            store.commit(key, trace, stored, self.home.names, choice)
            self._runs.keep(finished.run, key, trace)
        return Done(finished.state, trace, values, captured=observation.outcome.captured)


def copied(value: Any, giver: Workspace, taker: Workspace) -> tuple[Any, bool]:
    """A copy that shares no memory with anything; the value itself, and False, where none can be had.

    Args:
        value: The value.
        giver: The names over which it was made.
        taker: Those over which the copy is made.
    """
    if is_plain((value,)):
        return value, True
    copies, is_here = MemoryStore(giver.names, budget=sys.maxsize), giver is taker
    look = giver.look_at(value)
    try:
        if is_here and not look.memory:
            return value, True
        if not copies.put("copy", (value,)):
            (copy,) = copies.load("copy", taker.names)
            if _are_alike(taker.look_at(copy), look, is_here=is_here):
                return copy, True
    except CacheError:
        pass
    return value, False


def _are_alike(copy: Fingerprint, look: Fingerprint, *, is_here: bool) -> bool:
    """Whether two values hold the same; over other names, of classes that are defined alike."""
    return set(copy.classes or ()) == set(look.classes or ()) if is_here else copy.digest == look.digest


def bound(outputs: Iterable[Output]) -> list[Output]:
    """The outputs that are names which stand for something."""
    return [output for output in outputs if output.slot.kind == NAME and output.digest != UNBOUND]


def _of_its_own(output: Output) -> Output:
    """An output whose unit is its name alone: an item's values are kept apart from each other."""
    key = key_of(output.slot)
    return output if output.digest == UNBOUND else output._replace(unit=output.digest, members=(key,))
