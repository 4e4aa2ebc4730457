"""The log of a run, under the name of Prefect's module."""

from nbflow.running.logs import RunLogger, get_run_logger

__all__ = ["RunLogger", "get_run_logger"]
