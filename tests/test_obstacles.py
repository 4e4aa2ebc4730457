"""What a task that waits is said to wait for, in a real kernel: its line names the root and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.kernels import Kernel, Shown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.process

WRITES = "\nopen('{}.txt', 'w').write('')"
CELLS = {
    "base": "BASE = 3",
    "double": "DOUBLE = BASE * 2" + WRITES.format("double"),
    "four": "FOUR = DOUBLE * 2" + WRITES.format("four"),
    "total": "#@task total\ntotal = FOUR + 1",
    "more": "#@task more\nmore = total + 1",
    "most": "#@task most\nmost = more + total",
}


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    """A kernel whose first cell loads nbflow, once it runs."""
    with Kernel(tmp_path) as kernel:
        kernel.set(load="%load_ext nbflow")
        yield kernel


def line_of(shown: Shown, task: str) -> str:
    """The line of one task, with single blanks."""
    found = next(line for line in shown.text.splitlines() if line.split()[:1] == [task])
    return " ".join(found.split())


def badges(shown: Shown) -> list[str]:
    """The badges that were updated."""
    return [bundle["text/plain"] for bundle in shown.updates.values()]


class TestPlainCells:
    """Cells that only their user runs stand between what changed and the tasks."""

    def test_which_to_run_is_said_of_each_task_below(self, kernel: Kernel) -> None:
        """In order, however far above; once one of them has run, the badges tell the rest."""
        kernel.begin(**CELLS)
        way = "run cell [3], then cell [4]"
        assert badges(kernel.run("base", "BASE = 4")) == [
            f"total: waits · upstream cell [4] waits: {way}",
            f"more: waits · upstream total waits: {way}",
            f"most: waits · upstream total, more wait: {way}",
        ]
        for command in ("status", "plan", "run"):
            assert f"upstream total waits: {way}" in line_of(kernel.execute(f"%flow {command}"), _at(command))
        assert badges(kernel.run("double"))[1:] == [
            "more: waits · upstream total waits: run cell [4]",
            "most: waits · upstream total, more wait: run cell [4]",
        ]

    def test_a_task_above_that_is_stale_comes_first(self, kernel: Kernel) -> None:
        """As a plain cell runs on what stands under the names."""
        kernel.begin(
            raw="#@task raw\nraw = 1",
            shift="shift = raw + 1" + WRITES.format("shift"),
            top="#@task top\ntop = shift",
            tip="#@task tip\ntip = top",
        )
        kernel.run("raw", "#@task raw --defer\nraw = 2")
        told = line_of(kernel.execute("%flow status"), "tip")
        assert told.endswith("upstream top waits: run raw, then cell [3]")


class TestOthers:
    """Who waits for a person, or for a name."""

    def test_a_person(self, kernel: Kernel) -> None:
        """The line says how that one is started; `why` says who it is."""
        kernel.begin(ask="#@task ask --manual\nask = 1")
        kernel.run("near", "#@task near\nnear = ask")
        refused = kernel.run("far", "#@task far\nfar = near")
        assert refused.error.endswith("far was not run: upstream near waits: `%flow resume ask`")
        told = line_of(kernel.execute("%flow status"), "far")
        assert told.endswith("upstream near waits: `%flow resume ask` · never ran")
        assert "only you start ask: `%flow resume ask` runs it" in kernel.execute("%flow why far").text

    def test_a_name_that_is_defined_below(self, kernel: Kernel) -> None:
        """Where that is."""
        kernel.begin()
        kernel.run("first", "#@task first\nfirst = late")
        kernel.run("second", "#@task second\nsecond = first")
        kernel.run("third", "#@task third --effect\nthird = second")
        kernel.run("late", "late = 1")
        kernel.run("fourth", "#@task fourth\nfourth = third")
        told = kernel.execute("%flow status")
        for task, above in (("second", "first"), ("third", "second"), ("fourth", "third")):
            assert f"upstream {above} waits: late is defined below, in cell [5]" in line_of(told, task)


def _at(command: str) -> str:
    """What the line of `more` begins with; a plan counts its lines."""
    return "2" if command == "plan" else "more"
