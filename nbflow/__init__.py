"""nbflow: a notebook as an incremental workflow, never stale and always explained."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nbflow.analysis import analyze
    from nbflow.states import State
    from nbflow.store.digests import digest, register_digest

__version__ = "0.1.0"

__all__ = ["State", "analyze", "digest", "register_digest"]

_HOMES = {
    "State": "nbflow.states",
    "analyze": "nbflow.analysis",
    "digest": "nbflow.store.digests",
    "register_digest": "nbflow.store.digests",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: `import nbflow` itself stays light."""
    if name not in _HOMES:
        raise AttributeError(f"module 'nbflow' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
