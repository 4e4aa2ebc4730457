"""`%flow cache`, the budget, and values that are not stored, in a real kernel."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.kernels import Kernel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.process

CELLS = {
    "load": "%load_ext nbflow",
    "numpy": "import numpy as np, time",
    "quick": "#@task quick\nquick = np.zeros(10_000_000)",
    "slow": "#@task slow\ntime.sleep(0.5)\nslow = quick[:300_000] + 1\nprint('made')",
    "total": "#@task total\ntotal = int(slow.sum())",
}


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    """A kernel in which the cells above ran."""
    with Kernel(tmp_path) as kernel:
        kernel.begin(**CELLS)
        yield kernel


class TestCommand:
    """What `%flow cache` says and does."""

    def test_what_takes_the_space(self, kernel: Kernel) -> None:
        """In all, and by task."""
        assert re.search(
            r"1 large value, 2\.4 MB of at most [\d.]+ GB in ", kernel.execute("%flow cache").text
        )
        listed = kernel.execute("%flow cache ls").text
        assert re.search(r"^slow +2\.4 MB +1 +just now +0\.\d s$", listed, re.MULTILINE)
        assert re.search(r"^quick +[\d.]+ k?B +1 ", listed, re.MULTILINE)
        assert "quick" not in kernel.execute("%flow cache ls slow").text

    def test_checking_and_tidying(self, kernel: Kernel) -> None:
        """Also while the kernel uses the store."""
        assert "none is damaged" in kernel.execute("%flow cache verify").text
        assert "0 B freed" in kernel.execute("%flow cache gc").text
        assert "did you mean" in kernel.execute("%flow cache sise").error

    def test_clearing_a_task(self, kernel: Kernel) -> None:
        """What names hold stays; the next kernel computes it again."""
        assert "0 results removed" in kernel.execute("%flow cache clear --older 7d").text
        assert "--older needs an age" in kernel.execute("%flow cache clear --older").error
        assert "1 result removed; 1 large value removed" in kernel.execute("%flow cache clear slow").text
        assert kernel.value("len(slow)") == "300000"
        assert "nothing to do, no task waits for you" in kernel.execute("%flow resume").text
        kernel.execute("%flow run slow --force")
        assert "output above" not in kernel.execute("%flow why slow").text
        kernel.run("slow", CELLS["slow"].replace("'made'", "time.perf_counter_ns()"))
        kernel.execute("%flow cache clear slow")
        kernel.execute("%flow run slow --force")
        assert "output above is from an earlier run" in kernel.execute("%flow why slow").text
        kernel.run("slow", CELLS["slow"])
        kernel.execute("%flow cache clear slow")
        kernel.restart()
        for name in ("load", "numpy", "quick"):
            kernel.run(name)
        assert "reused" not in kernel.run("slow").text
        assert "reused" in kernel.run("total").text

    def test_the_command_line_beside_it(self, kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
        """Sees and clears the same store; the kernel notices."""
        monkeypatch.setenv("NBFLOW_STATE", str(kernel.folder / "state"))
        command = [sys.executable, "-m", "nbflow.cli", "cache"]
        listed = subprocess.run([*command, "ls", kernel.path], capture_output=True, text=True, check=True)
        assert "slow" in listed.stdout
        cleared = subprocess.run([*command, "clear", kernel.path], capture_output=True, text=True, check=True)
        assert "1 large value removed" in cleared.stdout
        assert "0 large values" in kernel.execute("%flow cache").text
        assert kernel.run("total", CELLS["total"] + " + 1").error == ""
        assert kernel.value("total") == "300001"


class TestNotStored:
    """Values of which only the digest is kept."""

    def test_after_a_restart(self, kernel: Kernel) -> None:
        """What is quick is computed by its cell, what was slow comes back with what it showed."""
        kernel.restart()
        for name in ("load", "numpy"):
            kernel.run(name)
        assert "not loaded: its value is not stored; run the cell" in kernel.execute("quick[0]").error
        assert "reused" not in kernel.run("quick").text
        assert "its value is not stored" in kernel.execute("%flow why quick").text
        slow = kernel.run("slow")
        assert "reused" in slow.text
        assert slow.stdout == "made\n"
        assert kernel.value("len(quick), total") == "(10000000, 300000)"

    def test_what_was_removed_to_save_space(self, kernel: Kernel) -> None:
        """Is computed again by its cell, which says so."""
        kernel.execute("import nbflow as _n; _n.session().around.store.upkeep().evict(0, grace=0.0)")
        kernel.restart()
        for name in ("load", "numpy", "quick"):
            kernel.run(name)
        assert "removed to save space" in kernel.execute("slow[0]").error
        assert "reused" not in kernel.run("slow").text
        assert "its value was removed to save space" in kernel.execute("%flow why slow").text
        assert "reused" in kernel.run("total").text


class TestBudget:
    """A limit that is smaller than what a notebook makes."""

    def test_what_names_stand_for_stays(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """All else goes when the kernel ends, and the next one is right."""
        monkeypatch.setenv("NBFLOW_SIZE_LIMIT", "3 MB")
        with Kernel(tmp_path) as kernel:
            kernel.set(**CELLS)
            kernel.run_all()
            for number in range(3):
                source = CELLS["slow"].replace("300_000", f"30{number}_000")
                assert kernel.run("slow", source).error == ""
            said = kernel.execute(
                "import nbflow as _n\n_r = _n.session().around.store.room\n"
                "_n.session().around.store.upkeep().evict(_r.limit, _r.needed(), grace=0.0)"
            )
            assert "Freed(values=" in said.text
            assert kernel.value("_n.session().around.store.room.needed() != frozenset()") == "True"
            kernel.restart()
            kernel.run("load"), kernel.run("numpy"), kernel.run("quick")
            assert "reused" in kernel.run("slow").text
            assert kernel.value("len(slow)") == "302000"
