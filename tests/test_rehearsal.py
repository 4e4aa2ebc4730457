"""Plans: each says what the run right after it does, in its order."""

from __future__ import annotations

from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING

import pytest

from nbflow.engine.preview import expected_seconds, preview
from nbflow.store.memory import MemoryStore
from nbflow.testing import Notebook
from nbflow.triggers import any_failed
from nbflow.types import Hold, Verdict
from tests.cells import change, kept, opened

if TYPE_CHECKING:
    from nbflow.engine.action import Action


def planned(notebook: Notebook, *names: str) -> dict[str, str]:
    """What a run would do, by step, in its order."""
    targets = [notebook.book.named(name) for name in names] if names else None
    return {line.step.id: line.does for line in preview(notebook.work, targets)}


def done(action: Action) -> dict[str, str]:
    """What a run did, by step, in its order."""
    return {step: "runs" if step in action.executed else "reuses" for step in _in_order(action)}


def _in_order(action: Action) -> list[str]:
    return list(dict.fromkeys((*action.executed, *action.reused)))


def nothing_kept() -> Notebook:
    """A notebook whose store keeps no value of some size."""
    return Notebook(store=partial(MemoryStore, budget=50))


class TestReuse:
    """Earlier results that fit."""

    def test_going_back(self) -> None:
        """Below what is reused, what is reused in turn is known."""
        notebook, cells = opened("K = 1", "a = K", "b = a + K", plain=[0])
        change(notebook, cells[0], "K = 2")
        notebook.flow()
        change(notebook, cells[0], "K = 1")
        expected = {cells[1]: "reuses", cells[2]: "reuses"}
        assert planned(notebook) == expected
        assert notebook.verdict(cells[2]) is Verdict.STALE
        assert done(notebook.flow()) == expected

    def test_what_is_equal_below_it_is_left_alone(self) -> None:
        """It is not even looked up."""
        notebook, cells = opened("K = 1", "a = K > 0", "b = a + 1", plain=[0])
        change(notebook, cells[0], "K = 2")
        notebook.flow()
        change(notebook, cells[0], "K = 1")
        assert planned(notebook) == {cells[1]: "reuses"}
        assert done(notebook.flow()) == {cells[1]: "reuses"}

    def test_what_may_fit_once_the_rest_is_known(self) -> None:
        """May run; what can fit no more runs."""
        notebook, cells = opened("K = 1\nL = 1", "a = K", "b = a + L", plain=[0])
        change(notebook, cells[0], "K = 1\nL = 2")
        notebook.flow()
        change(notebook, cells[0], "K = 2\nL = 1")
        assert planned(notebook) == {cells[1]: "runs", cells[2]: "may run"}
        change(notebook, cells[0], "K = 2\nL = 3")
        assert planned(notebook) == {cells[1]: "runs", cells[2]: "runs"}

    def test_nothing_stands_otherwise_afterwards(self) -> None:
        """A plan only supposes."""
        notebook, cells = opened("K = 1", "a = [K]", "b = a + [K]", plain=[0])
        change(notebook, cells[0], "K = 2")
        notebook.flow()
        change(notebook, cells[0], "K = 1")
        before = [(notebook.step(cell).trace, notebook.judgement(cell)) for cell in cells]
        assert len(planned(notebook)) == 2
        assert [(notebook.step(cell).trace, notebook.judgement(cell)) for cell in cells] == before
        assert notebook.names["b"] == [2, 2]

    def test_a_remembered_step(self) -> None:
        """Whose earlier result fits does not wait for its cell."""
        notebook = Notebook(store=kept())
        _, cells = opened("K = 1", "a = K", "b = a + 1", plain=[0], notebook=notebook)
        change(notebook, cells[0], "K = 2")
        notebook.flow()
        notebook.restart()
        notebook.run(cells[0])
        notebook.run(cells[1])
        change(notebook, cells[0], "K = 1")
        notebook.run(cells[1])
        assert notebook.verdict(cells[2]) is Verdict.STALE
        assert planned(notebook) == {cells[2]: "reuses"}
        assert done(notebook.flow()) == {cells[2]: "reuses"}
        change(notebook, cells[0], "K = 3")
        notebook.run(cells[1])
        assert notebook.verdict(cells[2]) is Verdict.WAITS
        assert planned(notebook) == {cells[2]: "waits"}


class TestMapped:
    """A mapped task, whose items are reused each for itself."""

    def test_items_that_run_are_expected_to_take_what_others_took(self) -> None:
        """Of what is kept nothing; where nothing of it is kept, or known yet, all that it took last."""
        ran: list[str] = []
        notebook = Notebook(clock=lambda: 10.0 * len(ran))  # each body takes ten seconds
        notebook.log = ran
        given, task = notebook.add("xs = [1, 2, 3]", plain=True), notebook.add("y = x", name="task", x="xs")
        notebook.run_all()
        expected: list[float | None] = []
        for elements in ([2, 3], [1, 2, 3, 4, 5], [6]):
            change(notebook, given, f"xs = {elements}")
            (line,) = preview(notebook.work)
            assert line.step.id == task
            expected.append(line.seconds)
        assert expected == [0, 20, 30]
        assert notebook.flow().executed == [task]


