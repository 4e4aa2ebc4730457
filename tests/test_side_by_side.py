"""The items of a mapped step at the same time, each on names of its own."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from nbflow.retries import Retries
from nbflow.task_runners.thread import ThreadPoolTaskRunner
from nbflow.testing import Notebook
from tests.cells import kept, values, verdicts
from tests.test_abreast import Pressed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATIENCE = 20


@pytest.fixture(autouse=True)
def meeting(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Where two bodies have to meet, so that each needs the other to run; bodies find it in a module."""
    barrier = threading.Barrier(2, timeout=PATIENCE)
    monkeypatch.setattr(threading, "meeting", barrier, raising=False)
    monkeypatch.setattr(threading, "gate", threading.Event(), raising=False)
    yield
    barrier.abort()
    threading.gate.set()  # type: ignore[attr-defined]


SETUP = """
import threading
def meet():
    return threading.meeting.wait() >= 0
class Box:
    def __init__(self, inner):
        self.inner = inner
"""


def mapped(xs: str, body: str, *, make: type[Notebook] = Notebook, **more: Any) -> tuple[Notebook, str, str]:
    """A notebook whose tasks run in threads, with one that is mapped over `xs`."""
    notebook = make(store=kept(), runner=ThreadPoolTaskRunner(), **more)
    notebook.run(notebook.add(SETUP, plain=True))
    given = notebook.add(xs, plain=True)
    notebook.run(given)
    return notebook, given, notebook.add(body, name="task", x="xs")


def paths(notebook: Notebook, step: str) -> list[list[str]]:
    """The states of the runs of a step or item, newest run first."""
    history = notebook.workspace.store.history
    return [[each.name for each in history.transitions(run.id)] for run in history.runs(step=step)]


class TestItems:
    """What they give is what they give one after the other."""

    def test_they_run_at_the_same_time(self) -> None:
        """Each waits for the other; all that they bind is in the order of the elements."""
        notebook, _, task = mapped("xs = [3, 1]", "m = meet()\ny = [x]\nbox = Box(x)\ndef f(): return x")
        action = notebook.run(task)
        assert (action.executed, action.inline, action.errors) == ([task], {}, {})
        assert [list(value) for value in values(notebook, "m", "y")] == [[True, True], [[3], [1]]]
        assert [type(box) is notebook.names["Box"] for box in notebook.names["box"]] == [True, True]
        assert notebook.names["f"].__globals__ is notebook.names
        assert verdicts(notebook) == ["fresh"] * 3
        assert "x" not in notebook.names

    def test_there_may_be_more_of_them_than_run_at_a_time(self) -> None:
        """Each begins as soon as there is room."""
        notebook, _, task = mapped("xs = list(range(200))", "y = x * 2")
        assert notebook.run(task).inline == {}
        assert list(notebook.names["y"]) == [x * 2 for x in range(200)]

    def test_a_changed_list_computes_its_new_items_only(self) -> None:
        """Those that are kept are reused."""
        notebook, given, task = mapped("xs = [1, 2]", "y = x * 10")
        notebook.run(task)
        notebook.edit(given, "xs = [2, 3, 1]")
        notebook.run(given)
        notebook.log.clear()
        notebook.flow()
        assert list(notebook.names["y"]) == [20, 30, 10]
        assert notebook.log == [task]

    def test_equal_elements_are_computed_once(self) -> None:
        """The second waits for the result of the first."""
        notebook, _, task = mapped("xs = [1, 2, 1]", "y = meet() and x")
        notebook.run(task)
        assert list(notebook.names["y"]) == [1, 2, 1]
        assert paths(notebook, f"{task}[2]") == [["Pending", "Cached"]]

    def test_other_tasks_run_beside_them(self) -> None:
        """One task and one item meet."""
        notebook, _, task = mapped("xs = [1]", "y = meet()")
        other = notebook.add("z = meet()")
        for cell in (task, other):
            notebook.work.adopt_source(notebook.step(cell))
        assert notebook.flow().inline == {}
        assert [list(notebook.names["y"]), notebook.names["z"]] == [[True], True]

    def test_one_fails_for_itself(self) -> None:
        """The others are kept; each is tried again for itself, and waiting for that holds up nobody."""
        body = "if x and context.task_run_count <= x: raise ValueError(x)\ny = x"
        notebook, _, task = mapped("xs = [0, 1, 5]", body, clock=time.time)
        notebook.run(notebook.add("from nbflow import context", plain=True, at=0))
        notebook.work.runs._sleep = pytest.fail
        notebook.let(task, retries=Retries(2, (0.01,)))
        action = notebook.run(task)
        assert repr(action.errors[task]) == "ValueError(5)"
        ends = [paths(notebook, f"{task}[{index}]")[0][-2:] for index in range(3)]
        assert ends == [["Running", "Completed"], ["Retrying", "Completed"], ["Retrying", "Failed"]]
        notebook.log.clear()
        notebook.run(task)
        assert set(notebook.log) == {task}
        assert paths(notebook, f"{task}[0]")[0] == ["Pending", "Cached"]

    def test_what_the_others_have_made_can_be_read(self) -> None:
        """The names stand for all items; who reads a failed one gets its error."""
        notebook, given, task = mapped("xs = [1, 0, 2]", "y = 2 // x\nbox = Box(x)\ndef f(): return x")
        assert notebook.run(task).inline == {}
        y, box, f = (notebook.names[name] for name in ("y", "box", "f"))
        assert [y[0], y[2]] == [2, 1]
        with pytest.raises(ZeroDivisionError):
            y[1]
        assert type(box[2]) is notebook.names["Box"]
        assert f.__globals__ is notebook.names
        notebook.edit(given, "xs = [1, 2]")
        notebook.run(given)
        notebook.flow()
        assert list(notebook.names["y"]) == [2, 1]
        assert verdicts(notebook) == ["fresh"] * 3

    def test_what_has_no_copy_is_not_what_there_was_before(self) -> None:
        """Where an error cannot be copied; a definition is that of the last item that has one."""
        body = "import math\nif not x: raise threading.broken\ny = [x]\ndef f(): return math.pi"
        notebook, given, task = mapped("xs = [1, 2]", body)
        threading.broken = ValueError("z")  # type: ignore[attr-defined]
        threading.broken.lock = threading.Lock()  # type: ignore[attr-defined]
        notebook.run(task)
        notebook.edit(given, "xs = [3, 0]")
        notebook.run(given)
        action = notebook.run(task)
        assert (repr(action.errors[task]), action.inline) == ("ValueError('z')", {})
        assert repr(notebook.names["y"]) == "MapResult([[3], <ValueError('z')>])"
        assert notebook.names["math"].pi == notebook.names["f"]()  # type: ignore[operator]

    def test_what_all_share_stays_as_it_is(self) -> None:
        """An item that changes it fails, and no other sees the change."""
        notebook, _, task = mapped("xs = [1, 2]\nseen = []", "seen.append(x)\ny = len(seen)")
        error = notebook.run(task).errors[task]
        assert "changes seen, which all items share" in str(error)
        assert notebook.names["seen"] == []


