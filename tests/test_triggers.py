"""Triggers: the matrix of outcomes, skips, thresholds, the user's own, and who is named."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbflow.engine.signals import SKIP
from nbflow.exceptions import OptionError
from nbflow.states import (
    Cancelled,
    Completed,
    Crashed,
    Failed,
    Mapped,
    Skipped,
    State,
    TriggerFailed,
)
from nbflow.store.digests import fingerprint
from nbflow.triggers import (
    BUILT_IN,
    BuiltIn,
    Edge,
    Gate,
    all_failed,
    all_finished,
    all_successful,
    always_run,
    any_failed,
    any_successful,
    judge,
    manual_only,
    not_all_skipped,
    parse_trigger,
    some_failed,
    some_successful,
)

if TYPE_CHECKING:
    from collections.abc import Callable

R, S, F, P = Gate.RUN, Gate.SKIP, Gate.FAIL, Gate.PAUSE
LETTERS = {"o": Completed, "f": Failed, "x": Crashed, "t": TriggerFailed, "c": Cancelled, "s": Skipped}

final_states = st.sampled_from(list(LETTERS.values())).map(lambda maker: maker())


def upstream(letters: str) -> dict[Edge, State]:
    """States of upstream tasks `0`, `1`, … written as letters: ok, fail, x crashed, cancelled, skipped."""
    return {Edge(str(position)): LETTERS[letter]() for position, letter in enumerate(letters)}


def verdict(trigger: Callable[..., object], letters: str, *, skip: bool = False) -> Gate:
    """The gate for upstream states written as letters."""
    return judge(trigger, upstream(letters), skip_on_upstream_skip=skip).gate


class TestMatrix:
    """What each trigger says to each mix of upstream states."""

    columns = ("", "o", "of", "ff", "fx", "ot", "c", "oc", "fc", "s", "os", "fs")
    matrix = (
        (all_successful, (R, R, F, F, F, F, F, F, F, R, R, F)),
        (all_failed, (R, F, F, R, R, F, F, F, F, F, F, F)),
        (any_successful, (R, R, R, F, F, R, F, R, F, R, R, R)),
        (any_failed, (R, F, R, R, R, R, F, F, R, F, F, R)),
        (all_finished, (R, R, R, R, R, R, R, R, R, R, R, R)),
        (manual_only, (P, P, P, P, P, P, P, P, P, P, P, P)),
        (not_all_skipped, (R, R, F, F, F, F, F, F, F, S, R, F)),
        (some_failed(), (R, R, R, R, R, R, R, R, R, R, R, R)),
        (some_failed(at_least=1), (R, F, R, R, R, R, F, F, R, F, F, R)),
        (some_failed(at_least=0.5), (R, F, R, R, R, R, F, F, R, F, F, R)),
        (some_failed(at_most=1), (R, R, R, F, F, R, R, R, R, R, R, R)),
        (some_failed(at_most=0), (R, R, F, F, F, F, R, R, F, R, R, F)),
        (some_failed(at_least=1.0), (R, F, F, R, R, F, F, F, F, F, F, F)),
        (some_successful(at_least=1), (R, R, R, F, F, R, F, R, F, R, R, R)),
        (some_successful(0.5, 0.5), (R, F, R, F, F, R, F, R, F, F, F, R)),
        (some_successful(at_least=2), (R, F, F, F, F, F, F, F, F, F, R, F)),
    )

    @pytest.mark.parametrize(("trigger", "row"), matrix, ids=lambda value: repr(value)[:30])
    def test_row(self, trigger: BuiltIn, row: tuple[Gate, ...]) -> None:
        """Skips count as success here, because the task does not skip with its upstream."""
        assert tuple(verdict(trigger, letters) for letters in self.columns) == row

    def test_always_run_is_all_finished(self) -> None:
        """No trigger is asked before all have finished."""
        assert always_run is all_finished

    @given(st.sampled_from([t for name, t in BUILT_IN.items() if name != "manual_only"]))
    def test_a_root_passes_everything_but_manual_only(self, trigger: BuiltIn) -> None:
        """A task without upstream has nothing to be judged by."""
        assert judge(trigger, {}).gate is R
        assert judge(manual_only, {}).gate is P


class TestThresholds:
    """An int is a count, a float a fraction."""

    @given(total=st.integers(1, 200), failed=st.integers(0, 200))
    def test_a_fraction_means_the_number_written(self, total: int, failed: int) -> None:
        """7 of 100 is at least, and at most, 0.07: rounding never decides."""
        failed = min(failed, total)
        states = upstream("f" * failed + "o" * (total - failed))
        share = failed / total
        assert judge(some_failed(at_least=share, at_most=share), states).gate is R

    def test_one_is_one_task_and_one_point_nought_is_all(self) -> None:
        """The trap of Prefect 1 is gone."""
        assert verdict(some_failed(at_least=1), "ofo") is R
        assert verdict(some_failed(at_least=1.0), "ofo") is F

    @pytest.mark.parametrize("bound", [-1, -0.1, 1.5, True])
    @pytest.mark.parametrize("make", [some_failed, some_successful])
    def test_nonsense_is_refused(self, make: Callable[..., BuiltIn], bound: float) -> None:
        """Before anything runs, and with what would be right."""
        with pytest.raises(OptionError, match=r"at_most.*makes no sense"):
            make(at_most=bound)

    @pytest.mark.parametrize("make", [some_failed, some_successful])
    @pytest.mark.parametrize(("low", "high"), [(3, 1), (0.5, 0.25)])
    def test_bounds_that_nothing_can_meet_are_refused(
        self, make: Callable[..., BuiltIn], low: float, high: float
    ) -> None:
        """A count and a fraction may be met together: that hangs on how many tasks there are."""
        with pytest.raises(OptionError, match="can never be met"):
            make(at_least=low, at_most=high)
        assert make(at_least=3, at_most=0.5)
        assert make(at_least=high, at_most=low)


class TestSkip:
    """A task below a skipped one is skipped, unless an upstream failed."""

    @pytest.mark.parametrize("trigger", [*BUILT_IN.values(), some_failed(1), lambda states: True])
    def test_it_comes_before_the_trigger(self, trigger: BuiltIn) -> None:
        """Whatever the trigger would say."""
        judgement = judge(trigger, upstream("os"))
        assert judgement.gate is S
        assert "'1' is Skipped" in judgement.message
        assert "skip_on_upstream_skip=False" in judgement.message

    @pytest.mark.parametrize("letters", ["sf", "sx", "fs", "sot"])
    def test_failure_beats_skip(self, letters: str) -> None:
        """Then the trigger decides."""
        assert verdict(all_successful, letters, skip=True) is F
        assert verdict(any_failed, letters, skip=True) is R

    @given(st.lists(final_states, max_size=5), st.sampled_from(list(BUILT_IN.values())))
    def test_skips_exactly_if_one_skipped_and_none_failed(
        self, states: list[State], trigger: BuiltIn
    ) -> None:
        """Only `not_all_skipped` answers SKIP by itself, and then all were skipped."""
        edges = {Edge(str(index)): state for index, state in enumerate(states)}
        skipped = any(state.is_skipped() for state in states)
        failed = any(state.is_failed() or state.is_crashed() for state in states)
        assert (judge(trigger, edges).gate is S) == (skipped and not failed)


class TestCounting:
    """Each upstream task counts once, a mapped one as its items, a constant not at all."""

    def test_two_edges_from_one_task(self) -> None:
        """As data and as order: still one task."""
        states: dict[Edge, State] = {Edge("a", "x"): Failed(), Edge("a"): Failed(), Edge("b"): Completed()}
        assert judge(some_failed(at_least=2), states).gate is F
        assert judge(some_failed(at_least=0.5, at_most=0.5), states).gate is R

    def test_constants_are_no_upstream(self) -> None:
        """A root with a constant argument is a root."""
        assert judge(all_failed, {Edge(None, "x"): Completed()}).gate is R

    def test_a_mapped_task_counts_as_its_items(self) -> None:
        """Also if its own state says something else."""
        parent = Failed("1 of 3 items", map_states=(Completed(), Failed(), Completed()))
        edges: dict[Edge, State] = {Edge("m", "x"): parent}
        assert judge(some_successful(2, 2), edges).gate is R
        assert judge(all_failed, edges).gate is F
        assert judge(all_successful, edges).message == "trigger all_successful: 'm[1]' is Failed"

    def test_a_skipped_item_skips(self) -> None:
        """Items are upstream tasks."""
        edges: dict[Edge, State] = {Edge("m"): Mapped(map_states=(Completed(), Skipped()))}
        assert judge(all_successful, edges).gate is S

    def test_a_map_over_nothing_is_a_success(self) -> None:
        """It is one completed task."""
        assert judge(all_successful, {Edge("m"): Mapped()}).gate is R
        assert judge(all_failed, {Edge("m"): Mapped()}).gate is F


class TestCustom:
    """Any callable over `{edge: state}`."""

    @pytest.mark.parametrize(
        ("answer", "gate"), [(True, R), (1, R), (0, F), (None, F), (Gate.SKIP, S), (P, P)]
    )
    def test_its_answer_decides(self, answer: object, gate: Gate) -> None:
        """True and false, or a gate."""
        assert judge(lambda states: answer, upstream("o")).gate is gate

    def test_it_sees_edges_and_states(self) -> None:
        """With the argument that an edge feeds, and items apart."""
        seen: dict[Edge, State] = {}

        def look(states: dict[Edge, State]) -> bool:
            seen.update(states)
            return True

        judge(
            look,
            {
                Edge("a", "x"): Failed(),
                Edge(None, "k"): Completed(),
                Edge("m"): Mapped(map_states=(Failed(),)),
            },
        )
        assert seen == {Edge("a", "x"): Failed(), Edge("m", None, 0): Failed()}

    def test_it_is_asked_for_roots_too(self) -> None:
        """With nothing to look at."""
        assert judge(lambda states: bool(states), {}).gate is F

    def test_its_exception_is_a_no(self) -> None:
        """The exception is kept and named."""
        judgement = judge(lambda states: states["nobody"], upstream("o"))  # pyright: ignore
        assert judgement.gate is F
        assert isinstance(judgement.error, KeyError)
        assert "raised KeyError: 'nobody'" in judgement.message

    def test_a_wrong_signature_is_a_no(self) -> None:
        """A mistake in a trigger ends its task, not the flow."""
        assert judge(lambda: True, upstream("o")).gate is F  # pyright: ignore[reportArgumentType]

    def test_a_signal_passes_through(self) -> None:
        """The engine obeys it."""

        def skip(states: object) -> bool:
            raise SKIP("not today")

        with pytest.raises(SKIP):
            judge(skip, upstream("o"))


class TestByName:
    """What a person started by name is not asked."""

    @given(st.sampled_from([*BUILT_IN.values()]), st.lists(final_states, max_size=4))
    def test_it_runs(self, trigger: BuiltIn, states: list[State]) -> None:
        """Whatever came before, skips and `manual_only` included."""
        edges = {Edge(str(index)): state for index, state in enumerate(states)}
        assert judge(trigger, edges, started_by_name=True).gate is R


class TestBlame:
    """The message names those upstream tasks that are responsible."""

    @pytest.mark.parametrize(
        ("trigger", "letters", "named"),
        [
            (all_successful, "ofc", {"1", "2"}),
            (all_failed, "ofc", {"0", "2"}),
            (any_successful, "fc", {"0", "1"}),
            (any_failed, "oc", {"0", "1"}),
            (not_all_skipped, "ocs", {"1"}),
            (lambda states: False, "oo", {"0", "1"}),
        ],
    )
    def test_who(self, trigger: BuiltIn, letters: str, named: set[str]) -> None:
        """And nobody else."""
        message = judge(trigger, upstream(letters), skip_on_upstream_skip=False).message
        assert {name for name in "0123" if f"'{name}' is" in message} == named

    def test_many_are_counted(self) -> None:
        """A message stays readable."""
        assert judge(all_successful, upstream("f" * 9)).message.endswith("'4' is Failed and 4 more")

    def test_the_answer_run_needs_no_reason(self) -> None:
        """Nothing is said where nothing is wrong."""
        assert judge(all_successful, upstream("oo")).message == ""

    def test_a_pause_says_how_to_go_on(self) -> None:
        """The next step is named."""
        assert "%flow resume" in judge(manual_only, {}).message


class TestParse:
    """How triggers are written in a task header."""

    @pytest.mark.parametrize("name", BUILT_IN)
    def test_names(self, name: str) -> None:
        """Each built-in trigger by its name."""
        assert parse_trigger(f" {name} ") is BUILT_IN[name]

    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("some_failed(at_least=2)", "some_failed(at_least=2)"),
            ("some_successful(0.5, at_most=0.75)", "some_successful(at_least=0.5, at_most=0.75)"),
            ("some_failed()", "some_failed()"),
        ],
    )
    def test_calls(self, text: str, shown: str) -> None:
        """With ints and floats as they are written."""
        assert repr(parse_trigger(text)) == shown

    @pytest.mark.parametrize(
        "text",
        [
            "all_succesful",
            "all_failed()",
            "some_failed",
            "some_failed(at_least=x)",
            "some_failed(2, 3, 4)",
            "some_failed(least=2)",
            "some_failed(at_least=-1)",
            "1 +",
            "__import__('os')",
            "",
        ],
    )
    def test_anything_else_is_refused(self, text: str) -> None:
        """With a message for one line."""
        with pytest.raises(OptionError) as caught:
            parse_trigger(text)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("trigger", BUILT_IN.values(), ids=repr)
def test_what_exists_once_stays_the_same(trigger: BuiltIn) -> None:
    """A pickle names it; and a value that holds it shares no memory with others that do."""
    assert pickle.loads(pickle.dumps(trigger)) is trigger
    assert fingerprint(trigger).memory == frozenset()


def test_thresholds_are_made_again() -> None:
    """What takes arguments is written with them."""
    assert repr(pickle.loads(pickle.dumps(some_failed(at_least=2)))) == "some_failed(at_least=2)"
