"""How results are kept, in a real kernel."""

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
    "short": "#@task short --cache-for 2h\nshort = [1]",
    "none": "#@task none --no-cache\nnone = [2]",
    "again": "#@task again --refresh\nagain = [3]",
    "digest": "#@task digest --persist no\ndigest = [4]\nprint('made')",
    "total": "#@task total\ntotal = sum(short + none + again + digest)",
}


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    """A kernel in which the cells above ran."""
    with Kernel(tmp_path) as kernel:
        kernel.begin(**CELLS)
        yield kernel


class TestKeeping:
    """Each option in a header, and what the user is told."""

    def test_expiry(self, kernel: Kernel) -> None:
        """Told by the badge, the status and `why`; once it has passed, the task is stale."""
        for shown in (kernel.run("short"), kernel.execute("%flow status"), kernel.execute("%flow why short")):
            assert "expires " in shown.text
        stale = kernel.run("short", "#@task short --cache-for 0.001s\nshort = [1]").text
        assert "stale" in stale + kernel.execute("%flow status").text
        assert "the result of short expired" in kernel.execute("%flow why short").text

    def test_each_time(self, kernel: Kernel) -> None:
        """The plan names the one that is not cached; its cell and that of the refreshed one run."""
        plan = kernel.execute("%flow plan").text
        assert "none" in plan
        assert "runs each time" in plan
        assert "again" not in plan
        assert "none" in kernel.execute("%flow run").text
        assert "reused" not in kernel.run("none").text + kernel.run("again").text
        assert "asked for with --refresh" in kernel.execute("%flow why again").text
        assert "reused" in kernel.run("total").text

    def test_not_stored(self, kernel: Kernel) -> None:
        """In this kernel it is reused with what it showed; in the next it is computed again."""
        shown = kernel.run("digest")
        assert "reused" in shown.text
        assert "made" in shown.stdout
        kernel.restart()
        kernel.run("load")
        assert "reused" not in kernel.run("digest").text
        assert kernel.value("digest") == "[4]"


class TestRuns:
    """What is said of each run of a task."""

    def test_names_and_prints(self, kernel: Kernel) -> None:
        """The history has the name; a print is shown as a line of the log, also when it is replayed."""
        kernel.run("year", "year = 2013")
        text = "#@task load --log-prints --run-name 'load {year}'\nrows = [year]\nprint('rows:', len(rows))"
        for shown in (kernel.run("load_year", text), kernel.run("load_year")):
            assert "INFO task run 'load 2013': rows: 1" in shown.text
            assert shown.stdout == ""
        assert "fresh" in kernel.execute("%flow status").text
        kernel.run("year", "year = 2014")
        kernel.execute("%flow run")
        history = kernel.execute("%flow history load").text
        assert "load 2013" in history
        assert "load 2014" in history
        assert kernel.execute("print('as ever')").stdout == "as ever\n"

    def test_a_name_that_cannot_be_made(self, kernel: Kernel) -> None:
        """The cell says so in a line and does not run."""
        shown = kernel.run("bad", "#@task bad --run-name '{nothing_here}'\nbad = 1")
        assert "there is no 'nothing_here'" in shown.error
        assert kernel.value("'bad' in globals()") == "False"
