"""Runners: where a body executes.

A runner turns a `TaskCall` into a `TaskReport` and knows nothing of states, caches, retries or
hooks. It declares what it can promise, and the engine never promises more. `base.py` is the
protocol; each runner has a file of its own.
"""

from nbflow.task_runners.inline import InlineTaskRunner
from nbflow.task_runners.thread import ThreadPoolTaskRunner

__all__ = ["InlineTaskRunner", "ThreadPoolTaskRunner"]
