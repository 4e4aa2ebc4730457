"""How results are kept: at most so old, never reused, not stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbflow.engine.keeping import NOT_REUSED, Keeping
from nbflow.testing import FakeClock, Notebook
from nbflow.types import Hold, Verdict
from tests.cells import causes, change, kept, verdicts

if TYPE_CHECKING:
    from pathlib import Path

    from nbflow.engine.book import Body, Step

HOUR = 3600.0


def two(keeping: Keeping, upper: str = "a = 1") -> tuple[Notebook, FakeClock, list[str]]:
    """A task whose results are kept so, and one that reads it; both ran once."""
    clock = FakeClock()
    notebook = Notebook(store=kept(), clock=clock)
    cells = [notebook.add(upper, name="upper"), notebook.add("b = a + 1", name="lower")]
    notebook.let(cells[0], keeping=keeping)
    notebook.run_all()
    notebook.log.clear()
    return notebook, clock, cells


class Slow(Notebook):
    """A notebook in which the task `slow` takes two hours."""

    def _execute(self, step: Step, body: Body, names: dict[str, Any]) -> None:
        super()._execute(step, body, names)
        if step.name == "slow" and isinstance(self.clock, FakeClock):
            self.clock.advance(2 * HOUR)


class TestAge:
    """A result may be so old and no older."""

    def test_it_expires_when_somebody_looks(self) -> None:
        """No timer: the verdict is of the moment in which it is asked for."""
        notebook, clock, cells = two(Keeping(at_most=HOUR))
        clock.advance(HOUR - 1)
        assert verdicts(notebook) == ["fresh", "fresh"]
        assert notebook.flow().executed == []
        clock.advance(1)
        assert verdicts(notebook) == ["stale", "stale"]
        assert causes(notebook, cells[0]) == [("expired", "upper")]

    def test_an_equal_result_leaves_the_rest_alone(self) -> None:
        """What is made anew counts from then on."""
        notebook, clock, cells = two(Keeping(at_most=HOUR))
        clock.advance(HOUR)
        assert notebook.flow().executed == cells[:1]
        assert verdicts(notebook) == ["fresh", "fresh"]
        clock.advance(HOUR)
        assert verdicts(notebook) == ["stale", "stale"]

    def test_its_own_cell_and_its_reader_run_it(self) -> None:
        """Once it has expired."""
        notebook, clock, cells = two(Keeping(at_most=HOUR))
        assert notebook.run(cells[0]).executed == []
        clock.advance(HOUR)
        assert notebook.run(cells[0]).executed == cells[:1]
        clock.advance(HOUR)
        assert notebook.run(cells[1]).executed == cells[:1]

    def test_an_older_result_is_not_found(self) -> None:
        """Going back to an earlier text finds its result only as long as that is valid."""
        notebook, clock, cells = two(Keeping(at_most=HOUR))
        change(notebook, cells[0], "a = 2")
        assert change(notebook, cells[0], "a = 1").executed == []
        change(notebook, cells[0], "a = 2")
        clock.advance(HOUR)
        assert change(notebook, cells[0], "a = 1").executed == cells[:1]

    def test_after_a_restart(self) -> None:
        """Time passes without a kernel, too."""
        notebook, clock, cells = two(Keeping(at_most=HOUR))
        notebook.restart()
        assert notebook.run(cells[0]).reused == cells[:1]
        clock.advance(HOUR)
        notebook.restart()
        assert notebook.run(cells[0]).executed == cells[:1]

    def test_another_age_counts_at_once(self) -> None:
        """It belongs to the task and not to the result."""
        notebook, clock, cells = two(Keeping())
        clock.advance(HOUR)
        notebook.let(cells[0], keeping=Keeping(at_most=HOUR))
        assert verdicts(notebook) == ["stale", "stale"]
        notebook.let(cells[0], keeping=Keeping(at_most=2 * HOUR))
        assert verdicts(notebook) == ["fresh", "fresh"]

    def test_what_differs_is_said_first(self) -> None:
        """Of a result that is old and made of other inputs."""
        notebook, clock, cells = two(Keeping())
        notebook.let(cells[1], keeping=Keeping(at_most=HOUR))
        clock.advance(HOUR)
        change(notebook, cells[0], "a = 5")
        assert causes(notebook, cells[1]) == [("input", "a")]

    def test_a_run_does_not_outlive_what_it_made(self, tmp_path: Path) -> None:
        """What was valid when the work began is so until it ends, however long that takes."""
        path = str(tmp_path / "f")
        notebook = Slow()
        cells = [
            notebook.add("a = 1"),
            notebook.add(f"from pathlib import Path\nPath({path!r}).write_text(str(a))", name="slow"),
            notebook.add(f"from pathlib import Path\nc = a, Path({path!r}).read_text()"),
        ]
        notebook.let(cells[0], keeping=Keeping(at_most=HOUR))
        for cell in cells:
            notebook.work.adopt_source(notebook.step(cell))
        assert notebook.flow().executed == cells
        assert notebook.names["c"] == (1, "1")
        assert notebook.verdict(cells[0]) is Verdict.STALE

    def test_a_hold_counts_whatever_its_age(self) -> None:
        """Whoever pins a result means that one."""
        notebook, clock, cells = two(Keeping(at_most=HOUR))
        trace = notebook.step(cells[0]).trace
        assert trace is not None
        notebook.pin(cells[0], Hold(trace, "pin"))
        clock.advance(HOUR)
        assert verdicts(notebook) == ["as of", "as of"]


class TestNoCache:
    """A result that is taken for no other run."""

    def test_it_runs_whenever_it_is_asked_for(self) -> None:
        """By its cell, by its name, and by a run of all."""
        notebook, _, cells = two(Keeping(reuses=False))
        assert notebook.run(cells[0]).executed == cells[:1]
        assert notebook.flow("upper").executed == cells[:1]
        assert notebook.flow().executed == cells[:1]
        assert notebook.log == cells[:1] * 3

    def test_it_stands_for_those_that_read_it(self) -> None:
        """They take what it made last, without running it again."""
        notebook, _, cells = two(Keeping(reuses=False))
        assert verdicts(notebook) == ["fresh", "fresh"]
        assert notebook.run(cells[1]).executed == []
        assert notebook.flow("lower").executed == []

    def test_readers_follow_what_it_makes(self) -> None:
        """An equal value leaves them alone, another one does not."""
        notebook, _, cells = two(Keeping(reuses=False), "import time\na = time.perf_counter_ns()")
        before = notebook.names["b"]
        assert notebook.flow().executed == cells
        assert notebook.names["b"] != before
        notebook.let(cells[0], keeping=Keeping())
        assert notebook.flow().executed == []

    def test_nothing_is_found_in_a_new_kernel(self) -> None:
        """Neither its values nor the result."""
        notebook, _, cells = two(Keeping(reuses=False))
        trace = notebook.step(cells[0]).trace
        assert trace is not None
        assert NOT_REUSED in trace.flags
        assert not notebook.workspace.store.has(trace.outputs[0].unit)
        notebook.restart()
        assert notebook.step(cells[0]).trace is None
        assert notebook.run(cells[0]).executed == cells[:1]

    def test_going_back_finds_nothing(self) -> None:
        """Nor does a copy of the cell find what this one made."""
        notebook, _, cells = two(Keeping(reuses=False))
        change(notebook, cells[0], "a = 2")
        assert change(notebook, cells[0], "a = 1").executed == cells[:1]
        copy = notebook.add("a = 1")
        assert notebook.run(copy).executed == [copy]

    def test_pinned_it_is_left_alone(self) -> None:
        """By a run of all tasks."""
        notebook, _, cells = two(Keeping(reuses=False))
        trace = notebook.step(cells[0]).trace
        assert trace is not None
        notebook.pin(cells[0], Hold(trace, "pin"))
        assert notebook.flow().executed == []


class TestStored:
    """Values that no store keeps."""

    def test_in_its_kernel_it_is_reused(self) -> None:
        """Its values are there."""
        notebook, _, cells = two(Keeping(persists=False))
        trace = notebook.step(cells[0]).trace
        assert trace is not None
        assert not notebook.workspace.store.has(trace.outputs[0].unit)
        assert notebook.run(cells[0]).executed == []
        assert notebook.flow().executed == []

    def test_after_a_restart_its_readers_need_no_value(self) -> None:
        """Its digest is enough to know that they are up to date."""
        notebook, _, cells = two(Keeping(persists=False))
        notebook.restart()
        assert notebook.run(cells[1]).executed == []
        assert notebook.names["b"] == 2

    def test_after_a_restart_its_own_cell_computes_it(self) -> None:
        """Once."""
        notebook, _, cells = two(Keeping(persists=False))
        notebook.restart()
        assert notebook.run(cells[0]).executed == cells[:1]
        assert notebook.names["a"] == 1
        assert notebook.run(cells[0]).executed == notebook.flow("upper").executed == []

    def test_after_a_restart_an_edited_reader_computes_it(self) -> None:
        """As soon as its cell has run here, which nbflow may start then."""
        notebook, _, cells = two(Keeping(persists=False))
        notebook.restart()
        notebook.run(cells[0])
        assert change(notebook, cells[1], "b = a + 5").executed == cells[1:]
        assert notebook.names["b"] == 6

    def test_going_back_computes_it(self) -> None:
        """The values of an earlier text are nowhere any more."""
        notebook, _, cells = two(Keeping(persists=False))
        change(notebook, cells[0], "a = 2")
        assert change(notebook, cells[0], "a = 1").executed == cells[:1]
        assert notebook.names["a"] == 1


class TestFunctions:
    """Task functions are kept by the options of `@task`."""

    def test_they_expire_by_the_options_of_their_cell_as_last_run(self) -> None:
        """Other options count as soon as the cell that defines the function has run."""
        source = "from nbflow import task\n@task(cache_for={!r})\ndef made():\n    return 1"
        clock = FakeClock()
        notebook = Notebook(clock=clock)
        definer = notebook.add(source.format("1h"), plain=True)
        reader = notebook.add("b = made()")
        notebook.run_all()
        made = notebook.book.named("made").id
        clock.advance(HOUR)
        assert notebook.verdict(made) is Verdict.STALE
        notebook.edit(definer, source.format("3h"))
        notebook.run(definer)
        assert notebook.verdict(made) is Verdict.FRESH
        assert notebook.flow().executed in ([], [reader])

    def test_a_read_asks_for_no_run(self) -> None:
        """However often the value is read: its name and a run of all do."""
        source = "from nbflow import task\n@task(cache_policy=NO_CACHE)\ndef made():\n    return 1"
        notebook = Notebook()
        notebook.run(notebook.add("from nbflow.cache_policies import NO_CACHE", plain=True))
        notebook.run(notebook.add(source, plain=True))
        reader = notebook.add("x = made(), made()", plain=True)
        notebook.run(reader), notebook.run(reader)
        made = notebook.book.named("made").id
        assert notebook.log.count(made) == 1
        assert notebook.flow().executed == [made]
