"""Triggers and signals in the flow of a notebook: who may run below what ended how."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nbflow.engine.signals import SKIP
from nbflow.testing import Notebook
from nbflow.triggers import BUILT_IN, Edge, all_failed, always_run, any_failed, any_successful, manual_only
from nbflow.types import Cause
from tests.cells import causes, change, opened, root_cause, verdicts

if TYPE_CHECKING:
    from nbflow.states import State

SIGNALS = "from nbflow.engine.signals import *\nfrom nbflow import context"
OK, BAD, NOTHING = "MODE = 'ok'", "MODE = 'bad'", "MODE = 'skip'"
UPPER = "if MODE == 'bad': raise OSError('no file')\nif MODE == 'skip': raise SKIP('no new rows')\na = 1"
LOWER = "b = 'ran'\ntry:\n    b = a\nexcept NameError:\n    pass"


def two(mode: str, trigger: object = None, **rules: object) -> tuple[Notebook, list[str]]:
    """A task that ends as `mode` says, and one below it that reads it where it can."""
    notebook = Notebook()
    cells = [notebook.add(SIGNALS, plain=True), notebook.add(mode, plain=True)]
    cells += [notebook.add(UPPER, name="upper"), notebook.add(LOWER, name="lower")]
    if trigger is not None:
        rules["trigger"] = trigger
    notebook.let(cells[3], **rules)
    notebook.run(cells[0]), notebook.run(cells[1])
    for cell in cells[2:]:
        notebook.work.adopt_source(notebook.step(cell))
    return notebook, cells


def ended(notebook: Notebook, cell: str) -> str:
    """The name of the state in which the last run of a cell's step ended."""
    runs = notebook.work.runs.history.runs(step=cell)
    return notebook.work.runs.history.transitions(runs[0].id)[-1].name if runs else ""


