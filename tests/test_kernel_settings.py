"""Settings of libraries in a real kernel: the styles of figures, and how tables look."""

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
    "imports": "import numpy as np\nimport pandas as pd\nimport matplotlib.pyplot as plt",
    "style": "plt.style.use('ggplot')\npd.set_option('display.max_rows', 8)\nnp.seterr(under='warn')",
    "frame": "#@task frame\nframe = pd.DataFrame({'x': range(30)})",
    "rows": "#@task rows\nrows = len(frame)",
    "table": "#@task table\nframe",
    "figure": "#@task figure\nframe.plot()\nprint(plt.rcParams['axes.grid'])",
}
TASKS = ("frame", "rows", "table", "figure")


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    """A kernel in which the cells above ran."""
    with Kernel(tmp_path) as kernel:
        kernel.set(**CELLS)
        assert ran(kernel) == list(TASKS)
        yield kernel


def ran(kernel: Kernel) -> list[str]:
    """Run all cells; which tasks ran."""
    shown = dict(zip(kernel.cells, kernel.run_all(), strict=True))
    assert [each.error for each in shown.values()] == [""] * len(shown)
    return [task for task in TASKS if "reused" not in shown[task].text]


class TestSettings:
    """A cell that sets libraries is edited, and all cells are run."""

    def test_a_figure(self, kernel: Kernel) -> None:
        """Another style draws it anew, and nothing else; also after a restart, and by undoing the edit."""
        assert ran(kernel) == []
        kernel.set(style=CELLS["style"].replace("'ggplot'", "'bmh'"))
        kernel.run("style")
        told = kernel.execute("%flow why figure").text
        assert re.search(
            r"matplotlib's setting axes\.axisbelow \(and \d+ more\) is another: True → line \(cell", told
        )
        assert ran(kernel) == ["figure"]
        assert ran(kernel) == []
        kernel.restart()
        assert ran(kernel) == []
        kernel.set(style=CELLS["style"])
        assert ran(kernel) == []

    def test_a_table(self, kernel: Kernel) -> None:
        """How tables look counts for what has shown one."""
        kernel.set(style=CELLS["style"].replace("8", "4"))
        kernel.run("style")
        assert (
            "pandas display's setting display.max_rows is another: 8 → 4"
            in kernel.execute("%flow why table").text
        )
        assert ran(kernel) == ["table", "figure"]
        assert ran(kernel) == []

    def test_one_that_a_task_makes(self, kernel: Kernel) -> None:
        """It is there for those below also where the task is reused in a new kernel."""
        kernel.set(style="#@task style\nplt.rcParams['axes.grid'] = True", figure=f"{CELLS['figure']}\n1")
        assert kernel.run_all()[-1].stdout == "True\n"
        kernel.restart()
        kernel.set(figure=CELLS["figure"] + "\n2")
        shown = dict(zip(kernel.cells, kernel.run_all(), strict=True))
        assert "reused" in shown["style"].text
        assert shown["figure"].stdout == "True\n"

    def test_a_cell_that_sets_what_stands_already(self, tmp_path: Path) -> None:
        """In a new kernel, where the task above it has not run yet: it hangs on what that one leaves."""
        cells = {
            "load": "%load_ext nbflow",
            "imports": "import pandas as pd\npd.set_option('display.max_rows', 8)",
            "sets": "#@task sets\npd.set_option('display.precision', 2)",
            "resets": "pd.reset_option('display.precision')",
            "table": "#@task table\npd.Series([1.23456])",
        }
        with Kernel(tmp_path) as kernel:
            kernel.set(**cells)
            kernel.run_all()
            kernel.restart()
            shown = [kernel.run(cell) for cell in ("load", "imports", "resets", "table")]
            assert "table: stale" in shown[-1].text
            kernel.execute("%flow run")
            text = kernel.run("table").text
            assert "1.23456" in text
            assert "table: fresh" in text


class TestInContextsOfTheirOwn:
    """Cells that await, and what a page asks for, run in context variables of their own."""

    def test_what_a_page_asks_for(self, tmp_path: Path) -> None:
        """What a task sets that runs by a button is set for the cells below."""
        with Kernel(tmp_path) as kernel:
            kernel.run("load", "%load_ext nbflow\nimport numpy as np")
            kernel.run("sets", "#@task sets --defer\n_ = np.seterr(divide='raise')\nsets = 1")
            session = "__import__('nbflow').session()"
            act = f"{session}.live._own._subject.act({{'do': 'run'}})"
            kernel.ask(f"__import__('contextvars').copy_context().run(lambda: {act})")
            assert kernel.run("plain", "print(np.geterr()['divide'])").stdout == "raise\n"
            kernel.run("plain", "_ = np.seterr(divide='ignore')")
            kernel.ask(f"__import__('contextvars').copy_context().run(lambda: {act})")
            assert kernel.run("below", "print(np.geterr()['divide'])").stdout == "ignore\n"

    def test_one_that_awaits_itself(self, tmp_path: Path) -> None:
        """What it sets is lost with its context, also when it is run once more below others."""
        cells = {
            "load": "%load_ext nbflow",
            "imports": "import numpy as np, asyncio",
            "raises": "_ = np.seterr(divide='raise')",
            "awaits": "await asyncio.sleep(0)\n_ = np.seterr(divide='ignore')",
            "task": "#@task task\ntask = np.geterr()['divide']",
            "prints": "_ = np.seterr(divide='print')",
        }
        with Kernel(tmp_path) as kernel:
            kernel.set(**cells)
            kernel.run_all()
            kernel.run("awaits")
            kernel.execute("%flow run")
            assert kernel.ask("task") == "raise"
            assert kernel.run("task").error == ""
            assert kernel.ask("task") == "raise"

    def test_what_a_task_sets_is_set_below_it(self, tmp_path: Path) -> None:
        """For cells of every kind, until one sets it anew; also when it is reused, and after a restart."""
        cells = {
            "load": "%load_ext nbflow",
            "imports": "import numpy as np, asyncio",
            "waits": "#@task waits\nawait asyncio.sleep(0)\nwaits = 1",
            "sets": "#@task sets\nnp.seterr(divide='raise')\nsets = waits",
            "awaits": "await asyncio.sleep(0)",
            "plain": "print(np.geterr()['divide'])",
            "task": "#@task task\ntask = np.geterr()['divide'], sets",
            "again": "_ = np.seterr(divide='ignore')",
            "last": "print(np.geterr()['divide'])",
        }
        with Kernel(tmp_path) as kernel:
            kernel.set(**cells)
            for turn in range(3):
                shown = dict(zip(cells, kernel.run_all(), strict=True))
                told = [shown[id].stdout for id in ("plain", "last")]
                assert (told, kernel.ask("task")) == (["raise\n", "ignore\n"], ("raise", 1))
                assert ("reused" in shown["sets"].text) is (turn > 0)
                if turn == 1:
                    kernel.restart()
