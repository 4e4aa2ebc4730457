"""What those who begin with nbflow run into, in a real kernel: slips, and tasks that wait."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.kernels import Kernel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.process

CELLS = {
    "load": "%load_ext nbflow",
    "imports": "from nbflow import context\nfrom nbflow.engine.signals import PAUSE, SKIP",
    "asks": "#@task asks\nprint('before')\nif not context.get('resume'): raise PAUSE('look at it')\n"
    "print('after')\np = 1",
    "by_hand": "#@task by_hand --manual\nprint('by hand')\nw = 1",
    "skips": "#@task skips\nraise SKIP('not today')",
    "below": "#@task below --after skips\nb = 1",
    "raw": "#@task raw\nraise ValueError('no')\nr = 1",
    "cleanup": "#@task cleanup --trigger any_failed --after raw\nc = 1",
}


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    """A kernel with the cells above, of which the first two have run."""
    with Kernel(tmp_path) as kernel:
        kernel.set(**CELLS)
        kernel.run("load"), kernel.run("imports")
        yield kernel


class TestWaiting:
    """Tasks that wait for a person, or ran because one failed."""

    def test_a_resumed_task_shows_what_it_prints_where_it_is_resumed(self, kernel: Kernel) -> None:
        """And is said to be resumed, whatever was wrong with it before."""
        kernel.run("asks"), kernel.run("by_hand")
        shown = kernel.execute("%flow resume")
        assert shown.stdout == "before\nafter\nby hand\n"
        report = shown.texts[-1].splitlines()
        assert [line.split()[:2] + line.split()[-1:] for line in report[2:]] == [
            ["asks", "ran", "resumed"],
            ["by_hand", "ran", "resumed"],
        ]
        assert "paused" not in kernel.execute("%flow status").text

    def test_one_that_pauses_again_waits(self, kernel: Kernel) -> None:
        """The report of a run says so, with how to go on."""
        kernel.run("asks")
        again = kernel.run("asks", CELLS["asks"].replace("if not context.get('resume'): ", ""))
        assert "asks: paused" in again.text
        (line,) = [each for each in kernel.execute("%flow resume").texts[-1].splitlines() if "asks" in each]
        assert line.split()[1] == "waits"
        assert "`%flow resume asks` runs it" in line

    def test_what_ran_for_a_failure_is_as_of_it(self, kernel: Kernel) -> None:
        """As long as that stands; the badge names it."""
        kernel.run("raw")
        assert "upstream raw is failed" in kernel.run("cleanup").text
        kernel.execute("%flow run")
        assert "1 failed · 1 as of" in kernel.execute("%flow status").text
        kernel.run("raw", "#@task raw\nr = 1")
        assert "cleanup  stale" in kernel.execute("%flow status").text

    def test_a_skip_is_explained_in_words_of_the_header(self, kernel: Kernel) -> None:
        """They can be copied there."""
        kernel.run("skips")
        assert "`--skip-on-upstream-skip no` runs it all the same" in kernel.run("below").text


class TestSlips:
    """One line says what is wrong."""

    def test_an_order_after_nobody_is_refused(self, kernel: Kernel) -> None:
        """A task of a cell that has not run yet is somebody; nothing is registered."""
        error = kernel.run("below", "#@task below --after skip\nb = 1").error
        assert error == "UsageError: there is no task 'skip'; did you mean 'skips'?"
        assert "below" not in kernel.execute("%flow status").text
        assert kernel.run("below", CELLS["below"]).error == ""

    def test_a_header_that_is_none_is_told_of(self, kernel: Kernel) -> None:
        """Below the cell, which ran as a plain one."""
        assert "`#  @task` makes no task; write `# @task`" in kernel.execute("#  @task y\ny = 2").text
        assert kernel.value("y") == "2"

    def test_help(self, kernel: Kernel) -> None:
        """Of all commands, and of one, however it is asked for."""
        whole = kernel.execute("%flow help").text
        assert max(map(len, whole.splitlines())) <= 100
        assert "%flow restore" in whole
        assert "# @task NAME" in whole
        for line in ("%flow help run", "%flow run --help", "%flow run?", "%flow run clean -h"):
            text = kernel.execute(line).text
            assert text.startswith("%flow run [TASK…]")
            assert "up to date" in text
        assert "unknown command 'runn'; did you mean 'run'" in kernel.execute("%flow help runn").error

    def test_a_limit_is_told_of_once_and_with_its_length(self, kernel: Kernel) -> None:
        """Below the cell, and by `why`."""
        source = "#@task slow --timeout 0.2\nimport threading\nthreading.Event().wait(20)"
        told = "'slow' reached its limit of 0.2 s"
        assert f"slow: timed out · {told}" in kernel.run("slow", source).text
        assert told in kernel.execute("%flow why slow").text

    @pytest.mark.parametrize("source", ["# @task raw", "#@params\n", "%%task raw\n\n"])
    def test_a_header_without_a_body(self, kernel: Kernel, source: str) -> None:
        """Is no task; the cell that bears the name keeps it."""
        error = kernel.run("below", source).error
        assert error == "UsageError: this cell is nothing but its first line; write below it what it is to do"

    def test_a_cell_that_is_not_python(self, kernel: Kernel) -> None:
        """The line is that of the cell, whose first one is the header."""
        error = kernel.run("raw", "#@task raw\nr = 1 +").error
        assert (
            error == "UsageError: the cell is not Python: invalid syntax, line 2; correct it and run it again"
        )

    def test_a_cell_of_parameters_that_is_refused(self, kernel: Kernel) -> None:
        """Leaves no parameters; what another one imports is none."""
        assert "it is made of P" in kernel.run("raw", "# @params\nP = 1\nQ = P + 1").error
        assert kernel.execute("%flow params").text.startswith("there are no parameters")
        kernel.run("raw", "# @params\nimport os\nP = 1")
        assert kernel.execute("%flow params").text == "P = 1"

    def test_words_behind_a_command_that_takes_none(self, kernel: Kernel) -> None:
        """Are refused, and not passed over in silence."""
        said = kernel.execute("%flow config runner=thread").error
        assert "nothing stands behind %flow config, " in said
        assert "%config NBFlow.runner = 'thread'" in said
        assert kernel.execute("%flow config").error == ""


FIRST = (
    "%load_ext nbflow\nfrom nbflow import Flow, Parameter\n"
    """
