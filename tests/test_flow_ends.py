"""How a graph flow ends where its user decides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from nbflow import Flow, Parameter, State
from nbflow.engine.state import Failed, Success
from nbflow.states import Pending
from tests.graphs import fails, in_memory, ok

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _records() -> Iterator[None]:
    with in_memory():
        yield


class TestTerminalStateHandler:
    """It is called once the tasks have ended, with how they have."""

    def test_it_is_told_of_the_flow_and_the_reference_tasks(self) -> None:
        """What it does not answer stays."""
        told: list[tuple[Any, ...]] = []
        with Flow("told", terminal_state_handler=lambda *given: told.append(given)) as flow:
            ok(1)
            fails()
        assert flow.run().name == "Failed"
        (given,) = told
        assert (given[0], given[1].name) == (flow, "Failed")
        assert sorted(state.name for state in given[2]) == ["Completed", "Failed"]

    @pytest.mark.parametrize(("node", "end"), [(ok, Failed("too few rows")), (fails, Success("forgiven"))])
    def test_what_it_returns_is_how_the_run_ends(self, node: Any, end: State) -> None:
        """With the states of the tasks as its result."""
        with Flow("decides", terminal_state_handler=lambda *_: end) as flow:
            made = node()
        state = flow.run()
        assert (state.name, state.message.partition(";")[0]) == (end.name, end.message)
        assert state.result[made].name == ("Completed" if node is ok else "Failed")
        assert flow.runs()[0].state.name == end.name

    @pytest.mark.parametrize(
        ("answer", "message"), [(7, "returned 7"), (Pending(), "returned Pending"), (None, "KeyError")]
    )
    def test_nonsense_fails_the_run(self, answer: Any, message: str) -> None:
        """With what it should have done; as an error in it does."""

        def handler(*_: Any) -> Any:
            if answer is None:
                raise KeyError("x")
            return answer

        with Flow("wrong", terminal_state_handler=handler) as flow:
            ok()
        state = flow.run()
        assert (state.name, message in state.message) == ("Failed", True)


class Telling:
    """A value that counts how often it is compared."""

    compared = 0

    def __eq__(self, other: object) -> bool:
        Telling.compared += 1
        return self is other

    __hash__ = None  # type: ignore[assignment]


class TestManyTasks:
    """What the end of a flow costs follows the number of its tasks."""

    def test_states_are_not_compared_with_each_other(self) -> None:
        """Values of the user's, which take as long as they like, least of all."""
        with Flow("many") as flow:
            for _ in range(20):
                ok(Telling())
        assert flow.run().name == "Completed"
        assert Telling.compared == 0


class TestParameters:
    """Parameters show themselves."""

    def test_with_their_default(self) -> None:
        """Where they have one."""
        assert repr(Parameter("year")) == "<Parameter 'year'>"
        assert repr(Parameter("year", default=2013)) == "<Parameter 'year', default 2013>"
