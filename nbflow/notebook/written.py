"""The cells of a notebook's file as they are written: plain Python, options, and the names of tasks."""

from __future__ import annotations

import importlib
from contextlib import suppress
from typing import TYPE_CHECKING

from nbflow.analysis import analyze
from nbflow.analysis.magics import parsed, without_magics
from nbflow.exceptions import OptionError
from nbflow.notebook.naming import default_name, free_name, label_of
from nbflow.options import NO_OPTIONS, TaskOptions, read_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbflow.notebook.cells import Header
    from nbflow.notebook.saved import SavedCell


def options_of(header: Header | None, source: str) -> TaskOptions:
    """What the header of a cell says.

    Raises:
        OptionError: If it makes no sense.
    """
    if header is None or header.kind == "params":
        return NO_OPTIONS
    try:
        return read_options(header.options)
    except OptionError as error:
        raise OptionError(f"{label_of(source)}: {error}") from None


def names_of(
    saved: Sequence[SavedCell], headers: Sequence[Header | None], options: Sequence[TaskOptions]
) -> dict[int, str]:
    """The names of tasks by the places of their cells, as a run from top to bottom gives them."""
    given = {each.name: place for place, each in enumerate(options) if each.name}
    names = {place: name for name, place in given.items()}
    written: set[str] = set()
    for place, (cell, header) in enumerate(zip(saved, headers, strict=True)):
        source = as_python(header.body if header is not None else cell.source)
        if header is not None and header.kind == "task" and place not in names:
            base = options[place].name or _base_name(source, written, place + 1)
            names[place] = free_name(base, set(names.values()))
        with suppress(Exception):  # whoever writes the module says what is wrong with it
            written |= analyze(source).writes
    return names


def _base_name(source: str, written: set[str], number: int) -> str:
    try:
        return default_name(source, (), written, number)
    except SyntaxError:
        return f"cell_{number}"


def as_python(body: str) -> str:
    """A cell with IPython's syntax as calls; by IPython itself, where that is installed."""
    try:
        made = importlib.import_module("IPython.core.inputtransformer2").TransformerManager()
    except ImportError:
        return body if parsed(body) is not None else without_magics(body)
    return made.transform_cell(body)
