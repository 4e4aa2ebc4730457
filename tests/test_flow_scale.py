"""The live view of very many tasks, in a real browser."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import nbflow
from tests.headless import notebook_of
from tests.lab import running_lab

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab import Lab, Notebook

pytestmark = [pytest.mark.browser, pytest.mark.process]

ROOT = Path(nbflow.__file__).parents[1]
OPEN_MANY = f"""
import sys, threading, time
sys.path.insert(0, {str(ROOT)!r})
from IPython.display import HTML, display
from nbflow.notebook.link import Link
from nbflow.views import show_flow
from nbflow.views.feed import Event, Feed, Ran
from nbflow.views.scene import picture_of
from nbflow.views.widget import LiveView
from tests.views_cards import flow_of

class Watched(Feed):
    def message(self):
        message = super().message()
        sent[message['number']] = time.perf_counter()
        return message

    def painted(self, number):
        if number in sent:
            lags.append(time.perf_counter() - sent[number])
        super().painted(number)

sent, lags = {{}}, []
flow = flow_of(MANY, reach=60)
feed = Watched(time.monotonic)
feed.show(picture_of(flow))
view = LiveView('many', feed, print)
feed.waits = Link(get_ipython()).hear_while_busy(view.comm)
display(HTML(show_flow(flow, 'many').html))
"""
CHANGE_MANY = """
began, spent = time.monotonic(), time.process_time()
for turn in range(200):
    for place in range(5):
        name = f'task_{turn * 5 + place}'
        feed.note(Event(Ran(name), 'Running', time.time(), is_open=True))
        feed.note(Event(Ran(name), 'Completed', time.time()))
    view.wake()
    threading.Event().wait(0.01)
share = (time.process_time() - spent) / (time.monotonic() - began)
print([round(share, 3), round(sorted(lags)[int(0.95 * (len(lags) - 1))], 3)])
"""
ELEMENTS = "() => document.querySelector('.nbf-flow').shadowRoot.querySelectorAll('{}').length"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One server and one browser for all tests."""
    with running_lab(tmp_path_factory.mktemp("lab")) as lab:
        yield lab


@pytest.fixture
def opened(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Notebook]:
    """A notebook that shows as many tasks as the test says."""
    many = request.param
    cells = OPEN_MANY.replace("MANY", str(many)), CHANGE_MANY
    with lab.opened(notebook_of(lab.folder / f"{many}.ipynb", *cells)) as opened:
        opened.run(0)
        opened.page.wait_for_selector(".nbf-flow .stage[data-level=far]")
        yield opened
        assert opened.errors == []


def change(notebook: Notebook) -> tuple[float, float]:
    """Change a thousand states; return the share of a core that took, and the lag that 95 % stay below."""
    notebook.run(1)
    share, lag = ast.literal_eval(notebook.cell(1).locator(".jp-OutputArea").inner_text())
    return share, lag


class TestScale:
    """Bursts of changes."""

    @pytest.mark.parametrize("opened", [1000], indirect=True)
    def test_a_thousand_tasks(self, opened: Notebook) -> None:
        """A thousand states a second take the kernel little; in the end the page shows the last of each."""
        share, lag = change(opened)
        assert share < 0.2
        assert lag <= 0.2
        opened.page.wait_for_function(f"{ELEMENTS.format('.node[data-state=Completed]')} === 1000")

    @pytest.mark.parametrize("opened", [5000], indirect=True)
    def test_five_thousand_tasks(self, opened: Notebook) -> None:
        """Those in sight are elements, all others a ground; the page stays quick, its counts are right."""
        share, lag = change(opened)
        assert share < 0.2
        assert lag <= 0.2
        opened.view.locator(".chips", has_text="1,000 completed").wait_for()
        assert opened.view.locator(".node").count() == 0
        for _ in range(12):
            opened.view.get_by_role("button", name="zoom in").click()
        assert 0 < opened.view.locator(".node").count() <= 400
        assert opened.view.locator("canvas.map").is_visible()

    @pytest.mark.parametrize("opened", [5000], indirect=True)
    def test_the_map(self, opened: Notebook) -> None:
        """A click on the small map brings that part into sight; so is a task that was chosen in the table."""
        for _ in range(14):
            opened.view.get_by_role("button", name="zoom in").click()
        shown = opened.view.locator(".node").first.get_attribute("data-task")
        opened.view.locator("canvas.map").click(position={"x": 60, "y": 90})
        assert opened.view.locator(".node").first.get_attribute("data-task") != shown
        opened.open_tab("table")
        opened.view.locator("tr[data-task=task_7] .name").click()
        opened.open_tab("graph")
        opened.view.locator(".node.chosen[data-task=task_7]").wait_for()
