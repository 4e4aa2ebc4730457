"""`nbflow run` as its users start it, and readers of what it says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from itertools import groupby
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WORDS = ("ran", "reused", "failed", "stopped")
COMMAND = (sys.executable, "-m", "nbflow.cli", "run")


def nbflow_run(notebook: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a notebook headless in a process of its own, with a state folder of its own."""
    environment = environment_of(notebook)
    return subprocess.run(
        [*COMMAND, str(notebook), *arguments], env=environment, capture_output=True, text=True, timeout=600
    )


def environment_of(notebook: Path) -> dict[str, str]:
    """Whatever is kept beside the store is kept beside the notebook."""
    return {
        **os.environ,
        "IPYTHONDIR": str(notebook.parent / "ipython"),
        "NBFLOW_STATE": str(notebook.parent / "state"),
        "OMP_NUM_THREADS": "1",
    }


def parts_of(said: str) -> list[dict[str, str]]:
    """What became of each step, by name: first of the cells themselves, then after each `%flow` line."""
    parts: list[dict[str, str]] = [{}]
    for line in said.splitlines():
        words = line.split()
        if line.startswith("  %flow"):
            parts.append({})
        elif line.startswith("  ") and len(words) > 1 and words[1] in WORDS:
            parts[-1][words[0]] = words[1]
    return parts


def with_word(part: dict[str, str], word: str) -> set[str]:
    """The steps of which that was said."""
    return {name for name, said in part.items() if said == word}


def line_of(said: str, name: str) -> str:
    """The first line about a step."""
    return next(line for line in said.splitlines() if line.split()[:1] == [name])


def notebook_of(path: Path, *sources: str) -> Path:
    """Write a notebook of these code cells."""
    cells = [
        {"cell_type": "code", "id": f"c{place}", "source": source, "metadata": {}, "outputs": []}
        | {"execution_count": None}
        for place, source in enumerate(sources)
    ]
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    content = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(content))
    return path


def shown_in(path: Path) -> dict[str, str]:
    """What each cell of an executed notebook shows as text, without badges, views and the log of nbflow."""
    cells: list[dict[str, Any]] = json.loads(path.read_text())["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    return {cell["id"]: "\n".join(filter(None, _texts_of(cell["outputs"]))).strip() for cell in code}


def _texts_of(outputs: list[dict[str, Any]]) -> Iterator[str]:
    # A kernel that is busy may send what was printed at once in several parts.
    for stream, parts in groupby(outputs, key=lambda output: output.get("name")):
        if stream == "stderr":
            continue
        if stream is None:
            yield from map(_text_of, parts)
        else:
            yield "".join(text for part in parts for text in part["text"]).strip()


def _text_of(output: dict[str, Any]) -> str:
    data = output.get("data", {})
    is_ours = re.search(r'class="?nbf', "".join(data.get("text/html", ""))) is not None
    return "" if is_ours else "".join(data.get("text/plain", ""))


def pictures_in(path: Path) -> dict[str, list[str]]:
    """The pictures that the cells of an executed notebook show, by cell."""
    cells: list[dict[str, Any]] = json.loads(path.read_text())["cells"]
    found = {
        cell["id"]: [output.get("data", {}).get("image/png", "") for output in cell["outputs"]]
        for cell in cells
        if cell["cell_type"] == "code"
    }
    return {id: [each for each in pictures if each] for id, pictures in found.items() if any(pictures)}
