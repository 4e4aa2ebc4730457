"""`%flow run --background`, in a real kernel."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.kernels import PATIENCE, Kernel, Shown

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
        rest(kernel)
    return status


def rest(kernel: Kernel) -> None:
    """Let some time pass in which bodies in the background go on."""
    kernel.execute("threading.Event().wait(0.1)")


def told(kernel: Kernel, shown: Shown) -> str:
    """What the line of the run says once it has ended, which may be while the cell runs that showed this."""
    updates = shown.updates
    while not any(id.startswith("nbflow-background") for id in updates):
        message = kernel.client.get_iopub_msg(timeout=PATIENCE)
        if message["msg_type"] == "update_display_data":
            updates[message["content"]["transient"]["display_id"]] = message["content"]["data"]
    return str(next(data for id, data in updates.items() if id.startswith("nbflow-background")))


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
        assert "kept in the history, as meanwhile: LATE changed: 15 → 30" in told(
            kernel, kernel.execute(GO_ON)
        )
        assert "2 stale" in kernel.execute("%flow status").text
        assert kernel.value("'below' in globals()") == "False"
        assert "LATE changed: 15 → 30" in kernel.execute("%flow why slow").text
        kernel.execute("%flow run")
        assert kernel.value("below") == "[30, 30]"

    def test_a_cell_that_wants_the_same_waits(self, kernel: Kernel) -> None:
        """Its body runs once."""
        kernel.execute("threading.Timer(1.0, threading.gate.set).start()")
        assert kernel.run("slow", CELLS["slow"].replace(" --defer", "")).error == ""
        assert kernel.value("slow") == "15"
        assert "2 fresh" in ended(kernel)
        assert kernel.execute("%flow history slow").text.count("Running") == 1

    def test_what_is_told_of_who_waited(self, kernel: Kernel) -> None:
        """It has saved nothing; the run in the background says under its own number what it ran, and why."""
        kernel.execute("%flow cancel")
        kernel.execute("threading.last = threading.Event()")
        kernel.run("below", "#@task below --defer\nthreading.last.wait(60)\nbelow = [slow, slow]")
        begun = re.search(r"run #(\d+) goes on", kernel.execute("%flow run --background").text)
        assert begun is not None
        kernel.execute("threading.Timer(1.0, threading.gate.set).start()")
        shown = kernel.execute("%flow run slow").text
        assert f"waited for run {begun[1]}" in shown
        assert "saved" not in shown
        assert f"run {begun[1]} · 2 tasks ran" in told(kernel, kernel.execute("threading.last.set()"))
        assert "reuse saved" not in ended(kernel)


class TestItsEnd:
    """How it ends, and what is refused."""

    def test_cancel(self, kernel: Kernel) -> None:
        """Every run ends, and what is done stays."""
        shown = kernel.execute("%flow cancel")
        assert "was cancelled" in shown.text
        assert "1 stopped · 1 not run" in str(shown.updates)
        assert "1 cancelled" in kernel.execute("%flow status").text
        assert "nothing runs in the background" in kernel.execute("%flow cancel").text
        kernel.execute(GO_ON)
        kernel.execute("%flow run")
        assert kernel.value("below") == "[15, 15]"

    def test_stop_that_comes_late(self, kernel: Kernel) -> None:
        """It ends no run but the one that it was meant for."""
        late = "nbflow.session().background.end()\nnbflow.session().background.cancel()"
        assert "2 tasks to go" in kernel.execute(f"{late}\n%flow run --background").text
        kernel.execute(GO_ON)
        assert "2 fresh" in ended(kernel)

    def test_a_failure(self, kernel: Kernel) -> None:
        """Is told as one of any other run is."""
        kernel.execute("%flow cancel")
        kernel.execute(GO_ON)
        kernel.run("bad", "#@task bad --defer\nbad = 1 / (slow - slow)")
        kernel.run("behind", "%flow run --background")
        assert "1 failed" in ended(kernel)
        told = kernel.execute("%flow why bad").text
        assert "last run failed: ZeroDivisionError: division by zero" in told

    def test_at_once(self, kernel: Kernel) -> None:
        """Where nothing has to be waited for, its line says at once what it did, and what it may not do."""
        kernel.execute("%flow cancel")
        kernel.execute(GO_ON)
        kernel.execute("%flow run")
        assert "nothing to do, everything is up to date" in kernel.execute("%flow run --background").text
        kernel.run("plain", CELLS["plain"].replace("15", "30"))
        kernel.execute("%flow run")
        kernel.run("plain", CELLS["plain"])
        assert "2 reused" in kernel.execute("%flow run --background").text
        kernel.run("send", "#@task send --defer --effect\nsend = below")
        told = kernel.execute("%flow run --background send").text
        assert "send was not run in the background: what it does outside must not happen twice" in told

    def test_what_it_cannot_bring_up_to_date(self, tmp_path: Path) -> None:
        """A task that hangs on a plain cell stays as it is, and is not said to be up to date."""
        with Kernel(tmp_path) as kernel:
            kernel.begin(
                load="%load_ext nbflow",
                params="%%params\nlimit = 1",
                raw="#@task raw\nraw = [1, 2]",
                some="some = [x for x in raw if x > limit]",
                total="#@task total\ntotal = sum(some)",
            )
            kernel.run("params", "%%params\nlimit = 0")
            told = kernel.execute("%flow run --background").text
            assert told.startswith("nothing to do, but not up to date: total")
            assert "1 task ran" in kernel.execute("%flow run").text

    def test_what_shows_only_as_it_runs(self, kernel: Kernel) -> None:
        """A body that may not run there has not failed; what it waits for is no task to go."""
        kernel.execute("%flow cancel")
        kernel.execute(GO_ON)
        kernel.run("lock", "#@task lock --defer\nlock = threading.Lock()")
        kernel.run("use", "#@task use --defer\nuse = str(lock)")
        kernel.run("alone", "#@task alone --defer\nalone = threading.Lock()")
        kernel.run("send", "#@task send --defer --effect\nsend = below")
        shown = kernel.run("behind", "%flow run --background")
        assert "5 tasks to go: slow, below, lock, use, alone;" in shown.text
        line = told(kernel, shown)
        assert "lock was not run in the background: lock cannot be compared" in line
        assert "what it made can be neither stored nor handed over" in line
        assert "failed" not in kernel.execute("%flow why lock").text

    def test_one_at_a_time(self, kernel: Kernel) -> None:
        """And never inline, nor with plain cells."""
        assert "goes on in the background" in kernel.execute("%flow run --background").error
        kernel.execute("%flow cancel")
        for name in ("inline", "process"):
            told = f"--background runs task cells in threads; leave out --runner {name}"
            assert told in kernel.execute(f"%flow run --background --runner {name}").error
        assert "leave out --plain" in kernel.execute("%flow run --background --plain").error

    def test_from_python(self, kernel: Kernel) -> None:
        """`session().run(background=True)`."""
        kernel.execute("nbflow.session().cancel()")
        kernel.execute(GO_ON)
        kernel.run("again", "nbflow.session().run('slow', background=True)")
        assert "1 fresh" in ended(kernel)
        assert kernel.value("slow") == "15"


class TestWhere:
    """The cell that it stands in."""

    @pytest.mark.parametrize("line", ["", "%matplotlib inline\n"])
    def test_behind_the_code_of_a_plain_cell(self, tmp_path: Path, line: str) -> None:
        """What reads the names of that cell runs in the background, too."""
        with Kernel(tmp_path) as kernel:
            kernel.begin(load="%load_ext nbflow\nimport threading", plain="LATE = 15")
            kernel.run("reader", "#@task reader\nreader = LATE")
            kernel.run("plain", f"LATE = 30\n{line}%flow run --background")
            assert "1 fresh" in ended(kernel)
            assert kernel.ask("reader") == 30
            assert "1 same" in kernel.execute("%flow audit").text

    def test_not_behind_a_helper_that_calls_ipython(self, tmp_path: Path) -> None:
        """Who calls it has to run on the notebook's names."""
        with Kernel(tmp_path) as kernel:
            kernel.begin(load="%load_ext nbflow\nimport threading", plain="def said(x):\n    !echo {x}")
            kernel.run("reader", "#@task reader --defer\nsaid(1)\nreader = 1")
            assert (
                "it calls IPython"
                in kernel.run("plain", "def said(x):\n    !echo {x}\n%flow run --background").text
            )

    @pytest.mark.parametrize("line", ["%flow run", "import nbflow; nbflow.session().run()"])
    def test_not_in_a_cell_of_parameters(self, kernel: Kernel, line: str) -> None:
        """It says where it belongs; it had been left out without a word."""
        shown = kernel.run("params", f"# @params\nyear = 2013\n{line}")
        assert "cannot run inside params" in shown.error
        assert "give it a cell of its own" in shown.error