class TestTriggers:
    """A trigger decides whether a task may run, given how the tasks above it ended."""

    @pytest.mark.parametrize(
        ("trigger", "mode", "state"),
        [
            ("all_successful", OK, "Completed"),
            ("all_successful", BAD, "TriggerFailed"),
            ("all_failed", OK, "TriggerFailed"),
            ("all_failed", BAD, "Completed"),
            ("any_failed", OK, "TriggerFailed"),
            ("any_failed", BAD, "Completed"),
            ("any_successful", OK, "Completed"),
            ("any_successful", BAD, "TriggerFailed"),
            ("all_finished", OK, "Completed"),
            ("all_finished", BAD, "Completed"),
            ("always_run", BAD, "Completed"),
            ("not_all_skipped", OK, "Completed"),
            ("all_finished", NOTHING, "Skipped"),
            ("any_failed", NOTHING, "Skipped"),
            ("manual_only", OK, "Paused"),
        ],
    )
    def test_each_of_them(self, trigger: str, mode: str, state: str) -> None:
        """Below a task that completed, failed or was skipped."""
        notebook, cells = two(mode, BUILT_IN[trigger])
        notebook.flow()
        assert ended(notebook, cells[3]) == state
        assert ("b" in notebook.names) == (state == "Completed")

    def test_what_failed_gives_no_name(self) -> None:
        """The task that runs all the same finds it unbound, also where an older result exists."""
        notebook, cells = two(OK, always_run)
        notebook.flow()
        assert notebook.names["b"] == 1
        change(notebook, cells[1], BAD)
        notebook.flow()
        assert notebook.names["b"] == "ran"

    def test_a_trigger_of_ones_own(self) -> None:
        """It is given the tasks above with the names that are read of them, and their states."""
        seen: list[tuple[str, str | None, str]] = []

        def ask(upstream: dict[Edge, State]) -> bool:
            seen.extend((edge.upstream_task.name, edge.key, state.name) for edge, state in upstream.items())
            return False

        notebook, cells = two(BAD, ask)
        notebook.flow()
        assert seen == [("upper", "a", "Failed")]
        assert ended(notebook, cells[3]) == "TriggerFailed"

    def test_a_trigger_may_raise_a_signal(self) -> None:
        """The task is in that state then."""

        def ask(upstream: dict[Edge, State]) -> bool:
            raise SKIP("not today")

        notebook, cells = two(OK, ask)
        notebook.flow()
        assert ended(notebook, cells[3]) == "Skipped"

    def test_it_names_who_is_responsible(self) -> None:
        """In the causes of the task that may not run."""
        notebook, cells = two(OK, all_failed)
        notebook.flow()
        cause = notebook.judgement(cells[3]).causes[0]
        assert (cause.category, cause.after) == ("trigger", "trigger all_failed: 'upper' is Completed")

    def test_below_a_failure_the_failure_is_the_cause(self) -> None:
        """That the default trigger did not let it run says nothing more."""
        notebook, cells = two(BAD)
        notebook.flow()
        assert root_cause(notebook, cells[3]) == Cause("failed", "upper", after="OSError: no file")

    def test_a_result_hangs_on_how_the_tasks_above_ended(self) -> None:
        """Other than below the default trigger, where that is always the same."""
        notebook, cells = two(BAD, any_failed)
        notebook.flow()
        change(notebook, cells[1], OK)
        assert notebook.verdict(cells[3]).value == "stale"
        action = notebook.flow()
        assert (action.executed, list(action.refused)) == ([cells[2]], [cells[3]])
        change(notebook, cells[1], BAD)
        assert notebook.flow().executed == [cells[2]]
        assert notebook.verdict(cells[3]).value == "as of"
        assert notebook.names["b"] == "ran"

    def test_a_trigger_is_asked_after_the_lookup(self) -> None:
        """What ran once on the same inputs, below the same states, is reused."""
        notebook, cells = two(BAD, all_failed)
        notebook.flow()
        action = notebook.run(cells[3])
        assert (action.executed, action.reused) == ([cells[2]], [cells[3]])
        assert notebook.flow().executed == [cells[2]]

    def test_what_ran_for_a_failure_is_as_of_it_as_long_as_that_stands(self) -> None:
        """Whether it would fail again nobody knows; once that is asked of other inputs, it is stale."""
        notebook, cells = two(BAD, any_failed)
        notebook.flow()
        assert verdicts(notebook)[2:] == ["stale", "as of"]
        cause = Cause("upstream", "a", after="failed", origin="upper")
        assert notebook.judgement(cells[3]).causes == (cause,)
        notebook.flow()
        assert verdicts(notebook)[2:] == ["stale", "as of"]
        change(notebook, cells[1], "MODE = 'other'")
        assert verdicts(notebook)[2:] == ["stale", "stale"]
        change(notebook, cells[1], BAD)
        assert verdicts(notebook)[2:] == ["stale", "as of"]

    def test_the_chain_below_a_failure_goes_on_where_a_trigger_lets_it(self) -> None:
        """What is below a task that ran all the same runs, too; both are as of the failure."""
        notebook, cells = two(BAD, always_run)
        last = notebook.add("c = b + '!'", name="last")
        notebook.work.adopt_source(notebook.step(last))
        assert notebook.flow().executed == [cells[2], cells[3], last]
        assert notebook.names["c"] == "ran!"
        assert verdicts(notebook)[2:] == ["stale", "as of", "as of"]

    def test_what_was_refused_is_fresh_again_once_the_failure_is_gone(self) -> None:
        """It kept its result meanwhile, though nobody below it got that."""
        notebook, cells = two(OK)
        notebook.flow()
        upper = notebook.step(cells[2]).body.source
        change(notebook, cells[2], "raise OSError\na = 1")
        notebook.flow()
        assert ended(notebook, cells[3]) == "TriggerFailed"
        assert change(notebook, cells[2], upper).reused == [cells[2]]
        assert notebook.verdict(cells[3]).value == "fresh"

    def test_order_without_data(self) -> None:
        """A task after another waits for it and is asked about it, whatever it reads."""
        notebook, cells = opened(SIGNALS, OK, plain=(0, 1))
        upper, lower = notebook.add(UPPER, name="upper"), notebook.add("done = True")
        notebook.let(lower, after=("upper",), trigger=any_successful)
        for cell in (upper, lower):
            notebook.work.adopt_source(notebook.step(cell))
        assert notebook.flow("upper").executed == [upper]
        assert notebook.run(lower).executed == [lower]
        change(notebook, cells[1], BAD)
        assert notebook.verdict(lower).value == "stale"
        assert ended(notebook, lower) == "Completed"
        notebook.flow()
        assert ended(notebook, lower) == "TriggerFailed"


