"""Plain cells between tasks in a real kernel: who may start them, and what is said of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.kernels import Kernel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.process

CELLS = {
    "load": "%load_ext nbflow",
    "late": "LATE = 15",
    "raw": "#@task raw\nraw = [3, 20, LATE]",
    "clean": "clean = sorted(raw)",
    "total": "#@task total\ntotal = clean[-1]",
}


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    """A kernel in which the cells above ran, and the first one was edited and run since."""
    with Kernel(tmp_path) as kernel:
        kernel.set(**CELLS)
        assert [shown.error for shown in kernel.run_all()] == [""] * len(CELLS)
        kernel.run("late", "LATE = 40")
        yield kernel


class TestManual:
    """`plain = "manual"`: only the user starts plain cells."""

    def test_by_default_the_flow_starts_quiet_ones(self, kernel: Kernel) -> None:
        """As they change nothing outside."""
        assert "total" in kernel.execute("%flow plan").text
        kernel.execute("%flow run")
        assert kernel.ask("(raw, clean, total)") == ([3, 20, 40], [3, 20, 40], 40)

    def test_manual(self, kernel: Kernel) -> None:
        """What reads one waits, plan and why say for which; its user runs it, or `--plain` does."""
        kernel.execute("%config NBFlow.plain = 'manual'")
        assert "plain = 'manual'  (%config NBFlow.plain)" in kernel.execute("%flow config").text
        plan = kernel.execute("%flow plan").text
        assert "waits" in next(line for line in plan.splitlines() if "total" in line)
        for line in ("run", "run total", "auto on"):
            kernel.execute(f"%flow {line}")
            kernel.execute("1 + 1")
            assert kernel.ask("(clean, total)") == ([3, 15, 20], 20)
        assert kernel.ask("raw") == [3, 20, 40]
        assert "run cell [4]" in kernel.execute("%flow why total").text
        kernel.run("clean")
        assert kernel.ask("total") == 40

    def test_and_back(self, kernel: Kernel) -> None:
        """Whatever waited for a plain cell does not any more."""
        kernel.execute("%config NBFlow.plain = 'manual'")
        kernel.execute("%flow run")
        assert "1 waits" in kernel.execute("%flow status").text
        kernel.execute("%config NBFlow.plain = 'quiet'")
        assert "1 stale" in kernel.execute("%flow status").text
        kernel.execute("%flow run")
        assert kernel.ask("total") == 40

    def test_with_plain(self, kernel: Kernel) -> None:
        """`%flow run --plain` starts them for once."""
        kernel.execute("%config NBFlow.plain = 'manual'")
        kernel.execute("%flow run --plain")
        kernel.execute("%flow run --plain")
        assert kernel.ask("(clean, total)") == ([3, 20, 40], 40)
