"""Plain cells, mutation, and cells that come, move and go, in a real kernel."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from tests.kernel_job import Job

if TYPE_CHECKING:
    from pathlib import Path

    from tests.kernels import Kernel

pytestmark = pytest.mark.process


class TestPlainCells:
    """A plain cell among tasks is followed, and started again only where that is safe."""

    def test_a_constant_derived_from_a_tasks_output(self, job: Job) -> None:
        """It is derived again before its reader runs, and its name holds it."""
        job.run(clean=job.edit("clean", "usable(load)", "usable(load).head(30)"))
        assert job.stale().keys() == {"mean", "features", "model", "report", "look"}
        assert sorted(job.flow()) == ["features", "mean", "model", "report"]
        assert set(job.stale()) == {"look"}
        assert "MEAN" in job.compared

    def test_a_derived_constant_that_only_the_user_may_make(self, job: Job) -> None:
        """Its cell writes a file: the reader waits and names it; by hand all is well again."""
        job.run(mean='MEAN = float(clean.delay.mean())\nPath("mean.txt").write_text(str(MEAN))')
        job.run("report")
        job.run(clean=job.edit("clean", "usable(load)", "usable(load).head(30)"))
        assert job.flow() == ["features", "model"]
        number = job.kernel.ask("__import__('nbflow').session().places.cells['mean'].number")
        assert {id: said for id, said in job.verdicts().items() if id in ("mean", "report")} == {
            "mean": "waits",
            "report": "waits",
        }
        assert f"cell [{number}]" in job.why("report")
        assert job.run("mean") == ["mean"]
        assert job.flow() == ["report"]
        assert set(job.stale()) == {"look"}

    def test_an_own_cell_with_a_doubtful_constant(self, job: Job) -> None:
        """What may run above it runs; itself runs with the constant as it is, and waits for it."""
        job.run(mean='MEAN = float(clean.delay.mean())\nPath("mean.txt").write_text(str(MEAN))')
        job.run(clean=job.edit("clean", "usable(load)", "usable(load).head(30)"))
        assert job.run("report") == ["features", "model", "report"]
        assert {id: job.verdicts()[id] for id in ("model", "report")} == {"model": "fresh", "report": "waits"}
        job.run("mean")
        assert job.flow() == ["report"]
        assert set(job.stale()) == {"look"}

    def test_a_plain_cell_that_overrides_an_output(self, job: Job) -> None:
        """Tasks below it read what it made, those above do not; the task's own cell shows its own."""
        job.kernel.insert("fewer", "clean = clean[clean.seats > 150].copy()", before="mean")
        assert job.run("fewer") == ["fewer"]
        assert job.verdicts()["clean"] == "fresh"
        assert sorted(job.flow()) == ["features", "mean", "model", "report"]
        assert set(job.stale()) == {"look"}
        assert "clean" in job.compared
        job.run(helpers=job.edit("helpers", "frame.delay.notna()", "frame.delay.notna() & (frame.hour > 6)"))
        assert sorted(job.flow()) == ["clean", "features", "fewer", "mean", "model", "report"]
        assert set(job.stale()) == {"look"}

    def test_a_plain_cell_that_overrides_a_constant_below_its_reader(self, job: Job) -> None:
        """Who stands above reads the first value, again and again."""
        job.kernel.insert("later", "LATE = 99", before="look")
        assert job.run("later") == ["later"]
        assert job.stale() == {}
        assert job.run("clean") == []
        assert job.kernel.value("LATE") == "99"
        assert job.run(clean=job.edit("clean", "clean.delay > LATE", "clean.delay >= LATE")) == ["clean"]
        job.verdicts()
        assert job.kernel.value("LATE") == "99"

    def test_plain_cells_that_open_files(self, kernel: Kernel, tmp_path: Path) -> None:
        """IPython puts a function of its own in the place of `open`: it is nobody's input."""
        cells = {"ext": "%load_ext nbflow", "put": 'with open("a.txt", "w") as file:\n    file.write("7")'}
        cells |= {
            "get": 'with open("a.txt") as file:\n    n = int(file.read())',
            "twice": "%%task twice\ntwice = 2 * n",
        }
        job = Job(kernel, tmp_path, cells)
        assert job.run_all() == ["put", "get", "twice"]
        assert job.stale() == {}
        job.run(put=job.edit("put", "7", "8"))
        assert job.flow() == ["get", "twice"]
        assert job.stale() == {}

    def test_names_of_startup_files(self, kernel: Kernel, tmp_path: Path) -> None:
        """IPython hides them from `%who`; they are the user's all the same."""
        cells = {"ext": "", "base": "b = step + 1", "twice": "%%task twice\ntwice = 2 * step"}
        job = Job(kernel, tmp_path, cells)
        kernel.execute("get_ipython().push({'step': 4}, interactive=False)")
        job.run(ext="%load_ext nbflow")
        assert job.run("base", "twice") == ["base", "twice"]
        assert kernel.value("b, twice") == "(5, 8)"
        assert "'base': 'fresh', 'twice': 'fresh'" in str(json.loads(kernel.probe("standing()"))["verdicts"])

    def test_a_script_run_again(self, kernel: Kernel, tmp_path: Path) -> None:
        """What it bound it binds again, also to the very objects that were there."""
        (tmp_path / "script.py").write_text("factor = 5\n")
        job = Job(kernel, tmp_path, {"ext": "%load_ext nbflow", "script": "%run script.py"})
        job.run_all()
        job.run(times="%%task times\ntimes = factor * 2")
        assert job.run("script", "times") == ["script"]
        assert not job.shown.error
        assert "'times': 'fresh'" in str(json.loads(kernel.probe("standing()"))["verdicts"])
        (tmp_path / "script.py").write_text("factor = 5\nother = [1]\n")
        job.run("script", "times")
        assert not job.shown.error
        assert kernel.value("times") == "10"

    def test_a_plain_cell_run_many_times_on_its_own_leavings(self, job: Job) -> None:
        """As in Jupyter it piles up; what it made is called fresh by nobody but for the first time."""
        job.kernel.insert("pile", "clean['n'] = clean.get('n', 0) + 1", before="mean")
        job.run("pile")
        assert job.verdicts()["pile"] == "fresh"
        job.run("pile")
        job.run("pile")
        assert job.kernel.value("int(clean.n.max())") == "3"
        assert job.verdicts()["pile"] != "fresh"
        job.flow()
        job.verdicts()
        job.run("clean", "pile")
        assert job.kernel.value("int(clean.n.max())") == "1"
        assert job.verdicts()["pile"] == "fresh"


