"""States: the table of names, predicates, values, and the way into a history and back."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbflow import states
from nbflow.exceptions import NotFinishedError, OptionError, TaskFailedError
from nbflow.states import (
    ALIASES,
    TERMINAL,
    TYPES,
    Cached,
    Completed,
    Failed,
    Mapped,
    NamedState,
    Pending,
    Running,
    Scheduled,
    State,
    StateType,
    TimedOut,
    maker_of,
    seconds_since_epoch,
    state_of,
    transition_of,
)

TERMINAL_NAMES = {
    "Completed", "Cached", "Skipped", "Mapped",
    "Failed", "TimedOut", "TriggerFailed", "ValidationFailed", "Cancelled", "Crashed",
}  # fmt: skip
BY_TYPE = {
    "is_scheduled": StateType.SCHEDULED,
    "is_pending": StateType.PENDING,
    "is_running": StateType.RUNNING,
    "is_paused": StateType.PAUSED,
    "is_cancelling": StateType.CANCELLING,
    "is_completed": StateType.COMPLETED,
    "is_successful": StateType.COMPLETED,
    "is_failed": StateType.FAILED,
    "is_cancelled": StateType.CANCELLED,
    "is_crashed": StateType.CRASHED,
}
BY_NAME = {
    "is_skipped": "Skipped",
    "is_cached": "Cached",
    "is_mapped": "Mapped",
    "is_retrying": "Retrying",
}


class Unequal:
    """A value whose comparison has no truth value, as that of an array."""

    def __eq__(self, other: object) -> bool:
        raise ValueError("ambiguous")

    __hash__ = object.__hash__


class TestTable:
    """Twenty names, nine types, and predicates that follow the type."""

    def test_there_are_twenty_names(self) -> None:
        """Each has a maker of the same name in the module."""
        assert len(TYPES) == 20
        assert all(isinstance(getattr(states, name), NamedState) for name in TYPES)

    @pytest.mark.parametrize("name", TYPES)
    def test_the_maker_makes_its_name_and_type(self, name: str) -> None:
        """A maker makes what it is called."""
        state = maker_of(name)("why")
        assert (state.name, state.type, state.message, state.timestamp) == (name, TYPES[name], "why", None)

    @pytest.mark.parametrize("name", TYPES)
    def test_exactly_four_types_are_final(self, name: str) -> None:
        """Completed, failed, cancelled, crashed: nothing follows them."""
        state = maker_of(name)()
        assert state.is_final() == state.is_finished() == (name in TERMINAL_NAMES)
        assert state.is_final() == (state.type in TERMINAL)

    @pytest.mark.parametrize("name", TYPES)
    @pytest.mark.parametrize("predicate", [*BY_TYPE, *BY_NAME])
    def test_truth_table(self, name: str, predicate: str) -> None:
        """A predicate asks for one type, or for one name."""
        expected = TYPES[name] is BY_TYPE[predicate] if predicate in BY_TYPE else name == BY_NAME[predicate]
        assert getattr(maker_of(name)(), predicate)() == expected

    @pytest.mark.parametrize(("alias", "name"), ALIASES.items())
    def test_prefect_1_names_make_the_same_states(self, alias: str, name: str) -> None:
        """Success, Finished and Resume are other names, no other states."""
        assert getattr(states, alias)() == maker_of(alias)() == maker_of(name)()

    def test_an_unknown_name_is_an_option_error(self) -> None:
        """The nearest name is offered."""
        with pytest.raises(OptionError, match="did you mean 'Completed'"):
            maker_of("Complete")


class TestMakers:
    """Making states with the spellings of three generations."""

    def test_prefect_3_spellings(self) -> None:
        """`data`, `name` and `scheduled_time` are understood."""
        state = Completed(message="m", data=7, name="Good enough")
        assert (state.name, state.result, state.type) == ("Good enough", 7, StateType.COMPLETED)
        assert Scheduled(scheduled_time=60).start_time == 60.0

    def test_a_start_time_may_be_a_datetime(self) -> None:
        """Times are kept as seconds since the epoch."""
        assert Scheduled(start_time=datetime(1970, 1, 2, tzinfo=UTC)).start_time == 86400.0

    def test_a_time_that_is_none_is_refused(self) -> None:
        """A text is no time."""
        with pytest.raises(OptionError, match="no time"):
            seconds_since_epoch("tomorrow")  # pyright: ignore[reportArgumentType]

    def test_isinstance_works_as_in_prefect_1(self) -> None:
        """The maker of a type's own name covers the type, any other one its name."""
        assert isinstance(Cached(), states.Success)  # pyright: ignore[reportArgumentType]
        assert isinstance(TimedOut(), Failed)  # pyright: ignore[reportArgumentType]
        assert not isinstance(Failed(), TimedOut)  # pyright: ignore[reportArgumentType]
        assert not isinstance("Failed", Failed)


