"""nbflow: a notebook as an incremental workflow, never stale and always explained."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

# Bound here and now: else the name would stand for the module of that name.
from nbflow.context import context

if TYPE_CHECKING:
    from nbflow.analysis import analyze
    from nbflow.engine.map_result import MapResult
    from nbflow.flows import Flow, Parameter, case, flow, ifelse, merge, switch
    from nbflow.notebook.extension import past, session, view
    from nbflow.running.futures import as_completed, wait
    from nbflow.running.inputs import allow_failure, flatten, quote, unmapped
    from nbflow.running.logs import get_run_logger
    from nbflow.running.tags import tags
    from nbflow.secrets import Secret
    from nbflow.states import State
    from nbflow.store.digests import digest, register_digest
    from nbflow.tasks import Task, task

__version__ = "0.1.0"

__all__ = [
    "Flow",
    "MapResult",
    "Parameter",
    "Secret",
    "State",
    "Task",
    "allow_failure",
    "analyze",
    "as_completed",
    "case",
    "context",
    "digest",
    "flatten",
    "flow",
    "get_run_logger",
    "ifelse",
    "load_ipython_extension",
    "merge",
    "past",
    "quote",
    "register_digest",
    "session",
    "switch",
    "tags",
    "task",
    "unload_ipython_extension",
    "unmapped",
    "view",
    "wait",
]

_HOMES = {
    "Flow": "nbflow.flows",
    "MapResult": "nbflow.engine.map_result",
    "Parameter": "nbflow.flows",
    "Secret": "nbflow.secrets",
    "State": "nbflow.states",
    "Task": "nbflow.tasks",
    "allow_failure": "nbflow.running.inputs",
    "analyze": "nbflow.analysis",
    "as_completed": "nbflow.running.futures",
    "case": "nbflow.flows",
    "digest": "nbflow.store.digests",
    "flatten": "nbflow.running.inputs",
    "flow": "nbflow.flows",
    "get_run_logger": "nbflow.running.logs",
    "ifelse": "nbflow.flows",
    "merge": "nbflow.flows",
    "past": "nbflow.notebook.extension",
    "quote": "nbflow.running.inputs",
    "register_digest": "nbflow.store.digests",
    "session": "nbflow.notebook.extension",
    "switch": "nbflow.flows",
    "tags": "nbflow.running.tags",
    "task": "nbflow.tasks",
    "unmapped": "nbflow.running.inputs",
    "view": "nbflow.notebook.extension",
    "wait": "nbflow.running.futures",
}

_MODULES = frozenset({"cache_policies", "engine", "states", "task_runners", "triggers"})


def load_ipython_extension(shell: Any) -> None:
    """Attach nbflow to an IPython shell: what `%load_ext nbflow` calls."""
    importlib.import_module("nbflow.notebook.extension").attach(shell)


def unload_ipython_extension(shell: Any) -> None:
    """Leave the shell as it was: what `%unload_ext nbflow` calls."""
    importlib.import_module("nbflow.notebook.extension").detach(shell)


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: `import nbflow` itself stays light."""
    if name in _MODULES:
        return importlib.import_module(f"nbflow.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'nbflow' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