class TestMutation:
    """A re-run starts from its inputs, never from leftovers."""

    def test_a_task_that_changes_its_input(self, job: Job) -> None:
        """Run three times it gives what once gives; forced as well."""
        job.kernel.insert(
            "grow", "%%task grow\nclean['n'] = clean.get('n', 0) + 1\nprint(clean.n.max())", before="mean"
        )
        assert job.run("grow") == ["grow"]
        assert job.run("grow", "grow") == []
        assert job.kernel.value("int(clean.n.max())") == "1"
        for _ in range(3):
            assert job.flow("run grow --force") == ["grow"]
            assert job.kernel.value("int(clean.n.max())") == "1"
        assert sorted(job.flow()) == ["features", "mean", "model", "report"]
        assert job.stale() == {}
        text = job.edit("grow", "+ 1", "+ 5")
        assert job.run(grow=text) == ["grow"]
        assert job.kernel.value("int(clean.n.max())") == "5"
        job.verdicts()

    def test_a_class_of_a_module_that_nobody_can_put_back(self, kernel: Kernel, tmp_path: Path) -> None:
        """The flow says which cell has to run first, and not that all is up to date."""
        text = "class Bar:\n    seen = []\n    def __init__(self): Bar.seen.append(1)\n"
        (tmp_path / "bars.py").write_text(text)
        cells = {"ext": "%load_ext nbflow", "base": "from bars import Bar\nn = 5"}
        job = Job(kernel, tmp_path, cells | {"made": "%%task made\nbar = Bar()\nmade = n"})
        job.run_all()
        job.run(base=job.edit("base", "5", "6"))
        assert job.flow() == ["made"]
        assert job.run(made=job.edit("made", "made = n", "made = n + 1")) == []
        assert "run cell" in job.shown.error
        assert job.flow() == []
        assert "up to date" not in job.shown.text
        assert re.search(r"made +waits +run cell \[\d+\]: what cell", job.shown.text)

    def test_two_names_on_one_array(self, kernel: Kernel, tmp_path: Path) -> None:
        """A change through one is a change of the other, for whoever reads it."""
        cells = {
            "ext": "%load_ext nbflow",
            "plain": "import numpy as np\nSTEP = 1",
            "make": "%%task make\na = np.zeros(3)\nb = a[1:]",
            "add": "%%task add\na += STEP",
            "sum": "%%task sum\ntotal = float(b.sum())\nprint(total)",
        }
        job = Job(kernel, tmp_path, cells)
        assert job.run_all() == ["plain", "make", "add", "sum"]
        assert job.stale() == {}
        assert job.run("add", "add", "sum") == []
        assert job.kernel.value("total, a.tolist(), b.tolist()") == "(2.0, [1.0, 1.0, 1.0], [1.0, 1.0])"
        assert job.run(plain="import numpy as np\nSTEP = 4") == ["plain"]
        assert set(job.stale()) == {"add", "sum"}
        assert "STEP changed: 1 → 4" in job.why("sum")
        assert set(job.flow()) >= {"add", "sum"}
        assert job.stale() == {}
        assert job.kernel.value("total, a.tolist(), b.tolist()") == "(8.0, [4.0, 4.0, 4.0], [4.0, 4.0])"
        assert job.kernel.value("np.shares_memory(a, b)") == "True"
        assert job.run("make") == []
        job.verdicts()
        assert job.run_all() == ["plain"]
        assert job.kernel.value("np.shares_memory(a, b)") == "True"

    def test_two_names_on_one_array_of_plain_cells(self, kernel: Kernel, tmp_path: Path) -> None:
        """Nobody declared them: the first array is put back, for both names, before each run."""
        cells = {
            "ext": "%load_ext nbflow",
            "plain": "import numpy as np\na = np.zeros(3)\nb = a",
            "add": "#@task add\na += 1",
            "sum": "#@task sum\ntotal = float(b.sum())\nprint(total)",
        }
        job = Job(kernel, tmp_path, cells)
        assert job.run_all() == ["plain", "add", "sum"]
        assert job.run(add="#@task add\na += 2") == ["add"]
        assert job.flow() == ["sum"]
        assert job.stale() == {}
        assert job.kernel.value("total, b.tolist()") == "(6.0, [2.0, 2.0, 2.0])"

    def test_a_frame_rewritten_in_four_cells(self, kernel: Kernel, tmp_path: Path) -> None:
        """An edit in the middle runs what stands below, from the version above."""
        cells = {
            "ext": "%load_ext nbflow",
            "plain": "import pandas as pd",
            "one": "%%task one\ndf = pd.DataFrame({'a': [3.0, 1.0, None, 2.0]})",
            "two": "%%task two\ndf = df.dropna()\nprint(len(df))",
            "three": "%%task three\ndf['b'] = df.a * 2\nprint(df.b.sum())",
            "four": "%%task four\ndf = df.sort_values('a')\nprint(df)",
        }
        job = Job(kernel, tmp_path, cells)
        assert job.run_all() == list(cells)[1:]
        assert job.run("two", "three", "four") == []
        assert job.run("three") == []
        assert job.kernel.value("list(df.columns), df.a.tolist()") == "(['a', 'b'], [3.0, 1.0, 2.0])"
        assert job.run(two=job.edit("two", "dropna()", "fillna(9)")) == ["two"]
        assert job.kernel.value("list(df.columns)") == "['a']"
        assert job.stale() == {"three": "stale", "four": "stale"}
        assert "df changed: DataFrame, 3 × 1 → DataFrame, 4 × 1 (two)" in job.why("three")
        assert job.flow() == ["three", "four"]
        assert job.stale() == {}
        assert job.run(three=job.edit("three", "* 2", "* 3")) == ["three"]
        assert job.run("two") == []
        assert job.run("four") == ["four"]
        assert job.stale() == {}
        assert job.run_all() == ["plain"]
        assert job.stale() == {}