class TestValue:
    """What a run made, or why it made nothing."""

    def test_a_completed_run_has_its_value(self) -> None:
        """None is a value, too."""
        assert Completed(result=7).value() == 7
        assert Completed().value() is None

    def test_a_failed_run_raises_its_own_exception(self) -> None:
        """The very object, not a copy or a wrapper."""
        error = KeyError("x")
        with pytest.raises(KeyError) as caught:
            Failed(result=error).value()
        assert caught.value is error
        assert Failed(result=error).value(raise_on_failure=False) is error

    def test_a_failure_without_exception_raises_with_its_message(self) -> None:
        """The reason is not lost."""
        with pytest.raises(TaskFailedError, match="trigger said no") as caught:
            states.TriggerFailed("trigger said no").value()
        assert caught.value.state == states.TriggerFailed("trigger said no")

    def test_a_run_that_goes_on_has_no_value_yet(self) -> None:
        """Asking early is an error even where failures are not raised."""
        with pytest.raises(NotFinishedError, match="Running"):
            Running().value(raise_on_failure=False)


class TestIdentity:
    """States are values."""

    def test_they_cannot_be_changed(self) -> None:
        """Not even by mistake."""
        with pytest.raises(AttributeError, match="immutable"):
            Completed().name = "Failed"  # pyright: ignore[reportAttributeAccessIssue]

    def test_the_time_does_not_count_for_equality(self) -> None:
        """A state from a history equals one made by hand."""
        assert Completed("m", 7, timestamp=1.0) == Completed("m", 7)
        assert hash(Completed("m", 7, timestamp=1.0)) == hash(Completed("m", 7))

    @pytest.mark.parametrize(
        "other", [Completed("n", 7), Completed("m", 8), Cached("m", 7), Completed("m", 7, a=1)]
    )
    def test_everything_else_does(self, other: State) -> None:
        """Name, message, result and details count."""
        assert Completed("m", 7) != other

    def test_values_that_cannot_be_compared_are_different(self) -> None:
        """An array as a result does no harm."""
        value = Unequal()
        assert Completed(result=value) == Completed(result=value)
        assert Completed(result=value) != Completed(result=Unequal())

    def test_representation(self) -> None:
        """The type is shown only where the name does not say it."""
        assert repr(Completed()) == "Completed()"
        assert repr(Completed("m", name="Fine")) == "Fine('m', type=COMPLETED)"

    def test_pickling(self) -> None:
        """States cross process borders."""
        assert pickle.loads(pickle.dumps(Mapped(map_states=(Completed(),)))) == Mapped(
            map_states=(Completed(),)
        )


class TestDerived:
    """States made from states leave the old ones alone."""

    def test_a_delay_becomes_a_start_time_when_stamped(self) -> None:
        """Only who reads the clock knows when a delay ends."""
        state = states.AwaitingRetry(delay=10.0)
        assert state.stamped(100.0).start_time == 110.0
        assert state.start_time is None

    def test_notes_and_details_are_added(self) -> None:
        """An empty note adds nothing."""
        assert Failed("a").noted("b").message == "a; b"
        assert Failed().noted("b").message == "b"
        assert Failed("a").noted("") == Failed("a")
        assert Failed("a", x=1).with_details(y=2).details == {"x": 1, "y": 2}


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


class TestTransitions:
    """A history keeps what can be written down."""

    @given(
        name=st.sampled_from(sorted(TYPES)),
        message=st.text(),
        details=st.dictionaries(st.sampled_from(["cached_inputs", "loop_count", "own"]), plain),
        enforced=st.sampled_from(["hard", "soft"]),
    )
    def test_plain_details_come_back(
        self, name: str, message: str, details: dict[str, Any], enforced: str
    ) -> None:
        """Whatever is JSON returns as it was, and all that is stored are texts."""
        state = maker_of(name)(message, enforced=enforced, **details)
        kept = transition_of(state, "r#1", 2, 3, 50.0)
        assert all(isinstance(text, str) for text in kept.details.values())
        assert state_of(kept) == state
        assert state_of(kept).timestamp == 50.0
        assert (kept.run, kept.attempt, kept.loop, kept.at, kept.type) == (
            "r#1",
            2,
            3,
            50.0,
            TYPES[name].value,
        )

    def test_values_stay_out_of_it(self) -> None:
        """Exceptions and objects belong to the store, not to the history."""
        kept = transition_of(Failed("m", ValueError("x"), thing=object()), "r#1", 1, 1, 0.0)
        assert (kept.message, dict(kept.details)) == ("m", {})

    def test_items_of_a_mapped_run_come_back_by_name(self) -> None:
        """Also under a name of the user's own."""
        items = (Completed(name="Fine"), Failed())
        kept = transition_of(Mapped(map_states=items), "r#1", 1, 1, 0.0)
        assert state_of(kept).map_states == items

    def test_a_damaged_detail_is_read_as_text(self) -> None:
        """A history is never unreadable as a whole."""
        kept = msgspec.structs.replace(transition_of(Pending(a=1), "r#1", 1, 1, 0.0), details={"a": "{"})
        assert state_of(kept).details == {"a": "{"}
