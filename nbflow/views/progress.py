"""The line that tells how far a run has come."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from nbflow.views.words import counted, duration, one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAME: Final = 40


@dataclass
class Progress:
    """How far a run has come, by what was expected of it.

    Args:
        expected: The tasks that are expected to run, with the seconds that each took last; None where it
            never ran.
        started: When the run began.

    Example:
        >>> progress = Progress({"raw": 2.0, "model": 10.0}, started=0.0)
        >>> progress.begins("raw", 0.0)
        >>> progress.ends("raw")
        >>> progress.begins("model", 2.0)
        >>> progress.words(5.0)
        '1 of 2 tasks done · model 3.0 s of about 10 s · about 7.0 s left'
    """

    expected: Mapping[str, float | None]
    started: float = 0.0
    _done: set[str] = field(default_factory=set[str])
    _failed: set[str] = field(default_factory=set[str])
    _running: dict[str, float] = field(default_factory=dict[str, float])

    def begins(self, name: str, at: float) -> None:
        """A task executes from now on, be it for the first time or again."""
        self._running.setdefault(name, at)

    def ends(self, name: str, *, is_bad: bool = False) -> None:
        """A task has ended."""
        self._running.pop(name, None)
        self._done.add(name)
        if is_bad:
            self._failed.add(name)

    def words(self, now: float) -> str:
        """The line."""
        total = len(self.expected.keys() | self._done | self._running.keys())
        parts = [f"{len(self._done):,} of {counted(total, 'task')} done"]
        if self._failed:
            parts.append(f"{len(self._failed):,} failed")
        parts += [self._run_words(name, now - since) for name, since in self._running.items()]
        return " · ".join([*parts, *filter(None, [self._left(now)])])

    def _run_words(self, name: str, passed: float) -> str:
        usual = self.expected.get(name)
        about = f" of about {duration(usual)}" if usual is not None and usual >= 1 else ""
        return f"{one_line(name, _NAME)} {duration(max(passed, 0.0))}{about}"

    def _left(self, now: float) -> str:
        """The time that is left, from how long each took last; what never ran is counted apart."""
        open_tasks = {name: usual for name, usual in self.expected.items() if name not in self._done}
        known = {name: usual for name, usual in open_tasks.items() if usual is not None}
        passed = {name: now - since for name, since in self._running.items()}
        seconds = sum(max(usual - passed.get(name, 0.0), 0.0) for name, usual in known.items())
        unknown = len(open_tasks) - len(known)
        if not known:
            return ""
        more = f" and {counted(unknown, 'task')} that never ran" if unknown else ""
        return f"about {duration(seconds)}{more} left"
