"""Notebook 7 and exported pages: what is seen there, in a real browser."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import nbflow
from tests.headless import notebook_of
from tests.lab import GATE, HOLD, running_lab

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab import Lab, Notebook

pytestmark = [pytest.mark.browser, pytest.mark.process]

CELLS = (
    f"{GATE}%load_ext nbflow",
    "LIMIT = 15",
    f"#@task late\nlate = [delay for delay in (3, 20, 16) if delay > LIMIT]\n{HOLD}",
    "#@task total\ntotal = sum(late)",
    "%flow",
    "answer = 0",
)
LIMIT, LATE, FLOW, FREE = 1, 2, 4, 5
PICTURES = Path(nbflow.__file__).parents[1] / "build" / "views"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One server and one browser for all tests."""
    with running_lab(tmp_path_factory.mktemp("lab"), "notebook") as lab:
        yield lab


@pytest.fixture(scope="module")
def usual_errors(lab: Lab) -> set[str]:
    """What Notebook 7 itself complains of, without nbflow."""
    with lab.opened(notebook_of(lab.folder / "plain.ipynb", "1 + 1")) as plain:
        plain.run_all()
        return set(plain.errors)


@pytest.fixture
def notebook(lab: Lab, request: pytest.FixtureRequest, usual_errors: set[str]) -> Iterator[Notebook]:
    """The notebook, opened and run; nothing went wrong for us, and nothing left the machine."""
    folder = lab.folder / request.node.name
    folder.mkdir()
    with lab.opened(notebook_of(folder / "nb.ipynb", *CELLS)) as opened:
        opened.run_all()
        opened.task("total", look="fresh").wait_for()
        yield opened
        assert set(opened.errors) <= usual_errors
        assert opened.requested - {lab.url.removeprefix("http://"), ""} == set()


class TestNotebook7:
    """The live view and the badges."""

    def test_live_states_and_buttons(self, notebook: Notebook) -> None:
        """An edit makes stale what reads it; a button runs it; states are seen while the cell runs."""
        notebook.run(LIMIT, "LIMIT = 18")
        notebook.task("late", look="stale").wait_for()
        assert "LIMIT changed: 15 → 18" in notebook.badge(LATE).text_content()
        notebook.hold()
        notebook.start(FREE, "%flow run")
        notebook.task("late", state="Running").wait_for()
        notebook.let_go()
        notebook.task("total", look="fresh").wait_for()
        PICTURES.mkdir(parents=True, exist_ok=True)
        notebook.page.screenshot(path=PICTURES / "notebook7.png", animations="disabled")

    def test_pause_while_a_cell_runs(self, notebook: Notebook) -> None:
        """The page is heard although the kernel is busy."""
        notebook.run(LIMIT, "LIMIT = 18")
        notebook.task("late", look="stale").wait_for()
        notebook.hold()
        notebook.start(FREE, "%flow run")
        notebook.task("late", state="Running").wait_for()
        notebook.view.locator("[data-do=pause]").click()
        notebook.view.locator("[data-do='go on']").wait_for()
        notebook.let_go()
        notebook.page.wait_for_selector(".nbf-flow[data-paused=total]")
        notebook.view.locator("[data-do='go on']").click()
        notebook.task("total", look="fresh").wait_for()

    def test_keys(self, notebook: Notebook) -> None:
        """What is pressed in the view is no command of the notebook."""
        count = notebook.count_cells()
        notebook.task("late").click()
        for key in ("d", "d", "x", "a", "b", "m", "y", "z", "0", "0", "ArrowDown"):
            notebook.page.keyboard.press(key)
        assert notebook.view.get_attribute("data-selected") == "total"
        assert notebook.count_cells() == count


class TestExport:
    """A page without a kernel."""

    def test_html_by_nbconvert(self, notebook: Notebook, lab: Lab) -> None:
        """It shows the picture as it stood last, the badges, and the table behind a line that opens it."""
        notebook.run(LIMIT, "LIMIT = 18")
        notebook.cell(FLOW).locator("svg.nbf-g text", has_text="stale").first.wait_for(state="attached")
        notebook.save()
        page = notebook.path.with_suffix(".html")
        command = [sys.executable, "-m", "nbconvert", "--to", "html", str(notebook.path)]
        subprocess.run(command, check=True, capture_output=True, env={**os.environ})
        exported = lab.browser.new_page(java_script_enabled=False)
        exported.goto(page.as_uri())
        picture = exported.locator("svg.nbf-g")
        assert picture.is_visible()
        assert "late" in picture.text_content()
        assert "stale" in picture.text_content()
        assert "LIMIT changed: 15 → 18" in exported.locator("body").inner_text()
        exported.locator("summary", has_text="table").click()
        assert exported.locator("table.nbf-t").is_visible()
        exported.screenshot(path=PICTURES / "exported.png", full_page=True)
        exported.close()
