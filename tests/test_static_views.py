"""Badges and answers of `%flow` in a real browser: what they look like, and that they keep still."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab import Lab, Notebook

pytestmark = [pytest.mark.browser, pytest.mark.process]

CELLS = (
    "%load_ext nbflow",
    "LIMIT = 15",
    "#@task raw --tags source\nraw = [3, 20, 16, 45]",
    "#@task late --description 'behind the limit'\nlate = [delay for delay in raw if delay > LIMIT]",
    "#@task total\ntotal = sum(late)",
    "#@task risky\nrisky = open('there.txt').read()",
    "#@task sent --manual\nsent = 1",
    "#@task stamped\nimport datetime\nstamped = str(datetime.datetime.now()), total",
    "#@task each --map x=raw\nif x == 3: raise ValueError('no three')\neach = x",
    "answer = 0",
)
LIMIT, RAW, LATE, TOTAL, RISKY, SENT, STAMPED, EACH, FREE = range(1, 10)
BADGES = {RAW: "fresh", LATE: "stale", TOTAL: "stale", RISKY: "failed", SENT: "paused", EACH: "failed"}
ANSWERS = {
    "status": "%flow status",
    "why": "%flow why late",
    "why-failed": "%flow why risky",
    "plan": "%flow plan",
    "history": "%flow history late",
    "order": "%flow order",
    "versions": "import nbflow\nnbflow.session().versions('late')",
    "diff": "%flow diff late '#2'",
    "run": "%flow run",
}
EXECUTE = """([index, code]) => {
  const { sessionContext, content } = window.jupyterapp.shell.currentWidget;
  const cellId = content.widgets[index].model.id;
  sessionContext.session.kernel.requestExecute({ code }, false, { cellId });
}"""
"""Runs a cell and leaves all that is seen of it as it is."""

PALEST = """() => {
  const pen = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
  const bright = colours => {
    for (const colour of colours) { pen.fillStyle = colour; pen.fillRect(0, 0, 1, 1); }
    const [r, g, b] = [...pen.getImageData(0, 0, 1, 1).data].map(each => each / 255)
      .map(each => (each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
  };
  const grounds = element => element
    ? [...grounds(element.parentElement), getComputedStyle(element).backgroundColor] : [];
  const found = [];
  for (const view of document.querySelectorAll('.jp-OutputArea .nbf')) {
    const walk = document.createTreeWalker(view, NodeFilter.SHOW_TEXT);
    for (let text = walk.nextNode(); text; text = walk.nextNode()) {
      const element = text.parentElement;
      if (!text.data.trim() || !element.checkVisibility()) continue;
      const behind = ['white', ...grounds(element)];
      const both = [bright(behind), bright([...behind, getComputedStyle(element).color])];
      found.push([Math.max(...both) / Math.min(...both), text.data]);
    }
  }
  return found.reduce((one, other) => (other[0] < one[0] ? other : one));
}"""
"""The text with the least contrast; axe takes no text in outputs of JupyterLab for visible."""


@pytest.fixture
def notebook(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Notebook]:
    """The notebook, run cell by cell; nothing went wrong in the page, and nothing left the machine."""
    with lab.undisturbed(request.node.name, *CELLS) as opened:
        for place in range(len(CELLS)):
            opened.run(place)
        opened.badge(EACH).get_by_text("failed", exact=True).wait_for()
        yield opened


def keep(notebook: Notebook, shown: Any, name: str) -> None:
    """Keep a picture, and check what it shows by the rules of accessibility."""
    notebook.keep(shown, name, within=".jp-OutputArea .nbf")
    contrast, text = notebook.page.evaluate(PALEST)
    assert contrast >= 4.5, text


@pytest.mark.parametrize("theme", ["light", "dark"])
class TestForEverybody:
    """By rules of accessibility, and to the eye."""

    def test_badges(self, notebook: Notebook, theme: str) -> None:
        """Each verdict by icon and word; opened, what lies behind it."""
        notebook.run(LIMIT, "LIMIT = 18")
        for place, word in BADGES.items():
            notebook.badge(place).get_by_text(word, exact=True).wait_for()
            notebook.badge(place).locator("summary").click()
            keep(notebook, notebook.badge(place), f"{theme}-badge-{place}-{word}")

    def test_answers(self, notebook: Notebook, theme: str) -> None:
        """Tables, lists and differences, each below its line."""
        notebook.run(LIMIT, "LIMIT = 18")
        for name, line in ANSWERS.items():
            notebook.run(FREE, line)
            shown = notebook.cell(FREE).locator(".jp-Cell-outputWrapper")
            shown.locator(".nbf").first.wait_for()
            keep(notebook, shown, f"{theme}-{name}")
            assert shown.evaluate("each => each.scrollWidth <= each.clientWidth"), name


class TestStill:
    """A badge that changes disturbs nobody."""

    def test_it_moves_no_page_and_takes_no_keyboard(self, notebook: Notebook) -> None:
        """What somebody writes stands where it stood, and goes on."""
        badge, editor = notebook.badge(LATE), notebook.cell(TOTAL).locator(".cm-content")
        editor.click()
        notebook.page.keyboard.press("Control+End")
        notebook.page.keyboard.type(" + ")
        before = editor.bounding_box()
        notebook.page.evaluate(EXECUTE, [LIMIT, "LIMIT = 18"])
        badge.get_by_text("stale", exact=True).wait_for()
        notebook.page.evaluate(EXECUTE, [FREE, "%flow run late"])
        badge.get_by_text("fresh", exact=True).wait_for()
        notebook.page.keyboard.type("41")
        assert editor.inner_text().endswith("sum(late) + 41")
        assert editor.bounding_box() == before
