"""Steps that are led straight on: they are those of the rules, whatever is answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from nbflow.engine.effects import (
    Await,
    Call,
    CancelRun,
    Ended,
    Enter,
    Keep,
    Left,
    Outcome,
    Recall,
    RunSpec,
    Sleep,
)
from nbflow.engine.led import steps_of
from nbflow.engine.run import run_task
from nbflow.engine.signals import FAIL, LOOP, PAUSE, RETRY, SKIP, SUCCESS
from nbflow.retries import Retries
from nbflow.states import Completed, Failed, Paused, Pending, Skipped
from nbflow.triggers import Edge

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nbflow.engine.effects import Steps

STOPS = (CancelRun("stopped"), KeyboardInterrupt(), OSError("broken"))
ERROR = ValueError("bad")
ENDS: tuple[tuple[Ended, Any], ...] = (
    (Ended.RETURNED, 7), (Ended.RAISED, ERROR), (Ended.RAISED, SKIP("no")), (Ended.RAISED, FAIL("no")),
    (Ended.RAISED, PAUSE("ask")), (Ended.RAISED, SUCCESS(result=1)), (Ended.RAISED, RETRY()),
    (Ended.RAISED, LOOP(result=2)), (Ended.CRASHED, "exit code 9"), (Ended.CANCELLED, "stop"),
)  # fmt: skip


class Script:
    """Answers effects by chance, the same ones for the same seed, and notes them."""

    def __init__(self, chance: list[int], upstream: Mapping[Edge, Any]) -> None:
        self._chance = iter(chance)
        self._upstream = upstream
        self.seen: list[tuple[Any, ...]] = []

    def _is_usual(self) -> bool:
        return next(self._chance, 1) != 0

    def _one_of(self, choices: tuple[Any, ...]) -> Any:
        return choices[next(self._chance, 0) % len(choices)]

    def answer(self, effect: Any) -> Any:
        """What the effect is answered; some raise."""
        if not self._is_usual():
            # That a state was entered is never a fault: its journal keeps those to itself.
            raise self._one_of(STOPS[:2] if isinstance(effect, Enter) else STOPS)
        if isinstance(effect, Enter):
            self.seen.append((effect.state, effect.attempt, effect.loop, effect.state.details))
            return effect.state.stamped(5.0, effect.spec.id)
        self.seen.append((type(effect).__name__, getattr(effect, "inputs", None)))
        if isinstance(effect, Await):
            return self._upstream
        if isinstance(effect, Recall):
            return None if self._is_usual() else Left(3, "left")
        if isinstance(effect, Keep):
            return {"x": "unit"}
        if isinstance(effect, Call):
            self.seen.append((effect.attempt, effect.run_count, effect.loop, effect.timeout, effect.deadline))
            ended, value = ENDS[0] if self._is_usual() else self._one_of(ENDS)
            return Outcome(effect.attempt if self._is_usual() else "r#1/0.0", ended, value)
        return isinstance(effect, Sleep) and self._is_usual()

    def driven(self, steps: Steps) -> object:
        """Drive a run to its end."""
        try:
            effect = next(steps)
            while True:
                try:
                    answer = self.answer(effect)
                except BaseException as stop:
                    effect = steps.throw(stop)
                else:
                    effect = steps.send(answer)
        except StopIteration as end:
            return end.value
        except KeyboardInterrupt as pressed:
            return pressed


def bound(fault: BaseException | None) -> Callable[[Any], dict[str, Any]]:
    """What makes arguments, or raises."""

    def bind(passed: Mapping[Edge, Any]) -> dict[str, Any]:
        if fault is not None:
            raise fault
        return {str(edge.key): value for edge, value in passed.items()}

    return bind


states = st.sampled_from([Completed(result=1), Completed(result=2), Skipped(), Failed(), Paused(), Pending()])
faults = st.sampled_from([None, None, None, FAIL("no"), ERROR, KeyboardInterrupt()])


@st.composite
def plans(draw: st.DrawFn) -> tuple[RunSpec, dict[Edge, Any]]:
    """A run of which nothing is asked, and how what is above it ends."""
    edges = draw(st.dictionaries(st.sampled_from("abc").map(lambda key: Edge(key, key)), states, max_size=2))
    held, fault = draw(st.sampled_from([None, False, True])), draw(faults)
    spec = RunSpec(
        "r#1",
        "r",
        upstream=tuple(edges),
        inputs={"x": 1},
        bind=bound(fault) if draw(st.booleans()) else None,
        is_held=None if held is None else lambda: held,
        keeps=draw(st.booleans()),
        retries=Retries(draw(st.integers(0, 2))),
        reason=draw(st.sampled_from(["", "because"])),
    )
    return spec, edges


class TestLaw:
    """One law."""

    @settings(max_examples=300)
    @given(plans(), st.lists(st.integers(0, 12), max_size=40))
    def test_effects_and_end_are_those_of_the_rules(
        self, plan: tuple[RunSpec, dict[Edge, Any]], chance: list[int]
    ) -> None:
        """Whatever is answered or thrown, at any effect."""
        spec, edges = plan
        rules, straight = Script(chance, edges), Script(chance, edges)
        end = rules.driven(run_task(spec))
        assert straight.driven(steps_of(spec)) == end
        assert straight.seen == rules.seen


class TestUserCode:
    """What is called for the user."""

    def test_arguments_are_made_once(self) -> None:
        """Also where the rules decide in the end."""
        made: list[object] = []
        spec = RunSpec("r#1", "r", bind=lambda _: made.append(1) or {})
        script = Script([1, 1, 1, 0, 1], {})
        script.driven(steps_of(spec))
        assert made == [1]
