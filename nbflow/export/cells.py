"""What is exported: cells as they were run, each a frozen value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from nbflow.options import TaskOptions

Kind = Literal["task", "params", "plain"]


@dataclass(frozen=True, slots=True)
class CellText:
    """One cell of a notebook.

    Args:
        kind: Whether it is a task, makes parameters, or is plain.
        label: How people speak of it: the name of a task, `cell [3]`.
        source: Its body as Python, where IPython's syntax stands as calls of `get_ipython()`.
        options: What its header says.

    Example:
        >>> CellText("plain", "cell [1]", "LATE = 15").kind
        'plain'
    """

    kind: Kind
    label: str
    source: str
    options: TaskOptions = field(default_factory=TaskOptions)
