"""The live view of explicit flows, in a real browser: a graph and a function that follow their runs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.lab import GATE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab import Lab, Notebook

pytestmark = [pytest.mark.browser, pytest.mark.process]

DEFINE = """
import threading, time
import nbflow
from nbflow import Flow, Parameter, flow, task, unmapped
from nbflow.task_runners import ThreadPoolTaskRunner
from nbflow.triggers import manual_only

@task(log_prints=True, persist_result=True)
def read(year):
    time.sleep(0.1)
    print("reading", year)
    threading.main_thread().hold()
    return [year, year + 1, year + 2]

@task(tags=["nightly"])
def scale(row, by):
    if row == 9:
        raise ValueError("no such row")
    return row * by

@task(cache_for=3600)
def clean(rows):
    time.sleep(0.1)
    threading.main_thread().hold()
    return rows

@task
def total(rows, more):
    return sum(rows) + len(more)

@task(trigger=manual_only)
def publish(rows):
    return rows

with Flow("report") as graph:
    rows = read(Parameter("year", default=2013))
    done = publish(total(scale.map(rows, by=unmapped(10)), clean(rows)))

@flow
def etl(year=2013):
    rows = read.submit(year)
    parts = [part.result() for part in scale.map([1, 2, 3], by=unmapped(2))]
    return total(parts, clean.submit(rows))
