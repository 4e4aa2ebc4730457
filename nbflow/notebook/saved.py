"""The notebook's file: which code cells it has, in which order. Only ever read."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn, cast

from nbflow.exceptions import SessionError

if TYPE_CHECKING:
    from collections.abc import Mapping

NOTEBOOK: Final = "NBFLOW_NOTEBOOK"
"""The environment variable by which a headless run names the notebook to its kernel."""

_NAMED_BY: Final = (NOTEBOOK, "JPY_SESSION_NAME")
_NAMED_BY_VSCODE: Final = "__vsc_ipynb_file__"


class SavedCell(NamedTuple):
    """A code cell as the file has it: its identifier, or an empty text, and its source."""

    id: str
    source: str


@dataclass
class SavedNotebook:
    """A notebook file, read again when it was saved anew.

    Args:
        path: Where it is.
    """

    path: Path

    def __post_init__(self) -> None:
        self._stamp: tuple[int, int] | None = None
        self._cells: tuple[SavedCell, ...] = ()
        self._readings = 0

    def cells(self) -> tuple[SavedCell, ...]:
        """Its code cells in order; those read last where it cannot be read now."""
        if self._was_saved():
            self._cells = read_cells(self.path) or self._cells
            self._readings += 1
        return self._cells

    def readings(self) -> int:
        """How often it was read so far; another number than before says that it was saved anew."""
        self.cells()
        return self._readings

    def _was_saved(self) -> bool:
        """Whether the file is another than when this was last asked."""
        try:
            found = self.path.stat()
        except OSError:
            return False
        stamp = (found.st_mtime_ns, found.st_size)
        self._stamp, before = stamp, self._stamp
        return stamp != before


def read_cells(path: Path) -> tuple[SavedCell, ...]:
    """The code cells of a notebook file; none where it is not there or no notebook."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return tuple(_saved(cell) for cell in content["cells"] if cell["cell_type"] == "code")
    except (OSError, ValueError, KeyError, TypeError):
        return ()


def _saved(cell: Mapping[str, Any]) -> SavedCell:
    source = cell["source"]
    text = "".join(cast("list[str]", source)) if isinstance(source, list) else str(source)
    return SavedCell(str(cell.get("id", "")), text)


def refuse(path: Path) -> NoReturn:
    """Say why there are no cells in a file.

    Raises:
        SessionError: Always.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SessionError(f"there is no notebook {path}: {error.strerror}") from None
    except ValueError as error:
        raise SessionError(f"{path} is no notebook: {error}") from None
    has_cells = isinstance(content, dict) and "cells" in content
    raise SessionError(f"{path} has no code" if has_cells else f"{path} is no notebook: it has no cells")


def find_notebook(names: Mapping[str, object]) -> Path | None:
    """The file of the notebook that this kernel belongs to, as far as its host tells.

    Args:
        names: The user's namespace, where VS Code leaves it.
    """
    told = [os.environ.get(variable, "") for variable in _NAMED_BY] + [str(names.get(_NAMED_BY_VSCODE, ""))]
    paths = (Path(text) for text in told if text.endswith(".ipynb"))
    return next((path.resolve() for path in paths if path.is_file()), None)


def arranged(order: tuple[str, ...], saved: list[str]) -> tuple[str, ...]:
    """The order with the saved cells as in the file; each other step stays behind its predecessor.

    Example:
        >>> arranged(("a", "x", "b", "c"), ["c", "a", "b"])
        ('c', 'a', 'x', 'b')
    """
    known, ranks = set(saved), {id: rank for rank, id in enumerate(saved)}
    behind: dict[str, list[str]] = {"": []}
    leader = ""
    for id in order:
        if id in known:
            leader = id
            behind[leader] = []
        else:
            behind[leader].append(id)
    leaders = sorted((id for id in behind if id), key=lambda id: ranks[id])
    return tuple(behind[""]) + tuple(each for id in leaders for each in (id, *behind[id]))
