"""Pausing a run."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import pytest

from nbflow.engine.drive import Journal, PlainHandler, drive
from nbflow.engine.effects import RunSpec
from nbflow.engine.run import run_task
from nbflow.notebook.pausing import Pausing


@dataclass
class Behind:
    """A run in the background."""

    number: int = 0
    is_paused: bool = False

    def hold(self) -> None:
        """Let no further body of it begin."""
        self.is_paused = bool(self.number)

    def let_go(self) -> None:
        """Let them begin again."""
        self.is_paused = False


def run(name: str, pausing: Pausing, number: int = 1) -> list[str]:
    """Run a task that is subject to a pause; return the states that it entered."""
    kept: list[str] = []
    journal = Journal([], clock=lambda: 1.0)
    journal.subscribe(pausing.note)
    journal.subscribe(lambda entered: kept.append(entered.state.name))
    drive(run_task(RunSpec(f"{name}#1", name, body=lambda: 1, flow_run=number)), PlainHandler(), journal)
    return kept


class TestPausing:
    """Nothing new starts."""

    def test_without_a_pause(self) -> None:
        """All goes its way, and nobody is told anything."""
        told: list[str] = []
        assert run("clean", Pausing(told.append, Behind())) == ["Pending", "Running", "Completed"]
        assert told == []

    def test_a_run_waits_until_it_may_start(self) -> None:
        """Who waits is told, and that it goes on."""
        told: list[str] = []

        def hear(name: str) -> None:
            told.append(name)
            if name:
                pausing.go_on()

        pausing = Pausing(hear, Behind())
        pausing.ask()
        assert run("clean", pausing) == ["Pending", "Running", "Completed"]
        assert told == ["clean", ""]
        assert not pausing.is_asked

    def test_other_threads_do_not_wait(self) -> None:
        """What Stop would not reach is not held back."""
        pausing = Pausing(lambda name: None, Behind())
        pausing.ask()
        kept: list[str] = []
        thread = threading.Thread(target=lambda: kept.extend(run("clean", pausing)))
        thread.start()
        thread.join(10)
        assert kept == ["Pending", "Running", "Completed"]
        pausing.go_on()

    def test_stop_ends_what_waits(self) -> None:
        """As it ends a run that executes, and the pause with it."""

        def press(name: str) -> None:
            if name:
                raise KeyboardInterrupt

        pausing = Pausing(press, Behind())
        pausing.ask()
        with pytest.raises(KeyboardInterrupt):
            run("clean", pausing)


class TestBehind:
    """A run in the background is held back there, and blocks no cell."""

    def test_it_is_held_back_and_let_go(self) -> None:
        """With all else; its own states make nobody wait."""
        told: list[str] = []
        behind = Behind(number=7)
        pausing = Pausing(told.append, behind)
        pausing.ask()
        assert behind.is_paused
        assert run("clean", pausing, 7) == ["Pending", "Running", "Completed"]
        assert told == []
        pausing.go_on()
        assert not behind.is_paused
        assert not pausing.is_asked

    def test_it_stays_so_between_two_cells(self) -> None:
        """Where what is held back of cells has nothing to wait for any more."""
        behind = Behind(number=7)
        pausing = Pausing(lambda name: None, behind)
        pausing.ask()
        assert pausing.rest()
        behind.number = 0
        pausing.go_on()
        pausing.ask()
        assert not pausing.rest()
        assert not pausing.is_asked
