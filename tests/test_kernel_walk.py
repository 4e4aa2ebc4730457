"""The first promise as a law in a real kernel: whatever is done to the job, what is called fresh is."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from tests.kernel_job import CELLS, SCALES, TASKS, Job, make_data, make_planes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.kernels import Kernel

pytestmark = pytest.mark.process

EDITS = {
    "limits": [("15", "25"), ("WIDTH = 6", "WIDTH = 5"), ("LATE", "%%params\nLATE")],
    "line": [
        ("0.5", "0.75"),
        ("self.slope * hours", "self.slope * hours + 1"),
        ("frame.delay.mean()", "frame.hour.mean()"),
    ],
    "helpers": [
        ("hour // WIDTH", "hour // WIDTH + 1"),
        ("notna()", "notna() & (frame.hour > 7)"),
        ("found", "kept"),
    ],
    "load": [
        ('print(len(load), "flights")', "print(load.shape)"),
        ('flights.csv")', 'flights.csv").head(40)'),
    ],
    "clean": [("> LATE", ">= LATE"), ("usable(load)", "load.dropna()"), ("usable", "unusable")],
    "mean": [
        ("mean()", "median()"),
        ("clean.delay", "clean.delay.dropna()"),
        ("clean.delay", "features.delay"),
    ],
    "features": [
        ("(band)", "(band) + 1"),
        ("clean.minutes", "clean.minutes * 2"),
        ("hours=to_hours", "hours=2 * to_hours"),
    ],
    "model": [
        ("each in model", "each in 1 + model"),
        ("features.delay", "features.minutes"),
        ("line.fit", "Line(0.25).fit"),
    ],
    "report": [("MEAN", "2 * MEAN"), ("features.late", "clean.late"), ("report.txt", "other.txt")],
    "look": [("dict(report)", "sorted(report)"), ("dict(report)", "report"), ("shown", "clean")],
}
EXTRAS = [
    "clean['n'] = clean.get('n', 0) + 1",
    "%%task\nclean['n'] = clean.get('n', 0) + 1",
    "features = features[features.hour < 20]",
    "#@task\nfeatures['double'] = features.hours * 2",
    "same = clean\nsame['late'] = ~same.late",
    "%%task\nalias = line\nalias.slope = alias.slope * 2",
    "LATE = LATE + 5",
    "errors.append(1.0)",
    "%%task\nerrors.sort()\nfirst = errors[0]",
    "def band(hour):\n    return hour // 3",
    "%%task\npart = load.delay.to_numpy()\npart[:3] = 1.0",
    "%%task\nimport random\nrandom.seed(1)\ndrawn = random.random()",
    "%%task\nagain = Path('report.txt').read_text() if Path('report.txt').exists() else ''",
    "del shown",
    "report['more'] = len(report)",
    "for frame in [load, clean]:\n    frame['m2'] = frame.minutes * 2",
]


Act = tuple[str, int, int, int]
KINDS = {"edit": 8, "run": 5, "flow": 4, "insert": 4, "delete": 2, "move": 1, "touch": 3, "all": 1}
BACK = {**KINDS, "open": 7, "back": 2, "forth": 2}


def acts(lucky: random.Random, count: int, kinds: Mapping[str, int] = KINDS) -> list[Act]:
    """What somebody does: a kind and numbers that choose among what is there when it is done."""
    chosen = lucky.choices(list(kinds), list(kinds.values()), k=count)
    return [(kind, lucky.randrange(1000), lucky.randrange(1000), lucky.randrange(1000)) for kind in chosen]


class Walk:
    """Does acts to the job, each followed by a comparison of all that is called fresh.

    Args:
        job: The job after its first run.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.log: list[str] = []
        self._extras = 0

    def do(self, act: Act) -> None:
        """Do one thing, then compare."""
        kind, *numbers = act
        self.log.append(f"{kind}: {getattr(self, kind)(*numbers)}")
        try:
            self.job.verdicts()
        except AssertionError as error:
            raise AssertionError("\n".join([*self.log, str(error)])) from None

    def edit(self, one: int, two: int, three: int) -> str:
        """Another text for a cell of the job, and run it."""
        ids = [id for id in EDITS if id in self.job.kernel.cells]
        id = ids[one % len(ids)]
        old, new = EDITS[id][two % len(EDITS[id])]
        text = (CELLS[id], self.job.kernel.cells[id])[three % 2]
        text = text if new in text else text.replace(old, new)
        return f"{id} {text!r} {self.job.run(**{id: text})} {self.job.shown.error}"

    def run(self, one: int, *_: int) -> str:
        """Run a cell as it stands."""
        ids = list(self.job.kernel.cells)
        return f"{ids[one % len(ids)]} {self.job.run(ids[one % len(ids)])} {self.job.shown.error}"

    def flow(self, *_: int) -> str:
        """Bring all up to date."""
        return str(self.job.flow())

    def all(self, *_: int) -> str:
        """Run all cells."""
        return f"{self.job.run_all()} {self.job.shown.error}"

    def insert(self, one: int, two: int, _: int) -> str:
        """A new cell somewhere, and run it."""
        text, id = EXTRAS[one % len(EXTRAS)], f"extra{self._extras}"
        self._extras += 1
        below = list(self.job.kernel.cells)[6:]
        before = below[two % len(below)]
        self.job.kernel.insert(id, text, before=before)
        return f"before {before} {text!r} {self.job.run(id)} {self.job.shown.error}"

    def delete(self, one: int, *_: int) -> str:
        """Delete a cell that was inserted."""
        extras = [id for id in self.job.kernel.cells if id.startswith("extra")]
        if not extras:
            return "nothing"
        self.job.delete(extras[one % len(extras)])
        return extras[one % len(extras)]

    def open(self, one: int, two: int, _: int) -> str:
        """Put what a run started from into the names; half of them the last one."""
        task = TASKS[one % len(TASKS)]
        said = self.job.kernel.execute(f"%flow open {task} {('', '-1')[two % 2]}")
        return f"{task} {said.text}"

    def back(self, one: int, *_: int) -> str:
        """Let a task stand at the result before."""
        task = TASKS[one % len(TASKS)]
        return f"{task} {self.job.kernel.execute(f'%flow restore {task}').error}"

    def forth(self, *_: int) -> str:
        """Return to the present."""
        return self.job.kernel.execute("%flow restore latest").error

    def move(self, one: int, *_: int) -> str:
        """Let two neighbours change places."""
        ids = list(self.job.kernel.cells)
        place = 5 + one % (len(ids) - 6)
        ids[place], ids[place + 1] = ids[place + 1], ids[place]
        self.job.kernel.cells = {id: self.job.kernel.cells[id] for id in ids}
        self.job.kernel.save()
        return str(ids)

    def touch(self, one: int, two: int, _: int) -> str:
        """Change a file."""
        number = 1 + two % 3
        if one % 4 == 0:
            make_data(self.job.folder, seed=number)
        elif one % 4 == 1:
            make_planes(self.job.folder, (150, 180, 200 + number))
        elif one % 4 == 2:
            (self.job.folder / "scales.py").write_text(SCALES.replace("60", str(60 * number)))
        else:
            (self.job.folder / "report.txt").unlink(missing_ok=True)
        return f"{('flights', 'planes', 'scales', 'report')[one % 4]} {number}"


@pytest.mark.parametrize("seed", range(3))
def test_whatever_is_done(kernel: Kernel, tmp_path: Path, seed: int) -> None:
    """No value or output that is called fresh differs from plain Python's."""
    job = Job(kernel, tmp_path)
    job.run_all()
    walk = Walk(job)
    for act in acts(random.Random(seed), 25):
        walk.do(act)


@pytest.mark.parametrize("seed", range(2))
def test_whatever_is_done_with_the_past(kernel: Kernel, tmp_path: Path, seed: int) -> None:
    """Names that hold what an earlier run had are never taken for the present."""
    job = Job(kernel, tmp_path)
    job.run_all()
    walk = Walk(job)
    for act in acts(random.Random(seed), 25, BACK):
        walk.do(act)
