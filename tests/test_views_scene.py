"""A flow as the values that a live page draws."""

from __future__ import annotations

import json
from dataclasses import replace

from nbflow.states import TERMINAL, TYPES
from nbflow.types import Verdict
from nbflow.views import Edge, FlowCard, TaskCard
from nbflow.views.graph import draw
from nbflow.views.looks import STATES, look_of
from nbflow.views.scene import entry_of, look_name, looks, picture_of
from tests.views_cards import LATE, flow_of


class TestEntries:
    """One task."""

    def test_what_is_not_known_is_left_out(self) -> None:
        """A page of a thousand tasks is told no nulls."""
        assert entry_of(TaskCard("raw", None)) == {"name": "raw", "look": "not run", "sub": "not run"}

    def test_it_says_what_the_table_says(self) -> None:
        """Verdict, state, reason, numbers and words."""
        card = TaskCard("late", Verdict.STALE, "Failed", (LATE,), 1.5, attempt=2, error="KeyError: 'x'")
        entry = entry_of(card)
        assert (entry["verdict"], entry["state"], entry["why"]) == ("stale", "Failed", "KeyError: 'x'")
        assert (entry["look"], entry["took"], entry["attempt"]) == ("failed", "1.5 s", 2)

    def test_every_look_is_known(self) -> None:
        """Whatever a task can look like, the page has word, colour, icon and shape of it."""
        known = looks()
        for state in STATES:
            for verdict in (None, *Verdict):
                look = look_of(TaskCard("a", verdict, state))
                assert known["looks"][look_name(look)]["word"] == look.word
                assert known["looks"][look_name(look)]["hue"] == look.hue

    def test_states_that_go_on_are_known(self) -> None:
        """The page knows which tasks are on their way."""
        assert set(looks()["open"]) == {name for name, kind in TYPES.items() if kind not in TERMINAL}


class TestPictures:
    """A whole flow."""

    def test_it_can_be_sent(self) -> None:
        """Everything in it is plain."""
        picture = picture_of(flow_of(30))
        assert json.loads(json.dumps(picture)) == picture

    def test_boxes_stand_where_the_static_picture_has_them(self) -> None:
        """Both are from one layout."""
        flow = flow_of(12)
        svg = draw(flow).inline
        for x, y in picture_of(flow)["corners"]:
            assert f"translate({x:g},{y:g})" in svg

    def test_boxes_stay_where_they_were(self) -> None:
        """A flow with the same tasks and edges is not laid out again."""
        before = picture_of(flow_of(12))
        longer = [replace(task, description="x" * 90, state="Running") for task in flow_of(12).tasks]
        after = picture_of(replace(flow_of(12), tasks=tuple(longer)), at=before)
        assert after["corners"] is before["corners"]
        assert after["tasks"] != before["tasks"]

    def test_a_new_edge_is_a_new_picture(self) -> None:
        """Also between tasks that were there."""
        tasks = (TaskCard("a", Verdict.FRESH), TaskCard("b", Verdict.FRESH))
        before = picture_of(FlowCard(tasks))
        after = picture_of(FlowCard(tasks, (Edge("a", "b", ("x",)),)), at=before)
        assert before["corners"] != after["corners"]
        assert after["lines"][0][3] == ["x"]

    def test_a_thousand_tasks_have_the_shape_of_a_screen(self) -> None:
        """A large flow is neither a thread nor a ribbon."""
        width, height = picture_of(flow_of(1000, reach=60))["extent"]
        assert 0.2 < width / height < 5
