"""Holds in a real kernel: pin, accept, restore of a task and of the whole flow, and values of the past."""

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
    "late": "LATE = 15",
    "raw": "#@task raw\nraw = [3, 20, 16]",
    "features": "#@task features\nfeatures = [x for x in raw if x > LATE]",
    "total": "#@task total\ntotal = sum(features)",
}


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    """A kernel in which the cells above ran."""
    with Kernel(tmp_path) as kernel:
        kernel.begin(**CELLS)
        yield kernel


def verdicts(kernel: Kernel) -> dict[str, str]:
    """Task to verdict, as `%flow status` says."""
    text = kernel.execute("%flow status").text
    found = re.findall(r"^\W*(\w+)\W+(fresh|stale|waits|as of)", text, re.MULTILINE)
    return dict(found)


def edit_late(kernel: Kernel, late: int) -> None:
    """Change the constant and bring everything up to date."""
    kernel.run("late", f"LATE = {late}")
    assert kernel.execute("%flow run").error == ""


class TestPin:
    """A task stands at a result whatever changes."""

    def test_a_pinned_task_is_left_alone(self, kernel: Kernel) -> None:
        """It and all below is as of it; unpinned, it is stale at once."""
        kernel.execute("%flow pin features")
        edit_late(kernel, 18)
        assert kernel.ask("(features, total)") == ([20, 16], 36)
        assert verdicts(kernel)["features"] == verdicts(kernel)["total"] == "as of"
        kernel.execute("%flow unpin features")
        assert verdicts(kernel)["features"] == "stale"
        kernel.execute("%flow run")
        assert kernel.ask("(features, total)") == ([20], 20)

    def test_a_pin_at_an_earlier_run(self, kernel: Kernel) -> None:
        """What is below is computed from it."""
        edit_late(kernel, 18)
        kernel.execute("%flow pin features -1")
        kernel.execute("%flow run")
        assert kernel.ask("(features, total)") == ([20, 16], 36)

    def test_a_new_kernel_knows_the_pin(self, kernel: Kernel) -> None:
        """It holds whatever changes, until it is unpinned, or its cell is run."""
        kernel.execute("%flow pin features")
        kernel.restart()
        kernel.run("load")
        kernel.run("late", "LATE = 18")
        assert verdicts(kernel)["features"] == "as of"
        assert "pin" in kernel.execute("%flow why features").text
        kernel.run("raw")
        kernel.execute("%flow run")
        assert kernel.ask("features") == [20, 16]
        assert kernel.execute("%flow unpin features").error == ""
        assert verdicts(kernel)["features"] != "as of"
        kernel.restart()
        kernel.run("load")
        assert "is not pinned" in kernel.execute("%flow unpin features").error

    def test_a_pin_waits_until_its_task_is_remembered(self, kernel: Kernel) -> None:
        """Runs of plain cells before that, and further kernels, do not lose it."""
        kernel.execute("%flow pin features")
        for _ in range(2):
            kernel.restart()
            kernel.run("load")
            kernel.run("late", "LATE = 18")
        assert kernel.execute("%flow unpin features").error == ""

    def test_it_ends_where_another_was_restored_meanwhile(self, kernel: Kernel) -> None:
        """In a new kernel: the task stands at its latest result, not at one made of what was restored."""
        edit_late(kernel, 18)
        kernel.execute("%flow pin total")
        assert kernel.execute("%flow restore features").error == ""
        kernel.restart()
        kernel.run("load")
        kernel.run("late")
        kernel.execute("%flow restore latest")
        kernel.execute("%flow unpin total")
        assert verdicts(kernel) == dict.fromkeys(("raw", "features", "total"), "fresh")
        assert kernel.value("total") == "20"

    def test_its_own_cell_ends_it_for_later_kernels(self, kernel: Kernel) -> None:
        """Also where nothing has to run."""
        kernel.execute("%flow pin features")
        kernel.run("features")
        kernel.restart()
        kernel.run("load")
        assert "is not pinned" in kernel.execute("%flow unpin features").error

    def test_a_result_that_is_not_stored_any_more(self, kernel: Kernel) -> None:
        """The new kernel says that it cannot be held."""
        kernel.run("features", "#@task features\nfeatures = list(range(300_000))")
        kernel.execute("%flow pin features")
        kernel.restart()
        blobs = [path for path in (kernel.path.parent / ".nbflow" / "blobs").rglob("*") if path.is_file()]
        assert blobs  # although to store it costs more than to make it again
        for path in blobs:
            path.unlink()
        kernel.run("load")
        told = "features was pinned to a result that is not stored any more"
        assert told in kernel.execute("%flow status").text

    def test_restoring_the_latest_keeps_pins(self, kernel: Kernel) -> None:
        """They end by being unpinned, or with their own cell."""
        kernel.execute("%flow pin features")
        kernel.execute("%flow restore latest")
        assert verdicts(kernel)["features"] == "as of"
        kernel.run("features")
        assert verdicts(kernel)["features"] == "fresh"

    def test_what_is_not_pinned_cannot_be_unpinned(self, kernel: Kernel) -> None:
        """The message says where to look."""
        assert "raw is not pinned" in kernel.execute("%flow unpin raw").error


