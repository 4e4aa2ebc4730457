"""Print a table of figures: `python -m tests.benchmarks [NAME…]`.

Machines are shared and noisy, so each figure stands beside a peer or a floor of the same run:
joblib.Memory, raw diskcache, plain calls, or the bandwidth of reading memory.
"""

from __future__ import annotations

import gc
import importlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING

from nbflow.store.disk import DiskStore
from nbflow.testing import Notebook, code_of
from tests.benchmarks import badges, flows, stores, time_travel
from tests.benchmarks.in_kernel import figures
from tests.benchmarks.rows import Row, best
from tests.benchmarks.watched import watched
from tests.lab import running_lab
from tests.many_states import change, opened_with, seconds_to_open

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lab import Lab

TINY = 1_000
COMPUTES, CALLS = "{number} * 2 + 1", "abs({number}) * 2 + 1"
"""Bodies that only compute, of which nothing outside can be seen, and bodies that call something."""


def on_disk(home: Path) -> Notebook:
    """A simulated notebook whose store is in `home`."""
    return Notebook(store=lambda names: DiskStore(home, namespace=names, patience=0.1), clock=time.time)


def tiny_tasks(notebook: Notebook, count: int = TINY, body: str = COMPUTES) -> None:
    """Add independent tiny tasks."""
    for number in range(count):
        notebook.add(f"x{number} = {body.format(number=number)}")


def joblib_tasks(home: Path, body: str, count: int = TINY) -> Callable[[], None]:
    """The peer: as many functions under joblib.Memory, each called once, made ready to run."""
    import joblib

    home.mkdir(exist_ok=True)
    bodies = (body.format(number=number) for number in range(count))
    source = "\n\n".join(f"def x{number}():\n    return {body}" for number, body in enumerate(bodies))
    (home / "peer_tasks.py").write_text(source)
    sys.path.insert(0, str(home))
    module = importlib.import_module("peer_tasks")
    memory = joblib.Memory(home, verbose=0)
    cached = [memory.cache(getattr(module, f"x{number}")) for number in range(count)]
    return lambda: [function() for function in cached] and None


def cold_and_new_process() -> list[Row]:
    """1,000 tiny tasks that have never run, then again in a new process."""
    return [
        *_cold_and_again("1,000 tiny tasks, cold", COMPUTES),
        *_cold_and_again("1,000 tiny tasks that call, cold", CALLS),
    ]


def _cold_and_again(what: str, body: str, times: int = 3) -> list[Row]:
    """The shortest of some runs of each, taken in turns."""
    cold: dict[str, list[float]] = {"ours": [], "joblib": []}
    again: dict[str, list[float]] = {"ours": [], "joblib": []}
    for _ in range(times):
        root = Path(tempfile.mkdtemp())
        try:
            for took in (cold, again):
                for whose in took:
                    took[whose].append(_child(whose, root / whose, body))
        finally:
            shutil.rmtree(root)
    return [
        _ratio(what, min(cold["ours"]), "joblib", min(cold["joblib"]), 0.5),
        _ratio("the same in a new process", min(again["ours"]), "joblib", min(again["joblib"]), 0.5),
    ]


def _child(whose: str, home: Path, body: str) -> float:
    command = [sys.executable, "-m", "tests.benchmarks", "--child", whose, str(home), body]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def child(whose: str, home: Path, body: str) -> float:
    """The part that runs in a process of its own; imports, reading and compiling are counted for nobody."""
    if whose == "joblib":
        return best(joblib_tasks(home, body), 1)
    notebook = on_disk(home)
    tiny_tasks(notebook, body=body)
    for step in notebook.book:
        step.ran = step.body
        code_of(step.body.source, step.name)  # the peer's module was compiled by importing it
    took = best(lambda: notebook.flow(), 1)
    if notebook.names["x7"] != 15:
        raise AssertionError("the tasks did not give what they should")
    return took


