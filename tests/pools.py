"""Worker processes that tests share: starting one takes longer than most tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbflow.task_runners import ProcessPoolTaskRunner

if TYPE_CHECKING:
    from threading import Event

POOL: Final = ProcessPoolTaskRunner(max_workers=2)
"""Two workers, started when they are needed, ended with Python."""
GATES: Final[dict[str, Event]] = {}
"""What bodies wait for that run in another thread of this process, by a name that can be sent."""
