"""Branches: a run beside the notebook, and what the notebook takes over of it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from nbflow.engine.branch import Branch
from nbflow.engine.drive import answered
from nbflow.engine.keeping import Keeping
from nbflow.engine.requests import Waiting, answering
from nbflow.task_runners.thread import ThreadPoolTaskRunner
from nbflow.testing import Notebook
from tests.cells import kept, values, verdicts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nbflow.engine.action import Action

PATIENCE = 20
SETUP = """
import threading
def stay():
    threading.begun.release()
    return threading.gate.wait(20)
class Box:
    def __init__(self, inner):
        self.inner = inner
"""


@pytest.fixture(autouse=True)
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """What bodies that call `stay` wait for, after they have said that they began."""
    event = threading.Event()
    monkeypatch.setattr(threading, "gate", event, raising=False)
    monkeypatch.setattr(threading, "begun", threading.Semaphore(0), raising=False)
    yield event
    event.set()


def notebook_of(
    *tasks: str, plain: str = "LATE = 1", persists: bool | None = None
) -> tuple[Notebook, list[str]]:
    """A notebook with tasks that have not run."""
    notebook = Notebook(store=kept())
    for source in (SETUP, plain):
        notebook.run(notebook.add(source, plain=True))
    cells = [notebook.add(task) for task in tasks]
    for cell in cells:
        if persists is not None:
            notebook.let(cell, keeping=Keeping(persists=persists))
        notebook.work.adopt_source(notebook.step(cell))
    return notebook, cells


def beside(notebook: Notebook, meanwhile: Callable[[], object] = lambda: None) -> tuple[Branch, Action]:
    """Bring all up to date in a branch; something is done when its first bodies run."""
    notebook.runner = ThreadPoolTaskRunner()
    branch = Branch(notebook._trunk, 7)
    branch.begin([])
    waits: list[bool] = []

    def answer(request: Any) -> Any:
        if isinstance(request, Waiting) and not waits:
            waits.append(True)
            meanwhile()
        return answering(notebook._perform)(request)

    return branch, answered(branch.work.run_flow(), answer)


class TestBeside:
    """What a branch does."""

    def test_it_changes_nothing_of_the_notebook(self) -> None:
        """Names and verdicts are as before until it is taken over."""
        notebook, cells = notebook_of("a = [LATE]", "b = [a, a]")
        branch, action = beside(notebook)
        assert (action.executed, action.inline) == (cells, {})
        assert not {"a", "b"} & notebook.names.keys()
        assert verdicts(notebook)[2:] == ["stale", "stale"]
        taken = branch.take_over(action.executed)
        assert [step.id for step in taken] == cells
        assert values(notebook, "a", "b") == [[1], [[1], [1]]]
        assert notebook.names["b"][0] is notebook.names["b"][1]  # type: ignore[index]
        assert verdicts(notebook) == ["fresh"] * 4
        assert notebook.flow().executed == []

    def test_what_is_not_stored_is_handed_over(self) -> None:
        """Inputs as they stood when it began, and results at its end, with the notebook's classes."""
        notebook, cells = notebook_of("a = Box([LATE])", "b = Box(a)", persists=False)
        branch, action = beside(notebook)
        assert len(branch.take_over(action.executed)) == len(cells)
        assert type(notebook.names["b"].inner) is notebook.names["Box"]  # type: ignore[attr-defined]
        assert verdicts(notebook) == ["fresh"] * 4

    def test_an_edit_meanwhile(self) -> None:
        """The branch goes on with what it began with; what is no result of the present code is history."""
        notebook, cells = notebook_of("a = stay() and LATE", "b = 1")

        def edit() -> None:
            notebook.edit("cell_2", "LATE = 2")
            notebook.run("cell_2")
            threading.gate.set()  # type: ignore[attr-defined]

        branch, action = beside(notebook, edit)
        assert sorted(action.executed) == cells
        assert [step.id for step in branch.take_over(action.executed)] == cells[1:]
        assert "a" not in notebook.names
        assert verdicts(notebook)[2:] == ["stale", "fresh"]
        notebook.flow()
        assert values(notebook, "a", "b") == [2, 1]
        notebook.edit("cell_2", "LATE = 1")
        notebook.run("cell_2")
        notebook.log.clear()
        notebook.flow()
        assert (notebook.names["a"], notebook.log) == (1, [])

    def test_an_input_that_is_changed_in_place_meanwhile(self) -> None:
        """The branch has a copy of its own."""
        notebook, _ = notebook_of("a = stay() and [*rows]", plain="rows = [1]")

        def change() -> None:
            notebook.run(notebook.add("rows.append(2)", plain=True, at=2))
            threading.gate.set()  # type: ignore[attr-defined]

        branch, action = beside(notebook, change)
        assert branch.workspace.store.load(branch.book.steps["cell_3"].trace.outputs[0].unit) == ([1],)  # type: ignore[union-attr]
        assert branch.take_over(action.executed) == []
        notebook.flow()
        assert values(notebook, "a") == [[1, 2]]

    def test_what_cannot_run_beside_does_not_run(self) -> None:
        """It stays as it is, and its reason is told."""
        notebook, cells = notebook_of(
            "a = globals()['LATE']", "b = a", "c = 1", "d = __import__('builtins').eval('LATE')"
        )
        branch, action = beside(notebook)
        assert action.executed == cells[2:]
        assert action.inline[cells[0]] == "nobody can tell which names it reads"
        history = notebook.work.runs.history
        end = history.transitions(history.runs(step=cells[3])[0].id)[-1]
        assert end.message == "it cannot run in the background: it reads LATE, which nobody saw"
        assert [step.id for step in branch.take_over(action.executed)] == cells[2:3]
        assert verdicts(notebook)[2:] == ["stale", "stale", "fresh", "stale"]

    def test_one_that_fails(self) -> None:
        """The notebook knows why, and where the code is another one by then, that does not count."""
        notebook, cells = notebook_of("a = stay() and 1 / 0", "b = 1 / 0", "c = a")

        def edit() -> None:
            notebook.edit(cells[1], "b = 1")
            notebook.work.adopt_source(notebook.step(cells[1]))
            threading.gate.set()  # type: ignore[attr-defined]

        branch, action = beside(notebook, edit)
        branch.take_over(action.executed)
        branch.take_over_failures(action)
        failures = [notebook.step(cell).failure for cell in cells]
        assert failures[:2] == ["ZeroDivisionError: division by zero", ""]
        assert verdicts(notebook)[2:] == ["stale"] * 3

    def test_the_items_of_a_mapped_task(self) -> None:
        """Run there as well."""
        notebook, _ = notebook_of(plain="xs = [1, 2]")
        task = notebook.add("y = x * 2", x="xs")
        notebook.work.adopt_source(notebook.step(task))
        branch, action = beside(notebook)
        branch.take_over(action.executed)
        assert list(notebook.names["y"]) == [2, 4]  # type: ignore[call-overload]

    def test_global_random_states_stay_the_notebooks(self) -> None:
        """What draws from a seeded one does not run there, and nothing puts back what the user has moved."""
        notebook, _ = notebook_of("a = stay() and 1", plain="import random\nrandom.seed(1)")

        def draw() -> None:
            notebook.run(notebook.add("first = random.random()", plain=True, at=2))
            threading.gate.set()  # type: ignore[attr-defined]

        branch, action = beside(notebook, draw)
        branch.take_over(action.executed)
        second = notebook.add("second = random.random()", at=3)
        notebook.run(second)
        from random import Random

        rng = Random(1)
        assert values(notebook, "first", "second") == [rng.random(), rng.random()]


