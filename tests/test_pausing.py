"""Pausing a run."""

from __future__ import annotations

import threading

import pytest

from nbflow.engine.drive import Journal, PlainHandler, drive
from nbflow.engine.effects import RunSpec
from nbflow.engine.run import run_task
from nbflow.notebook.pausing import Pausing


def run(name: str, pausing: Pausing) -> list[str]:
    """Run a task that is subject to a pause; return the states that it entered."""
    kept: list[str] = []
    journal = Journal([], clock=lambda: 1.0)
    journal.subscribe(pausing.note)
    journal.subscribe(lambda entered: kept.append(entered.state.name))
    drive(run_task(RunSpec(f"{name}#1", name, body=lambda: 1)), PlainHandler(), journal)
    return kept


class TestPausing:
    """Nothing new starts."""

    def test_without_a_pause(self) -> None:
        """All goes its way, and nobody is told anything."""
        told: list[str] = []
        assert run("clean", Pausing(told.append)) == ["Pending", "Running", "Completed"]
        assert told == []

    def test_a_run_waits_until_it_may_start(self) -> None:
        """Who waits is told, and that it goes on."""
        told: list[str] = []
        pausing = Pausing(lambda name: (told.append(name), name and pausing.go_on()))
        pausing.ask()
        assert run("clean", pausing) == ["Pending", "Running", "Completed"]
        assert told == ["clean", ""]
        assert not pausing.is_asked

    def test_other_threads_do_not_wait(self) -> None:
        """What Stop would not reach is not held back."""
        pausing = Pausing(lambda name: None)
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

        pausing = Pausing(press)
        pausing.ask()
        with pytest.raises(KeyboardInterrupt):
            run("clean", pausing)
