"""What the panel of a live view is told of runs of explicit flows, in a real kernel."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

import pytest

from tests.kernels import Kernel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.process

DEFINE = """
import nbflow
from nbflow import Flow, flow, task
from nbflow.cache_policies import INPUTS

@task(persist_result=True, cache_policy=INPUTS, log_prints=True)
def rows(count):
    print("making", count)
    return [[number] for number in range(count)]

@task
def total(rows):
    return sum(map(sum, rows))

@task
def broken(rows, api_key):
    raise ValueError("no such row")

with Flow("sums") as graph:
    made = rows(100)
    done = total(made)
    broken(made, "xyz")

@flow
def sums():
    return total(rows(3))

def asked(flow, **of):
    live = nbflow.session().live
    live.show_flow(flow)
    subjects = [view._subject for view in live._others.values()]
    (subject,) = [each for each in subjects if each.mark == ("flow", flow.name)]
    return subject.knows_now(of), subject.answer(of)

def run_of(name):
    history = nbflow.session().around.store.history
    return next(run.id for run in history.runs() if run.name == name)
"""


TWICE = """
with Flow("twice") as twice:
    total(rows(rows(3)))

def states(flow):
    nbflow.session().live.show_flow(flow)
    views = nbflow.session().live._others.values()
    (subject,) = [view._subject for view in views if view._subject._flow is flow]
    return {task.name: task.state for task in subject.card().tasks}
"""
EACH = {"rows": "Completed", "rows-2": "Failed", "total": "TriggerFailed"}


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    """A kernel in which the flows are defined and the graph has run."""
    with Kernel(tmp_path, asks=True) as kernel:
        kernel.set(ext="%load_ext nbflow", define=DEFINE)
        kernel.run_all()
        kernel.execute("state = graph.run()")
        yield kernel


def asked(kernel: Kernel, flow: str, **of: Any) -> tuple[bool, dict[str, Any]]:
    """Whether a question was answered at once, and the answer."""
    found = ast.literal_eval(kernel.value(f"asked({flow}, **{of!r})"))
    return found[0], found[1]


def details(kernel: Kernel, flow: str, task: str, **of: Any) -> dict[str, Any]:
    """What the panel is told."""
    return asked(kernel, flow, ask="details", task=task, **of)[1]


class TestThisProcess:
    """What is known still."""

    def test_of_a_graph(self, kernel: Kernel) -> None:
        """Inputs and outputs in words, which can be looked into; lines of the log."""
        told = details(kernel, "graph", "rows")
        assert [(each["name"], each["preview"]) for each in told["inputs"]] == [("count", "100")]
        assert [(each["shape"], each["paged"]) for each in told["outputs"]] == [("list, 100 items", True)]
        assert told["log"][0].endswith("INFO making 100")
        assert told["lost"] == ""

    def test_a_page(self, kernel: Kernel) -> None:
        """Of what was made and of what was given, at once."""
        for task, side, name in (("rows", "outputs", "result"), ("total", "inputs", "rows")):
            question = {"ask": "value", "task": task, "side": side, "name": name, "start": 40}
            is_now, page = asked(kernel, "graph", **question)
            assert is_now
            assert (page["start"], page["count"], page["rows"][0]) == (40, 100, ["40", "[40]"])

    def test_what_failed(self, kernel: Kernel) -> None:
        """Has made nothing; what is secret is not shown."""
        told = details(kernel, "graph", "broken")
        assert {each["name"]: each["preview"] for each in told["inputs"]}["api_key"] == "•••"
        assert told["outputs"] == []
        question = "asked(graph, ask='value', task='broken', side='inputs', name='api_key')"
        assert "api_key is not shown" in kernel.execute(question).error

    def test_of_a_function(self, kernel: Kernel) -> None:
        """Also of the runs that it has called; how much a reuse saved."""
        kernel.execute("sums(); sums()")
        assert details(kernel, "sums", "sums")["outputs"][0]["preview"] == "3"
        told = details(kernel, "sums", "sums", run=ast.literal_eval(kernel.value("run_of('rows')")))
        assert told["runs"][0]["state"] == "Cached"
        assert told["runs"][0]["saved"] != ""
        assert told["inputs"][0]["preview"] == "3"


class TestWithinACell:
    """Runs that the cell of a task has started."""

    def test_one(self, kernel: Kernel) -> None:
        """Is known as one of a flow's own view is."""
        kernel.run("cell", "#@task cell\ntold = sums()")
        of = {"task": "cell", "run": ast.literal_eval(kernel.value("run_of('total')"))}
        ask = "nbflow.session().live._own._subject.answer({!r})"
        told = kernel.ask(ask.format({"ask": "details", **of}))
        assert [each["preview"] for each in (*told["inputs"], *told["outputs"])] == ["list of 3", "3"]
        question = {"ask": "value", "side": "outputs", "name": "result", **of}
        assert kernel.ask(ask.format(question))["text"] == "3"


