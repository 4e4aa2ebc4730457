"""Files that native readers open inside helper functions, classes and local modules raise no event."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nbflow.testing import Notebook
from nbflow.types import Verdict

if TYPE_CHECKING:
    from pathlib import Path

READ = "import pyarrow.parquet as pq\n"
HELPERS = {
    "function": "def load():\n    return pq.read_table('data.parquet').num_rows",
    "nested": "def load():\n    def inner():\n        return pq.read_table('data.parquet')\n"
    "    return inner().num_rows",
    "tuple": "def load():\n    for path in ('data.parquet', 'no.parquet'):\n"
    "        return pq.read_table(path).num_rows",
    "method": "class Data:\n    def rows(self):\n        return pq.read_table('data.parquet').num_rows\n"
    "def load():\n    return Data().rows()",
    "lambda": "load = lambda: pq.read_table('data.parquet').num_rows",
    "default": "def load(path='data.parquet'):\n    return pq.read_table(path).num_rows",
    "closure": "def make(path):\n    def load():\n        return pq.read_table(path).num_rows\n"
    "    return load\n"
    "load = make('data.parquet')",
    "attribute": "class Data:\n    def __init__(self, path):\n        self.path = path\n"
    "    def rows(self):\n        return pq.read_table(self.path).num_rows\ndata = Data('data.parquet')\n"
    "def load():\n    return data.rows()",
    "partial": "from functools import partial\ndef rows(path):\n    return pq.read_table(path).num_rows\n"
    "load = partial(rows, 'data.parquet')",
    "global": "PATH = 'data.parquet'\ndef load():\n    return pq.read_table(PATH).num_rows",
}


def write(rows: int) -> None:
    """Write the file that all of these read."""
    pq.write_table(pa.table({"a": list(range(rows))}), "data.parquet")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the file in it."""
    monkeypatch.chdir(tmp_path)
    write(2)
    return tmp_path


class TestHelpers:
    """Whoever calls the helper depends on the file."""

    @pytest.mark.parametrize("helper", HELPERS.values(), ids=HELPERS)
    def test_a_changed_file_makes_the_caller_run(self, helper: str) -> None:
        """Although the helper is the same, and the cell that defines it comes out equal."""
        notebook = Notebook()
        notebook.add(READ + helper, plain=True)
        task = notebook.add("rows = load()")
        notebook.run_all()
        write(3)
        assert notebook.verdict(task) is not Verdict.FRESH
        notebook.flow()
        assert notebook.names["rows"] == 3
        assert notebook.verdict(task) is Verdict.FRESH

    def test_a_local_module(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Its functions, and the constants that they load, count as those of the notebook do."""
        name = "reader_of_parquet"
        source = READ + "PATH = 'data.parquet'\ndef load():\n    return pq.read_table(PATH).num_rows\n"
        (folder / f"{name}.py").write_text(source)
        monkeypatch.syspath_prepend(folder)
        notebook = Notebook()
        notebook.add(f"from {name} import load", plain=True)
        task = notebook.add("rows = load()")
        notebook.run_all()
        write(4)
        assert notebook.verdict(task) is not Verdict.FRESH
        notebook.flow()
        assert notebook.names["rows"] == 4
        del sys.modules[name]
