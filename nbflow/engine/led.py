"""The steps of runs of which nothing is asked, taken in one pass; the rules decide as soon as they have to.

A run goes straight on while its trigger lets it, its body returns, and nothing is kept of earlier ones: the
effects are those of `run_task`. When anything else comes, the rules are led through what was answered so far
and go on from there, as if they had decided from the start.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from nbflow.engine.effects import Await, Call, Ended, Enter, Recall
from nbflow.engine.run import run_task
from nbflow.states import Completed, Pending, Running, StateType
from nbflow.triggers import all_successful

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from nbflow.engine.effects import Effect, Outcome, RunSpec, Steps
    from nbflow.states import State
    from nbflow.triggers import Edge

_NOT_ASKED: Final = object()


def steps_of(spec: RunSpec) -> Steps:
    """The steps of a run: those of `run_task`, straight on as long as there is nothing to decide.

    Example:
        >>> from nbflow.engine.effects import RunSpec
        >>> steps = steps_of(RunSpec("clean#1", "clean"))
        >>> next(steps).state, steps.send(None).state
        (Pending(), Running())
    """
    return _Way(spec).steps() if _may_go_straight(spec) else run_task(spec)


def _may_go_straight(spec: RunSpec) -> bool:
    is_free = spec.trigger is all_successful and not spec.state_handlers and spec.key is None
    is_new = spec.resumed is None and not spec.started_by_name and spec.start_time is None
    is_first = spec.attempt == spec.loop == 1 and spec.loop_result is None
    is_bound = spec.bind is not None or not spec.upstream
    return is_free and is_new and is_first and is_bound and spec.timeout is None and not spec.mapped


class _Once:
    """What a function answers, or raises, when it is first asked, and then again."""

    __slots__ = ("_answer", "_fault", "_function")

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._answer: Any = _NOT_ASKED
        self._fault: BaseException | None = None

    def __call__(self, *asked: object) -> Any:
        if self._fault is not None:
            raise self._fault
        if self._answer is _NOT_ASKED:
            try:
                self._answer = self._function(*asked)
            except BaseException as fault:
                self._fault = fault
                raise
        return self._answer


class _Way:
    """How far a run has come.

    Args:
        spec: The run.
    """

    __slots__ = ("_answers", "_bind", "_is_held", "_spec")

    def __init__(self, spec: RunSpec) -> None:
        self._spec = spec
        self._answers: list[Any] = []
        self._bind = None if spec.bind is None else _Once(spec.bind)
        self._is_held = None if spec.is_held is None else _Once(spec.is_held)

    def steps(self) -> Steps:
        """Its steps; where the rules have to decide, theirs from there on."""
        stop: BaseException | None = None
        try:
            ended = yield from self._straight()
        except GeneratorExit:
            raise
        except BaseException as fault:  # noqa: BLE001 - the rules say what it means
            stop, ended = fault, None
        if ended is not None:
            return ended
        rules = run_task(replace(self._spec, bind=self._bind, is_held=self._is_held))
        next_one = (
            partial(rules.throw, stop) if stop is not None else partial(rules.send, self._answers.pop())
        )
        next(rules)
        for answer in self._answers:
            rules.send(answer)
        return (yield from _led_on(rules, next_one))

    def _straight(self) -> Generator[Effect, Any, State | None]:
        """The effects as long as nothing else comes; None: the rules decide what the last answer means."""
        spec, answers = self._spec, self._answers
        answers.append((yield Enter(spec, Pending(spec.reason), 1, 1)))
        upstream, waits = None, self._waits()
        if _is_other(answers[-1], StateType.PENDING) or waits is None:
            return None
        if waits:
            answers.append((yield Await(spec)))
            upstream = answers[-1] if spec.upstream else None
        inputs = self._inputs(upstream)
        if inputs is None:
            return None
        if spec.keeps:
            answers.append((yield Recall(spec, inputs)))
            if answers[-1] is not None:
                return None
        answers.append((yield Enter(spec, Running(), 1, 1)))
        if _is_other(answers[-1], StateType.RUNNING):
            return None
        attempt = f"{spec.id}/1.1"
        outcome: Outcome = yield Call(spec, attempt, 1, 1, None, inputs, None, None)
        answers.append(outcome)
        if outcome.ended is not Ended.RETURNED or outcome.attempt != attempt:
            return None
        completed = Completed("", outcome.value)
        answers.append((yield Enter(spec, completed, 1, 1)))
        return None if _is_other(answers[-1], StateType.COMPLETED) else answers[-1] or completed

    def _waits(self) -> bool | None:
        """Whether something has to be awaited; None: that cannot be told."""
        if self._spec.upstream or self._is_held is None:
            return bool(self._spec.upstream)
        try:
            return bool(self._is_held())
        except BaseException:  # noqa: BLE001 - raised again where the rules ask
            return None

    def _inputs(self, upstream: Mapping[Edge, State] | None) -> Mapping[str, Any] | None:
        """The arguments; None where the rules say what becomes of the run."""
        if self._spec.upstream and not (upstream and all(map(_has_completed, upstream.values()))):
            return None
        if self._bind is None:
            return self._spec.inputs
        passed = {edge: state.result for edge, state in upstream.items()} if upstream else {}
        try:
            return self._bind(passed)
        except BaseException:  # noqa: BLE001 - raised again where the rules ask
            return None


def _is_other(entered: State | None, wanted: StateType) -> bool:
    """Whether another state was entered than the one that was wanted."""
    return entered is not None and entered.type is not wanted


def _has_completed(state: State) -> bool:
    """Whether a run has completed, and was neither skipped nor mapped nor anything else to be counted."""
    return state.type is StateType.COMPLETED and state.name == "Completed"


def _led_on(rules: Steps, move: Callable[[], Effect]) -> Steps:
    """What the rules do from a move of theirs on."""
    try:
        while True:
            effect = move()
            try:
                move = partial(rules.send, (yield effect))
            except GeneratorExit:
                rules.close()
                raise
            except BaseException as error:  # noqa: BLE001 - the rules say what it means
                move = partial(rules.throw, error)
    except StopIteration as end:
        return end.value
