"""How many bodies run at a time: places, which who waits gives to others meanwhile."""

from __future__ import annotations

import threading
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


class Places:
    """So many bodies may run at a time; who finds no place waits in line.

    Args:
        number: How many.

    Example:
        >>> places, begun = Places(1), []
        >>> first = places.take(lambda: begun.append("first"))
        >>> second = places.take(lambda: begun.append("second"))
        >>> begun
        ['first']
        >>> first.leave()
        >>> begun
        ['first', 'second']
    """

    def __init__(self, number: int) -> None:
        self._free = number
        self._line: deque[Place] = deque()
        self._lock = threading.Lock()

    def take(self, begin: Callable[[], object]) -> Place:
        """A place in line; `begin` is called as soon as its turn has come, which may be now."""
        place = Place(self, begin)
        self.queue(place)
        return place

    def queue(self, place: Place, *, first: bool = False) -> None:
        """Put a place in line; first those who had one already and only waited for others."""
        with self._lock:
            if self._free == 0:
                (self._line.appendleft if first else self._line.append)(place)
                return
            self._free -= 1
        if not place.begin():
            self.release()

    def release(self) -> None:
        """Let who has waited longest begin, or the next who comes."""
        while True:
            with self._lock:
                if not self._line:
                    self._free += 1
                    return
                place = self._line.popleft()
            if place.begin():
                return


class Place:
    """The place of one body.

    Args:
        places: Where it is one of.
        begin: Called when the body may begin.
    """

    def __init__(self, places: Places, begin: Callable[[], object]) -> None:
        self._places = places
        self._lock = threading.Lock()
        self._begin = begin
        self._back: threading.Event | None = None
        self._waiting = 0
        self._is_held = self._is_left = False

    def begin(self) -> bool:
        """Hold the place from now on; not where it was left meanwhile."""
        with self._lock:
            if self._is_left:
                return False
            self._is_held = True
        self._begin()
        return True

    def leave(self) -> None:
        """Need it no longer, whether or not it was held; calling it again does nothing."""
        with self._lock:
            was_held, self._is_held, self._is_left = self._is_held, False, True
            back = self._back
        if back is not None:
            back.set()
        if was_held:
            self._places.release()

    def lend(self) -> None:
        """Let others have it while the body waits, for one thing or for several at a time."""
        with self._lock:
            self._waiting += 1
            was_held, self._is_held = self._is_held, False
        if was_held:
            self._places.release()

    def take_back(self) -> None:
        """The body has what it waited for: hold the place again, once it waits for nothing else."""
        back = threading.Event()
        with self._lock:
            self._waiting -= 1
            if self._waiting or self._is_left:
                return
            self._begin, self._back = back.set, back
        self._places.queue(self, first=True)
        back.wait()
        self._back = None


class _Worker(threading.local):
    place: Place | None = None


_WORKER: Final = _Worker()


@contextmanager
def holding(place: Place) -> Generator[None]:
    """The body that runs in this thread has this place."""
    _WORKER.place = place
    try:
        yield
    finally:
        _WORKER.place = None


@contextmanager
def place_given_up() -> Generator[None]:
    """While a body waits for another run, others may use its place; it takes one again afterwards."""
    place = _WORKER.place
    if place is None:
        yield
        return
    place.lend()
    try:
        yield
    finally:
        place.take_back()
