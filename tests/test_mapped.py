"""How a mapped run ends, by how its items have."""

from __future__ import annotations

from itertools import permutations

import pytest

from nbflow.engine.mapped import ended_by_items
from nbflow.states import Cancelled, Completed, Crashed, Failed, Paused, Skipped, TriggerFailed

ORDER = (TriggerFailed(), Crashed(), Cancelled(), Paused(), Completed(result=1))
NAMES = ("Failed", "Crashed", "Cancelled", "Paused", "Mapped")


class TestWorst:
    """The worst item decides."""

    @pytest.mark.parametrize("first", range(len(ORDER)))
    def test_whatever_its_place(self, first: int) -> None:
        """Among all that are better."""
        for found in permutations(ORDER[first:]):
            assert ended_by_items(found).name == NAMES[first]

    def test_which_ones_are_named(self) -> None:
        """At most five of them."""
        found = (Completed(), *[Failed()] * 7)
        assert ended_by_items(found).message == "7 of 8 items are Failed: [1], [2], [3], [4], [5] …"

    def test_results_by_position(self) -> None:
        """An exception stands in its place, None for what was skipped or waits."""
        error = ValueError()
        found = (Completed(result=1), Failed(result=error), Skipped(), Paused())
        state = ended_by_items(found)
        assert (state.result, state.map_states) == ([1, error, None, None], found)

    def test_no_items(self) -> None:
        """All of them completed."""
        assert (ended_by_items(()).name, ended_by_items(()).result) == ("Mapped", [])