class TestSkips:
    """A body that raises SKIP, and what is below it."""

    def test_it_is_no_failure_and_gives_nothing(self) -> None:
        """The names that it was to bind are unbound; it is up to date as long as its inputs are the same."""
        notebook, cells = two(NOTHING)
        notebook.names["a"] = "left over"
        action = notebook.flow()
        assert action.errors == {}
        assert "a" not in notebook.names
        assert ended(notebook, cells[2]) == "Skipped"
        assert notebook.verdict(cells[2]).value == "fresh"
        assert notebook.flow().executed == []

    def test_what_is_below_is_skipped_too(self) -> None:
        """Also what is below that; `why` names the task."""
        notebook, cells = two(NOTHING)
        last = notebook.add("c = b", name="last")
        notebook.work.adopt_source(notebook.step(last))
        assert list(notebook.flow().refused) == [cells[3], last]
        assert ended(notebook, last) == "Skipped"
        cause = notebook.judgement(last).causes[0]
        assert cause.category == "skipped"
        assert "'lower' is Skipped" in cause.after

    def test_unless_it_says_otherwise(self) -> None:
        """Then it runs without the names."""
        notebook, _ = two(NOTHING, skip_on_upstream_skip=False)
        notebook.flow()
        assert notebook.names["b"] == "ran"

    def test_a_failure_beats_it(self) -> None:
        """Below a skipped and a failed task nothing is hidden."""
        notebook, cells = two(NOTHING)
        failed = notebook.add("z = 1 / 0", name="failed", at=3)
        notebook.edit(cells[3], "b = (a, z)")
        for cell in (failed, cells[3]):
            notebook.work.adopt_source(notebook.step(cell))
        notebook.flow()
        assert ended(notebook, cells[3]) == "TriggerFailed"

    def test_it_is_never_reused(self) -> None:
        """Its own cell asks anew, and so does a new kernel."""
        notebook, cells = two(NOTHING)
        notebook.flow()
        assert notebook.run(cells[2]).executed == [cells[2]]
        change(notebook, cells[1], OK)
        assert notebook.flow().executed == [cells[2], cells[3]]
        assert notebook.names["b"] == 1
        change(notebook, cells[1], NOTHING)
        assert notebook.flow().executed == [cells[2]]

    def test_an_older_result_of_a_skipped_task_reaches_nobody(self) -> None:
        """Neither that of the task nor that of one below it."""
        notebook, cells = two(OK)
        last = notebook.add("c = 'nothing'\ntry:\n    c = b\nexcept NameError:\n    pass", name="last")
        notebook.let(last, skip_on_upstream_skip=False, after=("lower",))
        notebook.work.adopt_source(notebook.step(last))
        notebook.flow()
        change(notebook, cells[1], NOTHING)
        notebook.flow()
        assert notebook.names["c"] == "nothing"


class TestSignals:
    """What else a body may ask for."""

    def test_success_ends_it_with_what_it_has_bound(self) -> None:
        """From however deep within other functions."""
        notebook, (*_, cell) = opened(
            SIGNALS, "def deep():\n    raise SUCCESS('enough')", "x = 1\ndeep()\ny = 2", plain=(0, 1)
        )
        assert (notebook.names["x"], "y" in notebook.names) == (1, False)
        assert notebook.verdict(cell).value == "fresh"
        assert ended(notebook, cell) == "Completed"

    def test_fail_is_a_failure_that_is_tried_again(self) -> None:
        """As an exception is."""
        notebook, cells = two(OK)
        notebook.let(cells[2], **notebook_retries(2))
        notebook.edit(
            cells[2], "if context.task_run_count < 3: raise FAIL('not yet')\na = context.task_run_count"
        )
        assert notebook.run(cells[2]).errors == {}
        assert notebook.names["a"] == 3

    def test_retry_asks_for_another_attempt(self) -> None:
        """Whatever its retries say."""
        notebook, (_, cell) = opened(
            SIGNALS, "if context.task_run_count < 3: raise RETRY('again')\na = 1", plain=(0,)
        )
        assert notebook.names["a"] == 1
        assert notebook.verdict(cell).value == "fresh"

    def test_loop_runs_it_again_with_what_it_left(self) -> None:
        """As often as it is raised; the result is that of the last iteration."""
        loop = "total = (context.get('task_loop_result') or 0) + 30\nif total < 100: raise LOOP(result=total)"
        notebook, (_, cell) = opened(SIGNALS, loop, plain=(0,))
        assert notebook.names["total"] == 120
        assert notebook.verdict(cell).value == "fresh"
        assert notebook.log == []

    def test_what_an_earlier_iteration_read_counts(self, tmp_path: object) -> None:
        """A file that only the first iteration has opened is an input of the task."""
        path = f"{tmp_path}/rows.txt"
        with open(path, "w") as file:
            file.write("3")
        read = f"raise LOOP(result=__import__('pathlib').Path({path!r}).read_text())"
        loop = f"found = context.get('task_loop_result')\nif found is None:\n    {read}"
        notebook, (_, cell) = opened(SIGNALS, loop, plain=(0,))
        assert notebook.names["found"] == "3"
        assert notebook.verdict(cell).value == "fresh"
        with open(path, "w") as file:
            file.write("4")
        assert notebook.verdict(cell).value == "stale"

    def test_endrun_is_exactly_that_state(self) -> None:
        """Without a retry."""
        notebook, (*_, cell) = opened(
            SIGNALS, "from nbflow.states import Cancelled", "raise ENDRUN(Cancelled('enough'))", plain=(0, 1)
        )
        assert ended(notebook, cell) == "Cancelled"
        assert notebook.verdict(cell).value == "stale"

    def test_a_function_that_raises_success_has_its_result(self) -> None:
        """That of the signal."""
        function = "@task\ndef seven():\n    raise SUCCESS(result=7)"
        notebook, _ = opened(SIGNALS, "from nbflow import task", function, "x = seven()", plain=(0, 1, 2))
        assert notebook.names["x"] == 7

    def test_causes_of_a_skip_come_first(self) -> None:
        """Before what differs in its inputs."""
        notebook, cells = two(OK)
        notebook.flow()
        change(notebook, cells[1], NOTHING)
        notebook.flow()
        assert causes(notebook, cells[3])[0] == ("skipped", "lower")


