"""Cells that are mapped over a list, in a real kernel."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.kernels import Kernel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.process

CELLS = {
    "load": "%load_ext nbflow",
    "years": "years = [1999, 2000]",
    "sizes": "#@task sizes --map year=years\nprint('counting', year)\nsize = 1 / (year - 2001)",
    "total": "#@task total\ntotal = sum(size)",
}


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    """A kernel with the cells above, all run."""
    with Kernel(tmp_path) as kernel:
        kernel.set(**CELLS)
        kernel.run_all()
        yield kernel


class TestMap:
    """`--map year=years`."""

    def test_each_element_has_a_run_and_an_item(self, kernel: Kernel) -> None:
        """The badge is that of any task; the history counts them, that of the run lists them."""
        assert kernel.value("list(size)") == "[-0.5, -1.0]"
        assert kernel.value("'year' in globals()") == "False"
        assert "sizes: fresh" in kernel.run("sizes").text
        assert "Mapped" in kernel.execute("%flow history sizes").text
        every = kernel.execute("%flow history").text
        assert "(2 items)" in every
        assert "sizes[1]" not in every
        assert "sizes[1]" in kernel.execute("%flow history #1").text

    def test_a_changed_list_computes_its_new_items_only(self, kernel: Kernel) -> None:
        """What the others showed is shown again when all of it is reused."""
        shown = kernel.run("years", "years = [2000, 2002]")
        shown = kernel.run("sizes")
        assert "counting 2002" in shown.text
        assert "counting 2000" not in shown.text
        assert kernel.value("list(size)") == "[-1.0, 1.0]"
        again = kernel.run("sizes")
        assert again.text.index("counting 2000") < again.text.index("counting 2002")

    def test_the_traceback_names_the_item(self, kernel: Kernel) -> None:
        """Below the lines of the cell; of several the first, with how many there are."""
        kernel.run("years", "years = [1999, 2001]")
        assert kernel.run("sizes").traceback.splitlines()[-1] == "in item [1] (year = 2001)"
        kernel.run("years", "years = [2001, 1999, 2001 + 0.0]")
        assert kernel.run("sizes").traceback.endswith("\nin 2 of 3 items, first [0] (year = 2001)")
        assert kernel.run("after", "#@task after\nafter = 1 / 0").traceback.endswith("division by zero")

    def test_after_a_restart_nothing_runs(self, kernel: Kernel) -> None:
        """The values come back, and a cell below them is fresh."""
        kernel.restart()
        shown = dict(zip(CELLS, kernel.run_all(), strict=True))
        assert "reused" in shown["sizes"].text
        assert kernel.value("list(size)") == "[-0.5, -1.0]"

    def test_a_failed_item_fails_its_cell(self, kernel: Kernel) -> None:
        """The error is that of the item, and the state names it."""
        kernel.run("years", "years = [2000, 2001]")
        shown = kernel.run("sizes")
        assert "ZeroDivisionError" in shown.error
        assert kernel.value("size[0]") == "-1.0"
        assert "[1]" in kernel.execute("%flow history sizes").text

    @pytest.mark.parametrize("where", ["", " --runner thread"])
    def test_which_item_failed_is_said(self, kernel: Kernel, where: str) -> None:
        """With its element, in badge, status, the line of a run and `why`; of several, the first."""
        kernel.run("years", "years = [2000, 2001]")
        shown = kernel.run("sizes", CELLS["sizes"].replace(" --map", f"{where} --map"))
        error = "item [1] (year = 2001): ZeroDivisionError: division by zero"
        assert f"sizes: failed · {error}" in shown.text
        for command in ("status", "run", "why sizes"):
            assert error in kernel.execute(f"%flow {command}").text
        kernel.run("years", "years = [2001, 2000, '2001']")
        told = "failed · 2 of 3 items, first [0] (year = 2001): ZeroDivisionError: division by zero"
        assert told in kernel.run("sizes").text

    def test_times_are_of_what_ran(self, kernel: Kernel) -> None:
        """What reused items saved is told beside it."""
        kernel.run("years", "years = [2000, 2002]")
        shown = kernel.execute("%flow run sizes")
        assert re.search(r"1 task ran, \d+ ms, \d+ ms saved", shown.text)
        badge = next(each["text/plain"] for each in shown.updates.values())
        assert re.search(r"sizes: fresh · .*ran in \d+ ms, saved \d+ ms", badge)
        kernel.run("years", "years = [2005, 2006]")
        assert "saved" not in kernel.execute("%flow run sizes").text.splitlines()[0]

    @pytest.mark.parametrize("where", ["", " --runner thread", " --runner process"])
    def test_a_name_from_before_nbflow_watched(self, kernel: Kernel, where: str) -> None:
        """A failed item may bind it as any other, and tools bind theirs."""
        kernel.execute("%unload_ext nbflow")
        kernel.execute("early = 0")
        kernel.run("load")
        kernel.run("years", "years = [2000, 2001]")
        task = f"#@task early{where} --map year=years\nearly = 1 / (year - 2001)"
        assert "ZeroDivisionError" in kernel.run("early", task).error
        kernel.client.execute("tool = 1", silent=True, store_history=False)
        for _ in range(2):
            assert kernel.run("more", "#@task more\nmore = 1").error == ""
        assert kernel.value("early[0]") == "-1.0"

    @pytest.mark.parametrize("key", ["7", "1999.5"])
    def test_an_item_that_is_not_there(self, kernel: Kernel, key: str) -> None:
        """One error below the line that has asked for it, in a plain cell and in a task."""
        for source in (f"one = size[{key}]", f"#@task one\none = size[{key}]"):
            shown = kernel.run("one", source)
            assert "Error: " in shown.error
            assert "one = size[" in shown.traceback
            assert "map_result.py" not in shown.traceback
            assert "During handling" not in shown.traceback

    def test_what_cannot_be_mapped_is_said_in_a_line(self, kernel: Kernel) -> None:
        """Both in the header and by the values."""
        assert "x=xs" in kernel.run("sizes", "#@task sizes --map year\nsize = year").error
        kernel.run("years", "years = {1: 2}")
        assert "dictionary years" in kernel.run("sizes", CELLS["sizes"]).error
