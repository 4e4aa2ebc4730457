"""Stops, restarts and kills of a real kernel: what was finished is kept, what was not is said."""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING, ClassVar

import pytest

from tests.kernel_job import CELLS, TASKS, Job
from tests.kernels import Kernel, Shown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.process

PLAIN = ["imports", "limits", "line", "helpers", "mean", "look"]
# It changes its input for a while, says so, and ends when a file tells it to.
LONG = """\
%%task {name}
import signal, time
for round in range(200_000):
    work[round % 4] += 1
    if round == 3:
        print("half way", flush=True)
    if round == 4 and Path("stop").exists():
        signal.raise_signal(signal.SIGINT)
    if Path("go").exists():
        break
    time.sleep(0.001)
"""


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    """A kernel that is going to be ended."""
    with Kernel(tmp_path) as kernel:
        yield kernel


class TestRestart:
    """A new kernel knows what the last one did."""

    def test_run_all(self, job: Job) -> None:
        """Restores every result and computes plain cells only."""
        job.kernel.restart()
        assert job.run_all() == PLAIN
        assert job.stale() == {}
        assert job.compared >= {*TASKS, "planes", "errors", "MEAN", "shown"}
        assert job.flow() == []

    def test_run_all_after_an_edit_of_the_file(self, job: Job) -> None:
        """Only what changed, and what is below it, runs."""
        job.kernel.restart()
        job.kernel.set(features=job.edit("features", "(band)", "(band) + 1"))
        ran = job.run_all()
        assert [id for id in ran if id in TASKS] == ["features", "model", "report"]
        assert job.stale() == {}

    def test_run_all_after_a_change_outside(self, job: Job) -> None:
        """The files are looked at anew."""
        job.kernel.restart()
        (job.folder / "scales.py").write_text((job.folder / "scales.py").read_text().replace("60", "30"))
        ran = job.run_all()
        assert [id for id in ran if id in TASKS] == ["features", "model", "report"]
        assert job.stale() == {}

    def test_one_cell_alone(self, job: Job) -> None:
        """It has its result, or names the cells to run; nothing else runs."""
        job.kernel.restart()
        job.run("ext")
        assert job.run("clean") == []
        said = job.verdicts()
        assert said["clean"] in ("fresh", "as of")
        assert job.kernel.value("len(clean)") == str(len_of(job, "clean"))

    def test_a_badge_opens_to_runs_of_earlier_kernels(self, job: Job) -> None:
        """Each with its number, by which it can be looked at and restored."""
        job.kernel.restart()
        job.run("ext")
        badge = job.kernel.run("load").bundles[-1]["text/html"]
        assert re.findall(r"#(\d+) (\w+)", badge) == [("6", "cached"), ("1", "completed")]

    @pytest.mark.parametrize("task", ["clean", "report"])
    def test_each_cell_alone_behind_the_plain_ones(self, job: Job, task: str) -> None:
        """Its result is proven up to date."""
        job.kernel.restart()
        job.run("ext", "imports", "limits", "line", "helpers")
        assert job.run(task) == []
        assert job.verdicts()[task] in ("fresh", "as of")
        assert job.kernel.value(f"'{task}' in globals()") == "True"

    def test_the_flow_alone(self, job: Job) -> None:
        """Nothing runs that nobody ran here; what cannot be proven says so."""
        job.kernel.restart()
        job.run("ext")
        assert job.flow() == []
        assert set(job.verdicts().values()) <= {"fresh", "as of", "waits"}
        job.kernel.set(limits="LATE = 40\nWIDTH = 6")
        assert job.run("imports", "limits") == ["imports", "limits"]
        assert job.flow() == []
        assert job.verdicts()["clean"] == "waits"
        assert "LATE" in job.why("clean")


