"""A live view of very many tasks, whose states change quickly, in a real browser."""

from __future__ import annotations

import ast
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import nbflow
from tests.headless import notebook_of

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.lab import Lab, Notebook

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
began = time.time()
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


SHOWN = """() => {
  const stage = document.querySelector('.nbf-flow')?.shadowRoot.querySelector(".stage[data-level='far']");
  return stage ? Date.now() / 1000 : 0;
}"""


class Burst(NamedTuple):
    """What a thousand changed states took.

    Attributes:
        share: Of a processor's core, in the kernel.
        lag: Seconds until the page had painted a message, which 95 % of them stay below.
    """

    share: float
    lag: float


@contextmanager
def opened_with(lab: Lab, many: int) -> Generator[Notebook]:
    """A notebook that shows so many tasks."""
    cells = OPEN_MANY.replace("MANY", str(many)), CHANGE_MANY
    with lab.opened(notebook_of(lab.folder / f"{many}.ipynb", *cells)) as opened:
        opened.run(0)
        opened.page.wait_for_selector(".nbf-flow .stage[data-level=far]")
        yield opened
        assert opened.errors == []


def seconds_to_open(lab: Lab, many: int) -> float:
    """How long it takes from the first line about the flow in the kernel until the page shows it."""
    cells = OPEN_MANY.replace("MANY", str(many)), "print(began)"
    with lab.opened(notebook_of(lab.folder / f"open{many}.ipynb", *cells)) as opened:
        opened.perform("notebook:run-cell", 0)
        shown = float(opened.page.wait_for_function(SHOWN).json_value())
        opened.run(1)
        return shown - float(opened.cell(1).locator(".jp-OutputArea").inner_text())


def change(notebook: Notebook) -> Burst:
    """Change a thousand states within some seconds."""
    notebook.run(1)
    return Burst(*ast.literal_eval(notebook.cell(1).locator(".jp-OutputArea").inner_text()))
