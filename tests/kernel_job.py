"""A job of five tasks in a real kernel, and the same cells in plain Python to compare with."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import inspect
import io
import json
import os
import shutil
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tests.kernel_probe import canon, is_data

if TYPE_CHECKING:
    from pathlib import Path
    from types import CodeType

    from tests.kernels import Kernel

SCALES = """
MINUTES = 60
LABELS = ["low", "high"]

def to_hours(minutes):
    return minutes / MINUTES
"""

CELLS = {
    "ext": "%load_ext nbflow",
    "imports": """\
import numpy as np
import pandas as pd
from pathlib import Path
from scales import to_hours""",
    "limits": "LATE = 15\nWIDTH = 6",
    "line": """\
class Line:
    def __init__(self, slope):
        self.slope = slope
    def fit(self, frame):
        self.mean = float(frame.delay.mean())
        return self
    def predict(self, hours):
        return self.mean + self.slope * hours
line = Line(0.5)""",
    "helpers": """\
def usable(frame):
    found = frame[frame.delay.notna()]
    return found.reset_index(drop=True)
def band(hour):
    return hour // WIDTH""",
    "load": """\
%%task load
load = pd.read_csv("flights.csv")
planes = pd.read_parquet("planes.parquet")
print(len(load), "flights")""",
    "clean": """\
#@task clean
clean = usable(load).merge(planes, on="plane")
clean["late"] = clean.delay > LATE
print(int(clean.late.sum()), "late")""",
    "mean": "MEAN = float(clean.delay.mean())",
    "features": """\
%%task features
features = clean.assign(band=clean.hour.map(band), hours=to_hours(clean.minutes))
print(features.band.nunique(), "bands")""",
    "model": """\
#@task model
model = line.fit(features)
errors = [float(each) for each in model.predict(features.hours) - features.delay]
print(round(model.mean, 6))""",
    "report": """\
%%task report
report = {"mean": MEAN, "error": float(np.abs(errors).mean())}
report |= {"late": int(features.late.sum()), "bands": int(features.band.sum())}
report["seats"] = int(features.seats.sum())
Path("report.txt").write_text(str(report))
print(report)""",
    "look": "shown = dict(report)",
}
TASKS = ("load", "clean", "features", "model", "report")


def make_data(folder: Path, seed: int = 1) -> None:
    """Write the job's two files and its module."""
    random = np.random.default_rng(seed)
    count = 60
    flights = pd.DataFrame(
        {
            "plane": random.choice(["N1", "N2", "N3"], count),
            "hour": random.integers(5, 24, count),
            "minutes": random.integers(40, 300, count),
            "delay": np.where(random.random(count) < 0.1, np.nan, random.integers(-10, 60, count)),
        }
    )
    flights.to_csv(folder / "flights.csv", index=False)
    make_planes(folder, (150, 180, 200))
    (folder / "scales.py").write_text(SCALES)


def make_planes(folder: Path, seats: tuple[int, ...]) -> None:
    """Write the parquet file."""
    planes = pd.DataFrame({"plane": [f"N{place + 1}" for place in range(len(seats))], "seats": seats})
    planes.to_parquet(folder / "planes.parquet")


@dataclass
class Fresh:
    """What a fresh run in plain Python gives.

    Args:
        values: What each name holds in the end, as `canon` says it.
        prints: What each cell printed.
    """

    values: dict[str, Any] = field(default_factory=dict[str, Any])
    prints: dict[str, str] = field(default_factory=dict[str, str])


def plain_run(cells: dict[str, str], folder: Path, scratch: Path) -> Fresh:
    """Run cells in order in plain Python, in a copy of the folder.

    Args:
        cells: Their texts; headers are left away, commands of nbflow too.
        folder: Where the data are.
        scratch: Where the copy is made.
    """
    shutil.copytree(folder, scratch, ignore=shutil.ignore_patterns(".nbflow", "ipython", "*.ipynb"))
    fresh, names = Fresh(), {"__name__": "__main__"}
    here, path, modules = os.getcwd(), list(sys.path), set(sys.modules)
    os.chdir(scratch)
    sys.path.insert(0, str(scratch))
    try:
        for id, text in cells.items():
            # What a failed cell was to bind is not there for those below; the rest goes on.
            with contextlib.redirect_stdout(io.StringIO()) as printed, contextlib.suppress(Exception):
                await_if_asked(eval(code_of(text), names))
            fresh.prints[id] = printed.getvalue()
    finally:
        os.chdir(here)
        sys.path[:] = path
        for name in set(sys.modules) - modules:
            if str(getattr(sys.modules[name], "__file__", "")).startswith(str(scratch)):
                del sys.modules[name]
        shutil.rmtree(scratch)
    kept = {key: value for key, value in names.items() if not key.startswith("__") and is_data(value)}
    fresh.values = {key: canon(value) for key, value in kept.items()}
    return fresh