class TestSpent:
    """Inputs that are nowhere any more."""

    def test_its_producer_is_planned(self) -> None:
        """With its expected time, right before whoever needs it."""
        notebook = Notebook(store=partial(MemoryStore, budget=50), clock=perf_counter)
        _, cells = opened(
            "F = 1", "a = list(range(500))", "n = len(a) + F", "a.append(1)", plain=[0], notebook=notebook
        )
        change(notebook, cells[0], "F = 2")
        lines = preview(notebook.work)
        assert [(line.step.id, line.does) for line in lines] == [(cells[1], "runs"), (cells[2], "runs")]
        assert expected_seconds(lines) > (lines[1].seconds or 0.0)
        assert lines[0].causes[0].category == "not stored"
        assert notebook.flow().executed == cells[1:3]

    @pytest.mark.parametrize("reason", ["pin", "restore"])
    def test_its_producer_is_held(self, reason: str) -> None:
        """The reader waits, and its cause says what ends that."""
        notebook = nothing_kept()
        _, cells = opened(
            "F = 1",
            "a = list(range(500))",
            "n = len(a) + F",
            "a.append(1)",
            "m = n",
            plain=[0],
            notebook=notebook,
        )
        trace = notebook.step(cells[1]).trace
        assert trace is not None
        notebook.pin(cells[1], Hold(trace, reason))
        change(notebook, cells[0], "F = 2")
        assert [notebook.verdict(cells[place]) for place in (2, 4)] == [Verdict.WAITS] * 2
        told = notebook.judgement(cells[2]).causes[0]
        assert (told.category, told.origin) == ("lack", cells[1])
        assert told in notebook.why(cells[4])
        assert planned(notebook) == {cells[2]: "waits", cells[4]: "waits"}
        assert notebook.flow().executed == []
        notebook.pin(cells[1], None)
        assert planned(notebook) == {cells[1]: "runs", cells[2]: "runs", cells[4]: "may run"}
        assert notebook.flow().executed == [cells[1], cells[2], cells[4]]
        assert notebook.names["m"] == 502

    def test_its_producers_have_not_run_in_this_kernel(self) -> None:
        """Their cells are named in order, and running them helps."""
        notebook = Notebook(store=kept())
        make = "r = [1, (i for i in [1])]"
        _, cells = opened(make, "q = r[0]", notebook=notebook)
        notebook.restart()
        reader = notebook.add("z = r[0]")
        notebook.run(reader)
        assert notebook.verdict(reader) is Verdict.WAITS
        (told, *_) = notebook.judgement(reader).causes
        assert told.after.startswith(f"run the cell of {cells[0]}")
        assert planned(notebook) == {reader: "waits"}
        assert notebook.flow().executed == []
        for cell in cells:
            notebook.run(cell)
        assert planned(notebook)[reader] == "runs"
        assert notebook.flow().executed[-1] == reader
        assert notebook.verdict(reader) is Verdict.FRESH


class TestTriggers:
    """Who is let in."""

    def test_one_that_says_no(self) -> None:
        """Waits, as a run would change nothing."""
        notebook, cells = opened("K = 1", "a = 10 // K", "r = 1", plain=[0])
        notebook.let(cells[2], trigger=any_failed, after=(cells[1],))
        notebook.step(cells[2]).trace = None
        notebook.flow()
        assert notebook.verdict(cells[2]) is Verdict.WAITS
        assert [cause.category for cause in notebook.judgement(cells[2]).causes] == ["trigger"]
        assert planned(notebook) == {cells[2]: "waits"}
        assert notebook.flow().executed == []
        change(notebook, cells[0], "K = 0")
        assert planned(notebook) == {cells[1]: "runs", cells[2]: "may run"}
        notebook.flow()
        run = notebook.work.runs.history.runs(step=cells[2])[0]
        assert [(cause.category, cause.subject) for cause in run.causes] == [("failed", cells[1])]

    def test_below_a_skipped_one(self) -> None:
        """It waits as well."""
        skip = "from nbflow.engine import signals\nraise signals.SKIP('no')\ns = 1"
        notebook, cells = opened(skip, "t = s")
        assert notebook.verdict(cells[1]) is Verdict.WAITS
        assert planned(notebook) == {cells[1]: "waits"}
        assert notebook.flow().executed == []


class TestHolds:
    """Tasks that stand at a chosen result."""

    def test_an_accepted_one(self) -> None:
        """May run below what runs, and so may what is below it; a pinned one does not."""
        notebook, cells = opened("K = 1", "a = K", "b = a + 1", "c = b", "p = a", plain=[0])
        change(notebook, cells[0], "K = 2")
        accepted, pinned = notebook.step(cells[2]), notebook.step(cells[4])
        assert accepted.trace is not None
        assert pinned.trace is not None
        entries = accepted.trace.entries
        notebook.pin(cells[2], Hold(accepted.trace, "accept", entries=entries))
        notebook.pin(cells[4], Hold(pinned.trace, "pin"))
        assert planned(notebook) == {cells[1]: "runs", cells[2]: "may run", cells[3]: "may run"}
        assert notebook.flow().executed == cells[1:4]
