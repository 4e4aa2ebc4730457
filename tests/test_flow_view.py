"""The live view in JupyterLab, in a real browser; every wait is for what the page says, none for time."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe

import nbflow
from tests.headless import notebook_of
from tests.lab import GATE, HOLD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab import Lab, Notebook

pytestmark = [pytest.mark.browser, pytest.mark.process]

LOAD, LIMIT, RAW, LATE, SLOW, SUM, OTHER, FLOW, FREE = range(9)
CELLS = (
    f"{GATE}%load_ext nbflow",
    "LIMIT = 15",
    "#@task raw --tags source\nraw = [3, 20, 16, 45]",
    "#@task late --description 'behind the limit'\nlate = [delay for delay in raw if delay > LIMIT]\nlate",
    f"#@task slow --retries 1\nimport time\nslow = len(late)\ntime.sleep(0.2)\n{HOLD}",
    "#@task total\ntotal = sum(late) / slow",
    "#@task other\nother = 'apart'",
    "%flow",
    "answer = 0",
)
TASKS = ("raw", "late", "slow", "total", "other")
DRAW_ANEW = """index => {
  const { outputs } = window.jupyterapp.shell.currentWidget.content.widgets[index].model;
  const before = document.querySelector('.nbf-host');
  outputs.set(0, outputs.get(0).toJSON());
  if (before.isConnected) throw new Error('nothing was drawn anew');
}"""
TABS = ("graph", "table", "timeline", "history")
PICTURES = Path(nbflow.__file__).parents[1] / "build" / "views"


@pytest.fixture
def notebook(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Notebook]:
    """The notebook, opened and run; nothing went wrong, and nothing left the machine."""
    folder = lab.folder / request.node.name.translate({ord("["): "-", ord("]"): None})
    folder.mkdir()
    with lab.opened(
        notebook_of(folder / "flights.ipynb", *CELLS), dark="dark" in request.node.name
    ) as opened:
        opened.run_all()
        opened.view.wait_for()
        yield opened
        assert opened.errors == []
        assert opened.requested - {lab.url.removeprefix("http://"), ""} == set()


def reach_of(notebook: Notebook, reach: str) -> set[str]:
    """The tasks that the graph marks as upstream or downstream."""
    found = notebook.view.locator(f"[data-reach={reach}]")
    return {str(found.nth(place).get_attribute("data-task")) for place in range(found.count())}


def focused(notebook: Notebook) -> str | None:
    """The task that has the keyboard."""
    return notebook.page.evaluate(
        "document.querySelector('.nbf-flow').shadowRoot.activeElement?.dataset.task"
    )


def edit(notebook: Notebook, limit: int) -> None:
    """Change the limit, and wait until the view knows."""
    notebook.run(LIMIT, f"LIMIT = {limit}")
    notebook.task("late", look="stale").wait_for()


def value_of(notebook: Notebook, expression: str) -> str:
    """What an expression gives in the kernel."""
    notebook.run(FREE, f"print({expression})")
    return str(notebook.cell(FREE).locator(".jp-OutputArea").inner_text()).strip()


def saved_outputs(path: Path) -> list[dict[str, Any]]:
    """The saved outputs of the cell that shows the flow."""
    return json.loads(path.read_text())["cells"][FLOW]["outputs"]


class TestLive:
    """The view follows what happens."""

    def test_it_shows_the_flow(self, notebook: Notebook) -> None:
        """Every task by look, icon and word; the static view steps back."""
        for name in TASKS:
            notebook.task(name, look="fresh").wait_for()
        assert "5 fresh" in notebook.view.locator(".chips").inner_text()
        assert not notebook.cell(FLOW).locator("svg.nbf-g").is_visible()
        notebook.page.wait_for_selector(".nbf-flow:not([data-working])")

    def test_stale_tasks_say_why(self, notebook: Notebook) -> None:
        """After an edit above, the graph names the cause, and the button what a run would do."""
        edit(notebook, 18)
        assert "LIMIT changed: 15 → 18" in str(notebook.task("late").get_attribute("aria-label"))
        assert notebook.view.locator("[data-do=run]").inner_text() == "Run 3 stale tasks"
        assert "3 stale" in notebook.view.locator(".chips").inner_text()

    def test_a_task_that_failed_is_not_called_stale(self, notebook: Notebook) -> None:
        """The button counts it, in the word that the head has for all."""
        notebook.run(LATE, "#@task late\nlate = [1 / 0]")
        notebook.task("late", look="failed").wait_for()
        notebook.view.locator("[data-do=run]", has_text=re.compile(r"^Run \d+ tasks?$")).wait_for()

    def test_states_while_a_cell_runs(self, notebook: Notebook) -> None:
        """A task is seen running while its cell runs, and fresh afterwards."""
        edit(notebook, 18)
        notebook.hold()
        notebook.start(FREE, "%flow run")
        notebook.task("slow", state="Running").wait_for()
        assert notebook.view.locator("[data-do=stop]").is_visible()
        notebook.let_go()
        notebook.task("total", look="fresh").wait_for()
        assert "5 fresh" in notebook.view.locator(".chips").inner_text()

    def test_a_new_task_joins(self, notebook: Notebook) -> None:
        """The picture grows with the flow."""
        notebook.hold()
        notebook.start(FREE, f"#@task extra\nextra = total + 1\n{HOLD}")
        notebook.task("extra", state="Running").wait_for()
        assert notebook.task("late", look="fresh").count() == 1
        notebook.task("extra").click()
        assert reach_of(notebook, "upstream") >= {"raw", "late", "slow", "total"}
        notebook.let_go()
        notebook.task("extra", look="fresh").wait_for()

    def test_after_a_reload(self, notebook: Notebook) -> None:
        """A page that is opened anew on a living kernel has the view again, as things stand."""
        edit(notebook, 18)
        notebook.save()
        notebook.reload()
        notebook.task("late", look="stale").wait_for()
        notebook.run(LATE)
        notebook.task("late", look="fresh").wait_for()

    def test_after_a_restart(self, notebook: Notebook) -> None:
        """Without its kernel the static view is back; with the next one the view is live again."""
        notebook.save()
        notebook.restart()
        notebook.view.wait_for(state="detached")
        assert notebook.cell(FLOW).locator("svg.nbf-g").is_visible()
        notebook.run_all()
        notebook.view.locator("[data-task=late][data-look=reused]").wait_for()

    def test_the_saved_notebook_shows_the_present(self, notebook: Notebook, lab: Lab) -> None:
        """What is saved is the static picture of how things stood last, and it needs no kernel."""
        edit(notebook, 18)
        notebook.cell(FLOW).locator("svg.nbf-g text", has_text="stale").first.wait_for(state="attached")
        notebook.save()
        (output,) = saved_outputs(notebook.path)
        assert set(output["data"]) == {"text/html", "image/svg+xml", "application/pdf", "text/plain"}
        assert "3 stale" in "".join(output["data"]["text/plain"])
        copy = notebook_of(notebook.path.with_name("copy.ipynb"), *CELLS)
        copy.write_text(notebook.path.read_text())
        with lab.opened(copy) as again:
            again.cell(FLOW).locator("svg.nbf-g").wait_for()
            assert again.view.count() == 0

    def test_a_fault_of_the_view_changes_nothing(self, notebook: Notebook) -> None:
        """A connection that raises ends the view; tasks run as before, and `%flow` brings the view back."""
        notebook.run(
            FREE,
            "import nbflow\ndef send(*_): raise RuntimeError\nnbflow.session().live._view.widget.send = send",
        )
        notebook.run(LIMIT, "LIMIT = 18")
        assert value_of(notebook, "0") == "0"
        notebook.run(FREE, "%flow run")
        assert "3 tasks ran" in notebook.cell(FREE).inner_text()
        notebook.run(FLOW)
        notebook.task("total", look="fresh").wait_for()


class TestHands:
    """What one does with the view."""

    def test_choosing_a_task(self, notebook: Notebook) -> None:
        """What it needs and what needs it stand out, and the panel tells all about it."""
        notebook.task("slow").click()
        notebook.known("slow").wait_for()
        assert reach_of(notebook, "upstream") == {"raw", "late", "cell [2]"}
        assert reach_of(notebook, "downstream") == {"total"}
        assert "dim" in str(notebook.task("other").get_attribute("class"))
        panel = notebook.view.locator(".side")
        assert "first run" in panel.inner_text()
        assert "slow = len(late)" in panel.locator("[data-part=source]").text_content()

    def test_filtering(self, notebook: Notebook) -> None:
        """By name, by tag, and by state with a click on its count."""
        for words, left in (("tot", {"total"}), ("source", {"raw"}), ("", {*TASKS, "cell [2]"})):
            notebook.view.locator("input").fill(words)
            assert shown_in_graph(notebook) == left
        edit(notebook, 18)
        notebook.view.locator(".chips [data-look=stale]").click()
        assert shown_in_graph(notebook) == {"late", "slow", "total"}

    def test_keys(self, notebook: Notebook) -> None:
        """Arrows walk along the edges, and the notebook takes no key for a command."""
        count = notebook.count_cells()
        notebook.task("raw").focus()
        keys = notebook.page.keyboard
        for key in ("Enter", "ArrowDown", "ArrowDown"):
            keys.press(key)
        assert selected(notebook) == "slow"
        for key in ("d", "d", "x", "a", "b", "m", "y", "Shift+M", "f"):
            keys.press(key)
        keys.press("ArrowUp")
        assert selected(notebook) == "late"
        keys.press("/")
        keys.type("dd raw")
        keys.press("Escape")
        keys.press("Escape")
        assert selected(notebook) is None
        assert notebook.count_cells() == count

    def test_the_keyboard_stays_where_it_is(self, notebook: Notebook) -> None:
        """JupyterLab draws an output anew whose picture changes; a new task makes the whole graph anew."""
        edit(notebook, 18)
        notebook.hold()
        notebook.start(FREE, "%flow run")
        notebook.task("slow", state="Running").wait_for()
        notebook.task("late").focus()
        notebook.let_go()
        notebook.task("total", look="fresh").wait_for()
        notebook.cell(FLOW).locator("svg.nbf-g").first.wait_for(state="attached")
        assert focused(notebook) == "late"
        notebook.hold()
        notebook.start(FREE, f"#@task extra\nextra = 1\n{HOLD}")
        notebook.task("extra", state="Running").wait_for()
        notebook.task("late").focus()
        notebook.let_go()
        notebook.task("extra", look="fresh").wait_for()
        assert focused(notebook) == "late"

    def test_a_button_that_is_being_pressed_stays(self, notebook: Notebook) -> None:
        """What is told meanwhile takes no button from under the hand."""
        notebook.hold()
        notebook.start(OTHER, f"#@task other\nother = 1\n{HOLD}")
        notebook.task("other", state="Running").wait_for()
        notebook.task("other").click()
        panel = notebook.view.locator(".side")
        panel.locator("[data-do=force]").hover()
        notebook.page.mouse.down()
        panel.get_by_text("2 s").wait_for()
        notebook.page.mouse.up()
        panel.get_by_text("Stop ends it now").wait_for()
        notebook.let_go()
        notebook.page.wait_for_selector(".side[data-act=done]")

    def test_an_output_that_is_drawn_anew_while_a_button_is_pressed(self, notebook: Notebook) -> None:
        """The browser sees no click then; the view does."""
        notebook.view.locator("#tab-table").hover()
        notebook.page.mouse.down()
        notebook.page.evaluate(DRAW_ANEW, FLOW)
        notebook.view.wait_for()
        notebook.page.mouse.up()
        notebook.page.wait_for_selector(".nbf-flow[data-tab=table]")

    def test_a_graph_that_is_drawn_anew_while_a_box_is_pressed(self, notebook: Notebook) -> None:
        """The box that stands there now is the one that was meant."""
        notebook.hold()
        task = "from nbflow import task\n@task\ndef more():\n    return total"
        notebook.start(FREE, f"{HOLD}\n{task}")
        notebook.task("raw").hover()
        notebook.page.mouse.down()
        notebook.let_go()
        notebook.task("more").wait_for()
        notebook.page.mouse.up()
        notebook.known("raw").wait_for()

    def test_tabs_by_keys(self, notebook: Notebook) -> None:
        """As tabs are walked everywhere."""
        notebook.view.locator("#tab-graph").focus()
        for tab in (*TABS[1:], TABS[0]):
            notebook.page.keyboard.press("ArrowRight")
            notebook.page.wait_for_selector(f".nbf-flow[data-tab={tab}]")
        notebook.page.keyboard.press("End")
        notebook.page.wait_for_selector(".nbf-flow[data-tab=history]")

    def test_sorting(self, notebook: Notebook) -> None:
        """By each column, both ways, and back to flow order."""
        notebook.open_tab("table")
        assert rows(notebook) == list(TASKS)
        sort = notebook.view.get_by_role("button", name="task", exact=True)
        for order in (sorted(TASKS), sorted(TASKS, reverse=True), list(TASKS)):
            sort.click()
            assert rows(notebook) == order

    def test_zooming(self, notebook: Notebook) -> None:
        """Words give way to shapes in the distance; `Fit` shows all."""
        for _ in range(9):
            notebook.view.get_by_role("button", name="zoom out").click()
        assert notebook.view.locator(".stage").get_attribute("data-level") == "far"
        notebook.view.get_by_role("button", name="Fit").click()
        assert notebook.view.locator(".stage").get_attribute("data-level") == "near"

    def test_fitting_into_a_narrow_window(self, notebook: Notebook) -> None:
        """The graph is as high as it is drawn, and grows as it comes nearer."""
        wide, stage = notebook.page.viewport_size, notebook.view.locator(".stage")
        notebook.page.set_viewport_size({"width": 700, "height": 1000})
        before = stage.bounding_box()["height"]
        notebook.view.get_by_role("button", name="Fit").click()
        assert stage.bounding_box()["height"] < before
        for _ in range(9):
            notebook.view.get_by_role("button", name="zoom in").click()
        assert stage.bounding_box()["height"] == before
        notebook.page.set_viewport_size(wide)

    def test_looking_into_a_value(self, notebook: Notebook) -> None:
        """Rows are asked for when somebody looks, twenty at a time."""
        notebook.run(FREE, "#@task many\nmany = list(range(1000, 1080))")
        notebook.task("many").click()
        notebook.known("many").wait_for()
        panel = notebook.view.locator(".side")
        panel.locator("[data-value=many] button").click()
        panel.locator("[data-shown='many 0']").wait_for()
        assert "1019" in panel.locator("[data-pages=outputs]").inner_text()
        for turn, start in (("later", 20), ("later", 40), ("later", 60), ("earlier", 40)):
            panel.get_by_role("button", name=f"{turn} rows").click()
            panel.locator(f"[data-shown='many {start}']").wait_for()
            assert str(1000 + start) in panel.locator("[data-pages=outputs]").inner_text()

    def test_the_timeline_of_what_ran_before(self, notebook: Notebook) -> None:
        """Also of what ran before the view was shown: what each task took, and what reuse saved."""
        notebook.open_tab("timeline")
        lanes = notebook.view.locator(".lane")
        assert {lanes.nth(place).get_attribute("data-task") for place in range(lanes.count())} >= set(TASKS)
        assert notebook.view.locator("[data-task=slow] .bar").count() == 1
        notebook.run(SLOW)
        notebook.view.locator("[data-task=slow] .told", has_text="reused, saved 0.").wait_for()

    def test_the_timeline_of_attempts(self, notebook: Notebook) -> None:
        """Each attempt and the wait between them."""
        header = "#@task hopeless --retries 1 --retry-delay 0.3"
        notebook.run(FREE, f"{header}\nhopeless = 1 / 0")
        notebook.open_tab("timeline")
        lane = notebook.view.locator(".lane[data-task=hopeless]")
        lane.get_by_text("2 attempts").wait_for()
        assert lane.locator(".bar.wait").count() == 1
        assert lane.locator(".bar:not(.wait)").count() == 2


class TestControls:
    """What the buttons do."""

    def test_run_all_that_is_stale(self, notebook: Notebook) -> None:
        """And the view says what was done."""
        edit(notebook, 18)
        notebook.do("run")
        assert "3 tasks ran" in notebook.view.locator(".note").inner_text()
        assert value_of(notebook, "late") == "[20, 45]"

    def test_run_one_task(self, notebook: Notebook) -> None:
        """With what it needs, and nothing else; or anew."""
        edit(notebook, 18)
        notebook.task("late").click()
        notebook.view.locator("[data-do='run task']").click()
        notebook.task("late", look="fresh").wait_for()
        notebook.task("total", look="stale").wait_for()
        notebook.view.locator("[data-do=force]").click()
        notebook.view.locator(".said", has_text="1 task ran").wait_for()

    def test_stop_while_a_cell_runs(self, notebook: Notebook) -> None:
        """The page is heard at once, although the kernel is busy."""
        notebook.start(FREE, "#@task endless\nimport time\nwhile True: time.sleep(0.01)")
        notebook.page.wait_for_selector(".nbf-flow[data-working]")
        notebook.view.locator("[data-do=stop]").click()
        notebook.page.wait_for_selector(".nbf-flow:not([data-working])")
        notebook.task("endless", look="cancelled").wait_for()

    def test_details_while_a_cell_runs(self, notebook: Notebook) -> None:
        """What the history knows comes at once, the rest when the cell ends."""
        notebook.hold()
        notebook.start(FREE, HOLD)
        notebook.page.wait_for_selector(".nbf-flow[data-working]")
        notebook.task("late").click()
        notebook.page.wait_for_selector(".side[data-known='in part']")
        assert "Runs" in notebook.view.locator(".side").inner_text()
        notebook.let_go()
        notebook.known("late").wait_for()
        assert "Outputs" in notebook.view.locator(".side").inner_text()

    def test_restore(self, notebook: Notebook) -> None:
        """From the history to a run, and back to its values."""
        edit(notebook, 18)
        notebook.do("run")
        notebook.task("late").click()
        notebook.open_tab("history")
        notebook.view.get_by_role("button", name="only late").click()
        notebook.view.locator("tr[data-run]:nth-of-type(2)").wait_for()
        notebook.view.locator("tr[data-run='2'] .flip").click()
        notebook.view.locator("tr.sub button").click()
        notebook.page.wait_for_selector(".side[data-known='late #2']")
        assert notebook.view.locator(".side [data-change=LIMIT]").inner_text().split() == [
            "LIMIT",
            "15",
            "18",
        ]
        notebook.view.locator("[data-do=restore]").click()
        notebook.page.wait_for_selector(".side[data-act=done]")
        assert value_of(notebook, "late") == "[20, 16, 45]"


@pytest.mark.parametrize("theme", ["light", "dark"])
class TestForEverybody:
    """By rules of accessibility, and to the eye."""

    def test_rules(self, notebook: Notebook, theme: str) -> None:
        """Roles, names and contrast are right on each tab; a picture of each is kept to be looked at."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        edit(notebook, 16)
        notebook.run(SUM, "#@task total\ntotal = 1 / 0")
        notebook.task("total", look="failed").wait_for()
        notebook.task("late").click()
        notebook.known("late").wait_for()
        for tab in TABS:
            notebook.open_tab(tab)
            notebook.view.screenshot(path=PICTURES / f"{theme}-{tab}.png", animations="disabled")
            answer = Axe().run(notebook.page, context=".nbf-flow").response
            assert {"color-contrast", "button-name"} <= {each["id"] for each in answer["passes"]}
            found = answer["violations"]
            assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found] == []


def shown_in_graph(notebook: Notebook) -> set[str]:
    """The tasks that stand out."""
    nodes = notebook.view.locator(".node:not(.dim)")
    return {str(nodes.nth(place).get_attribute("data-task")) for place in range(nodes.count())}


def selected(notebook: Notebook) -> str | None:
    """The task that is chosen."""
    return notebook.view.get_attribute("data-selected")


def rows(notebook: Notebook) -> list[str]:
    """The tasks of the table in their order."""
    return notebook.view.locator("tbody tr[data-task] .name").all_inner_texts()
