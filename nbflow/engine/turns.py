"""Whose turn it is: of each runner as many bodies begin as it has places; until then a run is Pending."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nbflow.engine.effects import Begin, Enter

if TYPE_CHECKING:
    from collections.abc import Hashable

    from nbflow.engine.effects import Effect, Steps


@dataclass(slots=True, eq=False)
class Ticket:
    """The turn of one body.

    Args:
        of: What has the places.
        most: How many it has.
        come: Done when the body may begin.
    """

    of: Hashable
    most: int
    come: Future[None] = field(default_factory=Future[None])


class Turns:
    """Lets bodies begin in the order in which they ask.

    Example:
        >>> turns = Turns()
        >>> first, second = turns.ask("pool", 1), turns.ask("pool", 1)
        >>> first.come.done(), second.come.done()
        (True, False)
        >>> turns.leave(first)
        >>> second.come.done()
        True
    """

    def __init__(self) -> None:
        self.is_held = False
        """Whether no turn comes for now; may be set in any thread."""
        self._taken = Counter["Hashable"]()
        self._line: list[Ticket] = []

    def ask(self, of: Hashable, most: int) -> Ticket:
        """Ask for a turn at one of so many places."""
        ticket = Ticket(of, most)
        self._line.append(ticket)
        self._call()
        return ticket

    def leave(self, ticket: Ticket) -> None:
        """Need it no longer, whether or not it has come."""
        if ticket in self._line:
            self._line.remove(ticket)
        else:
            self._taken[ticket.of] -= 1
            self._call()

    def go_on(self) -> None:
        """Let turns come again."""
        self.is_held = False
        self._call()

    def _call(self) -> None:
        for ticket in tuple(self._line):
            if not self.is_held and self._taken[ticket.of] < ticket.most:
                self._line.remove(ticket)
                self._taken[ticket.of] += 1
                ticket.come.set_result(None)


def asking(steps: Steps) -> Steps:
    """The same run, which asks for a turn before it is Running.

    Example:
        >>> from nbflow.engine.effects import RunSpec
        >>> from nbflow.engine.run import run_task
        >>> steps = asking(run_task(RunSpec("one#1", "one", body=lambda: 1)))
        >>> type(next(steps)).__name__, type(steps.send(None)).__name__
        ('Enter', 'Begin')
    """
    try:
        effect: Effect = next(steps)
        while True:
            try:
                if isinstance(effect, Enter) and effect.state.is_running():
                    yield Begin(effect.spec)
                answer = yield effect
            except GeneratorExit:
                steps.close()
                raise
            except BaseException as error:  # noqa: BLE001 - the run decides what it means
                effect = steps.throw(error)
            else:
                effect = steps.send(answer)
    except StopIteration as end:
        return end.value