class TestPause:
    """`%flow pause`: what runs ends, what would start next waits."""

    def test_pause_and_resume(self, kernel: Kernel) -> None:
        """The line of the run, the status and the history say how it stands."""
        shown = kernel.execute("%flow pause")
        assert shown.text == (
            "run #1 is paused in the background, 2 tasks to go: slow, below; slow runs to its end; "
            "`%flow resume` goes on with it, `%flow cancel` ends it"
        )
        assert "is paused" in str(shown.updates)
        kernel.execute(GO_ON)
        said = "run #1 is paused in the background, 1 task to go: below; `%flow resume`"
        assert any(said in kernel.execute("%flow status").text or rest(kernel) for _ in range(200))
        assert kernel.execute("%flow history below").text.count("Running") == 0
        resumed = kernel.execute("%flow resume")
        assert resumed.text.startswith(("run #1 goes on in the background, 1 task", "run #1 has ended"))
        assert "2 fresh" in ended(kernel)
        assert kernel.value("below") == "[15, 15]"

    def test_what_would_wait_for_it(self, kernel: Kernel) -> None:
        """Says so at once, and nothing waits for ever; other cells run."""
        kernel.execute("%flow pause")
        kernel.execute(GO_ON)
        kernel.run("other", "#@task other\nother = LATE + 1")
        assert kernel.value("other") == "16"
        for line in ("%flow run", CELLS["below"].replace(" --defer", "")):
            error = kernel.execute(line, "" if line.startswith("%") else "below").error
            assert "nothing was run, as it would wait: run #1 is paused in the background" in error
        kernel.execute("%flow resume")
        kernel.execute("%flow run")
        assert kernel.value("below") == "[15, 15]"

    def test_cancel(self, kernel: Kernel) -> None:
        """Ends it while it is paused."""
        kernel.execute("%flow pause")
        assert "run #1 was cancelled" in kernel.execute("%flow cancel").text
        kernel.execute(GO_ON)
        kernel.execute("%flow run")
        assert kernel.value("below") == "[15, 15]"

    def test_where_none_goes_on(self, kernel: Kernel) -> None:
        """It says so; `%flow resume` runs what waits for a person, as ever."""
        kernel.execute("%flow cancel")
        kernel.execute(GO_ON)
        said = "nothing runs in the background, so that there is nothing to pause"
        assert kernel.execute("%flow pause").text == said
        kernel.run("ask", "#@task ask --manual\nask = 1")
        kernel.execute("%flow resume")
        assert kernel.value("ask") == "1"

    def test_a_task_that_waits_for_a_person(self, kernel: Kernel) -> None:
        """Is resumed by its name, while the run stays paused."""
        kernel.run("ask", "#@task ask --manual\nask = 1")
        kernel.execute("%flow pause")
        kernel.execute("%flow resume ask")
        assert kernel.value("ask") == "1"
        assert "is paused" in kernel.execute("%flow status").text

    def test_from_python(self, kernel: Kernel) -> None:
        """`session().pause()` and `session().resume()`."""
        assert "is paused" in kernel.execute("nbflow.session().pause()").text
        kernel.execute(GO_ON)
        kernel.execute("nbflow.session().resume()")
        assert "2 fresh" in ended(kernel)


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
