"""Objects on their way to a worker and back: code of the notebook goes along, classes find home again.

What can be imported is named. Functions and classes that only the notebook has are sent themselves, as
`cloudpickle` does it. A class that comes back is the one that was sent, untouched: an instance made in a
worker is an instance of the class that the notebook has, whose methods go on to see the notebook's names.
"""

from __future__ import annotations

import importlib
import io
import os
import pickle
import sys
import uuid
from dataclasses import dataclass, field
from itertools import count
from operator import attrgetter
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, Final, cast
from weakref import WeakKeyDictionary, WeakValueDictionary

from nbflow.task_runners.base import Entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


_cloudpickle: Any = importlib.import_module("cloudpickle")  # it has no types


@dataclass(slots=True)
class _Classes:
    """The classes that have left this process, and those that have come from others."""

    process: str = field(default_factory=lambda: uuid.uuid4().hex)
    numbers: Iterator[int] = field(default_factory=count)
    home: WeakValueDictionary[str, type] = field(default_factory=WeakValueDictionary[str, type])
    sent: WeakKeyDictionary[type, str] = field(default_factory=WeakKeyDictionary[type, str])
    came: WeakKeyDictionary[type, str] = field(default_factory=WeakKeyDictionary[type, str])

    def key(self, kind: type) -> str:
        """Under what a class is known elsewhere."""
        if kind not in self.sent:
            self.sent[kind] = f"{self.process}/{next(self.numbers)}"
            self.home[self.sent[kind]] = kind
        return self.sent[kind]

    def forget(self) -> None:
        """Begin anew, as a process does that was forked off."""
        self.process = uuid.uuid4().hex


_CLASSES: Final = _Classes()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_CLASSES.forget)


def this_process() -> str:
    """The name of this process among all that objects are sent between."""
    return _CLASSES.process


def packed(value: object, to: str = "") -> bytes:
    """An object as bytes for another process.

    Args:
        value: The object.
        to: The process that it goes back to, by its `this_process`; empty: one that has sent nothing.

    Raises:
        Exception: If it, or something in it, cannot leave this process.

    Example:
        >>> late = 15
        >>> unpacked(packed(lambda delay: delay > late))(20)
        True
    """
    buffer = io.BytesIO()
    packer: Any = _Packer(buffer, protocol=pickle.HIGHEST_PROTOCOL)
    packer.to = to
    packer.dump(value)
    return buffer.getvalue()


def unpacked(data: bytes) -> Any:
    """The object that `packed` has made bytes of.

    Raises:
        Exception: If it cannot be made here.
    """
    return pickle.loads(data)


def shipped(body: Callable[[], Any]) -> Entry:
    """A body without arguments as plain data.

    Raises:
        Exception: If it cannot leave this process.

    Example:
        >>> shipped(lambda: 7)()
        7
    """
    return Entry(f"{__name__}:call_packed", packed(body))


def call_packed(data: bytes) -> Any:
    """Call what `shipped` was given."""
    return unpacked(data)()


_usually: Any = _cloudpickle.Pickler.reducer_override


class _Packer(_cloudpickle.Pickler):
    """Packs one object."""

    to: str = ""
    """See `packed`."""

    def reducer_override(self, obj: Any) -> Any:
        """How one object is packed; NotImplemented: as pickle does it."""
        if isinstance(obj, type):
            return self._of_class(obj, _usually(self, obj))
        if isinstance(obj, BaseException):
            return _of_exception(obj)
        if isinstance(obj, io.IOBase) and _is_open_file(obj):
            raise pickle.PicklingError(f"an open file ({obj!r}) cannot be sent; send its path")
        if not isinstance(obj, (FunctionType, ModuleType)) and _is_found_only_here(obj):
            return object.__new__, (type(obj),), obj.__getstate__()
        return _usually(self, obj)

    def _of_class(self, kind: type, usual: Any) -> Any:
        """A class by its key where it goes back; one that only this process has, with all that is in it."""
        if usual is NotImplemented or len(usual) < 6:  # it can be imported, or is one of Python's own
            return usual
        came_as = _CLASSES.came.get(kind, "")
        if self.to and came_as.startswith(f"{self.to}/"):
            return _at_home, (came_as,)
        make, given, state, _, _, fill = usual
        return _made, (_CLASSES.key(kind), make, given), (fill, state), None, None, _fill


def _of_exception(error: BaseException) -> Any:
    """An exception; the user's constructor, which may want other arguments than it keeps, is not called."""
    kind = type(error)
    if not isinstance(kind.__init__, FunctionType) or isinstance(kind.__reduce__, FunctionType):
        # Asked itself: what dask loads has pickle make all exceptions without their values.
        return error.__reduce_ex__(pickle.HIGHEST_PROTOCOL)
    _, given, *state = cast("tuple[Any, ...]", error.__reduce__())
    return _raised_with, (kind, given), *state


def _raised_with(kind: type[BaseException], given: tuple[Any, ...]) -> BaseException:
    """An exception as its own constructors have left it, which hand these arguments on to Python's."""
    error = kind.__new__(kind, *given)
    constructors = (vars(each).get("__init__") for each in kind.__mro__)
    pythons = next(each for each in constructors if each is not None and not isinstance(each, FunctionType))
    pythons(error, *given)
    return error


def _at_home(key: str) -> type:
    kind = _CLASSES.home.get(key)
    if kind is None:
        raise pickle.UnpicklingError("its class was defined again meanwhile")
    return kind


def _made(key: str, make: Callable[..., type], given: tuple[Any, ...]) -> type:
    """A class like the one that was sent, to be filled; in the process that has that one, itself."""
    kind = _CLASSES.home.get(key)
    if kind is None:
        kind = make(*given)
        _CLASSES.came[kind] = key
    return kind


def _fill(kind: type, filling: tuple[Callable[[type, Any], object], Any]) -> None:
    """Give a class what is in it, unless it is the one that was sent."""
    fill, state = filling
    if kind in _CLASSES.came:
        fill(kind, state)


def _is_open_file(stream: io.IOBase) -> bool:
    if isinstance(stream, (io.StringIO, io.BytesIO)) or stream.closed:
        return False
    try:
        return stream.fileno() > 2  # the three of the process itself are the worker's there
    except (OSError, ValueError):
        return False


def _is_found_only_here(obj: object) -> bool:
    """Whether an object says that it is found by its name, and no worker finds it so."""
    module = getattr(obj, "__dict__", {}).get("__module__")
    if not isinstance(module, str):
        return False
    name = obj.__reduce_ex__(pickle.HIGHEST_PROTOCOL)
    return isinstance(name, str) and (module == "__main__" or _found(module, name) is not obj)


def _found(module: str, name: str) -> object:
    try:
        return attrgetter(name)(sys.modules.get(module))
    except AttributeError:
        return None
