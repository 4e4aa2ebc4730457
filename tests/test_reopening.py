"""Opening a run again, in a real kernel: its inputs in the names, its body in a new cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.headless import notebook_of
from tests.kernels import Kernel, Shown
from tests.lab import running_lab

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.process

CELLS = {
    "load": "%load_ext nbflow",
    "late": "LATE = 15\ndef over(x):\n    return x > LATE",
    "raw": "#@task raw\nprint('raw ran')\nraw = [3, 20, 16]",
    "flags": "# @task flags\n# which are late\nflags = [over(x) for x in raw]\nraw.append(1 / 0)",
}


class Opening(Kernel):
    """A kernel that remembers the cells that it was asked to add."""

    offered: str = ""

    def _reply(self, request: str) -> dict[str, Any]:
        content = super()._reply(request)
        for each in content.get("payload", ()):
            self.offered = each["text"]
        return content

    def open(self, what: str) -> Shown:
        """Ask for `%flow open`."""
        self.offered = ""
        return self.execute(f"%flow open {what}")


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Opening]:
    """A kernel in which the last of the cells above has failed."""
    with Opening(tmp_path) as kernel:
        kernel.set(**CELLS)
        assert kernel.run_all()[-1].error.startswith("ZeroDivisionError")
        yield kernel


class TestFailed:
    """A task that failed."""

    def test_its_inputs_and_its_body(self, kernel: Opening) -> None:
        """As it got them, whatever it has changed since; the body as the user wrote it, without header."""
        kernel.execute("raw = None")
        shown = kernel.open("flags")
        assert "what it started from is in place: over, raw, LATE" in shown.text
        assert kernel.ask("(raw, LATE, over(16))") == ([3, 20, 16], 15, True)
        assert kernel.offered == (
            "# flags, run 2\n# which are late\nflags = [over(x) for x in raw]\nraw.append(1 / 0)"
        )

    def test_of_then_and_not_of_now(self, kernel: Opening) -> None:
        """What was edited since counts for nothing; a flow run puts back what tasks have made."""
        kernel.run("late", CELLS["late"].replace("15", "1"))
        kernel.run("raw", "#@task raw\nraw = [0]")
        kernel.run("flags", "# @task flags\nflags = [over(x) for x in raw]")
        kernel.open("flags '#2'")
        assert kernel.ask("(raw, LATE)") == ([3, 20, 16], 15)
        kernel.execute("%flow run")
        assert kernel.ask("(raw, flags, LATE)") == ([0], [False], 15)

    def test_the_way_back(self, kernel: Opening) -> None:
        """Names hold again what they held, those of plain cells too."""
        kernel.run("late", CELLS["late"].replace("15", "1"))
        kernel.run("raw", "#@task raw\nraw = [0]")
        kernel.open("flags '#2'")
        kernel.execute("%flow restore latest")
        assert kernel.ask("(raw, LATE, over(16))") == ([0], 1, True)
        assert kernel.run("flags", "# @task flags\nflags = [over(x) for x in raw]").error == ""
        assert kernel.ask("flags") == [False]

    def test_after_a_restart(self, kernel: Opening) -> None:
        """Nothing runs, not even what makes its inputs, nor what made them and was edited since."""
        kernel.run("raw", "#@task raw\nraw = [0]")
        kernel.restart()
        kernel.run("load")
        shown = kernel.open("flags")
        assert "raw ran" not in shown.text
        assert kernel.ask("(raw, LATE)") == ([3, 20, 16], 15)
        assert kernel.offered.startswith("# flags, run 2\n# which are late\nflags = ")

    def test_one_that_died_with_its_kernel(self, kernel: Opening) -> None:
        """Is opened like one that failed."""
        body = "import time\nslow = sum(raw) + LATE\nprint('half way', flush=True)\ntime.sleep(60)"
        kernel.insert("slow", f"#@task slow\n{body}", before="flags")
        kernel.save()

        def kill(shown: Shown) -> None:
            if "half way" in shown.text:
                kernel.manager.signal_kernel(9)
                raise InterruptedError

        with pytest.raises(InterruptedError):
            kernel.collect(kernel.send(kernel.cells["slow"], "slow"), kill)
        kernel.restart()
        kernel.run("load")
        assert "slow, run 3: its code is in a new cell" in kernel.open("slow").text
        assert kernel.ask("(raw, LATE)") == ([3, 20, 16], 15)
        assert kernel.offered == f"# slow, run 3\n{body}"

    def test_the_new_cell_fails_as_the_task_did(self, kernel: Opening) -> None:
        """So that it can be looked into."""
        kernel.open("flags")
        assert kernel.execute(kernel.offered).error.startswith("ZeroDivisionError")
        assert kernel.ask("flags") == [False, True, True]


class TestCompleted:
    """A task that completed."""

    def test_the_inputs_of_its_last_run(self, kernel: Opening) -> None:
        """A run before that is opened by its number."""
        kernel.run("flags", "# @task flags\nflags = [over(x) for x in raw]")
        kernel.run("late", CELLS["late"].replace("15", "18"))
        kernel.run("flags")
        kernel.open("flags")
        assert kernel.ask("LATE") == 18
        kernel.open("flags '#3'")
        assert kernel.ask("LATE") == 15

    def test_one_that_was_reused(self, kernel: Opening) -> None:
        """Has the inputs of the run that it is of."""
        for late in (15, 18, 15):
            kernel.run("late", CELLS["late"].replace("15", str(late)))
            kernel.run("flags", "# @task flags\nflags = [over(x) for x in raw]")
        kernel.execute("LATE = raw = None")
        kernel.open("flags")
        assert kernel.ask("(raw, LATE)") == ([3, 20, 16], 15)


class TestItems:
    """One item of a mapped task."""

    def test_its_element(self, kernel: Opening) -> None:
        """Stands under the name that the body reads, also after a restart."""
        kernel.run("xs", "xs = [4, 0, 2]")
        kernel.run("shares", "#@task shares --map x=xs\nshares = LATE / x")
        kernel.execute("x = xs = None")
        for _ in range(2):
            kernel.open("shares[1]")
            assert kernel.ask("(x, xs, LATE)") == (0, [4, 0, 2], 15)
            assert kernel.offered == "# shares[1], run 3\nshares = LATE / x"
            kernel.restart()
            kernel.run("load")

    def test_an_item_that_there_is_not(self, kernel: Opening) -> None:
        """Has not run."""
        assert "raw[3] has not run yet" in kernel.open("raw[3]").error


class TestFunctions:
    """A task function."""

    def test_it_is_called_by_another_name(self, kernel: Opening) -> None:
        """On the values that it got; the names of the functions stay theirs."""
        kernel.run(
            "functions",
            "from nbflow import task\n@task\ndef first():\n    return 7\n"
            "@task\ndef share(first, LATE):\n    # of then\n    return first / (LATE - 15)",
        )
        kernel.run("use", "#@task use\nuse = share()")
        kernel.open("share")
        assert kernel.offered == (
            "# share, run 3\ndef open_share(first, LATE):\n    # of then\n    return first / (LATE - 15)\n"
            "open_share(first=first_value, LATE=LATE)"
        )
        assert kernel.execute(kernel.offered).error.startswith("ZeroDivisionError")
        assert kernel.ask("first_value") == 7
        assert kernel.ask("type(first).__name__") == "Task"


class TestWhatIsNotThere:
    """Inputs that cannot be had, and tasks that there are not."""

    def test_a_value_that_is_gone(self, kernel: Opening) -> None:
        """Its name holds no other: using it raises the reason."""
        kernel.run("raw", "#@task raw --persist no\nraw = [3, 20]")
        kernel.run("flags")
        kernel.restart()
        kernel.run("load")
        kernel.execute("raw = [1]")
        assert "not to be had: raw (" in kernel.open("flags").text
        assert "raw is not loaded" in kernel.execute("print(raw)").error

    def test_errors_are_one_line(self, kernel: Opening) -> None:
        """And say where to look."""
        assert kernel.open("flag").error.startswith("UsageError: there is no task 'flag'")
        assert "`%flow history flags` lists its runs" in kernel.open("flags '#9'").error
        assert "name the task" in kernel.open("").error


@pytest.mark.browser
class TestInJupyterLab:
    """Where a person sees it."""

    def test_the_body_is_a_cell_below(self, tmp_path: Path) -> None:
        """With the user's text; run there, it fails as the task did."""
        task = "# @task share\n# of the late ones\nshare = 1 / LATE"
        cells = "%load_ext nbflow", "LATE = 0", task, "%flow open share", "after = 1"
        with running_lab(tmp_path) as lab:
            path = notebook_of(lab.folder / "share.ipynb", *cells)
            with lab.opened(path) as notebook:
                for index in range(4):
                    notebook.run(index)
                notebook.cell(4).locator(".cm-content").get_by_text("# of the late ones").wait_for()
                assert notebook.count_cells() == 6
                notebook.run(4)
                shown = notebook.cell(4).locator(".jp-OutputArea")
                shown.get_by_text("ZeroDivisionError").first.wait_for()
