"""Bodies that run at the same time: order, waiting, failures, Stop."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from nbflow.engine.requests import Waiting
from nbflow.retries import Retries
from nbflow.task_runners.thread import ThreadPoolTaskRunner
from nbflow.testing import Notebook
from tests.cells import kept, values, verdicts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbflow.engine.action import Action
    from nbflow.engine.drive import Entered

PATIENCE = 20


@pytest.fixture(autouse=True)
def meeting(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Barrier]:
    """Where two bodies have to meet, so that each needs the other to run; bodies find it in a module."""
    barrier = threading.Barrier(2, timeout=PATIENCE)
    monkeypatch.setattr(threading, "meeting", barrier, raising=False)
    monkeypatch.setattr(threading, "gate", threading.Event(), raising=False)
    yield barrier
    barrier.abort()
    threading.gate.set()  # type: ignore[attr-defined]


SETUP = "import threading\ndef meet():\n    return threading.meeting.wait() >= 0"


def stale(*tasks: str, setup: str = SETUP) -> tuple[Notebook, list[str]]:
    """A notebook whose tasks run in threads, registered and not run."""
    notebook = Notebook(store=kept(), runner=ThreadPoolTaskRunner())
    notebook.run(notebook.add(setup, plain=True))
    cells = [notebook.add(task) for task in tasks]
    for cell in cells:
        notebook.work.adopt_source(notebook.step(cell))
    return notebook, cells


class Pressed(Notebook):
    """A notebook whose user presses Stop when nothing is done but waiting for the second time."""

    def _driven(self, work: Any) -> Action:
        waits = iter((False, True))
        return super()._driven(stopped(work, waits))


def stopped(work: Any, waits: Iterator[bool]) -> Any:
    """The same work, in which a wait is interrupted where `waits` says so."""
    request = next(work)
    while True:
        try:
            if isinstance(request, Waiting) and next(waits):
                request = work.throw(KeyboardInterrupt())
            else:
                request = work.send((yield request))
        except StopIteration as end:
            return end.value


class TestIndependentTasks:
    """Tasks that do not hang on each other."""

    def test_they_run_at_the_same_time(self) -> None:
        """Each waits for the other."""
        notebook, cells = stale("a = meet()", "b = meet()", "c = a and b")
        action = notebook.flow()
        assert (action.errors, action.inline) == ({}, {})
        assert values(notebook, "a", "b", "c") == [True, True, True]
        assert sorted(action.executed) == sorted(cells)
        assert action.executed[-1] == cells[2]

    def test_also_below_a_named_one(self) -> None:
        """What it needs is brought up to date side by side."""
        notebook, cells = stale("a = meet()", "b = meet()", "c = a and b", "d = 1")
        assert sorted(notebook.flow(cells[2]).executed) == sorted(cells[:3])

    def test_equal_code_runs_once(self) -> None:
        """The other one waits for its result."""
        notebook, cells = stale("a = [len(str(n)) for n in range(3)]", "a = [len(str(n)) for n in range(3)]")
        action = notebook.flow()
        assert (action.executed, action.reused) == (cells[:1], cells[1:])

    def test_one_that_has_to_be_alone_waits_for_the_others(self) -> None:
        """Nothing else runs meanwhile."""
        notebook, cells = stale(
            "a = meet()", "b = meet()", "c = threading.meeting.n_waiting, len(globals()) > 1"
        )
        action = notebook.flow()
        assert action.inline == {cells[2]: "nobody can tell which names it reads"}
        assert notebook.names["c"] == (0, True)

    def test_a_failure_concerns_only_what_is_below(self) -> None:
        """The others complete."""
        notebook, cells = stale("meet()\na = 1 / 0", "b = meet()", "c = a", "d = b")
        action = notebook.flow()
        assert list(action.errors) == cells[:1]
        assert action.refused[cells[2]].name == "TriggerFailed"
        assert values(notebook, "b", "d") == [True, True]
        assert verdicts(notebook) == ["fresh", "stale", "fresh", "stale", "fresh"]

    def test_one_is_tried_again_while_others_run(self) -> None:
        """Waiting for its next attempt holds up nobody; the other one waits for that attempt."""
        notebook = Notebook(store=kept(), runner=ThreadPoolTaskRunner(), clock=time.time)
        notebook.work.runs._sleep = pytest.fail
        notebook.run(notebook.add(f"{SETUP}\nfrom nbflow import context", plain=True))
        again = notebook.add("if context.task_run_count < 2: raise ValueError('again')\na = meet()")
        notebook.let(again, retries=Retries(2, (0.01,)))
        other = notebook.add("b = meet()")
        for cell in (again, other):
            notebook.work.adopt_source(notebook.step(cell))
        assert notebook.flow().errors == {}
        runs = notebook.workspace.store.history.runs(step=again)
        path = [each.name for each in notebook.workspace.store.history.transitions(runs[0].id)]
        assert path == ["Pending", "Running", "AwaitingRetry", "Retrying", "Completed"]

    def test_what_was_given_up_changes_no_later_attempt(self) -> None:
        """Its thread still binds names, but those are its own."""
        notebook = Notebook(store=kept(), runner=ThreadPoolTaskRunner(), clock=time.time)
        notebook.run(notebook.add(f"{SETUP}\nfrom nbflow import context", plain=True))
        task = notebook.add(
            "if context.task_run_count < 2:\n    threading.gate.wait()\n    y = -1\n    meet()\n"
            "else:\n    y = 1\n    threading.gate.set()\n    meet()"
        )
        notebook.let(task, retries=Retries(1, (0.0,)), timeout=1)
        assert notebook.run(task).inline == {}
        assert values(notebook, "y") == [1]

    def test_one_that_waits_for_a_place_is_pending(self) -> None:
        """It is Running when its body begins, also where it is an item."""
        notebook = Notebook(store=kept(), runner=ThreadPoolTaskRunner(1))
        notebook.run(notebook.add(f"{SETUP}\nxs = [1, 2]", plain=True))
        cells = [notebook.add("a = threading.gate.wait()"), notebook.add("b = x", x="xs")]
        for cell in cells:
            notebook.work.adopt_source(notebook.step(cell))
        history, seen = notebook.workspace.store.history, list[list[str]]()

        def look() -> None:
            for step in (cells[0], cells[1], f"{cells[1]}[0]", f"{cells[1]}[1]"):
                runs = history.runs(step=step)
                seen.append([each.name for each in history.transitions(runs[0].id)] if runs else [])
            threading.gate.set()  # type: ignore[attr-defined]

        timer = threading.Timer(0.5, look)
        timer.start()
        action = notebook.flow()
        timer.join()
        assert (action.errors, action.inline) == ({}, {})
        assert seen == [["Pending", "Running"], ["Pending", "Running"], ["Pending"], ["Pending"]]
        assert list(values(notebook, "b")[0]) == [1, 2]


class TestFilesWrittenMeanwhile:
    """A body that looks for a file that one above it writes at the same time, of which nobody knew."""

    SETUP = """
