"""Figures from a real kernel: what nbflow adds to loading, to plain cells, to task cells, to Run All.

Times are of the processor, not of the clock: a kernel shares its machine. Everything runs in one kernel, the
same cells with nbflow and without, so that the floor stands beside each figure.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from tests.kernels import Kernel

MANY = 1_000
CELLS = 200

TIMER = """
import json, statistics, sys, time
def cost(source, id):
    shell, began = get_ipython(), time.process_time()
    shell.run_cell(source, store_history=True, cell_id=id)
    return (time.process_time() - began) * 1e3
def told(costs):
    sys.stdout.write("\\x1fCOSTS" + json.dumps([min(costs), statistics.median(costs), sum(costs)]) + "\\x1f")
"""


def measure(kernel: Kernel, code: str) -> tuple[float, float, float]:
    """Least, median and sum of the milliseconds that code in the kernel tells."""
    shown = kernel.execute(code)
    parts = [part for part in shown.text.split("\x1f") if part.startswith("COSTS")]
    if not parts:
        raise RuntimeError(shown.error or shown.text[-500:])
    least, median, total = json.loads(parts[-1][5:])
    return least, median, total


def task_cells(stop: int, start: int = 0) -> str:
    """Code that runs task cells of a chain and tells what each took."""
    source = "f'#@task t{n}\\nv{n} = ' + (f'v{n - 1} + {n}' if n else '0')"
    return f"told([cost({source}, f'c{{n}}') for n in range({start}, {stop})])"


def figures() -> dict[str, tuple[float, float]]:
    """Each figure in milliseconds, with its goal."""
    with tempfile.TemporaryDirectory() as folder, Kernel(Path(folder)) as kernel:
        kernel.set(**{f"c{n}": f"#@task t{n}\nv{n} = {f'v{n - 1} + {n}' if n else 0}" for n in range(CELLS)})
        kernel.save()
        kernel.execute(TIMER)
        plain = "told([cost('x = 1', 'plain') for _ in range(300)])"
        _, floor, _ = measure(kernel, plain)
        _, _, load = measure(kernel, "told([cost('%load_ext nbflow', 'load')])")
        kernel.execute("opened = 1")
        _, with_it, _ = measure(kernel, plain)
        measure(kernel, task_cells(CELLS))
        _, again, _ = measure(kernel, task_cells(CELLS))
        kernel.restart()
        kernel.execute(TIMER)
        kernel.execute("%load_ext nbflow")
        kernel.execute("opened = 1")
        _, _, run_all = measure(kernel, task_cells(CELLS))
        for start in range(CELLS, MANY, 100):
            kernel.execute(task_cells(start + 100, start))
        _, flow, _ = measure(kernel, "told([cost('%flow run', 'flow') for _ in range(5)])")
    return {
        "%load_ext nbflow": (load, 100.0),
        "a plain cell, beyond one without nbflow": (with_it - floor, 0.2),
        "an up-to-date task cell among 200": (again, 3.0),
        "Run All of 200 after a restart, a cell": (run_all / CELLS, 3.0),
        "unchanged %flow run of 1,000": (flow, 30.0),
    }
