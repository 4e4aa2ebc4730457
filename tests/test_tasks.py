"""`@task` without a kernel: calls, options, pickles; and as steps of a simulated notebook."""

from __future__ import annotations

import copy
import functools
import inspect
import pickle
import sys
from datetime import timedelta

import pytest

from nbflow import Task, task
from nbflow.engine.book import read_body
from nbflow.exceptions import DefinitionError, OptionError, SessionError
from nbflow.store.digests import digest, fingerprint
from nbflow.store.formats import Formats
from nbflow.testing import Notebook
from nbflow.types import Verdict


@task
def double(x, times: int = 2):
    """Make it more."""
    return x * times


class TestCalls:
    """Without a session a task is its function."""

    def test_it_is_called_like_its_function(self) -> None:
        """With arguments by position and by name."""
        assert (double(3), double(x=3, times=4)) == (6, 12)

    def test_it_looks_like_its_function(self) -> None:
        """Name, docstring and signature are kept."""
        assert (double.__name__, double.__doc__, double.__module__) == ("double", "Make it more.", __name__)
        assert str(inspect.signature(double)) == "(x, times: 'int' = 2)"
        assert inspect.unwrap(double) is double.fn

    def test_a_missing_argument_is_missed_by_python(self) -> None:
        """The message is Python's own."""
        with pytest.raises(TypeError, match="missing 1 required positional argument: 'x'"):
            double()

    def test_its_value_has_a_key_that_no_variable_has(self) -> None:
        """And only parameters without default are wired."""
        assert (double.key, double.key.isidentifier(), double.parameters) == ("double()", False, ("x",))

    def test_a_method_is_bound(self) -> None:
        """A task in a class gets its instance."""

        class Scale:
            by = 3

            @task
            def times(self, x):
                return self.by * x

        assert Scale().times(2) == 6

    def test_a_decorated_function(self) -> None:
        """What a decorator puts around it may take its arguments by position alone."""

        def twice(function):
            @functools.wraps(function)
            def around(*args):
                return 2 * function(*args)

            return around

        @task
        @twice
        def add(x, y=1):
            return x + y

        assert (add(2), add(2, y=2), add(y=3, x=1)) == (6, 8, 8)

    def test_an_argument_of_any_name(self) -> None:
        """Also of the name that methods give their object."""

        @task
        def named(**given):
            return given

        assert named(self=1, of=2) == {"self": 1, "of": 2}

    def test_it_does_not_change(self) -> None:
        """Options are set by making another task."""
        with pytest.raises(AttributeError, match="with_options"):
            double.name = "other"

    @pytest.mark.parametrize("what", [3, "text", sys])
    def test_what_is_no_function(self, what: object) -> None:
        """Is refused with words."""
        with pytest.raises(DefinitionError, match="function"):
            task(what)  # type: ignore[call-overload]

    @pytest.mark.parametrize("name", ["return_state", "wait_for"])
    def test_what_says_how_to_call(self, name: str) -> None:
        """Cannot be an argument: it would never arrive."""
        names: dict = {}
        exec(f"def waits(x, *, {name}=None): ...\nclass Waits:\n    def run(self, {name}): ...", names)
        with pytest.raises(DefinitionError, match=f"task 'waits': {name} says how to call a task; rename it"):
            task(names["waits"])
        with pytest.raises(DefinitionError, match="rename it"):
            type("Waits", (Task,), {"run": names["Waits"].run})()

    def test_pickles_by_name(self) -> None:
        """As a function does; copies are itself."""
        assert pickle.loads(pickle.dumps(double)) is double
        assert copy.deepcopy(double) is double


class TestAttempts:
    """Retries and limits are honoured by ordinary runs."""

    def test_it_is_tried_again(self) -> None:
        """As often as its retries say; the last error is its own."""
        tried: list[int] = []

        @task(retries=2)
        def late(at):
            tried.append(at)
            if len(tried) < at:
                raise ValueError(len(tried))
            return "there"

        assert late(3) == "there"
        tried.clear()
        with pytest.raises(ValueError, match="3"):
            late(9)
        assert len(tried) == 3

    def test_a_limit_ends_it(self) -> None:
        """With a `TimeoutError`."""

        @task(timeout=0.05)
        def endless():
            while True:
                pass

        with pytest.raises(TimeoutError):
            endless()