class TestAccept:
    """A stale result is taken for up to date, for exactly what its task would see now."""

    def test_it_ends_with_the_next_change(self, kernel: Kernel) -> None:
        """Until then it and all below is as of it, and nothing runs."""
        kernel.run("late", "LATE = 18")
        assert verdicts(kernel)["features"] == "stale"
        kernel.execute("%flow accept features")
        assert verdicts(kernel)["features"] == "as of"
        kernel.execute("%flow run")
        assert kernel.ask("(features, total)") == ([20, 16], 36)
        kernel.run("late", "LATE = 2")
        assert verdicts(kernel)["features"] == "stale"
        kernel.execute("%flow run")
        assert kernel.ask("(features, total)") == ([3, 20, 16], 39)
        assert verdicts(kernel)["features"] == "fresh"

    def test_a_new_kernel_takes_it_for_up_to_date(self, kernel: Kernel) -> None:
        """As long as nothing changes."""
        kernel.run("late", "LATE = 18")
        kernel.execute("%flow accept features")
        kernel.restart()
        for cell in ("load", "late", "raw"):
            kernel.run(cell)
        assert kernel.cells["late"] == "LATE = 18"
        assert verdicts(kernel)["features"] == "as of"
        kernel.execute("%flow run")
        assert kernel.ask("features") == [20, 16]
        kernel.run("late", "LATE = 17")
        assert verdicts(kernel)["features"] in ("stale", "waits")

    def test_force_ends_it(self, kernel: Kernel) -> None:
        """Its body runs, and the result is its own."""
        kernel.run("late", "LATE = 18")
        kernel.execute("%flow accept features")
        kernel.execute("%flow run features --force")
        assert kernel.ask("features") == [20]
        assert verdicts(kernel)["features"] == "fresh"

    def test_what_is_fresh_is_left_alone(self, kernel: Kernel) -> None:
        """There is nothing to accept."""
        assert "nothing to accept" in kernel.execute("%flow accept raw").error
        assert verdicts(kernel)["raw"] == "fresh"

    def test_because_takes_only_what_is_stale_for_that_alone(self, kernel: Kernel) -> None:
        """Here the constant is the whole cause of one task."""
        kernel.run("late", "LATE = 18")
        assert "no task is stale" in kernel.execute("%flow accept raw --because input:LATE").error
        shown = kernel.execute("%flow accept --because input:LATE")
        assert "features" in shown.text
        assert verdicts(kernel)["features"] == "as of"
        refused = kernel.execute("%flow accept --because package:pandas").error
        assert "no task is stale for package:pandas" in refused


class TestRestoreOfATask:
    """It stands at the result of an earlier run."""

    def test_what_its_cell_shows_is_of_another_run(self, kernel: Kernel) -> None:
        """It is said which; to run the cell shows its newest, not the restored one."""
        kernel.run("total", "#@task total\ntotal = sum(features)\nprint(total)")
        kernel.run("total", "#@task total\ntotal = len(features)\nprint(total)")
        newest, older = re.findall(r"#(\d+)", kernel.execute("%flow history total").text)[:2]
        kernel.execute("%flow restore total -1")
        assert kernel.ask("total") == 36
        told = f"output above is from run {newest}, the value from run {older}"
        assert told in kernel.execute("%flow why total").text
        assert kernel.run("total").texts[0] == "2\n"