class TestWhy:
    """A remembered task tells what changed as it did before the restart, and that its cell is to be run."""

    TELLS = "run its cell: not run in this kernel"

    @pytest.fixture
    def cells(self, kernel: Kernel) -> Kernel:
        """Tasks that read a file, a global, a helper and a module."""
        (kernel.folder / "data.csv").write_text("a\n1\n")
        (kernel.folder / "scales.py").write_text("def scaled(x):\n    return x * 10\n")
        kernel.run("ext", "%load_ext nbflow")
        kernel.run("plain", "LATE = 15\ndef helped(x):\n    return x + 1")
        kernel.run("file", "#@task file\nwith open('data.csv') as opened: file = opened.read()")
        kernel.run("below", "#@task below\nbelow = len(file)")
        kernel.run("value", "#@task value\nvalue = LATE + 1")
        kernel.run("helper", "#@task helper\nhelper = helped(1)")
        kernel.run("module", "#@task module\nfrom scales import scaled\nmodule = scaled(2)")
        return kernel

    def test_what_changed_outside(self, cells: Kernel) -> None:
        """A file with its sizes, a module with its line, also where a step above is to blame."""
        cells.restart()
        (cells.folder / "data.csv").write_text("a\n1\n2\n")
        (cells.folder / "scales.py").write_text("def scaled(x):\n    return x * 20\n")
        cells.run("ext")
        status = cells.execute("%flow status").text
        assert "never ran" not in status
        assert re.search(rf"^file +waits .*{self.TELLS} · file .*data.csv changed", status, re.MULTILINE)
        for task in ("file", "below"):
            why = cells.execute(f"%flow why {task}").text
            assert re.search(r"data.csv changed \(4 B, .* → 6 B", why), why
            assert self.TELLS in why
            assert "no value" not in why
        why = cells.execute("%flow why module").text
        assert "line 2 of scales" in why
        assert "return x * 10 → return x * 20" in why
        assert self.TELLS in why

    def test_what_cells_changed(self, cells: Kernel) -> None:
        """Before and after of a global and of a helper's line, once the plain cell has run."""
        cells.restart()
        cells.run("ext")
        cells.run("plain", "LATE = 18\ndef helped(x):\n    return x + 2")
        why = cells.execute("%flow why value").text
        assert "LATE changed: 15 → 18" in why
        assert self.TELLS in why
        assert "return x + 1 → return x + 2" in cells.execute("%flow why helper").text
        assert "LATE changed: 15 → 18" in cells.execute("%flow plan").text

    def test_what_the_file_changed(self, cells: Kernel) -> None:
        """A plain cell that was edited before nbflow was loaded has made nothing here yet."""
        cells.set(plain="LATE = 18\ndef helped(x):\n    return x + 2")
        cells.save()
        cells.restart()
        cells.run("ext")
        assert "LATE has no value now, was 15" in cells.execute("%flow why value").text
        cells.run("plain")
        assert "LATE changed: 15 → 18" in cells.execute("%flow why value").text

    def test_what_is_not_kept(self, kernel: Kernel) -> None:
        """Nothing changed: its cell is all there is to say, or that its time is over."""
        kernel.run("ext", "%load_ext nbflow")
        kernel.run("each", "#@task each --no-cache\neach = 1")
        kernel.run("brief", "#@task brief --cache-for 0.001s\nbrief = 1")
        kernel.restart()
        kernel.run("ext")
        status = kernel.execute("%flow status").text
        assert "never ran" not in status
        assert re.search(rf"^each +waits +{self.TELLS}$", status, re.MULTILINE), status
        assert "the result of brief expired" in status


def len_of(job: Job, name: str) -> int:
    """The number of rows that a frame has in plain Python."""
    return len(job.fresh().values[name][1][4].strip("[]").split(","))