def code_of(text: str) -> CodeType:
    """A cell's code, as plain IPython would have it."""
    return compile(bare(text), "<cell>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)


def await_if_asked(result: Any) -> None:
    """Bring code that awaits something to its end."""
    if inspect.iscoroutine(result):
        asyncio.run(result)


def bare(text: str) -> str:
    """A cell without its header; nothing where it is a command of ours."""
    first, _, rest = text.partition("\n")
    if first.startswith(("%%task", "#@task", "%%params", "#@params")):
        return rest
    return "" if first.startswith("%") else text


class Job:
    """A notebook in a kernel that is compared with plain Python after each step.

    Args:
        kernel: The kernel.
        folder: Where its notebook is from now on; empty but for what the test put there.
    """

    def __init__(self, kernel: Kernel, folder: Path, cells: dict[str, str] | None = None) -> None:
        self.kernel = kernel
        self.folder = folder
        self.sources: dict[str, str] = {}
        self.screens: dict[str, str] = {}
        self._scratch = 0
        if cells is None:
            make_data(folder)
        kernel.folder, kernel.path = folder, folder / "nb.ipynb"
        kernel.cells = dict(CELLS if cells is None else cells)
        kernel.save()
        if not kernel.probe(f"load_over({str(folder)!r})"):
            raise AssertionError

    # --- doing -----------------------------------------------------------------------------------

    def run(self, *ids: str, **sources: str) -> list[str]:
        """Run cells in order, edited first where a text is given; return the cells whose code ran."""
        self.kernel.set(**sources)
        for id in (*sources, *ids):
            self.shown = self.kernel.run(id)
            if "not Python" not in self.shown.error:
                self.sources[id] = self.kernel.cells[id]
            self.screens[id] = self.shown.stdout
            if self.shown.error:
                break
        return self.ran()

    def run_all(self) -> list[str]:
        """Run all cells in order; return those whose code ran."""
        return self.run(*self.kernel.cells)

    def flow(self, command: str = "run") -> list[str]:
        """Run a `%flow` command; return the cells whose code ran."""
        self.shown = self.kernel.execute(f"%flow {command}")
        return self.ran()

    def edit(self, id: str, old: str, new: str) -> str:
        """The text of a cell with a part replaced; it must be there."""
        text = self.kernel.cells[id]
        assert old in text, text
        return text.replace(old, new)

    def delete(self, id: str) -> None:
        """Delete a cell and save the notebook."""
        self.kernel.delete(id)
        self.sources.pop(id, None)
        self.kernel.save()

    def ran(self) -> list[str]:
        """The cells whose code ran since this was last asked."""
        ran = json.loads(self.kernel.probe(f"taken({json.dumps(self.kernel.sent)!r})"))
        assert ran is not None
        return [id for id in ran if id not in ("", "ext")]

    # --- looking ---------------------------------------------------------------------------------

    def why(self, task: str) -> str:
        """What `%flow why` says."""
        return self.kernel.execute(f"%flow why {task}").text

    def verdicts(self) -> dict[str, str]:
        """The verdict of each cell, once all that is called fresh was compared with plain Python."""
        found = json.loads(self.kernel.probe("standing()"))
        fresh = self.fresh()
        wrong = {key: value for key, value in found["values"].items() if fresh.values.get(key) != value}
        assert not wrong, {
            key: (str(now)[:200], str(fresh.values.get(key))[:200]) for key, now in wrong.items()
        }
        screens = {id: (self.screens.get(id), fresh.prints.get(id)) for id in found["screens"]}
        old = {id: pair for id, pair in screens.items() if pair[0] != pair[1]}
        assert not old, old
        self.compared = set(found["values"])
        return found["verdicts"]

    def stale(self) -> dict[str, str]:
        """The steps that are not fresh, with their verdicts."""
        return {name: verdict for name, verdict in self.verdicts().items() if verdict != "fresh"}

    def fresh(self) -> Fresh:
        """What plain Python gives for the sources last run, in the order of the notebook."""
        self._scratch += 1
        cells = {id: self.sources[id] for id in self.kernel.cells if id in self.sources}
        return plain_run(cells, self.folder, self.folder.parent / f"{self.folder.name}-{self._scratch}")
