"""Groups of items and runs."""

from __future__ import annotations

from nbflow.views.cards import RunCard
from nbflow.views.groups import counts_of, group_words, worst_first


class TestGroups:
    """What is not well is told of first."""

    def test_counts(self) -> None:
        """By state; a timeout is as bad as a failure, a wait for a person is said, too."""
        states = ["Completed"] * 3 + ["TimedOut", "Paused", "Cached"]
        assert counts_of(states) == (("TimedOut", 1), ("Paused", 1), ("Completed", 3), ("Cached", 1))
        assert group_words(counts_of(states)) == "6 items: 1 timed out, 1 paused"

    def test_an_empty_group_says_nothing(self) -> None:
        """A mapped task that never ran has no items."""
        assert group_words(()) == ""

    def test_order(self) -> None:
        """Else as they began."""
        runs = [
            RunCard(name, state) for name, state in (("a", "Completed"), ("b", "Crashed"), ("c", "Cached"))
        ]
        assert [run.name for run in worst_first(runs)] == ["b", "a", "c"]
