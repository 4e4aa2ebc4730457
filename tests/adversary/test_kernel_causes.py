"""What `%flow why` and the badges of a real kernel say, in words that a user understands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.kernels import Kernel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.process

HELPER = "def hourband(h):\n    band = h // 6\n    return band"
CELLS = {
    "load": "%load_ext nbflow",
    "late": "LATE = 15",
    "settings": "SETTINGS = {'lr': 0.1, 'depth': 3}",
    "helper": HELPER,
    "seed": "import random\nrandom.seed(1)",
    "params": "# @params\nYEAR = 2013",
    "raw": "#@task\nraw = [3, 20, 16]",
    "flags": "#@task\nflags = [v > LATE for v in raw]",
    "total": "#@task\ntotal = sum(flags)",
    "rate": "#@task\nrate = SETTINGS['lr']",
    "bands": "#@task\nbands = [hourband(h) for h in raw]",
    "draw": "#@task\ndraw = random.random()",
    "year": "#@task\nyear = YEAR + 1",
    "text": "#@task text\nwith open('f.txt') as s: text = s.read()",
    "files": "#@task\nimport os\nfiles = sorted(os.listdir('d'))",
    "user": "#@task\nuser = os.environ.get('NBFLOW_CASE')",
}


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    """A kernel in which all cells have run."""
    (tmp_path / "f.txt").write_text("1")
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "a").write_text("")
    with Kernel(tmp_path) as kernel:
        kernel.begin(**CELLS)
        yield kernel


def why(kernel: Kernel, task: str) -> str:
    """What `%flow why` says of a task."""
    return kernel.execute(f"%flow why {task}").text


class TestWords:
    """A dozen edits in one session, each with what is said of it."""

    def test_each_edit_is_told(self, kernel: Kernel, tmp_path: Path) -> None:
        """By the command, and by the badge where a cell has run."""
        shown = kernel.run("late", "LATE = 18")
        badges = " ".join(bundle["text/plain"] for bundle in shown.updates.values())
        assert "flags: stale · LATE changed: 15 → 18 (cell [" in badges
        assert "LATE changed: 15 → 18" in why(kernel, "flags")
        assert why(kernel, "total").index("LATE changed") < why(kernel, "total").index(
            "upstream flags is stale"
        )

        kernel.run("settings", "SETTINGS = {'lr': 0.2, 'depth': 3}")
        assert "SETTINGS['lr'] changed: 0.1 → 0.2 (cell [" in why(kernel, "rate")

        shown = kernel.run("helper", HELPER.replace("6", "4"))
        assert "code of hourband changed" in " ".join(each["text/plain"] for each in shown.updates.values())
        told = why(kernel, "bands")
        assert "line 2 of hourband changed: band = h // 6 → band = h // 4 (cell [" in told
        assert "-    band = h // 6" in told
        assert "+    band = h // 4" in told

        kernel.run("seed", "import random\nrandom.seed(2)")
        assert "random state of random changed (cell [" in why(kernel, "draw")

        kernel.execute("%flow params YEAR=2014")
        assert "YEAR changed: 2013 → 2014 (params)" in why(kernel, "year")

        (tmp_path / "f.txt").write_text("22")
        assert "f.txt changed (1 B, changed " in why(kernel, "text")
        (tmp_path / "f.txt").unlink()
        assert "f.txt is gone" in why(kernel, "text")
        (tmp_path / "f.txt").write_text("1")

        (tmp_path / "d" / "b").write_text("")
        assert "b appeared" in why(kernel, "files")

        kernel.execute("os.environ['NBFLOW_CASE'] = 'two'")
        assert "environment variable NBFLOW_CASE changed" in why(kernel, "user")

    def test_what_ran_was_reused_failed_and_is_gone(self, kernel: Kernel) -> None:
        """After the deed the cause stays what it was."""
        kernel.run("late", "LATE = 18")
        ran = kernel.execute("%flow run").text
        assert "LATE changed: 15 → 18" in ran
        assert "LATE changed: 15 → 18" in why(kernel, "flags")
        assert "compared: its code, 2 names (raw, LATE)" in why(kernel, "flags").replace(
            "LATE, raw", "raw, LATE"
        )

        kernel.run("raw", "#@task\nraw = 1/0")
        assert "last run of raw failed: ZeroDivisionError: division by zero" in why(kernel, "total")
        assert "raw has no value now, was [3, 20, 16] (raw)" not in why(kernel, "raw")

        kernel.insert("mid", "#@task\nraw = [1]", before="flags")
        kernel.run("raw", CELLS["raw"])
        kernel.run("mid")
        assert "raw is now what " in why(kernel, "flags")
        assert "[3, 20, 16] of raw → [1] of " in why(kernel, "flags")
