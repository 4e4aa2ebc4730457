"""Runners: where a body executes.

A runner turns a `TaskCall` into a `TaskReport` and knows nothing of states, caches, retries or
hooks. It declares what it can promise, and the engine never promises more. `base.py` is the
protocol; each runner has a file of its own.

Example:
    >>> from nbflow.task_runners import ThreadPoolTaskRunner
    >>> ThreadPoolTaskRunner(max_workers=4)
    <ThreadPoolTaskRunner max_workers=4>
"""

from __future__ import annotations

import importlib
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from nbflow.exceptions import OptionError

if TYPE_CHECKING:
    from nbflow.task_runners.base import Runner
    from nbflow.task_runners.dask import DaskTaskRunner
    from nbflow.task_runners.inline import InlineTaskRunner
    from nbflow.task_runners.process import ProcessPoolTaskRunner
    from nbflow.task_runners.thread import ThreadPoolTaskRunner

__all__ = [
    "DaskTaskRunner",
    "InlineTaskRunner",
    "ProcessPoolTaskRunner",
    "ThreadPoolTaskRunner",
    "runner_named",
]

_HOMES = {
    "DaskTaskRunner": "nbflow.task_runners.dask",
    "InlineTaskRunner": "nbflow.task_runners.inline",
    "ProcessPoolTaskRunner": "nbflow.task_runners.process",
    "ThreadPoolTaskRunner": "nbflow.task_runners.thread",
}


def __getattr__(name: str) -> Any:
    """Import a runner when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module 'nbflow.task_runners' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


NAMES: Final = {
    "inline": "InlineTaskRunner",
    "thread": "ThreadPoolTaskRunner",
    "process": "ProcessPoolTaskRunner",
    "dask": "DaskTaskRunner",
}
"""What `--runner` takes, and the class of each."""


@lru_cache(maxsize=len(NAMES))
def runner_named(name: str) -> Runner:
    """The runner of that name, which all who name it share.

    Raises:
        OptionError: If there is none.

    Example:
        >>> runner_named("thread") is runner_named("thread"), runner_named("inline").name
        (True, 'inline')
    """
    if name not in NAMES:
        raise OptionError.unknown("runner", name, NAMES)
    return __getattr__(NAMES[name])()
