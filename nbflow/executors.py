"""Prefect 1's names of what runs tasks."""

from __future__ import annotations

from nbflow.exceptions import OptionError
from nbflow.task_runners.inline import InlineTaskRunner
from nbflow.task_runners.thread import ThreadPoolTaskRunner

__all__ = ["LocalDaskExecutor", "LocalExecutor"]

LocalExecutor = InlineTaskRunner


class LocalDaskExecutor(ThreadPoolTaskRunner):
    """Runs the tasks of a flow in threads; no dask is needed.

    Args:
        scheduler: `threads`.
        num_workers: How many tasks run at a time; None: 64.

    Raises:
        OptionError: If the scheduler is another one.

    Example:
        >>> LocalDaskExecutor(num_workers=4)
        <ThreadPoolTaskRunner max_workers=4>
    """

    def __init__(self, scheduler: str = "threads", num_workers: int | None = None) -> None:
        if scheduler != "threads":
            raise OptionError(f"scheduler={scheduler!r} is not there; tasks of a flow run in threads")
        super().__init__(num_workers)