class TestARenamedTask:
    """Its runs are its own, whatever it was called when they ran."""

    @pytest.mark.parametrize("later", [False, True], ids=["here", "in a later kernel"])
    @pytest.mark.parametrize("name", ["features", "chosen"])
    def test_restore_pin_and_past(self, kernel: Kernel, later: bool, name: str) -> None:
        """By its present name and by the one of then."""
        edit_late(kernel, 18)
        kernel.run("features", CELLS["features"].replace("task features", "task chosen"))
        if later:
            kernel.restart()
            for cell in kernel.cells:
                kernel.run(cell)
        assert kernel.ask("(features, total)") == ([20], 20)
        assert kernel.execute(f"print(__import__('nbflow').past('{name}', 2))").stdout == "[20, 16]\n"
        assert kernel.execute(f"%flow restore {name} '#2'").error == ""
        assert kernel.ask("features") == [20, 16]
        assert kernel.execute("%flow restore latest").error == ""
        assert kernel.ask("features") == [20]
        assert kernel.execute(f"%flow pin {name} '#2'").error == ""
        kernel.execute("%flow run")
        assert kernel.ask("(features, total)") == ([20, 16], 36)


class TestRestoreOfTheFlow:
    """All names hold what they held at the end of a run, plain cells' too."""

    def test_an_earlier_run_comes_back_whole(self, kernel: Kernel) -> None:
        """And `latest` returns."""
        kernel.execute("%flow run --force")
        first = kernel.execute("%flow history").text
        number = max(int(found) for found in re.findall(r"#(\d+)", first))
        edit_late(kernel, 18)
        assert kernel.ask("(LATE, features, total)") == (18, [20], 20)
        shown = kernel.execute(f"%flow restore '#{number}'")
        assert shown.error == ""
        assert kernel.ask("(LATE, features, total)") == (15, [20, 16], 36)
        kernel.execute("%flow restore latest")
        assert kernel.ask("(LATE, features, total)") == (18, [20], 20)

    def test_checkout_is_another_name(self, kernel: Kernel) -> None:
        """The run before the last is -1."""
        kernel.execute("%flow run --force")
        edit_late(kernel, 18)
        assert kernel.execute("%flow checkout -1").error == ""
        assert kernel.ask("(features, total)") == ([20, 16], 36)

    def test_in_a_later_kernel(self, kernel: Kernel) -> None:
        """The store has what is needed."""
        kernel.execute("%flow run --force")
        edit_late(kernel, 18)
        kernel.restart()
        kernel.run_all()
        assert kernel.execute("%flow checkout -1").error == ""
        assert kernel.ask("(features, total)") == ([20, 16], 36)

    def test_a_new_kernel_stands_there_still(self, kernel: Kernel) -> None:
        """Until cells are run, or `latest` returns."""
        kernel.execute("%flow run --force")
        edit_late(kernel, 18)
        kernel.execute("%flow checkout -1")
        kernel.restart()
        kernel.run("load")
        assert verdicts(kernel)["features"] == "as of"
        assert kernel.ask("(features, total)") == ([20, 16], 36)
        kernel.execute("%flow restore latest")
        assert kernel.ask("(LATE, features, total)") == (18, [20], 20)
        kernel.restart()
        kernel.run("load")
        assert "restore" not in kernel.execute("%flow why features").text

    def test_a_run_that_is_not_known(self, kernel: Kernel) -> None:
        """The message names those that are."""
        assert "nothing is kept of run #99" in kernel.execute("%flow restore '#99'").error


class TestWhatIsNotStored:
    """Of plain cells the store has what tasks have read; the rest cannot be put back."""

    def test_it_is_named(self, kernel: Kernel) -> None:
        """And holds what it held, while all else is as it was."""
        kernel.run("aside", "aside = [1]")
        kernel.execute("%flow run --force")
        kernel.run("aside", "aside = [2]")
        edit_late(kernel, 18)
        shown = kernel.execute("%flow checkout -1")
        assert re.search(r"not stored: cell \[\d+\]; what these made stays as it is", shown.text)
        assert kernel.ask("(aside, LATE, features, total)") == ([2], 15, [20, 16], 36)


class TestPast:
    """Values of earlier runs, without touching the session."""

    def test_a_value_of_the_past(self, kernel: Kernel) -> None:
        """The names stay as they are."""
        edit_late(kernel, 18)
        assert kernel.ask("__import__('nbflow').past('features', '-1')") == [20, 16]
        assert kernel.ask("features") == [20]

    def test_by_time(self, kernel: Kernel) -> None:
        """The result that the task had then."""
        edit_late(kernel, 18)
        assert kernel.ask("__import__('nbflow').past('features', 'today')") == [20]
        assert "no result of run yesterday" in kernel.execute("%flow restore features yesterday").error


