"""Verdicts: what is said of a step, and why."""

from __future__ import annotations

import pytest

from nbflow.engine.bind import Bound, Timeline, Version, View
from nbflow.engine.book import read_body
from nbflow.engine.keeping import Compared, Keeping
from nbflow.engine.slots import Outside, slot_of
from nbflow.engine.verify import answer, content, first_difference, unit_key
from nbflow.testing import Notebook
from nbflow.types import (
    UNBOUND,
    Answer,
    Cause,
    Entry,
    Hold,
    Licence,
    Looked,
    Output,
    Reach,
    Slot,
    Standing,
    Trace,
    Verdict,
)
from tests.cells import causes, change, opened, root_cause, verdicts


class Known:
    """A kind that knows what it is given."""

    def __init__(self, **contents: str | None) -> None:
        self.contents = contents

    def now(self, locator: str) -> str | None:
        """The content."""
        return self.contents.get(locator)

    def show(self, locator: str) -> str:
        """For people."""
        return locator


def view_of(*outputs: Output) -> View:
    """A view below a step that made these outputs."""
    timelines = {output.slot: Timeline() for output in outputs}
    for output in outputs:
        timelines[output.slot].give(0, Bound(Version("maker", output), written=True))
    return View(timelines, 1)


OUTSIDE = Outside({"weather": Known(here="sun", there=None)})
A = Output(slot_of("a"), "digest a", "unit", ("a", "b"))
B = Output(slot_of("b"), "digest b", "unit", ("a", "b"))


class TestContent:
    """What a slot holds at a place."""

    def test_a_name(self) -> None:
        """The digest of its version, or unbound."""
        assert content(Looked(A.slot), view_of(A, B), OUTSIDE) == "digest a"
        assert content(Looked(slot_of("x")), view_of(A), OUTSIDE) == UNBOUND

    def test_a_whole_unit(self) -> None:
        """Depends on who of it is bound there, too."""
        whole = Looked(A.slot, whole_unit=True)
        both, alone = content(whole, view_of(A, B), OUTSIDE), content(whole, view_of(A), OUTSIDE)
        assert both != alone
        assert both == unit_key(Version("maker", A), view_of(A, B))

    def test_an_attribute_of_a_module(self) -> None:
        """By its own digest; one that is gone is unbound."""
        module = Output(slot_of("lib"), "digest lib", "u", ("lib",), Reach(parts={"f": "digest f"}))
        assert content(Looked(slot_of("lib.f")), view_of(module), OUTSIDE) == "digest f"
        assert content(Looked(slot_of("lib.g")), view_of(module), OUTSIDE) == UNBOUND

    def test_something_outside(self) -> None:
        """What its kind says; a file that a step wrote is what that step wrote."""
        assert content(Looked(Slot("weather", "here")), view_of(), OUTSIDE) == "sun"
        written = Output(Slot("file", "/out"), "digest out", "digest out")
        assert content(Looked(written.slot), view_of(written), OUTSIDE) == "digest out"

    def test_the_reader_remembers_where_it_looked(self) -> None:
        """So that it is judged again when that changes."""
        view = view_of(A)
        content(Looked(Slot("weather", "here")), view, OUTSIDE)
        content(Looked(slot_of("x")), view, OUTSIDE)
        assert view.looked == {Slot("weather", "here"), slot_of("x")}


class TestAnswers:
    """Same, different or unknown."""

    @pytest.mark.parametrize(
        ("slot", "digest", "expected"),
        [
            (A.slot, "digest a", Answer.SAME),
            (A.slot, "another", Answer.DIFFERENT),
            (slot_of("x"), UNBOUND, Answer.SAME),
            (slot_of("x"), "digest x", Answer.DIFFERENT),
            (Slot("weather", "here"), "sun", Answer.SAME),
            (Slot("weather", "there"), "sun", Answer.UNKNOWN),
            (Slot("no such kind", "x"), "sun", Answer.UNKNOWN),
        ],
    )
    def test_of_one_entry(self, slot: Slot, digest: str, expected: Answer) -> None:
        """Unknown is neither."""
        assert answer(Entry(Looked(slot), digest), view_of(A), OUTSIDE) is expected

    def test_of_a_trace(self) -> None:
        """Any difference wins over what is unknown, which wins over the rest."""
        same = Entry(Looked(A.slot), "digest a")
        unknown = Entry(Looked(Slot("weather", "there")), "sun")
        other = Entry(Looked(A.slot), "another")
        for entries, expected in (
            ((same,), (Answer.SAME, None)),
            ((), (Answer.SAME, None)),
            ((same, unknown, same), (Answer.UNKNOWN, unknown)),
            ((unknown, other), (Answer.DIFFERENT, other)),
        ):
            assert first_difference(entries, view_of(A), OUTSIDE) == expected

    def test_it_stops_at_the_first_difference(self) -> None:
        """What follows may make no sense without it."""
        view = view_of(A)
        other = Entry(Looked(A.slot), "another")
        later = Entry(Looked(slot_of("later")), "x")
        first_difference((other, later), view, OUTSIDE)
        assert slot_of("later") not in view.looked