class TestOptions:
    """One class of options, by our names and by Prefect's."""

    def test_names_of_both_generations(self) -> None:
        """Mean the same settings."""
        ours = task(len, retries=2, retry_delay="10s,1m", timeout="2h").options
        third = task(len, retries=2, retry_delay_seconds=[10, 60], timeout_seconds=7200).options
        first = task(len, max_retries=2, retry_delay=[timedelta(seconds=10), 60], timeout="2h").options
        assert ours == third == first
        assert ours.attempts.delays == (10.0, 60.0)

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({"retires": 2}, "retries"),
            ({"retries": -1}, "retries"),
            ({"retries": "2"}, "retries"),
            ({"timeout": "soon"}, "timeout"),
            ({"timeout": object()}, "timeout"),
            ({"tags": 3}, "tags"),
            ({"name": 3}, "name"),
            ({"retries": 1, "max_retries": 2}, "retries and max_retries are one option; give it once"),
            ({"max_retries": 1, "retries": 2}, "max_retries and retries are one option; give it once"),
        ],
    )
    def test_a_wrong_one(self, given: dict, message: str) -> None:
        """Is named, with the nearest right one."""
        with pytest.raises(OptionError, match=message):
            task(**given)

    def test_with_options_sets_and_clears(self) -> None:
        """None takes an option back; the function stays."""
        made = task(len, retries=3, tags=["a"]).with_options(retries=None, name="count")
        assert (made.options.retries, made.options.tags, made.name, made.fn) == (0, ("a",), "count", len)


class TestDigest:
    """A task counts by its function, and leads to its value."""

    def test_options_do_not_count(self) -> None:
        """They are no part of what it gives."""
        assert digest(double) == digest(double.with_options(retries=3))

    def test_code_counts(self) -> None:
        """Another function is another task."""
        assert digest(task(lambda_like(1))) != digest(task(lambda_like(2)))

    def test_it_leads_to_its_value_and_to_what_its_function_reads(self) -> None:
        """By the names in its reach."""
        names: dict = {"task": task, "k": 1, "__name__": "__main__"}
        exec("@task\ndef f(x): return x + k", names)
        found = fingerprint(names["f"], names).reach
        assert found.reads == {"f()", "k"}
        assert found.parts.keys() == {"()", "fn", "wired"}

    def test_a_notebook_stores_it(self) -> None:
        """It is rebuilt over the live namespace."""
        names: dict = {"task": task, "k": 1, "__name__": "__main__"}
        exec("@task(retries=2)\ndef f(x): return x + k", names)
        formats = Formats(names, lambda value, namespace: "")
        payload = formats.encode((names["f"],))
        (again,) = formats.decode(payload, payload.regions)
        names["k"] = 5
        assert (type(again), again(1), again.options.retries) == (Task, 6, 2)


def lambda_like(by):
    """A function with a name."""

    def f(x):
        return x + by

    return f


IMPORT = "from nbflow import task"


def opened(*cells: str) -> tuple[Notebook, list[str]]:
    """A notebook of cells, run: what starts with `#@task` is a task, all else plain."""
    notebook = Notebook()
    ids = [notebook.add(cell, plain=not cell.startswith("#@task")) for cell in (IMPORT, *cells)][1:]
    notebook.run_all()
    return notebook, ids


def stale(notebook: Notebook) -> set[str]:
    """The steps that are not fresh."""
    return {step.id for step in notebook.book if notebook.verdict(step.id) is not Verdict.FRESH}


class TestBodies:
    """What the text of a cell tells about tasks."""

    def test_a_decorator_of_ours_calls_nothing(self) -> None:
        """So that the cell reads none of what its functions read."""
        source = "K = 3\n@task\ndef f(x): return g(x) + h()"
        assert read_body(source, frozenset({"task"})).reads == ("task",)
        assert {"g", "h"} <= set(read_body(source).reads)

    def test_what_is_given_to_the_decorator_is_read(self) -> None:
        """It is evaluated when the cell runs."""
        body = read_body("@nb.task(retries=N)\ndef f(x=D): return g(x)", frozenset({"nb"}))
        assert set(body.reads) == {"nb", "N", "D"}

    def test_reads_are_calls_without_arguments(self) -> None:
        """Others are ordinary runs."""
        assert read_body("a = f() + g(1) + h").asks == {"f"}


