"""The engine: which step is up to date, what runs, and through which states it goes.

It knows neither IPython nor disks nor widgets. `run.py` decides without doing anything, `drive.py`
performs what was decided, `transitions.py` is the table of what may follow what, `signals.py` is
what a body may raise to steer its own run, `graph.py` answers questions about order.
"""

from __future__ import annotations

import importlib
from typing import Any

_ON_DEMAND = frozenset({"cache_validators", "signals", "state"})


def __getattr__(name: str) -> Any:
    """Import what Prefect 1 finds here when it is first asked for: `prefect.engine.signals.RETRY`."""
    if name not in _ON_DEMAND:
        raise AttributeError(f"module 'nbflow.engine' has no attribute {name!r}")
    return importlib.import_module(f"nbflow.engine.{name}")
