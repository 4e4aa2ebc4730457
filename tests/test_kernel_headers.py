"""Headers that say what is compared, read and written, in a real kernel."""

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
    "engine": "class Engine:\n    def __reduce__(self): raise TypeError('no')\nengine = Engine()",
    "rows": "#@task rows --ignore engine\nrows = [1, 2] if engine else []",
    "total": "#@task total\ntotal = sum(rows)",
    "copies": "#@task copies --files 'in/*.txt' --writes 'out/*.txt'\nimport subprocess\n"
    "copies = subprocess.run('mkdir -p out; cd out; cat ../in/* > all.txt', shell=True).returncode",
}


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    """A kernel with the cells above, all run; two files lie beside the notebook."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("a")
    with Kernel(tmp_path) as kernel:
        kernel.begin(**CELLS)
        yield kernel


class TestHeaders:
    """A notebook whose headers say what no analysis finds."""

    def test_an_ignored_connection_costs_no_second_run(self, kernel: Kernel) -> None:
        """Not even in another kernel; the result says that it is as of another one."""
        kernel.restart()
        shown = dict(zip(CELLS, kernel.run_all(), strict=True))
        assert "engine is another now, and not compared" in shown["rows"].text
        assert "rows: as of" in shown["rows"].text
        assert "total: as of" in shown["total"].text
        assert "Running" not in kernel.execute("%flow history rows").text.splitlines()[1]

    def test_declared_files_count(self, kernel: Kernel, tmp_path: Path) -> None:
        """Changed, new, and missing ones; what is written comes back."""
        assert "copies  fresh" in kernel.execute("%flow status").text
        (tmp_path / "in" / "b.txt").write_text("b")
        assert "copies  stale" in kernel.execute("%flow status").text
        kernel.execute("%flow run")
        assert (tmp_path / "out" / "all.txt").read_text() == "ab"
        assert "copies  fresh" in kernel.execute("%flow status").text
        (tmp_path / "out" / "all.txt").unlink()
        assert "all.txt is missing" in kernel.execute("%flow why copies").text

    def test_help_and_completion_have_all_of_them(self, kernel: Kernel) -> None:
        """A wrong one is told in a line."""
        told = kernel.execute("print(get_ipython().find_cell_magic('task').__doc__)").stdout
        for flag in ("--ignore", "--inputs", "--outputs", "--files", "--writes", "--no-cache"):
            assert f"  {flag}" in told
        assert "--cache-policy EXPR" in told
        assert "--cache-validator EXPR" in told
        error = kernel.run("total", "#@task total --cache-policy INPUTS\ntotal = 1").error
        assert error.startswith("UsageError: --cache-policy: 'INPUTS' leaves out the code")

    @pytest.mark.parametrize("name", ["rows", "total"])
    def test_after_names_other_tasks(self, kernel: Kernel, name: str) -> None:
        """A cell is told of the tasks that there are besides itself, and cannot come after itself."""
        shown = kernel.run(name, f"#@task {name} --after nosuch\n{name} = 1")
        others = {"copies", "rows", "total"} - {name}
        assert shown.error.endswith(f"there is no task 'nosuch'; tasks: {', '.join(sorted(others))}")
        assert (
            "no task comes after itself"
            in kernel.run(name, f"#@task {name} --after {name}\n{name} = 1").error
        )


def test_a_file_that_is_left_open(kernel: Kernel) -> None:
    """Its reader is told who has left it so, and what to do; that helps."""
    kernel.run("log", "log = open('log.txt', 'w')\nlog.write('a')")
    told = r"log\.txt was still open when cell \[\d+\] had run: close it, and run that again"
    assert re.search(told, kernel.run("seen", "#@task seen\nseen = open('log.txt').read()").text)
    kernel.execute("log.close()")
    kernel.run("log", "with open('log.txt', 'w') as log:\n    log.write('a')")
    assert "seen: fresh" in kernel.run("seen").text
