"""Runs of `--only`: from the latest results above, whatever those are worth."""

from __future__ import annotations

import pytest

from nbflow.exceptions import SessionError
from nbflow.testing import Notebook
from nbflow.types import Hold
from nbflow.views.words import cause_words
from tests.cells import change, kept, verdicts


def chain() -> tuple[Notebook, list[str]]:
    """A constant, and three tasks that each read the one before."""
    notebook = Notebook(store=kept())
    cells = [notebook.add("k = 1", plain=True, name="k")]
    cells += [
        notebook.add(f"{x} = ({y}, 0)", name=x) for x, y in (("raw", "k"), ("mid", "raw"), ("end", "mid"))
    ]
    for number, cell in enumerate(cells):
        notebook.work.runs.number = number
        notebook.run(cell)
    notebook.log.clear()
    return notebook, cells


class TestFromStale:
    """What is above is not up to date."""

    def test_nothing_else_runs(self) -> None:
        """The task gets what was made there last, and is held; all below is as of it."""
        notebook, (k, _, mid, end) = chain()
        change(notebook, k, "k = 2")
        notebook.edit(mid, "mid = (raw, 'new')")
        notebook.work.adopt_source(notebook.step(mid))
        assert notebook.only("mid").executed == [mid]
        assert notebook.names["mid"] == ((1, 0), "new")
        assert verdicts(notebook) == ["fresh", "stale", "as of", "stale"]
        (cause,) = notebook.judgement(mid).causes
        assert cause_words(cause) == "from raw of run 1 (stale)"
        assert notebook.only("end").executed == [end]
        assert verdicts(notebook) == ["fresh", "stale", "as of", "as of"]
        assert notebook.names["end"] == (((1, 0), "new"), 0)

    @pytest.mark.parametrize(
        ("above", "told"),
        [("raw = k / 0", "raw has no result"), ("raw = (x for x in [k])", "what it reads is gone")],
    )
    def test_what_cannot_run_stays_as_it_was_held(self, above: str, told: str) -> None:
        """Whether there is no result above, or one that was consumed."""
        notebook, (_, raw, mid, _) = chain()
        change(notebook, mid, "mid = list(raw) if raw else 0")
        change(notebook, raw, above)
        if "for" in above:
            notebook.run(mid)
        trace = notebook.step(mid).trace
        assert trace is not None
        hold = Hold(trace, "pin")
        notebook.pin(mid, hold)
        with pytest.raises(SessionError, match=told):
            notebook.only("mid", force=True)
        assert notebook.step(mid).hold is hold

    def test_a_plain_cell_above(self) -> None:
        """It is named; what waits for it can be run all the same."""
        notebook, (k, raw, _, _) = chain()
        seed = notebook.add("import os\nz = os.getpid()", plain=True, at=0, name="seed")
        notebook.run(seed)
        notebook.edit(k, "k = z * 0 + 1")
        notebook.run(k)
        notebook.flow()
        notebook.edit(seed, "import os\nz = 5")
        notebook.work.adopt_source(notebook.step(seed))
        assert notebook.verdict(raw).value == "waits"
        notebook.only("raw", force=True)
        assert notebook.verdict(raw).value == "as of"
        assert cause_words(notebook.judgement(raw).causes[0]) == "from k of run 3 (waits)"

    def test_an_earlier_result_that_fits(self) -> None:
        """It is taken; with force the body runs."""
        notebook, (k, _, mid, _) = chain()
        change(notebook, k, "k = 2")
        assert notebook.only("mid").reused == [mid]
        assert verdicts(notebook)[2] == "as of"
        assert notebook.only("mid", force=True).executed == [mid]

    def test_several_in_flow_order(self) -> None:
        """Each sees what those before it have made."""
        notebook, (k, raw, mid, end) = chain()
        change(notebook, k, "k = 2")
        for cell in (mid, end):
            notebook.edit(cell, notebook.step(cell).body.source + " + (7,)")
            notebook.work.adopt_source(notebook.step(cell))
        assert notebook.only("end", "mid").executed == [mid, end]
        assert notebook.names["end"] == (((1, 0), 0, 7), 0, 7)
        assert notebook.flow().executed == [raw]


