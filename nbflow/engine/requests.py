"""What work asks of whoever drives it: to run a body, or to wait for bodies that run elsewhere.

Work is a generator, so that the same order of work serves a thread that runs bodies itself, one that
awaits them, and one that lets others run them and waits.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from nbflow.engine.drive import calls_user_code
from nbflow.engine.ongoing import moments

if TYPE_CHECKING:
    from contextvars import Context

    from nbflow.engine.apply import Workspace
    from nbflow.engine.book import Body, Step
    from nbflow.engine.effects import Call
    from nbflow.engine.observation import Observation
    from nbflow.engine.reached import Reached

Result = TypeVar("Result")


class Looks(msgspec.Struct, frozen=True):
    """How a body is looked at, for who does so in another process.

    Args:
        reached: What has to be looked at.
        hidden: What stands under names that are taken away while it runs.
        ignored: Files and folders that are nobody's inputs.
    """

    reached: Reached
    hidden: Mapping[str, object]
    ignored: tuple[str, ...]


class Execution(msgspec.Struct, frozen=True):
    """The request to run a body now.

    It is answered by an `Outcome`, which says how the body ended; by a future of one, where it runs
    elsewhere.

    Args:
        step: The step.
        body: Its body.
        call: The engine's call, with attempt and limit.
        workspace: The names that it runs over.
        context: Where it runs elsewhere, the context variables that it is to see; None: it runs here.
        looks: How it is looked at.
        only_computes: Whether it runs nobody's code, so that it can ask for nothing: neither what
            `nbflow.context` shows nor a task function, and prints nothing.
    """

    step: Step
    body: Body
    call: Call
    workspace: Workspace
    context: Context | None = None
    looks: Looks | None = None
    only_computes: bool = False


class Alone(msgspec.Struct, frozen=True):
    """The request to go on when no other body runs; answered by nothing."""


class Rest(msgspec.Struct, frozen=True):
    """The request to go on at a time, seconds since the epoch; answered by whether it has come."""

    until: float


class Turn(msgspec.Struct, frozen=True):
    """The request to go on when the body of a step may begin; answered by nothing."""

    step: Step


class Waiting(msgspec.Struct, frozen=True):
    """The request to wait until one of these is done; answered by nothing."""

    futures: tuple[Future[Any], ...]

    @calls_user_code
    def here(self) -> None:
        """Wait in this thread; Stop interrupts it.

        Example:
            >>> done, other = Future(), Future()
            >>> done.set_result(None)
            >>> Waiting((done, other)).here()
        """
        for moment in moments():
            if wait(self.futures, moment, FIRST_COMPLETED).done:
                return


class Together(msgspec.Struct, frozen=True):
    """The request to do works at the same time, as parts of the one that asks.

    It is answered when all have ended: by the Stop that kept some of them from beginning, or by nothing.

    Args:
        works: Gives one after the other, as there is room for it.
    """

    works: Iterator[Working[None]]


Request = Together | Turn | Execution | Alone | Rest | Waiting

Working = Generator[Request, Any, Result]
"""Work that yields requests, is sent their answers, and returns a result at its end."""

Observing = Generator[Request, Any, "Observation"]
"""One observed execution: yields it, is sent how it ended, and returns what was seen."""


def answering(run: Callable[[Execution], object]) -> Callable[[Request], Any]:
    """Answers to requests, where this thread runs bodies, or has them run, by `run`.

    Example:
        >>> answering(print)(Alone()) is None
        True
    """

    def answer(request: Request) -> object:
        if isinstance(request, Waiting):
            request.here()
        return run(request) if isinstance(request, Execution) else None

    return answer
