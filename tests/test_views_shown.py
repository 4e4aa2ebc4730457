"""The views as a whole: safe, in several forms, alike in all of them."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbflow.states import Transition
from nbflow.types import Cause, Verdict
from nbflow.views import (
    ActionCard,
    ActionLine,
    Edge,
    FlowCard,
    HistoryCard,
    PlanCard,
    PlanLine,
    RunLine,
    Shown,
    TaskCard,
    WhyCard,
    show_action,
    show_badge,
    show_flow,
    show_history,
    show_lines,
    show_order,
    show_plan,
    show_status,
    show_why,
)
from nbflow.views.pdf import picture_bundle
from tests.views_cards import NOW, Reader, flow_of

if TYPE_CHECKING:
    from collections.abc import Iterator


def everything_with(text: str) -> Iterator[Shown]:
    """Every view, with a text of a user wherever there can be one."""
    cause = Cause("input", text, text, text + "2", text)
    odd = Cause(text, text, text, text, text)
    card = TaskCard(
        text,
        Verdict.STALE,
        text,
        (cause, odd),
        reads=(text,),
        writes=(text,),
        notes=(text,),
        error=text,
        description=text,
        tags=(text,),
    )
    failed = TaskCard("other", Verdict.STALE, "Failed", (odd,), error=text, is_plain=True)
    flow = FlowCard((card, failed), (Edge(text, "other", (text,)),), text, NOW, (text,))
    entry = Transition("r", 1, 1, NOW, "FAILED", text, text)
    yield from (show_badge(card), show_badge(failed), show_badge(card, static=True))
    yield from (show_status(flow), show_flow(flow), show_order(flow))
    yield from (show_action(ActionCard((ActionLine(text, "failed", (odd,), note=text),), 3, (text,))),)
    yield show_lines(text)
    yield show_plan(PlanCard((PlanLine(text, "runs", (cause, odd)),), 1.0, text, (text,)))
    yield show_why(WhyCard(card, (cause, odd), text, ((text, text, text + "\n" + text),)))
    yield show_history(HistoryCard((RunLine(1, text, text, text, NOW, 1.0, 2, (odd,), (entry,)),), text, NOW))
    yield from (show_status(FlowCard((), title=text)), show_plan(PlanCard((), title=text)))


class TestSafety:
    """Users' texts run nowhere."""

    @pytest.mark.parametrize(
        "text",
        [
            "<script>alert(1)</script>",
            '" onload="alert(1)',
            "</style><img src=x>",
            "<svg/onload=alert(1)>",
            "--><b>",
            "&lt;",
            "]]>",
        ],
    )
    def test_markup_of_users_is_shown_and_not_obeyed(self, text: str) -> None:
        """In names, causes, errors, notes, titles, code and states."""
        for shown in everything_with(text):
            assert Reader(shown.html).is_safe()
            assert not shown.svg or ElementTree.fromstring(shown.svg).tag.endswith("svg")

    @given(st.text(max_size=20))
    def test_any_text_gives_well_formed_views(self, text: str) -> None:
        """Also control characters, half a surrogate, and nothing at all."""
        for shown in everything_with(text):
            assert Reader(shown.html).is_safe()
            (shown.html + shown.text + shown.svg).encode()

    def test_mathematics_of_users_is_left_alone(self) -> None:
        """A dollar in a value is no formula."""
        assert all("tex2jax_ignore" in shown.html for shown in everything_with("$x$"))


class TestForms:
    """One value, several forms."""

    def test_a_host_gets_all_that_there_is(self) -> None:
        """Picture for documents, HTML for notebooks, text for the rest."""
        shown = show_flow(flow_of(5))
        assert shown._repr_mimebundle_() == {
            "text/html": shown.html,
            **picture_bundle(shown.svg),
            "text/plain": shown.text,
        }
        assert set(show_status(flow_of(5))._repr_mimebundle_()) == {"text/html", "text/plain"}
        assert repr(shown) == str(shown) == shown.text
        assert shown._repr_html_() == shown.html

    def test_html_and_text_tell_the_same(self) -> None:
        """Every task, verdict and reason is in both."""
        for show in (show_status, show_flow):
            shown = show(flow_of(8))
            words = Reader(shown.html).text
            for line in shown.text.splitlines()[2:]:
                assert [part for part in line.split("  ") if part.strip() not in words] == []

    def test_a_host_that_drops_rules_hides_the_picture(self) -> None:
        """Its words would be a heap; the table is left."""
        assert "<div class=nbf-v style='display:none'><svg" in show_flow(flow_of(5)).html

    def test_the_counts_are_announced(self) -> None:
        """To screen readers, as a status."""
        assert ("role", "status") in Reader(show_flow(flow_of(5)).html).attributes

    def test_nothing_to_show_says_what_to_do(self) -> None:
        """An empty table would be a riddle."""
        assert (
            show_flow(FlowCard((), title="flights")).text
            == "flights · no tasks yet: begin a cell with #@task and run it"
        )
        assert show_plan(PlanCard(())).text == "nothing to do"
        assert show_history(HistoryCard(())).text == "no runs yet"

    def test_notices_are_shown(self) -> None:
        """In every view of a flow."""
        flow = FlowCard((TaskCard("clean", None),), notices=("two cells claim clean",))
        for shown in (show_status(flow), show_flow(flow), show_order(flow)):
            assert "two cells claim clean" in shown.text
            assert "two cells claim clean" in shown.html


class TestSize:
    """What is saved with a notebook."""

    def test_very_many_tasks(self) -> None:
        """A thousand tasks take no more room than a small figure."""
        shown = show_flow(flow_of(1000))
        assert len(shown.html.encode()) < 100_000
        assert "940 tasks not listed" in shown.text

    def test_importing_the_views_loads_nothing_heavy(self) -> None:
        """No widgets, no IPython, and graphviz only when it is asked for."""
        heavy = ("graphviz", "IPython", "anywidget", "numpy")
        code = f"import sys, nbflow.views; print([m for m in {heavy!r} if m in sys.modules])"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "[]"

    @pytest.mark.parametrize("reach", [5, 6, 10, 20])
    def test_fifty_tasks(self, reach: int) -> None:
        """However much there is to say of each, they take at most sixty kilobytes of the notebook's file."""
        bundle = show_flow(flow_of(50, reach=reach), "0123456789ab").bundle()
        assert len(json.dumps(bundle, ensure_ascii=False).encode()) <= 60_000