class TestSteps:
    """Task functions as steps of the flow."""

    def test_defining_schedules_nothing(self) -> None:
        """Not by a flow run either; nothing else waits for it."""
        notebook, (_raw, _late, cell, _other) = opened(
            "raw = [3, 20]", "LATE = 5", "@task\ndef f(raw): return LATE", "#@task\nother = LATE + len(raw)"
        )
        assert notebook.flow().executed == []
        assert "f()" not in notebook.names
        assert stale(notebook) == {f"{cell}@f"}

    def test_a_call_reads_and_reuses(self) -> None:
        """The second one computes nothing."""
        notebook, (*_, cell, _one, _two) = opened(
            "raw = [3, 20]", "@task\ndef f(raw): return sum(raw)", "a = f()", "b = f()"
        )
        assert (notebook.names["a"], notebook.names["b"]) == (23, 23)
        assert notebook.log.count(f"{cell}@f") == 1
        assert stale(notebook) == set()

    def test_naming_it_runs_it(self) -> None:
        """From then on the flow keeps it up to date."""
        notebook, (raw, cell) = opened("raw = [3, 20]", "@task\ndef f(raw): return sum(raw)")
        assert notebook.flow("f").executed == [f"{cell}@f"]
        notebook.edit(raw, "raw = [1]")
        notebook.run(raw)
        assert notebook.flow().executed == [f"{cell}@f"]
        assert notebook.names["f()"] == 1

    def test_a_mention_is_no_read(self) -> None:
        """Neither in a plain cell nor in a task cell that calls it with arguments."""
        notebook, (cell, *_) = opened(
            "@task\ndef f(missing): return missing", "alias = [f]", "#@task\ny = f(3)", "print(f)"
        )
        assert notebook.names["y"] == 3
        assert f"{cell}@f" not in notebook.log

    def test_an_alias_reads_as_well(self) -> None:
        """It is the same task."""
        notebook, (cell, *_) = opened("@task\ndef f(): return 7", "g = f", "a = g()")
        assert notebook.names["a"] == 7
        assert notebook.log.count(f"{cell}@f") == 1

    def test_a_helper_reads(self) -> None:
        """What the helper calls is brought up to date before the cell runs."""
        notebook, (k, _cell, *_, a) = opened(
            "k = 1", "@task\ndef f(): return k", "def helper(): return f()", "a = helper()"
        )
        notebook.edit(k, "k = 2")
        notebook.run(k)
        notebook.run(a)
        assert notebook.names["a"] == 2

    @pytest.mark.parametrize("task_cell", [True, False])
    def test_a_read_that_nobody_saw_is_refused(self, task_cell: bool) -> None:
        """Even where the cell catches the error."""
        hidden = "try:\n    a = globals()['f']()\nexcept Exception:\n    a = 0"
        notebook, (_, reader) = opened(
            "@task\ndef f(): return 7", ("#@task\n" if task_cell else "") + "if 0: f\n" + hidden
        )
        if task_cell:
            assert isinstance(notebook.run(reader).errors[reader], SessionError)
        assert notebook.step(reader).trace is None or not task_cell

    def test_what_is_read_is_a_copy(self) -> None:
        """Whoever changes it changes his own."""
        notebook, (_cell, *_) = opened(
            "@task\ndef f(): return [1]", "#@task\na = f()\na.append(2)", "b = f()", "b.append(3)"
        )
        assert (notebook.names["a"], notebook.names["b"], notebook.names["f()"]) == ([1, 2], [1, 3], [1])
        assert stale(notebook) == set()

    def test_what_can_be_read_once_is_made_for_each_reader(self) -> None:
        """An iterator can be neither stored nor copied."""
        notebook, _ = opened(
            "@task\ndef f():\n    yield 1", "a = list(f())", "b = list(f())", "c = list(f())"
        )
        assert [notebook.names[name] for name in "abc"] == [[1], [1], [1]]

    def test_a_function_that_a_function_makes(self) -> None:
        """Counts with what it closes over."""
        notebook, (_, made, read) = opened(
            "def make(k):\n    @task\n    def f(): return k\n    return f", "f = make(3)", "a = f()"
        )
        notebook.edit(made, "f = make(4)")
        notebook.run(made)
        notebook.run(read)
        assert notebook.names["a"] == 4
        assert stale(notebook) == set()


