"""Tasks of earlier kernels that ended without a result, in kernels that are restarted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.kernels import Kernel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.process

LOAD = "%load_ext nbflow"
RUN_ITS_CELL = "run its cell: not run in this kernel"

DIES_WHEN_WRITTEN = """
import os, sqlite3
history = sqlite3.connect(".nbflow/history.db")
while not history.execute("SELECT 1 FROM runs WHERE state = 'RUNNING'").fetchall():
    pass
os.kill(os.getpid(), 9)
"""
HISTORY = "__import__('nbflow').session().around.store.history"
PATHS = f"[(run.name, [each.name for each in {HISTORY}.transitions(run.id)]) for run in {HISTORY}.runs()]"


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    """A kernel that is going to be ended."""
    with Kernel(tmp_path) as kernel:
        kernel.run("ext", LOAD)
        yield kernel


def restarted(kernel: Kernel, *, kill: bool = False) -> Kernel:
    """The kernel after a restart, with nbflow loaded and nothing else run."""
    kernel.restart(kill=kill)
    kernel.run("ext")
    return kernel


def line_of(kernel: Kernel, command: str, task: str) -> str:
    """What a view says of a task."""
    lines = kernel.execute(command).text.splitlines()
    found = [line for line in lines if task in line.split()[:2]]
    return " ".join(found[0].split()) if found else ""


class TestFailed:
    """A task whose last run failed."""

    RATIO = "#@task ratio\nratio = 1 / 0"
    BELOW = "#@task below\nbelow = ratio"

    def test_every_view_knows_it(self, kernel: Kernel) -> None:
        """It waits for its cell, with the error of then, and what reads it waits with it."""
        kernel.run("fine", "#@task fine\nfine = 1")
        kernel.run("ratio", self.RATIO)
        kernel.run("below", self.BELOW)
        restarted(kernel)
        told = f"{RUN_ITS_CELL} · last run failed: ZeroDivisionError: division by zero"
        assert line_of(kernel, "%flow status", "ratio") == f"ratio waits Failed {told}"
        assert line_of(kernel, "%flow", "ratio") == f"ratio waits Failed {told}"
        assert line_of(kernel, "%flow plan", "ratio") == f"1 ratio waits {told}"
        assert line_of(kernel, "%flow run", "ratio") == f"ratio waits {told}"
        assert "upstream ratio waits" in line_of(kernel, "%flow run", "below")
        why = kernel.execute("%flow why ratio").text
        assert RUN_ITS_CELL in why
        assert "last run failed: ZeroDivisionError" in why
        assert "run ratio first: not run in this kernel" in kernel.execute("%flow why below").text
        assert line_of(kernel, "%flow status", "fine").split()[1] == "fresh"

    def test_nothing_runs_before_its_cell_does(self, kernel: Kernel) -> None:
        """Not even by its name; then it is a task like others."""
        kernel.run("ratio", self.RATIO)
        restarted(kernel)
        before = kernel.execute("%flow history ratio").text
        assert "waits" in line_of(kernel, "%flow run ratio", "ratio")
        assert kernel.execute("%flow history ratio").text == before
        assert "ZeroDivisionError" in kernel.run("ratio").error
        assert line_of(kernel, "%flow status", "ratio").split()[1] == "stale"
        kernel.run("ratio", "#@task ratio\nratio = 1")
        assert line_of(kernel, "%flow status", "ratio").split()[1] == "fresh"

    def test_of_other_inputs_than_now(self, kernel: Kernel) -> None:
        """An earlier result that fits again is taken, as before the restart."""
        kernel.run("by", "BY = 2")
        kernel.run("share", "#@task share\nshare = 1 / BY")
        kernel.run("by", "BY = 0")
        kernel.run("share")
        restarted(kernel)
        assert "last run failed: ZeroDivisionError" in line_of(kernel, "%flow status", "share")
        kernel.run("by", "BY = 2")
        assert "reused" in line_of(kernel, "%flow run", "share")
        assert kernel.value("share") == "0.5"

    def test_another_source_in_the_file(self, kernel: Kernel) -> None:
        """Of that nothing is known."""
        kernel.run("ratio", self.RATIO)
        kernel.set(ratio="#@task ratio\nratio = 1")
        restarted(kernel)
        assert "no task 'ratio'" in kernel.execute("%flow why ratio").error


class TestOthers:
    """Tasks that were stopped, died, wait for a person or were skipped."""

    CELLS = (
        ("limit", "import time\ntime.sleep(60)\nlimit = 1", "TimedOut", "reached its limit"),
        ("asks", "from nbflow.engine.signals import PAUSE\nraise PAUSE('look')\nasks = 1", "Paused", ""),
        ("skips", "from nbflow.engine.signals import SKIP\nraise SKIP('no need')\nskips = 1", "Skipped", ""),
        (
            "stopped",
            "import signal\nsignal.raise_signal(signal.SIGINT)\nstopped = 1",
            "Cancelled",
            "last run was stopped",
        ),
    )

    def test_every_end(self, kernel: Kernel) -> None:
        """Each is shown with its state; a run that its kernel took with it has crashed."""
        for name, body, _, _ in self.CELLS:
            options = " --timeout 0.2" if name == "limit" else ""
            kernel.run(name, f"#@task {name}{options}\n{body}")
        kernel.set(died="#@task died\nimport os\nos.kill(os.getpid(), 9)\ndied = 1")
        kernel.save()
        kernel.send(kernel.cells["died"], "died")
        kernel.manager.provisioner.process.wait()
        restarted(kernel, kill=False)
        for name, _, state, told in (*self.CELLS, ("died", "", "Crashed", "the kernel that ran this")):
            line = line_of(kernel, "%flow status", name)
            assert line.startswith(f"{name} waits {state} {RUN_ITS_CELL}"), line
            assert told in line
        assert "everything is up to date" not in kernel.execute("%flow run").text

    def test_a_plain_cell_that_takes_long(self, kernel: Kernel) -> None:
        """Its run is on disk once it has taken a while, and has crashed with its kernel."""
        kernel.set(died=DIES_WHEN_WRITTEN)
        kernel.save()
        kernel.send(DIES_WHEN_WRITTEN, "died")
        kernel.manager.provisioner.process.wait()
        restarted(kernel)
        (died,) = kernel.ask(f"[path for name, path in {PATHS} if name == 'cell [2]'][:1]")
        assert died == ["Pending", "Running", "Crashed"]

    def test_those_that_wait_hold_nobody_up(self, kernel: Kernel) -> None:
        """`%flow resume` lets in what has been run here, and says what to do where there is nothing."""
        for name in ("first", "second"):
            kernel.run(name, f"#@task {name} --manual\n{name} = 1")
        restarted(kernel)
        assert "run its cell first" in kernel.execute("%flow resume").error
        kernel.run("second")
        assert kernel.execute("%flow resume").error == ""
        assert kernel.value("second, 'first' in globals()") == "(1, False)"