"""
LOAD, DEFINED, GRAPH, CALLS, FREE = range(5)
CELLS = (f"{GATE}%load_ext nbflow", DEFINE, "graph", "nbflow.view(etl)", "answer = 0")


@pytest.fixture
def notebook(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Notebook]:
    """The notebook, opened and run; nothing went wrong, and nothing left the machine."""
    with lab.undisturbed(request.node.name, *CELLS) as opened:
        opened.run_all()
        opened.view.nth(1).wait_for()
        yield opened


def graph_of(notebook: Notebook) -> Any:
    """The view of the graph."""
    return notebook.cell(GRAPH).locator(".nbf-flow")


def calls_of(notebook: Notebook) -> Any:
    """The view of the function."""
    return notebook.cell(CALLS).locator(".nbf-flow")


def box(notebook: Notebook, name: str, **attributes: str) -> Any:
    """A task of the graph, with these of its attributes."""
    given = "".join(f"[data-{key}='{value}']" for key, value in attributes.items())
    return graph_of(notebook).locator(f".node[data-task='{name}']{given}")


def lane(notebook: Notebook, name: str) -> Any:
    """The lane of a run that the function has started."""
    return calls_of(notebook).locator(".lane.part").filter(has=notebook.page.get_by_text(name, exact=True))


class TestGraph:
    """A `Flow`."""

    def test_before_it_has_run(self, notebook: Notebook) -> None:
        """Its tasks, and nothing to press: a run of it is started in a cell."""
        assert "6 not run" in graph_of(notebook).locator(".chips").inner_text()
        assert graph_of(notebook).locator(".acts button:visible").count() == 0

    @pytest.mark.parametrize("how", ["", "task_runner=ThreadPoolTaskRunner(2)"])
    def test_states_while_it_runs(self, notebook: Notebook, how: str) -> None:
        """Each task as it goes; those of the last run are not run once a new one begins."""
        notebook.hold()
        notebook.start(FREE, f"state = graph.run({how})")
        box(notebook, "read", state="Running").wait_for()
        assert box(notebook, "total", look="not run").count() == 1
        notebook.let_go()
        box(notebook, "publish", look="paused").wait_for()
        assert box(notebook, "scale", look="mapped").count() == 1
        graph_of(notebook).get_by_text("waits for a person").wait_for()
        notebook.hold()
        notebook.start(FREE, f"state = graph.run(year=7, {how})")
        box(notebook, "publish", look="not run").wait_for()
        notebook.let_go()
        box(notebook, "scale", look="failed").wait_for()
        assert "1 of 3 items failed" in str(box(notebook, "scale").get_attribute("aria-label"))

    def test_resume(self, notebook: Notebook) -> None:
        """What waits for a person is let go on by its button."""
        notebook.run(FREE, "state = graph.run()")
        box(notebook, "publish", look="paused").click()
        graph_of(notebook).locator(".side [data-do=resume]").click()
        box(notebook, "publish", look="completed").wait_for()
        graph_of(notebook).get_by_text("run 1 completed ·").wait_for()
        assert "5 completed" in graph_of(notebook).locator(".chips").inner_text()

    @pytest.mark.parametrize("how", ["", "task_runner=ThreadPoolTaskRunner(2)"])
    def test_pause_and_go_on(self, notebook: Notebook, how: str) -> None:
        """What runs goes on, the next task waits until it may start, in threads as well."""
        notebook.hold()
        notebook.start(FREE, f"state = graph.run({how})")
        box(notebook, "read", state="Running").wait_for()
        graph_of(notebook).locator("[data-do=pause]").click()
        graph_of(notebook).locator("[data-do='go on']").wait_for()
        notebook.let_go()
        box(notebook, "read", look="completed").wait_for()
        box(notebook, "clean", state="Pending").wait_for()
        graph_of(notebook).locator("[data-do='go on']").click()
        box(notebook, "publish", look="paused").wait_for()

    @pytest.mark.parametrize("how", ["", "task_runner=ThreadPoolTaskRunner(2)"])
    def test_stop(self, notebook: Notebook, how: str) -> None:
        """While it is paused, too: nothing of it is left behind."""
        notebook.hold()
        notebook.start(FREE, f"state = graph.run({how})")
        box(notebook, "read", state="Running").wait_for()
        graph_of(notebook).locator("[data-do=pause]").click()
        graph_of(notebook).locator("[data-do='go on']").wait_for()
        notebook.let_go()
        box(notebook, "clean", state="Pending").wait_for()
        graph_of(notebook).locator("[data-do=stop]").click()
        graph_of(notebook).locator(".note", has_text="cancelled ·").wait_for()
        assert box(notebook, "total", look="not run").count() == 1

    def test_stop_in_a_thread_of_the_user(self, notebook: Notebook) -> None:
        """A run that no cell waits for."""
        notebook.hold()
        notebook.start(FREE, "thread = threading.Thread(target=graph.run)\nthread.start()")
        box(notebook, "read", state="Running").wait_for()
        graph_of(notebook).locator("[data-do=stop]").click()
        graph_of(notebook).locator(".note", has_text="cancelled ·").wait_for()
        assert box(notebook, "read", look="cancelled").count() == 1
        notebook.let_go()

    def test_details_while_it_runs(self, notebook: Notebook) -> None:
        """Answered at once: runs, tags, source, and values of what has ended."""
        notebook.run(FREE, "state = graph.run()")
        notebook.hold()
        notebook.start(FREE, "state = graph.run()")
        box(notebook, "read", state="Running").wait_for()
        box(notebook, "scale").click()
        side = graph_of(notebook).locator(".side[data-known=scale]")
        side.locator(".states li").first.wait_for()
        assert "nightly" in side.inner_text()
        side.locator("summary", has_text="Source").click()
        assert "no such row" in side.locator("pre.source").inner_text()

    def test_values_and_log(self, notebook: Notebook) -> None:
        """What a task was given and has made, its rows, its prints; those of its next run, too."""
        notebook.run(FREE, "state = graph.run()")
        box(notebook, "read").click()
        side = graph_of(notebook).locator(".side")
        side.locator("[data-part=log]", has_text="INFO reading 2013").wait_for()
        assert "2013" in side.locator("[data-part=inputs] [data-value=year]").inner_text()
        side.locator("[data-part=outputs] [data-value=result] button").click()
        side.locator("[data-shown='result 0']", has_text="2015").wait_for()
        notebook.run(FREE, "state = graph.run(year=7)")
        side.locator("[data-shown='result 0']", has_text="9").wait_for()

    def test_values_after_a_restart(self, notebook: Notebook) -> None:
        """From the store, where it has them, and else it is said."""
        notebook.run(FREE, "state = graph.run()")
        notebook.restart()
        for index in (LOAD, DEFINED, GRAPH):
            notebook.run(index)
        box(notebook, "read", look="completed").click()
        side = graph_of(notebook).locator(".side")
        side.locator("[data-part=outputs] [data-value=result] button").click()
        side.locator("[data-shown='result 0']", has_text="2015").wait_for()
        box(notebook, "total").click()
        side.locator(".lost", has_text="not at hand any more").wait_for()

    def test_timeline_and_history(self, notebook: Notebook) -> None:
        """The chain of tasks that took longest; each run of the flow with all that ran in it."""
        notebook.run(FREE, "state = graph.run()")
        graph_of(notebook).locator("#tab-timeline").click()
        graph_of(notebook).locator(".about .critical", has_text="read → clean").wait_for()
        graph_of(notebook).locator("#tab-history").click()
        graph_of(notebook).locator("[data-run='1'] button").click()
        graph_of(notebook).locator("[data-line=report] [data-flip]").click()
        graph_of(notebook).locator("[data-within=clean]").wait_for()

    def test_after_a_restart(self, notebook: Notebook) -> None:
        """The last run is known again."""
        notebook.run(FREE, "state = graph.run()")
        notebook.restart()
        for index in (LOAD, DEFINED, GRAPH):
            notebook.run(index)
        box(notebook, "publish", look="paused").wait_for()
        graph_of(notebook).get_by_text("run 1 paused").wait_for()

    def test_the_saved_notebook(self, notebook: Notebook) -> None:
        """A picture of the last run, which needs no kernel."""
        notebook.run(FREE, "state = graph.run()")
        graph_of(notebook).get_by_text("run 1 paused").wait_for()
        static = notebook.cell(GRAPH).locator(".nbf-host svg.nbf-g")
        static.get_by_text("paused", exact=True).first.wait_for(state="attached")
        notebook.save()
        (output,) = json.loads(notebook.path.read_text())["cells"][GRAPH]["outputs"]
        assert {"text/html", "image/svg+xml", "application/pdf", "text/plain"} == set(output["data"])
        assert "paused" in "".join(output["data"]["image/svg+xml"])


class TestFunction:
    """A function under `@flow`."""

    def test_its_runs_as_they_begin(self, notebook: Notebook) -> None:
        """The timeline of what it calls, and the chain that nothing could have shortened."""
        notebook.hold()
        notebook.start(FREE, "etl()")
        lane(notebook, "read").and_(notebook.page.locator("[data-state=Running]")).wait_for()
        notebook.let_go()
        calls_of(notebook).locator(".lane[data-task=etl][data-state=Completed]").wait_for()
        calls_of(notebook).locator(".critical", has_text="read → clean → total").wait_for()
        assert lane(notebook, "clean").get_attribute("class") == "lane part critical"
        assert lane(notebook, "scale").count() == 1

    def test_pause_and_go_on(self, notebook: Notebook) -> None:
        """As for a graph."""
        notebook.hold()
        notebook.start(FREE, "etl()")
        lane(notebook, "read").and_(notebook.page.locator("[data-state=Running]")).wait_for()
        calls_of(notebook).locator("[data-do=pause]").click()
        calls_of(notebook).locator("[data-do='go on']").wait_for()
        notebook.let_go()
        lane(notebook, "read").and_(notebook.page.locator("[data-state=Completed]")).wait_for()
        lane(notebook, "clean").and_(notebook.page.locator("[data-state=Pending]")).wait_for()
        calls_of(notebook).locator("[data-do='go on']").click()
        calls_of(notebook).locator(".lane[data-task=etl][data-state=Completed]").wait_for()

    def test_each_view_follows_its_own_flow(self, notebook: Notebook) -> None:
        """What the other one runs is no matter of it."""
        notebook.run(FREE, "etl()")
        calls_of(notebook).locator(".lane[data-task=etl][data-state=Completed]").wait_for()
        assert "6 not run" in graph_of(notebook).locator(".chips").inner_text()


class TestLook:
    """What it looks like."""

    @pytest.mark.parametrize("theme", ["light", "dark"])
    def test_details(self, notebook: Notebook, theme: str) -> None:
        """The same for the panel: of a task with rows and a log, of a reuse."""
        notebook.run(FREE, "state = graph.run(year=7)\netl(); etl()")
        calls_of(notebook).locator(".lane[data-task=etl][data-state=Completed]").wait_for()
        box(notebook, "read").click()
        side = graph_of(notebook).locator(".side")
        side.locator("[data-part=outputs] [data-value=result] button").click()
        side.locator("[data-shown='result 0']").wait_for()
        notebook.keep(graph_of(notebook), f"flow-details-task-{theme}")
        lane(notebook, "clean").locator("button").first.click()
        side = calls_of(notebook).locator(".side")
        side.locator("[data-part=inputs] [data-value=rows]").wait_for()
        notebook.keep(calls_of(notebook), f"flow-details-run-{theme}")

    @pytest.mark.parametrize("theme", ["light", "dark"])
    def test_rules(self, notebook: Notebook, theme: str) -> None:
        """No rule of axe is broken; pictures of all tabs are kept for those who look at them."""
        notebook.run(FREE, "state = graph.run(year=7)\netl()")
        calls_of(notebook).locator(".lane[data-task=etl][data-state=Completed]").wait_for()
        for name, view in (("graph", graph_of(notebook)), ("function", calls_of(notebook))):
            for tab in ("graph", "table", "timeline", "history"):
                view.locator(f"#tab-{tab}").click()
                view.locator(".main :is(.node, tbody tr, .lane)").first.wait_for()
                notebook.keep(view, f"flow-{name}-{tab}-{theme}")
