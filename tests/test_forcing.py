"""Which steps are executed although a result fits."""

from __future__ import annotations

from nbflow.engine.forcing import forced
from nbflow.engine.keeping import Keeping
from nbflow.engine.placeholder import is_placeholder
from nbflow.engine.preview import preview
from nbflow.states import Origin
from nbflow.testing import Notebook
from nbflow.types import Cause
from tests.cells import kept, opened


def three() -> tuple[Notebook, list[str]]:
    """Tasks that ran: one as ever, one that is refreshed, one that is not cached."""
    notebook, cells = opened("a = 1", "b = 2", "c = 3")
    notebook.let(cells[1], keeping=Keeping(refreshes=True))
    notebook.let(cells[2], keeping=Keeping(reuses=False))
    return notebook, cells


class TestForced:
    """By who asks for what."""

    def test_asked_for(self) -> None:
        """A refreshed task only by itself, one that is not cached also with all."""
        notebook, cells = three()
        steps = [notebook.step(cell) for cell in cells]
        assert forced(notebook.work, None) == steps[2:]
        assert forced(notebook.work, steps) == steps[1:]
        assert forced(notebook.work, steps, is_asked=False) == []
        assert forced(notebook.work, steps, force=True) == forced(notebook.work, None, force=True) == steps

    def test_refreshed_by_its_own_run(self) -> None:
        """Each time, and what it made is reused by all others."""
        notebook, cells = three()
        assert notebook.run(cells[1]).executed == notebook.flow(cells[1]).executed == [cells[1]]
        assert cells[1] not in notebook.flow().executed

    def test_runs_that_only_need_it(self) -> None:
        """A read of a value, or what runs by itself, asks for no run."""
        notebook, cells = three()
        for origin in (Origin.CATCH_UP, Origin.AUTO):
            steps = [notebook.step(cell) for cell in cells]
            work = notebook.work.run_flow(steps, origin=origin)
            assert list(work) == []
            assert notebook.work.action.executed == []

    def test_the_causes_say_so(self) -> None:
        """Of the plan and of the run."""
        notebook, cells = three()
        steps = [notebook.step(cell) for cell in cells]
        planned = preview(notebook.work, None, forced(notebook.work, None))
        assert [(line.step.id, line.does, line.causes) for line in planned] == [
            (cells[2], "runs", (Cause("no cache", cells[2]),))
        ]
        notebook.run(cells[1])
        run = notebook.work.runs.history.runs(step=steps[1].id)[0]
        assert run.causes == (Cause("forced", cells[1], after="asked for with --refresh"),)


class TestGone:
    """What cannot come back although its task is up to date."""

    def test_a_cell_run_once_more_makes_it_again(self) -> None:
        """The first run in a new kernel only says that it is gone: perhaps nobody misses it."""
        notebook, (maker,) = opened("p = (n for n in range(3))", notebook=Notebook(store=kept()))
        notebook.restart()
        assert [action.executed for action in notebook.run_all()] == [[]]
        assert is_placeholder(notebook.names["p"])
        assert notebook.run(maker).executed == [maker]
        assert not is_placeholder(notebook.names["p"])
        run = notebook.work.runs.history.runs(step=maker)[0]
        assert [cause.category for cause in run.causes] == ["unstorable"]
        assert notebook.run(maker).executed == []


class TestStop:
    """A Stop ends the whole run."""

    def test_nothing_is_started_after_it(self) -> None:
        """Of tasks that run each time, and of those that are named."""
        notebook = Notebook()
        cells = [notebook.add(source) for source in ("a = 1", "raise KeyboardInterrupt", "c = 3")]
        for cell in cells:
            notebook.let(cell, keeping=Keeping(reuses=False))
            notebook.work.adopt_source(notebook.step(cell))
        assert notebook.flow().executed == cells[:2]
        assert notebook.flow(*cells).executed == cells[:2]
        assert "c" not in notebook.names
