"""Transactions: what is committed, what is rolled back, in which order, and what is remembered."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest

from nbflow import flow, task
from nbflow.cache_policies import DEFAULT
from nbflow.engine.signals import SKIP
from nbflow.exceptions import OptionError
from nbflow.running.records import Records, records_in, using
from nbflow.store.memory import MemoryStore
from nbflow.testing import FakeTimers
from nbflow.transactions import CommitMode, IsolationLevel, Transaction, get_transaction, transaction

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def records() -> Iterator[Records]:
    """Records in memory."""
    with using(records_in(MemoryStore(), FakeTimers())) as records:
        yield records


class Log(list[str]):
    """What happened; to a digest it is always the same."""

    def __nbflow_digest__(self) -> str:
        return "log"

    def task(self, name: str, fails: BaseException | None = None, **options: Any) -> Any:
        """A task with two hooks of each kind that are noted here."""

        def body() -> str:
            self.append(name)
            if fails is not None:
                raise fails
            return name

        body.__name__ = body.__qualname__ = name
        made = task(body, **options)
        for number in (1, 2):
            made.on_commit(lambda txn, number=number: self.append(f"commit {name} {number}"))
            made.on_rollback(lambda txn, number=number: self.append(f"undo {name} {number}"))
        return made


@pytest.fixture
def log() -> Log:
    """Nothing happened yet."""
    return Log()


def run(body: Any) -> str:
    """Run a function as a flow; the name of its last state."""
    return flow(body)(return_state=True).name


def within(error: BaseException, *tasks: Any) -> None:
    """Call tasks within a transaction that fails then."""
    with transaction():
        for each in tasks:
            each()
        raise error


BAD = ValueError("no")
COMMITS = ["commit a 1", "commit a 2", "commit b 1", "commit b 2"]
UNDOES = ["undo b 2", "undo b 1", "undo a 2", "undo a 1"]


class TestAlone:
    """Tasks outside of transactions."""

    def test_a_task_commits_when_it_ends(self, records: Records, log: Log) -> None:
        """Before anybody goes on."""

        def body() -> None:
            log.task("a")()
            log.append("after")

        run(body)
        assert log == ["a", "commit a 1", "commit a 2", "after"]

    @pytest.mark.parametrize("end", [BAD, SKIP()])
    def test_what_did_nothing_calls_nothing(self, records: Records, log: Log, end: BaseException) -> None:
        """Neither hook: there is nothing to keep or to undo."""
        run(lambda: log.task("a", end)(return_state=True) and None)
        assert log == ["a"]

    def test_a_hit_calls_nothing(self, records: Records, log: Log) -> None:
        """Its work was committed by whoever did it."""
        a = log.task("a", cache_policy=DEFAULT)
        run(lambda: [a(), a()])
        assert log == ["a", "commit a 1", "commit a 2"]

    def test_a_commit_that_fails(self, records: Records, log: Log, caplog: pytest.LogCaptureFixture) -> None:
        """Its own work is undone; the run stays completed, with its value."""
        a = log.task("a")
        a.on_commit(lambda txn: 1 / 0)
        values = []
        with caplog.at_level(logging.ERROR):
            assert run(lambda: values.append(a())) == "Completed"
        assert values == ["a"]
        assert log == ["a", "commit a 1", "commit a 2", "undo a 2", "undo a 1"]
        assert "ZeroDivisionError" in caplog.text


class TestTogether:
    """Tasks within one transaction."""

    def test_all_commit_at_its_end(self, records: Records, log: Log) -> None:
        """In the order of the calls."""

        def body() -> None:
            with transaction() as txn:
                log.task("a")()
                log.task("b")()
                log.append("end")
            assert txn.is_committed()

        run(body)
        assert log == ["a", "b", "end", *COMMITS]

    def test_submitted_tasks_commit_in_the_order_of_their_calls(self, records: Records, log: Log) -> None:
        """Whichever ended first."""

        def body() -> None:
            with transaction():
                futures = [log.task("a").submit(), log.task("b").submit()]
                for future in reversed(futures):
                    future.result()

        run(body)
        assert [line for line in log if " " in line] == COMMITS

    def test_a_failure_undoes_all(self, records: Records, log: Log) -> None:
        """The last first; the task that failed has nothing to undo."""

        def body() -> None:
            with transaction():
                log.task("a")()
                log.task("b")()
                log.task("c", BAD)()

        assert run(body) == "Failed"
        assert log == ["a", "b", "c", *UNDOES]

    def test_an_error_of_ones_own_undoes_all(self, records: Records, log: Log) -> None:
        """As the failure of a task does; also an interrupt."""
        for error in (BAD, KeyboardInterrupt()):
            log.clear()
            with pytest.raises(type(error)):
                within(error, log.task("a"))
            assert log == ["a", "undo a 2", "undo a 1"]

    def test_a_failure_undoes_at_once(self, records: Records, log: Log) -> None:
        """Also one that is caught; what is called afterwards runs, but belongs to nothing."""

        def body() -> None:
            with transaction() as txn:
                log.task("a")()
                log.task("b", BAD)(return_state=True)
                log.append("caught")
                log.task("c")()
            assert txn.is_rolled_back()

        assert run(body) == "Completed"
        assert log == ["a", "b", "undo a 2", "undo a 1", "caught", "c"]

    def test_what_goes_on_meanwhile_is_undone_when_it_ends(self, records: Records, log: Log) -> None:
        """It did its work for something that has failed."""
        failed = threading.Event()

        def body() -> str:
            assert failed.wait(10)
            log.append("slow")
            return "slow"

        slow = task(body)
        slow.on_rollback(lambda txn: log.append("undo slow"))

        def around() -> None:
            with transaction():
                future = slow.submit()
                log.task("bad", BAD)(return_state=True)
                failed.set()
                future.result()

        run(around)
        assert log == ["bad", "slow", "undo slow"]

    def test_a_retry_is_no_failure(self, records: Records, log: Log) -> None:
        """What counts is how the run ends."""
        tried: list[int] = []

        @task(retries=1)
        def late() -> None:
            tried.append(1)
            if len(tried) < 2:
                raise BAD

        def body() -> None:
            with transaction():
                log.task("a")()
                late()

        run(body)
        assert log == ["a", "commit a 1", "commit a 2"]

    def test_an_undoing_that_fails(
        self, records: Records, log: Log, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Is logged; all others are undone."""
        b = log.task("b")
        b.on_rollback(lambda txn: 1 / 0)
        with caplog.at_level(logging.ERROR), pytest.raises(ValueError, match="no"):
            within(BAD, log.task("a"), b)
        assert log == ["a", "b", *UNDOES]
        assert "ZeroDivisionError" in caplog.text

    def test_asynchronous_hooks(self, records: Records, log: Log) -> None:
        """Are awaited."""

        async def hook(txn: Transaction) -> None:
            log.append("awaited")

        run(lambda: task(log.copy, on_commit=[hook])() and None)
        assert log == ["awaited"]

    def test_what_was_undone_is_not_reused(self, records: Records, log: Log) -> None:
        """Its result stands for something that is no more; what nobody undid is reused."""
        a = log.task("a", cache_policy=DEFAULT)
        plain = task(seven, cache_policy=DEFAULT)
        with pytest.raises(ValueError, match="no"):
            within(BAD, a, plain)
        names = [made(return_state=True).name for made in (a, a, plain)]
        assert names == ["Completed", "Cached", "Cached"]