class TestLimit:
    """A thread that was given up still has its names."""

    def test_what_it_binds_later_reaches_nobody(self) -> None:
        """The next attempt, and the next item, have others."""
        body = "if context.task_run_count < 2:\n    threading.gate.wait()\n    y = -1\nelse:\n    y = x"
        notebook, _, task = mapped("xs = [1, 2, 3]", body, clock=time.time)
        notebook.run(notebook.add("from nbflow import context", plain=True, at=0))
        notebook.let(task, retries=Retries(1, (0.0,)), timeout=0.2)
        notebook.run(task)
        assert list(notebook.names["y"]) == [1, 2, 3]
        assert paths(notebook, f"{task}[0]")[0].count("TimedOut") == 0


class TestOnTheUsersNames:
    """What cannot run on names of its own."""

    def test_an_item_that_cannot_be_handed_over(self) -> None:
        """All run inline, and its reason is told and remembered."""
        notebook, _, task = mapped("xs = [1, 2]", "y = threading.Lock()")
        reader = notebook.add("z = str(y)", plain=True)
        assert notebook.run(task).inline[task] != ""
        assert len(notebook.names["y"]) == 2
        assert notebook.run(reader).errors == {}

    def test_a_name_that_no_analysis_saw(self) -> None:
        """Is read where it stands."""
        notebook, _, task = mapped("xs = [1, 2]\nk = 5", "y = x + __import__('builtins').eval('k')")
        assert notebook.run(task).errors == {}
        assert list(notebook.names["y"]) == [6, 7]

    def test_items_that_write_files(self, tmp_path: Path) -> None:
        """Run once more where they ran beside each other, each after the other from then on."""
        path = tmp_path / "log.txt"
        write = f"path = __import__('pathlib').Path({str(path)!r})\ngetattr(path, 'write_' + 'text')(str(x))"
        body = f"{write}\ny = path.read_text()"
        notebook, given, task = mapped("xs = [1, 2, 3]", body)
        notebook.run(task)
        assert list(notebook.names["y"]) == ["1", "2", "3"]
        assert path.read_text() == "3"
        notebook.edit(given, "xs = [4, 5]")
        notebook.run(given)
        assert notebook.flow().inline == {}
        assert path.read_text() == "5"


class TestStop:
    """Stop while items go on."""

    def test_every_run_ends(self) -> None:
        """What has a result keeps it, what runs is given up, nothing more begins."""
        body = "if x: threading.gate.wait()\ny = x"
        notebook, _, task = mapped("xs = list(range(100))", body, make=Pressed)
        action = notebook.run(task)
        assert isinstance(action.stop, KeyboardInterrupt)
        assert paths(notebook, task)[0][-1] == "Cancelled"
        assert paths(notebook, f"{task}[0]")[0][-1] == "Completed"
        assert paths(notebook, f"{task}[1]")[0][-1] == "Cancelled"
        assert paths(notebook, f"{task}[99]") == []
        threading.gate.set()  # type: ignore[attr-defined]
        notebook.run(task)
