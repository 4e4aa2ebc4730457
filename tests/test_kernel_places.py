"""Cells that come and go in a real kernel: their readers are bound to what is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.kernels import Kernel


def start(kernel: Kernel, **cells: str) -> None:
    """Open a session anew over these cells and run them."""
    kernel.execute("%unload_ext nbflow\n%reset -f")
    kernel.cells = {"load": "%load_ext nbflow", **cells}
    kernel.run_all()


DROP = {
    "raw": "raw = [1, 2, None]",
    "drop": "raw = [each for each in raw if each]",
    "count": "%%task count\ncount = len(raw)",
}


class TestGoneAndBack:
    """A cell that is deleted, emptied, or there again."""

    def test_the_only_maker(self, kernel: Kernel) -> None:
        """What reads its name waits, and what reads that; nothing fails, and undone nothing runs."""
        start(
            kernel,
            raw="#@task raw\nraw = [1, 2]",
            count="%%task count\ncount = len(raw)",
            top="%%task\ntop = count",
        )
        kernel.delete("raw")
        kernel.save()
        assert "2 waits" in kernel.execute("%flow run").text
        assert "no cell makes raw any more: put back the cell" in kernel.execute("%flow why top").text
        gone = "no cell makes raw any more: put back the cell that made it, or edit that of count"
        assert kernel.run("top").text == f"top: waits · upstream count waits: {gone}"
        kernel.insert("raw", "#@task raw\nraw = [1, 2]", before="count")
        kernel.save()
        assert "3 fresh" in kernel.execute("%flow status").text
        kernel.execute("%flow forget raw")
        assert "nothing to do" in kernel.execute("%flow run").text

    def test_deleted_and_undone(self, kernel: Kernel) -> None:
        """The reader follows both ways."""
        start(kernel, **DROP)
        assert kernel.value("count") == "2"
        kernel.delete("drop")
        kernel.run("raw")
        kernel.run("count")
        assert kernel.value("count") == "3"
        kernel.insert("drop", DROP["drop"], before="count")
        kernel.save()
        assert "stale" in kernel.execute("%flow status").text
        kernel.execute("%flow run")
        assert kernel.value("count") == "2"

    @pytest.mark.parametrize("text", ["", "%flow status"])
    def test_a_cell_without_code_writes_nothing(self, kernel: Kernel, text: str) -> None:
        """Whether it was emptied, or holds only commands of ours now."""
        start(kernel, **DROP)
        kernel.set(drop=text)
        kernel.run("raw")
        kernel.run("count")
        assert kernel.value("count") == "3"


class TestNames:
    """What tasks are called."""

    def test_two_cells_of_one_name(self, kernel: Kernel) -> None:
        """The one run last owns it; the other stays a task, and what it made stays bound."""
        start(kernel, one="%%task t\nx = [1]", two="%%task t\ny = 2", read="%%task read\nz = len(x) + y")
        assert kernel.value("z") == "3"
        assert "t_2" in kernel.execute("%flow order").text

    def test_a_task_that_was_plain_for_a_while(self, kernel: Kernel) -> None:
        """It has its name again."""
        start(kernel, cell="%%task made\nmade = 1")
        kernel.run("cell", "made = 1")
        kernel.run("cell", "%%task made\nmade = 2")
        assert kernel.execute("%flow why made").text.startswith("made: fresh")

    def test_a_forgotten_task(self, kernel: Kernel) -> None:
        """What it made is there for plain cells and for other tasks, by value."""
        start(kernel, made="%%task made\nmade = [1]")
        kernel.execute("%flow forget made")
        shown = kernel.execute("print(made)", "plain")
        assert shown.text.strip() == "[1]"
        kernel.run("read", "%%task read\nread = len(made)")
        assert kernel.value("read") == "1"

    def test_a_reader_of_a_forgotten_task(self, kernel: Kernel) -> None:
        """Its badge goes on to say what `%flow status` says."""
        start(kernel, made="%%task made\nmade = [1]", read="%%task read\nread = len(made)")
        shown = kernel.execute("%flow forget made")
        assert not [each for each in shown.updates.values() if "stale" in each["text/plain"]]
        assert "read  fresh" in kernel.execute("%flow status").text


class TestNothingIsLost:
    """Names that a body must not see come back after it."""

    def test_of_a_plain_cell_below(self, kernel: Kernel) -> None:
        """A reader that fails for want of it does not take it away."""
        start(kernel, make="model = [5]")
        kernel.insert("read", "%%task read\nread = len(model)", before="make")
        assert "NameError" in kernel.run("read").error
        assert kernel.value("model") == "[5]"

    def test_of_a_plain_cell_that_failed(self, kernel: Kernel) -> None:
        """Its reader has it, too."""
        start(kernel)
        kernel.run("make", "model = [5]\n1 / 0")
        kernel.run("read", "%%task read\nread = len(model)")
        assert kernel.value("read, model") == "(1, [5])"


class TestHandles:
    """A front end whose identifiers are those of an open editor, not of the file, as VS Code's are."""

    def test_an_edit_that_is_not_saved(self, kernel: Kernel) -> None:
        """Is an edit of the cell, not a cell behind the others; saving makes no second one."""
        kernel.handle = "vscode-notebook-cell:/home/nb.ipynb#{}"
        try:
            start(kernel, make="x = 1", read="#@task\nread = x + 1")
            kernel.saves = False
            kernel.run("make", "x = 2")
            assert "stale" in kernel.execute("%flow status").text
            kernel.run("read", "#@task\nread = x + 2")
            assert kernel.value("read") == "4"
            kernel.saves = True
            kernel.run_all()
            assert "read_2" not in kernel.execute("%flow order").text
        finally:
            kernel.handle, kernel.saves = "{}", True