def seven() -> int:
    """A number."""
    return 7


class TestNested:
    """Transactions within others, and tasks within tasks."""

    @pytest.mark.parametrize(
        ("mode", "expected"),
        [
            (None, ["inner", "inner done", "outer", "commit inner", "commit outer"]),
            (CommitMode.EAGER, ["inner", "commit inner", "inner done", "outer", "commit outer"]),
            (CommitMode.OFF, ["inner", "undo inner", "inner done", "outer"]),
        ],
    )
    def test_when_the_inner_one_commits(self, records: Records, mode: Any, expected: list[str]) -> None:
        """With the outer one, at once, or not at all."""
        log: list[str] = []

        def made(name: str) -> Any:
            hooks: dict[str, Any] = {
                "on_commit": [lambda txn: log.append(f"commit {name}")],
                "on_rollback": [lambda txn: log.append(f"undo {name}")],
            }
            return _task(log, name, hooks)

        def body() -> None:
            with transaction():
                with transaction(commit_mode=mode):
                    made("inner")()
                log.append("inner done")
                made("outer")()

        run(body)
        assert log == expected

    def test_a_failure_in_the_inner_one(self, records: Records, log: Log) -> None:
        """Undoes the outer one as well, but not what is committed already."""

        def body() -> None:
            with transaction():
                log.task("a")()
                with transaction(commit_mode=CommitMode.EAGER):
                    log.task("e")()
                with transaction():
                    log.task("b")()
                    raise BAD

        run(body)
        assert log == ["a", "e", "commit e 1", "commit e 2", "b", *UNDOES]

    def test_tasks_called_by_a_task_of_a_transaction(self, records: Records, log: Log) -> None:
        """Belong to it."""

        @task
        def outer() -> None:
            log.task("a")()
            log.task("b")()

        def body() -> None:
            with transaction():
                outer()
                raise BAD

        run(body)
        assert log == ["a", "b", *UNDOES]