with Flow("etl") as etl:
    Parameter("year", default=2013) + 1
"""
)


class TestAfterFailures:
    """Tasks below cells that failed, which may have changed what the tasks start from."""

    def test_nothing_has_to_be_made_again_for_what_they_only_might_have_changed(self, tmp_path: Path) -> None:
        """A task runs on what is there, also where that is from before nbflow was loaded."""
        with Kernel(tmp_path) as kernel:
            kernel.run("load", FIRST)
            assert kernel.run("fails", "def go():\n    etl.run(yaer=5)\ngo()").error.startswith("OptionError")
            assert kernel.run("x", "# @task x\nx = etl.run().is_successful()").error == ""
            assert kernel.value("x") == "True"

    def test_who_left_a_name_without_a_value(self, kernel: Kernel) -> None:
        """Is told by the error."""
        kernel.run("imports", "box = [1]")
        kernel.run("asks", "del box\n1 / 0")
        assert kernel.run("raw", "#@task raw\nraw = len(box)").error == (
            "NameError: name 'box' is not defined: cell [4], which may bind or change it, failed; "
            "run that first"
        )

    def test_the_values_that_they_left_are_read(self, kernel: Kernel) -> None:
        """As in Jupyter; why the result is in doubt is told."""
        kernel.run("imports", "box = [1]")
        kernel.run("asks", "def go(): return len(box)\nbox.append(1 / 0)")
        assert "raw: waits" in kernel.run("raw", "#@task raw\nraw = go()").text
        assert kernel.value("raw") == "1"
        assert "only you start it: run cell [4]" in kernel.execute("%flow why raw").text
        kernel.run("asks", "def go(): return len(box)")
        assert "raw: fresh" in kernel.run("raw").text

    def test_what_failed_in_part_is_called_failed(self, kernel: Kernel) -> None:
        """Beside a plain cell that reads what the items before have made."""
        kernel.run("imports", "xs = [1, 0]")
        kernel.run("raw", "#@task raw --map x=xs\nr = 1 // x")
        assert "not up to date here: r (raw failed); " in kernel.execute("r[0]").text

    def test_a_task_that_is_called_as_its_name_is_named_once(self, kernel: Kernel) -> None:
        """Another one is named beside what it has made."""
        kernel.run("imports", "k = 1")
        kernel.run("asks", "#@task raw\nraw = k\nmore = k")
        kernel.run("imports", "k = 2")
        said = "not up to date here: more (of raw), raw; `%flow run` brings it up to date"
        assert said in kernel.execute("raw + more").text

    def test_a_cell_that_shares_what_a_task_has_made(self, kernel: Kernel) -> None:
        """Once the task has made it anew, its name stands for that; who is run again shares it then."""
        kernel.run("imports", "k = [1]")
        kernel.run("raw", "#@task raw\nraw = [k[:]]")
        kernel.run("more", "part = raw[0]")
        kernel.run("imports", "k = [1, 2]")
        kernel.execute("%flow run")
        assert kernel.execute("print(raw)").text == "[[1, 2]]\n"
        assert kernel.ask("part") == [1]
        kernel.run("more")
        assert kernel.ask("part is raw[0], part") == (True, [1, 2])

    @pytest.mark.parametrize("change", ["raw = raw + ['own']", "raw.append('own')", "change()"])
    def test_a_cell_that_changes_what_a_task_has_made(self, kernel: Kernel, change: str) -> None:
        """Its name stays the user's, and who reads it is told which cell has to run again."""
        kernel.run("asks", "def change(): raw.append('own')")
        kernel.run("imports", "k = 1")
        kernel.run("raw", "#@task raw\nraw = [[k]]")
        kernel.run("more", change)
        kernel.run("imports", "k = 2")
        kernel.execute("%flow run")
        shown = kernel.execute("print(raw)")
        assert shown.stdout == "[[1], 'own']\n"
        assert re.search(r"not up to date here: raw; run cell \[\d+\] again", shown.text)

    def test_there_is_nothing_to_go_back_to(self, kernel: Kernel) -> None:
        """As long as no run has left anything else than there is."""
        kernel.run("asks", "#@task asks\np = 1")
        said = "UsageError: no earlier run differs from now as a whole; the last ones kept are #1"
        assert kernel.execute("%flow checkout -1").error == said
