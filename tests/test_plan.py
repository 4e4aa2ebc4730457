"""The order of work: what is started, in which order, and what stands afterwards."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from nbflow.store.memory import MemoryStore
from nbflow.testing import Notebook
from nbflow.types import Hold, Licence, Standing, Verdict
from tests.cells import causes, change, kept, opened, values, verdicts

if TYPE_CHECKING:
    from pathlib import Path


def in_a_new_kernel(notebook: Notebook, *sources: str) -> tuple[Notebook, list[str]]:
    """Another notebook over the same store, whose cells are known to be run and have no trace yet."""
    store = notebook.workspace.store
    again = Notebook(store=lambda names: store)
    cells = [again.add(source) for source in sources]
    for step in again.book:
        step.ran = step.body
    return again, cells


class TestNewKernel:
    """What another kernel made is found."""

    def test_each_task_is_judged_once(self) -> None:
        """With its trace, and never as stale."""
        sources = ("a = 1", "b = a + 1", "c = [a, b]")
        notebook, cells = in_a_new_kernel(opened(*sources)[0], *sources)
        action = notebook.flow()
        assert (action.executed, action.reused) == ([], cells)
        assert notebook.sweep.judged == len(cells)
        assert notebook.names["c"] == [1, 2]
        assert verdicts(notebook) == ["fresh"] * 3

    def test_below_one_that_has_to_run(self) -> None:
        """What does not read it is found at once, what does when it has run."""
        first, _ = opened("a = 1", "b = a + 1", "c = b * 2", "z = 5")
        notebook, cells = in_a_new_kernel(first, "a = 1", "b = 1 + a", "c = b * 2", "z = 5")
        action = notebook.flow()
        assert action.executed == [cells[1]]
        assert action.reused == [cells[0], cells[3], cells[2]]
        assert notebook.names["c"] == 4

    def test_a_name_that_is_defined_below(self) -> None:
        """Still waits: what was found before everything was judged is judged again."""
        first, _ = opened("b = a if 'a' in globals() else 0", "a = 1")
        notebook, _ = in_a_new_kernel(first, "c = a", "a = 1")
        notebook.flow()
        assert verdicts(notebook) == ["waits", "fresh"]

    def test_a_file_that_a_later_task_wrote_last(self, tmp_path: Path) -> None:
        """Both writers are fresh in a new kernel as they were in the first."""
        one, other = (f"with open({str(tmp_path / 'f')!r}, 'w') as f: _ = f.write('{n}')" for n in "12")
        first, _ = opened(one, other)
        before = verdicts(first)
        notebook, _ = in_a_new_kernel(first, one, other)
        notebook.flow()
        assert verdicts(notebook) == before
        assert (tmp_path / "f").read_text() == "2"


class TestOrder:
    """What is needed first runs first."""

    def test_upstream_before_the_named_task(self) -> None:
        """And nothing else."""
        notebook, cells = opened("a = 1", "b = a", "c = b", "z = a")
        change(notebook, cells[0], "a = 2")
        assert notebook.flow(cells[2]).executed == cells[1:3]
        assert verdicts(notebook) == ["fresh", "fresh", "fresh", "stale"]

    def test_a_diamond_runs_each_side_once(self) -> None:
        """In flow order."""
        notebook, cells = opened("a = 1", "b = a + 1", "c = a + 2", "d = b + c")
        change(notebook, cells[0], "a = 2")
        assert notebook.flow(cells[3]).executed == cells[1:]
        assert notebook.names["d"] == 7

    def test_its_own_cell_brings_its_upstream(self) -> None:
        """As `%flow run` of its name would."""
        notebook, cells = opened("a = 1", "b = a", "c = b")
        change(notebook, cells[0], "a = 2")
        assert notebook.run(cells[2]).executed == cells[1:]

    def test_its_own_cell_brings_what_does_not_hang_on_the_user(self) -> None:
        """It runs on the rest as it is, and waits."""
        notebook, cells = opened("a = 1", "c = a\nexec('')", "b = a", "d = b + c", plain=(1,))
        change(notebook, cells[0], "a = 2")
        assert notebook.run(cells[3]).executed == cells[2:]
        assert notebook.names["d"] == 3
        assert verdicts(notebook) == ["fresh", "waits", "fresh", "waits"]

    def test_tasks_that_never_ran_are_not_started_by_a_flow_run(self) -> None:
        """A cell that was only typed is not yet a task of the flow."""
        notebook, _ = opened("a = 1")
        typed = notebook.add("b = a")
        assert notebook.flow().executed == []
        assert notebook.run(typed).executed == [typed]

    def test_a_writer_found_at_run_time_makes_its_readers_run(self) -> None:
        """Readers are bound anew after each execution, within the same flow run."""
        notebook, cells = opened(
            "k = 0", "exec('a = [1]' if k else '')", "try: n = a\nexcept NameError: n = None"
        )
        change(notebook, cells[0], "k = 1")
        assert notebook.flow().executed == cells[1:]
        assert notebook.names["n"] == [1]
        assert verdicts(notebook) == ["fresh", "as of", "as of"]  # nobody sees which names `exec` reads

    def test_each_task_at_most_once(self) -> None:
        """One that fails is not tried again for each of its readers."""
        notebook, cells = opened("a = 1", "b = 1 / a", "c = b", "d = b", "e = [c, d]")
        change(notebook, cells[0], "a = 0")
        assert notebook.flow().executed == [cells[1]]
        assert notebook.flow().executed == [cells[1]]

    def test_a_named_target_twice(self) -> None:
        """Runs once."""
        notebook, cells = opened("a = 1", "b = a")
        change(notebook, cells[0], "a = 2")
        assert notebook.flow(cells[1], cells[1]).executed == [cells[1]]


class TestMemory:
    """Objects that lost their names are kept while a step gives them, and no longer."""

    @pytest.mark.parametrize("value", ["np.full(3, {n})", "[{n}]", "'{n}' * 20_000"])
    def test_a_plain_cell_run_again_leaves_nothing_behind(self, value: str) -> None:
        """What it gave before goes when it has run, though no task runs meanwhile."""
        notebook, cells = opened("import numpy as np", f"a = {value.format(n=1)}", plain=(0, 1))
        for number in range(2, 6):
            change(notebook, cells[1], f"a = {value.format(n=number)}")
        assert notebook.workspace.units() == {
            output.unit for step in notebook.book if step.trace is not None for output in step.trace.outputs
        }

    def test_what_another_cell_still_gives_stays(self) -> None:
        """A task between two plain cells reads what the first one gave, which does not run again."""
        notebook, cells = opened("a = [1]", "n = len(a)", "a = [1, 2]", plain=(0, 2))
        change(notebook, cells[2], "a = [1, 2, 3]")
        assert change(notebook, cells[1], "n = a[0]").executed == [cells[1]]
        assert (notebook.names["n"], notebook.names["a"]) == (1, [1, 2, 3])


class TestLicences:
    """Who may start what."""

    def test_a_task_that_only_its_name_starts(self) -> None:
        """A flow run leaves it, and its readers."""
        notebook, cells = opened("a = 1", "b = a", "c = b")
        notebook.step(cells[1]).licence = Licence.NAME
        change(notebook, cells[0], "a = 2")
        assert notebook.flow().executed == []
        assert notebook.flow(cells[2]).executed == []
        assert notebook.flow(cells[1]).executed == [cells[1]]
        assert notebook.flow().executed == [cells[2]]

    def test_a_manual_task_runs_in_its_own_cell(self) -> None:
        """And is reused like any other."""
        notebook, cells = opened("a = 1", "b = a")
        notebook.step(cells[1]).licence = Licence.USER
        change(notebook, cells[0], "a = 2")
        assert notebook.flow().executed == []
        assert notebook.run(cells[1]).executed == [cells[1]]

    def test_a_remembered_step_is_not_executed(self) -> None:
        """Before its cell has run here; not by name either."""
        notebook, cells = opened("a = 1", "b = a")
        notebook.step(cells[1]).standing = Standing.REMEMBERED
        change(notebook, cells[0], "a = 2")
        assert notebook.flow().executed == []
        assert notebook.flow(cells[1]).executed == []
        assert notebook.verdict(cells[1]) is Verdict.WAITS
        assert notebook.run(cells[1]).executed == [cells[1]]

    def test_a_remembered_step_that_has_failed_since(self) -> None:
        """That it failed says nothing of inputs for which there is a result."""
        notebook, cells = opened("a = 1", "b = 1 / a", plain=(0,), notebook=Notebook(store=kept()))
        change(notebook, cells[0], "a = 0")
        notebook.run(cells[1])
        notebook.edit(cells[0], "a = 1")
        notebook.step(cells[0]).ran = notebook.step(cells[0]).body
        notebook.restart()
        assert notebook.step(cells[1]).trace is not None
        assert notebook.step(cells[1]).failure == ""

    def test_a_removed_step_is_not_executed(self) -> None:
        """Its cell is gone."""
        notebook, cells = opened("a = 1", "b = a")
        change(notebook, cells[0], "a = 2")
        notebook.delete(cells[1])
        assert notebook.flow().executed == []

    def test_a_held_producer_of_a_spent_value(self) -> None:
        """Is not run again: the hold would end."""
        notebook = Notebook(store=partial(MemoryStore, budget=50))
        _, cells = opened("a = list(range(500))", "a.append(1)", "n = len(a)", notebook=notebook)
        trace = notebook.step(cells[0]).trace
        assert trace is not None
        notebook.pin(cells[0], Hold(trace, "pin"))
        assert change(notebook, cells[1], "a.append(2)").executed == []
        assert notebook.verdict(cells[1]) is not Verdict.FRESH


class TestReuse:
    """Earlier results are found by what they looked at."""

    def test_each_of_several_input_lists(self) -> None:
        """A body that looked at one name, and with another input at another."""
        notebook, cells = opened("k = True\na = 1\nb = 2", "x = a if k else b")
        for first in ("k = False\na = 1\nb = 2", "k = True\na = 1\nb = 3", "k = False\na = 1\nb = 3"):
            change(notebook, cells[0], first)
            notebook.flow()
        change(notebook, cells[0], "k = False\na = 1\nb = 2")
        action = notebook.flow()
        assert (action.executed, action.reused) == ([], [cells[1]])
        assert notebook.names["x"] == 2

    def test_a_hit_whose_file_was_overwritten_is_none(self, tmp_path, monkeypatch) -> None:
        """The file is an output like any other."""
        monkeypatch.chdir(tmp_path)
        source = "__import__('pathlib').Path('o.txt').write_text(str(k))"
        notebook, cells = opened("k = 1", source)
        change(notebook, cells[0], "k = 2")
        assert notebook.flow().executed == [cells[1]]
        change(notebook, cells[0], "k = 1")
        assert notebook.flow().executed == [cells[1]]
        assert (tmp_path / "o.txt").read_text() == "1"

    def test_a_task_found_by_another_one_of_the_same_code(self) -> None:
        """Identity is no part of the key."""
        notebook, _ = opened("a = 1", "b = a + 1")
        twin = notebook.add("b = a + 1")
        action = notebook.run(twin)
        assert (action.executed, action.reused) == ([], [twin])

    def test_a_failure_is_never_reused(self) -> None:
        """It is tried again whenever somebody asks."""
        notebook, cells = opened("1 / 0")
        assert notebook.run(cells[0]).executed == cells
        assert notebook.run(cells[0]).executed == cells


class TestStanding:
    """What the names hold afterwards."""

    def test_after_its_own_cell_its_outputs_stand(self) -> None:
        """Also on a hit, and although a later cell wrote the name."""
        notebook, (first, *_) = opened("a = 1", "a = 2", "b = a")
        assert notebook.run(first).executed == []
        assert values(notebook, "a", "b") == [1, 2]

    def test_after_a_flow_run_the_last_writers_stand(self) -> None:
        """Without an execution."""
        notebook, (first, *_) = opened("a = 1", "a = 2", "b = a")
        notebook.run(first)
        assert notebook.flow().executed == []
        assert values(notebook, "a", "b") == [2, 2]

    def test_a_unit_is_restored_as_one_after_a_flow_run(self) -> None:
        """A name that went back to its version is no other copy than its partner."""
        notebook, cells = opened("d = [4]", "c = [3, d]", "n = 0")
        notebook.flow()
        notebook.run(cells[0])
        notebook.flow()
        assert notebook.names["c"][1] is notebook.names["d"]  # type: ignore[index]
        change(notebook, cells[2], "d.append(5)\nn = len(c[1])")
        assert notebook.names["n"] == 2

    def test_a_name_whose_version_is_not_fresh_keeps_its_value(self) -> None:
        """Until somebody brings it up to date."""
        notebook, cells = opened("a = 1", "b = 1 / a")
        change(notebook, cells[0], "a = 0")
        notebook.flow()
        assert notebook.names["b"] == 1.0
        assert not notebook.is_current("b")

    def test_what_a_plain_cell_made_that_the_flow_started(self) -> None:
        """Its names hold what it made, as a task's do."""
        notebook, cells = opened("a = 1", "b = a + 1", "c = b", plain=(1,))
        change(notebook, cells[0], "a = 5")
        assert notebook.flow().executed == cells[1:]
        assert notebook.names["b"] == 6
        assert notebook.is_current("b")

    def test_what_such_a_plain_cell_made_for_one_tasks_own_cell(self) -> None:
        """The next flow run brings its names; until then they are what they were."""
        notebook, cells = opened("a = 1", "b = a + 1", "c = b", plain=(1,))
        change(notebook, cells[0], "a = 5")
        assert notebook.run(cells[2]).executed == cells[1:]
        assert values(notebook, "b", "c") == [2, 6]
        notebook.flow()
        assert values(notebook, "b", "c") == [6, 6]

    def test_a_name_that_its_user_made_last_out_of_order(self) -> None:
        """A flow run leaves it alone, as Jupyter would."""
        notebook, cells = opened("a = 1", "a = 2", "b = 0", plain=(0, 1))
        notebook.run(cells[0])
        change(notebook, cells[2], "b = 1")
        notebook.flow()
        assert notebook.names["a"] == 1

    def test_a_waiting_task_changes_nothing(self) -> None:
        """Its own cell neither."""
        notebook, cells = opened("a = 1\nexec('')", "b = a", plain=(0,))
        notebook.edit(cells[0], "a = 2")
        before = dict(notebook.names)
        assert causes(notebook, cells[1]) == [("upstream", "a")]
        assert notebook.run(cells[1]).executed == []
        assert notebook.names == before


class TestParameters:
    """A step's parameters are inputs of its results, old ones included."""

    def test_a_cell_that_becomes_one_of_parameters(self) -> None:
        """What it gave as a plain cell says nothing of values from outside."""
        notebook, cells = opened("n = 1", "m = n", plain=(0,))
        step = notebook.step(cells[0])
        step.parameters = step.body.analysis.writes
        notebook.run(cells[0])
        notebook.set(n=5)
        assert notebook.flow().executed == cells
        assert values(notebook, "n", "m") == [5, 5]


class TestActions:
    """What an action tells."""

    @pytest.mark.parametrize("error", ["ValueError('x')", "KeyboardInterrupt()"])
    def test_errors_by_step(self, error: str) -> None:
        """The exception itself, for the cell to raise."""
        notebook, cells = opened(f"raise {error}")
        action = notebook.run(cells[0])
        assert action.executed == cells
        assert type(action.errors[cells[0]]).__name__ == error.partition("(")[0]

    def test_a_new_action_starts_empty(self) -> None:
        """What the last one did is history."""
        notebook, cells = opened("a = 1")
        assert notebook.run(cells[0]).executed == []
        assert notebook.flow().errors == {}
