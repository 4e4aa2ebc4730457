"""The attempts that go on in a runner, by their identifiers."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from nbflow.task_runners.base import Attempt

if TYPE_CHECKING:
    from collections.abc import Callable

Kind = TypeVar("Kind", bound=Attempt)


class Going(Generic[Kind]):
    """The attempts that have not reported.

    Example:
        >>> from nbflow.engine.effects import Ended
        >>> from nbflow.task_runners.base import TaskCall
        >>> going, call = Going(), TaskCall("a#1/1.1", "a", int)
        >>> attempt, is_new = going.take(call.attempt, lambda: Attempt(call))
        >>> going.take(call.attempt, lambda: Attempt(call)) == (attempt, False)
        True
        >>> attempt.tell(Ended.RETURNED, 7), going.cancel(call.attempt)
        (True, False)
    """

    def __init__(self) -> None:
        self._attempts: dict[str, Kind] = {}
        self._lock = threading.Lock()

    def take(self, attempt: str, make: Callable[[], Kind]) -> tuple[Kind, bool]:
        """The attempt of that name, and whether it was made now."""
        with self._lock:
            going = self._attempts.get(attempt)
            if going is not None:
                return going, False
            made = self._attempts[attempt] = make()
        made.add_done_callback(self._forget)
        return made, True

    def cancel(self, attempt: str) -> bool:
        """Ask an attempt to stop; whether it is there."""
        with self._lock:
            going = self._attempts.get(attempt)
        return going is not None and going.cancel()

    def cancel_all(self) -> None:
        """Ask all to stop."""
        with self._lock:
            attempts = list(self._attempts.values())
        for attempt in attempts:
            attempt.cancel()

    def _forget(self, attempt: Any) -> None:
        with self._lock:
            self._attempts.pop(attempt.call.attempt, None)
