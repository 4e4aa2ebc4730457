"""How two values differ, in words: what was added, removed, changed, and in how many places.

Only values of known types are looked into, and none is loaded or imported for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from nbflow.engine.map_result import MapResult
from nbflow.views.values import column_names, is_frame, shape_of
from nbflow.views.words import counted, listed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

_MOST_CELLS: Final = 50_000_000
_MOST_ITEMS: Final = 100_000
_MOST_OBJECTS: Final = 2_000_000
"""Up to how many places are compared of which each needs objects of its own."""
_MOST_NAMES: Final = 6


def contrasts(before: object, after: object) -> tuple[str, ...]:
    """Return how a value differs from an earlier one; nothing where nobody can tell.

    Example:
        >>> contrasts({"a": 1, "b": 2}, {"a": 3, "c": 2})
        ('added c', 'removed b', '1 of 1 common key differs')
        >>> contrasts([1, 2, 3], [1, 5, 3])
        ('1 of 3 items differs',)
    """
    return tuple(_contrasts(before, after)) if type(before) is type(after) else ()


def _contrasts(before: Any, after: Any) -> Iterator[str]:
    if is_frame(before):
        yield from _of_frames(before, after)
    elif shape_of(before):
        yield from _of_arrays(before, after)
    elif isinstance(before, dict):
        yield from _of_mappings(cast("dict[object, object]", before), after)
    elif isinstance(before, (set, frozenset)):
        yield from _added_and_removed(cast("Collection[object]", before), after)
    elif isinstance(before, (list, tuple, MapResult)):
        yield from _of_sequences(cast("Sequence[object]", before), after)


# --- frames and arrays ---------------------------------------------------------------------------


def _of_frames(before: Any, after: Any) -> Iterator[str]:
    then, now = column_names(before), column_names(after)
    yield from _added_and_removed(dict.fromkeys(then), dict.fromkeys(now), "column")
    common = [name for name in now if name in then and then.count(name) == now.count(name) == 1]
    yield from _dtypes(before, after, common)
    rows = int(before.shape[0]), int(after.shape[0])
    if rows[0] != rows[1]:
        yield f"{rows[1] - rows[0]:+,} rows"
        return
    yield from _index(before, after)
    if common and rows[0] * len(common) <= _MOST_CELLS:
        yield from _cells(rows[0], {name: _unequal(before[name], after[name]) for name in common})


def _dtypes(before: Any, after: Any, common: Sequence[object]) -> Iterator[str]:
    pairs = [(name, _dtype(before[name]), _dtype(after[name])) for name in common]
    told = [f"{name} {then} → {now}" for name, then, now in pairs if then != now]
    if told:
        yield f"types: {listed(told, _MOST_NAMES)}"


def _dtype(column: Any) -> str:
    return str(getattr(column, "dtype", getattr(column, "type", "")))


def _index(before: Any, after: Any) -> Iterator[str]:
    index = getattr(before, "index", None)
    if hasattr(index, "equals") and not cast("Any", index).equals(after.index):
        yield "the index differs"


def _cells(rows: int, unequal: Mapping[object, int | None]) -> Iterator[str]:
    """In how many cells of the common columns two frames differ."""
    known = {name: count for name, count in unequal.items() if count is not None}
    found = {name: count for name, count in known.items() if count}
    total = sum(found.values())
    if found:
        where = listed(map(str, found), _MOST_NAMES)
        yield f"{total:,} of {counted(rows * len(known), 'cell')} differ{'s' * (total == 1)}, in {where}"
    elif known:
        yield "no cell of the common columns differs"


def _unequal(before: Any, after: Any) -> int | None:
    """In how many places two columns or arrays of one length differ; None where they cannot be compared.

    What is missing in both is the same.
    """
    try:
        if hasattr(before, "ne_missing"):
            return int(before.ne_missing(after).sum())
        if _is_numeric(before) and _is_numeric(after):
            return _unequal_numbers(_plain(before), _plain(after))
        if len(before) > _MOST_OBJECTS:
            return None
        if hasattr(before, "isna"):
            then, now = before.astype(object).to_numpy(), after.astype(object).to_numpy()
            return int(((then != now) & ~(before.isna().to_numpy() & after.isna().to_numpy())).sum())
        if hasattr(before, "to_pylist"):
            return sum(then != now for then, now in zip(before.to_pylist(), after.to_pylist(), strict=True))
        return _unequal_numbers(before, after)
    except Exception:  # noqa: BLE001 - whatever a value's own comparison raises
        return None


def _is_numeric(column: Any) -> bool:
    """Whether it lies in memory as numbers, so that no object has to be made for each."""
    return getattr(getattr(column, "dtype", None), "kind", "") in tuple("biufcmM")


def _plain(column: Any) -> Any:
    """A column as an array."""
    return column.to_numpy() if hasattr(column, "to_numpy") else column


def _unequal_numbers(before: Any, after: Any) -> int:
    differ: Any = before != after
    if hasattr(differ, "nnz"):
        return int(differ.nnz)
    # What differs from itself is no number, in numpy as in torch.
    return int((differ & ~((before != before) & (after != after))).sum())


def _of_arrays(before: Any, after: Any) -> Iterator[str]:
    then, now = _dtype(before), _dtype(after)
    if then != now:
        yield f"type {then} → {now}"
    shape = shape_of(before) or ()
    size = 1
    for length in shape:
        size *= length
    if shape == shape_of(after) and size <= _MOST_CELLS:
        count = _unequal(before, after)
        if count is not None:
            yield f"{count:,} of {counted(size, 'value')} differ{'s' * (count == 1)}"


# --- containers ----------------------------------------------------------------------------------


def _of_mappings(before: dict[object, object], after: dict[object, object]) -> Iterator[str]:
    yield from _added_and_removed(before.keys(), after.keys())
    common = [key for key in before if key in after]
    yield from _told(common, lambda key: _differs(before[key], after[key]), "common key")


def _of_sequences(before: Sequence[object], after: Sequence[object]) -> Iterator[str]:
    more = len(after) - len(before)
    if more:
        yield f"{more:+,} item{'s' * (abs(more) != 1)}"
    places = range(min(len(before), len(after)))
    yield from _told(places, lambda place: _item_differs(before, after, place), "item")


def _item_differs(before: Sequence[object], after: Sequence[object], place: int) -> bool | None:
    """Of a mapped task's result, an item without a value raises when it is read."""
    try:
        return _differs(before[place], after[place])
    except Exception:  # noqa: BLE001 - the item's own error
        return None


def _told(keys: Sequence[Any], differs: Callable[[Any], bool | None], noun: str) -> Iterator[str]:
    if len(keys) > _MOST_ITEMS:
        return
    found = [differs(key) for key in keys]
    count = found.count(True)
    if count or None not in found:
        yield f"{count:,} of {counted(len(keys), noun)} differ{'s' * (count == 1)}"


def _differs(before: object, after: object) -> bool | None:
    """Whether two parts differ; None where nobody can tell."""
    if type(before) is not type(after):
        return True
    if shape_of(before) is not None:
        count = _unequal(before, after) if shape_of(before) == shape_of(after) else 1
        return None if count is None else bool(count)
    try:
        return bool(before != after)
    except Exception:  # noqa: BLE001 - whatever a value's own comparison raises
        return None


def _added_and_removed(
    before: Collection[object], after: Collection[object], noun: str = ""
) -> Iterator[str]:
    for word, names in (
        ("added", [name for name in after if name not in before]),
        ("removed", [name for name in before if name not in after]),
    ):
        if names:
            what = f"{noun}{'s' * (len(names) != 1)} {word}:" if noun else word
            yield f"{what} {listed(map(str, names), _MOST_NAMES)}"
