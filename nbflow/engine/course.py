"""Where one run stands while `nbflow.engine.run` decides what it does next."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Any, Final

from nbflow import states
from nbflow.engine.effects import Effect, Enter, Keep, Moves, Park, RunSpec, Sleep
from nbflow.engine.transitions import may_be_taken_up
from nbflow.states import State, StateType

if TYPE_CHECKING:
    from nbflow.triggers import Edge

Choice = Generator[Effect, Any, State]
"""Effects on the way to the state that shall be entered next."""

_ONCE_LET_IN: Final = frozenset({"AwaitingRetry", "Paused", "Resuming"})
_UNBORN: Final = states.Pending()


class Course:
    """Where a run stands; the only thing that the rules change.

    Args:
        spec: The run.
    """

    __slots__ = (
        "attempt", "called", "crashes", "failures", "inputs", "is_root", "keeps", "key", "loop",
        "loop_result", "made", "notes", "over", "parked", "requests", "spec", "state", "upstream", "versions",
    )  # fmt: skip

    def __init__(self, spec: RunSpec) -> None:
        self.spec = spec
        self.is_root = spec.started_by_name or (spec.resumed or _UNBORN).name in _ONCE_LET_IN
        self.state: State = spec.resumed or _UNBORN
        self.upstream: Mapping[Edge, State] = {}
        self.inputs: Mapping[str, Any] = spec.inputs
        self.versions: Mapping[str, Any] = spec.versions
        # Until the inputs are bound there is nothing to keep, and once is enough: the body may change them.
        self.keeps = spec.keeps and spec.bind is None
        self.key: str | None = None
        self.loop_result = spec.loop_result
        self.notes: list[str] = []
        self.parked = False
        self.over = self.state.is_final()
        self.begin_iteration(spec.loop, spec.attempt)

    def begin_iteration(self, loop: int, attempt: int = 1) -> None:
        """Count from the start: each iteration of LOOP has its own budget of attempts."""
        self.loop = loop
        self.attempt = attempt
        self.called = False
        self.made = self.failures = self.crashes = self.requests = 0

    def next_attempt(self) -> None:
        """Give the next call a number of its own; one that was never made keeps it."""
        self.attempt += self.called
        self.called = False

    def enter(self, state: State) -> Moves:
        """Enter a state; what counts is the answer, because a state handler may replace it."""
        if (self.keeps or self.versions) and may_be_taken_up(state):
            state = yield from self.with_inputs(state)
        self.state = state
        entered = yield Enter(self.spec, state, self.attempt, self.loop)
        if entered is not None:
            self.state = entered
        self.over = self.state.is_final()
        if self.state.type is StateType.PAUSED:
            yield from self.park()

    def park(self) -> Moves:
        """End here for now: a run that waits holds no thread and no stack."""
        self.parked = self.over = True
        yield Park(self.spec, self.state)

    def wait(self) -> Moves:
        """Wait for the start of a scheduled state, or park where the driver does not wait."""
        start = self.state.start_time
        if start is not None and (yield Sleep(self.spec, start)) is False:
            yield from self.park()

    def with_inputs(self, state: State) -> Choice:
        """Keep the versions of the inputs in a state from which the run may be taken up again."""
        if self.keeps:
            self.keeps = False
            try:
                self.versions = {**self.versions, **(yield Keep(self.spec, self.inputs))}
            except Exception as error:  # noqa: BLE001  # a store that fails must not end a run otherwise
                state = state.noted(f"inputs not kept: {error}")
        return state.with_details(cached_inputs=self.versions) if self.versions else state
