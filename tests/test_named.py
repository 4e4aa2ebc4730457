"""What a header calls by a name of the notebook: looked up when it is needed, in whatever it is then."""

from __future__ import annotations

from typing import Any

import pytest

from nbflow.exceptions import OptionError
from nbflow.header import Named
from nbflow.notebook.named import ByName, HookedTask, check, naming, rules_of, telling
from nbflow.options import read_options
from nbflow.running.logs import logs_prints
from nbflow.running.runs import Run
from nbflow.states import Completed
from nbflow.triggers import all_failed


class TestByName:
    """A function of the notebook."""

    def test_an_edit_of_it_counts_at_once(self) -> None:
        """It is looked up at each call."""
        names: dict[str, Any] = {"ask": lambda upstream: 1}
        ask = ByName(Named("ask"), names)
        assert ask({}) == 1
        names["ask"] = lambda upstream: 2
        assert ask({}) == 2

    def test_what_is_not_there_is_told_in_a_line(self) -> None:
        """When the header is read, with what could have been meant; not before."""
        with pytest.raises(OptionError, match="unknown trigger 'any_faild'; did you mean 'any_failed'"):
            check("t --trigger any_faild --on-failure tell", {})
        with pytest.raises(OptionError, match="no 'tell' here; run the cell that defines it first"):
            check("t --on-failure tell", {})
        with pytest.raises(OptionError, match="cannot be called"):
            check("t --on-failure tell", {"tell": 7})

    def test_triggers_of_nbflow_are_no_names(self) -> None:
        """They are what they say."""
        assert rules_of("t --trigger all_failed", {})["trigger"] is all_failed


class TestTelling:
    """What hooks are told."""

    def test_hooks_get_task_run_and_state(self) -> None:
        """The task has its name and its options, with functions in them."""
        told: list[Any] = []
        names = {"tell": lambda task, run, state: told.append((task.name, run.number, state.name))}
        make = telling("late", read_options("late --on-completion tell"), names)
        assert make is not None
        run = make("r1", 3)
        (hook,) = run.of.options.on_completion
        hook(run.of, run, Completed())
        assert told == [("late", 3, "Completed")]

    def test_without_hooks_nothing_is_made(self) -> None:
        """A run of most tasks costs nothing more."""
        assert telling("late", read_options("late"), {}) is None

    def test_log_and_name_need_a_run_as_well(self) -> None:
        """What goes to a log, and what a run is called, is said of that run."""
        make = telling("late", read_options("late --log-prints"), {})
        assert make is not None
        assert logs_prints(make("r1", 3))
        assert telling("late", read_options("late --run-name x"), {}) is not None


class TestShown:
    """A task cell among what hooks are given."""

    def test_it_is_shown_by_its_name(self) -> None:
        """Not by all its options."""
        assert repr(HookedTask("load", read_options("load --retries 2"))) == "<task cell 'load'>"


class TestNaming:
    """What runs are called."""

    def test_by_names_of_the_notebook(self) -> None:
        """As they are when the name is made; the run knows its name then."""
        names = {"year": 2013}
        make = naming(read_options("load --run-name 'load {year}'"), names)
        run = Run("r1", "load", None)
        assert make is not None
        names["year"] = 2014
        assert make(run) == run.name == "load 2014"

    def test_a_name_that_is_not_there(self) -> None:
        """It is said which, and what could have been meant."""
        make = naming(read_options("load --run-name {yaer}"), {"year": 2013, "In": []})
        assert make is not None
        with pytest.raises(OptionError, match="there is no 'yaer'; did you mean 'year'"):
            make(Run("r1", "load", None))

    def test_otherwise_a_run_is_called_as_its_task(self) -> None:
        """Nothing has to be made."""
        assert naming(read_options("load"), {}) is None
