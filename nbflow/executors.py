"""Prefect 1's names of what runs tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbflow.exceptions import OptionError
from nbflow.task_runners import DaskTaskRunner, ProcessPoolTaskRunner
from nbflow.task_runners.inline import InlineTaskRunner
from nbflow.task_runners.thread import ThreadPoolTaskRunner

if TYPE_CHECKING:
    from typing import Self

__all__ = ["DaskExecutor", "LocalDaskExecutor", "LocalExecutor"]

LocalExecutor = InlineTaskRunner
DaskExecutor = DaskTaskRunner


class LocalDaskExecutor(ThreadPoolTaskRunner):
    """Runs the tasks of a flow in threads or processes of this computer; no dask is needed.

    Args:
        scheduler: `threads`, or `processes`, which makes a `ProcessPoolTaskRunner`.
        num_workers: How many tasks run at a time; None: as many as those do.

    Raises:
        OptionError: If the scheduler is another one.

    Example:
        >>> LocalDaskExecutor(num_workers=4), LocalDaskExecutor("processes", 2)
        (<ThreadPoolTaskRunner max_workers=4>, <ProcessPoolTaskRunner max_workers=2>)
    """

    def __new__(cls, scheduler: str = "threads", num_workers: int | None = None) -> Self | Any:
        """Make the runner that the scheduler stands for."""
        if scheduler == "processes":
            return ProcessPoolTaskRunner(num_workers)
        if scheduler != "threads":
            raise OptionError.unknown("scheduler", scheduler, ("threads", "processes"))
        return super().__new__(cls)

    def __init__(self, scheduler: str = "threads", num_workers: int | None = None) -> None:
        super().__init__(num_workers)
