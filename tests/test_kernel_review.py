"""Cells that use nbflow in a way it was not made for: each is followed whole, or refused in one line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.kernel_job import Job

if TYPE_CHECKING:
    from pathlib import Path

    from tests.kernels import Kernel, Shown

pytestmark = pytest.mark.process

START = {"ext": "%load_ext nbflow", "plain": "limit = 3"}


@pytest.fixture
def job(asking_kernel: Kernel, tmp_path: Path) -> Job:
    """A notebook with nbflow and a constant."""
    job = Job(asking_kernel, tmp_path, START)
    job.run_all()
    return job


def told(job: Job) -> str:
    """Everything that the last cell said."""
    return job.shown.text + job.shown.error


class TestPlainCells:
    """A plain cell is seen from its beginning to its end."""

    @pytest.mark.parametrize("text", ["x = 1\n%flow run\nlimit = 2\n%flow status", "%flow run\nflow = 3"])
    def test_code_below_a_run_is_refused(self, job: Job, text: str) -> None:
        """Whatever stands in the last line."""
        job.run(mid=text)
        assert "give it a cell of its own" in told(job)
        assert job.kernel.value("limit") == "3"

    def test_commands_below_a_run(self, job: Job) -> None:
        """They see what it did."""
        job.run(seen="%%task seen\nseen = limit")
        job.kernel.insert("mid", "limit = 7\n%flow run\n# and\n%flow status", before="seen")
        assert job.run("mid") == ["mid", "seen"]
        assert not job.shown.error
        assert job.kernel.value("seen") == "7"

    @pytest.mark.parametrize("stored", ["", ", store_history=True"])
    def test_a_cell_in_a_cell(self, job: Job, stored: str) -> None:
        """Is a part of it: what it changes is what the outer one changed."""
        job.run(nested=f"get_ipython().run_cell('other = 5'{stored})\nlimit = 2")
        job.run(seen="%%task seen\nseen = limit")
        assert job.kernel.value("seen, other") == "(2, 5)"
        job.delete("nested")
        job.run("plain", "seen")
        assert job.kernel.value("seen") == "3"

    @pytest.mark.parametrize(
        "text", ["%%time\n%%task b\nb = 1", "get_ipython().run_cell_magic('task', 'b', 'b = 1')"]
    )
    def test_a_task_in_a_plain_cell_is_refused(self, job: Job, text: str) -> None:
        """It stands in a cell of its own."""
        job.run(loop=text)
        assert "give %%task a cell of its own" in told(job)
        assert job.run(b="%%task b\nb = 1") == ["b"]


class TestTasks:
    """A body is no place to run the flow from."""

    def test_a_run_in_a_task_is_refused(self, job: Job) -> None:
        """Once, and the task has failed."""
        job.run(b="%%task b\nb = limit\n%flow run")
        assert told(job).count("cannot run inside b") >= 1
        job.run(b="%%task b\nb = limit\n%flow status")
        assert not job.shown.error

    def test_a_stream_that_a_task_kept(self, job: Job) -> None:
        """Shows again what is written to it, once the body has ended."""
        text = "%%task b\nimport logging\nlogging.basicConfig(level=20, force=True)\nb = limit"
        job.run(b=text, plain="limit = 4")
        assert job.flow() == ["b"]
        job.run(say="logging.warning('HELLO')")
        assert "HELLO" in job.shown.text

    def test_a_deferred_task(self, job: Job) -> None:
        """Its own cell never runs it."""
        assert job.run(b="%%task b --defer\nb = limit") == []
        assert job.run("b") == []
        assert job.flow() == ["b"]
        assert job.run("b") == []

    def test_asking_first(self, asking_kernel: Kernel, tmp_path: Path) -> None:
        """A new or edited cell asks as well, and what is run then is its new source."""
        (tmp_path / "pyproject.toml").write_text("[tool.nbflow]\nask_above = 0.1\n")
        job = Job(asking_kernel, tmp_path, START)
        job.run_all()
        job.run(plain="import time\nlimit = 3", b="%%task b\ntime.sleep(.15)\nb = limit")
        job.run(c="%%task c\nc = b + 1")
        job.run(plain="import time\nlimit = 4")
        assert job.run(c="%%task c\nc = b + 100") == []
        assert job.run(d="%%task d\nd = b") == []
        assert job.flow("run c") == ["b", "c"]
        assert job.kernel.value("c") == "104"


class TestAuto:
    """`%flow auto on` tries what may work."""

    def test_a_failed_task(self, job: Job) -> None:
        """Is left alone, with all below it, until what it looks at is another."""
        job.run(b="%%task b\nb = 1 / (limit - 3)", c="%%task c\nc = b")
        job.run("c")
        job.flow("auto on")
        assert [job.run(z=f"z = {n}") for n in range(3)] == [["z"]] * 3
        assert job.run(plain="limit = 4") == ["plain", "b", "c"]
        job.run(plain="limit = 3")
        assert job.run(z="z = 4") == ["z"]
        job.flow("auto off")


class TestAwait:
    """Bodies that await something at their top level."""

    TEXT = "%%task b\nimport asyncio\nb = await asyncio.sleep(0, limit)"

    def test_a_run_in_a_cell_of_its_own(self, job: Job) -> None:
        """Awaits them."""
        job.run(b=self.TEXT, c="%%task c\nc = b + 1", plain="limit = 4")
        assert job.flow() == ["b", "c"]
        assert "run" in job.shown.text
        assert job.kernel.value("c") == "5"

    def test_a_run_below_other_code(self, job: Job) -> None:
        """Is refused before anything runs; nothing has failed."""
        job.run(b=self.TEXT, c="%%task c\nc = b + 1", plain="limit = 4")
        assert job.run(mid="other = 1\n%flow run") == ["mid"]
        assert "b awaits at its top level" in told(job)
        assert "Failed" not in job.kernel.execute("%flow history b").text
        assert job.flow() == ["b", "c"]

    def test_automatic_runs_leave_it_alone(self, job: Job) -> None:
        """As nobody awaits them."""
        job.run(b=self.TEXT, c="%%task c\nc = b + 1", d="%%task d\nd = limit")
        job.flow("auto on")
        assert job.run(plain="limit = 5") == ["plain", "d"]
        job.flow("auto off")
        assert job.flow() == ["b", "c"]

    def test_stop(self, job: Job) -> None:
        """Cancels the run, and nothing further starts."""
        naps = (
            "print('started')\nfor _ in range(300 * (limit == 4)):\n    await asyncio.sleep(0.1)\nb = await"
        )
        text = self.TEXT.replace("b = await", naps)
        job.run(b=text, c="%%task c\nc = b + 1", plain="limit = 4")
        pressed: list[str] = []

        def press(shown: Shown) -> None:
            if "started" in shown.text and not pressed:
                pressed.append("stop")
                job.kernel.manager.interrupt_kernel()

        shown = job.kernel.collect(job.kernel.send(job.kernel.cells["b"], "b"), press)
        assert "KeyboardInterrupt" in shown.error
        history = job.kernel.execute("%flow history b").text
        assert "Cancelled" in history
        assert "Failed" not in history
        assert job.kernel.value("c") == "4"


class TestNames:
    """A state belongs to a cell, not to what it is called."""

    def test_a_name_that_moves(self, job: Job) -> None:
        """A new task of an old name has no state yet."""
        job.run(b="%%task b\nb = 1 / 0")
        assert "Failed" in job.kernel.execute("%flow status").text
        job.run(b="%%task other\nb = 1", c="%%task b --defer\nc = 2")
        assert "Failed" not in job.kernel.execute("%flow status").text


class TestSettings:
    """A faulty setting is told, not thrown about."""

    def test_a_faulty_project(self, asking_kernel: Kernel, tmp_path: Path) -> None:
        """One line that names the file; cells run as without nbflow, until it is mended."""
        job = Job(asking_kernel, tmp_path, START)
        project = tmp_path / "pyproject.toml"
        project.write_text("[tool.nbflow]\nunknwn = 1\n")
        job.run("ext", "plain")
        assert "pyproject.toml" in job.shown.text
        assert "Traceback" not in job.shown.text
        assert job.run(b="b = limit") is not None
        assert job.shown.text == ""
        job.run(c="%%task c\nc = b")
        assert job.shown.error.startswith("UsageError")
        assert "pyproject.toml" in told(job)
        project.write_text("")
        assert "pyproject.toml" not in job.kernel.execute("%flow status").text
        job.run("b", "c")
        assert json.loads(job.kernel.probe("standing()"))["verdicts"]["c"] == "fresh"