class TestTaskCells:
    """Runs of task cells."""

    ASK = "nbflow.session().live._own._subject.answer({{'ask': 'details', 'task': 'late', **{}}})"

    def test_what_a_failed_one_has_said(self, kernel: Kernel) -> None:
        """What it has printed and where it failed, in its cell; also after the next run and a restart."""
        kernel.run("many", "#@task many\nmany = [[number] for number in range(200)]")
        kernel.run("late", "#@task late\nprint('dividing')\nlate = len(many) / 0")
        told = kernel.ask(self.ASK.format({}))
        assert told["log"] == ["dividing"]
        assert 'File "Cell In[' in told["traceback"]
        assert told["traceback"].endswith("late = len(many) / 0\nZeroDivisionError: division by zero")
        number = told["runs"][0]["number"]
        shown = kernel.run("late", "#@task late\nlate = 1")
        badges = "".join(each["text/html"] for each in (*shown.bundles, *shown.updates.values()))
        assert f"#{number} failed" in badges
        assert kernel.ask(self.ASK.format({}))["traceback"] == ""
        kernel.restart()
        kernel.run_all()
        question = {"ask": "value", "number": number, "side": "inputs", "name": "many", "start": 120}
        assert kernel.ask(self.ASK.format(question))["rows"][0] == ["120", "[120]"]
        told = kernel.ask(self.ASK.format({"number": number}))
        assert [each["name"] for each in told["inputs"]] == ["many"]
        assert (told["log"], told["traceback"].splitlines()[-1]) == (
            ["dividing"],
            "ZeroDivisionError: division by zero",
        )

    @pytest.mark.parametrize("where", ["", " --runner thread", " --runner process"])
    def test_the_element_of_a_failed_item(self, kernel: Kernel, where: str) -> None:
        """It is told, also after a restart; what is secret is hidden."""
        kernel.run("many", "#@task many\nmany, keys = [3, 0, 'x'], ['one', 'two', 'three']")
        cell = f"#@task late --map x=many,token=keys{where}\nlate = 1 / x"
        assert "ZeroDivisionError" in kernel.run("late", cell).error
        run = kernel.ask("run_of('late[1]')")
        for _ in range(2):
            told = kernel.ask(self.ASK.format({"run": run}))
            inputs = {each["name"]: each["preview"] for each in told["inputs"]}
            assert inputs == {"x": "0", "token": "•••"}
            kernel.restart()
            kernel.run_all()


class TestOneName:
    """Tasks of one name in a graph."""

    def test_each_is_as_it_was(self, kernel: Kernel) -> None:
        """Also after a restart, with a history and values of its own."""
        kernel.run("twice", TWICE)
        kernel.execute("twice.run(); nbflow.session().around.store.history.flush()")
        for _ in range(2):
            assert kernel.ask("states(twice)") == EACH
            assert [run["state"] for run in details(kernel, "twice", "rows-2")["runs"]] == ["Failed"]
            assert "in range" in details(kernel, "twice", "rows")["source"]
            kernel.restart()
            kernel.run_all()


class TestLater:
    """What nobody holds any more."""

    def test_a_result_of_the_store(self, kernel: Kernel) -> None:
        """Is read between two cells."""
        kernel.execute("import gc; ended = graph.run().name")
        kernel.execute("gc.collect()")
        question = {"ask": "value", "task": "rows", "side": "outputs", "name": "result", "start": 99}
        is_now, page = asked(kernel, "graph", **question)
        assert not is_now
        assert page["rows"] == [["99", "[99]"]]

    def test_after_a_restart(self, kernel: Kernel) -> None:
        """Results that were kept, inputs of what failed, and what was said; all else is not at hand."""
        kernel.execute("store = nbflow.session().around.store; store.flush(); store.history.flush()")
        kernel.restart()
        kernel.run_all()
        assert [each["preview"] for each in details(kernel, "graph", "rows")["outputs"]] == ["in the store"]
        assert [each["name"] for each in details(kernel, "graph", "broken")["inputs"]] == ["rows"]
        page = asked(kernel, "graph", ask="value", task="broken", side="inputs", name="rows")[1]
        assert page["count"] == 100
        assert "persist_result" in details(kernel, "graph", "total")["lost"]
        assert details(kernel, "graph", "rows")["log"][0].endswith("INFO making 100")
        assert 'raise ValueError("no such row")' in details(kernel, "graph", "broken")["traceback"]
