"""Which values leave a store first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nbflow.store.budget import Holding, first_to_go, limit_of

HOLDINGS = st.lists(
    st.builds(
        Holding,
        unit=st.text("ab", min_size=1, max_size=6),
        size=st.integers(0, 10**9),
        seconds=st.floats(0, 1e6),
        idle=st.floats(-1e6, 1e9),
        is_read=st.booleans(),
    )
)


class TestWorth:
    """What a value is worth."""

    def test_what_was_not_used_for_long_is_worth_less(self) -> None:
        """Of equal cost and size."""
        assert Holding("a", 10, 60.0, 0.0).worth > Holding("a", 10, 60.0, 86400.0).worth

    def test_what_nobody_reads_is_worth_less(self) -> None:
        """Outputs that a result was computed from come first."""
        assert Holding("a", 10, 60.0, 0.0).worth > Holding("a", 10, 60.0, 0.0, is_read=False).worth

    def test_a_clock_that_was_set_back_gives_no_more_than_new(self) -> None:
        """A value from the future is not worth more than one of now."""
        assert Holding("a", 10, 60.0, -1e9).worth == Holding("a", 10, 60.0, 0.0).worth


class TestFirstToGo:
    """The choice."""

    @given(holdings=HOLDINGS, excess=st.integers(0, 10**10))
    def test_enough_goes_and_none_too_many(self, holdings: list[Holding], excess: int) -> None:
        """As much as is too much, or all; without the last of them it would not do."""
        gone = first_to_go(holdings, excess)
        freed = sum(holding.size for holding in gone)
        assert freed >= excess or len(gone) == len(holdings)
        assert not gone or freed - gone[-1].size < excess

    @given(holdings=HOLDINGS, excess=st.integers(0, 10**10))
    def test_nothing_goes_that_is_worth_more_than_what_stays(
        self, holdings: list[Holding], excess: int
    ) -> None:
        """By seconds saved for a byte."""
        gone = first_to_go(holdings, excess)
        left = [holding for holding in holdings if holding not in gone]
        assert max((one.worth for one in gone), default=0) <= min((one.worth for one in left), default=1e300)


class TestLimit:
    """How much there may be."""

    @given(limit=st.integers(0, 10**12), free=st.integers(0, 10**12), taken=st.integers(0, 10**12))
    def test_it_is_the_smaller_one(self, limit: int, free: int, taken: int) -> None:
        """Of what was set, and a tenth of what would be free without the values."""
        assert limit_of(limit, free, taken) == min(limit, (free + taken) // 10) or free + taken > 2**50
