"""One run for a key at a time: who else wants its result waits for it."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.running.runs import Run


class Claims:
    """Which run is making the result of which key.

    Example:
        >>> from nbflow.running.runs import Run
        >>> claims, ended = Claims(), Future()
        >>> claims.take("k", Run("a1", "clean", None), ended) is None
        True
        >>> claims.take("k", Run("a2", "clean", None), Future()) is ended
        True
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_key: dict[str, tuple[str, Future[Any]]] = {}
        self._holders: set[str] = set()

    def take(self, key: str, run: Run, ended: Future[Any]) -> Future[Any] | None:
        """Claim a key until `ended` is done; where another run has it, return the end of that one."""
        with self._lock:
            holder, end = self._by_key.setdefault(key, (run.id, ended))
            if holder != run.id:
                # One that is needed by a run which somebody may wait for must not wait itself.
                return None if self._is_needed(run) else end
            self._holders.add(run.id)
        ended.add_done_callback(lambda _: self._release(key, run.id))
        return None

    def _release(self, key: str, run: str) -> None:
        with self._lock:
            self._by_key.pop(key, None)
            self._holders.discard(run)

    def _is_needed(self, run: Run) -> bool:
        around = run.parent
        while around is not None and around.id not in self._holders:
            around = around.parent
        return around is not None


CLAIMS: Final = Claims()
"""Those of this process."""


def once_done(waited: Future[Any], make: Callable[[], Any]) -> Future[Any]:
    """A future of what `make` returns when `waited` is done; a future that it returns is waited for, too.

    Example:
        >>> first, second = Future(), Future()
        >>> made = once_done(first, lambda: second)
        >>> first.set_result(None)
        >>> second.set_result(7)
        >>> made.result()
        7
    """
    made: Future[Any] = Future()

    def go_on(make: Callable[[], Any]) -> None:
        if made.cancelled():
            return
        try:
            answer = make()
        except BaseException as error:  # noqa: BLE001  # it belongs to whoever waits
            if made.set_running_or_notify_cancel():
                made.set_exception(error)
            return
        if isinstance(answer, Future):
            later = cast("Future[Any]", answer)
            later.add_done_callback(lambda done: go_on(done.result))
        elif made.set_running_or_notify_cancel():
            made.set_result(answer)

    waited.add_done_callback(lambda _: go_on(make))
    return made