def verify_unchanged() -> list[Row]:
    """1,000 unchanged tasks, 100 of which read a file."""
    folder = Path(tempfile.mkdtemp())
    start = Path.cwd()
    os.chdir(folder)
    try:
        notebook = Notebook(clock=time.time)
        tiny_tasks(notebook, TINY - 100)
        for number in range(100):
            (folder / f"{number}.txt").write_text("1")
            old = time.time() - 100
            os.utime(folder / f"{number}.txt", (old, old))
            notebook.add(f"with open('{number}.txt') as handle: f{number} = handle.read()")
        notebook.run_all()
        paths = [str(folder / f"{number}.txt") for number in range(100)]
        time.sleep(2.1)  # younger files are digested again each time
        notebook.flow()
        ours = best(notebook.flow)
        stats = best(lambda: [os.stat(path) for path in paths])
    finally:
        os.chdir(start)
        shutil.rmtree(folder)
    return [
        Row(
            "verify 1,000 unchanged tasks",
            f"{ours * 1e3:.1f} ms",
            f"{stats * 1e3:.2f} ms of stats",
            "≤ 10 ms + stats",
            ours - stats <= 0.010,
        )
    ]


def long_chain() -> list[Row]:
    """5,000 steps, each reading the one before, brought up to date through the last one only."""
    notebook = Notebook(clock=time.time)
    cells = [notebook.add("x0 = 1")] + [notebook.add(f"x{n} = x{n - 1} + 1") for n in range(1, 5_000)]
    for step in notebook.book:
        step.ran = step.body
    depth = sys.getrecursionlimit()
    start = time.perf_counter()
    sys.setrecursionlimit(200)
    try:
        notebook.run(cells[-1])
    finally:
        sys.setrecursionlimit(depth)
    took = time.perf_counter() - start
    right = notebook.names["x4999"] == 5_000
    return [
        Row(
            "chain of 5,000 steps",
            f"{took:.2f} s",
            f"{took / 5e3 * 1e6:.0f} us a step",
            "no recursion",
            right,
        )
    ]


def cost_of_an_edit() -> list[Row]:
    """An edit that invalidates ten tasks, in flows of 100, 1,000 and 10,000."""
    took = {size: _edit_in(size) for size in (100, 1_000, 10_000)}
    return [
        Row(
            f"edit that makes 10 of {size:,} tasks stale",
            f"{took[size] * 1e3:.1f} ms",
            f"{took[size] / took[100]:.1f} x of 100 tasks",
            "follows the 10",
            took[size] < 5 * took[100],
        )
        for size in took
    ]


def _edit_in(size: int) -> float:
    notebook = Notebook(clock=time.time)
    tiny_tasks(notebook, size - 11)
    first = notebook.add("y0 = 1")
    for number in range(1, 11):
        notebook.add(f"y{number} = y{number - 1} + {number}")
    notebook.run_all()
    values = iter(range(2, 100))

    def edit() -> None:
        notebook.edit(first, f"y0 = {next(values)}")
        notebook.run(first)
        assert len(notebook.flow().executed) == 10

    return best(edit, 5)


def memory_over_runs() -> list[Row]:
    """100,000 runs of one task on ever new inputs."""
    home = Path(tempfile.mkdtemp())
    notebook = on_disk(home)
    seed = notebook.add_parameters("seed = 0")
    task = notebook.add("y = seed + 1")
    notebook.run_all()
    sizes: list[int] = []
    tracemalloc.start()
    try:
        for number in range(1, 100_001):
            notebook.set(seed=number)
            notebook.run(seed)
            notebook.run(task)
            if number in (50_000, 100_000):
                notebook.log.clear()  # the simulation's own list of what ran
                gc.collect()
                sizes.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
        shutil.rmtree(home)
    growth = (sizes[1] - sizes[0]) / 50_000
    return [
        Row(
            "memory over 100,000 runs",
            f"{growth:.0f} B a run",
            f"{sizes[1] / 1e6:.1f} MB in all",
            "flat",
            growth < 50,
        )
    ]


def explicit_flows() -> list[Row]:
    """Trivial tasks in a graph and in a function, mapped items, a chain; in processor time."""
    graph, chain = flows.independent(), flows.chained()
    measured = [
        ("1,000 tasks of a graph", flows.TASKS, graph.run, 0.15),
        ("1,000 tasks called in @flow", flows.TASKS, flows.calling, 0.15),
        ("1,000 tasks submitted to 2 threads", flows.TASKS, flows.submitting, 0.5),
        ("10,000 mapped items in 2 threads", flows.ITEMS, flows.mapping, 0.5),
        ("chain of 5,000 tasks of a graph", flows.CHAIN, chain.run, 0.15),
    ]
    return [_each(what, count, flows.run(function), goal) for what, count, function, goal in measured]


