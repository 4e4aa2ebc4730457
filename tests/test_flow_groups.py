"""Mapped tasks and child flows in the live view: groups that open, in a real browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.headless import notebook_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab import Lab, Notebook

pytestmark = [pytest.mark.browser, pytest.mark.process]

CELLS = (
    "%load_ext nbflow",
    "import time\nfrom nbflow import flow, task",
    "#@task raw\ntime.sleep(0.1)\nraw = list(range(12))",
    "#@task squares --map x=raw\ntime.sleep(0.01)\nsquares = x * x",
    "#@task total\ntime.sleep(0.1)\ntotal = sum(squares)",
    "@flow\ndef child(n):\n    return [inc(each) for each in range(n)]\n"
    "@flow\ndef etl():\n    inc.map([1, 2, 3]).wait()\n    return child(2)\n"
    "@task\ndef inc(x):\n    return x + 1\nmade = etl()",
    "%flow",
    "#@task bad --map x=raw\nif x == 7: raise ValueError('no seven')\nbad = x",
)
TOTAL, FLOW, BAD = 4, 6, 7


@pytest.fixture
def notebook(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Notebook]:
    """The notebook, opened and run; nothing went wrong, and nothing left the machine."""
    folder = lab.folder / request.node.name.translate({ord("["): "-", ord("]"): None})
    folder.mkdir()
    with lab.opened(notebook_of(folder / "groups.ipynb", *CELLS), dark="dark" in request.node.name) as opened:
        for place in range(BAD + 1):
            opened.run(place)
        opened.task("bad", look="failed").wait_for()
        yield opened
        assert opened.errors == []
        assert opened.requested - {lab.url.removeprefix("http://"), ""} == set()


def flip(notebook: Notebook, name: str) -> None:
    """Open or close a group."""
    notebook.view.locator(f".main [data-fold='{name}'], .main [data-flip='{name}']").first.dispatch_event(
        "click"
    )


def below(notebook: Notebook, upper: str, lower: str) -> float:
    """How many pixels one box stands below another."""
    return float(notebook.task(lower).bounding_box()["y"] - notebook.task(upper).bounding_box()["y"])


class TestGraph:
    """A box that holds others."""

    def test_a_closed_group_counts(self, notebook: Notebook) -> None:
        """How many items there are, and what is not well with them."""
        assert "12 items" in str(notebook.task("squares").get_attribute("aria-label"))
        assert "1 of 12 items failed" in str(notebook.task("bad").get_attribute("aria-label"))

    def test_an_open_group_shows_them(self, notebook: Notebook) -> None:
        """The failed one first, by name; what stands below makes room."""
        before = below(notebook, "raw", "total")
        flip(notebook, "squares")
        members = notebook.view.locator("[data-open] [data-part]")
        assert members.count() == 12
        assert below(notebook, "raw", "total") > before
        flip(notebook, "squares")
        flip(notebook, "bad")
        assert "bad[7]: failed" in str(members.first.get_attribute("aria-label"))
        assert "ValueError: no seven" in str(members.first.get_attribute("aria-label"))

    def test_details_of_an_item(self, notebook: Notebook) -> None:
        """Its states, its error, or what it has read and made."""
        flip(notebook, "bad")
        notebook.view.locator("[data-open] [data-part]").first.click()
        notebook.known("bad[7]").wait_for()
        assert "ValueError: no seven" in notebook.view.locator(".side .error").inner_text()
        assert "x 7" in " ".join(notebook.view.locator(".side [data-part=inputs]").inner_text().split())
        flip(notebook, "squares")
        notebook.view.locator("[data-part][aria-label^='squares[3]']").click()
        notebook.known("squares[3]").wait_for()
        panel = notebook.view.locator(".side")
        assert "x 3" in " ".join(panel.locator("[data-part=inputs]").inner_text().split())
        assert "squares 9" in " ".join(panel.locator("[data-part=outputs]").inner_text().split())

    def test_by_keys(self, notebook: Notebook) -> None:
        """`o` opens the chosen group, and closes it."""
        notebook.task("bad").click()
        notebook.page.keyboard.press("o")
        notebook.view.locator("[data-open] [data-part]").first.wait_for()
        notebook.page.keyboard.press("o")
        assert notebook.view.locator("[data-open]").count() == 0

    def test_a_cell_that_ran_a_flow(self, notebook: Notebook) -> None:
        """Holds that, which holds what it has called."""
        notebook.open_tab("timeline")
        flip(notebook, "cell [6]")
        lanes = notebook.view.locator(".lane.part .name").all_inner_texts()
        assert lanes == ["etl", "inc", "inc[0]", "inc[1]", "inc[2]", "child", "inc", "inc"]

    def test_items_of_an_earlier_kernel(self, notebook: Notebook) -> None:
        """Asked for when they are looked at."""
        notebook.save()
        notebook.restart_and_run_all()
        notebook.view.locator("[data-task=squares][data-look=reused]").wait_for()
        flip(notebook, "squares")
        last = notebook.view.locator("[data-part][aria-label^='squares[11]: c']")
        last.wait_for()
        notebook.run(BAD, "#@task more\nmore = 1")
        notebook.task("more", look="fresh").wait_for()
        last.wait_for()


class TestOtherTabs:
    """The same groups as rows and lanes."""

    def test_table(self, notebook: Notebook) -> None:
        """A row for each, the failed one first."""
        notebook.open_tab("table")
        flip(notebook, "bad")
        rows = notebook.view.locator("tr.sub")
        assert rows.count() == 12
        assert "bad[7]" in rows.first.inner_text()
        assert "ValueError: no seven" in rows.first.inner_text()

    @pytest.mark.parametrize(("tab", "part"), [("table", "tr.sub"), ("timeline", ".lane.part")])
    def test_by_keys(self, notebook: Notebook, tab: str, part: str) -> None:
        """What opens a row or a lane keeps the keyboard, and closes it."""
        notebook.open_tab(tab)
        notebook.view.locator("[data-flip=bad]").focus()
        for count in (12, 0, 12):
            notebook.page.keyboard.press("Enter")
            assert notebook.view.locator(part).count() == count

    def test_the_critical_path(self, notebook: Notebook) -> None:
        """Named and marked: the chain that took longest."""
        notebook.run(TOTAL, "#@task total\ntime.sleep(0.2)\ntotal = sum(squares)")
        notebook.open_tab("timeline")
        told = notebook.view.locator(".critical").first
        told.wait_for()
        assert told.inner_text().endswith("raw → squares → total")
        assert notebook.view.locator(".lane.critical").count() == 3

    def test_history(self, notebook: Notebook) -> None:
        """A run's items, and what a flow has called, with how long it took."""
        notebook.open_tab("history")
        first = notebook.view.locator("tr[data-run]").first
        assert "bad" in first.inner_text()
        assert "bad[7]" not in first.inner_text()
        first.locator(".flip").click()
        notebook.view.locator("tr.sub .flip").click()
        notebook.view.locator("[data-within='bad[7]']").wait_for()
        assert notebook.view.locator("[data-within]").count() == 12


@pytest.mark.parametrize("theme", ["light", "dark"])
class TestForEverybody:
    """Open groups by the rules of accessibility; a picture of each is kept to be looked at."""

    def test_rules(self, notebook: Notebook, theme: str) -> None:
        """In every tab."""
        for name in ("squares", "bad"):
            flip(notebook, name)
        notebook.view.locator("[data-part][aria-label^='bad[7]']").click()
        notebook.known("bad[7]").wait_for()
        for tab in ("graph", "table", "timeline", "history"):
            notebook.open_tab(tab)
            notebook.keep(notebook.view, f"{theme}-groups-{tab}")
