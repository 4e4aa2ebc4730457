"""What many badges cost a page of JupyterLab: to draw them, and to open a notebook that has them.

How long a notebook takes to open hangs on who else uses the machine, by more than all outputs cost
together. To draw a hundred outputs in a page that is open does not; small tables of pandas are drawn in
turns with ours.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Final, NamedTuple

import pandas as pd

from nbflow.types import Cause, Verdict
from nbflow.views import TaskCard, show_badge
from tests.headless import notebook_of
from tests.lab import IS_READY, OPEN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
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


DRAW = """async kinds => {
  const { rendermime, node } = window.jupyterapp.shell.currentWidget.content;
  const pause = () => new Promise(done => setTimeout(done, 30));
  const took = {};
  for (let turn = 0; turn < 12; turn++) {
    for (const [kind, bundles] of Object.entries(kinds)) {
      const box = document.createElement('div');
      await pause();
      const began = performance.now();
      node.append(box);
      for (const data of bundles) {
        const shown = rendermime.createRenderer(rendermime.preferredMimeType(data, 'any'));
        await shown.renderModel(rendermime.createModel({ data, trusted: true }));
        box.append(shown.node);
      }
      box.getBoundingClientRect();
      took[kind] = Math.min(took[kind] ?? Infinity, (performance.now() - began) / 1000);
      box.remove();
    }
  }
  return took;
}"""
"""Draws many outputs of each kind in turns, as the page does itself; the shortest of each, in seconds."""


class Figures(NamedTuple):
    """How long it took with each kind of outputs, in seconds, the shortest of some times.

    Attributes:
        badges: With a badge below each cell.
        tables: With a small table of pandas in the place of each.
        texts: With a line of text.
    """

    badges: float
    tables: float
    texts: float


def drawing(lab: Lab) -> Figures:
    """Draw as many outputs of each kind in a page that is open."""
    kinds = {kind: [*map(make, range(MANY))] for kind, make in OUTPUTS.items()}
    with lab.opened(notebook_of(lab.folder / "drawn.ipynb", "0")) as opened:
        return Figures(**opened.page.evaluate(DRAW, kinds))


def opening(lab: Lab) -> Figures:
    """Open a notebook of each kind in turns, and scroll to the last cell."""
    took: dict[str, list[float]] = {kind: [] for kind in OUTPUTS}
    for turn in range(TIMES):
        for kind, make in OUTPUTS.items():
            took[kind].append(_seconds(lab, _notebook(lab.folder / f"{kind}{turn}.ipynb", make)))
    return Figures(*map(min, took.values()))


def _seconds(lab: Lab, path: Path) -> float:
    other = notebook_of(path.with_name(f"before-{path.name}"), "0")
    with lab.opened(other) as opened:
        began = time.perf_counter()
        opened.page.evaluate(OPEN, path.name)
        opened.page.wait_for_function(IS_READY)
        opened.page.wait_for_function(IS_DRAWN, arg=LAST)
        return time.perf_counter() - began


def _notebook(path: Path, make: Callable[[int], dict[str, str]]) -> Path:
    notebook_of(path, *(f"#@task t{n}\nv{n} = {n}" for n in range(MANY)))
    content = json.loads(path.read_text())
    for place, cell in enumerate(content["cells"]):
        cell["outputs"] = [{"output_type": "display_data", "metadata": {}, "data": make(place)}]
    path.write_text(json.dumps(content))
    return path


def _badge(place: int) -> dict[str, str]:
    cause = Cause("input", f"v{place}", "1", "2", "cell [3]")
    card = TaskCard(
        f"t{place}", Verdict.STALE, "Completed", (cause,), reads=("a", "b"), writes=(f"v{place}",)
    )
    return show_badge(card).bundle()


def _table(place: int) -> dict[str, str]:
    table = pd.DataFrame({"hour": [place, 7], "delay": [3.5, 4.0]})
    return {"text/html": table.to_html(), "text/plain": str(table)}


def _text(place: int) -> dict[str, str]:
    return {"text/plain": f"line {place} of text"}


OUTPUTS: Final[Mapping[str, Callable[[int], dict[str, str]]]] = {
    "badges": _badge,
    "tables": _table,
    "texts": _text,
}
