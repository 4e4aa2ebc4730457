"""Stepping `run_task` by hand: scripted answers, a stop at any effect, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nbflow.engine import transitions
from nbflow.engine.effects import (
    Await,
    Call,
    CancelRun,
    Effect,
    Ended,
    Enter,
    Keep,
    Load,
    Outcome,
    Recall,
    RunSpec,
    Save,
    Sleep,
    Spawn,
)
from nbflow.engine.run import run_task

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nbflow.states import State
    from nbflow.triggers import Edge


@dataclass(frozen=True)
class Broken:
    """A runner that raises instead of answering."""

    error: Exception


@dataclass
class Walk:
    """One run of the generator: scripted answers in, effects and states out.

    Args:
        spec: The run.
        calls: What the body does, call by call: a value is returned, an exception or a signal
            raised, a `Broken` thrown in, an `Outcome` answered as it is (with the right attempt
            where it has none); when they are used up, the body returns `done`.
        upstream: The answer to `Await`.
        hit: The answer to `Load`; an exception is thrown in.
        saved: The answer to `Save`; an exception is thrown in.
        kept: The answer to `Keep`; an exception is thrown in.
        left: The answer to `Recall`; an exception is thrown in.
        sleeps: Whether the driver waits.
        items: The answer to `Spawn`.
        stop_at: The number of the effect at which `CancelRun` is thrown in.
        stops: At how many effects in a row it is.
    """

    spec: RunSpec
    calls: Sequence[Any] = ()
    upstream: Mapping[Edge, State] = field(default_factory=dict)
    hit: Any = None
    saved: Any = None
    kept: Any = field(default_factory=dict)
    left: Any = None
    sleeps: bool = True
    items: Sequence[State] = ()
    stop_at: int | None = None
    stops: int = 1
    effects: list[Effect] = field(default_factory=list)
    states: list[State] = field(default_factory=list)
    final: State | None = None

    def __post_init__(self) -> None:
        self._script = list(self.calls)
        self._clock = 1000.0
        steps = run_task(self.spec)
        effect = next(steps)
        try:
            while True:
                self.effects.append(effect)
                answer = self._answer(effect)
                if self.stop_at is not None and 0 < len(self.effects) - self.stop_at <= self.stops:
                    effect = steps.throw(CancelRun("enough"))
                elif isinstance(answer, BaseException):
                    effect = steps.throw(answer)
                else:
                    effect = steps.send(answer)
        except StopIteration as end:
            self.final = end.value

    def _answer(self, effect: Effect) -> Any:
        if isinstance(effect, Enter):
            return self._entered(effect.state)
        if isinstance(effect, Call):
            return self._outcome(effect)
        answers = {
            Await: self.upstream,
            Load: self.hit,
            Save: self.saved,
            Keep: self.kept,
            Recall: self.left,
            Sleep: self.sleeps,
            Spawn: self.items,
        }
        return answers.get(type(effect))

    def _entered(self, state: State) -> State:
        before = self.states[-1] if self.states else self.spec.resumed
        transitions.check(before, state, self.spec.id)
        self._clock += 1
        self.states.append(state.stamped(self._clock))
        return self.states[-1]

    def _outcome(self, call: Call) -> Outcome | Exception:
        planned = self._script.pop(0) if self._script else "done"
        if isinstance(planned, Broken):
            return planned.error
        if isinstance(planned, Outcome):
            attempt = planned.attempt or call.attempt
            return Outcome(attempt, planned.ended, planned.value, planned.enforced, planned.versions)
        ended = Ended.RAISED if isinstance(planned, BaseException) else Ended.RETURNED
        return Outcome(call.attempt, ended, planned)

    @property
    def names(self) -> list[str]:
        """The names of the states entered."""
        return [state.name for state in self.states]

    @property
    def kinds(self) -> list[str]:
        """The names of the effects, without `Enter`."""
        return [type(effect).__name__ for effect in self.effects if not isinstance(effect, Enter)]

    @property
    def last(self) -> State:
        """The state returned; it is the last one entered."""
        assert self.final is not None
        return self.final

    def of(self, kind: type[Any]) -> list[Any]:
        """The effects of one kind."""
        return [effect for effect in self.effects if isinstance(effect, kind)]
