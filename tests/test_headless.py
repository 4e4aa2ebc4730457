"""`nbflow run`: exit codes, messages, parameters, and the executed notebook."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from nbflow.cli import main
from nbflow.notebook.headless import lines_that_act
from tests.headless import COMMAND, environment_of, line_of, nbflow_run, notebook_of, parts_of, shown_in

if TYPE_CHECKING:
    from pathlib import Path

PARAMETERS = "#@params\nLATE = 15\nPLACE = 'JFK'"
RAW = "%%task raw\nraw = [3, 20, 16]"
FLAGS = "# @task flags\nflags = [delay > LATE for delay in raw]\nprint(PLACE, sum(flags))"


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    """A small notebook with parameters and two tasks; that nbflow has to be loaded goes without saying."""
    return notebook_of(tmp_path / "nb.ipynb", PARAMETERS, RAW, FLAGS)


class TestUsage:
    """What cannot end well ends at once, with exit code 2 and one line."""

    def refused(self, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
        """The line that says why."""
        assert main(["run", *arguments]) == 2
        said = capsys.readouterr().err.splitlines()
        assert len(said) == 1
        return said[0]

    def test_no_such_file(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """It names the file."""
        path = str(tmp_path / "gone.ipynb")
        assert self.refused(capsys, path) == f"nbflow: there is no notebook {path}"

    @pytest.mark.parametrize("content", ["x", "{}", "[]", ""])
    def test_no_notebook(self, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str) -> None:
        """Whatever else the file holds."""
        (tmp_path / "nb.ipynb").write_text(content)
        assert "is no notebook" in self.refused(capsys, str(tmp_path / "nb.ipynb"))

    def test_a_folder(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Is no notebook either."""
        assert "is no notebook" in self.refused(capsys, str(tmp_path))

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ("LATE", "'LATE' is no parameter; write NAME=VALUE"),
            ("LATR=20", "unknown parameter 'LATR'; did you mean 'LATE'?"),
            ("LATE=soon", "parameter LATE takes int, and 'soon' is none"),
        ],
    )
    def test_a_parameter(
        self, notebook: Path, capsys: pytest.CaptureFixture[str], given: str, said: str
    ) -> None:
        """It says what is wrong, and what there is, before anything runs."""
        assert self.refused(capsys, str(notebook), "-p", given) == f"nbflow: {said}"

    def test_a_runner(self, notebook: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """One that is neither ours nor of the notebook."""
        said = self.refused(capsys, str(notebook), "--runner", "thred")
        assert said == "nbflow: unknown runner 'thred'; did you mean 'thread'?"

    def test_a_task(self, notebook: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """One that the notebook has not, before anything runs."""
        said = self.refused(capsys, str(notebook), "--task", "flog")
        assert said == "nbflow: unknown task 'flog'; did you mean 'flags'?"

    def test_no_place_for_the_output(self, notebook: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Better said now than after an hour."""
        target = notebook.parent / "gone" / "out.ipynb"
        assert "there is no folder" in self.refused(capsys, str(notebook), "--output", str(target))

    def test_a_kernel_that_is_not_there(self, notebook: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """By its name."""
        content = json.loads(notebook.read_text())
        content["metadata"]["kernelspec"] = {"name": "cobol", "display_name": "COBOL"}
        notebook.write_text(json.dumps(content))
        assert "kernel 'cobol', which is not installed" in self.refused(capsys, str(notebook))

    def test_no_command(self, capsys: pytest.CaptureFixture[str]) -> None:
        """The usage, as of every command."""
        with pytest.raises(SystemExit) as stopped:
            main([])
        assert stopped.value.code == 2
        assert "usage: nbflow" in capsys.readouterr().err


@pytest.mark.process
class TestRuns:
    """What it does, in kernels of its own."""

    def test_parameters_and_output(self, notebook: Path) -> None:
        """Values take the type of the default; the executed notebook is written, the notebook is not."""
        before, target = notebook.read_text(), notebook.parent / "out.ipynb"
        done = nbflow_run(notebook, "-p", "LATE=2", "-p", "PLACE=7", "--output", str(target))
        assert done.returncode == 0, done.stdout + done.stderr
        assert shown_in(target)["c2"] == "7 3"
        assert notebook.read_text() == before

    def test_resetting_goes_back_to_what_was_given(self, notebook: Path) -> None:
        """What `%flow params` sets counts at once; taken back, the value given from outside counts."""
        shows = "print(LATE)"
        notebook_of(notebook, PARAMETERS, "%flow params LATE=99", shows, "%flow params --reset", shows)
        target = notebook.parent / "out.ipynb"
        assert nbflow_run(notebook, "-p", "LATE=2", "--output", str(target)).returncode == 0
        shown = shown_in(target)
        assert (shown["c2"], shown["c4"]) == ("99", "2")
        assert "LATE = 2 given from outside" in target.read_text()

    @pytest.mark.parametrize("name", ["thread", "pool"])
    def test_a_runner(self, notebook: Path, name: str) -> None:
        """Of ours or of the notebook: bodies run there."""
        pool = "from nbflow.task_runners import ThreadPoolTaskRunner\npool = ThreadPoolTaskRunner(2)"
        where = "# @task where\nimport threading\nwhere = threading.current_thread().name\nwhere"
        notebook_of(notebook, pool, where)
        target = notebook.parent / "out.ipynb"
        assert nbflow_run(notebook, "--runner", name, "--output", str(target)).returncode == 0
        assert shown_in(target)["c1"] == "'nbflow'"

    def test_force_runs_every_task(self, notebook: Path) -> None:
        """Even where an earlier result fits, and says so."""
        assert nbflow_run(notebook).returncode == 0
        again = nbflow_run(notebook, "--force")
        assert parts_of(again.stdout) == [{"raw": "ran", "flags": "ran"}]
        assert line_of(again.stdout, "raw").endswith("asked for with --force")
        assert again.stdout.splitlines()[-1].startswith("2 tasks ran")

    def test_some_tasks(self, notebook: Path) -> None:
        """These and what they need; what reads from others is left out and shows nothing."""
        shows, other, function = (
            "print(other)",
            "#@task other\nother = 1",
            "@task\ndef n(raw):\n    return len(raw)",
        )
        notebook_of(
            notebook, "from nbflow import task", RAW, other, shows, function, "%flow run", "print('end')"
        )
        target = notebook.parent / "out.ipynb"
        done = nbflow_run(notebook, "--task", "n", "--output", str(target))
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.splitlines()[:3] == [
            "nb.ipynb --task n",
            "  left out: other",
            "  left out: 1 cell that reads from what is left out: cell `print(other)`",
        ]
        assert {name for part in parts_of(done.stdout) for name in part} == {"raw", "n"}
        shown = shown_in(target)
        assert (shown["c3"], shown["c6"]) == ("", "end")
        assert "skip-execution" not in target.read_text()

    def test_the_outside_world_is_asked_again(self, notebook: Path) -> None:
        """By each run, also of items, and what hangs on it is judged by the answer."""
        now = "#@task now\nimport time\nnow = time.time() > 0"
        below = "#@task below\nbelow = not now"
        each = "#@task each --map x=xs\nimport time\neach = x + (time.time() > 0)"
        notebook_of(notebook, "xs = [1, 2]", now, below, each)
        nbflow_run(notebook)
        done = nbflow_run(notebook)
        assert parts_of(done.stdout) == [{"now": "ran", "below": "reused", "each": "ran"}]
        assert line_of(done.stdout, "now").endswith("reads the clock (time.time)")

    def test_an_effect_that_looks_at_the_world_is_not_repeated(self, notebook: Path) -> None:
        """What it is there for has been done."""
        body = "import time\nwith open('sent.log', 'a') as log: print(time.time() > 0, file=log)\nsent = 1"
        notebook_of(notebook, f"#@task send --effect once\n{body}")
        for _ in range(2):
            assert nbflow_run(notebook).returncode == 0
        assert (notebook.parent / "sent.log").read_text() == "True\n"

    def test_unless_it_is_said_how_long_its_answer_is_good(self, notebook: Path) -> None:
        """Then that counts."""
        notebook_of(notebook, "#@task now --cache-for 1h\nimport time\nnow = time.time() > 0")
        nbflow_run(notebook)
        assert parts_of(nbflow_run(notebook).stdout) == [{"now": "reused"}]

    def test_another_code_is_named(self, notebook: Path) -> None:
        """Also where a new kernel never ran the old one."""
        nbflow_run(notebook)
        notebook_of(notebook, PARAMETERS, RAW.replace("3", "30"), FLAGS)
        done = nbflow_run(notebook)
        assert line_of(done.stdout, "raw").endswith("code of raw changed")
        assert line_of(done.stdout, "flags").endswith("raw changed: [3, 20, 16] → [30, 20, 16]")

    def test_a_mapped_task(self, notebook: Path) -> None:
        """It is one task that ran; its items are no tasks, also where only some of them run again."""
        mapped = "#@task sizes --map year=years\nsize = year + 1"
        notebook_of(notebook, "%load_ext nbflow", "years = [1, 2]", mapped)
        assert parts_of(nbflow_run(notebook).stdout) == [{"sizes": "ran"}]
        notebook_of(notebook, "%load_ext nbflow", "years = [2, 3]", mapped)
        done = nbflow_run(notebook)
        assert (done.returncode, parts_of(done.stdout)) == (0, [{"sizes": "ran"}])
        assert parts_of(nbflow_run(notebook).stdout) == [{"sizes": "reused"}]

    def test_a_failing_task(self, notebook: Path) -> None:
        """Exit code 1, the error, and where it came from, without colours and without frames of ours."""
        target = notebook.parent / "out.ipynb"
        notebook_of(notebook, PARAMETERS, RAW, "#@task ratio\nratio = 1 / (LATE - 15)", "print('later')")
        done = nbflow_run(notebook, "--output", str(target))
        assert done.returncode == 1
        assert line_of(done.stdout, "ratio").split()[1] == "failed"
        assert "failed: ZeroDivisionError: division by zero" in done.stdout
        assert "----> 2 ratio = 1 / (LATE - 15)" in done.stdout
        assert done.stdout.count("ratio = 1 / (LATE - 15)") == 1
        assert "\x1b" not in done.stdout
        assert "/nbflow/" not in done.stdout
        assert done.stdout.splitlines()[-1].startswith("1 task ran")
        assert shown_in(target)["c3"] == ""

    def test_a_limit_is_told_of_once(self, notebook: Path) -> None:
        """In the line of the task; there is no traceback to show."""
        slow = "#@task slow --timeout 0.1\nimport time\ntime.sleep(30)\nx = 1"
        done = nbflow_run(notebook_of(notebook, slow))
        assert done.returncode == 1
        assert done.stdout.count("reached its limit of 0.1 s") == 1
        assert "UsageError" not in done.stdout
        bad = nbflow_run(notebook_of(notebook, "#@task bad --nonsense\nx = 1"))
        assert bad.stdout.count("failed: unknown option '--nonsense'") == 1

    def test_a_failing_plain_cell(self, notebook: Path) -> None:
        """The same; what ran before it is kept."""
        notebook_of(notebook, PARAMETERS, RAW, "no_such_name")
        done = nbflow_run(notebook)
        assert done.returncode == 1
        assert "failed: NameError: name 'no_such_name' is not defined" in done.stdout
        assert parts_of(nbflow_run(notebook).stdout) == [{"raw": "reused"}]

    def test_stopping(self, notebook: Path) -> None:
        """Ctrl-C ends the body that runs; exit code 130; what had finished is kept."""
        os.mkfifo(notebook.parent / "running")
        slow = "#@task slow\nimport time\nopen('running', 'w').close()\ntime.sleep(600)"
        notebook_of(notebook, RAW, slow, "print('later')")
        with subprocess.Popen(
            [*COMMAND, str(notebook)], env=environment_of(notebook), stdout=subprocess.PIPE, text=True
        ) as run:
            open(notebook.parent / "running").close()
            run.send_signal(signal.SIGINT)
            said = run.communicate()[0]
        assert run.returncode == 130
        assert parts_of(said) == [{"raw": "ran", "slow": "stopped"}]
        assert "stopped; finished results are kept" in said

    def test_a_kernel_that_dies(self, notebook: Path) -> None:
        """Exit code 1, and one line."""
        done = nbflow_run(notebook_of(notebook, RAW, "import os\nos._exit(3)"))
        assert done.returncode == 1
        assert "failed: the kernel died" in done.stdout

    def test_a_task_that_fails_in_a_flow_run(self, notebook: Path) -> None:
        """No cell fails, and still the exit code is 1."""
        ratio = "#@task ratio --defer\nratio = 1 / (LATE - 15)"
        done = nbflow_run(notebook_of(notebook, PARAMETERS, ratio, "%flow run"))
        assert done.returncode == 1
        assert line_of(done.stdout, "ratio").split()[1] == "failed"


@pytest.mark.process
class TestWaiting:
    """A task that waits for a person, and what hangs on it."""

    MANUAL = "#@task approve --manual\nok = sum(raw)"
    PAUSED = "#@task approve\nfrom nbflow.engine.signals import PAUSE\nraise PAUSE('look')\nok = sum(raw)"
    PUBLISH = "#@task publish\npublished = ok + 1"
    BELOW = "#@task tell\ntold = published"
    OTHER = "#@task other\nother = len(raw)"

    @pytest.mark.parametrize("approve", [MANUAL, PAUSED])
    def test_its_readers_wait_and_all_else_goes_on(self, notebook: Path, approve: str) -> None:
        """Exit code 3, also of the next run, which finds the same person asked already."""
        notebook_of(notebook, RAW, approve, self.PUBLISH, self.BELOW, self.OTHER)
        target = notebook.parent / "out.ipynb"
        for action in ("ran", "reused"):
            done = nbflow_run(notebook, "--output", str(target))
            assert done.returncode == 3, done.stdout + done.stderr
            assert line_of(done.stdout, "approve").split()[1] == "waits"
            way = ("look; " if "PAUSE" in approve else "") + "`%flow resume approve`"
            for name, above in (("publish", "approve"), ("tell", "publish")):
                why = f"upstream {above} waits: {way}"
                assert line_of(done.stdout, name).split(maxsplit=2)[1:] == ["waits", why]
            assert line_of(done.stdout, "other").split()[1] == action
            assert "failed" not in done.stdout
        assert "publish waits: upstream approve waits" in target.read_text()

    def test_what_fails_counts_more(self, notebook: Path) -> None:
        """Exit code 1; what waits is told all the same."""
        notebook_of(notebook, RAW, self.MANUAL, self.PUBLISH, "#@task bad\nbad = 1 / 0")
        done = nbflow_run(notebook)
        assert done.returncode == 1
        assert line_of(done.stdout, "publish").split()[1] == "waits"
        assert line_of(done.stdout, "bad").split()[1] == "failed"

    def test_what_nobody_can_start_is_an_error_still(self, notebook: Path) -> None:
        """No person is waited for where a name is made further below."""
        done = nbflow_run(notebook_of(notebook, "#@task early\nearly = late", "late = 1"))
        assert done.returncode == 1


class TestLines:
    """Which lines of a cell are told."""

    def test_only_commands_that_do_something(self) -> None:
        """Views are left out, as is what is no command."""
        assert lines_that_act("%flow\n%flow why model\n%flow  nonsense\n%flow run model") == [
            "%flow run model"
        ]
