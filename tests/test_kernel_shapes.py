"""Five notebooks with the shapes that trouble incremental notebooks most, edited in a real kernel.

Each cell holds an `EDIT`, which stands for a number that an edit raises, so that what the cell makes is
another value. A task that would *wait* asks the user for a hand: that has to be rare.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from tests.kernel_job import Job

if TYPE_CHECKING:
    from pathlib import Path

    from tests.kernels import Kernel

pytestmark = pytest.mark.process

START = {"ext": "%load_ext nbflow", "imports": "import numpy as np\nimport pandas as pd"}
FRAME = "pd.DataFrame({'a': np.arange(12) + EDIT, 'b': np.arange(12) % 3})"


def alternating() -> dict[str, str]:
    """Task, plain cell, task, plain cell: each reads what the one above made, and shows it."""
    cells = {"make0": f"%%task make0\nmake0 = {FRAME}\nprint(make0.a.sum())"}
    for place in range(6):
        cells[f"plain{place}"] = (
            f"part{place} = make{place}[make{place}.a > 1].copy()\n"
            f"part{place}['n{place}'] = part{place}.a * 2 + EDIT\n"
            f"print(len(part{place}))\npart{place}.head(2)"
        )
        cells[f"make{place + 1}"] = (
            f"#@task make{place + 1}\n"
            f"make{place + 1} = part{place}.assign(a=part{place}.n{place} % 100 + EDIT)\n"
            f"print(make{place + 1}.a.sum())"
        )
    return cells


def looped() -> dict[str, str]:
    """Two frames in one list; loops change both through the loop's variable; models overwrite one name."""
    cells = {
        "read": f"%%task read\ntrain = {FRAME}\ntest = {FRAME}.tail(4).reset_index(drop=True)",
        "combine": "combine = [train, test]\nLIMIT = 4 + EDIT",
        "loop0": "for each in combine:\n    each['big'] = each.a > LIMIT + EDIT\ntrain.head(1)",
        "loop1": "for each in combine:\n    each['c'] = each.a * 2 + each.big + EDIT\ntrain.c.head(1)",
        "loop2": "%%task loop2\nfor each in combine:\n    each['d'] = each.c - each.b + EDIT",
        "loop3": "for each in combine:\n    each['e'] = each.d ** 2 + EDIT",
    }
    for place in range(3):
        cells[f"model{place}"] = (
            f"#@task model{place}\nweights = float(train.e.mean()) + {place} + EDIT\n"
            f"pred = test.e * weights\nscore{place} = float(pred.sum())\nprint(score{place})"
        )
    cells["submit"] = (
        "%%task submit\nsubmit = pd.DataFrame({'id': test.index, 'pred': pred + EDIT})\nprint(submit)"
    )
    cells["ranking"] = "ranking = sorted([score0, score1, score2])\nranking"
    return cells


def scored() -> dict[str, str]:
    """Each model appends its score to one list; the last cell shows them."""
    cells = {
        "data": f"%%task data\ndata = {FRAME}",
        "split": "left, right = data[data.b == 0], data[data.b > 0]\nbase = EDIT",
        "scores": "scores = {'name': [], 'score': []}\nbest = None",
    }
    for place in range(5):
        cells[f"fit{place}"] = (
            f"%%task fit{place}\nslope{place} = float(left.a.mean() * {place + 1}) + base + EDIT\n"
            f"scores['name'].append('fit{place}')\n"
            f"scores['score'].append(float((right.a * slope{place}).sum()))\nprint(scores['score'][-1])"
        )
    cells["table"] = (
        "#@task table\ntable = pd.DataFrame(scores)\ntable['rank'] = table.score.rank() + EDIT\nprint(table)"
    )
    cells["top"] = "top = table.name[0]\ntop"
    return cells


