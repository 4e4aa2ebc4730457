"""`@task` functions in a real kernel."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.kernels import Kernel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.process

FEATURES = "@task\ndef features(raw, n=1):\n    return [n * x for x in helper(raw)]"
CELLS = {
    "load": "%load_ext nbflow",
    "imports": "from nbflow import task",
    "late": "LATE = 15",
    "helper": "def helper(x):\n    return [v for v in x if v > LATE]",
    "raw": "#@task\nraw = [3, 20, 16]",
    "features": FEATURES,
    "read": "x = features()\nx",
    "total": "#@task\ntotal = sum(features())",
}


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    """A kernel with the cells above, not run."""
    with Kernel(tmp_path) as kernel:
        kernel.set(**CELLS)
        yield kernel


def start(kernel: Kernel) -> None:
    """Run all cells as they are above."""
    assert [shown.error for shown in kernel.run_all()] == [""] * len(CELLS)


def status(kernel: Kernel) -> str:
    """The table of tasks."""
    return kernel.execute("%flow status").text


class TestReading:
    """What a user does with a task function."""

    def test_defining_schedules_nothing(self, kernel: Kernel) -> None:
        """It is shown with its wires; `%flow run` leaves it alone."""
        for id in ("load", "imports", "late", "helper", "raw", "features"):
            assert kernel.run(id).error == ""
        assert kernel.execute("features").text == "<Task features(raw, n=1), reads raw>"
        kernel.execute("%flow run")
        table = status(kernel)
        assert "stale" not in table
        assert "1 registered" in table
        assert "runs when features() is read, or by %flow run features" in table
        assert "registered" in kernel.execute("%flow why features").text
        assert "features" not in kernel.execute("%flow plan").text

    def test_what_is_only_registered_is_not_waited_for(self, kernel: Kernel) -> None:
        """Not counted as what a run had to leave, although an input of it waits; named, it runs."""
        for id in ("load", "imports", "late", "helper", "raw", "features"):
            kernel.run(id)
        assert "features" not in kernel.execute("%flow run").text
        assert "features" in kernel.execute("%flow run features").text
        assert "1 registered" not in status(kernel)

    def test_a_call_reads_it(self, kernel: Kernel) -> None:
        """In a plain cell and in a task cell; computed once."""
        start(kernel)
        assert kernel.run("read").text == "[20, 16]"
        assert kernel.value("total") == "36"
        assert kernel.execute("%flow history features").text.count("Running") == 1
        assert "stale" not in status(kernel)

    def test_a_change_of_what_it_reads(self, kernel: Kernel) -> None:
        """Makes it stale and says why; the next read brings it up to date."""
        start(kernel)
        kernel.run("late", "LATE = 18")
        assert "LATE changed: 15 → 18" in kernel.execute("%flow why features").text
        assert kernel.run("read").text == "[20]"
        assert kernel.execute("%flow run").error == ""
        assert kernel.value("total") == "20"

    def test_an_edit_of_the_function(self, kernel: Kernel) -> None:
        """Shows what was edited; an equal value stops there."""
        start(kernel)
        kernel.run("features", FEATURES.replace("n * x", "x * n"))
        why = kernel.execute("%flow why features").text
        assert "line 3 of features changed: return [n * x for x in helper(raw)] → return [x * n" in why
        assert "+    return [x * n for x in helper(raw)]" in why
        ran = kernel.execute("%flow run").text
        assert "features" in ran
        assert "total" not in ran

    def test_a_call_with_arguments(self, kernel: Kernel) -> None:
        """Is an ordinary run, and no part of the flow."""
        start(kernel)
        assert kernel.execute("features([1, 30], n=2)").text == "[60]"
        assert kernel.execute("features(raw)").text == "[20, 16]"
        assert "stale" not in status(kernel)

    def test_a_helper_that_reads(self, kernel: Kernel) -> None:
        """What it reads is up to date when the cell runs."""
        start(kernel)
        kernel.execute("def first(): return features()[0]")
        kernel.run("raw", "#@task\nraw = [50]")
        assert kernel.execute("first()").text == "50"

    def test_code_beside_the_notebook(self, kernel: Kernel) -> None:
        """A front end that asks for an expression gets the value that is up to date."""
        start(kernel)
        kernel.run("raw", "#@task\nraw = [70]")
        assert kernel.value("features()") == "[70]"

    def test_reading_where_it_is_defined(self, kernel: Kernel) -> None:
        """Says to read it in a cell below."""
        start(kernel)
        shown = kernel.execute("@task\ndef five(): return 5\nfive()")
        assert shown.error.startswith("SessionError: five() is read in the cell that defines it")

    def test_a_read_that_nobody_sees(self, kernel: Kernel) -> None:
        """Is refused rather than answered with what may be old."""
        start(kernel)
        shown = kernel.execute("globals()['features']()")
        assert "nobody saw that features() is read here" in shown.error

    def test_a_variable_may_take_its_name(self, kernel: Kernel) -> None:
        """Readers of the function above are not concerned."""
        start(kernel)
        assert kernel.execute("features = features()\nfeatures").text == "[20, 16]"
        kernel.run("late", "LATE = 18")
        assert kernel.execute("%flow run total").error == ""
        assert kernel.value("total") == "20"


class TestFailing:
    """What does not work says so."""

    def test_a_failure_reaches_who_reads(self, kernel: Kernel) -> None:
        """With the function's own error as its cause."""
        for id in ("load", "imports"):
            kernel.run(id)
        kernel.run("bad", "@task\ndef bad(k): return 1 / k")
        assert "missing 1 required positional argument: 'k'" in kernel.execute("bad()").error
        kernel.insert("k", "k = 0", before="bad")
        kernel.run("k")
        shown = kernel.execute("bad()")
        assert shown.error == "SessionError: bad() failed (ZeroDivisionError: division by zero)"
        assert "return 1 / k" in re.sub(r"\x1b\[[\d;]*m", "", shown.traceback)
        kernel.run("k", "k = 2")
        assert kernel.execute("bad()").text == "0.5"

    def test_retries(self, kernel: Kernel) -> None:
        """As many attempts as it says, shown in its history."""
        for id in ("load", "imports"):
            kernel.run(id)
        kernel.run("tries", "from pathlib import Path\nPath('tries').write_text('')")
        flaky = (
            "@task(retries=2)\ndef flaky():\n    with open('tries', 'a') as log: log.write('x')\n"
            "    import os\n    if os.stat('tries').st_size < 3: raise OSError('not yet')\n    return 'there'"
        )
        kernel.run("flaky", flaky)
        assert kernel.execute("flaky()").text == "'there'"
        assert "Retrying" in kernel.execute("%flow history flaky").text

    def test_wrong_options(self, kernel: Kernel) -> None:
        """Are named."""
        kernel.run("load")
        kernel.run("imports")
        assert "retries" in kernel.execute("@task(retires=2)\ndef f(): ...").error


