"""Mapped steps: their body runs once for each element, and each run is kept and reused for itself.

The step as a whole has one trace, which has looked at the elements and at all that its items have looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from nbflow.engine.each import Each, copied
from nbflow.engine.effects import Ended, Outcome
from nbflow.engine.enact import Item
from nbflow.engine.map_result import MapResult, Unread
from nbflow.engine.mapped import ended_by_items, joined_by_items
from nbflow.engine.observation import Observation
from nbflow.engine.rows import rows_of
from nbflow.engine.signals import ENDRUN
from nbflow.engine.slots import NAME, key_of
from nbflow.exceptions import DefinitionError, SessionError, StorageError
from nbflow.store.protocol import ELEMENT
from nbflow.types import UNBOUND, Output, Trace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbflow.engine.each import Done, Hands, Plan
    from nbflow.engine.effects import Call
    from nbflow.engine.outward import Once
    from nbflow.engine.requests import Observing, Working
    from nbflow.states import State

    Row = tuple[Item, tuple[Any, ...]]
    """An item, and the elements that it is given."""

_PARTS: Final = msgspec.msgpack.Decoder(list[msgspec.Raw])


class Items:
    """Runs the items of one run of a mapped step, one after the other.

    Args:
        plan: What they have in common.
        hands: What belongs to the names over which they run, see `Each`.
    """

    def __init__(self, plan: Plan, hands: Hands) -> None:
        self._plan = plan
        self._workspace, self._observer, self._runs, *_ = hands
        self._each = Each(plan, hands)
        self._done: dict[int, Done] = {}
        self._elements: dict[int, list[str]] = {}

    def attempt(self, call: Call) -> Observing:
        """Run all items, or reuse what is kept of them, and say what the step has made by that."""
        try:
            return (yield from self._attempt(call))
        finally:
            self._each.take_away()

    def _attempt(self, call: Call) -> Observing:
        plan, started = self._plan, self._runs.now()
        self._done.clear()
        self._elements.clear()
        try:
            self._each.prepare()
            rows = rows_of(plan.body.mapped, self._workspace.names, plan.step.name)
            items = [(Item(index, call.spec.id), row) for index, row in enumerate(rows)]
            ended = yield from self._run_all(items)
            self._each.prepare()
        except (DefinitionError, StorageError) as error:
            return self._failed(call, error)
        if ended is not None:
            return self._failed(call, ended)
        state = ended_by_items(tuple(done.state for done in self._in_order))
        outcome = Outcome(call.attempt, Ended.RAISED, ENDRUN(state), captured=self._shown())
        outputs = self._observer.taken(plan.step, self._bind(rows))
        seen = self._observation(outcome, started, outputs, self._error(state))
        return msgspec.structs.replace(seen, item="" if state.is_completed() else self._which_failed())

    @property
    def _in_order(self) -> list[Done]:
        return [self._done[index] for index in sorted(self._done)]

    def joined(self, trace: Trace) -> Trace:
        """The trace of the step, with what its items have looked at and written outside."""
        return joined_by_items(trace, self._in_order, self._plan)

    def _run_all(self, rows: Sequence[Row]) -> Working[BaseException | None]:
        """Let every item end; return what ended all of them before that, as Stop does."""
        for item, row in rows:
            done = self._known(item, row) or (yield from self._executed(item, row, self._each))
            self._done[item.index] = done
            if isinstance(done.error, KeyboardInterrupt):
                return done.error
        return None

    def _known(self, item: Item, row: tuple[Any, ...]) -> Done | None:
        """What an item comes to that need not run, or must not."""
        return self._each.reused(item, row) or self._each.unsure(item, row)

    def _executed(self, item: Item, row: tuple[Any, ...], at: Each) -> Working[Done]:
        once: Once | None = None

        def attempt(call: Call) -> Observing:
            nonlocal once
            try:
                at.begin(row)
            except (DefinitionError, StorageError) as error:
                return self._failed(call, error)
            once = once or at.once()
            try:
                if once is not None:
                    once.begin()
            except StorageError as error:
                return self._failed(call, error)
            observation = yield from at.run(call, item)
            if once is not None:
                once.note(observation)
            return observation

        finished = yield from self._runs.execute_item(self._plan.step, item, attempt, self._plan.origin)
        if not finished.state.is_completed():
            self._elements[item.index] = at.element_lines()
            self._runs.history.keep_text(finished.run, ELEMENT, self._elements[item.index])
        done = at.done(finished)
        if once is not None and (not finished.state.is_completed() or at.found(item)):
            self._workspace.store.flush()
            once.ended(finished, done.trace)  # where it is kept, or says itself that it failed
        return done

    # --- all of them -----------------------------------------------------------------------------

    def _bind(self, rows: list[tuple[Any, ...]]) -> frozenset[str]:
        """Bind each name that items have bound to the values of all; return those names, and deleted ones."""
        traces = [done.trace for done in self._in_order if done.trace is not None]
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
            values = [done.value(key) for done in self._in_order]
            if key in single:
                # A function, a class or a module is the same for all items that have one.
                value = next(value for value in reversed(values) if not isinstance(value, Unread))
            else:
                value, _ = copied(MapResult(values, elements), self._workspace, self._workspace)
            self._workspace.bind(key, value)
        return frozenset(bound | deleted)

    def _shown(self) -> bytes:
        """What all items showed, one after the other: lists, of which nobody here knows the elements."""
        shown = [part for done in self._in_order if done.captured for part in _PARTS.decode(done.captured)]
        return msgspec.msgpack.encode(shown) if shown else b""

    def _error(self, state: State) -> BaseException | None:
        """What the cell raises: the error of the first item that has one."""
        if state.is_completed():
            return None
        errors = (done.error for done in self._in_order if done.error is not None)
        return next(errors, None) or SessionError(f"{self._plan.step.name}: {state.message}")

    def _which_failed(self) -> str:
        """Which item the error is of, with its elements, and how many there are that have one."""
        failed = [index for index in sorted(self._done) if self._done[index].error is not None]
        if not failed:
            return ""
        first, elements = failed[0], ", ".join(self._elements.get(failed[0], ()))
        which = f"[{first}] ({elements})" if elements else f"[{first}]"
        return f"{len(failed)} of {len(self._done)} items, first {which}" if failed[1:] else f"item {which}"

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
