"""The buttons of the live view during a run in the background, in a real browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab import GATE, HOLD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab import Lab, Notebook

pytestmark = [pytest.mark.browser, pytest.mark.process]

CELLS = (
    f"{GATE}%load_ext nbflow",
    "LIMIT = 15",
    f"#@task late --defer\nlate = [delay for delay in (3, 20, 16) if delay > LIMIT]\n{HOLD}",
    "#@task total --defer\ntotal = sum(late)",
    "%flow",
    "started = 0",
    "answer = 0",
)
LATE, RUN, FREE = 2, 5, 6


@pytest.fixture
def notebook(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Notebook]:
    """The notebook with a run in the background, whose first task is held; nothing went wrong."""
    with lab.undisturbed(request.node.name, *CELLS) as opened:
        opened.run_all()
        opened.hold()
        opened.run(RUN, "%flow run --background")
        opened.task("late", state="Running").wait_for()
        yield opened


def value_of(notebook: Notebook, expression: str) -> str:
    """What an expression gives in the kernel, which is free for cells."""
    notebook.run(FREE, f"print({expression})")
    return str(notebook.cell(FREE).locator(".jp-OutputArea").inner_text()).strip()


def line_of_the_run(notebook: Notebook, words: str) -> None:
    """Wait until the line below the cell that started the run says so."""
    notebook.cell(RUN).locator(".jp-OutputArea", has_text=words).wait_for()


class TestPause:
    """*Pause* and *Go on*."""

    def test_what_comes_next_waits(self, notebook: Notebook) -> None:
        """Cells run meanwhile; the line of the run and the view say how it stands; it goes on to its end."""
        notebook.press("pause")
        notebook.view.locator("[data-do='go on']").wait_for()
        line_of_the_run(notebook, "run #1 is paused in the background, 2 tasks to go: late, total")
        assert value_of(notebook, "LIMIT + 1") == "16"
        notebook.let_go()
        notebook.task("late", state="Completed").wait_for()
        line_of_the_run(notebook, "run #1 is paused in the background, 1 task to go: total")
        notebook.view.locator(".note", has_text="run #1 is paused in the background").wait_for()
        assert value_of(notebook, "'total' in globals()") == "False"
        assert notebook.view.locator("[data-do=stop]").is_visible()
        notebook.press("go on")
        notebook.task("total", look="fresh").wait_for()
        line_of_the_run(notebook, "2 tasks ran")
        assert value_of(notebook, "total") == "36"
        notebook.page.wait_for_selector(".nbf-flow:not([data-working])")

    def test_by_a_line(self, notebook: Notebook) -> None:
        """`%flow pause` and `%flow resume` are the same, and the buttons follow."""
        notebook.run(FREE, "%flow pause")
        notebook.view.locator("[data-do='go on']").wait_for()
        notebook.run(FREE, "%flow resume")
        notebook.view.locator("[data-do=pause]").wait_for()
        notebook.let_go()
        notebook.task("total", look="fresh").wait_for()


class TestStop:
    """*Stop*, where no cell runs that it could mean."""

    def test_it_ends_the_run(self, notebook: Notebook) -> None:
        """What has not ended is cancelled, and said so; the kernel goes on."""
        notebook.press("stop")
        notebook.page.wait_for_selector(".nbf-flow:not([data-working])")
        line_of_the_run(notebook, "late")
        notebook.task("late", look="cancelled").wait_for()
        notebook.let_go()
        assert value_of(notebook, "'late' in globals()") == "False"
        notebook.run(FREE, "%flow run")
        assert value_of(notebook, "total") == "36"

    def test_while_it_is_paused(self, notebook: Notebook) -> None:
        """What was done stays."""
        notebook.press("pause")
        notebook.view.locator("[data-do='go on']").wait_for()
        notebook.let_go()
        notebook.task("late", state="Completed").wait_for()
        notebook.press("stop")
        notebook.page.wait_for_selector(".nbf-flow:not([data-working])")
        notebook.task("late", look="fresh").wait_for()
        assert value_of(notebook, "late") == "[20, 16]"

    def test_a_cell_that_runs_comes_first(self, notebook: Notebook) -> None:
        """As the notebook's own Stop does; pressed once more, it ends the run in the background."""
        notebook.start(FREE, "#@task endless\nimport time\nwhile True: time.sleep(0.01)")
        notebook.task("endless", state="Running").wait_for()
        notebook.press("stop")
        notebook.task("endless", look="cancelled").wait_for()
        assert notebook.task("late", state="Running").count() == 1
        notebook.press("stop")
        notebook.task("late", look="cancelled").wait_for()
        notebook.let_go()
