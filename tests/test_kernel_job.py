"""The main job in a real kernel: after each edit those bodies run that must, and no value is stale."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.kernel_job import CELLS, SCALES, TASKS, Job, make_data, make_planes

if TYPE_CHECKING:
    from pathlib import Path

    from tests.kernels import Kernel

pytestmark = pytest.mark.process

PLAIN = ["imports", "limits", "line", "helpers", "mean", "look"]


class TestRunning:
    """What runs when nothing, one task, or only the look of one changed."""

    def test_the_first_run_runs_everything_once(self, kernel: Kernel, tmp_path: Path) -> None:
        """Each body runs once; all is fresh and equals plain Python."""
        job = Job(kernel, tmp_path)
        assert job.run_all() == [id for id in CELLS if id != "ext"]
        assert job.stale() == {}
        assert job.compared >= {*TASKS, "planes", "errors", "MEAN", "shown"}

    @pytest.mark.parametrize("task", TASKS)
    def test_an_unchanged_cell_runs_nothing(self, job: Job, task: str) -> None:
        """Its outputs come back."""
        before = job.screens[task]
        assert job.run(task) == []
        assert job.screens[task] == before != ""
        assert job.stale() == {}

    def test_unchanged_run_all_runs_plain_cells_only(self, job: Job) -> None:
        """Nor does `%flow run` find anything to do."""
        assert job.run_all() == PLAIN
        assert job.stale() == {}
        assert job.flow() == []

    def test_an_edited_task_runs_alone_until_the_flow_is_asked(self, job: Job) -> None:
        """What reads it is stale and says so; `%flow run` runs exactly that."""
        assert job.run(features=job.edit("features", "(band)", "(band) + 1")) == ["features"]
        assert job.stale() == {"model": "stale", "report": "stale", "look": "stale"}
        assert "features['band'][0] changed: 2 → 3" in job.why("model")
        assert job.flow() == ["model", "report"]
        assert job.stale() == {"look": "stale"}
        assert job.run("look") == ["look"]
        assert job.stale() == {}

    def test_a_reverted_task_reuses_all(self, job: Job) -> None:
        """Results of the earlier text are found again, also those below; only the file is written anew."""
        first = job.kernel.cells["features"]
        job.run(features=job.edit("features", "(band)", "(band) + 2"))
        job.flow()
        assert job.run(features=first) == []
        assert set(job.stale()) == {"model", "report", "look"}
        assert job.flow() == ["report"]
        assert job.stale() == {}

    def test_a_comment_changes_nothing(self, job: Job) -> None:
        """Nor do blank lines and line breaks."""
        text = job.edit("features", "clean.assign(", "clean.assign(  # bands of hours\n\n    ")
        assert job.run(features=text) == []
        assert job.stale() == {}

    def test_a_renamed_local_runs_one_body_only(self, job: Job) -> None:
        """Its output is the same, so that nothing below it runs."""
        assert job.run(model=job.edit("model", "float(each) for each", "float(one) for one")) == ["model"]
        assert job.stale() == {}
        assert job.flow() == []

    def test_a_failing_task_and_its_repair(self, job: Job) -> None:
        """The error is the cell's; what reads it does not run; the repaired text runs what changed."""
        first = job.kernel.cells["features"]
        assert job.run(features=job.edit("features", "clean.minutes", "clean.seconds")) == ["features"]
        assert job.shown.error.startswith("AttributeError")
        assert job.verdicts()["features"] == "stale"
        assert "seconds" in job.why("features")
        assert "seconds" in job.why("report")
        assert job.flow() == ["features"]
        assert job.verdicts()["model"] == "stale"
        assert job.run(features=first) == []
        assert job.flow() == []
        assert job.run(features=job.edit("features", "clean.minutes", "clean.minutes * 2")) == ["features"]
        assert job.flow() == ["model", "report"]
        assert set(job.stale()) == {"look"}