def _task(log: list[str], name: str, hooks: dict[str, Any]) -> Any:
    def body() -> None:
        log.append(name)

    return task(body, **hooks)


class TestValues:
    """What is kept for the hooks."""

    def test_hooks_see_what_was_set(self, records: Records) -> None:
        """By the task itself, or around it; its own comes first, and each task has its own."""
        told: list[Any] = []

        @task
        def write(name: str) -> None:
            present = get_transaction()
            assert present is not None
            present.set("name", name)

        write.on_rollback(lambda txn: told.append((txn.get("name"), txn.get("where"), txn.get("no", 0))))

        def body() -> None:
            with transaction() as txn:
                txn.set("where", "here")
                txn.set("name", "around")
                write("a")
                write("b")
                assert txn.get("name") == "around"
                raise BAD

        run(body)
        assert told == [("b", "here", 0), ("a", "here", 0)]

    def test_a_value_is_a_copy(self) -> None:
        """Whoever changes it changes nothing."""
        with transaction() as txn:
            txn.set("rows", [1])
            txn.get("rows").append(2)
            assert txn.get("rows") == [1]

    def test_what_nobody_set(self) -> None:
        """Is an error that says how to set it."""
        with transaction() as txn, pytest.raises(ValueError, match=r"txn.set\('x', …\)"):
            txn.get("x")

    def test_outside(self) -> None:
        """There is none."""
        assert get_transaction() is None


class TestKeys:
    """Transactions that are remembered."""

    def test_once_committed(self, records: Records) -> None:
        """It is committed from the start the next time, with what was kept."""
        found = []

        def body() -> None:
            for value in (1, 2):
                with transaction(key="mail") as txn:
                    found.append((txn.is_committed(), txn.read()))
                    if not txn.is_committed():
                        txn.stage(value)

        run(body)
        assert found == [(False, None), (True, 1)]

    @pytest.mark.parametrize(
        ("first", "second"),
        [({}, {"overwrite": True}), ({"write_on_commit": False}, {}), ({"commit_mode": CommitMode.OFF}, {})],
    )
    def test_not_remembered(self, records: Records, first: Any, second: Any) -> None:
        """Where that is not wanted, or was not committed."""
        with transaction(key="mail", **first):
            pass
        with transaction(key="mail", **second) as txn:
            assert not txn.is_committed()

    def test_what_was_rolled_back(self, records: Records) -> None:
        """Has not happened."""
        with pytest.raises(ValueError, match="no"), transaction(key="mail"):
            raise BAD
        with transaction(key="mail") as txn:
            assert not txn.is_committed()

    def test_by_hand(self, records: Records) -> None:
        """In the mode that waits for it."""
        with transaction(key="mail", commit_mode=CommitMode.OFF) as txn:
            assert (txn.is_active(), txn.commit(), txn.is_committed()) == (True, True, True)
        with transaction(key="mail") as txn:
            assert txn.is_committed()

    def test_what_cannot_be_had(self) -> None:
        """Is refused."""
        with (
            pytest.raises(OptionError, match="serializable"),
            transaction(isolation_level=IsolationLevel.SERIALIZABLE),
        ):
            pass