import pathlib, threading

def path():
    return pathlib.Path.cwd() / ("out" + chr(46) + "txt")
def emit():
    threading.meeting.wait()
    threading.gate.wait(20)
    path().write_text("7")
def look():
    if not threading.gate.is_set():
        threading.meeting.wait()
def go_on():
    threading.gate.set()
"""

    @pytest.mark.parametrize(
        ("reads", "x"),
        [
            ("look()\ntry:\n    x = int(path().read_text())\nfinally:\n    go_on()", 7),
            ("look()\nx = path().exists()\ngo_on()", True),
        ],
    )
    def test_it_runs_once_more(
        self, reads: str, x: object, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whether it failed by that, or saw too little."""
        monkeypatch.chdir(tmp_path)
        notebook, cells = stale("emit()\na = 1", reads, "y = x", setup=self.SETUP)
        action = notebook.flow()
        assert (action.errors, action.refused) == ({}, {})
        assert values(notebook, "x", "y") == [x, x]
        assert verdicts(notebook)[1:] == ["fresh"] * 3
        assert [*action.inline] == cells[1:2]

    def test_what_is_below_it_runs_though_it_was_held_up(
        self, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It stood below what saw too little while the writer, of which nobody knew, was not done yet."""
        monkeypatch.chdir(tmp_path)
        written, known = threading.Event(), threading.Event()
        monkeypatch.setattr(threading, "done", (written, known), raising=False)
        writes = "emit()\nthreading.done[0].set()\nthreading.done[1].wait(20)\na = 1"
        looks = "look()\nx = path().exists()\ngo_on()"
        notebook, cells = stale(writes, looks, "y = x", setup=self.SETUP)

        def follow(entered: Entered) -> None:
            if entered.spec.name == notebook.step(cells[1]).name and entered.state.is_final():
                written.wait(PATIENCE)
                known.set()

        notebook.records.journal.subscribe(follow)
        notebook.flow()
        assert verdicts(notebook)[1:] == ["fresh"] * 3
        assert values(notebook, "x", "y") == [True, True]

    def test_what_is_below_a_known_writer_waits_for_it(self, tmp_path: Any) -> None:
        """Nothing tells all that a body looks for; and a writer waits for those above it."""
        writes = f"with open({str(tmp_path / 'a.txt')!r}, 'w') as handle: handle.write('1')"
        notebook, cells = stale(f"k = sum(range(10**6))\n{writes}", "m = len('a')", f"k = 1\n{writes}")
        action = notebook.flow()
        assert (action.executed, action.inline) == (cells, {})
        assert verdicts(notebook) == ["fresh"] * 4


class TestStop:
    """Stop while bodies run elsewhere."""

    def pressed(self) -> tuple[Notebook, list[str], Action]:
        """Stop pressed when the first task has ended and the second one runs on."""
        notebook = Pressed(store=kept(), runner=ThreadPoolTaskRunner())
        Notebook._driven(notebook, notebook.work.run_cell(notebook.step(notebook.add(SETUP, plain=True))))
        cells = [notebook.add(each) for each in ("a = 1", "threading.gate.wait()\nb = 2", "c = b")]
        for cell in cells:
            notebook.work.adopt_source(notebook.step(cell))
        return notebook, cells, notebook.flow()

    def test_what_runs_is_given_up_and_what_is_done_stays(self) -> None:
        """Nothing new begins; every run ends."""
        notebook, cells, action = self.pressed()
        assert isinstance(action.stop, KeyboardInterrupt)
        history = notebook.workspace.store.history
        ends = {run.step: history.transitions(run.id)[-1].name for run in history.runs()}
        assert ends == {"cell_1": "Completed", cells[0]: "Completed", cells[1]: "Cancelled"}
        assert notebook.names["a"] == 1
        assert "b" not in notebook.names

    def test_what_it_says_later_is_dropped(self) -> None:
        """The next run is a new one."""
        notebook, cells, _ = self.pressed()
        threading.gate.set()  # type: ignore[attr-defined]
        notebook.edit(cells[1], "b = 3")
        Notebook._driven(notebook, notebook.work.run_cell(notebook.step(cells[1])))
        assert values(notebook, "b") == [3]
