"""Figures from a real kernel: what nbflow adds to loading, plain cells, task cells and Run All.

Times are of the processor, not of the clock: a kernel shares its machine. What a cell takes is measured by
callbacks around all others, in the same way with nbflow and without: the floor stands beside each figure.
"""

from __future__ import annotations

import json
import tempfile
from compileall import compile_dir
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import nbflow
from tests.kernels import Kernel

if TYPE_CHECKING:
    from collections.abc import Iterable

MANY = 1_000
CELLS = 200

TIMER = """
import json, time
from IPython.core.getipython import get_ipython
starts, ends = [], []
def start(info):
    starts.append(time.process_time() * 1e3)
def end(result):
    ends.append(time.process_time() * 1e3)
def begin():
    callbacks = get_ipython().events.callbacks
    for event, mark in (("pre_run_cell", start), ("post_run_cell", end)):
        while mark in callbacks[event]:
            callbacks[event].remove(mark)
    callbacks["pre_run_cell"].insert(0, start)
    callbacks["post_run_cell"].append(end)
    del starts[:], ends[:]
def taken():
    return json.dumps([end - start for start, end in zip(starts, ends)])
"""


def put_timer(kernel: Kernel) -> None:
    """Put the timer where nbflow does not look: it is none of the notebook's names."""
    make = "__import__('types').ModuleType('nbflow_timer')"
    add = f"__import__('sys').modules.setdefault('nbflow_timer', {make}).__dict__"
    kernel.ask(f"exec({TIMER!r}, {add})")


def costs(kernel: Kernel, cells: Iterable[tuple[str, str]]) -> list[float]:
    """The milliseconds that each of these cells, identifier and text, takes."""
    kernel.ask("__import__('nbflow_timer').begin()")
    for id, text in cells:
        shown = kernel.execute(text, id)
        if shown.error:
            raise RuntimeError(f"{id}: {shown.error}")
    return json.loads(kernel.ask("__import__('nbflow_timer').taken()"))


def task_cells(stop: int, start: int = 0) -> list[tuple[str, str]]:
    """The cells of a chain of tasks."""
    return [(f"c{n}", f"#@task t{n}\nv{n} = {f'v{n - 1} + {n}' if n else 0}") for n in range(start, stop)]


def figures() -> dict[str, tuple[float, float]]:
    """Each figure in milliseconds, with its goal."""
    compile_dir(Path(nbflow.__file__).parent, quiet=1)  # as it is where nbflow was installed
    plain = [("plain", "x = 1")] * 200
    with tempfile.TemporaryDirectory() as folder, Kernel(Path(folder), asks=True) as kernel:
        kernel.set(**dict(task_cells(CELLS)))
        kernel.save()
        put_timer(kernel)
        floor = median(costs(kernel, plain))
        (load,) = costs(kernel, [("load", "%load_ext nbflow")])
        kernel.execute("opened = 1")
        followed = median(costs(kernel, plain))
        costs(kernel, task_cells(CELLS))
        again = median(costs(kernel, task_cells(CELLS)))
        kernel.restart()
        put_timer(kernel)
        kernel.execute("%load_ext nbflow")
        kernel.execute("opened = 1")
        run_all = sum(costs(kernel, task_cells(CELLS))) / CELLS
        costs(kernel, task_cells(MANY, CELLS))
        flow = median(costs(kernel, [("flow", "%flow run")] * 5))
        (first,) = costs(kernel, [("view", "%flow")])
    return {
        "%load_ext nbflow": (load - floor, 100.0),
        "a plain cell, beyond one without nbflow": (followed - floor, 0.2),
        "an up-to-date task cell among 200": (again - floor, 3.0),
        "Run All of 200 after a restart, a cell": (run_all - floor, 3.0),
        "unchanged %flow run of 1,000": (flow - floor, 12.0),
        "the first live %flow, of 1,000 tasks": (first - floor, 700.0),
    }