class TestStop:
    """The kernel's Stop leaves nothing half done that anybody calls fresh."""

    @pytest.fixture
    def job(self, kernel: Kernel, tmp_path: Path) -> Job:
        """A task that changes its input for a while."""
        folder = tmp_path / "job"
        folder.mkdir()
        cells = {
            "ext": "%load_ext nbflow",
            "plain": "from pathlib import Path\nimport numpy as np",
            "make": "%%task make\nwork = np.zeros(4)",
            "long": LONG.format(name="long"),
            "read": "%%task read\ntotal = float(work.sum())\nprint(total)",
        }
        (folder / "go").write_text("")
        return Job(kernel, folder, cells)

    def stop(self, job: Job, request: str) -> Shown:
        """Press Stop when the body has said that it is half way."""
        pressed: list[bool] = []

        def press(shown: Shown) -> None:
            if "half way" in shown.text and not pressed:
                pressed.append(True)
                job.kernel.manager.interrupt_kernel()

        shown = job.kernel.collect(request, press)
        assert pressed
        return shown

    def test_in_the_middle_of_a_mutation(self, job: Job) -> None:
        """The next run starts from the input as it was; nothing is called fresh in between."""
        job.run("ext", "plain", "make")
        (job.folder / "go").unlink()
        job.sources["long"] = job.kernel.cells["long"]
        shown = self.stop(job, job.kernel.send(job.kernel.cells["long"], "long"))
        assert shown.error.startswith("KeyboardInterrupt")
        assert "nbflow" not in shown.traceback
        (job.folder / "go").write_text("")
        assert job.kernel.value("float(work.sum()) > 3") == "True"
        assert job.verdicts() == {"plain": "fresh", "make": "fresh", "long": "stale"}
        assert "error   stopped" in job.why("long")
        assert "Cancelled" in job.kernel.execute("%flow history long").text
        job.ran()
        assert job.run("long", "read") == ["long", "read"]
        assert job.kernel.value("total, work.tolist()") == "(1.0, [1.0, 0.0, 0.0, 0.0])"
        assert job.stale() == {}

    def test_of_a_flow_run(self, job: Job) -> None:
        """What stands below does not start."""
        job.run_all()
        (job.folder / "go").unlink()
        text = job.kernel.cells["long"].replace("+= 1", "+= 2")
        job.kernel.set(long=text)
        job.kernel.save()
        self.stop(job, job.kernel.send(text, "long"))
        job.sources["long"] = text
        (job.folder / "stop").write_text("")
        job.ran()
        assert job.flow() == ["long"]
        assert "KeyboardInterrupt" in job.shown.error
        (job.folder / "go").write_text("")
        assert set(job.stale()) == {"long", "read"}
        assert job.flow() == ["long", "read"]
        assert job.stale() == {}
        assert job.kernel.value("total") == "2.0"


