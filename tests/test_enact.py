"""Runs of steps: each execution and each reuse is one run with states and a record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from nbflow.engine.drive import answered
from nbflow.engine.enact import StepRuns
from nbflow.retries import Retries
from nbflow.states import Origin, state_of
from nbflow.store.memory import MemoryHistory
from nbflow.testing import FakeClock, Notebook
from tests.cells import change, opened

if TYPE_CHECKING:
    from nbflow.engine.effects import Call, Outcome
    from nbflow.engine.requests import Execution, Observing


def paths(notebook: Notebook, cell: str) -> list[list[str]]:
    """The names of the states of each run of a cell, oldest run first."""
    history = notebook.workspace.store.history
    runs = reversed(history.runs(step=cell, limit=1000))
    return [[transition.name for transition in history.transitions(run.id)] for run in runs]


class TestPaths:
    """The states of a run."""

    def test_an_execution(self) -> None:
        """Pending, running, completed."""
        notebook, cells = opened("a = 1")
        assert paths(notebook, cells[0]) == [["Pending", "Running", "Completed"]]

    def test_a_reuse(self) -> None:
        """Is one run that ends Cached, without a body."""
        notebook, cells = opened("a = 1")
        change(notebook, cells[0], "a = 2")
        change(notebook, cells[0], "a = 1")
        assert paths(notebook, cells[0])[-1] == ["Pending", "Cached"]

    def test_a_task_that_is_up_to_date(self) -> None:
        """Has no new run: verification creates none."""
        notebook, cells = opened("a = 1", "b = a")
        notebook.flow()
        assert len(paths(notebook, cells[0])) == len(paths(notebook, cells[1])) == 1

    def test_a_failure(self) -> None:
        """With the error in its message."""
        notebook, cells = opened("1 / 0")
        assert paths(notebook, cells[0]) == [["Pending", "Running", "Failed"]]
        history = notebook.workspace.store.history
        (run,) = history.runs(step=cells[0])
        assert "division by zero" in history.transitions(run.id)[-1].message

    def test_retries_are_attempts_of_one_run(self) -> None:
        """Not runs of their own."""
        notebook = Notebook()
        cell = notebook.add("1 / 0")
        notebook.step(cell).retries = Retries(limit=2)
        notebook.run(cell)
        assert paths(notebook, cell) == [["Pending", "Running", "Retrying", "Retrying", "Failed"]]
        assert notebook.log == [cell] * 3

    def test_a_delay_without_anybody_to_wait_parks_the_run(self) -> None:
        """It can be resumed from its history."""
        notebook = Notebook()
        cell = notebook.add("1 / 0")
        notebook.step(cell).retries = Retries(limit=1, delays=(60.0,))
        notebook.run(cell)
        assert paths(notebook, cell) == [["Pending", "Running", "AwaitingRetry"]]
        assert notebook.step(cell).trace is None


class TestRecords:
    """What is known of a run."""

    def test_who_what_and_why(self) -> None:
        """Step, name, origin, causes, key and trace."""
        notebook, cells = opened("a = 1", "b = a")
        notebook.rename(cells[1], "second")
        change(notebook, cells[0], "a = 2")
        notebook.flow()
        (run, *_) = notebook.workspace.store.history.runs(step=cells[1])
        trace = notebook.step(cells[1]).trace
        assert trace is not None
        assert (run.name, run.origin, run.role) == ("second", "catch-up", "task")
        assert [(cause.category, cause.subject) for cause in run.causes] == [("input", "a")]
        assert (run.trace, run.id) == (trace.id, trace.run)
        assert notebook.workspace.store.find(run.key)[0].id == trace.id

    def test_a_reuse_names_the_trace(self) -> None:
        """And leaves the trace with the run that made it."""
        notebook, cells = opened("a = 1")
        first = notebook.step(cells[0]).trace
        change(notebook, cells[0], "a = 2")
        change(notebook, cells[0], "a = 1")
        (run, *_) = notebook.workspace.store.history.runs(step=cells[0])
        assert first is not None
        assert run.trace == first.id
        assert run.id != first.run

    def test_origins(self) -> None:
        """Its own cell, a flow run, its name."""
        notebook, cells = opened("a = 1", "b = a")
        for run in (lambda: notebook.flow(), lambda: notebook.flow(cells[1])):
            notebook.edit(cells[0], notebook.step(cells[0]).body.source + "0")
            notebook.run(cells[0])
            run()
        found = [run.origin for run in notebook.workspace.store.history.runs(step=cells[1])]
        assert found == ["named", "catch-up", "cell"]

    def test_a_body_that_took_long_is_announced_before_it_starts_again(self) -> None:
        """On disk, so that a crash in the middle is seen; a short one is not worth the wait.

        Of one that never ran nobody knows how long it takes: in a flow it is announced in a moment.
        """
        notebook, cells = opened("a = 1")
        step = notebook.step(cells[0])
        assert step.trace is not None
        history = Durable()
        runs = StepRuns(history, FakeClock())
        short, long = (replace(step.trace, seconds=seconds) for seconds in (0.01, 1.5))
        cell, flow = Origin.CELL, Origin.CATCH_UP
        expected = ((short, cell, 0, 0), (long, flow, 1, 0), (None, flow, 1, 1), (None, cell, 2, 1))
        for trace, origin, flushes, soon in expected:
            step.trace = trace
            finished = answered(runs.execute(step, broken, origin, ()), unasked)
            assert finished.state.is_failed()
            assert finished.observation is None
            assert (history.flushes, history.soon) == (flushes, soon)


class TestWhatItRan:
    """A run knows its source and its inputs, whatever becomes of the cell."""

    def test_the_source_of_each_run(self) -> None:
        """Comments included, of plain cells and of failures too; equal texts are kept once."""
        notebook, cells = opened("a = 1  # one", "b = a", plain=(0,))
        change(notebook, cells[1], "b = a / 0")
        change(notebook, cells[1], "b = a")
        history = notebook.workspace.store.history
        texts = [[history.source(run.source) for run in history.runs(step=cell)] for cell in cells]
        assert texts == [["a = 1  # one"], ["b = a", "b = a / 0", "b = a"]]

    def test_the_inputs_of_each_run(self) -> None:
        """The store has their values, of a failed run as well, and of what shares memory."""
        notebook, cells = opened("a = [1]\nb = [a]", "c = b[0][0] / 0")
        store = notebook.workspace.store
        (run,) = store.history.runs(step=cells[1])
        given = run.inputs["b"]
        last = state_of(store.history.transitions(run.id)[-1])
        assert last.cached_inputs["b"] == given.unit
        assert store.load(given.unit)[given.place] == [[1]]
        change(notebook, cells[0], "a = [2]\nb = [a]")
        assert store.load(given.unit)[given.place] == [[1]]

    def test_a_task_function(self) -> None:
        """Has its definition for a source, without the rest of the cell that defines it."""
        cell = "from nbflow import task\nx = 1\n@task\ndef double(x):\n    return 2 * x"
        notebook, _ = opened(cell, "y = double()", plain=(0,))
        history = notebook.workspace.store.history
        found = [history.source(run.source) for run in history.runs() if run.name == "double"]
        assert found == ["@task\ndef double(x):\n    return 2 * x"]


class Durable(MemoryHistory):
    """A history that counts how often it was made durable."""

    flushes = soon = 0

    def flush(self) -> None:
        """Count."""
        self.flushes += 1

    def flush_soon(self) -> None:
        """Count."""
        self.soon += 1


def broken(call: Call) -> Observing:
    """An attempt that cannot even be observed."""
    raise RuntimeError("no more memory")
    yield


def unasked(execution: Execution) -> Outcome:
    """Nobody may be asked to run a body here."""
    raise AssertionError(execution.step.name)


class TestNames:
    """What runs are called whose task names them."""

    def test_by_what_the_body_reads(self) -> None:
        """As it stands when the body starts; a reuse is called as the run that it is of."""
        notebook = Notebook()
        cells = [notebook.add("year = 2013", plain=True), notebook.add("rows = [year]", name="load")]
        notebook.let(cells[1], named=lambda _: f"load {notebook.names['year']}")
        notebook.run_all()
        change(notebook, cells[0], "year = 2014")
        notebook.flow()
        change(notebook, cells[0], "year = 2013")
        notebook.flow()
        runs = notebook.workspace.store.history.runs(step=cells[1])
        assert [run.name for run in reversed(runs)] == ["load 2013", "load 2014", "load 2013"]
        assert paths(notebook, cells[1])[-1] == ["Pending", "Cached"]

    def test_one_that_cannot_be_named_fails(self) -> None:
        """Before its body runs, with the reason."""
        notebook = Notebook()
        cell = notebook.add("a = 1")
        notebook.let(cell, named=lambda _: {}["year"])
        action = notebook.run(cell)
        assert notebook.log == []
        assert "year" in action.refused[cell].message
        assert "a" not in notebook.names
