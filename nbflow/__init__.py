"""nbflow: a notebook as an incremental workflow, never stale and always explained."""

__version__ = "0.1.0"
