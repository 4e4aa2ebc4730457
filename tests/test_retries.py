"""Retries: durations, delays, chance, and who deserves another attempt."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbflow.exceptions import OptionError
from nbflow.retries import NO_RETRIES, Decision, Retries, exponential_backoff, parse_delays, parse_duration
from nbflow.states import Failed, State


class TestDuration:
    """Seconds, however they are written."""

    @pytest.mark.parametrize(
        ("text", "seconds"),
        [("30", 30), ("30s", 30), ("10m", 600), ("2h", 7200), ("7d", 604800), ("1.5 h", 5400), (" 0 ", 0)],
    )
    def test_texts(self, text: str, seconds: float) -> None:
        """The same everywhere in nbflow."""
        assert parse_duration(text) == seconds

    @given(st.floats(0, 1e9))
    def test_numbers_and_timedeltas(self, seconds: float) -> None:
        """Numbers are seconds; a timedelta of milliseconds is not nought."""
        assert parse_duration(seconds) == seconds
        span = timedelta(seconds=seconds)
        assert parse_duration(span) == span.total_seconds()

    @pytest.mark.parametrize(
        "nonsense", ["", "s", "10 minutes", "-3", "1h30m", "1e3", -1, float("nan"), float("inf"), True,
                     timedelta(days=-1)],
    )  # fmt: skip
    def test_nonsense_is_refused(self, nonsense: str) -> None:
        """The message shows how it is written."""
        with pytest.raises(OptionError, match="30s, 10m, 2h, 7d"):
            parse_duration(nonsense)


class TestDelays:
    """What may be given as `retry_delay_seconds`."""

    def test_one_several_or_a_callable(self) -> None:
        """All forms of both Prefects, and the header's."""
        assert parse_delays(None, 3) == ()
        assert (
            parse_delays(10, 3) == parse_delays("10s", 3) == parse_delays(timedelta(seconds=10), 3) == (10,)
        )
        assert parse_delays([1, "1m"], 3) == parse_delays("1,1m", 3) == (1, 60)
        assert parse_delays(lambda retries: [retries] * retries, 2) == (2, 2)

    def test_exponential_backoff(self) -> None:
        """As in Prefect: factor, twice, four times."""
        assert parse_delays(exponential_backoff(10), 6) == (10, 20, 40, 80, 160, 320)

    @given(st.lists(st.floats(0, 1e6), min_size=1, max_size=5), st.integers(0, 10))
    def test_the_last_one_repeats(self, delays: list[float], earlier: int) -> None:
        """A list may be shorter than the retries."""
        assert Retries(20, tuple(delays)).delay(earlier) == delays[min(earlier, len(delays) - 1)]


class TestJitter:
    """Chance comes from a source that is passed in."""

    @given(
        delay=st.floats(0, 1e6),
        jitter=st.floats(0, 3),
        chance=st.floats(0, 1, exclude_max=True),
        earlier=st.integers(0, 5),
    )
    def test_it_stays_within_its_fraction(
        self, delay: float, jitter: float, chance: float, earlier: int
    ) -> None:
        """Never below nought."""
        drawn = Retries(9, (delay,), jitter).delay(earlier, lambda: chance)
        assert max(0.0, delay * (1 - jitter)) * 0.999 <= drawn <= delay * (1 + jitter) * 1.001

    def test_without_a_source_there_is_none(self) -> None:
        """The same settings give the same delays in tests."""
        assert Retries(1, (10.0,), jitter=0.5).delay(0) == 10.0


class TestAfterFailure:
    """Whether a failed attempt is repeated."""

    @given(limit=st.integers(0, 20), earlier=st.integers(0, 25))
    def test_as_often_as_the_limit_says(self, limit: int, earlier: int) -> None:
        """Not once more."""
        assert Retries(limit).after_failure(Failed(), earlier).retry == (earlier < limit)

    def test_no_retries_by_default_and_no_note_about_it(self) -> None:
        """Nobody asked for them."""
        assert NO_RETRIES.after_failure(Failed(), 0) == Decision(False)

    @pytest.mark.parametrize(
        ("error", "due"), [(FileNotFoundError("x"), True), (ValueError("x"), False), (None, False)]
    )
    def test_retry_on_names_exceptions(self, error: Exception | None, due: bool) -> None:
        """Subclasses match; a failure without exception does not."""
        decision = Retries(1, retry_on=(OSError, KeyError)).after_failure(Failed(result=error), 0)
        assert decision.retry == due
        assert due or "retry_on does not name" in decision.note

    def test_the_condition_sees_the_failed_state(self) -> None:
        """It is asked only while attempts are left."""
        seen: list[State] = []

        def once(state: State) -> bool:
            seen.append(state)
            return True

        rules = Retries(1, condition=once)
        failure = Failed("m", ValueError("x"))
        assert rules.after_failure(failure, 0).retry
        assert not rules.after_failure(failure, 1).retry
        assert seen == [failure]

    def test_a_condition_that_says_no_is_named(self) -> None:
        """The user sees why there was no retry."""
        assert (
            Retries(1, condition=lambda state: False).after_failure(Failed(), 0).note
            == "retry_condition_fn said no"
        )

    def test_a_condition_that_raises_is_a_no(self) -> None:
        """The task's own error surfaces, and the other one is named."""
        decision = Retries(1, condition=lambda state: 1 / 0).after_failure(Failed(), 0)
        assert not decision.retry
        assert "ZeroDivisionError" in decision.note


class TestAfterCrash:
    """Workers that died have a budget of their own."""

    @given(crashes=st.integers(0, 5), earlier=st.integers(0, 8))
    def test_as_often_as_the_budget_says(self, crashes: int, earlier: int) -> None:
        """Independent of retries."""
        assert Retries(0, crashes=crashes).after_crash(earlier).retry == (earlier < crashes)


class TestSettings:
    """Nonsense is found when a task is defined."""

    @pytest.mark.parametrize("nonsense", [{"limit": -1}, {"jitter": -0.1}, {"crashes": -1}])
    def test_negative_numbers(self, nonsense: dict[str, int]) -> None:
        """They mean nothing."""
        with pytest.raises(OptionError, match="negative"):
            Retries(**nonsense)

    def test_retry_on_takes_classes(self) -> None:
        """An instance is a mistake."""
        with pytest.raises(OptionError, match="no exception class"):
            Retries(1, retry_on=(ValueError("x"),))  # pyright: ignore[reportArgumentType]
