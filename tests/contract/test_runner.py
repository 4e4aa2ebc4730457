"""What every runner does alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from nbflow.engine.effects import Ended
from nbflow.engine.signals import SKIP
from nbflow.task_runners.base import Entry, TaskCall
from nbflow.task_runners.inline import InlineTaskRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nbflow.task_runners.base import Runner

RUNNERS: dict[str, Callable[[], Runner]] = {"inline": InlineTaskRunner}
PATH = f"{__name__}:"


def length(payload: bytes) -> int:
    """A body that returns."""
    return len(payload)


def fail(payload: bytes) -> None:
    """A body that raises."""
    raise ValueError(payload.decode())


def skip(payload: bytes) -> None:
    """A body that raises a signal."""
    raise SKIP(payload.decode(), result=7)


def leave(payload: bytes) -> None:
    """A body that wants to end its process."""
    raise SystemExit(payload.decode())


@pytest.fixture(params=RUNNERS)
def runner(request: pytest.FixtureRequest) -> Iterator[Runner]:
    """Each runner, closed afterwards."""
    made = RUNNERS[request.param]()
    yield made
    made.close()


def report(runner: Runner, name: str, payload: bytes = b"", **options: Any) -> Any:
    """What the runner says of one body."""
    call = TaskCall("r#1/1.1", "r", Entry(PATH + name, payload), **options)
    return runner.submit(call).result(timeout=60)


class TestReport:
    """Every attempt ends with a report, and nothing escapes."""

    def test_a_value(self, runner: Runner) -> None:
        """What the body returned, under the attempt asked for."""
        found = report(runner, "length", b"abc")
        assert (found.attempt, found.ended, found.value, found.enforced) == (
            "r#1/1.1",
            Ended.RETURNED,
            3,
            None,
        )
        assert found.seconds >= 0

    @pytest.mark.parametrize(("name", "kind"), [("fail", ValueError), ("skip", SKIP), ("leave", SystemExit)])
    def test_whatever_is_raised(self, runner: Runner, name: str, kind: type[BaseException]) -> None:
        """Errors, signals and exits are values of the report."""
        found = report(runner, name, b"why")
        assert found.ended is Ended.RAISED
        assert isinstance(found.value, kind)
        assert str(found.value) == "why"

    def test_a_body_that_cannot_be_found(self, runner: Runner) -> None:
        """Costs that task alone."""
        assert report(runner, "nobody").ended in (Ended.RAISED, Ended.CRASHED)
        assert report(runner, "length", b"abc").value == 3

    def test_a_limit_that_is_not_reached(self, runner: Runner) -> None:
        """Changes nothing."""
        found = report(runner, "length", b"abc", timeout=60.0)
        assert (found.ended, found.value, found.enforced) == (Ended.RETURNED, 3, None)

    def test_the_outcome_says_the_same_to_the_engine(self, runner: Runner) -> None:
        """Attempt, end and value."""
        outcome = report(runner, "length", b"abc").outcome()
        assert (outcome.attempt, outcome.ended, outcome.value) == ("r#1/1.1", Ended.RETURNED, 3)


class TestLife:
    """From the first call to the last."""

    def test_closing_twice(self, runner: Runner) -> None:
        """Does nothing more."""
        runner.close()
        runner.close()

    def test_cancelling_what_is_not_there(self, runner: Runner) -> None:
        """Has no effect, and says so."""
        assert runner.cancel("nobody#1/1.1") is False

    def test_its_name_is_the_one_of_the_option(self, runner: Runner) -> None:
        """`--runner NAME`."""
        assert runner.name in RUNNERS
