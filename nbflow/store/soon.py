"""Doing something a little later, in a thread of its own, once for however many asked meanwhile."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from nbflow.store.watching import unwatched

if TYPE_CHECKING:
    from collections.abc import Callable


class Soon:
    """One thread that acts a while after it was asked; it starts with the first asking.

    Args:
        act: What it does; must not raise.
        delay: Seconds between the first asking and the act.

    Example:
        >>> done = threading.Event()
        >>> soon = Soon(done.set, delay=0.0)
        >>> soon.ask()
        >>> done.wait(10.0)
        True
        >>> soon.close()
    """

    def __init__(self, act: Callable[[], object], delay: float) -> None:
        self._act = act
        self._delay = delay
        self._asked = threading.Event()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def ask(self) -> None:
        """Have it done within the delay; costs next to nothing."""
        if self._asked.is_set():
            return
        self._asked.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="nbflow soon", daemon=True)
            with unwatched():
                self._thread.start()

    def close(self) -> None:
        """End the thread; what was asked for and not done is the caller's."""
        self._closing.set()
        self._asked.set()
        if self._thread is not None:
            self._thread.join(timeout=10.0)

    def _serve(self) -> None:
        with unwatched():  # what happens here is no body's doing
            while self._asked.wait() and not self._closing.wait(self._delay):
                # Before the act: what is asked for during that has to be done once more.
                self._asked.clear()
                self._act()
