"""Futures of submitted runs, under the name of Prefect's module."""

from nbflow.running.futures import DoneAndNotDone, TaskFuture, TaskFutureList, as_completed, wait

__all__ = ["DoneAndNotDone", "TaskFuture", "TaskFutureList", "as_completed", "wait"]
