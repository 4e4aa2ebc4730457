"""What an open live view costs the thread that runs cells: processor time with one, beside that without."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.benchmarks.rows import Row
from tests.kernels import Kernel

TASKS = 300
TIMES = 8
DEFINE = f"""
import time, nbflow
from nbflow import Flow, flow, task
@task
def work(x):
    until = time.thread_time() + 0.001
    while time.thread_time() < until:
        pass
    return x
with Flow("graph") as graph:
    for n in range({TASKS}):
        work(n)
@flow
def calls():
    for n in range({TASKS}):
        work(n)
def cost(run):
    began = time.thread_time()
    run()
    return time.thread_time() - began
"""
CELL = "#@task t{0}\nt{0} = sum(range(50_000)) + {0}"
"""A task of a millisecond: one that asks for the time would be *as of* that."""

RUNS = {"graph": "print(cost(graph.run))", "calls": "print(cost(calls))", "": "%flow run --force"}
"""How each flow is run; that of the session, in a cell that does nothing else."""

TIME = "__import__('time').thread_time()"


def watched() -> list[Row]:
    """Flows of tasks of a millisecond, each run in turns with a view and without."""
    with tempfile.TemporaryDirectory() as folder, Kernel(Path(folder), asks=True) as kernel:
        kernel.execute("%load_ext nbflow")
        kernel.execute(DEFINE)
        kernel.begin(**{f"t{number}": CELL.format(number) for number in range(TASKS)})
        return [_row(kernel, name) for name in RUNS]


def _row(kernel: Kernel, flow: str) -> Row:
    with_view: list[float] = []
    without: list[float] = []
    for _ in range(TIMES):
        kernel.execute(f"nbflow.view({flow})")
        with_view.append(_cost(kernel, flow))
        kernel.ask("__import__('nbflow').session().live.close()")
        without.append(_cost(kernel, flow))
    ours, floor = min(with_view), min(without)
    figures = f"{1e3 * ours:.0f} ms", f"without a view {1e3 * floor:.0f} ms"
    return Row(f"{flow or '%flow run'} of {TASKS} tasks, watched", *figures, "≤ 1.05", ours <= 1.05 * floor)


def _cost(kernel: Kernel, flow: str) -> float:
    began = kernel.ask(TIME)
    shown = kernel.execute(RUNS[flow])
    if shown.error:
        raise RuntimeError(shown.error)
    return float(shown.stdout) if flow else kernel.ask(TIME) - began
