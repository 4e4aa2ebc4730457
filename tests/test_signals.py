"""Signals: what they are, what they ask for, how they travel."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime

import pytest

from nbflow.engine import signals
from nbflow.engine.signals import (
    ENDRUN,
    FAIL,
    LOOP,
    PAUSE,
    RETRY,
    SKIP,
    SUCCESS,
    TRIGGERFAIL,
    VALIDATIONFAIL,
    Signal,
)
from nbflow.states import Cached, Completed

ASKED = {
    FAIL: "Failed",
    TRIGGERFAIL: "TriggerFailed",
    VALIDATIONFAIL: "ValidationFailed",
    SUCCESS: "Completed",
    RETRY: "AwaitingRetry",
    SKIP: "Skipped",
    PAUSE: "Paused",
    LOOP: "Looping",
}


class TestKind:
    """Signals are no errors."""

    @pytest.mark.parametrize("kind", [*ASKED, ENDRUN])
    def test_except_exception_does_not_catch_them(self, kind: type[Signal]) -> None:
        """A library cannot swallow a user's decision by chance."""
        assert issubclass(kind, BaseException)
        assert not issubclass(kind, Exception)

    def test_failures_of_trigger_and_validation_are_failures(self) -> None:
        """As in Prefect 1."""
        assert issubclass(TRIGGERFAIL, FAIL)
        assert issubclass(VALIDATIONFAIL, FAIL)


class TestState:
    """A signal bears the state it asks for."""

    @pytest.mark.parametrize(("kind", "name"), ASKED.items())
    def test_name_message_result_and_details(self, kind: type[Signal], name: str) -> None:
        """Everything given arrives in the state."""
        signal = kind("why", result=7, mark="x")
        assert (signal.state.name, signal.state.message, signal.state.result) == (name, "why", 7)
        assert signal.state.details["mark"] == "x"
        assert (str(signal), signal.result) == ("why", 7)

    @pytest.mark.parametrize("kind", ASKED)
    def test_without_result_it_is_none(self, kind: type[Signal]) -> None:
        """Not the signal itself, as it was in Prefect 1."""
        assert kind().result is None
        assert kind().state.message == ""

    def test_endrun_bears_exactly_the_state_given(self) -> None:
        """Nothing is copied or changed."""
        state = Cached("m", 7)
        assert ENDRUN(state).state is state
        assert ENDRUN(state=state).result == 7

    def test_the_start_of_a_retry_may_be_a_datetime(self) -> None:
        """It is kept as seconds since the epoch."""
        assert RETRY(start_time=datetime(1970, 1, 2, tzinfo=UTC)).state.start_time == 86400.0

    def test_positional_arguments_end_after_the_message(self) -> None:
        """A result is named, so that it is not taken for something else."""
        with pytest.raises(TypeError):
            FAIL("why", 7)  # pyright: ignore[reportCallIssue]


class TestTravel:
    """Signals cross process borders."""

    @pytest.mark.parametrize("kind", ASKED)
    def test_pickling(self, kind: type[Signal]) -> None:
        """Class, state and result survive."""
        copy = pickle.loads(pickle.dumps(kind("why", result=7, mark="x")))
        assert (type(copy), copy.state, copy.result, str(copy)) == (
            kind,
            kind("why", result=7, mark="x").state,
            7,
            "why",
        )

    def test_pickling_endrun(self) -> None:
        """Its constructor differs and its state arrives all the same."""
        copy = pickle.loads(pickle.dumps(ENDRUN(Completed("m", 7))))
        assert (type(copy), copy.state) == (ENDRUN, Completed("m", 7))

    def test_all_signals_are_here(self) -> None:
        """The module defines no signal that this file does not know."""
        found = {
            kind for kind in vars(signals).values() if isinstance(kind, type) and issubclass(kind, Signal)
        }
        assert found == {*ASKED, ENDRUN, Signal}
