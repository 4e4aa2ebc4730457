"""The live view of a session in a real kernel, without a page: what is displayed, and when it is not live."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.kernels import Kernel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.kernels import Shown

pytestmark = pytest.mark.process

CELLS = {
    "ext": "%load_ext nbflow",
    "limit": "LIMIT = 15",
    "late": "#@task late\nlate = [delay for delay in (3, 20, 16) if delay > LIMIT]",
}
MARK = "data-nbflow-view="


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    """A kernel in front of which somebody sits, with a notebook that ran."""
    with Kernel(tmp_path, asks=True) as kernel:
        kernel.set(**CELLS)
        kernel.run_all()
        yield kernel


def html_of(shown: Shown) -> str:
    """The page that a cell displayed last."""
    assert shown.error == ""
    return shown.bundles[-1]["text/html"]


class TestShowing:
    """`%flow` and `nbflow.view()`."""

    def test_a_picture_whose_place_a_page_takes(self, kernel: Kernel) -> None:
        """Displayed is what is saved: no widget, but a mark by which the page finds it."""
        bundle = kernel.run("flow", "%flow").bundles[-1]
        assert set(bundle) == {"text/html", "image/svg+xml", "application/pdf", "text/plain"}
        assert MARK in bundle["text/html"]
        assert "1 fresh" in bundle["text/plain"]

    def test_the_mark_is_the_same_in_each_kernel(self, kernel: Kernel) -> None:
        """A re-run changes no line of a saved notebook for it."""
        before = html_of(kernel.run("flow", "%flow")).partition(MARK)[2][:14]
        kernel.restart()
        kernel.run_all()
        assert html_of(kernel.run("flow")).partition(MARK)[2][:14] == before

    def test_by_name(self, kernel: Kernel) -> None:
        """`nbflow.view()` shows the same, and a name may hold it."""
        assert MARK in html_of(kernel.run("flow", "import nbflow\nnbflow.view()"))
        assert (
            kernel.run("flow", "shown = nbflow.view()\nsession = nbflow.session()\nprint(shown.text)").error
            == ""
        )

    def test_its_picture_follows(self, kernel: Kernel) -> None:
        """What is saved is brought up to date when nothing runs any more."""
        kernel.run("flow", "%flow")
        kernel.run("limit", "LIMIT = 18")
        while True:
            message = kernel.client.get_iopub_msg(timeout=20)
            bundle = message["content"].get("data", {})
            if message["msg_type"] == "update_display_data" and MARK in bundle.get("text/html", ""):
                assert "1 stale" in bundle["text/plain"]
                break

    def test_unloading_ends_it(self, kernel: Kernel) -> None:
        """And loading anew begins anew."""
        kernel.run("flow", "%flow")
        kernel.execute("%unload_ext nbflow")
        kernel.run_all()
        assert "1 fresh" in kernel.run("flow").bundles[-1]["text/plain"]


class TestExplicitFlows:
    """A flow as the last expression of a cell."""

    @pytest.mark.parametrize("shown", ["flow", "nbflow.flow(len)", "display(flow)"])
    def test_shows_itself_live(self, kernel: Kernel, shown: str) -> None:
        """As `nbflow.view(flow)` does; a name that holds it and `print` know of no page."""
        kernel.execute(FLOW)
        assert MARK in html_of(kernel.run("sums", shown))
        assert kernel.execute("print(flow)").stdout == "<Flow 'sums': 3 tasks>\n"
        assert kernel.value("_ if isinstance(_, nbflow.Flow) else flow") == "<Flow 'sums': 3 tasks>"

    def test_where_nobody_watches(self, kernel: Kernel) -> None:
        """A picture."""
        kernel.execute(FLOW)
        kernel.asks = False
        bundle = kernel.run("sums", "flow").bundles[-1]
        assert MARK not in bundle["text/html"]
        assert bundle["text/plain"] == "<Flow 'sums': 3 tasks>"

    def test_in_a_task(self, kernel: Kernel) -> None:
        """A picture as well: what a task shows is shown again when it is reused."""
        kernel.run("sums", FLOW)
        assert MARK not in html_of(kernel.run("drawn", "#@task drawn\ndisplay(flow)"))

    def test_without_a_session(self, kernel: Kernel) -> None:
        """As if there never was one."""
        kernel.execute(FLOW)
        kernel.execute("%unload_ext nbflow")
        assert MARK not in html_of(kernel.execute("flow"))


class TestStates:
    """What the page is told of runs."""

    def test_plain_cells_end(self, kernel: Kernel) -> None:
        """Also those that have no place in the picture, though they are told of after they have ended."""
        kernel.run("flow", "%flow")
        kernel.execute("view = __import__('nbflow').session().live._own._view")
        kernel.run("plain", "answer = 42")
        told = "[(live[0], live[1]) for live in view.feed.whole()['live'].values()][:-1]"
        assert "Running" not in kernel.value(told)


class TestWithoutAPage:
    """Where there is none, all is as it was before there were any."""

    def test_not_installed(self, kernel: Kernel) -> None:
        """The static picture, and not a word about what is missing."""
        kernel.execute("import sys; sys.modules['anywidget'] = None")
        shown = kernel.run("flow", "%flow")
        assert MARK not in html_of(shown)
        assert len(shown.bundles) == 1

    def test_nobody_watches(self, kernel: Kernel) -> None:
        """Who executes a notebook gets the static picture, and nothing is imported for a page."""
        kernel.asks = False
        assert MARK not in html_of(kernel.run("flow", "%flow"))
        assert kernel.value("'ipywidgets' in __import__('sys').modules") == "False"

    def test_it_cannot_be_opened(self, kernel: Kernel) -> None:
        """One line says so, and the static picture is there."""
        kernel.execute("import anywidget; del anywidget.AnyWidget")
        shown = kernel.run("flow", "%flow")
        assert "1 fresh" in shown.text
        assert "the flow is not live here" in shown.text


FLOW = """
import threading, nbflow
from nbflow import Flow, task
@task
def raw(x):
    return x + 1
with Flow("sums") as flow:
    total = raw(raw(raw(1)))
stuck = threading.Event()
def views():
    session = nbflow.session()
    return [view._view for view in (session.live._own, *session.live._others.values())]
"""
FAULTS = {
    "raises": "for view in views(): view.widget.send = lambda *a, **k: 1 / 0",
    "blocks": "for view in views(): view.widget.send = lambda *a, **k: stuck.wait()",
    "cannot be drawn": "for view in views(): view.feed.note = lambda event: 1 / 0",
    "is closed": "flow._end_handler = lambda *_: [view.close() for view in views()] and None",
}


class TestFaults:
    """No run is changed or failed by a view."""

    @pytest.mark.parametrize("fault", FAULTS)
    def test_a_view_that(self, kernel: Kernel, fault: str) -> None:
        """Runs of the session and of an explicit flow give what they give without one, in the same states."""
        kernel.execute(FLOW)
        kernel.run("flow", "%flow")
        assert MARK in html_of(kernel.run("sums", "nbflow.view(flow)"))
        assert kernel.execute(FAULTS[fault]).error == ""
        for limit, late in ((18, "[20]"), (15, "[20, 16]")):
            kernel.run("limit", f"LIMIT = {limit}")
            assert kernel.run("late").error == ""
            assert kernel.value("late") == late
            told = kernel.execute("state = flow.run()\nprint(state.name, state.result[total].result)").stdout
            assert told == "Completed 4\n"
        states = "[[each.name for each in run.states] for run in flow.runs()]"
        assert kernel.value(states) == str([["Pending", "Running", "Completed"]] * 2)
        kernel.execute("stuck.set()")