class TestCode:
    """Code that a body reaches is its input, wherever it stands."""

    def test_a_local_renamed_in_a_helper_changes_nothing(self, job: Job) -> None:
        """The helper does what it did."""
        text = job.edit("helpers", "found = frame", "kept = frame").replace("found.reset", "kept.reset")
        assert job.run(helpers=text) == ["helpers"]
        assert job.stale() == {}
        assert job.flow() == []

    def test_a_helper_rewritten_with_the_same_result_runs_its_reader_only(self, job: Job) -> None:
        """What comes out is the same: nothing below it runs."""
        text = job.edit("helpers", "frame[frame.delay.notna()]", "frame.dropna(subset=['delay'])")
        assert job.run(helpers=text) == ["helpers"]
        assert "line 2 of usable changed" in job.why("report")
        assert job.flow() == ["clean"]
        assert job.stale() == {}

    def test_an_edited_helper(self, job: Job) -> None:
        """Only the task that calls it runs, and what comes out otherwise below."""
        assert job.run(helpers=job.edit("helpers", "hour // WIDTH", "hour // WIDTH + 1")) == ["helpers"]
        assert job.verdicts()["clean"] == "fresh"
        assert "line 2 of band changed" in job.why("features")
        assert "line 2 of band changed" in job.why("report")
        assert job.flow() == ["features", "model", "report"]
        assert set(job.stale()) == {"look"}

    def test_a_docstring_in_a_helper_changes_nothing(self, job: Job) -> None:
        """Nor does an annotation."""
        text = job.edit("helpers", "def band(hour):", 'def band(hour: int) -> int:\n    """The band."""')
        assert job.run(helpers=text) == ["helpers"]
        assert job.stale() == {}

    def test_an_edited_global_of_a_task(self, job: Job) -> None:
        """Its readers run, and the constant that a plain cell derives from them."""
        assert job.run(limits=job.edit("limits", "15", "25")) == ["limits"]
        for task in TASKS[1:]:
            assert "LATE changed: 15 → 25" in job.why(task)
        assert sorted(job.flow()) == sorted(["clean", "mean", "features", "model", "report"])
        assert set(job.stale()) == {"look"}

    def test_an_edited_global_of_a_helper(self, job: Job) -> None:
        """Who calls the helper depends on it."""
        assert job.run(limits=job.edit("limits", "WIDTH = 6", "WIDTH = 5")) == ["limits"]
        assert "WIDTH changed: 6 → 5" in job.why("report")
        assert job.flow() == ["features", "model", "report"]

    def test_an_edited_method_of_an_inputs_class(self, job: Job) -> None:
        """The instance is made anew in its cell; who calls the method runs."""
        assert job.run(line=job.edit("line", "self.slope * hours", "self.slope * hours + 1")) == ["line"]
        assert "predict" in job.why("report") or "line" in job.why("report")
        assert job.flow() == ["model", "report"]
        assert set(job.stale()) == {"look"}

    def test_an_edited_class_whose_instance_is_of_another_cell(self, job: Job) -> None:
        """The instance of the old class is no input of a fresh run: its cell runs again first."""
        text = job.edit("line", "\nline = Line(0.5)", "")
        job.run(line=text)
        job.kernel.insert("made", "line = Line(0.75)", before="helpers")
        job.run("made")
        job.flow()
        assert job.run(line=text.replace("self.mean +", "1 + self.mean +")) == ["line"]
        assert set(job.stale()) >= {"model", "report"}
        assert "Line" in job.why("report")
        assert job.flow() == ["made", "model", "report"]
        assert set(job.stale()) == {"look"}

    def test_an_edited_class_whose_instance_a_task_made(self, job: Job) -> None:
        """A task that reads the fitted model is stale through the model's code."""
        job.kernel.insert("ask", "%%task ask\nask = float(model.predict(1.0))\nprint(ask)", before="look")
        assert job.run("ask") == ["ask"]
        job.run(line=job.edit("line", "return self.mean +", "return 7 + self.mean +"))
        assert job.stale().keys() >= {"model", "report", "ask"}
        assert job.run("ask") == ["model", "ask"]
        assert job.verdicts()["ask"] == "fresh"
        assert job.flow() == ["report"]

    def test_an_edited_local_module(self, job: Job) -> None:
        """Who imports it runs again, then who uses what was imported."""
        (job.folder / "scales.py").write_text(SCALES.replace("MINUTES = 60", "MINUTES = 30"))
        assert set(job.stale()) >= {"features", "model", "report"}
        assert "scales" in job.why("report") or "to_hours" in job.why("report")
        assert job.flow() == ["imports", "features", "model", "report"]
        assert set(job.stale()) == {"look"}

    def test_an_edited_part_of_a_local_module_that_nobody_uses(self, job: Job) -> None:
        """Nothing that a task uses is another."""
        (job.folder / "scales.py").write_text(SCALES.replace('"high"', '"tall"'))
        job.run("imports")
        assert job.flow() == []
        assert job.stale() == {}