class TestStaleness:
    """What changes makes exactly what reads it stale."""

    CELLS = (
        "LATE = 5",
        "def helper(x): return [v for v in x if v > LATE]",
        "raw = [3, 20]",
        "other = 1",
        "@task\ndef f(raw, n=1):\n    return len(helper(raw)) * n",
        "@task\ndef g(f, other):\n    return f + other",
        "#@task\nt = f()",
        "#@task\nu = g()",
    )

    @pytest.mark.parametrize(
        ("at", "source", "category", "subject"),
        [
            (0, "LATE = 1", "input", "LATE"),
            (1, "def helper(x): return [v for v in x if v >= LATE]", "code", "helper"),
            (2, "raw = [3, 20, 30]", "input", "raw"),
            (4, "@task\ndef f(raw, n=2):\n    return len(helper(raw)) * n", "code", "f"),
        ],
    )
    def test_of_the_function_of_a_helper_of_a_wire(
        self, at: int, source: str, category: str, subject: str
    ) -> None:
        """The function and its readers; the cause is named."""
        notebook, cells = opened(*self.CELLS)
        assert stale(notebook) == set()
        f, g = f"{cells[4]}@f", f"{cells[5]}@g"
        notebook.edit(cells[at], source)
        notebook.run(cells[at])
        assert stale(notebook) == {f, g, cells[6], cells[7]}
        cause = notebook.judgement(f).causes[0]
        assert (cause.category, cause.subject, cause.origin) == (category, subject, cells[at])
        notebook.flow()
        assert stale(notebook) == set()

    def test_what_only_one_reads(self) -> None:
        """The other stays fresh."""
        notebook, cells = opened(*self.CELLS)
        notebook.edit(cells[3], "other = 2")
        notebook.run(cells[3])
        assert stale(notebook) == {f"{cells[5]}@g", cells[7]}
        assert notebook.flow().executed == [f"{cells[5]}@g", cells[7]]

    def test_an_equal_value_cuts_off(self) -> None:
        """The function runs, its readers do not."""
        notebook, cells = opened(*self.CELLS)
        notebook.edit(cells[4], "@task\ndef f(raw, n=1):\n    return n * len(helper(raw))")
        notebook.run(cells[4])
        assert notebook.flow().executed == [f"{cells[4]}@f"]
        assert stale(notebook) == set()

    def test_going_back_is_a_hit(self) -> None:
        """An earlier result of the code that it has again."""
        notebook, cells = opened(*self.CELLS)
        before = self.CELLS[4]
        notebook.edit(cells[4], before.replace("* n", "* n + 1"))
        notebook.run(cells[4])
        notebook.flow()
        notebook.edit(cells[4], before)
        notebook.run(cells[4])
        assert notebook.flow().executed == []
        assert notebook.names["t"] == 1

    def test_comments_do_not_count(self) -> None:
        """Nor does formatting."""
        notebook, cells = opened(*self.CELLS)
        notebook.edit(cells[4], "@task\ndef f(raw, n=1):\n    # why\n    return len(helper(raw))  * n")
        notebook.run(cells[4])
        assert stale(notebook) == set()


