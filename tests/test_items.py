"""Mapped steps in a simulated notebook: each element has a run of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nbflow.engine.drive import answered
from nbflow.engine.effects import Ended, Outcome
from nbflow.engine.keeping import Compared, Keeping
from nbflow.engine.map_result import MapResult
from nbflow.exceptions import DefinitionError, SessionError
from nbflow.retries import Retries
from nbflow.states import Role
from nbflow.store.digests import digest
from nbflow.store.memory import MemoryStore
from nbflow.store.protocol import ELEMENT
from nbflow.testing import FakeClock, Notebook, executed
from nbflow.types import Verdict

if TYPE_CHECKING:
    from pathlib import Path

    from nbflow.engine.action import Action
    from nbflow.engine.requests import Execution


def _noted(xs: str, source: str, **more: str) -> tuple[Notebook, str, str]:
    """A notebook with a list `xs` and a task that is mapped over it, both run; its store outlives it."""
    store = MemoryStore({})
    notebook = Notebook(store=lambda names: store)
    given = notebook.add(xs, plain=True)
    task = notebook.add(source, name="task", **({"x": "xs"} | more))
    notebook.run_all()
    return notebook, given, task


def _change(notebook: Notebook, cell: str, source: str) -> Action:
    """Edit and run a plain cell, then the flow; the log has what ran for it."""
    notebook.edit(cell, source)
    notebook.run(cell)
    notebook.log.clear()
    return notebook.flow()


def _error(notebook: Notebook, task: str) -> BaseException | None:
    return notebook.run(task).errors.get(task)


class TestOutputs:
    """What a mapped body binds."""

    def test_each_output_has_an_item_for_each_element(self) -> None:
        """In the order of the elements; the element itself is no output."""
        notebook, _, task = _noted("xs = [3, 1]", "y = x * 10\nz = [x]")
        assert notebook.names["y"] == MapResult([30, 10], [3, 1])
        assert list(notebook.names["z"]) == [[3], [1]]  # type: ignore[call-overload]
        assert "x" not in notebook.names
        assert notebook.verdict(task) is Verdict.FRESH

    def test_an_item_knows_its_position(self) -> None:
        """One that asks for it runs again where it has moved, and no other one does; all are fresh then."""
        ask = "from nbflow import context\ny = f'{context.map_index}{x}'"
        notebook, given, task = _noted("xs = ['a', 'b', 'c']", ask)
        assert list(notebook.names["y"]) == ["0a", "1b", "2c"]  # type: ignore[call-overload]
        assert notebook.verdict(task) is Verdict.FRESH
        _change(notebook, given, "xs = ['b', 'a', 'c']")
        assert list(notebook.names["y"]) == ["0b", "1a", "2c"]  # type: ignore[call-overload]
        states = [notebook.work.runs.history.runs(step=f"{task}[{place}]")[0] for place in range(3)]
        ends = [notebook.work.runs.history.transitions(each.id)[-1].name for each in states]
        assert ends == ["Completed", "Completed", "Cached"]
        assert notebook.verdict(task) is Verdict.FRESH

    def test_what_an_item_that_fails_was_given_is_kept_in_words(self) -> None:
        """Of one whose element cannot be copied there is nothing to say; that of another one is not said."""
        notebook, _, task = _noted("import threading\nxs = [0, threading.Lock(), 3]", "y = 1 // x")
        history = notebook.work.runs.history
        runs = [history.runs(step=f"{task}[{place}]")[0] for place in range(3)]
        assert [history.text(run.id, ELEMENT) for run in runs] == ["x = 0", "", ""]

    def test_a_name_of_the_notebook_is_given_back(self) -> None:
        """`x` holds afterwards what it held before, whose readers stay fresh."""
        notebook = Notebook()
        notebook.add("xs = [1]\nx = 'mine'", plain=True)
        notebook.add("y = x * 10", x="xs")
        reader = notebook.add("w = x")
        notebook.run_all()
        assert (notebook.names["x"], notebook.names["w"]) == ("mine", "mine")
        assert notebook.verdict(reader) is Verdict.FRESH

    def test_two_lists_are_zipped(self) -> None:
        """The element is the pair."""
        notebook, _, _ = _noted("xs = [1, 2]\nks = 'ab cd'.split()", "y = k * x", k="ks")
        assert list(notebook.names["y"]) == ["ab", "cdcd"]  # type: ignore[call-overload]
        assert notebook.names["y"].of((2, "cd")) == "cdcd"  # type: ignore[attr-defined]

    def test_nothing_to_do_gives_empty_results(self) -> None:
        """The names are there all the same."""
        notebook, _, task = _noted("xs = []", "y = x")
        assert notebook.names["y"] == MapResult([], [])
        assert notebook.verdict(task) is Verdict.FRESH

    def test_imports_and_functions_stay_what_they_are(self) -> None:
        """They are the same for all items, also where the last one is reused."""
        notebook, given, _ = _noted(
            "xs = [1, 4]", "import math\ndef root(n):\n    return math.sqrt(n)\ny = root(x)"
        )
        _change(notebook, given, "xs = [9, 4]")
        assert list(notebook.names["y"]) == [3.0, 2.0]  # type: ignore[call-overload]
        assert notebook.names["root"](16) == 4.0  # type: ignore[operator]

    def test_a_name_that_an_item_does_not_bind_is_told_when_read(self) -> None:
        """The items that bound it can be read."""
        notebook, _, _ = _noted("xs = [1, 2]", "if x > 1:\n    y = x")
        assert notebook.names["y"][1] == 2  # type: ignore[index]
        with pytest.raises(NameError, match="did not bind y"):
            notebook.names["y"][0]  # type: ignore[index]

    def test_results_share_nothing_with_inputs(self) -> None:
        """What is bound to an input or to an element is a copy of it."""
        notebook, given, task = _noted("xs = [[1], [2]]\nbase = [0]", "y = base\nz = x")
        notebook.names["y"][0].append(5)  # type: ignore[index]
        assert (notebook.names["base"], list(notebook.names["z"])) == ([0], [[1], [2]])  # type: ignore[call-overload]
        assert notebook.step(task).trace is not None
        assert executed([notebook.flow()]) == []
        assert notebook.verdict(given) is Verdict.FRESH


class TestCaching:
    """Each item is kept for itself."""

    def test_a_changed_list_computes_its_new_items_only(self) -> None:
        """Whatever their order."""
        notebook, given, task = _noted("xs = [1, 2, 3]", "y = x * 10")
        action = _change(notebook, given, "xs = [3, 4, 1]")
        assert (action.executed, notebook.log) == ([task], [task])
        assert list(notebook.names["y"]) == [30, 40, 10]  # type: ignore[call-overload]

    def test_an_earlier_list_is_a_hit_as_a_whole(self) -> None:
        """As for any task, also after a restart."""
        notebook, given, task = _noted("xs = [1, 2]", "y = x * 10")
        _change(notebook, given, "xs = [3]")
        assert _change(notebook, given, "xs = [1, 2]").reused == [task]
        notebook.restart()
        notebook.run(given)
        notebook.log.clear()
        notebook.run(task)
        assert (notebook.log, list(notebook.names["y"])) == ([], [10, 20])  # type: ignore[call-overload]

    def test_items_that_are_too_old(self) -> None:
        """They run again, and what is made of some is as old as the oldest."""
        notebook, given, task = _noted("xs = [1, 2]", "y = x * 10")
        notebook.let(task, keeping=Keeping(at_most=10.0))
        clock = notebook.clock
        assert isinstance(clock, FakeClock)
        clock.advance(8.0)
        _change(notebook, given, "xs = [1, 2, 3]")
        clock.advance(4.0)
        assert notebook.verdict(task) is Verdict.STALE
        notebook.run(task)
        history = notebook.work.runs.history
        runs = [history.runs(step=f"{task}[{place}]")[0] for place in range(3)]
        assert [history.transitions(run.id)[-1].name for run in runs] == ["Completed", "Completed", "Cached"]
        assert notebook.verdict(task) is Verdict.FRESH

    def test_values_that_are_not_to_be_stored(self) -> None:
        """They are not, and each run makes them again."""
        store = MemoryStore({})
        notebook = Notebook(store=lambda names: store)
        given = notebook.add("xs = [1000]", plain=True)
        task = notebook.add("y = 'no' * x", x="xs")
        notebook.let(task, keeping=Keeping(persists=False))
        notebook.run_all()
        assert not store.has(digest("no" * 1000))
        assert _change(notebook, given, "xs = [1000, 2]").executed == [task]
        assert [len(each) for each in notebook.names["y"]] == [2000, 4]  # type: ignore[attr-defined]

    def test_what_is_not_compared(self) -> None:
        """It makes no item anew, and nothing fresh of what some items have seen otherwise."""
        notebook = Notebook()
        given = notebook.add("xs = [1, 2]\nk = 0", plain=True)
        task = notebook.add("y = x + k", x="xs")
        notebook.let(task, keeping=Keeping(compared=Compared(without=frozenset({"k"}))))
        notebook.run_all()
        assert notebook.verdict(task) is Verdict.FRESH
        _change(notebook, given, "xs = [1, 2, 3]\nk = 10")
        notebook.run(task)
        assert list(notebook.names["y"]) == [1, 2, 13]  # type: ignore[call-overload]
        assert notebook.verdict(task) is Verdict.AS_OF

    def test_items_are_reused_in_a_new_kernel(self) -> None:
        """Only the new one runs."""
        notebook, given, task = _noted("xs = [[1], [2]]", "y = x + x")
        notebook.restart()
        notebook.edit(given, "xs = [[2], [5]]")
        notebook.run(given)
        notebook.log.clear()
        notebook.run(task)
        assert (notebook.log, list(notebook.names["y"])) == ([task], [[2, 2], [5, 5]])  # type: ignore[call-overload]

    @pytest.mark.parametrize("change", ["k = 3", "def f(x):\n    return x + 2"])
    def test_all_else_that_the_body_reads_counts_for_each_item(self, change: str) -> None:
        """A changed constant and a changed helper make all of them anew."""
        notebook = Notebook()
        notebook.add("xs = [1, 2]", plain=True)
        cells = {"k": notebook.add("k = 2", plain=True)}
        cells["d"] = notebook.add("def f(x):\n    return x", plain=True)
        task = notebook.add("y = f(x) * k", x="xs")
        notebook.run_all()
        _change(notebook, cells[change[0]], change)
        assert notebook.log == [task, task]
        assert notebook.verdict(task) is Verdict.FRESH

    def test_code_of_the_notebook_that_reads_the_element_by_name_sees_it(self) -> None:
        """An item is not reused for another element that only a helper reads."""
        notebook = Notebook()
        given = notebook.add("xs = [1, 2]", plain=True)
        notebook.add("def f():\n    return x * 10", plain=True)
        notebook.add("y = f()", x="xs")
        notebook.run_all()
        _change(notebook, given, "xs = [2, 3]")
        assert list(notebook.names["y"]) == [20, 30]  # type: ignore[call-overload]

    def test_what_functions_among_the_elements_read_counts(self) -> None:
        """A changed constant of theirs makes the items stale."""
        notebook = Notebook()
        constant = notebook.add("k = 2", plain=True)
        notebook.add("def f():\n    return k\nfs = [f]", plain=True)
        notebook.add("y = f()", f="fs")
        notebook.run_all()
        _change(notebook, constant, "k = 3")
        assert list(notebook.names["y"]) == [3]  # type: ignore[call-overload]

    def test_instances_of_the_notebooks_classes_are_mapped(self) -> None:
        """An edited method counts."""
        notebook = Notebook()
        cls = notebook.add("class A:\n    def go(self):\n        return 1", plain=True)
        made = notebook.add("xs = [A(), A()]", plain=True)
        notebook.add("y = x.go()", x="xs")
        notebook.run_all()
        notebook.edit(cls, "class A:\n    def go(self):\n        return 2")
        notebook.run(cls)
        notebook.run(made)
        notebook.flow()
        assert list(notebook.names["y"]) == [2, 2]  # type: ignore[call-overload]

    def test_the_whole_list_may_be_read_too(self) -> None:
        """Then each item depends on all of it."""
        notebook, given, task = _noted("xs = [1, 3]", "y = x / sum(xs)")
        _change(notebook, given, "xs = [1, 4]")
        assert notebook.log == [task, task]
        assert list(notebook.names["y"]) == [0.2, 0.8]  # type: ignore[call-overload]

    def test_a_forced_run_runs_all_items(self) -> None:
        """Nothing kept is taken."""
        notebook, _, task = _noted("xs = [1, 3]", "y = x")
        ran: list[str] = []

        def perform(execution: Execution) -> Outcome:
            exec(execution.body.source, notebook.names)
            ran.append(execution.call.spec.name)
            return Outcome(execution.call.attempt, Ended.RETURNED)

        answered(notebook.work.run_flow([notebook.step(task)], force=True), perform)
        assert ran == ["task[0]", "task[1]"]


class TestFiles:
    """Files that items read and write."""

    def test_a_changed_file_runs_its_item_only(self, tmp_path: Path) -> None:
        """The others have not read it."""
        for name in (1, 2):
            (tmp_path / f"{name}.txt").write_text("1")
        body = "with open(f'{ROOT}/{x}.txt') as file:\n    y = file.read()\ndel file"
        notebook, _, task = _noted(f"xs = [1, 2]\nROOT = '{tmp_path}'", body)
        assert notebook.verdict(task) is Verdict.FRESH
        (tmp_path / "2.txt").write_text("22")
        notebook.log.clear()
        assert notebook.verdict(task) is Verdict.STALE
        notebook.flow()
        assert (notebook.log, list(notebook.names["y"])) == ([task], ["1", "22"])  # type: ignore[call-overload]

    def test_a_lost_file_is_written_again_by_its_item(self, tmp_path: Path) -> None:
        """It is an output of the step."""
        body = "with open(f'{ROOT}/{x}.txt', 'w') as file:\n    file.write('1')\ndel file"
        notebook, _, task = _noted(f"xs = [1, 2]\nROOT = '{tmp_path}'", body)
        assert notebook.verdict(task) is Verdict.FRESH
        (tmp_path / "1.txt").unlink()
        notebook.log.clear()
        notebook.flow()
        assert (notebook.log, (tmp_path / "1.txt").read_text()) == ([task], "1")

    def test_a_file_that_all_items_write_holds_what_the_last_one_wrote(self, tmp_path: Path) -> None:
        """An item whose file another one wrote over runs again, and so do those behind it."""
        body = "with open(f'{ROOT}/all.txt', 'w') as file:\n    file.write(str(x))\ndel file"
        notebook, given, task = _noted(f"xs = [1, 2]\nROOT = '{tmp_path}'", body)
        _change(notebook, given, f"xs = [2, 1]\nROOT = '{tmp_path}'")
        assert (tmp_path / "all.txt").read_text() == "1"
        assert notebook.verdict(task) is Verdict.FRESH


class TestFailing:
    """An item fails for itself."""

    def test_the_others_are_kept_and_the_step_has_failed(self) -> None:
        """Its next run tries only what failed."""
        notebook, _, task = _noted("xs = [1, 0, 2]", "y = 2 // x")
        assert isinstance(_error(notebook, task), ZeroDivisionError)
        ended = notebook.step(task).ended
        assert ended is not None
        assert ended.message == "1 of 3 items are Failed: [1]"
        notebook.log.clear()
        notebook.flow()
        assert notebook.log == [task]
        assert notebook.names["y"][2] == 1  # type: ignore[index]
        with pytest.raises(ZeroDivisionError):
            notebook.names["y"][1]  # type: ignore[index]

    def test_each_item_is_tried_again_for_itself(self) -> None:
        """Retries count for each of them."""
        notebook = Notebook()
        notebook.add("xs = [1, 0]", plain=True)
        task = notebook.let(notebook.add("y = 2 // x", x="xs"), retries=Retries(2))
        notebook.run_all()
        assert notebook.log.count(task) == 1 + 3

    def test_elements_without_a_copy_are_an_error(self) -> None:
        """Else an item could change them for the others."""
        notebook = Notebook()
        notebook.add("xs = [(i for i in [1])]", plain=True)
        task = notebook.add("y = next(x)", name="task", x="xs")
        error = notebook.run_all()[-1].errors.get(task)
        assert str(error) == "task cannot be mapped over x: it cannot be copied"

    def test_a_stop_ends_all_of_it(self) -> None:
        """No further item runs, and the name of the element is given back."""
        notebook = Notebook()
        notebook.add("xs = [1, 2, 3]\nx = 'mine'", plain=True)
        task = notebook.add("if x == 2:\n    raise KeyboardInterrupt\ny = x", x="xs")
        notebook.run_all()
        assert notebook.log.count(task) == 2
        assert notebook.names["x"] == "mine"
        ended = notebook.step(task).ended
        assert ended is not None
        assert ended.is_cancelled()

    def test_a_skipped_item_is_never_reused(self) -> None:
        """The step is not called fresh: nobody knows whether the item would be skipped again."""
        notebook, given, task = _noted("xs = [1, 2]", "if x == 2:\n    raise SKIP('no')\ny = x")
        assert notebook.verdict(task) is Verdict.STALE
        notebook.run(notebook.add("from nbflow.engine.signals import SKIP", plain=True, at=0))
        notebook.flow()
        assert notebook.verdict(task) is Verdict.AS_OF
        _change(notebook, given, "xs = [2, 1]")
        assert notebook.log == [task]
        assert notebook.names["y"][1] == 1  # type: ignore[index]

    def test_runs_of_items_are_on_record_below_the_run_of_the_step(self) -> None:
        """With their position, and how they ended."""
        notebook, given, task = _noted("xs = [1, 2]", "y = x")
        _change(notebook, given, "xs = [2, 3]")
        history = notebook.work.runs.history
        run = history.runs("", task, 1)[0]
        items = [each for each in history.runs("") if each.parent == run.id]
        ended = {each.index: history.transitions(each.id)[-1].name for each in items}
        assert ended == {0: "Cached", 1: "Completed"}
        assert {each.role for each in items} == {Role.ITEM.value}
        assert history.transitions(run.id)[-1].name == "Mapped"

    @pytest.mark.parametrize(
        ("xs", "told"),
        [
            ("xs = {1: 2}", "dictionary xs"),
            ("xs = 5", "of type int"),
            ("xs = 'ab'", "of type str"),
            ("xs = iter([1])", "iterator"),
            ("xs = {1, 2}", "no order"),
        ],
    )
    def test_what_has_no_items_is_an_error(self, xs: str, told: str) -> None:
        """It names the task and what to do."""
        notebook, _, task = _noted(xs, "y = x")
        error = _error(notebook, task)
        assert isinstance(error, DefinitionError)
        assert told in str(error)

    def test_unequal_lengths_are_an_error(self) -> None:
        """Both lengths are told."""
        notebook, _, task = _noted("xs = [1]\nks = [1, 2]", "y = x + k", k="ks")
        assert str(_error(notebook, task)) == "task is mapped over unequal lengths: xs has 1, ks has 2"


class TestSharedInputs:
    """Items start from the same inputs, and must not change them."""

    @pytest.mark.parametrize("change", ["seen.append(x)", "also = seen\nalso.append(x)"])
    def test_a_change_in_place_of_what_all_share_fails(self, change: str) -> None:
        """The input is what it was, and no item is kept."""
        notebook, _, task = _noted("xs = [1, 2]\nseen = []", change)
        error = _error(notebook, task)
        assert isinstance(error, SessionError)
        assert "changes seen" in str(error)
        notebook.log.clear()
        notebook.run(task)
        assert notebook.log == [task, task]

    def test_an_element_may_be_changed(self) -> None:
        """Each item has a copy of its own; the list stays as it is."""
        notebook, _, task = _noted("xs = [[1], [2]]", "x.append(9)\ny = len(x)")
        assert (notebook.names["xs"], list(notebook.names["y"])) == ([[1], [2]], [2, 2])  # type: ignore[call-overload]
        assert notebook.verdict(task) is Verdict.FRESH

    def test_rebinding_an_input_starts_each_item_from_it(self) -> None:
        """Running it again gives the same."""
        notebook, _, task = _noted("xs = [1, 2]\ntotal = 10", "total = total + x")
        assert list(notebook.names["total"]) == [11, 12]  # type: ignore[call-overload]
        notebook.run(task)
        assert list(notebook.names["total"]) == [11, 12]  # type: ignore[call-overload]

    def test_drawing_from_a_seeded_state_fails(self) -> None:
        """All items would draw the same numbers."""
        notebook, _, task = _noted("import random\nrandom.seed(1)\nxs = [1, 2]", "y = random.random()")
        assert "random state" in str(_error(notebook, task))
