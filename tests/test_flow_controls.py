"""The buttons of the live view, in a real browser: what they do, also while a cell runs."""

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
    f"#@task late\nlate = [delay for delay in (3, 20, 16) if delay > LIMIT]\n{HOLD}",
    "#@task total\ntotal = sum(late)",
    "%flow",
    "answer = 0",
)
LIMIT, LATE, TOTAL, FREE = 1, 2, 3, 5


@pytest.fixture
def notebook(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Notebook]:
    """The notebook, opened and run; nothing went wrong, and nothing left the machine."""
    with lab.undisturbed(request.node.name, *CELLS) as opened:
        opened.run_all()
        opened.task("total", look="fresh").wait_for()
        yield opened


def act(notebook: Notebook, task: str, what: str) -> None:
    """Choose a task, press a button of its panel, and wait until that is done."""
    if notebook.view.get_attribute("data-selected") != task:
        notebook.task(task).click()
    notebook.view.locator(f".side [data-do='{what}']").click()
    notebook.page.wait_for_selector(".side[data-act=done]")


class TestPause:
    """While a cell runs."""

    def test_pause_and_go_on(self, notebook: Notebook) -> None:
        """What runs goes on, the next task waits, and starts when it may."""
        notebook.run(LIMIT, "LIMIT = 18")
        notebook.task("late", look="stale").wait_for()
        notebook.hold()
        notebook.start(FREE, "%flow run")
        notebook.task("late", state="Running").wait_for()
        notebook.press("pause")
        notebook.view.locator("[data-do='go on']").wait_for()
        notebook.let_go()
        notebook.page.wait_for_selector(".nbf-flow[data-paused=total]")
        notebook.task("total", state="Pending").wait_for()
        assert "paused before total" in notebook.view.locator(".note").inner_text()
        notebook.press("go on")
        notebook.task("total", look="fresh").wait_for()
        notebook.page.wait_for_selector(".nbf-flow:not([data-paused])")

    def test_stop_while_paused(self, notebook: Notebook) -> None:
        """What was finished stays."""
        notebook.run(LIMIT, "LIMIT = 18")
        notebook.task("late", look="stale").wait_for()
        notebook.hold()
        notebook.start(FREE, "%flow run")
        notebook.task("late", state="Running").wait_for()
        notebook.press("pause")
        notebook.view.locator("[data-do='go on']").wait_for()
        notebook.let_go()
        notebook.page.wait_for_selector(".nbf-flow[data-paused=total]")
        notebook.press("stop")
        notebook.page.wait_for_selector(".nbf-flow:not([data-working])")
        notebook.task("late", look="fresh").wait_for()
        assert notebook.task("total").get_attribute("data-look") in ("cancelled", "stale")


class TestTask:
    """In the panel of a task."""

    def test_retry(self, notebook: Notebook) -> None:
        """A failed task runs once more."""
        notebook.run(FREE, "#@task risky\nrisky = open('there.txt').read()")
        notebook.task("risky", look="failed").wait_for()
        notebook.task("risky").click()
        assert notebook.view.locator(".side [data-do='run task']").inner_text() == "Retry"
        notebook.path.with_name("there.txt").write_text("yes")
        act(notebook, "risky", "run task")
        notebook.task("risky", look="fresh").wait_for()

    def test_accept(self, notebook: Notebook) -> None:
        """A stale result is taken for up to date."""
        notebook.run(LIMIT, "LIMIT = 18")
        notebook.task("late", look="stale").wait_for()
        act(notebook, "late", "accept")
        notebook.task("late", look="as of").wait_for()
        assert notebook.view.locator(".side [data-do=accept]").count() == 0

    def test_pin_and_unpin(self, notebook: Notebook) -> None:
        """A pinned task stays as it is, until it is unpinned."""
        act(notebook, "late", "pin")
        notebook.run(LIMIT, "LIMIT = 18")
        notebook.task("late", look="as of").wait_for()
        act(notebook, "late", "unpin")
        notebook.task("late", look="stale").wait_for()

    def test_resume(self, notebook: Notebook) -> None:
        """A task that waits for a person."""
        notebook.run(FREE, "#@task sent --manual\nsent = 1")
        notebook.task("sent", look="paused").wait_for()
        act(notebook, "sent", "resume")
        notebook.task("sent", look="fresh").wait_for()

    def test_an_earlier_run_beside_the_present(self, notebook: Notebook) -> None:
        """Code, inputs and results that differ; and it can be pinned."""
        notebook.run(LATE, CELLS[LATE].replace("(3, 20, 16)", "(3, 20, 16, 40)"))
        notebook.task("late").click()
        notebook.known("late").wait_for()
        notebook.view.locator(".side .states button", has_text="#1").click()
        notebook.page.wait_for_selector(".side[data-known='late #1']")
        panel = notebook.view.locator(".side")
        assert "(3, 20, 16, 40)" in panel.locator(".diff .plus").inner_text()
        words = " ".join(panel.locator("[data-change=late]").inner_text().split())
        assert words.startswith("late made [20, 16] [20, 16, 40]")
        panel.locator("[data-do=copy]").click()
        panel.get_by_text("%flow open late '#1'").wait_for()
        panel.locator("[data-do='pin run']").click()
        notebook.page.wait_for_selector(".side[data-act=done]")
        notebook.task("late", look="as of").wait_for()
