"""What the live view tells of one task, and what eye and hand need of it, in a real browser."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.headless import notebook_of
from tests.lab import GATE, HOLD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab import Lab, Notebook

pytestmark = [pytest.mark.browser, pytest.mark.process]

DRAWN = """#@task drawn
import matplotlib.pyplot as plt
print('drawing')
plt.plot([1, 2])
plt.show()
drawn = 1"""
CELLS = (
    f"{GATE}%load_ext nbflow",
    "LIMIT = 15",
    f"#@task late\nlate = [delay for delay in (3, 20, 16) if delay > LIMIT]\n{HOLD}",
    "#@task total\ntotal = sum(late)",
    f"#@task apart\napart = 1\n{HOLD}",
    DRAWN,
    "%flow",
    "answer = 0",
)
LIMIT, LATE, TOTAL, APART, FLOW, FREE = 1, 2, 3, 4, 6, 7
TABS = ("graph", "table", "timeline", "history")
SMALLEST = """() => {
  const root = document.querySelector('.nbf-flow').shadowRoot;
  const found = [];
  const walk = document.createTreeWalker(root.querySelector('.view'), NodeFilter.SHOW_TEXT);
  for (let text = walk.nextNode(); text; text = walk.nextNode()) {
    const element = text.parentElement;
    const isSeen = element.getClientRects().length && !element.closest('style, title, .unseen');
    if (!text.data.trim() || !isSeen) continue;
    const scale = element.getScreenCTM?.().a ?? 1;
    found.push([scale * parseFloat(getComputedStyle(element).fontSize), text.data]);
  }
  return found.reduce((one, other) => (other[0] < one[0] ? other : one));
}"""
FOCUSED = """() => {
  const element = document.querySelector('.nbf-flow').shadowRoot.activeElement;
  const style = getComputedStyle(element), ring = element.querySelector(':scope > .ring');
  return style.outlineStyle !== 'none' || (ring !== null && getComputedStyle(ring).stroke !== 'none');
}"""

PLACE = "node => node.getBoundingClientRect().toJSON()"
# In one step: the view may draw its nodes anew between two.
INTO_VIEW = "node => (node.scrollIntoView({block: 'nearest'}), node.getBoundingClientRect().toJSON())"


@pytest.fixture
def notebook(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Notebook]:
    """The notebook, opened and run; nothing went wrong, and nothing left the machine."""
    folder = lab.folder / request.node.name.translate({ord("["): "-", ord("]"): None})
    folder.mkdir()
    with lab.opened(notebook_of(folder / "nb.ipynb", *CELLS)) as opened:
        opened.run_all()
        opened.task("drawn", look="fresh").wait_for()
        yield opened
        assert opened.errors == []
        assert opened.requested - {lab.url.removeprefix("http://"), ""} == set()


def panel_of(notebook: Notebook, task: str) -> Any:
    """The panel of a task, when it knows all."""
    notebook.task(task).click()
    notebook.known(task).wait_for()
    return notebook.view.locator(".side")


def unfold(panel: Any, title: str) -> None:
    """Open a part of the panel."""
    panel.locator("summary", has_text=title).click()


class TestPanel:
    """All about a task, and about one run of it."""

    def test_prints_and_figures(self, notebook: Notebook) -> None:
        """As the run showed them."""
        panel = panel_of(notebook, "drawn")
        unfold(panel, "What it showed")
        assert panel.locator("[data-part=shown] pre").first.inner_text().strip() == "drawing"
        picture = panel.locator("[data-part=shown] img")
        assert picture.evaluate("each => each.decode().then(() => each.naturalWidth)") > 100
        panel.locator(".states button", has_text="#").first.click()
        notebook.view.locator(".side .past").wait_for()
        panel.locator("[data-part=shown] img").wait_for()

    def test_an_error(self, notebook: Notebook) -> None:
        """What it says, and where: the lines of the cell, and none of ours."""
        notebook.run(FREE, "#@task risky\nprint('so far')\nrisky = 1 / 0")
        panel = panel_of(notebook, "risky")
        assert panel.locator("pre.error").inner_text() == "ZeroDivisionError: division by zero"
        told = panel.locator("[data-part=traceback] pre").inner_text()
        assert "risky = 1 / 0" in told
        assert "nbflow" not in told
        assert "so far" in panel.locator("[data-part=log], [data-part=shown]").all_inner_texts()[0]

    def test_code_that_was_edited(self, notebook: Notebook) -> None:
        """The lines that differ from the last run."""
        helper = "LIMIT = 15\ndef scaled(x):\n    return {} * x"
        notebook.run(LIMIT, helper.format(2))
        notebook.run(TOTAL, "#@task total\ntotal = scaled(sum(late))")
        notebook.run(LIMIT, helper.format(3))
        notebook.task("total", look="stale").wait_for()
        panel = panel_of(notebook, "total")
        assert panel.locator(".diff .minus").inner_text().strip() == "-    return 2 * x"
        assert panel.locator(".diff .plus").inner_text().strip() == "+    return 3 * x"

    def test_its_history(self, notebook: Notebook) -> None:
        """Each run with its state, when it was, and why; the states of the newest."""
        notebook.run(LIMIT, "LIMIT = 18")
        notebook.do("run")
        runs = panel_of(notebook, "late").locator(".states > li")
        assert runs.count() == 2
        assert "LIMIT changed: 15 → 18" in runs.first.inner_text()
        assert "first run" in runs.nth(1).inner_text()
        states = " ".join(runs.first.locator(".steps").inner_text().split())
        assert states.index("Pending") < states.index("Running") < states.index("Completed")


class TestTimeline:
    """While tasks run."""

    def test_parallel_lanes_and_the_playhead(self, notebook: Notebook) -> None:
        """Those that run in threads at the same time have open bars beside each other."""
        notebook.run(LIMIT, "LIMIT = 18")
        notebook.hold()
        notebook.open_tab("timeline")
        notebook.start(FREE, "%flow run late apart --force --runner thread")
        for task in ("late", "apart"):
            notebook.view.locator(f".lane[data-task={task}] .bar.open").wait_for()
        notebook.view.locator(".playhead").wait_for(state="attached")
        notebook.let_go()
        notebook.page.wait_for_selector(".nbf-flow:not([data-working])")
        notebook.view.locator(".playhead").wait_for(state="detached")


class TestHands:
    """Pointer and keys."""

    def test_dragging_moves_the_graph(self, notebook: Notebook) -> None:
        """And chooses nothing."""
        box = notebook.task("late").evaluate(INTO_VIEW)
        notebook.page.mouse.move(box["x"] - 30, box["y"] + 5)
        notebook.page.mouse.down()
        notebook.page.mouse.move(box["x"] + 20, box["y"] + 25, steps=4)
        notebook.page.mouse.up()
        moved = notebook.task("late").evaluate(PLACE)
        assert (round(moved["x"] - box["x"]), round(moved["y"] - box["y"])) == (50, 20)
        assert notebook.view.get_attribute("data-selected") is None

    def test_the_keyboard_is_seen(self, notebook: Notebook) -> None:
        """Whatever has it shows that, from the first tab to the graph."""
        notebook.view.locator("#tab-graph").focus()
        seen = set[str]()
        for _ in range(12):
            notebook.page.keyboard.press("Tab")
            name = notebook.page.evaluate(
                "document.querySelector('.nbf-flow').shadowRoot?.activeElement?.localName ?? ''"
            )
            if not name:
                break
            assert notebook.page.evaluate(FOCUSED), name
            seen.add(name)
        assert seen >= {"button", "input", "g"}


class TestEyes:
    """What can be read, and what moves."""

    @pytest.mark.parametrize("tab", TABS)
    def test_letters(self, notebook: Notebook, tab: str) -> None:
        """None is below 11 pixels on the screen, as the view opens."""
        panel_of(notebook, "late")
        notebook.open_tab(tab)
        size, text = notebook.page.evaluate(SMALLEST)
        assert size >= 11, text

    def test_nothing_moves_for_who_wants_that(self, notebook: Notebook) -> None:
        """A task that runs is told by its look and its word."""
        notebook.page.emulate_media(reduced_motion="reduce")
        notebook.hold()
        notebook.start(FREE, "%flow run late --force")
        box = notebook.task("late", state="Running").locator(".box")
        assert box.evaluate("each => getComputedStyle(each).animationName") == "none"
        notebook.page.emulate_media(reduced_motion="no-preference")
        assert box.evaluate("each => getComputedStyle(each).animationName") == "march"
        notebook.let_go()
        notebook.task("late", look="fresh").wait_for()