def _each(what: str, count: int, function: Callable[[], object], goal: float) -> Row:
    floor = best(lambda: [flows.plain(number) for number in range(count)], clock=time.process_time)
    ours = (best(function, clock=time.process_time) - floor) / count * 1e3
    plain = f"plain calls {floor / count * 1e3:.5f} ms"
    return Row(what, f"{ours:.3f} ms each", plain, f"≤ {goal} ms", ours <= goal)


def loop_iterations() -> list[Row]:
    """LOOP of 100,000 iterations."""
    growth = flows.loop()
    took = best(flows.looping, 1)
    each = f"{took / flows.ITERATIONS * 1e3:.3f} ms an iteration"
    return [Row("LOOP of 100,000 iterations", f"{growth:.1f} B each", each, "flat", growth < 1)]


def in_kernel() -> list[Row]:
    """What nbflow adds in a real kernel."""
    return [
        Row(
            what,
            f"{milliseconds:.2f} ms",
            "processor time of the kernel",
            f"<= {goal:g} ms",
            milliseconds <= goal,
        )
        for what, (milliseconds, goal) in figures().items()
    ]


def going_back() -> list[Row]:
    """A flow of 50 tasks with 5 GB of values, restored and run again after a restart, before any is used."""
    return [
        Row(
            f"{what}, 50 tasks with 5 GB",
            f"{figure.seconds:.2f} s",
            f"memory grows by {figure.growth:.0f} MB",
            "≤ 1 s, ≤ 200 MB",
            figure.seconds <= 1 and figure.growth <= 200,
        )
        for what, figure in time_travel.figures().items()
    ]


def states_in_view() -> list[Row]:
    """A thousand states that change within some seconds while a view shows them, in a real browser."""
    with tempfile.TemporaryDirectory() as folder, running_lab(Path(folder)) as lab:
        return [_burst(lab, many) for many in (1_000, 5_000)]


def _burst(lab: Lab, many: int) -> Row:
    with opened_with(lab, many) as opened:
        burst = change(opened)
    return Row(
        f"1,000 states change in {many:,} tasks",
        f"{burst.share:.0%} of a core",
        f"painted within {burst.lag * 1e3:.0f} ms (p95)",
        "≤ 10 %, ≤ 200 ms",
        burst.share <= 0.1 and burst.lag <= 0.2,
    )


def opening() -> list[Row]:
    """How long it takes until a large flow is seen, and a notebook with many badges."""
    with tempfile.TemporaryDirectory() as folder, running_lab(Path(folder)) as lab:
        flow = seconds_to_open(lab, 5_000)
        drawn, opened = badges.drawing(lab), badges.opening(lab)
    return [
        Row("5,000 tasks open in a page", f"{flow:.2f} s", "", "≤ 3 s", flow <= 3),
        Row(
            "100 badges are drawn in a page",
            f"{1e3 * drawn.badges:.0f} ms",
            f"small tables of pandas {1e3 * drawn.tables:.0f} ms",
            "≤ 300 ms",
            drawn.badges <= 0.3,
        ),
        Row(
            "a notebook with 100 badges opens",
            f"{opened.badges:.2f} s",
            f"with tables {opened.tables:.2f} s, texts {opened.texts:.2f} s",
            "≤ 0.3 s more",
            opened.badges - opened.tables <= 0.3,
        ),
    ]


def _ratio(what: str, ours: float, whose: str, peer: float, goal: float) -> Row:
    ratio = ours / peer
    return Row(
        what,
        f"{ours * 1e3:.0f} ms",
        f"{whose} {peer * 1e3:.0f} ms, ratio {ratio:.2f}",
        f"≤ {goal}",
        ratio <= goal,
    )


BENCHMARKS = {
    function.__name__: function
    for function in (
        cold_and_new_process,
        verify_unchanged,
        *stores.FIGURES,
        long_chain,
        cost_of_an_edit,
        explicit_flows,
        loop_iterations,
        in_kernel,
        watched,
        going_back,
        states_in_view,
        opening,
        memory_over_runs,
    )
}


def main(names: list[str]) -> None:
    """Run the benchmarks named, or all, and print their rows."""
    for name in names or list(BENCHMARKS):
        for row in BENCHMARKS[name]():
            met = "met" if row.met else "NOT MET"
            print(f"{row.what:38s} {row.ours:>12s}   {row.peer:34s} {row.goal:18s} {met}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        print(child(sys.argv[2], Path(sys.argv[3]), sys.argv[4]))
    else:
        main(sys.argv[1:])
