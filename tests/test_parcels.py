"""Calls and reports on their way, in one process."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from nbflow.engine.effects import Ended
from nbflow.engine.signals import SKIP
from nbflow.exceptions import OptionError, WorkerError
from nbflow.task_runners.base import TaskCall, TaskReport
from nbflow.task_runners.parcels import opened, parcel_of, performed, sealed
from nbflow.task_runners.shipping import shipped


def reported(body: Any, **options: Any) -> TaskReport:
    """What comes of a body that goes there and back."""
    call = TaskCall("a#1/1.1", "a", shipped(body), **options)
    return opened(performed(parcel_of(call)), call)


def fails(make: Any, *given: Any, **named: Any) -> Any:
    """A body that raises what it makes."""

    def body() -> None:
        raise make(*given, **named)

    return body


def locked() -> ValueError:
    """An exception that bears what cannot be sent."""
    error = ValueError("why")
    error.lock = threading.Lock()  # type: ignore[attr-defined]
    return error


class Keyed(Exception):
    """An exception that cannot be made by what it keeps."""

    def __init__(self, *, key: str) -> None:
        super().__init__("lost", key)
        self.key = key


class TestReport:
    """A report says what became of the body."""

    def test_a_value(self) -> None:
        """Of bodies that await as well."""

        async def awaits() -> int:
            return 7

        assert reported(lambda: 7).value == 7
        assert reported(awaits, awaits=True).value == 7

    def test_exceptions(self) -> None:
        """With their class, what they bear, and where they were raised."""
        for kind, given in ((ValueError, ("why",)), (FileNotFoundError, (2, "gone")), (SystemExit, (3,))):
            found = reported(fails(kind, *given))
            assert found.ended is Ended.RAISED
            assert (type(found.value), found.value.args) == (kind, given)
            assert "raise make(" in str(found.value.__cause__)

    def test_an_exception_with_a_constructor_of_its_own(self) -> None:
        """Is of its class as well."""
        found = reported(fails(Keyed, key="k")).value
        assert (type(found), found.args, found.key) == (Keyed, ("lost", "k"), "k")

    def test_signals(self) -> None:
        """Are no failures, and need no place."""
        found = reported(fails(SKIP, "why", result=7)).value
        assert (type(found), found.result, found.__cause__) == (SKIP, 7, None)

    def test_an_exception_that_cannot_leave(self) -> None:
        """Becomes one that says the same."""
        found = reported(fails(locked)).value
        assert (type(found), str(found)) == (WorkerError, "ValueError: why")

    def test_a_value_that_cannot_leave(self) -> None:
        """Fails, with what to do."""
        found = reported(threading.Lock)
        assert found.ended is Ended.RAISED
        assert str(found.value).startswith("what 'a' made cannot leave its worker (TypeError: cannot pickle")


class TestParcel:
    """A call as plain data."""

    def test_a_live_body(self) -> None:
        """Is refused."""
        with pytest.raises(OptionError, match="the body of 'a' is a live object"):
            parcel_of(TaskCall("a#1/1.1", "a", lambda: 7))

    def test_one_that_is_passed_on(self) -> None:
        """Its report stays closed until it is home."""
        call = TaskCall("a#1/1.1", "a", shipped(lambda: 7), timeout=5.0)
        parcel = parcel_of(call)
        passing = TaskCall(parcel.attempt, parcel.name, parcel, parcel.timeout)
        assert parcel_of(passing) is parcel
        passed = opened(performed(parcel), passing)
        assert opened(passed.value, call).value == 7
        assert parcel() != b""

    def test_a_report_that_a_runner_makes(self) -> None:
        """Is sealed as any other."""
        call = TaskCall("a#1/1.1", "a", shipped(int))
        report = TaskReport(call.attempt, Ended.CRASHED, "gone")
        assert opened(sealed(report, parcel_of(call)), call) == report
