"""The working folder, which code may ask for without reading a file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from nbflow.testing import Notebook
from nbflow.types import Verdict

if TYPE_CHECKING:
    from pathlib import Path

ASKING = {
    "os": ("", "x = os.getcwd()"),
    "a path that is completed": ("", "x = os.path.abspath('q')"),
    "pathlib": ("from pathlib import Path", "x = str(Path('q').resolve())"),
    "an imported name": ("from os import getcwd as here", "x = here()"),
    "a function of the notebook": ("def where():\n    return os.getcwd()", "x = where()"),
}


@pytest.mark.parametrize(("helper", "source"), ASKING.values(), ids=list(ASKING))
def test_another_folder_is_a_cause(
    helper: str, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The result of the first one is found again there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    notebook = Notebook()
    notebook.add("import os", plain=True)
    notebook.add(helper, plain=True)
    asking = notebook.add(source)
    notebook.run_all()
    assert notebook.verdict(asking) is Verdict.FRESH
    first = notebook.names["x"]
    os.chdir("sub")
    (cause,) = notebook.why(asking)
    assert "working folder" in str(cause)
    notebook.run(asking)
    assert notebook.names["x"] != first
    os.chdir(tmp_path)
    assert notebook.run(asking).executed == []
    assert notebook.names["x"] == first


def test_no_other_call_asks_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What touches nothing outside is the same in each folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    notebook = Notebook()
    only = notebook.add("x = abs(-1)")
    notebook.run(only)
    os.chdir("sub")
    assert notebook.why(only) == ()
