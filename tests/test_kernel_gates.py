"""Triggers and signals of task cells in a real kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.kernels import Kernel, Shown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.process

CELLS = {
    "load": "%load_ext nbflow",
    "imports": "from nbflow import context\nfrom nbflow.engine.signals import FAIL, LOOP, SKIP, SUCCESS",
    "mode": "MODE = 'skip'",
    "upper": "#@task upper\nif MODE == 'skip': raise SKIP('no new rows')\n"
    "if MODE == 'bad': raise FAIL('broken')\na = 1",
    "lower": "#@task lower\nb = a + 1",
    "clean": "#@task clean --trigger any_failed\nc = 'with it'\n"
    "try:\n    a\nexcept NameError:\n    c = 'without it'",
    "loop": "#@task loop\nlooped = (context.get('task_loop_result') or 0) + 40\n"
    "if looped < 100: raise LOOP(result=looped)",
    "enough": "#@task enough\nx = 1\nraise SUCCESS('near enough')",
}


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    """A kernel with the cells above."""
    with Kernel(tmp_path) as kernel:
        kernel.set(**CELLS)
        yield kernel


def begin(kernel: Kernel, mode: str) -> dict[str, Shown]:
    """Run all cells, with a first task that ends so."""
    kernel.set(mode=f"MODE = {mode!r}")
    return dict(zip(CELLS, kernel.run_all(), strict=False))


class TestGates:
    """A notebook whose first task is skipped, fails, or succeeds."""

    def test_skipped(self, kernel: Kernel) -> None:
        """Run All goes through; the badges say who was skipped and why."""
        shown = begin(kernel, "skip")
        assert [each.error for each in shown.values()] == [""] * len(CELLS)
        assert "upper: skipped · skipped: no new rows" in shown["upper"].text
        assert "lower: skipped · skipped: 'upper' is Skipped" in shown["lower"].text
        assert "'upper' is Skipped" in kernel.execute("%flow why lower").text
        assert (kernel.value("looped"), kernel.value("x")) == ("120", "1")
        history = kernel.execute("%flow history loop").text
        assert history.count("Looping") == 2

    def test_failed(self, kernel: Kernel) -> None:
        """The task that is to run below a failure does; its own cell does not stop on the failure."""
        begin(kernel, "bad")
        assert kernel.run("upper").error == "FAIL: broken"
        shown = kernel.run("clean")
        assert shown.error == ""
        assert kernel.value("c") == "'without it'"
        assert "lower was not run: upper failed (broken)" in kernel.run("lower").error
        table = kernel.execute("%flow run").text
        assert "TriggerFailed" in kernel.execute("%flow history lower").text
        assert "lower" in table

    def test_succeeded(self, kernel: Kernel) -> None:
        """All is up to date again but what is only for failures, which says so."""
        begin(kernel, "skip")
        kernel.run("mode", "MODE = 'good'")
        table = kernel.execute("%flow run").text
        assert "any_failed: 'upper' is Completed" in table
        assert kernel.value("b") == "2"
        assert "clean was not run: trigger any_failed" in kernel.run("clean").error

    def test_names_of_the_notebook(self, kernel: Kernel) -> None:
        """A trigger may be a function of the notebook; one that is not there is told in a line."""
        begin(kernel, "skip")
        shown = kernel.run("own", "#@task own --trigger any_faild\ny = 1")
        assert "unknown trigger 'any_faild'" in shown.error
        kernel.run("ask", "def ask(upstream):\n    return len(upstream) == 1")
        header = "#@task own --trigger ask --skip-on-upstream-skip no --after lower"
        assert kernel.run("own", f"{header}\ny = 1").error == ""
        assert kernel.value("y") == "1"


MANUAL = {
    "load": "%load_ext nbflow",
    "imports": "from nbflow import context\nfrom nbflow.engine.signals import PAUSE",
    "raw": "#@task raw\nraw = [1, 2]",
    "send": "#@task send --manual\nsent = sum(raw)",
    "look": "#@task look\nif not context.get('resume'): raise PAUSE('look first')\nseen = len(raw)",
    "below": "#@task below --defer\ntotal = sent + 1",
}


class TestManual:
    """Tasks that wait for a person."""

    def test_they_wait_in_run_all_and_say_what_to_do(self, kernel: Kernel) -> None:
        """On the badge, in the plan, in `why`; what is below waits with them."""
        kernel.cells.clear()
        kernel.set(**MANUAL)
        shown = dict(zip(MANUAL, kernel.run_all(), strict=True))
        assert [each.error for each in shown.values()] == [""] * len(MANUAL)
        assert "send: paused" in shown["send"].text
        assert "`%flow resume send` runs it" in shown["send"].text
        assert "look first" in shown["look"].text
        assert "waits" in kernel.execute("%flow plan").text
        assert "`%flow resume look` runs it" in kernel.execute("%flow why look").text
        kernel.execute("%flow run")
        assert kernel.value("'sent' in globals() or 'seen' in globals()") == "False"

    def test_resume_runs_them(self, kernel: Kernel) -> None:
        """One by name, then the rest; the run that waited is the one that goes on."""
        kernel.cells.clear()
        kernel.set(**MANUAL)
        kernel.run_all()
        assert "send" in kernel.execute("%flow resume send").text
        assert kernel.value("sent") == "3"
        kernel.execute("%flow resume")
        assert kernel.value("seen") == "2"
        assert "Paused" in kernel.execute("%flow history send").text
        assert "Resuming" in kernel.execute("%flow history look").text
        assert "send waits for nobody" in kernel.execute("%flow resume send").error
        kernel.execute("%flow run")
        assert kernel.value("total") == "4"

    def test_after_a_restart(self, kernel: Kernel) -> None:
        """The paused run of the earlier kernel goes on, once its cell has run here."""
        kernel.cells.clear()
        kernel.set(**MANUAL)
        kernel.run_all()
        kernel.restart()
        kernel.run_all()
        assert kernel.execute("%flow resume send").error == ""
        assert kernel.value("sent") == "3"
        history = kernel.execute("%flow history send").text
        assert history.count("Paused") == 1
        assert "Completed" in history