class TestItsEnd:
    """It is a hold."""

    def held(self) -> tuple[Notebook, list[str]]:
        """A task that was run from what is stale."""
        notebook, cells = chain()
        change(notebook, cells[0], "k = 2")
        notebook.only("mid")
        return notebook, cells

    def test_a_flow_run_leaves_it(self) -> None:
        """Also when what is above has moved on."""
        notebook, (_, raw, mid, _) = self.held()
        assert notebook.flow().executed == [raw]
        assert notebook.names["mid"] == ((1, 0), 0)
        assert notebook.verdict(mid).value == "as of"

    def test_its_own_cell_ends_it(self) -> None:
        """Then all is brought up to date as ever."""
        notebook, (_, raw, mid, end) = self.held()
        assert notebook.run(mid).executed == [raw, mid]
        notebook.flow()
        assert verdicts(notebook) == ["fresh"] * 4
        assert notebook.names["end"] == (((2, 0), 0), 0)
        assert notebook.step(end).hold is None

    def test_dropping_it(self) -> None:
        """The result is one like any other: its inputs are another now."""
        notebook, (_, _, mid, _) = self.held()
        notebook.work.hold(notebook.step(mid), None)
        notebook.work.stand()
        assert verdicts(notebook) == ["fresh", "stale", "stale", "stale"]
        notebook.flow()
        assert verdicts(notebook) == ["fresh"] * 4

    def test_what_is_up_to_date_above(self) -> None:
        """There is nothing to hold: the result is proven."""
        notebook, (_, _, mid, _) = chain()
        assert notebook.only("mid").executed == []
        assert notebook.only("mid", force=True).executed == [mid]
        assert notebook.step(mid).hold is None
        assert notebook.verdict(mid).value == "fresh"

    def test_it_takes_the_place_of_another_hold(self) -> None:
        """What was restored, say."""
        notebook, (k, _, mid, _) = chain()
        first = notebook.step(mid).trace
        assert first is not None
        change(notebook, k, "k = 2")
        notebook.flow()
        notebook.pin(mid, Hold(first, "restore"))
        notebook.only("mid")
        assert notebook.step(mid).hold is None
        assert notebook.names["mid"] == ((2, 0), 0)
        assert notebook.verdict(mid).value == "fresh"


class TestWhatCannotRun:
    """One line says why."""

    def test_nothing_was_made_above(self) -> None:
        """A task that failed has no result."""
        notebook, (_, raw, _, _) = chain()
        change(notebook, raw, "raw = 1 / 0")
        with pytest.raises(SessionError, match="mid was not run: raw has no result; run raw first"):
            notebook.only("mid")

    def test_not_in_this_kernel(self) -> None:
        """Its cell decides what it is."""
        notebook, _ = chain()
        notebook.restart()
        with pytest.raises(SessionError, match="mid has not run in this kernel; run its cell"):
            notebook.only("mid")

    def test_a_failure(self) -> None:
        """There is no result to be held at."""
        notebook, (k, _, mid, _) = chain()
        change(notebook, k, "k = 2")
        notebook.edit(mid, "mid = raw[7]")
        notebook.work.adopt_source(notebook.step(mid))
        assert mid in notebook.only("mid").errors
        assert notebook.step(mid).hold is None
        assert notebook.verdict(mid).value == "stale"

    def test_what_was_done_before_it_failed_stands(self) -> None:
        """The names hold what has been made."""
        notebook, (k, _, mid, end) = chain()
        change(notebook, k, "k = 2")
        notebook.edit(mid, "mid = (raw, 'new')")
        notebook.edit(end, "end = gone")
        for cell in (mid, end):
            notebook.work.adopt_source(notebook.step(cell))
        notebook.only("mid", "end")
        assert notebook.names["mid"] == ((1, 0), "new")