class TestFiles:
    """Files are inputs by content, and outputs where they are written."""

    def test_a_changed_csv(self, job: Job) -> None:
        """Everything made from it runs."""
        make_data(job.folder, seed=2)
        assert "file" in job.why("report")
        assert "flights.csv changed" in job.why("report")
        assert sorted(job.flow()) == sorted([*TASKS, "mean"])
        assert set(job.stale()) == {"look"}

    def test_a_changed_csv_of_the_same_size_and_time(self, job: Job) -> None:
        """Neither size nor time decide."""
        path = job.folder / "flights.csv"
        before, text = path.stat(), path.read_text()
        digit = "7" if text.rstrip().split(",")[-1][:1] != "7" else "8"
        lines = text.splitlines(keepends=True)
        lines[3] = lines[3][:-4] + digit + lines[3][-3:]
        path.write_text("".join(lines))
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert path.stat().st_size == before.st_size
        assert path.read_text() != text
        assert "flights.csv changed" in job.why("load")
        assert job.flow()[:2] == ["load", "clean"]
        job.stale()

    def test_a_file_touched_only(self, job: Job) -> None:
        """Its content is the same."""
        os.utime(job.folder / "flights.csv")
        assert job.stale() == {}
        assert job.flow() == []

    def test_a_changed_parquet_file(self, job: Job) -> None:
        """It is read by native code that tells nobody."""
        make_planes(job.folder, (150, 180, 220))
        assert "planes.parquet changed" in job.why("report")
        assert sorted(job.run("report")) == sorted([*TASKS, "mean"])
        assert set(job.stale()) == {"look"}

    def test_a_deleted_output(self, job: Job) -> None:
        """Its writer writes it again."""
        (job.folder / "report.txt").unlink()
        assert job.stale().keys() == {"report", "look"}
        assert "report.txt is missing" in job.why("report")
        assert job.flow() == ["report"]
        assert (job.folder / "report.txt").read_text().startswith("{'mean'")
        assert job.stale() == {}

    def test_a_deleted_output_of_a_cell_run_by_hand(self, job: Job) -> None:
        """Its own cell writes it again as well."""
        (job.folder / "report.txt").write_text("spoiled")
        assert "report.txt changed" in job.why("report")
        assert job.run("report") == ["report"]
        assert (job.folder / "report.txt").read_text().startswith("{'mean'")
        assert job.stale() == {}


class TestParameters:
    """Values from outside count as inputs, by value."""

    @pytest.fixture
    def job(self, job: Job) -> Job:
        """The job with a parameter in the place of a constant."""
        job.run(limits="%%params\nLATE = 15\nWIDTH = 6")
        assert job.flow() == []
        return job

    def test_changed_and_changed_back(self, job: Job) -> None:
        """The tasks that use it run once; changing it back finds their earlier results."""
        assert job.flow("params LATE=30") == ["limits"]
        job.sources["limits"] = "LATE = 30\nWIDTH = 6"
        assert "LATE" in job.why("report")
        assert sorted(job.flow()) == ["clean", "features", "mean", "model", "report"]
        assert job.kernel.value("LATE") == "30"
        assert set(job.stale()) == {"look"}
        job.flow("params LATE=15")
        job.sources["limits"] = "LATE = 15\nWIDTH = 6"
        assert job.flow() == ["report"]
        assert job.stale() == {}

    def test_given_with_the_run(self, job: Job) -> None:
        """`-p` sets it as well, and resetting brings the default back."""
        assert "features" in job.flow("run -p WIDTH=4")
        job.sources["limits"] = "LATE = 15\nWIDTH = 4"
        assert set(job.stale()) == {"look"}
        job.flow("params --reset")
        job.sources["limits"] = "LATE = 15\nWIDTH = 6"
        assert job.flow() == ["report"]
        assert job.stale() == {}
        assert job.kernel.value("WIDTH") == "6"