class TestCells:
    """Cells come, move, go and change their names."""

    def test_an_inserted_task(self, job: Job) -> None:
        """What it writes is read by those below it."""
        job.kernel.insert("early", "%%task early\nclean = clean[clean.hour < 20]", before="mean")
        assert job.run("early") == ["early"]
        assert sorted(job.flow()) == ["features", "mean", "model", "report"]
        assert set(job.stale()) == {"look"}

    def test_an_inserted_task_that_nobody_reads(self, job: Job) -> None:
        """Nothing else changes."""
        job.kernel.insert("extra", "#@task\nextra = len(clean)\nprint(extra)", before="features")
        assert job.run("extra") == ["extra"]
        assert job.stale() == {}

    def test_a_moved_task(self, job: Job) -> None:
        """Its reader stands above it now and waits, saying so; moved back it is as before."""
        order = job.kernel.cells
        moved = {id: text for id, text in order.items() if id != "features"}
        job.kernel.cells = {**moved, "features": order["features"]}
        job.kernel.save()
        said = job.verdicts()
        assert said["model"] == "waits"
        assert "defined below, in features" in job.why("model")
        assert job.flow() == []
        job.kernel.cells = order
        job.kernel.save()
        assert job.stale() == {}

    def test_a_moved_writer_of_a_name_with_several(self, job: Job) -> None:
        """Only the order decides who reads what."""
        job.kernel.insert(
            "double", "%%task double\nclean = clean.assign(delay=clean.delay * 2)", before="mean"
        )
        job.run("double")
        job.flow()
        job.run("look")
        assert job.stale() == {}
        cells = dict(job.kernel.cells)
        text = cells.pop("double")
        job.kernel.cells = cells
        job.kernel.insert("double", text, before="features")
        job.kernel.save()
        assert set(job.stale()) == {"mean", "report", "look"}
        assert job.flow() == ["report"]
        assert set(job.stale()) == {"look"}

    def test_a_deleted_task(self, job: Job) -> None:
        """It writes for nobody any more: its reader has no input, and says so."""
        job.delete("features")
        job.kernel.set(model=job.kernel.cells["model"])
        said = job.verdicts()
        assert said["model"] in ("stale", "waits")
        assert "features" in job.why("model")
        assert "features" not in job.flow()

    def test_a_deleted_rewrite(self, job: Job) -> None:
        """Its readers read the version above; results from before it came are found again."""
        job.kernel.insert("early", "%%task early\nclean = clean[clean.hour < 20]", before="mean")
        job.run("early")
        job.flow()
        job.delete("early")
        assert job.flow() == ["report"]
        assert job.stale() == {}

    def test_a_renamed_task(self, job: Job) -> None:
        """It keeps its result and its history, and leaves no ghost."""
        text = job.edit("features", "%%task features", "%%task traits")
        assert job.run(features=text) == []
        assert job.stale() == {}
        status = job.kernel.execute("%flow status").text
        assert "traits" in status
        assert "\nfeatures" not in status
        history = job.kernel.execute("%flow history traits").text
        assert "Completed" in history

    def test_a_renamed_variable(self, job: Job) -> None:
        """Its readers have no input until they are renamed as well."""
        job.run(features=job.kernel.cells["features"].replace("features", "traits"))
        assert job.verdicts()["model"] in ("stale", "waits")
        job.flow()
        job.verdicts()
        job.run(model=job.edit("model", "features", "traits"))
        job.run(report=job.edit("report", "features", "traits"))
        assert set(job.stale()) <= {"look"}
