"""The items of a mapped step at the same time, each on names of its own.

Items that share nothing need no order. Those of a step that is known to write files run one after the
other, as if each read what the ones before it have written; and where only the run shows that an item
changes what is outside, or cannot run on names of its own, all run on the user's names instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from msgspec.structs import replace

from nbflow.engine.each import Done, Each
from nbflow.engine.items import Items
from nbflow.engine.outward import is_known_to_write
from nbflow.engine.requests import Alone, Together
from nbflow.exceptions import SessionError
from nbflow.states import Cancelled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from nbflow.engine.apply import Workspace
    from nbflow.engine.each import Hands, Plan
    from nbflow.engine.effects import Call
    from nbflow.engine.enact import Item
    from nbflow.engine.items import Row
    from nbflow.engine.observation import Observation
    from nbflow.engine.record import Seen
    from nbflow.engine.requests import Observing, Working
    from nbflow.types import Trace

    Opened = tuple[Plan, Hands, Callable[[Observation], str]]
    """What items have in common over some names, what belongs to these, and what tells doubts."""

_TOO_EARLY: Final = "its items change what is outside, and one ran beside another"


class EachApart(Each):
    """Gives elements to a body over names that nobody else has.

    Args:
        home: The names over which the elements are, and the results will be.
        open: Gives such names, and what belongs to them.
    """

    def __init__(self, home: Workspace, open: Callable[[], Opened]) -> None:
        self._open = open
        plan, hands, self._doubt = open()
        super().__init__(plan, hands, home)
        self.has_changed_outside = False
        """Whether the present item has written files or changed the state of the process."""
        self._is_shared = False

    def begin(self, row: tuple[Any, ...]) -> Seen:
        """The same, over other names where a body that was given up may still change those."""
        if self._is_shared:
            plan, hands, self._doubt = self._open()
            self._stand_on(plan, hands)
        self.has_changed_outside = self._is_shared = False
        return super().begin(row)

    def _judged(self, observation: Observation) -> Observation:
        outcome, watch = observation.outcome, observation.watch
        self._is_shared = outcome.was_given_up
        self.has_changed_outside = watch is not None and bool(watch.written or watch.process_state)
        self.why_not_handed = self._doubt(observation)
        if not self.why_not_handed:
            return observation
        end = Cancelled(f"it runs on the notebook's names instead: {self.why_not_handed}")
        return replace(observation, outcome=outcome.instead(end))


class Host(Protocol):
    """Where items run that run at the same time, and what happens where they cannot."""

    def place_for_items(self, plan: Plan) -> EachApart:
        """Names of their own for one item after the other."""
        ...

    def doubted(self, observation: Observation, why: str = "", *, for_now: bool = False) -> str:
        """Why a step has to run on the user's names after all, which is noted; empty where it need not."""
        ...

    @property
    def is_aside(self) -> bool:
        """Whether nothing may run on the user's names."""
        ...

    def refused(self, observation: Observation) -> Observation:
        """What was seen of a body that has to run on the user's names, and may not."""
        ...


class ItemsAbreast(Items):
    """Runs the items of one run of a mapped step at the same time; on the user's names where it has to.

    Args:
        plan: What they have in common.
        hands: The names over which the elements are, and the results will be, and what belongs to them.
        host: Where each item runs.
        on_names: Gives what runs them on the user's names: all of them, or only those not kept.
    """

    def __init__(self, plan: Plan, hands: Hands, host: Host, on_names: Callable[[bool], Items]) -> None:
        super().__init__(plan, hands)
        self._host = host
        self._on_names = on_names
        self._instead: Items | None = None
        self._idle: list[EachApart] = []
        self._going: dict[int, tuple[str, ...] | None] = {}
        self._had_company: set[int] = set()
        self._why, self._is_too_early = "", False
        self._stop: BaseException | None = None

    def attempt(self, call: Call) -> Observing:
        """Run all items at the same time; if that shows to be wrong, on the user's names."""
        observation = yield from super().attempt(call)
        if not self._host.doubted(observation, self._why, for_now=self._is_too_early):
            return observation
        if self._host.is_aside:
            return self._host.refused(observation)
        yield Alone()
        self._instead = self._on_names(self._is_too_early)
        return (yield from self._instead.attempt(call))

    def joined(self, trace: Trace) -> Trace:
        """The trace of the step, with what its items have looked at and written outside."""
        return self._instead.joined(trace) if self._instead is not None else super().joined(trace)

    def _run_all(self, rows: Sequence[Row]) -> Working[BaseException | None]:
        left = list(rows)
        most = 1 if is_known_to_write(self._plan.step) else len(left)
        while left:
            later: list[Row] = []
            stop = (yield Together(self._works(left[:most], later))) or self._stop
            if stop is not None:
                self._why = ""
                return stop
            if self._why:
                return SessionError(self._why)
            left = [*later, *left[most:]]
        return None

    def _works(self, rows: Sequence[Row], later: list[Row]) -> Iterator[Working[None]]:
        """What is to be done, made when there is room for it; equal items wait for the first of them."""
        for item, row in rows:
            if self._why or self._stop is not None:
                return
            known = self._known(item, row)
            elements = self._each.elements
            if known is not None:
                self._done[item.index] = known
            elif elements is not None and elements in self._going.values():
                later.append((item, row))
            else:
                self._going[item.index] = elements
                yield self._end(item, row)

    def _end(self, item: Item, row: tuple[Any, ...]) -> Working[None]:
        """Run an item on names of its own."""
        if len(self._going) > 1:
            self._had_company.update(self._going)
        at = self._idle.pop() if self._idle else self._host.place_for_items(self._plan)
        try:
            done = yield from self._executed(item, row, at)
        except KeyboardInterrupt as stop:
            done = Done(Cancelled(), error=stop)  # its run has ended legally
        del self._going[item.index]
        self._done[item.index] = done
        self._idle.append(at)
        self._stop = done.error if isinstance(done.error, KeyboardInterrupt) else self._stop
        self._is_too_early |= at.has_changed_outside and item.index in self._had_company
        self._why = self._why or at.why_not_handed or (_TOO_EARLY if self._is_too_early else "")
