"""The attempts that go on in a runner."""

from __future__ import annotations

from nbflow.engine.effects import Ended
from nbflow.task_runners.base import Attempt, TaskCall
from nbflow.task_runners.going import Going


def attempt(name: str) -> Attempt:
    """One that nobody runs."""
    return Attempt(TaskCall(name, name, int))


class TestGoing:
    """Each is there once, until it has reported."""

    def test_it_is_made_once(self) -> None:
        """And again when it has reported."""
        going: Going[Attempt] = Going()
        first, is_new = going.take("a", lambda: attempt("a"))
        assert is_new
        assert going.take("a", lambda: attempt("a")) == (first, False)
        first.tell(Ended.RETURNED, 7)
        assert going.take("a", lambda: attempt("a"))[1]

    def test_stopping(self) -> None:
        """One by its name, or all."""
        going: Going[Attempt] = Going()
        made = [going.take(name, lambda name=name: attempt(name))[0] for name in "abc"]
        assert going.cancel("b")
        assert not going.cancel("b")
        going.cancel_all()
        assert [each.result().ended for each in made] == [Ended.CANCELLED] * 3
