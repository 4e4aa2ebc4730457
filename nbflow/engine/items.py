"""Mapped steps: their body runs once for each element, and each run is kept and reused for itself.

Every item starts from what is bound at the place of the step, with an element of its own: nothing
that one item does can be seen by another. The step as a whole has one trace, which has looked at
the elements and at all that its items have looked at.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import msgspec

from nbflow.engine.effects import Ended, Outcome
from nbflow.engine.enact import Item
from nbflow.engine.keeping import NOT_COMPARED, is_reusable, name_in
from nbflow.engine.map_result import MapResult, Unread
from nbflow.engine.mapped import PLACE, ended_by_items, joined_by_items
from nbflow.engine.observe import Observation
from nbflow.engine.outward import Once, once_of_item
from nbflow.engine.previews import preview
from nbflow.engine.record import CHANGES_PROCESS, Maker, action_key, key_of_trace, make_trace
from nbflow.engine.requests import Execution
from nbflow.engine.rows import rows_of
from nbflow.engine.signals import ENDRUN
from nbflow.engine.slots import NAME, RANDOM, context_digest, key_of, slot_of
from nbflow.engine.verify import content, not_looked_at
from nbflow.exceptions import CacheError, DefinitionError, SessionError, StorageError
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
    from nbflow.engine.enact import Finished, StepRuns
    from nbflow.engine.observe import Observer, Reached
    from nbflow.engine.record import Seen
    from nbflow.engine.requests import Observing, Working
    from nbflow.engine.storing import Storing
    from nbflow.engine.sweep import Sweep
    from nbflow.states import Origin, State


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


_PARTS: Final = msgspec.msgpack.Decoder(list[msgspec.Raw])
_LOST: Final = "changed its inputs, and they are not stored: run the cells that make them"


class Items:
    """Runs the items of one run of a mapped step.

    Args:
        plan: What they have in common.
        workspace: The names.
        observer: Runs bodies.
        runs: Gives each item its run.
        sweep: What the slots outside hold.
        storing: Says which values are worth storing.
    """

    def __init__(
        self,
        plan: Plan,
        workspace: Workspace,
        observer: Observer,
        runs: StepRuns,
        sweep: Sweep,
        storing: Storing,
    ) -> None:
        self._plan = plan
        self._workspace = workspace
        self._observer = observer
        self._runs = runs
        self._sweep = sweep
        self._storing = storing
        self._done: list[Done] = []

    def attempt(self, call: Call) -> Observing:
        """Run all items, or reuse what is kept of them, and say what the step has made by that."""
        try:
            return (yield from self._attempt(call))
        finally:
            self._take_away()

    def _attempt(self, call: Call) -> Observing:
        plan, started = self._plan, self._runs.now()
        self._done = []
        try:
            self._prepare()
            rows = rows_of(plan.body.mapped, self._workspace.names, plan.step.name)
        except (DefinitionError, StorageError) as error:
            return self._failed(call, error)
        for index, row in enumerate(rows):
            item = Item(index, call.spec.id)
            done = self._reused(item, row) or self._unsure(item, row)
            done = done or (yield from self._executed(item, row))
            self._done.append(done)
            if isinstance(done.error, KeyboardInterrupt):
                return self._failed(call, done.error)
        try:
            self._prepare()
        except StorageError as error:
            return self._failed(call, error)
        state = ended_by_items(tuple(done.state for done in self._done))
        outcome = Outcome(call.attempt, Ended.RAISED, ENDRUN(state), captured=self._shown())
        outputs = self._observer.taken(plan.step, self._bind(rows))
        return self._observation(outcome, started, outputs, self._error(state))

    def joined(self, trace: Trace) -> Trace:
        """The trace of the step, with what its items have looked at and written outside."""
        return joined_by_items(trace, self._done, self._plan)

    # --- one item ------------------------------------------------------------------------------

    def _prepare(self) -> None:
        """Put every input back, and take the element of the last item away."""
        is_whole = self._plan.put_back()
        self._take_away()
        if not is_whole:
            raise StorageError(f"{self._plan.step.name} {_LOST}")

    def _take_away(self) -> None:
        for name in self._plan.names:
            self._workspace.unbind(name)
            self._workspace.note(name)

    def _give(self, row: tuple[Any, ...]) -> tuple[Seen, bool]:
        """Bind the names to their elements; return what the item sees, and whether that can be kept."""
        entries, keeps = dict(self._plan.seen.entries), True
        for name, element in zip(self._plan.names, row, strict=True):
            own, is_own = self._copied(element)
            if not is_own:
                raise DefinitionError(
                    f"{self._plan.step.name} cannot be mapped over {name}: it cannot be copied"
                )
            look, slot = self._workspace.look_at(own), slot_of(name)
            # Instances of the notebook's classes depend on who defined these last; they are made anew.
            keeps = keeps and not self._workspace.known.describe(look.classes or {})
            entries[slot] = Entry(Looked(slot), look.digest, preview(own))
            self._workspace.bind(name, own)
        return msgspec.structs.replace(self._plan.seen, entries=entries), keeps

    def _copied(self, value: Any) -> tuple[Any, bool]:
        """A copy that shares no memory with anything; the value itself, and False, where none can be had."""
        if is_plain((value,)):
            return value, True
        copies, look = MemoryStore(self._workspace.names), self._workspace.look_at
        try:
            if not look(value).memory:
                return value, True
            if not copies.put("copy", (value,)):
                (copy,) = copies.load("copy")
                if set(look(copy).classes or ()) == set(look(value).classes or ()):
                    return copy, True
        except CacheError:
            pass
        return value, False

    def _reused(self, item: Item, row: tuple[Any, ...]) -> Done | None:
        """What is kept of an item, if it fits; a fault of the elements is left to whoever runs it."""
        if self._plan.anew:
            return None
        try:
            seen, keeps = self._give(row)
        except DefinitionError:
            return None
        trace = self._found(seen, item) if keeps else None
        values = self._load(trace) if trace is not None else None
        if trace is None or values is None:
            return None
        finished = self._runs.reuse(self._plan.step, trace, self._plan.origin, item)
        return Done(finished.state, trace, values, captured=self._captured(trace))

    def _once(self, seen: Seen) -> Once | None:
        plan = self._plan
        return once_of_item(plan.step, plan.one, seen, plan.ignored, self._workspace.marks, self._runs.now)

    def _unsure(self, item: Item, row: tuple[Any, ...]) -> Done | None:
        """An effect that has happened, or may have, and whose result cannot be had is left alone."""
        plan = self._plan
        if plan.step.effect is not Effect.ONCE or plan.anew:
            return None
        try:
            seen, _ = self._give(row)
        except DefinitionError:
            return None  # whoever runs it says so
        once = self._once(seen)
        doubt = once.doubt if once is not None else ""
        if not doubt and self._found(seen, item) is None:
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

    def _found(self, seen: Seen, item: Item) -> Trace | None:
        one, store = self._plan.one, self._workspace.store
        wanted = (
            *seen.entries,
            *(entry.looked.slot for entry in seen.asked if entry.looked.slot.kind != "package"),
        )
        for looked in store.lists(one.static_key):
            digests = [self._content(each, seen, item) for each in looked]
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
        step, outside = self._plan.step, self._sweep.outside
        if step.effect is Effect.ONCE:
            return True
        is_whole = CHANGES_PROCESS not in trace.flags and not outside.is_refuted(trace.id)
        return is_whole and is_reusable(step, trace, outside)

    def _content(self, looked: Looked, seen: Seen, item: Item) -> str | None:
        if looked.slot == PLACE:
            return context_digest(item.index)
        if name_in(looked.slot) in self._plan.ignored:
            return NOT_COMPARED
        if looked.slot.locator in self._plan.names and looked.slot.kind == NAME:
            return seen.entries[looked.slot].digest
        return content(looked, self._plan.view, self._sweep.outside)

    def _load(self, trace: Trace) -> dict[str, object] | None:
        store, values = self._workspace.store, dict[str, object]()
        for output in _bound(trace.outputs):
            try:
                if not store.has(output.unit):
                    return None
                values[key_of(output.slot)] = store.load(output.unit, self._workspace.names)[0]
            except CacheError:
                return None
        return values

    def _executed(self, item: Item, row: tuple[Any, ...]) -> Working[Done]:
        plan, given = self._plan, (self._plan.seen, False)
        once: Once | None = None

        def attempt(call: Call) -> Observing:
            nonlocal given, once
            try:
                self._prepare()
                given = self._give(row)
            except (DefinitionError, StorageError) as error:
                return self._failed(call, error)
            once = once or self._once(given[0])
            if once is not None:
                once.begin()
            before = {key: (value, self._digest(key)) for key, value in self._workspace.names.items()}
            execution = Execution(plan.step, plan.one, call, self._workspace, self._workspace.elsewhere)
            observation = yield from self._observer.run(execution, plan.reach, hide=True)
            if once is not None:
                once.note(observation)
            return self._alone(observation, before, item)

        finished = yield from self._runs.execute_item(plan.step, item, attempt, plan.origin)
        observation = finished.observation
        if observation is not None and observation.touched_outside:
            self._sweep.look_outside()
        if not finished.state.is_completed() or observation is None or not observation.is_whole:
            done = self._unfinished(finished)
        else:
            done = self._kept(finished, observation, *given)
        if once is not None and (not finished.state.is_completed() or self._found(given[0], item)):
            self._workspace.store.flush()
            once.ended(finished, done.trace)  # where it is kept, or says itself that it failed
        return done

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
        names, assigned = self._workspace.names, self._plan.one.analysis.writes
        made: list[Output] = []
        shared: list[str] = []
        for output in observation.outputs:
            key = key_of(output.slot)
            if key in self._plan.names:
                continue
            value, digest = before.get(key, (None, ""))
            is_same = key in before and names.get(key) is value
            if output.slot.kind == RANDOM:
                shared += ["the global random state"] * self._is_seeded(output.slot)
            elif is_same and key not in assigned and output.digest != digest:
                shared.append(key)
            elif not is_same or key in assigned:
                made.append(_of_its_own(output))
        if shared and observation.has_returned:
            error = SessionError(
                f"{item.name(self._plan.step.name)} changes {', '.join(shared)}, which all items share: "
                "bind a new name instead"
            )
            outcome = Outcome(observation.outcome.attempt, Ended.RAISED, error)
            return msgspec.structs.replace(observation, outcome=outcome)
        return msgspec.structs.replace(observation, outputs=tuple(made))

    def _is_seeded(self, slot: Slot) -> bool:
        known = self._plan.seen.entries.get(slot)
        return slot.locator in self._plan.one.analysis.seeds or (
            known is not None and known.digest != UNBOUND
        )

    def _kept(self, finished: Finished, observation: Observation, seen: Seen, keeps: bool) -> Done:
        """Store what an item has made, so that it need not run again."""
        plan, store = self._plan, self._workspace.store
        maker = Maker(plan.step, finished.run, self._runs.notebook, plan.reach.effects)
        trace = make_trace(maker, plan.one, seen, observation)
        names, values = self._workspace.names, dict[str, object]()
        for output in _bound(trace.outputs):
            key = key_of(output.slot)
            values[key], is_own = self._copied(names[key])
            keeps = keeps and is_own and not output.classes
        if keeps and not finished.state.is_skipped():
            key = key_of_trace(trace, plan.ignored)
            units = {output.unit: (values[key_of(output.slot)],) for output in _bound(trace.outputs)}
            shown = {trace.captured: (observation.outcome.captured,)} if trace.captured else {}
            stored = {**units, **shown} if plan.step.keeping.stores else {}
            choice = self._storing.choice(plan.step, trace, observation, plan.reach.effects)
            store.commit(key, trace, stored, self._workspace.names, choice)
            self._runs.keep(finished.run, key, trace)
        return Done(finished.state, trace, values, captured=observation.outcome.captured)

    # --- all of them -----------------------------------------------------------------------------

    def _bind(self, rows: list[tuple[Any, ...]]) -> frozenset[str]:
        """Bind each name that items have bound to the values of all; return those names, and deleted ones."""
        traces = [done.trace for done in self._done if done.trace is not None]
        outputs = [output for trace in traces for output in trace.outputs if output.slot.kind == NAME]
        definitions = self._plan.one.analysis.definitions
        single = {key_of(each.slot) for each in outputs if each.sort != "value"} & definitions.keys()
        bound = {key_of(output.slot) for output in outputs if output.digest != UNBOUND}
        deleted = {key_of(output.slot) for output in outputs} - bound
        bound |= self._plan.one.analysis.writes - deleted
        elements = [row[0] if len(row) == 1 else row for row in rows]
        for key in deleted:
            self._workspace.unbind(key)
        for key in sorted(bound):
            values = [done.value(key) for done in self._done]
            value = MapResult(values, elements)
            # A function, a class or a module is the same for all items.
            self._workspace.bind(key, values[-1] if key in single else self._copied(value)[0])
        return frozenset(bound | deleted)

    def _shown(self) -> bytes:
        """What all items showed, one after the other: lists, of which nobody here knows the elements."""
        shown = [part for done in self._done if done.captured for part in _PARTS.decode(done.captured)]
        return msgspec.msgpack.encode(shown) if shown else b""

    def _error(self, state: State) -> BaseException | None:
        """What the cell raises: the error of the first item that has one."""
        if state.is_completed():
            return None
        errors = (done.error for done in self._done if done.error is not None)
        return next(errors, None) or SessionError(f"{self._plan.step.name}: {state.message}")

    def _failed(self, call: Call, error: BaseException) -> Observation:
        return self._observation(Outcome(call.attempt, Ended.RAISED, error), self._runs.now(), ())

    def _observation(
        self,
        outcome: Outcome,
        started: float,
        outputs: tuple[Output, ...],
        error: BaseException | None = None,
    ) -> Observation:
        changed, seconds = frozenset(key_of(output.slot) for output in outputs), self._runs.now() - started
        watch = self._observer.no_watch
        return Observation(outcome, changed, outputs, watch, started, seconds, cause=error)


def _bound(outputs: Iterable[Output]) -> list[Output]:
    return [output for output in outputs if output.slot.kind == NAME and output.digest != UNBOUND]


def _of_its_own(output: Output) -> Output:
    """An output whose unit is its name alone: an item's values are kept apart from each other."""
    key = key_of(output.slot)
    return output if output.digest == UNBOUND else output._replace(unit=output.digest, members=(key,))
