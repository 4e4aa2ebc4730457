"""One run for a key at a time."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import Any

import pytest

from nbflow import flow, task
from nbflow.cache_policies import DEFAULT
from nbflow.running.claims import Claims, once_done
from nbflow.running.records import records_in, using
from nbflow.running.runs import Run
from nbflow.store.memory import MemoryStore
from nbflow.task_runners.thread import ThreadPoolTaskRunner


class TestClaims:
    """Who makes a result, and who waits."""

    def test_the_first_has_it(self) -> None:
        """Others are told when it has ended; then the next one has it."""
        claims, ends = Claims(), [Future[Any]() for _ in range(3)]
        runs = [Run(f"r{number}", "r", None) for number in range(3)]
        assert [claims.take("k", run, end) for run, end in zip(runs, ends, strict=True)] == [
            None,
            ends[0],
            ends[0],
        ]
        ends[0].set_result(None)
        assert [claims.take("k", runs[n], ends[n]) for n in (1, 2, 1)] == [None, ends[1], None]

    def test_other_keys(self) -> None:
        """Do not matter."""
        claims = Claims()
        assert claims.take("k", Run("a", "a", None), Future()) is None
        assert claims.take("l", Run("b", "b", None), Future()) is None

    def test_a_run_that_another_one_needs(self) -> None:
        """Does not wait: whoever waits for that other one would wait for ever."""
        claims, end = Claims(), Future[Any]()
        holder, other = Run("a", "a", None), Run("b", "b", None)
        claims.take("k", holder, end)
        claims.take("l", other, Future())
        inner = Run("c", "c", None, parent=Run("m", "m", None, parent=other))
        assert claims.take("k", inner, Future()) is None
        assert claims.take("k", Run("d", "d", None, parent=Run("m", "m", None)), Future()) is end


class TestOnceDone:
    """An answer that comes later."""

    def test_what_raises(self) -> None:
        """Is the answer's."""
        first: Future[None] = Future()
        made = once_done(first, lambda: 1 // 0)
        first.set_result(None)
        with pytest.raises(ZeroDivisionError):
            made.result()

    def test_nobody_wants_it_any_more(self) -> None:
        """Then nothing is made."""
        first: Future[None] = Future()
        made_for: list[int] = []
        once_done(first, lambda: made_for.append(1)).cancel()
        first.set_result(None)
        assert made_for == []


class TestRuns:
    """Equal calls at the same time."""

    @pytest.mark.parametrize("places", [1, 4])
    def test_they_compute_once(self, places: int) -> None:
        """The others reuse the result."""
        computing: list[int] = []
        lock = threading.Lock()

        def note(x: int) -> None:
            with lock:
                computing.append(x)

        tell = Told(note)

        @task(cache_policy=DEFAULT)
        def slow(x: int) -> int:
            tell(x)
            return x

        @flow(task_runner=ThreadPoolTaskRunner(places))
        def around() -> list[str]:
            futures = [slow.submit(x) for x in (1, 1, 1, 2, 2, 1)]
            for future in futures:
                future.result()
            return sorted(future.state.name for future in futures)

        with using(records_in(MemoryStore())):
            assert around() == ["Cached"] * 4 + ["Completed"] * 2
        assert sorted(computing) == [1, 2]

    def test_the_first_one_fails(self) -> None:
        """Then the next one computes."""
        tried: list[int] = []
        tell = Told(tried.append)

        @task(cache_policy=DEFAULT)
        def late() -> int:
            tell(1)
            if tell.calls == 1:
                raise ValueError("no")
            return 7

        @flow(task_runner=ThreadPoolTaskRunner(2))
        def around() -> list[str]:
            futures = [late.submit() for _ in range(3)]
            for future in futures:
                future.wait()
            return sorted(future.state.name for future in futures)

        with using(records_in(MemoryStore())):
            assert around() == ["Cached", "Completed", "Failed"]

    def test_a_task_that_calls_another_with_its_key(self) -> None:
        """Does not wait for itself."""
        key = {"cache_key_fn": lambda context, given: "k"}

        @task(**key)
        def inner() -> int:
            return 1

        @task(**key)
        def outer() -> int:
            return inner.submit().result() + 1

        @flow(task_runner=ThreadPoolTaskRunner(1))
        def around() -> int:
            return outer.submit().result()

        with using(records_in(MemoryStore())):
            assert around() == 2


class Told:
    """Tells a function what it is called with; to a digest it is always the same."""

    def __init__(self, function: Any) -> None:
        self.function = function
        self.calls = 0

    def __nbflow_digest__(self) -> str:
        return "told"

    def __call__(self, x: int) -> None:
        """Tell it."""
        self.calls += 1
        self.function(x)
