"""The progress of a long run in the cell that started it, in a real kernel, and in a terminal."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.kernels import Kernel
from tests.test_hosts import Terminal

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.process

CELLS = {
    "ext": "%load_ext nbflow\nimport time",
    "quick": "#@task quick\nquick = 1",
    "slow": "#@task slow --defer\nprint('once')\ntime.sleep(1.7 * quick)\nslow = 1",
}


class TestKernel:
    """A display that is updated."""

    def test_a_long_run_tells_how_far_it_is(self, tmp_path: Path) -> None:
        """And takes that away when it is over; what a task showed is not mixed with it."""
        with Kernel(tmp_path, asks=True) as kernel:
            kernel.set(**CELLS)
            kernel.run_all()
            shown = kernel.run("flow", "%flow run")
            lines = [text for text in shown.texts if "done" in text]
            assert lines[0].startswith("0 of 1 task done · slow 1.")
            assert [told["text/plain"] for id, told in shown.updates.items() if "line" in id] == [""]
            assert "1 task ran" in shown.text
            assert "done" not in kernel.run("slow", CELLS["slow"].replace(" --defer", "")).text
            again = kernel.run("flow", "%flow run slow --force")
            # How long it took before, on a machine that may have been busy.
            assert any(re.search(r"of about (1\.[7-9]|[2-9]|\d\d)", text) for text in again.texts)

    def test_a_short_one_says_nothing(self, tmp_path: Path) -> None:
        """Nor does one that nobody watches."""
        with Kernel(tmp_path, asks=False) as kernel:
            kernel.set(**CELLS)
            kernel.run_all()
            assert "done" not in kernel.run("flow", "%flow run").text


@pytest.mark.filterwarnings("ignore:.*forkpty:DeprecationWarning")
class TestTerminal:
    """A line that is written anew."""

    def test_the_line(self, tmp_path: Path) -> None:
        """In the place of the one before."""
        terminal = Terminal(tmp_path)
        for cell in CELLS.values():
            terminal.run(cell)
        said = terminal.run("%flow run")
        terminal.close()
        assert "0 of 1 task done · slow 1." in said
        assert "1 task ran" in said.rpartition("done")[2]
