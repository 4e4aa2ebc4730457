"""How long JupyterLab takes to open a notebook with many badges, beside the same notebook without them."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from nbflow.types import Cause, Verdict
from nbflow.views import TaskCard, show_badge
from tests.headless import notebook_of
from tests.lab import IS_READY, OPEN

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab import Lab

MANY = 100
TIMES = 3
LAST = f"#@task t{MANY - 1}"
IS_DRAWN = """last => {
  const panel = window.jupyterapp.shell.currentWidget;
  const cells = [...document.querySelectorAll('.jp-Notebook .jp-Cell .cm-content')];
  panel.content.scrollToItem(panel.content.widgets.length - 1);
  return cells.some(cell => cell.isConnected && cell.innerText.includes(last));
}"""


class Opening(NamedTuple):
    """How long it took, the shortest of some times.

    Attributes:
        with_badges: Seconds until the last cell is seen.
        without: The same of cells that show one line of text.
    """

    with_badges: float
    without: float


def opening(lab: Lab) -> Opening:
    """Open both in turns, and scroll to the last cell."""
    took: dict[bool, list[float]] = {True: [], False: []}
    for turn in range(TIMES):
        for has_badges in took:
            path = _notebook(lab.folder / f"{turn}{has_badges}.ipynb", has_badges=has_badges)
            took[has_badges].append(_seconds(lab, path))
    return Opening(min(took[True]), min(took[False]))


def _seconds(lab: Lab, path: Path) -> float:
    other = notebook_of(path.with_name(f"before-{path.name}"), "0")
    with lab.opened(other) as opened:
        began = time.perf_counter()
        opened.page.evaluate(OPEN, path.name)
        opened.page.wait_for_function(IS_READY)
        opened.page.wait_for_function(IS_DRAWN, arg=LAST)
        return time.perf_counter() - began


def _notebook(path: Path, *, has_badges: bool) -> Path:
    notebook_of(path, *(f"#@task t{n}\nv{n} = {n}" for n in range(MANY)))
    content = json.loads(path.read_text())
    for place, cell in enumerate(content["cells"]):
        cell["outputs"] = [_output(place, has_badges=has_badges)]
    path.write_text(json.dumps(content))
    return path


def _output(place: int, *, has_badges: bool) -> dict[str, Any]:
    cause = Cause("input", f"v{place}", "1", "2", "cell [3]")
    card = TaskCard(
        f"t{place}", Verdict.STALE, "Completed", (cause,), reads=("a", "b"), writes=(f"v{place}",)
    )
    data = dict(show_badge(card).bundle()) if has_badges else {"text/plain": "a line of text"}
    return {"output_type": "display_data", "metadata": {}, "data": data}
