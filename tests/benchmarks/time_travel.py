"""Going back in a flow with large values: how long it takes, and how much memory, before one is used."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.kernels import Kernel

if TYPE_CHECKING:
    from collections.abc import Callable

TASKS = 50
FLOATS = 12_500_000
"""In each task's array: 100 MB, so that the flow holds 5 GB."""
SMALL = "import numpy as np\nSIZE = 10"
SESSION = "__import__('nbflow').session()"
PROCESSOR = "__import__('time').process_time()"
RESIDENT = "int(open('/proc/self/statm').read().split()[1]) * 4096 / 1e6"


class Figure(NamedTuple):
    """The processor time that something took, and by how much the kernel's memory grew by it, in MB."""

    seconds: float
    growth: float


def cells() -> dict[str, str]:
    """A flow whose values are as large as a plain cell says; they are zeros, which cost little to make."""
    body = "#@task t{n} --persist yes\nt{n} = np.zeros(SIZE)\nt{n}[0] = {n}"
    large = SMALL.replace("10", str(FLOATS))
    return {"load": "%load_ext nbflow", "size": large, **{f"t{n}": body.format(n=n) for n in range(TASKS)}}


def figures() -> dict[str, Figure]:
    """Going back to the large values, Run All and one cell after a restart."""
    with tempfile.TemporaryDirectory() as folder, Kernel(Path(folder)) as kernel:
        kernel.set(**cells())
        kernel.run_all()
        kernel.execute("%flow run t0 --force")
        number = kernel.ask(f"{SESSION}.around.store.history.snapshots('nb.ipynb')[-1].number")
        kernel.restart()
        run_all = measured(kernel, lambda: [kernel.run(id) for id in kernel.cells])
        kernel.run("size", SMALL)
        kernel.execute("%flow run")
        kernel.restart()
        kernel.run("load")
        kernel.run("size")
        kernel.execute("%flow status")
        restore = measured(kernel, lambda: kernel.execute(f"%flow restore '#{number}'"))
        found = kernel.ask("[[int(t.size), float(t[0])] for t in (t0, t1, t4)]")
        if found != [[FLOATS, 0.0], [FLOATS, 1.0], [FLOATS, 4.0]]:
            raise RuntimeError(f"what was restored is not what there was: {found}")
    return {"Run All after a restart": run_all, "restore of the flow": restore}


def measured(kernel: Kernel, act: Callable[[], object]) -> Figure:
    """What something that is done in a kernel takes; an import of numpy before is not counted."""
    kernel.ask("__import__('numpy').__name__")
    before, start = kernel.ask(RESIDENT), kernel.ask(PROCESSOR)
    act()
    return Figure(kernel.ask(PROCESSOR) - start, kernel.ask(RESIDENT) - before)
