"""Badges of tasks that run elsewhere than in their own cell: told while they run, and never too much."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from nbflow.engine.drive import Entered
from nbflow.engine.effects import RunSpec
from nbflow.notebook.badges import Badges
from nbflow.states import AwaitingRetry, Completed, Failed, Paused, Pending, Running, State, transition_of
from tests.kernels import Kernel
from tests.lab import GATE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nbflow.notebook.session import Session
    from tests.kernels import Shown

HOLD = GATE.replace("lambda: pool.submit(wait)", "lambda held: pool.submit(wait, held)")
CELLS = {
    "load": f"{HOLD}%load_ext nbflow",
    "limit": "LIMIT = 15",
    "late": "#@task late\nimport threading\nthreading.main_thread().hold('one')\nlate = [LIMIT]",
    "total": "#@task total\nimport threading\nthreading.main_thread().hold('two')\ntotal = sum(late)",
}


@dataclass
class Notebook:
    """What badges need of a session: cells, a screen, and somebody who makes badges."""

    now: float = 0.0
    own: str = ""
    sees: bool = False
    shown: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        self.cells = {id: SimpleNamespace(step=SimpleNamespace(id=id), badge=id) for id in ("late", "total")}
        session = SimpleNamespace(
            places=SimpleNamespace(cells=self.cells),
            is_own=lambda step: step.id == self.own,
            report=SimpleNamespace(badge=lambda cell: f"{cell.step.id} judged", badge_under_way=self._words),
            around=SimpleNamespace(
                link=SimpleNamespace(is_open=self.sees),
                screen=SimpleNamespace(
                    show=lambda shown, id, **_: self.shown.append(shown),
                    update_beside=lambda shown, id: self.shown.append(shown),
                ),
            ),
        )
        self.badges = Badges(cast("Session", session), clock=lambda: self.now)

    def _words(self, cell: Any, state: str, attempt: int, seconds: float | None, error: str) -> str:
        ran = "" if seconds is None else f" in {seconds:g}"
        return f"{cell.step.id} {state} {attempt}{ran}{error and f': {error}'}"

    def enter(self, state: State, at: float, id: str = "late", attempt: int = 1) -> None:
        """Have a run of a task enter a state."""
        self.now = at
        made = transition_of(state, id, attempt, 1, at)
        self.badges.note(id, Entered(RunSpec(id, id, body=None), None, state, made))

    def look(self, at: float) -> list[str]:
        """What is shown by a look at that time."""
        self.now, self.shown = at, []
        self.badges.look()
        return self.shown


class TestWhat:
    """What is told, and when."""

    def test_a_run_that_takes_a_while(self) -> None:
        """That it runs, once; how it ended, as soon as that is so; then it is judged."""
        notebook = Notebook()
        notebook.enter(Pending(), 0.0)
        assert notebook.look(9.0) == []
        notebook.enter(Running(), 10.0)
        assert notebook.look(10.1) == []
        assert notebook.look(10.3) == ["late Running 1"]
        assert notebook.look(10.6) == []
        notebook.enter(Completed(), 12.0)
        assert notebook.look(12.1) == ["late Completed 1 in 2"]
        notebook.badges.show(notebook.cells["late"])
        assert notebook.look(13.0) == []

    def test_a_brief_one(self) -> None:
        """Nobody could read of it."""
        notebook = Notebook()
        notebook.enter(Running(), 10.0)
        notebook.enter(Completed(), 10.1)
        assert notebook.look(11.0) == []

    def test_attempts(self) -> None:
        """Which one, the wait between two, and what the last failed with."""
        notebook = Notebook()
        notebook.enter(Running(), 10.0)
        assert notebook.look(10.5) == ["late Running 1"]
        notebook.enter(AwaitingRetry(), 11.0)
        assert notebook.look(11.0) == ["late AwaitingRetry 1"]
        notebook.enter(Running(), 600.0, attempt=2)
        assert notebook.look(600.0) == ["late Running 2"]
        notebook.enter(Failed("no file"), 601.0, attempt=2)
        assert notebook.look(601.0) == ["late Failed 2 in 1: no file"]

    def test_what_is_judged_while_it_runs(self) -> None:
        """As by a cell that runs beside a run in the background."""
        notebook = Notebook()
        notebook.enter(Running(), 10.0)
        assert notebook.look(11.0) == ["late Running 1"]
        notebook.badges.show(notebook.cells["late"], updates=True)
        notebook.enter(Completed(), 12.0)
        assert notebook.look(12.1) == []

    def test_its_own_cell(self) -> None:
        """The badge there was cleared with the outputs, and comes at the end."""
        notebook = Notebook(own="late")
        notebook.enter(Running(), 10.0)
        notebook.enter(Running(), 10.0, "total")
        assert notebook.look(11.0) == ["total Running 1"]

    def test_nothing_goes_on(self) -> None:
        """What waits for a person, and what has ended, is looked at no more; what runs is."""
        notebook = Notebook()
        notebook.enter(Paused(), 10.0)
        assert notebook.badges.look()
        notebook.enter(Running(), 11.0)
        assert not notebook.badges.look()
        assert notebook.look(12.0) == ["late Running 1"]
        notebook.enter(Completed(), 13.0)
        assert not notebook.badges.look()
        assert notebook.badges.look()


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    """A kernel with a front end, in which both tasks are stale, and will be held."""
    with Kernel(tmp_path, asks=True) as kernel:
        kernel.begin(**CELLS)
        kernel.run("limit", "LIMIT = 18")
        for name in ("one", "two"):
            (tmp_path / name).touch()
        yield kernel


def badge(shown: Shown, name: str) -> str:
    """The badge of a task as it was told last."""
    texts = [data["text/plain"] for data in shown.updates.values()]
    return next((text for text in texts if text.startswith(f"{name}:")), "")


@pytest.mark.process
class TestLive:
    """In a real kernel."""

    @pytest.mark.parametrize("flow", ["%flow run", "%%capture\n%flow run", "print('a')\n%flow run total"])
    def test_while_a_cell_runs(self, kernel: Kernel, flow: str) -> None:
        """Each task says that it runs, and the one above that it is done while the one below runs."""

        def follow(shown: Shown) -> None:
            both = badge(shown, "late"), badge(shown, "total")
            if both[0].startswith("late: running"):
                (kernel.folder / "one").unlink(missing_ok=True)
            if both[0].startswith("late: completed") and both[1].startswith("total: running"):
                (kernel.folder / "two").unlink(missing_ok=True)

        shown = kernel.collect(kernel.send(flow), follow)
        assert shown.error == ""
        assert badge(shown, "late").startswith("late: fresh · ran in")
        assert badge(shown, "total").startswith("total: fresh · ran in")
        assert kernel.value("late, total") == "([18], 18)"


class Limited(threading.Thread):
    """A thread that cannot be started, as where a process may have no more of them."""

    def start(self) -> None:
        """Refuse."""
        raise RuntimeError("can't start new thread")


class TestWhere:
    """Whatever happens around it, badges say what is so."""

    def test_no_more_threads(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Badges change when the cell has ended; the next run tries again."""
        notebook = Notebook(sees=True)
        with monkeypatch.context() as limited:
            limited.setattr("nbflow.notebook.badges.threading.Thread", Limited)
            notebook.enter(Running(), 0.0)
        assert notebook.look(1.0) == ["late Running 1"]

    @pytest.mark.process
    @pytest.mark.parametrize("first", ["%%capture\n%load_ext nbflow\n%flow status", "%load_ext nbflow"])
    def test_a_session_that_was_opened_unseen(self, tmp_path: Path, first: str) -> None:
        """What captured the outputs then has none of later cells; a cell that fails changes badges, too."""
        with Kernel(tmp_path, asks=True) as kernel:
            kernel.set(load=first, limit="LIMIT = 15", late="#@task late\nlate = [LIMIT]", other="LIMIT")
            kernel.save()
            for cell in ("load", "limit", "late"):
                assert kernel.run(cell).error == ""
            kernel.set(limit="LIMIT = 18")
            assert badge(kernel.run("limit"), "late").startswith("late: stale")
            kernel.run("late")
            kernel.set(limit="LIMIT = 19\n1 / 0")
            assert badge(kernel.run("limit"), "late").startswith("late: waits")
