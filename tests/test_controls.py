"""Controls of the page: who moves one changes what its name holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from nbflow.engine.previews import preview
from nbflow.testing import Notebook

if TYPE_CHECKING:
    from collections.abc import Iterator

widgets: Any = pytest.importorskip("ipywidgets")


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """No control of one test is there in the next."""
    yield
    widgets.Widget.close_all()


MADE = [
    ("s = w.IntSlider(value=3)", "s.value", "s", True),
    ("s = w.IntSlider(value=3)", "s.value", "s", False),
    ("all = [w.IntSlider(value=3)]", "all[0].value", "all[0]", True),
    ("all = {'a': w.IntSlider(value=3)}", "all['a'].value", "all['a']", True),
    ("box = w.VBox([w.IntSlider(value=3)])", "box.children[0].value", "box.children[0]", True),
    ("s = w.IntSlider(value=3)\nagain = s", "again.value", "s", True),
]


@pytest.mark.parametrize(("source", "reads", "control", "plain"), MADE)
def test_one_that_was_moved(source: str, reads: str, control: str, plain: bool) -> None:
    """Who reads it is stale, with what it was and is, and runs on what it is now; moving it back is a hit."""
    notebook = Notebook()
    notebook.add("import ipywidgets as w", plain=True)
    maker = notebook.add(source, plain=plain)
    task = notebook.add(f"t = {reads}")
    notebook.run_all()
    assert notebook.verdict(task).value == "fresh"
    eval(control, notebook.names).value = 9
    assert [notebook.verdict(each).value for each in (maker, task)] == ["fresh", "stale"]
    assert notebook.flow().executed == [task]
    assert (notebook.names["t"], eval(control, notebook.names).value) == (9, 9)
    eval(control, notebook.names).value = 3
    assert notebook.flow().executed == []
    assert notebook.names["t"] == 3


def test_its_cell_runs_again() -> None:
    """It makes a new control, set as the cell says."""
    notebook = Notebook()
    notebook.add("import ipywidgets as w", plain=True)
    maker = notebook.add("s = w.IntSlider(value=3)", plain=True)
    task = notebook.add("t = s.value")
    notebook.run_all()
    notebook.names["s"].value = 9  # type: ignore[attr-defined]
    notebook.run(task)
    notebook.run(maker)
    notebook.run(task)
    assert (notebook.names["t"], notebook.log.count(task)) == (3, 2)


def test_what_people_are_told() -> None:
    """What it is set to, but for what nobody is to see."""
    assert preview(widgets.IntSlider(value=3)) == "IntSlider(3)"
    assert preview(widgets.Password(value="geheim")) == "Password"
    assert preview(widgets.VBox([])) == "VBox"