class TestPicture:
    """The graph for documents."""

    def test_as_graphviz(self, kernel: Kernel) -> None:
        """Each task is a node, each name read an edge."""
        start(kernel, make="%%task make\nx = 1", read="%%task read\ny = x")
        source = kernel.value("__import__('nbflow').session().visualize().source")
        assert "make" in source
        assert "->" in source
        assert "digraph" in source


class TestOneCellAlone:
    """After a restart nothing else has to run first."""

    def test_a_plain_cell(self, kernel: Kernel) -> None:
        """What it reads of earlier tasks is there."""
        make = "%%task make\nimport json as j\ndef f(x):\n    return x + 1\ndata = [1, 2]"
        start(kernel, make=make, look="print(j.dumps(data), f(1))")
        kernel.restart()
        kernel.run("load")
        assert kernel.run("look").text.strip() == "[1, 2] 2"


class TestUnsaved:
    """Cells that the file does not have yet are placed so that they can read what they read."""

    def edit(self, kernel: Kernel, id: str, source: str) -> str:
        """Run a cell that is new or edited, as between two saves; return the error."""
        kernel.cells[id] = source
        return kernel.execute(source, id).error

    def test_a_new_task_after_an_edit_above(self, kernel: Kernel) -> None:
        """It stands behind what it reads, not behind the cell that happened to run before it."""
        start(kernel, n="N = 1", a="# @task a\na = N * 2", b="# @task b\nb = a + 1")
        assert self.edit(kernel, "n", "N = 2") == ""
        assert self.edit(kernel, "last", "# @task last\nlast = b + 1") == ""
        assert kernel.value("last") == "6"

    def test_a_forgotten_import(self, kernel: Kernel) -> None:
        """The cell put above after a failure is above when the task runs again."""
        start(kernel, n="N = 1")
        task = "# @task t\nt = math.floor(N + 0.5)"
        assert "NameError" in self.edit(kernel, "t", task)
        assert self.edit(kernel, "imports", "import math") == ""
        assert self.edit(kernel, "t", task) == ""
        assert kernel.value("t") == "1"
        kernel.cells = {"load": kernel.cells["load"], "n": "N = 1", "imports": "import math", "t": task}
        kernel.save()
        assert "fresh" in kernel.execute("%flow status").text


class TestLimits:
    """A body that reaches its limit."""

    def test_run_all_stops_there(self, kernel: Kernel) -> None:
        """Its cell fails in one line that names the limit."""
        slow = "# @task slow --timeout 0.2s\nwhile True: pass"
        start(kernel, slow=slow, after="y = 1")
        shown = kernel.run_all()
        assert len(shown) == 2
        assert (
            shown[1].error
            == "UsageError: 'slow' reached its limit of 0.2 s; raise --timeout, or see `%flow why`"
        )


class TestSession:
    """A name that holds the session itself."""

    def test_it_is_no_burden(self, kernel: Kernel) -> None:
        """Tasks below are fresh, and what the session holds is not looked through."""
        start(kernel, imports="import nbflow", s="s = nbflow.session()", t="# @task t\nt = 1")
        assert kernel.ask("nbflow.digest(s)") == kernel.ask("nbflow.digest(nbflow.session())")
        assert "fresh" in kernel.execute("%flow status").text
