"""How long runs took."""

from __future__ import annotations

from nbflow.states import Transition
from nbflow.views.spans import seconds_running


def path(*states: tuple[float, str, str]) -> list[Transition]:
    """A run that went through these states: when, type and name."""
    return [Transition("r", 1, 1, at, kind, name) for at, kind, name in states]


class TestSeconds:
    """Only what executes counts."""

    def test_attempts_are_added_and_waits_are_not(self) -> None:
        """As in `took` of a task that was tried twice."""
        states = path(
            (0.0, "PENDING", "Pending"), (1.0, "RUNNING", "Running"), (3.0, "SCHEDULED", "AwaitingRetry"),
            (10.0, "RUNNING", "Retrying"), (10.5, "COMPLETED", "Completed"),
        )  # fmt: skip
        assert seconds_running(states) == 2.5

    def test_what_never_ran_took_nothing(self) -> None:
        """A reuse has no duration of its own, and an open run none yet."""
        assert seconds_running(path((0.0, "PENDING", "Pending"), (1.0, "COMPLETED", "Cached"))) is None
        assert seconds_running(path((0.0, "RUNNING", "Running"))) is None
