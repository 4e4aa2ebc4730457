"""What names hold when an action has ended."""

from __future__ import annotations

from nbflow.engine.afterwards import stand_of, stand_of_flow
from tests.cells import change, opened


class TestOfATask:
    """After its own cell."""

    def test_its_outputs(self) -> None:
        """All of them, and nothing else."""
        notebook, cells = opened("a = 1", "b, c = a, 2")
        stand = stand_of(notebook.step(cells[1]), notebook.sweep)
        assert {key: version.step for key, version in stand.items() if version} == dict.fromkeys(
            ("b", "c"), cells[1]
        )


class TestOfTheFlow:
    """After all tasks."""

    def test_what_moved_and_is_not_in_doubt(self) -> None:
        """Of a stale task nothing stands; nor of a plain cell that its user ran last."""
        notebook, (k, *_) = opened("k = 1", "a = k", "b = a", plain=[0])
        change(notebook, k, "k = 2")
        work = notebook.work
        assert stand_of_flow(notebook.sweep, notebook.workspace, (), ()) == {}
        notebook.workspace.moved.update(("k", "a", "b"))
        work.sweep.touch(notebook.step(k))
        stand = stand_of_flow(notebook.sweep, notebook.workspace, (), (k,))
        assert list(stand) == ["k"]
        notebook.flow()
        notebook.workspace.moved.update(("k", "a", "b"))
        assert set(stand_of_flow(notebook.sweep, notebook.workspace, (), ())) == {"a", "b"}
