"""Values in words and in pages: what a variable is, and some of what it holds.

Only values of known types are looked into; of all others their type is told, and their text when
somebody asks for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, cast

from nbflow.engine.map_result import MapResult
from nbflow.views.words import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ROWS: Final = 20
"""How many rows a page has."""

_MOST_COLUMNS: Final = 30
_CELL: Final = 60
_TEXT: Final = 2_000
_CONTAINERS: Final = (list, tuple, dict, set, frozenset)
_FRAMES: Final = ("pandas", "polars", "pyarrow", "geopandas", "modin")


@dataclass(frozen=True, slots=True)
class ValuePage:
    """Some rows of a value.

    Args:
        about: The value in words, as `described` has it.
        columns: What stands above the rows.
        rows: The rows, as texts.
        start: The number of the first row.
        count: How many rows there are in all.
        text: The value as text, where it has no rows.
    """

    about: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    start: int = 0
    count: int = 0
    text: str = ""


def described(value: object) -> str:
    """Return what a value is, in a few words.

    Example:
        >>> described([1, 2, 3]), described({"a": 1}), described(2.5)
        ('list, 3 items', 'dict, 1 item', 'float')
    """
    name = type(value).__name__
    shape = shape_of(value)
    if shape is not None:
        return f"{name}, {' × '.join(f'{length:,}' for length in shape)}" if shape else name
    if isinstance(value, (*_CONTAINERS, MapResult)):
        count = len(cast("list[Any]", value))
        return f"{name}, {count:,} item{'s' * (count != 1)}"
    if isinstance(value, (str, bytes)):
        return f"{name}, {len(value):,} {'characters' if isinstance(value, str) else 'bytes'}"
    return name


def page_of(value: object, start: int = 0) -> ValuePage:
    """Return some rows of a value, from a number on.

    Example:
        >>> page_of({1: 1, 2: [2]}).rows
        (('1', '1'), ('2', '[2]'))
        >>> page_of(2.5).text
        '2.5'
    """
    about = described(value)
    if is_frame(value):
        return _frame_page(value, about, start)
    if isinstance(value, dict):
        items = cast("dict[object, object]", value)
        rows = [(_text(key), _text(item)) for key, item in islice(items.items(), start, start + ROWS)]
        return ValuePage(about, ("key", "value"), tuple(rows), start, len(items))
    if isinstance(value, (list, tuple)):
        values = cast("list[object]", value)
        return ValuePage(
            about, ("", "value"), _numbered(values[start : start + ROWS], start), start, len(values)
        )
    if isinstance(value, (set, frozenset)):
        members = cast("set[object]", value)
        shown = list(islice(members, start, start + ROWS))
        return ValuePage(about, ("", "value"), _numbered(shown, start), start, len(members))
    shape = shape_of(value)
    if shape:
        return _array_page(value, shape, about, start)
    return ValuePage(about, text=_long(value))


def shape_of(value: object) -> tuple[int, ...] | None:
    """The lengths of an array or a frame of a known library."""
    library = type(value).__module__.partition(".")[0]
    if library not in ("numpy", "scipy", "torch", *_FRAMES):
        return None
    shape: Any = getattr(value, "shape", None)
    return tuple(map(int, cast("tuple[Any, ...]", shape))) if isinstance(shape, tuple) else None


def is_frame(value: object) -> bool:
    """Whether a value is a table of a known library."""
    library = type(value).__module__.partition(".")[0]
    return library in _FRAMES and hasattr(value, "columns") and len(shape_of(value) or ()) == 2


def column_names(frame: Any) -> list[Any]:
    """Return the names of a table's columns."""
    return list(frame.column_names if hasattr(frame, "column_names") else frame.columns)


def _frame_page(value: Any, about: str, start: int) -> ValuePage:
    names = column_names(value)[:_MOST_COLUMNS]
    if hasattr(value, "iloc"):
        part: Any = value.iloc[start : start + ROWS, : len(names)]
        cells = [part.iloc[:, place].tolist() for place in range(len(names))]
        heads = [_cell(each) for each in part.index.tolist()]
    else:
        part = value.slice(start, ROWS)
        cells = [_column(part, name) for name in names]
        heads = [str(start + place) for place in range(len(cells[0]) if cells else 0)]
    rows = tuple((head, *(_cell(column[place]) for column in cells)) for place, head in enumerate(heads))
    more = ("…",) if len(names) < int(value.shape[1]) else ()
    return ValuePage(about, ("", *map(_cell, names), *more), rows, start, int(value.shape[0]))


def _column(part: Any, name: object) -> list[object]:
    column = part[name]
    return column.to_pylist() if hasattr(column, "to_pylist") else column.to_list()


def _array_page(value: Any, shape: Sequence[int], about: str, start: int) -> ValuePage:
    part: Any = (value.iloc if hasattr(value, "iloc") else value)[start : start + ROWS]
    if hasattr(part, "tolist") and len(shape) <= 2:
        listed: list[Any] = part.tolist()
    else:
        listed = list(part) if len(shape) > 1 else []
    wide = len(shape) == 2 and all(isinstance(row, list) for row in listed)
    columns = tuple(str(place) for place in range(min(shape[1], _MOST_COLUMNS))) if wide else ("value",)
    rows = tuple(
        (str(start + place), *(map(_cell, row[:_MOST_COLUMNS]) if wide else (_cell(row),)))
        for place, row in enumerate(listed)
    )
    return ValuePage(about, ("", *columns), rows, start, shape[0])


def _numbered(values: Iterable[object], start: int) -> tuple[tuple[str, ...], ...]:
    return tuple((str(start + place), _text(value)) for place, value in enumerate(values))


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return one_line(str(value), _CELL)


def _text(value: object) -> str:
    return described(value) if _is_long(value) else one_line(repr(value), 2 * _CELL)


def _is_long(value: object) -> bool:
    return shape_of(value) is not None or (
        isinstance(value, _CONTAINERS) and len(cast("list[Any]", value)) > _CELL
    )


def _long(value: object) -> str:
    if isinstance(value, (str, bytes)):
        value = value[:_TEXT]
    return (value if isinstance(value, str) else repr(value))[:_TEXT]
