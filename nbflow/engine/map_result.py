"""What a name holds that a body has bound once for each element."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from functools import partial
from typing import Any, overload

from nbflow.exceptions import lines_of_users


@dataclass(frozen=True, slots=True)
class Unread:
    """What stands for the value of an item that has none: reading it raises the error.

    Args:
        error: Why there is none.
    """

    error: BaseException


class MapResult(Sequence[Any]):
    """The values of all items, in the order of the elements.

    A number or a slice means positions; anything else, and every argument of `of`, means an element.

    Args:
        items: The values, by position; `Unread` where an item has none.
        elements: What the body was run for, by position.

    Example:
        >>> prices = MapResult([3, 5], ["pear", "fig"])
        >>> prices[0], prices["fig"], prices.of("pear"), list(prices)
        (3, 5, 3, [3, 5])
    """

    def __init__(self, items: Iterable[Any], elements: Iterable[Any]) -> None:
        self._items = tuple(items)
        self._elements = tuple(elements)

    @property
    def elements(self) -> tuple[Any, ...]:
        """What the body was run for, by position; where two names were mapped, the pairs."""
        return self._elements

    @property
    def shown(self) -> tuple[Any, ...]:
        """The values by position; of an item that has none, its error in words."""
        return tuple(f"{item.error!r}" if isinstance(item, Unread) else item for item in self._items)

    def copied(self, make: Callable[[Any], Any]) -> MapResult:
        """The same with the copies of values and elements that `make` gives; errors are shared.

        Example:
            >>> MapResult([[3]], ["pear"]).copied(list)
            MapResult([[3]])
        """
        items = (item if isinstance(item, Unread) else make(item) for item in self._items)
        return MapResult(items, map(make, self._elements))

    def of(self, element: Any) -> Any:
        """The value for an element.

        Raises:
            KeyError: If the body was not run for it.
            TypeError: If elements are not hashable, or not distinct, so that only positions tell them apart.
        """
        place = self._places().get(element)
        if place is None:
            raise _below_users(KeyError(f"the body was not run for {element!r}; see .elements"))
        return _read(self._items[place])

    def _places(self) -> dict[Any, int]:
        if not all(isinstance(element, Hashable) for element in self._elements):
            raise _below_users(TypeError("these elements are not hashable; take items by their position"))
        places = {element: place for place, element in enumerate(self._elements)}
        if len(places) < len(self._elements):
            raise _below_users(TypeError("these elements are not distinct; take items by their position"))
        return places

    @overload
    def __getitem__(self, key: slice) -> list[Any]: ...
    @overload
    def __getitem__(self, key: Any) -> Any: ...
    def __getitem__(self, key: Any) -> Any:
        """The value at a position, those of a slice, or the value for an element that is no number.

        Raises:
            IndexError: If there is no such position.
            KeyError: If the body was not run for such an element.
        """
        if isinstance(key, slice):
            return [_read(item) for item in self._items[key]]
        return _read(self._at(key)) if isinstance(key, int) else self.of(key)

    def _at(self, place: int) -> Any:
        count = len(self._items)
        if not -count <= place < count:
            which = f"items 0 to {count - 1}" if count else "no items"
            other = f"; .of({place}) is the value for that element" if place in self._elements else ""
            raise _below_users(IndexError(f"there is no item {place}: this has {which}{other}"))
        return self._items[place]

    def __iter__(self) -> Iterator[Any]:
        for item in self._items:
            yield _read(item)

    def __len__(self) -> int:
        return len(self._items)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, MapResult):
            return NotImplemented
        return (self._items, self._elements) == (other._items, other._elements)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        shown = (f"<{item.error!r}>" if isinstance(item, Unread) else repr(item) for item in self._items)
        return f"MapResult([{', '.join(shown)}])"


def _read(item: Any) -> Any:
    if isinstance(item, Unread):
        raise _anew(item.error)
    return item


def _below_users(error: BaseException) -> BaseException:
    """An error that is shown below the line of the user that has led to it."""
    error._render_traceback_ = partial(lines_of_users, error)  # type: ignore[attr-defined]
    return error


def _anew(error: BaseException) -> BaseException:
    """A copy of an error, for one reader: what it tells of its way to him is none of the value's.

    One that cannot be copied is raised itself.
    """
    try:
        raised = copy(error)
        raised.__dict__ = dict(raised.__dict__)  # some libraries let copies share theirs
        _below_users(raised)
    except Exception:  # noqa: BLE001 - it is the user's class
        return error.with_traceback(None)
    raised.__cause__, raised.__suppress_context__ = error.__cause__, error.__suppress_context__
    return raised