class TestOnly:
    """A task runs from what is above as it is, and stands there."""

    def test_from_what_is_stale(self, kernel: Kernel) -> None:
        """Nothing above runs; the badge says from which run, in a later kernel too; all below is as of it."""
        number = re.findall(r"#(\d+)", kernel.execute("%flow history features").text)[0]
        kernel.run("late", "LATE = 18")
        shown = kernel.execute("%flow run total --only --force")
        assert re.search(r"^total +ran", shown.text, re.MULTILINE)
        assert kernel.ask("(features, total)") == ([20, 16], 36)
        assert verdicts(kernel) == {"raw": "fresh", "features": "stale", "total": "as of"}
        assert f"from features of run {number} (stale)" in kernel.execute("%flow status").text
        kernel.execute("%flow run")
        assert kernel.ask("(features, total)") == ([20], 36)
        kernel.restart()
        kernel.run("load")
        assert f"from features of run {number} (stale)" in kernel.execute("%flow status").text
        assert kernel.ask("(features, total)") == ([20], 36)

    @pytest.mark.parametrize("command", ["%flow restore latest", "%flow run total --force"])
    def test_what_ends_it(self, kernel: Kernel, command: str) -> None:
        """As other holds do; its own cell, too."""
        kernel.run("late", "LATE = 18")
        kernel.execute("%flow run total --only")
        assert verdicts(kernel)["total"] == "as of"
        kernel.execute(command)
        assert verdicts(kernel)["total"] != "as of"
        kernel.execute("%flow run features")
        kernel.execute("%flow run total --only")
        kernel.run("total")
        assert kernel.ask("total") == 20
        assert verdicts(kernel)["total"] == "fresh"

    def test_what_makes_no_sense(self, kernel: Kernel) -> None:
        """One line says what to do."""
        assert "name the tasks: %flow run TASK… --only" in kernel.execute("%flow run --only").error
        kernel.execute("%flow pin total")
        refused = kernel.execute("%flow run total --only").error
        assert "total is pinned; `%flow unpin total` first" in refused


class TestAudit:
    """Tasks are run once more, beside the notebook."""

    def test_what_it_tells(self, kernel: Kernel) -> None:
        """A line for each task; nothing else happens."""
        kernel.set(
            pick="#@task pick\nimport random\npick = [random.random()]",
            look="#@task look\nprint('seen')\nlook = len(pick)\nlook",
            shell="#@task shell\nlines = !echo hello",
        )
        kernel.run_all()
        before = kernel.value("(pick, look, features)")
        shown = kernel.execute("%flow audit")
        assert shown.stdout == ""
        assert "audited 6 tasks: 4 same, 1 non-deterministic, 1 not audited" in shown.text
        assert "pick      not deterministic: each run makes another pick" in shown.text
        assert "shell     not audited: it calls IPython" in shown.text
        assert kernel.value("(pick, look, features)") == before
        assert set(verdicts(kernel).values()) == {"fresh"}
        assert "not deterministic" in kernel.execute("%flow why pick").text
        assert re.search(r"audit +audited: same", kernel.execute("%flow history look").text)

    def test_a_missed_dependency(self, kernel: Kernel) -> None:
        """The result is stale, in the next kernel as well."""
        text = "#@task deep\nimport sys\ndeep = getattr(sys, 'nbflow_' + 'hidden', 1) + LATE"
        kernel.run("deep", text)
        kernel.ask("setattr(__import__('sys'), 'nbflow_hidden', 2)")
        shown = kernel.execute("%flow audit deep")
        assert "deep  another result: deep; it depends on something that nbflow does not see" in shown.text
        assert verdicts(kernel)["deep"] == "stale"
        assert "an audit got another result: deep" in kernel.execute("%flow why deep").text
        kernel.restart()
        kernel.run_all()
        assert kernel.ask("deep") == 16
        assert verdicts(kernel)["deep"] == "fresh"

    def test_an_acceptance_that_is_wrong(self, kernel: Kernel) -> None:
        """It ends."""
        kernel.run("late", "LATE = 18")
        kernel.execute("%flow accept features")
        kernel.execute("%flow audit features")
        assert verdicts(kernel)["features"] == "stale"
