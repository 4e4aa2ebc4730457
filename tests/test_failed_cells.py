"""What a plain cell that fails leaves behind: values for whoever reads them, and doubts about these."""

from __future__ import annotations

import pytest

from nbflow.testing import Notebook
from nbflow.types import Cause
from tests.cells import causes, change, kept, opened, root_cause, values, verdicts

BOX = "box = [1]"
COPY = "t = list(box)"
TASKS = "from nbflow import flow, task\nDATA = [1, 2]"
EXTRACT = "@task\ndef extract(x, data=DATA):\n    return data[x]"
ETL = "@flow\ndef etl(x):\n    return extract(x)"


class TestValues:
    """A reader's own cell runs on the values as they are, as in Jupyter."""

    @pytest.mark.parametrize(
        ("fails", "seen"),
        [
            ("box.append(1 / 0)", [1]),
            ("box.append(2)\n1 / 0", [1, 2]),
            ("box = [*box, 2]\n1 / 0", [1, 2]),
            ("box = 1 / 0", [1]),
            ("def more(): box.append(2)\nmore()\n1 / 0", [1, 2]),
            ("same = box\nsame.append(2)\n1 / 0", [1, 2]),
        ],
    )
    def test_of_names_that_it_may_change(self, fails: str, seen: list[int]) -> None:
        """However far it got; the reader waits until that cell is up to date."""
        notebook, (_, failed, reader) = opened(BOX, fails, COPY, plain=(0, 1))
        assert values(notebook, "box", "t") == [seen, seen]
        assert verdicts(notebook) == ["fresh", "waits", "waits"]
        assert causes(notebook, reader) == [("upstream", "box")]
        assert root_cause(notebook, reader) == Cause("plain cell", failed, after=f"run {failed}")

    def test_of_names_that_it_defined_before_it_failed(self) -> None:
        """Functions as well, and classes, which no store can put back."""
        notebook, _ = opened("def go(): return 3\nclass Box: n = 4\n1 / 0", "t = go(), Box().n", plain=(0,))
        assert values(notebook, "t") == [(3, 4)]
        assert verdicts(notebook) == ["waits", "waits"]

    def test_a_helper_that_fails_half_way(self) -> None:
        """What it changed is seen although the text of the cell does not tell it."""
        helper = "def more():\n    box.append(2)\n    raise ValueError('no')"
        notebook, _ = opened(BOX, helper, "more()", COPY, plain=(0, 1, 2))
        assert values(notebook, "t") == [[1, 2]]
        assert verdicts(notebook) == ["fresh", "fresh", "waits", "waits"]

    def test_what_it_deleted_is_gone(self) -> None:
        """The error of who reads it says who failed."""
        notebook, (_, _, reader) = opened(BOX, "del box\n1 / 0", "t = box", plain=(0, 1))
        assert "cell_2, which may bind or change it, failed" in str(notebook.run(reader).errors[reader])

    def test_a_reader_that_changes_them_starts_from_them_each_time(self) -> None:
        """They are put back, as all inputs are."""
        notebook, (*_, reader) = opened(BOX, "box.append(2)\n1 / 0", "box.append(3)", plain=(0, 1))
        change(notebook, reader, "box.append(4)")
        assert values(notebook, "box") == [[1, 2, 4]]

    def test_a_cell_that_fails_twice(self) -> None:
        """The second time it starts from what it left, as every plain cell does."""
        notebook, (_, failed, reader) = opened(BOX, "box.append(2)\n1 / 0", COPY, plain=(0, 1))
        notebook.run(failed), notebook.run(reader)
        assert values(notebook, "t") == [[1, 2, 2]]

    def test_names_from_before_nbflow_watched(self) -> None:
        """No cell could make them again."""
        notebook = Notebook()
        earlier = notebook.add("", plain=True, name="earlier cells")
        notebook.names["box"] = [1]
        notebook.work.adopt(notebook.step(earlier), {"box"})
        cells = [notebook.add("box.append(2)\n1 / 0", plain=True), notebook.add(COPY)]
        for cell in cells:
            notebook.run(cell)
        assert values(notebook, "t") == [[1, 2]]

    def test_a_task_that_failed_leaves_none(self) -> None:
        """What it did by half is nobody's input."""
        notebook, (_, failed, _) = opened(BOX, "box.append(2)\n1 / 0", COPY, plain=(0,))
        assert notebook.step(failed).left is None
        assert "t" not in notebook.names

    def test_the_flow_does_not_run_on_them(self) -> None:
        """Only the reader's own cell does."""
        notebook, (_, _, reader) = opened(BOX, "box.append(1 / 0)", COPY, plain=(0, 1))
        notebook.edit(reader, "t = box")
        notebook.work.adopt_source(notebook.step(reader))
        assert notebook.flow().executed == []

    def test_once_it_is_mended_an_equal_result_is_reused(self) -> None:
        """What the reader saw in the names is all that counts."""
        notebook, (_, failed, reader) = opened(BOX, "box.append(1 / 0)", COPY, plain=(0, 1))
        change(notebook, failed, "box.append(2); box.pop()")
        assert verdicts(notebook) == ["fresh", "fresh", "fresh"]
        assert notebook.run(reader).executed == []

    def test_a_new_kernel_knows_nothing_of_them(self) -> None:
        """No failed run outlives its kernel."""
        sources = BOX, "box.append(1 / 0)", COPY
        notebook, (_, failed, reader) = opened(*sources, plain=(0, 1), notebook=Notebook(store=kept()))
        notebook.restart()
        assert notebook.step(failed).left is None
        assert notebook.verdict(reader).value == "waits"


class TestDoubts:
    """In doubt is what its text may change, and what it was seen to change."""

    @pytest.mark.parametrize("fails", ["extract.submit(3)", "extract(7)", "etl(9)", "state = etl(9)"])
    def test_what_its_calls_might_have_changed_and_did_not_is_none(self, fails: str) -> None:
        """A task that reads the same things has nothing to wait for."""
        notebook, (*_, failed, reader) = opened(TASKS, EXTRACT, ETL, fails, "t = etl(1)", plain=range(4))
        assert notebook.verdict(failed).value == "waits"
        assert notebook.verdict(reader).value == "fresh"

    def test_once_what_it_called_is_another(self) -> None:
        """Nobody knows what it would do now."""
        sources = BOX, "def go(x): return x[9]", "go(box)", COPY
        notebook, (_, helper, _, reader) = opened(*sources, plain=(0, 1, 2))
        assert notebook.verdict(reader).value == "fresh"
        change(notebook, helper, "def go(x): x.append(2)")
        assert notebook.verdict(reader).value == "waits"

    def test_where_it_asked_the_world(self) -> None:
        """Which may answer something else next time."""
        helper = "import time\ndef go(x):\n    if time.time() > 0: raise ValueError\n    x.append(2)"
        notebook, (*_, reader) = opened(BOX, helper, "go(box)", COPY, plain=(0, 1, 2))
        assert notebook.verdict(reader).value == "waits"

    def test_where_something_outside_ended_it(self) -> None:
        """It may get further when it runs again."""
        helper = "def go(x):\n    if x: raise MemoryError\n    x.append(2)"
        notebook, (*_, reader) = opened(BOX, helper, "go(box)", COPY, plain=(0, 1, 2))
        assert notebook.verdict(reader).value == "waits"
