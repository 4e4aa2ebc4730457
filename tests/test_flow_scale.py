"""The live view of very many tasks, in a real browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.many_states import change, opened_with

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab import Lab, Notebook

pytestmark = [pytest.mark.browser, pytest.mark.process]

ELEMENTS = "() => document.querySelector('.nbf-flow').shadowRoot.querySelectorAll('{}').length"


@pytest.fixture
def opened(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Notebook]:
    """A notebook that shows as many tasks as the test says."""
    with opened_with(lab, request.param) as opened:
        yield opened


class TestScale:
    """Bursts of changes."""

    @pytest.mark.parametrize("opened", [1000], indirect=True)
    def test_a_thousand_tasks(self, opened: Notebook) -> None:
        """In the end the page shows the last state of each."""
        change(opened)
        opened.page.wait_for_function(f"{ELEMENTS.format('.node[data-state=Completed]')} === 1000")

    @pytest.mark.parametrize("opened", [5000], indirect=True)
    def test_five_thousand_tasks(self, opened: Notebook) -> None:
        """Those in sight are elements, all others a ground; its counts are right."""
        change(opened)
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
