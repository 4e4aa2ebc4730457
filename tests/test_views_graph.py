"""The picture of a flow."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from nbflow.types import Cause, Verdict
from nbflow.views import Edge, FlowCard, TaskCard
from nbflow.views.graph import draw
from tests.views_cards import flow_of

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: str) -> list[str]:
    """The words drawn in a picture."""
    return [element.text or "" for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def two() -> FlowCard:
    """Two tasks of which the second reads the first."""
    stale = TaskCard(
        "model", Verdict.STALE, "Completed", (Cause("upstream", "df", after="stale", origin="clean"),)
    )
    return FlowCard((TaskCard("clean", Verdict.STALE), stale), (Edge("clean", "model", ("df",)),), "flights")


class TestPicture:
    """What one sees."""

    def test_boxes_bear_name_word_and_reason(self) -> None:
        """A box says what, how and why."""
        assert {"clean", "model", "stale", "stale · needs clean", "df"} == set(texts(draw(two()).alone))

    def test_an_edge_repeats_no_name(self) -> None:
        """A task is called after what it makes; saying it again on the edge would be noise."""
        flow = FlowCard((TaskCard("raw", None), TaskCard("clean", None)), (Edge("raw", "clean", ("raw",)),))
        assert texts(draw(flow).alone).count("raw") == 1

    def test_it_names_itself_to_a_screen_reader(self) -> None:
        """As one picture with a title and the counts."""
        root = ElementTree.fromstring(draw(two()).alone)
        assert root.get("role") == "img"
        assert root.get("aria-label") == root.findtext(f"{SVG}title") == "flights: 2 tasks"
        assert root.findtext(f"{SVG}desc") == "flights · 2 stale"

    def test_pointing_at_a_box_tells_all_of_it(self) -> None:
        """Also what was cut to fit."""
        name = "a_very_long_name_of_a_task_that_fits_no_box_at_all"
        svg = draw(
            FlowCard((TaskCard(name, Verdict.STALE, causes=(Cause("never ran", "this step"),)),))
        ).alone
        assert name not in texts(svg)
        assert any(text.endswith("…") for text in texts(svg))
        assert f"<title>{name}: stale · never ran</title>" in svg

    def test_edges_to_unknown_tasks_are_left_out(self) -> None:
        """They lead nowhere."""
        flow = FlowCard((TaskCard("clean", None),), (Edge("clean", "ghost"), Edge("ghost", "clean")))
        assert 'class="e"' not in draw(flow).alone

    def test_alone_it_needs_nothing_of_a_page(self) -> None:
        """No variables, no mixed colours: programs that draw SVG files know neither."""
        alone = draw(flow_of(20)).alone
        assert "var(" not in alone
        assert "color-mix" not in alone
        assert ElementTree.fromstring(alone).find(f"{SVG}rect") is not None

    def test_in_a_page_it_takes_the_colours_of_the_host(self) -> None:
        """So that it is right in light and dark."""
        assert not re.search(r"#[0-9a-f]{6}", draw(flow_of(20)).inline)

    @given(st.lists(st.text(max_size=30), max_size=6, unique=True), st.text(max_size=20))
    def test_any_names_give_a_readable_file(self, names: list[str], title: str) -> None:
        """Whatever users call their tasks."""
        tasks = tuple(TaskCard(name, Verdict.STALE, "Failed", error=title) for name in names)
        edges = tuple(Edge(one, other, (title,)) for one in names for other in names)
        picture = draw(FlowCard(tasks, edges, title))
        ElementTree.fromstring(picture.alone)
        ElementTree.fromstring(picture.inline)


class TestSize:
    """A picture is saved with the notebook."""

    def test_fifty_tasks(self) -> None:
        """With names, words and tooltips."""
        assert len(draw(flow_of(50)).alone.encode()) <= 60_000
        assert len(draw(flow_of(50)).inline.encode()) <= 60_000

    def test_very_many_tasks_become_a_map(self) -> None:
        """Squares by colour without words; what they mean is in their titles."""
        picture = draw(flow_of(1000))
        assert texts(picture.alone) == []
        assert len(picture.alone.encode()) <= 80_000
        assert "1,000 tasks" in picture.alone
        assert re.search(r"<title>\d+ tasks: stale</title>", picture.alone)
