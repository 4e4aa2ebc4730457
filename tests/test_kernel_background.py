"""`%flow run --background`, in a real kernel."""

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
    "gate": "import threading, nbflow\nthreading.gate = threading.Event()",
    "plain": "LATE = 15",
    "slow": "#@task slow --defer\nprint('slowly')\nthreading.gate.wait(60)\nslow = LATE",
    "below": "#@task below --defer\nbelow = [slow, slow]",
}
GO_ON = "threading.gate.set()"


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    """A kernel in which a run goes on in the background."""
    with Kernel(tmp_path, asks=True) as kernel:
        kernel.set(**CELLS)
        assert [each.error for each in kernel.run_all()] == [""] * len(CELLS)
        shown = kernel.run("flow", "%flow run --background")
        assert "goes on in the background, 2 tasks to go: slow, below" in shown.text
        yield kernel


def ended(kernel: Kernel) -> str:
    """What `%flow status` says once the run has ended."""
    for _ in range(200):
        status = kernel.execute("%flow status").text
        if "in the background" not in status:
            return status
        kernel.execute("threading.Event().wait(0.1)")
    return status


class TestMeanwhile:
    """The notebook goes on."""

    def test_plain_cells_run_and_results_are_taken_over(self, kernel: Kernel) -> None:
        """The status tells how far it is; names are bound between two cells, when it has ended."""
        assert kernel.value("LATE + 1") == "16"
        status = kernel.execute("%flow status").text
        assert "Running" in status or "running" in status
        assert kernel.value("'slow' in globals()") == "False"
        kernel.execute(GO_ON)
        assert "2 fresh" in ended(kernel)
        assert kernel.value("below[0] is below[1], below, slow") == "(True, [15, 15], 15)"
        assert kernel.run("slow", CELLS["slow"].replace(" --defer", "")).texts[:1] == ["slowly\n"]

    def test_an_edit_meanwhile_counts(self, kernel: Kernel) -> None:
        """What the run made of the value before is history, and a hit when that is back."""
        kernel.run("plain", CELLS["plain"].replace("15", "30"))
        kernel.execute(GO_ON)
        assert "2 stale" in ended(kernel)
        assert kernel.value("'below' in globals()") == "False"
        kernel.execute("%flow run")
        assert kernel.value("below") == "[30, 30]"

    def test_a_cell_that_wants_the_same_waits(self, kernel: Kernel) -> None:
        """Its body runs once."""
        kernel.execute("threading.Timer(1.0, threading.gate.set).start()")
        assert kernel.run("slow", CELLS["slow"].replace(" --defer", "")).error == ""
        assert kernel.value("slow") == "15"
        assert "2 fresh" in ended(kernel)
        assert kernel.execute("%flow history slow").text.count("Running") == 1


class TestItsEnd:
    """How it ends, and what is refused."""

    def test_cancel(self, kernel: Kernel) -> None:
        """Every run ends, and what is done stays."""
        assert "was cancelled" in kernel.execute("%flow cancel").text
        assert "1 cancelled" in kernel.execute("%flow status").text
        assert "nothing runs in the background" in kernel.execute("%flow cancel").text
        kernel.execute(GO_ON)
        kernel.execute("%flow run")
        assert kernel.value("below") == "[15, 15]"

    def test_one_at_a_time(self, kernel: Kernel) -> None:
        """And never inline, nor with plain cells."""
        assert "goes on in the background" in kernel.execute("%flow run --background").error
        kernel.execute("%flow cancel")
        for name in ("inline", "process"):
            told = f"--runner {name} runs task cells inline, which --background never does"
            assert told in kernel.execute(f"%flow run --background --runner {name}").error
        assert "leave out --plain" in kernel.execute("%flow run --background --plain").error

    def test_from_python(self, kernel: Kernel) -> None:
        """`session().run(background=True)`."""
        kernel.execute("nbflow.session().cancel()")
        kernel.execute(GO_ON)
        kernel.run("again", "nbflow.session().run('slow', background=True)")
        assert "1 fresh" in ended(kernel)
        assert kernel.value("slow") == "15"


class TestGlobalRandomStates:
    """Whoever moves one, all share it."""

    def test_a_cell_that_draws_meanwhile_has_to_run_again(self, kernel: Kernel) -> None:
        """Nobody can tell what it has drawn from; what reads it waits and says so."""
        drawing = "import random\nrandom.seed(3)\nfirst = random.random()"
        kernel.run("draw", drawing)
        kernel.run("use", "#@task use\nuse = first")
        assert "bodies ran in the background meanwhile" in kernel.execute("%flow why use").text
        kernel.execute(GO_ON)
        ended(kernel)
        kernel.run("draw", drawing)
        kernel.run("use", "#@task use\nuse = first")
        assert "3 fresh" in kernel.execute("%flow status").text

    def test_a_task_that_draws_meanwhile_is_no_hit_later(self, kernel: Kernel) -> None:
        """What it has drawn is not found again, in no kernel: its body runs once more."""
        kernel.run("seed", "import random\nrandom.seed(3)")
        drawing = "#@task drawn\ndrawn = random.random()"
        kernel.run("drawn", drawing)
        kernel.execute(GO_ON)
        ended(kernel)
        kernel.run("seed")
        kernel.run("drawn", drawing)
        assert kernel.execute("%flow history drawn").text.count("Running") == 2
        assert "3 fresh" in kernel.execute("%flow status").text
