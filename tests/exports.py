"""Running an exported module and the notebook's cells as plain Python, each in a fresh process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbflow.notebook.cells import read_header
from nbflow.notebook.exporting import export_notebook
from tests.headless import notebook_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_RUNNER = """
import asyncio, json, runpy, sys
path, kept, frames = sys.argv[1], {}, []

def told(value):
    if callable(value) or type(value).__name__ == "module":
        return type(value).__name__ == "module" and value.__name__ or "code"
    return type(value).__name__ if " at 0x" in repr(value) else repr(value)

def watch(frame, event, _):
    if event == "return" and frame.f_code.co_name == "main" and frame.f_code.co_filename == path:
        kept.update({name: told(value) for name, value in frame.f_locals.items()})

sys.setprofile(watch)
error = ""
try:
    ended = runpy.run_path(path, run_name="__main__")
    own = {name: told(value) for name, value in ended.items() if not name.startswith("__")}
    kept = {**own, **kept}
except Exception as raised:
    error = type(raised).__name__.replace("UnboundLocalError", "NameError") + ": " + str(raised)[:60]
sys.setprofile(None)
json.dump([kept, error], open(sys.argv[2], "w"))
"""


@dataclass(frozen=True)
class Ran:
    """What running a file did.

    Args:
        values: Name to what it held at the end, as a text.
        printed: What was printed.
        files: Name to text of each file that stands in the folder now.
        error: What ended it.
    """

    values: Mapping[str, str]
    printed: str
    files: Mapping[str, str]
    error: str


def run(source: str, folder: Path, **files: str) -> Ran:
    """Run a source as a file in a folder of its own."""
    folder.mkdir()
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    beside = folder.parent / f"{folder.name} beside"
    beside.mkdir()
    (beside / "code.py").write_text(source)
    environment = {**os.environ, "NBFLOW_HOME": str(beside / "store"), "MPLBACKEND": "Agg"}
    done = subprocess.run(
        [sys.executable, "-c", _RUNNER, str(beside / "code.py"), str(beside / "ended.json")],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**environment, "PYTHONPATH": os.pathsep.join([str(folder), *sys.path])},
        check=False,
        timeout=120,
    )
    assert (beside / "ended.json").exists(), done.stderr
    values, error = json.loads((beside / "ended.json").read_text())
    kept = {path.name: path.read_text() for path in sorted(folder.iterdir()) if path.is_file()}
    return Ran(values, done.stdout, kept, error)


def export(folder: Path, *cells: str) -> str:
    """The module of a notebook with these cells."""
    notebook_of(folder / "nb.ipynb", *cells)
    export_notebook(folder / "nb.ipynb")
    return (folder / "nb.py").read_text()


def plain(cells: Sequence[str]) -> str:
    """The cells as one plain Python file."""
    headers = [read_header(cell) for cell in cells]
    told = zip(cells, headers, strict=True)
    source = "\n".join(cell if header is None else header.body for cell, header in told)
    if "await" not in source:
        return source
    body = "".join(f"    {line}\n" for line in source.split("\n"))
    return f"async def main():\n{body}\nimport asyncio\nasyncio.run(main())"