class TestWiring:
    """Each parameter without default is wired to exactly one thing."""

    def wires(self, notebook: Notebook, name: str) -> dict[str, str]:
        """Parameter to key."""
        wiring = notebook.book.named(name).body.wiring
        assert wiring is not None
        return dict(wiring.wires)

    def test_a_task_function_comes_first(self) -> None:
        """Also before a variable that a cell task writes below, and wherever it was defined first."""
        notebook, _ = opened(
            "@task\ndef g(f, raw, n=1): return f + len(raw) * n", "@task\ndef f(): return 1", "raw = [1]"
        )
        assert self.wires(notebook, "g") == {"f": "f()", "raw": "raw"}

    def test_the_last_writer_before_the_cell(self) -> None:
        """A later one is not read."""
        notebook, _ = opened("k = 1", "k = 2", "@task\ndef f(k): return k", "k = 3", "a = f()")
        assert notebook.names["a"] == 2

    def test_a_parameter(self) -> None:
        """What it is set to counts."""
        notebook = Notebook()
        notebook.add(IMPORT, plain=True)
        notebook.add_parameters("k = 1")
        cell = notebook.add("@task\ndef f(k): return k", plain=True)
        notebook.run_all()
        notebook.flow("f")
        assert notebook.names["f()"] == 1
        assert notebook.verdict(f"{cell}@f") is Verdict.FRESH

    def test_defaults_are_not_wired(self) -> None:
        """A variable of that name is not read."""
        notebook, _ = opened("n = 5", "@task\ndef f(n=1): return n", "a = f()")
        assert (self.wires(notebook, "f"), notebook.names["a"]) == ({}, 1)

    def test_what_matches_nothing_is_missing(self) -> None:
        """Python says so; once it is there the function is stale, and runs."""
        notebook, (gap, cell) = opened("x = 0", "@task\ndef f(k): return k")
        errors = notebook.flow("f").errors
        assert "missing 1 required positional argument: 'k'" in str(errors[f"{cell}@f"])
        notebook.edit(gap, "k = 4")
        notebook.run(gap)
        assert notebook.flow().executed == [f"{cell}@f"]
        assert notebook.names["f()"] == 4

    def test_a_variable_that_is_only_defined_below(self) -> None:
        """Is waited for, and the cell is named."""
        notebook, (cell, below) = opened("@task\ndef f(k): return k", "k = 1")
        judgement = notebook.judgement(f"{cell}@f")
        assert judgement.verdict is Verdict.WAITS
        assert judgement.causes[0].after == f"defined below, in {below}"

    def test_a_builtin_is_no_variable(self) -> None:
        """A parameter of its name is missing."""
        notebook, (cell,) = opened("@task\ndef f(len): return len")
        assert isinstance(notebook.flow("f").errors[f"{cell}@f"], TypeError)


class TestLife:
    """Functions come, change and go with their cells."""

    def test_retries(self) -> None:
        """Each attempt starts from the inputs."""
        notebook, (_, _, cell) = opened(
            "tries = []",
            "def note(): tries.append(1); return len(tries)",
            "@task(retries=2)\ndef f():\n    global count\n    count = globals().get('count', 0) + 1\n"
            "    if count < 3: raise ValueError(count)\n    return count",
        )
        assert notebook.step(f"{cell}@f").retries.limit == 2

    def test_a_function_that_is_gone(self) -> None:
        """Is no step any more; one that is new is one."""
        notebook, (cell, _reader) = opened("@task\ndef f(): return 1", "a = f()")
        notebook.edit(cell, "@task\ndef g(): return 2")
        notebook.run(cell)
        assert [step.name for step in notebook.book if step.body.wiring] == ["g"]

    def test_it_stands_behind_its_cell(self) -> None:
        """In the order of definition with others of the cell."""
        notebook, (cell, below) = opened("@task\ndef f(): return 1\n@task\ndef g(): return 2", "a = 1")
        assert notebook.book.order[1:] == (cell, f"{cell}@f", f"{cell}@g", below)

    def test_two_cells_of_one_name(self) -> None:
        """Each reader has the last one above it."""
        notebook, (_one, _t, _two, _u) = opened(
            "@task\ndef f(): return 1", "#@task\nt = f()", "@task\ndef f(): return 2", "#@task\nu = f()"
        )
        assert (notebook.names["t"], notebook.names["u"]) == (1, 2)
        assert stale(notebook) == set()

    def test_a_decorator_of_that_name_that_is_none_of_ours(self) -> None:
        """Makes no step, and what it calls at once is read."""
        notebook, (k, _, cell) = opened("k = 1", "def task(fn): return fn()", "@task\ndef f(): return k")
        assert notebook.names["f"] == 1
        notebook.edit(k, "k = 2")
        notebook.run(k)
        assert notebook.verdict(cell) is not Verdict.FRESH