class TestVerdicts:
    """The four words."""

    def test_a_step_that_never_ran(self) -> None:
        """Is stale, and gives nothing."""
        notebook = Notebook()
        cell = notebook.add("a = 1")
        judgement = notebook.judgement(cell)
        assert (judgement.verdict, judgement.gives) == (Verdict.STALE, {})
        assert judgement.causes == (Cause("never ran", cell),)

    def test_the_upstream_is_the_first_cause(self) -> None:
        """What comes from above is named before what is its own."""
        notebook, cells = opened("a = 1", "b = a", "c = b")
        change(notebook, cells[0], "a = 2")
        notebook.step(cells[2]).trace = None
        notebook.sweep.touch(notebook.step(cells[2]))
        assert causes(notebook, cells[2]) == [("upstream", "b"), ("never ran", cells[2])]

    def test_the_worst_upstream_counts(self) -> None:
        """Waits over stale over as of."""
        notebook, cells = opened("a = 1", "b = 2", "c = [a, b]")
        notebook.step(cells[1]).ran = read_body("b = 3")  # of which no result is known
        for cell, standing in ((cells[0], Standing.HERE), (cells[1], Standing.REMEMBERED)):
            notebook.step(cell).trace = None
            notebook.step(cell).standing = standing
            notebook.sweep.touch(notebook.step(cell))
        assert verdicts(notebook) == ["stale", "waits", "waits"]
        assert notebook.judgement(cells[2]).causes[0] == Cause(
            "upstream", "b", after="waits", origin=cells[1]
        )

    def test_a_manual_task_waits(self) -> None:
        """Only the user starts it."""
        notebook, cells = opened("a = 1", "b = a")
        notebook.step(cells[1]).licence = Licence.USER
        change(notebook, cells[0], "a = 2")
        assert notebook.judgement(cells[1]).causes[0] == Cause("manual", cells[1], after=f"run {cells[1]}")
        assert notebook.flow().executed == []

    def test_a_held_step_is_as_of(self) -> None:
        """Whatever its trace says."""
        notebook, cells = opened("a = 1", "b = a")
        notebook.pin(cells[1], Hold(Trace("old", "k", (), ()), "accept"))
        assert notebook.judgement(cells[1]).causes == (
            Cause("held", cells[1], after="accept"),
            Cause("code", cells[1], "as last run", "edited"),
        )
        assert notebook.verdict(cells[1]) is Verdict.AS_OF

    def test_another_helper_of_the_same_digest_reads_more(self) -> None:
        """A body that reaches a name that its trace did not see cannot be judged by that trace."""
        notebook, cells = opened("def f(): return 1", "k = 1", "y = f()", plain=(0,))
        change(notebook, cells[0], "def f(): return k")
        assert notebook.verdict(cells[2]) is Verdict.STALE
        assert root_cause(notebook, cells[2]).subject in ("f", "k")

    def test_without_a_trace_it_tells_what_differs_from_the_last_kernels_result(self) -> None:
        """It stays stale; where nothing differs, or nothing was there before, it never ran."""
        notebook, cells = opened("LATE = 15", "flags = LATE + 1", plain=(0,))
        step = notebook.step(cells[1])
        step.earlier, step.trace = step.trace, None
        notebook.sweep.touch(step)
        assert causes(notebook, cells[1]) == [("never ran", cells[1])]
        change(notebook, cells[0], "LATE = 18")
        assert causes(notebook, cells[1]) == [("input", "LATE")]
        assert notebook.verdict(cells[1]) is Verdict.STALE
        step.ran = step.body = read_body("flags = LATE + 2")
        notebook.sweep.touch(step)
        assert causes(notebook, cells[1]) == [("code", cells[1])]

    def test_a_remembered_step_tells_what_differs_besides_its_cell(self) -> None:
        """What its header leaves out of the comparison is no difference; without any, its cell is all."""
        notebook, cells = opened("a = 1", "k = 1", "b = a + k", plain=(0, 1))
        step = notebook.step(cells[2])
        notebook.let(cells[2], keeping=Keeping(compared=Compared(without=frozenset({"k"}))))
        step.earlier, step.trace, step.standing = step.trace, None, Standing.REMEMBERED
        change(notebook, cells[1], "k = 2")
        assert causes(notebook, cells[2]) == [("unverified", cells[2])]
        change(notebook, cells[0], "a = 2")
        assert causes(notebook, cells[2]) == [("unverified", cells[2]), ("input", "a")]
        assert notebook.verdict(cells[2]) is Verdict.WAITS

    def test_what_a_step_above_has_yet_to_make_is_no_difference(self) -> None:
        """That step is named, with its own causes."""
        notebook, cells = opened("a = 1", "b = a", "c = b", plain=(0,))
        for cell in cells[1:]:
            step = notebook.step(cell)
            step.earlier, step.trace, step.standing = step.trace, None, Standing.REMEMBERED
        change(notebook, cells[0], "a = 2")
        assert causes(notebook, cells[2]) == [("unverified", cells[2]), ("upstream", "b")]

    def test_builtins_are_what_they_are_below_a_step_that_hands_them_on(self) -> None:
        """Who calls `list` below one that failed is fresh, and below one that is held as of that alone."""
        grow = "x = own(x, list)\nx.append(1)"
        notebook, cells = opened(
            "def own(v, kind): return kind(v)", "x = [1]", grow, "y = list('a')", "z = x"
        )
        notebook.pin(cells[2], Hold(notebook.step(cells[2]).trace or Trace("none", "", (), ()), "pin"))
        assert verdicts(notebook) == ["fresh", "fresh", "as of", "fresh", "as of"]
        notebook.pin(cells[2], None)
        change(notebook, cells[2], f"{grow}\nx[0] = 1 / 0")
        assert verdicts(notebook) == ["fresh", "fresh", "stale", "fresh", "stale"]

    def test_judging_is_pure(self) -> None:
        """Twice the same."""
        notebook, cells = opened("a = 1", "b = a")
        change(notebook, cells[0], "a = 2")
        assert notebook.judgement(cells[1]) == notebook.judgement(cells[1])