class TestKill:
    """kill -9 loses the open run and nothing else."""

    @pytest.mark.parametrize("seed", range(2))
    def test_at_a_random_moment(self, kernel: Kernel, tmp_path: Path, seed: int) -> None:
        """The next kernel reuses each finished result, shows the open run as Crashed, raises nothing."""
        lucky = random.Random(seed)
        names = [f"step{place}" for place in range(6)]
        body = "%%task {name}\n{name} = {above} + 1\nprint('{name}', flush=True)\ntime.sleep({pause})"
        cells = {"ext": "%load_ext nbflow", "plain": "import time\nstart = 0"}
        for above, name in zip(["start", *names], names, strict=False):
            cells[name] = body.format(name=name, above=above, pause=0)
        stop_at = lucky.choice(names)
        cells[stop_at] = cells[stop_at].replace("sleep(0)", "sleep(0 if Path('go').exists() else 60)")
        cells["plain"] += "\nfrom pathlib import Path"
        folder = tmp_path / "job"
        folder.mkdir()
        job = Job(kernel, folder, cells)
        self.kill_in(job, stop_at, names)
        (folder / "go").write_text("")
        done = names[: names.index(stop_at)]
        assert job.run("ext", "plain") == ["plain"]
        history = job.kernel.execute("%flow history").text
        assert re.search(rf"{stop_at} +Crashed +[\d.]+ m?s +cell", history)
        assert history.count("→ Crashed") == 1
        assert job.run(*done) == []
        assert job.run(*names[len(done) :]) == names[len(done) :]
        assert job.stale() == {}
        assert job.run_all() == ["plain"]

    def kill_in(self, job: Job, task: str, names: list[str]) -> None:
        """Run the cells up to a task, and kill the kernel while that one runs."""
        job.run("ext", "plain", *names[: names.index(task)])
        job.sources[task] = job.kernel.cells[task]

        def kill(shown: Shown) -> None:
            if task in shown.stdout:
                job.kernel.manager.signal_kernel(9)
                raise InterruptedError

        job.kernel.save()
        with pytest.raises(InterruptedError):
            job.kernel.collect(job.kernel.send(job.kernel.cells[task], task), kill)
        job.kernel.restart()

    @pytest.mark.parametrize("seed", range(3))
    def test_while_results_are_written(self, kernel: Kernel, tmp_path: Path, seed: int) -> None:
        """Whatever the moment, the next kernel goes on; what it shows is what plain Python gives."""
        lucky = random.Random(seed)
        folder = tmp_path / "job"
        folder.mkdir()
        job = Job(kernel, folder)
        requests = {id: kernel.send(kernel.cells[id], id) for id in CELLS}
        last = lucky.choice(list(CELLS)[4:])
        moment = lucky.choice(["execute_input", "stream", "display_data", "status"])
        self.wait_for(kernel, requests[last], moment)
        kernel.manager.signal_kernel(9)
        kernel.restart()
        ran = job.run_all()
        assert not job.shown.error
        finished = list(CELLS)[: list(CELLS).index(last)]
        assert [id for id in ran if id in TASKS and id in finished] == []
        assert job.stale() == {}
        assert job.run_all() == PLAIN

    def wait_for(self, kernel: Kernel, request: str, moment: str) -> None:
        """Wait for a kind of message that a cell sends, at the latest for its end."""
        while True:
            message = kernel.client.get_iopub_msg(timeout=60)
            ends = message["content"].get("execution_state") == "idle"
            if message["parent_header"].get("msg_id") == request and (message["msg_type"] == moment or ends):
                return


class TestGone:
    """Values that no store can keep."""

    def test_the_cell_that_made_it_makes_it_again(self, tmp_path: Path) -> None:
        """As it does for a plain cell that reads it, once it has run here."""
        with Kernel(tmp_path) as kernel:
            kernel.set(load="%load_ext nbflow", steps="#@task\nsteps = (n for n in range(3))")
            kernel.run_all()
            kernel.restart()
            assert "reused" in kernel.run_all()[1].text
            assert kernel.execute("next(steps)").text == "0"
            kernel.restart()
            kernel.execute("%load_ext nbflow")
            assert "run the cell that makes it" in kernel.execute("list(steps)").error
            kernel.run("steps")
            assert kernel.execute("next(steps)").text == "0"
            kernel.restart()
            kernel.run_all()
            assert kernel.execute("steps = [7]").error == ""


class TestNames:
    """Files whose names are no text."""

    CELLS: ClassVar = {
        "load": "%load_ext nbflow",
        "make": "import os\nos.makedirs('data', exist_ok=True)\nopen(b'data/caf\\xe9', 'w').close()",
        "lists": "#@task lists\nnames = os.listdir('data')\nprint(names[0])",
        "reads": "#@task reads\ntext = open(os.path.join('data', names[0])).read()",
        "other": "#@task other\nx = 1",
        "fails": "#@task fails\nopen(os.path.join('none', names[0]))",
    }

    def test_they_keep_no_task_from_its_end(self, kernel: Kernel) -> None:
        """Nor any other; printed, listed, read and named in an error they are as others."""
        kernel.set(**self.CELLS)
        for word in ("ran in", "reused"):
            shown = {id: kernel.run(id) for id in self.CELLS}
            assert [id for id in self.CELLS if shown[id].error] == ["fails"]
            assert shown["fails"].error.startswith("FileNotFoundError")
            assert all(word in shown[id].text for id in ("lists", "reads", "other"))
            kernel.restart()
        (kernel.folder / "data" / "more").touch()
        kernel.run("load"), kernel.run("make")
        assert "ran in" in kernel.run("lists").text
