"""What is kept of runs that did not complete: inputs, attempts, the last LOOP."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from nbflow import Flow, context, digest, flow, task
from nbflow.cache_policies import DEFAULT
from nbflow.engine.signals import LOOP, PAUSE, RETRY, SKIP
from nbflow.running import kept
from nbflow.running.kept import Kept, kept_of
from nbflow.running.records import Records, records_in, using
from nbflow.store.disk import DiskStore
from nbflow.store.memory import MemoryStore
from nbflow.testing import FakeTimers
from nbflow.triggers import manual_only

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nbflow.store.protocol import RunRecord

KEY = bytes(range(32))


@pytest.fixture
def records() -> Any:
    """Records in memory."""
    with using(records_in(MemoryStore(), FakeTimers())) as records:
        yield records


def reopened(folder: Path) -> Records:
    """The records of a folder, opened anew."""
    return records_in(DiskStore(folder, namespace={"__name__": "__main__"}, key=KEY), FakeTimers())


def run_of(records: Records, name: str) -> RunRecord:
    """The last run of that name."""
    return next(run for run in records.history.runs() if run.name == name)


def left_by(records: Records, called: Callable[..., Any], *args: Any, **kwargs: Any) -> Kept:
    """What is kept of a call of a task."""

    @flow
    def around() -> None:
        called(*args, **kwargs, return_state=True)

    around()
    return kept_of(run_of(records, called.name).id, records)  # type: ignore[attr-defined]


@task
def fails(x: Any, y: Any = 2) -> None:
    """Does not complete."""
    raise ValueError("no")


class TestInputs:
    """The inputs of a run that may be taken up again."""

    @pytest.mark.parametrize("value", [7, "text", [1, [2]], {"a": (1, 2)}, None, np.arange(10_000)], ids=type)
    def test_they_come_back_equal(self, records: Records, value: Any) -> None:
        """Copies of one's own, by the names of the parameters."""
        found = left_by(records, fails, value, y=[1])
        assert (found.state.name, found.missing, found.inputs["y"]) == ("Failed", {}, [1])
        assert digest(found.inputs["x"]) == digest(value)
        assert found.state.cached_inputs == found.versions
        assert found.versions.keys() == {"x", "y"}

    @pytest.mark.parametrize(
        ("end", "state"),
        [(ValueError("no"), "Failed"), (PAUSE(), "Paused"), (RETRY(start_time=9e9), "AwaitingRetry")],
    )
    def test_of_which_runs(self, records: Records, end: BaseException, state: str) -> None:
        """Those that failed, and those that wait."""
        ended = []

        @task
        def stops(x: int) -> None:
            if not ended:
                ended.append(end)
                raise end

        left_by(records, stops, 5)
        run = run_of(records, "stops")
        past = [each for each in records.history.transitions(run.id) if each.name == state]
        assert "x" in past[0].details["cached_inputs"]

    @pytest.mark.parametrize("body", [lambda x: x, lambda x: (_ for _ in ()).throw(SKIP())])
    def test_of_no_others(self, records: Records, body: Callable[[int], Any]) -> None:
        """A run that completes stores nothing."""
        body.__name__ = body.__qualname__ = "body"
        found = left_by(records, task(body), 5)
        assert (found.versions, list(records.store.sizes())) == ({}, [])  # type: ignore[union-attr]

    def test_a_task_that_waits_for_a_person(self, records: Records) -> None:
        """Keeps what it was given before it ever ran."""

        @task
        def one() -> list[int]:
            return [1]

        @task(trigger=manual_only)
        def send(rows: list[int]) -> None:
            """Never runs here."""

        with Flow("waiting") as graph:
            send(one())
        graph.run()
        found = kept_of(run_of(records, "send").id, records)
        assert (found.state.name, found.inputs) == ("Paused", {"rows": [1]})

    def test_after_reopening(self, tmp_path: Path) -> None:
        """A later kernel has them."""
        records = reopened(tmp_path)
        with using(records):
            left_by(records, fails, list(range(50_000)), y={"a": 1})
            run = run_of(records, "fails").id
        records.store.close()  # type: ignore[union-attr]
        records = reopened(tmp_path)
        found = kept_of(run, records)
        assert (found.state.name, found.inputs) == ("Failed", {"x": list(range(50_000)), "y": {"a": 1}})
        assert records.history.transitions(run)[-1].name == "Failed"
        records.store.close()  # type: ignore[union-attr]

    def test_what_another_run_has_stored(self, records: Records) -> None:
        """Is not stored again; its version is that of the result, also where the body has changed it."""

        @task(cache_policy=DEFAULT)
        def rows() -> list[int]:
            return [1, 2]

        @task
        def spoil(given: list[int]) -> None:
            given.append(3)
            raise ValueError("no")

        with Flow("spoiled") as graph:
            made = rows()
            spoil(made)
        version = graph.run().result[made].details["version"]
        found = kept_of(run_of(records, "spoil").id, records)
        assert (found.versions, found.inputs) == ({"given": version}, {"given": [1, 2]})

    def test_what_another_run_has_stored_after_reopening(self, tmp_path: Path) -> None:
        """A later kernel finds it by its digest alone, and where that result is cleared away."""

        @task(cache_policy=DEFAULT)
        def rows() -> list[int]:
            return [1, 2]

        records = reopened(tmp_path)
        with using(records):
            with Flow("once") as graph:
                fails(rows())
            graph.run()
            left_by(records, fails, [1, 2])
        runs = [run.id for run in records.history.runs() if run.name == "fails"]
        records.store.close()  # type: ignore[union-attr]
        for is_cleared in (False, True):
            records = reopened(tmp_path)
            for run in runs:
                assert kept_of(run, records).inputs == {"x": [1, 2]}, is_cleared
            records.store.upkeep().clear("rows")  # type: ignore[union-attr]
            records.store.close()  # type: ignore[union-attr]

    def test_what_the_body_has_changed(self, records: Records) -> None:
        """Is not what it started from: where that is known to differ, nothing is kept."""

        @task(cache_policy=DEFAULT)
        def spoil(rows: list[list[int]], limit: int) -> None:
            rows.append([3])
            raise ValueError("no")

        assert left_by(records, spoil, [[1]], 2).inputs == {"limit": 2}

    @pytest.mark.parametrize("rows", [[1, 2], {1, 2}, {"a": 1}, bytearray(b"ab")], ids=type)
    def test_what_is_small_is_copied(self, records: Records, rows: Any) -> None:
        """So that it is known as it was, whatever the body does."""

        @task
        def spoil(rows: Any) -> None:
            rows.clear()
            raise ValueError("no")

        expected = type(rows)(rows)
        assert left_by(records, spoil, rows).inputs == {"rows": expected}

    def test_what_is_left_out(self, records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
        """Secrets, what has no digest, what cannot be stored, and what is very large."""
        monkeypatch.setattr(kept, "LARGEST", 1000)

        @task
        def calls(token: str, lock: Any, made: Any, rows: Any, year: int) -> None:
            raise ValueError("no")

        given = ("t", threading.Lock(), (n for n in [1]), np.zeros(1000), 2014)
        assert left_by(records, calls, *given).inputs == {"year": 2014}

    def test_another_users_inputs(self, tmp_path: Path) -> None:
        """What is signed with another key is not used."""
        records = reopened(tmp_path)
        with using(records):
            run = left_by(records, fails, [1], list(range(50_000)))
            identifier = run_of(records, "fails").id
        assert run.missing == {}
        records.store.close()  # type: ignore[union-attr]
        store = DiskStore(tmp_path, namespace={"__name__": "__main__"}, key=bytes(32))
        assert kept_of(identifier, records_in(store)).inputs == {}
        store.close()

    def test_what_is_gone_from_the_store(self, records: Records) -> None:
        """Is named with the reason; the rest comes back."""
        found = left_by(records, fails, [1], [2])
        records.store.discard(found.versions["x"])  # type: ignore[union-attr]
        again = kept_of(run_of(records, "fails").id, records)
        assert (again.inputs, again.missing) == ({"y": [2]}, {"x": "not stored"})


class TestPlace:
    """Where a run stood."""

    def test_attempt_and_iteration(self, records: Records) -> None:
        """The last ones, and what the iteration started from."""

        @task(retries=1)
        def stops() -> None:
            if context.get("task_loop_count", 1) == 1:
                raise LOOP(result=[1])
            if context.task_run_count == 1:
                raise ValueError("no")
            raise PAUSE()

        found = left_by(records, stops)
        assert (found.state.name, found.attempt, found.loop, found.loop_result) == ("Paused", 2, 2, [1])

    def test_nobody_knows_of_it(self, records: Records) -> None:
        """Then there is nothing."""
        assert kept_of("unknown", records) == Kept(kept_of("unknown", records).state)
