"""The last runs of a step, for its badge."""

from __future__ import annotations

from nbflow.engine.drive import Entered
from nbflow.engine.effects import RunSpec
from nbflow.notebook.recent import Recent
from nbflow.states import Completed, Failed, Running, State, transition_of
from nbflow.views.cards import RunLine


def enter(recent: Recent, state: State, at: float, *, run: str = "r1", number: int = 3) -> None:
    """Have a run of the step `clean` enter a state."""
    spec = RunSpec(run, "clean", body=None, flow_run=number)
    recent.note("clean", Entered(spec, None, state, transition_of(state, run, 2, 1, at)))


class TestRecent:
    """What is noted."""

    def test_when_it_began_and_how_long_it_took(self) -> None:
        """All attempts together; as long as it runs, nothing."""
        recent = Recent(list)
        enter(recent, Running(), 10.0)
        enter(recent, Running(), 11.0)
        assert recent.of("clean") == ()
        enter(recent, Failed("no file"), 12.5)
        (line,) = recent.of("clean")
        assert (line.number, line.state, line.started, line.seconds) == (3, "Failed", 10.0, 2.5)
        assert line.attempts == 2

    def test_the_newest_first_and_not_too_many(self) -> None:
        """A badge is small."""
        recent = Recent(list)
        for number in range(1, 9):
            enter(recent, Completed(), 10.0, run=f"r{number}", number=number)
        assert [line.number for line in recent.of("clean")] == [8, 7, 6, 5, 4]

    def test_those_of_earlier_kernels(self) -> None:
        """They come behind, each once, and the history is asked once."""
        asked: list[int] = []

        def earlier() -> list[tuple[str, RunLine]]:
            asked.append(1)
            return [("clean", RunLine(number, "clean", "Completed", id=f"r{number}")) for number in (4, 3, 2)]

        recent = Recent(earlier)
        enter(recent, Completed(), 10.0, run="r4", number=4)
        enter(recent, Completed(), 11.0, run="r5", number=5)
        assert [line.number for line in recent.of("clean")] == [5, 4, 3, 2]
        assert [line.started for line in recent.of("clean")][:2] == [11.0, 10.0]
        assert recent.of("other") == ()
        assert asked == [1]

    def test_others(self) -> None:
        """Runs outside of a flow run have no number to be found by; who never ran has none."""
        recent = Recent(list)
        enter(recent, Completed(), 10.0, number=0)
        assert recent.of("clean") == recent.of("other") == ()
