"""The context: a read-only view that follows the flow of control, not the thread."""

from __future__ import annotations

import asyncio
import contextvars
import pickle
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbflow.context import MISSING, context, date_fields, enter, snapshot, watched_by


class TestView:
    """Reading."""

    def test_attribute_item_get_and_membership(self) -> None:
        """Four ways to the same value."""
        with context(key="abc"):
            assert context.key == context["key"] == context.get("key") == "abc"
            assert "key" in context
            assert (list(context), len(context), context.to_dict()) == (["key"], 1, {"key": "abc"})

    def test_what_is_not_there(self) -> None:
        """Each way says so in its own manner."""
        with pytest.raises(AttributeError, match=r"with nbflow\.context"):
            context.key  # noqa: B018
        with pytest.raises(KeyError):
            context["key"]
        assert context.get("key", 7) == 7
        assert "key" not in context

    def test_it_is_read_only(self) -> None:
        """The message says what to write instead."""
        with pytest.raises(AttributeError, match=r"with nbflow\.context\(key=…\)"):
            context.key = 1

    def test_a_key_named_like_a_method_breaks_nothing(self) -> None:
        """The method stays a method, the value is an item."""
        with context(get=1, to_dict=2):
            assert context["get"] == 1
            assert context.get("to_dict") == 2


class TestScope:
    """Adding values for a while."""

    def test_inner_values_win_and_are_gone_afterwards(self) -> None:
        """Scopes nest."""
        with context(a=1, b=1):
            with context({"b": 2}, c=3):
                assert context.to_dict() == {"a": 1, "b": 2, "c": 3}
            assert context.to_dict() == {"a": 1, "b": 1}
        assert context.to_dict() == {}

    def test_an_error_leaves_nothing_behind(self) -> None:
        """Whatever happens within."""
        with pytest.raises(ValueError, match="x"), context(a=1):
            raise ValueError("x")
        assert "a" not in context

    def test_one_scope_may_be_entered_within_itself(self) -> None:
        """It holds no state of its own."""
        scope = context(a=1)
        with scope:
            with scope:
                pass
            assert context.a == 1
        assert "a" not in context


class TestTravel:
    """Threads, asyncio tasks and other processes."""

    def test_a_plain_thread_sees_nothing(self) -> None:
        """Nothing leaks."""
        with context(a=1), ThreadPoolExecutor(1) as pool:
            assert pool.submit(context.get, "a").result() is None

    def test_a_snapshot_can_be_entered_elsewhere(self) -> None:
        """Exactly its values are seen there."""

        def look(kept: dict[str, int]) -> dict[str, int]:
            with context(other=2), enter(kept):
                return context.to_dict()

        with context(a=1), ThreadPoolExecutor(1) as pool:
            kept = pickle.loads(pickle.dumps(snapshot()))
            assert pool.submit(look, kept).result() == {"a": 1}

    def test_a_snapshot_stays_as_it_was(self) -> None:
        """Later scopes do not change it."""
        with context(a=1):
            kept = snapshot()
            with context(a=2):
                assert kept == {"a": 1}

    def test_a_copied_context_is_seen(self) -> None:
        """Runners copy it as usual."""
        with context(a=1):
            copied = contextvars.copy_context()
        assert copied.run(context.get, "a") == 1

    def test_asyncio_tasks_do_not_disturb_each_other(self) -> None:
        """Each sees its creator's values and its own."""

        async def look(number: int) -> list[int]:
            with context(own=number):
                await asyncio.sleep(0)
                return [context.a, context.own]

        async def both() -> list[list[int]]:
            with context(a=1):
                return await asyncio.gather(look(2), look(3))

        assert asyncio.run(both()) == [[1, 2], [1, 3]]


class TestWatching:
    """Whoever verifies a result must know what its body looked at."""

    def test_each_way_of_reading_is_reported(self) -> None:
        """Also in vain."""
        seen: list[tuple[str, object]] = []
        with context(a=1), watched_by(lambda key, value: seen.append((key, value))):
            _ = context.a, context["a"], context.get("b"), "a" in context, hasattr(context, "c")
        assert seen == [("a", 1), ("a", 1), ("b", MISSING), ("a", 1), ("c", MISSING)]

    def test_it_ends_with_its_block(self) -> None:
        """And the outer watcher is told again."""
        outer: list[str] = []
        inner: list[str] = []
        with context(a=1, b=2), watched_by(lambda key, _: outer.append(key)):
            with watched_by(lambda key, _: inner.append(key)):
                _ = context.a
            _ = context.b
        assert (inner, outer) == (["a"], ["b"])


class TestDates:
    """The fields of the day follow from the scheduled start."""

    @given(st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1)))
    def test_neighbouring_days(self, start: datetime) -> None:
        """With and without dashes."""
        fields = date_fields(start)
        assert fields["date"] == start
        for name, days in (("yesterday", -1), ("today", 0), ("tomorrow", 1)):
            assert date.fromisoformat(fields[name]) == start.date() + timedelta(days=days)
            assert fields[f"{name}_nodash"] == fields[name].replace("-", "")

    def test_they_come_with_the_start_and_can_be_overridden(self) -> None:
        """What is given wins."""
        with context(scheduled_start_time=datetime(2024, 2, 29, tzinfo=UTC), today="other"):
            assert (context.today, context.tomorrow, context.date.year) == ("other", "2024-03-01", 2024)

    def test_a_start_in_seconds(self) -> None:
        """The days are those of local time."""
        fields = date_fields(1_000_000.0)
        assert fields["today"] == datetime.fromtimestamp(1_000_000.0).date().isoformat()
        assert fields["date"].timestamp() == 1_000_000.0