class TestCells:
    """Functions come and go with their cells."""

    def test_forget(self, kernel: Kernel) -> None:
        """A call is an ordinary run then, until its cell is run again."""
        start(kernel)
        assert "no task of the flow" in kernel.execute("%flow forget features").text
        assert "missing 1 required" in kernel.execute("features()").error
        kernel.run("features")
        assert kernel.execute("features()").text == "[20, 16]"

    def test_restore(self, kernel: Kernel) -> None:
        """An earlier value is read again, as of then."""
        start(kernel)
        kernel.run("late", "LATE = 18")
        kernel.run("read")
        kernel.execute("%flow restore features -1")
        assert kernel.run("read").text == "[20, 16]"
        assert "as of" in status(kernel)
        kernel.execute("%flow restore latest")
        assert kernel.run("read").text == "[20]"

    def test_a_function_that_is_edited_away(self, kernel: Kernel) -> None:
        """Is no task any more."""
        start(kernel)
        kernel.run("features", "@task\ndef other(): return 1")
        assert "features " not in kernel.execute("%flow order").text.replace("features()", "")
        kernel.run("features", "#@task\nlast = 1")
        assert "other" not in kernel.execute("%flow order").text

    def test_a_deleted_cell(self, kernel: Kernel) -> None:
        """Takes its functions with it; who reads them waits."""
        start(kernel)
        kernel.delete("features")
        kernel.run("raw", "#@task\nraw = [90]")
        assert "waits" in status(kernel) or "stale" in status(kernel)
        assert kernel.value("total") == "36"

    def test_a_new_cell_stands_behind_the_functions_above(self, kernel: Kernel) -> None:
        """So that what it writes is no input of theirs."""
        start(kernel)
        kernel.insert("new", "raw = [100]", before="read")
        kernel.run("new")
        assert kernel.run("read").text == "[20, 16]"


class TestRestart:
    """After a restart."""

    def test_run_all_computes_nothing(self, tmp_path: Path) -> None:
        """The value comes from the store."""
        with Kernel(tmp_path) as kernel:
            kernel.set(
                **{**CELLS, "features": FEATURES.replace("    return", "    print('ran')\n    return")}
            )
            kernel.run_all()
            kernel.restart()
            kernel.run_all()
            assert "reused" in status(kernel)
            assert kernel.value("x") == "[20, 16]"
            assert kernel.execute("%flow history features").text.count("Running") == 1

    def test_one_cell_alone(self, tmp_path: Path) -> None:
        """A remembered function gives its value to who reads it."""
        with Kernel(tmp_path) as kernel:
            kernel.set(**CELLS)
            kernel.run_all()
            kernel.restart()
            kernel.run("load")
            assert kernel.run("total").error == ""
            assert kernel.value("total") == "36"
            assert "features" in status(kernel)

    def test_a_kernel_without_nbflow_loaded(self, tmp_path: Path) -> None:
        """A task is its function."""
        with Kernel(tmp_path) as kernel:
            kernel.execute("from nbflow import task")
            kernel.execute("@task\ndef five(n=5): return n")
            assert kernel.execute("five()").text == "5"
            assert kernel.execute("five").text == "<Task five(n=5)>"
            kernel.execute("%load_ext nbflow")
            assert kernel.execute("five() + 1").text == "6"
            assert "five" in status(kernel)
            kernel.execute("%unload_ext nbflow")
            assert kernel.execute("five()").text == "5"
