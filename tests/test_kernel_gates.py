"""Triggers and signals of task cells in a real kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.kernels import Kernel

if TYPE_CHECKING:
    from collections.abc import Iterator

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


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """A kernel with the cells above."""
    with Kernel(tmp_path_factory.mktemp("gates")) as kernel:
        kernel.set(**CELLS)
        yield kernel


class TestGates:
    """One notebook whose first task is skipped, then fails, then succeeds."""

    def test_skipped(self, kernel: Kernel) -> None:
        """Run All goes through; the badges say who was skipped and why."""
        shown = dict(zip(CELLS, kernel.run_all(), strict=True))
        assert [each.error for each in shown.values()] == [""] * len(CELLS)
        assert "upper: skipped · skipped: no new rows" in shown["upper"].text
        assert "lower: skipped · skipped: 'upper' is Skipped" in shown["lower"].text
        assert "'upper' is Skipped" in kernel.execute("%flow why lower").text
        assert (kernel.value("looped"), kernel.value("x")) == ("120", "1")
        history = kernel.execute("%flow history loop").text
        assert history.count("Looping") == 2

    def test_failed(self, kernel: Kernel) -> None:
        """The task that is to run below a failure does; its own cell does not stop on the failure."""
        kernel.run("mode", "MODE = 'bad'")
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
        kernel.run("mode", "MODE = 'good'")
        table = kernel.execute("%flow run").text
        assert "any_failed: 'upper' is Completed" in table
        assert kernel.value("b") == "2"
        assert "clean was not run: trigger any_failed" in kernel.run("clean").error

    def test_names_of_the_notebook(self, kernel: Kernel) -> None:
        """A trigger may be a function of the notebook; one that is not there is told in a line."""
        assert (
            "unknown trigger 'any_faild'" in kernel.run("own", "#@task own --trigger any_faild\ny = 1").error
        )
        kernel.run("ask", "def ask(upstream):\n    return len(upstream) == 1")
        assert kernel.run("own", "#@task own --trigger ask --after lower\ny = 1").error == ""
        assert kernel.value("y") == "1"
