"""The tree of runs."""

from __future__ import annotations

from nbflow.views.cards import RunCard
from nbflow.views.shown import show_flow_run, show_runs
from nbflow.views.tree import tree_html, tree_text
from tests.views_cards import Reader, flow_of


def items(count: int, *failed: int) -> tuple[RunCard, ...]:
    """The items of a mapped task."""
    states = dict.fromkeys(failed, ("Failed", "no <seven>"))
    return tuple(
        RunCard(f"inc[{place}]", *states.get(place, ("Completed",)), seconds=0.5, index=place)
        for place in range(count)
    )


class TestTree:
    """A run and what is within it."""

    def test_text(self) -> None:
        """Indented, with counts of each group, failed items first."""
        run = RunCard("etl", "Failed", seconds=2, runs=(RunCard("inc", "Failed", runs=items(3, 2)),))
        assert tree_text([run]) == [
            "etl: failed · 2.0 s · 1 of 1 run failed",
            "  inc: failed · 1 of 3 items failed",
            "    inc[2]: failed · 0.5 s · no <seven>",
            "    inc[0]: completed · 0.5 s",
            "    inc[1]: completed · 0.5 s",
        ]

    def test_html_says_the_same(self) -> None:
        """Groups are lists that open; a group in which something failed is open."""
        page = Reader(tree_html([RunCard("inc", "Failed", runs=items(3, 2))]))
        assert "inc[2] failed 0.5 s · no <seven>" in page.text
        assert page.is_safe()
        assert ("open", "") in page.attributes
        assert ("open", "") not in Reader(tree_html([RunCard("inc", "Mapped", runs=items(3))])).attributes

    def test_large_groups_are_cut(self) -> None:
        """But what failed is always there."""
        lines = tree_text([RunCard("inc", "Failed", runs=items(1000, 999))])
        assert len(lines) < 110
        assert lines[1].startswith("  inc[999]: failed")
        assert lines[-1] == "  900 more; those that are not well come first"


class TestShown:
    """In every form."""

    def test_a_run_of_a_graph(self) -> None:
        """The picture, and the runs behind a line that opens them."""
        shown = show_flow_run(flow_of(3), RunCard("etl", "Failed", "no file", seconds=3, runs=items(2)))
        page = Reader(shown.html)
        assert page.is_safe()
        assert "flights failed 3.0 s · no file" in page.text
        assert shown.svg.startswith("<svg")
        assert shown.text.splitlines()[0] == "etl: failed · 3.0 s · 2 items"

    def test_lines_above(self) -> None:
        """What else is to be said."""
        shown = show_runs([], "it has not run yet", title="etl(n)")
        assert Reader(shown.html).text == "etl(n)it has not run yet"