def one_name() -> dict[str, str]:
    """One small line after the other, all on one name, tasks and plain cells in turn."""
    lines = [
        FRAME,
        "df.drop(index=0)",
        "df.rename(columns={'a': 'x'})",
        "df.assign(y=df.x * 2 + EDIT)",
        "df.sort_values('y', ascending=False)",
        "df[df.b < 2 + EDIT]",
        "df.reset_index(drop=True)",
        "df.assign(z=df.y.cumsum() + EDIT)",
        "df.merge(df.groupby('b', as_index=False).x.sum(), on='b', suffixes=('', '_sum'))",
        "df.pivot_table(index='b', values=['z', 'x_sum'], aggfunc='sum')",
        "df.reset_index().round(2)",
        "df.assign(end=df.z + EDIT)",
    ]
    plain = (1, 2, 4, 6, 8, 10)
    return {
        f"line{place}": ("" if place in plain else f"%%task line{place}\n") + f"df = {line}"
        for place, line in enumerate(lines)
    } | {"last": "print(df)\ntotal = float(df.end.sum())"}


def in_place() -> dict[str, str]:
    """One frame, and 25 cells that each add a column to it."""
    cells = {"make": f"%%task\ndata = {FRAME}\ndata['c0'] = data.a"}
    for place in range(25):
        text = f"data['c{place + 1}'] = data.c{place} % 50 + data.b + EDIT"
        cells[f"add{place}"] = text if place % 5 == 2 else f"%%task\n{text}"
    cells["sum"] = "%%task\ntotal = int(data.c25.sum())\nprint(total)"
    return cells


SHAPES = {shape.__name__: shape for shape in (alternating, looped, scored, one_name, in_place)}


class Edited:
    """A notebook of which cells are edited one after the other."""

    def __init__(self, kernel: Kernel, folder: Path, cells: dict[str, str]) -> None:
        self.templates = cells
        first = {id: text.replace("EDIT", "0") for id, text in cells.items()}
        self.job = Job(kernel, folder, START | first)
        self.job.run_all()
        assert not self.job.shown.error
        assert self.job.stale() == {}
        self._edits = 0
        self.stale = self.waiting = 0

    def edit(self, id: str) -> None:
        """Edit a cell, run it, and run the flow; count the tasks that were stale, and those that wait."""
        self._edits += 1
        self.job.run(**{id: self.templates[id].replace("EDIT", str(self._edits))})
        before = self._tasks()
        self.job.flow()
        assert not self.job.shown.error
        after = self._tasks()
        assert "stale" not in after.values()
        self.stale += len(before)
        self.waiting += len(after)

    def _tasks(self) -> dict[str, str]:
        return {id: said for id, said in self.job.stale().items() if self.is_task(id)}

    def is_task(self, id: str) -> bool:
        """Whether a cell is a task."""
        return self.templates.get(id, "").startswith(("%%task", "#@task"))


@pytest.mark.parametrize("shape", SHAPES)
class TestShapes:
    """Whatever is edited, the flow brings nearly all up to date by itself, and no value is stale."""

    def test_each_task_edited_once(self, kernel: Kernel, tmp_path: Path, shape: str) -> None:
        """At most one stale task of ten waits."""
        edited = Edited(kernel, tmp_path, SHAPES[shape]())
        ids = [id for id, text in edited.templates.items() if edited.is_task(id) and "EDIT" in text]
        for id in ids[:: max(len(ids) // 6, 1)]:
            edited.edit(id)
        assert edited.stale > 0
        assert edited.waiting <= edited.stale * 0.1

    def test_cells_edited_at_random(self, kernel: Kernel, tmp_path: Path, shape: str) -> None:
        """Plain ones too."""
        edited, lucky = Edited(kernel, tmp_path, SHAPES[shape]()), random.Random(shape)
        for id in lucky.sample([id for id, text in edited.templates.items() if "EDIT" in text], 5):
            edited.edit(id)
        assert edited.waiting <= edited.stale * 0.1

    def test_a_new_kernel(self, kernel: Kernel, tmp_path: Path, shape: str) -> None:
        """After a restart Run All computes no task."""
        edited = Edited(kernel, tmp_path, SHAPES[shape]())
        kernel.restart()
        assert [id for id in edited.job.run_all() if edited.is_task(id)] == []
        assert edited.job.stale() == {}