def notebook_retries(limit: int) -> dict[str, object]:
    """The rule that a failed body is tried again so many times."""
    from nbflow.retries import Retries

    return {"retries": Retries(limit)}


class TestManual:
    """A task that only a person lets run, and a body that asks for one."""

    def test_it_waits_until_it_is_resumed(self) -> None:
        """Whoever asks for it but by resuming; the run that waits is the one that goes on."""
        notebook, cells = two(OK, manual_only)
        notebook.flow()
        assert notebook.run(cells[3]).executed == []
        assert verdicts(notebook)[2:] == ["fresh", "waits"]
        assert causes(notebook, cells[3]) == [("manual", "lower"), ("never ran", "lower")]
        assert notebook.resume(cells[3]).executed == [cells[3]]
        assert notebook.names["b"] == 1
        assert verdicts(notebook)[2:] == ["fresh", "fresh"]
        runs = notebook.work.runs.history.runs(step=cells[3])
        states = [each.name for each in notebook.work.runs.history.transitions(runs[0].id)]
        assert states == ["Pending", "Paused", "Resuming", "Pending", "Running", "Completed"]

    def test_what_is_below_waits_with_it(self) -> None:
        """And runs once it has been resumed."""
        notebook, cells = two(OK, manual_only)
        last = notebook.add("c = b", name="last")
        assert notebook.run(last).executed == [cells[2]]
        assert notebook.verdict(last).value == "waits"
        notebook.resume(cells[3])
        assert notebook.flow().executed == [last]

    def test_a_result_that_fits_is_reused_without_a_person(self) -> None:
        """The lookup comes before the trigger."""
        notebook, cells = two(OK, manual_only)
        notebook.flow()
        notebook.resume(cells[3])
        change(notebook, cells[2], "a = 2")
        assert notebook.verdict(cells[3]).value == "waits"
        notebook.resume(cells[3])
        assert change(notebook, cells[2], UPPER).reused == [cells[2]]
        assert notebook.flow().reused == [cells[3]]
        assert notebook.names["b"] == 1

    def test_nothing_above_it_runs(self) -> None:
        """It takes what is bound there, and is stale if that is."""
        notebook, cells = two(OK, manual_only)
        notebook.flow()
        change(notebook, cells[1], "MODE = 'other'")
        assert notebook.resume(cells[3]).executed == [cells[3]]
        assert notebook.verdict(cells[3]).value != "fresh"

    def test_a_body_that_pauses(self) -> None:
        """It runs again from its beginning, and is told that it was resumed."""
        body = "if not context.get('resume'): raise PAUSE('look')\nx = 1"
        notebook, (_, cell) = opened(SIGNALS, body, plain=(0,))
        assert ended(notebook, cell) == "Paused"
        assert notebook.judgement(cell).causes[0] == Cause(
            "paused", cell, after=f"look; `%flow resume {cell}` runs it"
        )
        assert notebook.flow().executed == []
        assert notebook.resume(cell).executed == [cell]
        assert notebook.verdict(cell).value == "fresh"