class TestWhatIsNotTakenOver:
    """The notebook knows of it all the same."""

    def test_what_was_made_of_other_inputs(self) -> None:
        """Is returned, and its step tells what has changed since, rather than that it never ran."""
        notebook, (a, b) = notebook_of("a = stay() and LATE", "b = 1")

        def edit() -> None:
            notebook.edit("cell_2", "LATE = 2")
            notebook.run("cell_2")
            threading.gate.set()  # type: ignore[attr-defined]

        branch, action = beside(notebook, edit)
        branch.take_over(action.executed)
        assert list(branch.leave_behind([a, b])) == [a]
        cause = notebook.judgement(a).causes[0]
        assert (cause.subject, cause.before, cause.after) == ("LATE", "1", "2")

    def test_a_result_that_is_void(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The notebook says what changed while its body ran."""
        monkeypatch.setenv("XQ", "1")
        notebook, (cell,) = notebook_of('a = stay() and __import__("os").environ["XQ"]')

        def change() -> None:
            threading.begun.acquire()  # type: ignore[attr-defined]
            monkeypatch.setenv("XQ", "2")
            threading.gate.set()  # type: ignore[attr-defined]

        branch, action = beside(notebook, change)
        branch.take_over(action.executed)
        branch.take_over_failures(action)
        assert notebook.step(cell).failure == "XQ changed while the body ran"

    def test_a_failure(self) -> None:
        """Has happened to the notebook's task, and to what hangs on it."""
        notebook, (a, b) = notebook_of("a = 1 / 0", "b = a")
        branch, action = beside(notebook)
        branch.take_over_failures(action)
        assert notebook.step(a).failure == "ZeroDivisionError: division by zero"
        assert notebook.judgement(a).causes[0].category == "failed"
        assert getattr(notebook.step(b).ended, "name", "") == "TriggerFailed"

    def test_a_failure_of_what_was_brought_up_to_date_meanwhile(self) -> None:
        """Is history."""
        notebook, (a,) = notebook_of("a = stay() and 1 / LATE", plain="LATE = 0")

        def mend() -> None:
            notebook.edit("cell_2", "LATE = 1")
            notebook.run("cell_2")
            threading.gate.set()  # type: ignore[attr-defined]
            notebook.runner = None
            notebook.run(a)

        branch, action = beside(notebook, mend)
        assert list(action.errors) == [a]
        branch.take_over_failures(action)
        assert notebook.step(a).failure == ""
        assert verdicts(notebook)[2:] == ["fresh"]

    def test_a_failure_of_what_may_not_run_there(self) -> None:
        """Is none."""
        notebook, (a,) = notebook_of("a = __import__('builtins').eval('LATE')")
        branch, action = beside(notebook)
        branch.take_over_failures(action)
        assert notebook.step(a).failure == ""
