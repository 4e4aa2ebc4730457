"""Runs that go straight on: their path is that which the rules of the engine lead them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nbflow.engine.effects import RunSpec
from nbflow.engine.enact import StepRuns
from nbflow.engine.observation import not_started
from nbflow.engine.requests import Turn
from nbflow.engine.straight import goes_straight
from nbflow.states import Origin
from nbflow.store.memory import MemoryHistory
from nbflow.testing import FakeClock, Notebook
from tests.test_enact import paths

if TYPE_CHECKING:
    from nbflow.engine.drive import Entered
    from nbflow.engine.effects import Call
    from nbflow.engine.requests import Observing

SIGNALS = "from nbflow.engine.signals import *\n"
ENDS = {
    "a = 1": ["Pending", "Running", "Completed"],
    "1 / 0": ["Pending", "Running", "Failed"],
    f"{SIGNALS}raise SKIP('not now')": ["Pending", "Running", "Skipped"],
    f"{SIGNALS}raise FAIL('no')": ["Pending", "Running", "Failed"],
    f"{SIGNALS}raise SUCCESS('enough')": ["Pending", "Running", "Completed"],
    f"{SIGNALS}raise PAUSE('ask')": ["Pending", "Running", "Failed"],
    f"{SIGNALS}raise LOOP(result=1)": ["Pending", "Running", "Failed"],
    f"{SIGNALS}raise RETRY": ["Pending", "Running", "Failed"],
    "raise SystemExit": ["Pending", "Running", "Failed"],
}

ASKS = ("PAUSE", "LOOP", "RETRY")
OF_TASKS = {
    **{body: path for body, path in ENDS.items() if not any(signal in body for signal in ASKS)},
    f"{SIGNALS}raise PAUSE('ask')": ["Pending", "Running", "Paused"],
}
"""Of tasks, which may ask for more: who loops or tries again has no end of its own here."""


class TestEnds:
    """However the body ends."""

    @pytest.mark.parametrize("body", ENDS)
    @pytest.mark.parametrize("timeout", [None, 60.0], ids=["straight", "by the rules"])
    def test_the_path_is_the_same(self, body: str, timeout: float | None) -> None:
        """With a limit, which is not reached, the rules decide from the start."""
        notebook = Notebook()
        cell = notebook.add(body, plain=True)
        notebook.step(cell).timeout = timeout
        notebook.run(cell)
        assert paths(notebook, cell) == [ENDS[body]]


class TestStops:
    """A Stop while others are told of a state."""

    @pytest.mark.parametrize(
        ("at", "path"),
        [
            ("Pending", ["Pending", "Cancelled"]),
            ("Running", ["Pending", "Running", "Cancelling", "Cancelled"]),
            ("Completed", ["Pending", "Running", "Completed"]),
        ],
    )
    @pytest.mark.parametrize("timeout", [None, 60.0], ids=["straight", "by the rules"])
    def test_the_run_ends_legally(self, at: str, path: list[str], timeout: float | None) -> None:
        """And the Stop ends what called it; each state was told once."""
        notebook, told = Notebook(), list[str]()
        cell = notebook.add("a = 1", plain=True)
        notebook.step(cell).timeout = timeout

        def press(entered: Entered) -> None:
            told.append(entered.state.name)
            if entered.state.name == at:
                raise KeyboardInterrupt

        notebook.records.journal.subscribe(press)
        with pytest.raises(KeyboardInterrupt):
            notebook.run(cell)
        assert paths(notebook, cell) == [path]
        assert told == path


class TestFaults:
    """Where the body cannot be observed."""

    @pytest.mark.parametrize(
        ("fault", "path"),
        [
            (RuntimeError("no"), ["Pending", "Running", "Failed"]),
            (KeyboardInterrupt(), ["Pending", "Running", "Cancelling", "Cancelled"]),
        ],
    )
    @pytest.mark.parametrize("timeout", [None, 60.0], ids=["straight", "by the rules"])
    def test_the_run_ends_as_the_rules_say(
        self, fault: BaseException, path: list[str], timeout: float | None
    ) -> None:
        """An error of ours is a failure of the run, a Stop ends it."""
        history = MemoryHistory()
        runs, notebook = StepRuns(history, FakeClock()), Notebook()
        step = notebook.step(notebook.add("a = 1", plain=True))
        step.timeout = timeout

        def attempt(_: Call) -> Observing:
            yield from ()
            raise fault

        executing = runs.execute(step, attempt, Origin.CELL, ())
        with pytest.raises((StopIteration, KeyboardInterrupt)):
            next(executing)
        (run,) = history.runs()
        assert [transition.name for transition in history.transitions(run.id)] == path

    def test_one_that_nobody_answers_is_left_open(self) -> None:
        """As where the kernel dies: its history says later that it crashed."""
        history = MemoryHistory()
        runs, notebook = StepRuns(history, FakeClock()), Notebook()
        step = notebook.step(notebook.add("a = 1", plain=True))

        def attempt(call: Call) -> Observing:
            yield from ()
            return not_started(call, RuntimeError((yield None)))  # type: ignore[misc]

        executing = runs.execute(step, attempt, Origin.CELL, ())
        next(executing)
        executing.close()
        (run,) = history.runs()
        assert [transition.name for transition in history.transitions(run.id)] == ["Pending", "Running"]
        assert runs.steps == {}


class TestTasks:
    """Tasks of which nothing is asked."""

    @pytest.mark.parametrize("body", OF_TASKS)
    @pytest.mark.parametrize("timeout", [None, 60.0], ids=["straight", "by the rules"])
    def test_the_path_is_the_same(self, body: str, timeout: float | None) -> None:
        """But that a task may wait; with a limit, which is not reached, the rules decide from the start."""
        notebook = Notebook()
        task = notebook.add(body)
        notebook.step(task).timeout = timeout
        notebook.run(task)
        assert paths(notebook, task) == [OF_TASKS[body]]


class TestWhich:
    """Which runs nothing is asked of."""

    @pytest.mark.parametrize("plain", [True, False])
    def test_who_runs_beside_others_asks_for_a_turn(self, plain: bool) -> None:
        """Also with no options: others have to be let in before it is Running."""
        runs, notebook = StepRuns(MemoryHistory(), FakeClock()).abreast(), Notebook()
        step = notebook.step(notebook.add("a = 1", plain=plain))

        def attempt(call: Call) -> Observing:
            yield from ()
            return not_started(call, RuntimeError())

        assert isinstance(next(runs.execute(step, attempt, Origin.CATCH_UP, ())), Turn)

    def test_the_user_s_state_handlers_are_asked(self) -> None:
        """Whoever may put another state in the place of one has to be led by the rules."""
        assert not goes_straight(RunSpec("a#1", "a", state_handlers=(lambda old, new: None,)))
        assert goes_straight(RunSpec("a#1", "a"))
