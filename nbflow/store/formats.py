"""How the values of a unit become bytes and values again, notebook code included.

A payload is one pickle (protocol 5) of all members of a unit together, so that what they share
stays shared, and beside it the buffers of their arrays. Functions and classes of the notebook
are never written as a reference to a module: a function goes as its code, to be rebuilt over the
live namespace; a class as its name and code digest, and comes back only as the class of that name
with that digest. Bytes are unpickled only after their signature was checked, elsewhere.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import io
import marshal
import pickle
import pickletools
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import CellType, CodeType, FunctionType, ModuleType
from typing import Any, Final, Protocol, cast

import msgspec

from nbflow.analysis.reach import is_local_module
from nbflow.exceptions import DigestError, StorageError
from nbflow.secrets import hides
from nbflow.store.codes import found_by_name
from nbflow.store.columns import (
    ITERATORS,
    Buffers,
    Plan,
    Reduced,
    Span,
    reduce_arrow,
    reduce_polars,
    reduce_whole,
)
from nbflow.store.encoders import what_is_lost
from nbflow.store.protocol import Missing
from nbflow.store.tensors import reduce_tensor
from nbflow.store.walks import is_plain

_PROTOCOL: Final = 5
_DEEPEST: Final = 10_000
_Cached: Final = type(functools.lru_cache(len))
Namespace = dict[str, Any]
CodeDigest = Callable[[object, Namespace], str]
_Rule = Callable[["_Writer", Any], Reduced]


class Payload(msgspec.Struct, frozen=True):
    """The members of a unit as bytes.

    Args:
        pickled: The pickle without its buffers.
        spans: Where each buffer lies: region, offset, length.
        regions: The memory of the buffers, not copied: valid while the values are unchanged.
        packages: Version of each installed package whose types are in the pickle.
        texts: The buffers in which a text may lie: all but those of numbers.
        holds_secret: Whether one of the values is, or holds, a `Secret` or pydantic's `SecretStr`.
    """

    pickled: bytes
    spans: tuple[Span, ...]
    regions: tuple[memoryview, ...]
    packages: Mapping[str, str]
    texts: tuple[memoryview, ...] = ()
    holds_secret: bool = False

    @property
    def size(self) -> int:
        """Bytes in all."""
        return len(self.pickled) + (sum(region.nbytes for region in self.regions) if self.regions else 0)


class _Pickled(Protocol):
    @property
    def pickled(self) -> bytes | memoryview: ...
    @property
    def spans(self) -> Sequence[Span]: ...
    @property
    def packages(self) -> Mapping[str, str]: ...


class Formats:
    """Turns units into payloads and back, over one notebook's namespace.

    Args:
        namespace: The notebook's names; by default those of the program's main module.
        code_digest: Gives the digest of the present code of a class or function.

    Example:
        >>> formats = Formats({"__name__": "__main__"}, lambda value, namespace: "")
        >>> payload = formats.encode(({"a": 1},))
        >>> formats.decode(payload, payload.regions)
        ({'a': 1},)
    """

    def __init__(self, namespace: Namespace | None, code_digest: CodeDigest) -> None:
        self.namespace: Final = namespace if namespace is not None else vars(sys.modules["__main__"])
        self.module: Final = str(self.namespace.get("__name__", "__main__"))
        self.code_digest: Final = code_digest

    def over(self, namespace: Namespace | None) -> Formats:
        """The same over other names; None: these ones."""
        is_other = namespace is not None and namespace is not self.namespace
        return Formats(namespace, self.code_digest) if is_other else self

    def encode(self, values: tuple[object, ...]) -> Payload:
        """Return the payload of the members of a unit.

        Raises:
            StorageError: If a part of them cannot be stored; names the part.
        """
        if is_plain(values):
            return Payload(pickle.dumps(values, _PROTOCOL), (), (), {})
        first = Buffers()
        written = self._write(values, first)
        plan = first.second_plan()
        buffers = first
        if plan != Plan():
            buffers = Buffers(plan)
            written = self._write(values, buffers)
        if any(_refers_to(written.pickled, module) for module in {self.module, "__main__"}):
            raise StorageError("a part of the value is known only by its name in the notebook")
        layout = buffers.lay_out()
        return Payload(written.pickled, *layout, written.packages, buffers.texts(), written.holds_secret)

    def _write(self, values: tuple[object, ...], buffers: Buffers) -> _Written:
        sink = io.BytesIO()
        writer = _Writer(self, sink, buffers)
        try:
            writer.dump(values)
        except StorageError:
            raise
        except Exception as error:
            raise StorageError(_reason(values, writer.last, error)) from error
        return _Written(sink.getvalue(), writer.packages(), writer.has_met_secret())

    def decode(self, payload: _Pickled, regions: Sequence[memoryview]) -> tuple[object, ...]:
        """Return fresh members from a payload; their arrays lie in `regions`.

        Args:
            payload: What `encode` gave, its signature checked.
            regions: The stored regions; writable where the values shall be.

        Raises:
            Missing: If the value cannot be had here and now, with the reason.
        """
        try:
            _check_packages(payload.packages)
            buffers = [regions[region][start : start + length] for region, start, length in payload.spans]
            values: object = _Reader(self, payload.pickled, buffers).load()
        except Missing:
            raise
        except Exception as error:
            raise Missing(f"cannot be rebuilt: {type(error).__name__}: {error}") from error
        return cast("tuple[object, ...]", values)

    def is_local(self, cls: type) -> bool:
        """Whether a class is the notebook's own: no file has it that could be imported."""
        if cls.__module__ != self.module:
            return False
        module = sys.modules.get(self.module)
        importable = module is not None and self.module != "__main__" and hasattr(module, "__file__")
        return not (importable and vars(module) is self.namespace)

    def code_named(self, qualname: str, digest: str, module: str = "") -> object:
        """Return the user's class or function of that name if its code has that digest.

        Args:
            qualname: Its qualified name.
            digest: The digest of its code when it was written.
            module: The user's own module that has it; empty for the notebook.

        Raises:
            Missing: If there is none, or its code has changed.
        """
        names = vars(importlib.import_module(module)) if module else self.namespace
        found: Any = names.get(qualname.partition(".")[0])
        for part in qualname.split(".")[1:]:
            found = getattr(found, part, None)
        if not isinstance(found, type | FunctionType | _Cached):
            raise Missing(f"class {qualname} is not defined")
        if self.code_digest(cast("object", found), self.namespace) != digest:
            raise Missing(
                f"{'class' if isinstance(found, type) else 'function'} {qualname} has changed since"
            )
        return cast("object", found)


@dataclass(frozen=True, slots=True)
class _Written:
    pickled: bytes
    packages: Mapping[str, str]
    holds_secret: bool


class _Writer(pickle.Pickler):
    """Writes notebook code by value and arrays as buffers."""

    def __init__(self, formats: Formats, sink: io.BytesIO, buffers: Buffers) -> None:
        super().__init__(sink, _PROTOCOL, buffer_callback=buffers.take)
        self.formats = formats
        self.buffers = buffers
        self.last: object = None
        self._rules: dict[type, _Rule | None] = {}

    def reducer_override(self, obj: Any) -> Any:
        self.last = obj
        kind = cast("type[object]", type(obj))
        if kind not in self._rules:
            self._rules[kind] = _rule_for(kind)
        rule = self._rules[kind]
        if rule is not None:
            return rule(self, obj)
        if lost := what_is_lost(obj):
            raise StorageError(lost)
        return NotImplemented

    def has_met_secret(self) -> bool:
        """Whether a value of a type that hides its content was met."""
        return any(map(hides, self._rules))

    def packages(self) -> Mapping[str, str]:
        """Versions of the packages of all types met."""
        tops = {kind.__module__.partition(".")[0] for kind in self._rules} - {"nbflow"}
        versions = {top: _version(sys.modules.get(top)) for top in sorted(tops)}
        return {top: version for top, version in versions.items() if version}


class _Reader(pickle.Unpickler):
    """Finds notebook code in the live namespace, and nothing by reference to it."""

    def __init__(self, formats: Formats, pickled: bytes | memoryview, buffers: list[memoryview]) -> None:
        super().__init__(io.BytesIO(pickled), buffers=buffers)
        self.formats = formats

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        if module_name == __name__ and global_name == local_code.__name__:
            return self.formats.code_named
        if module_name == __name__ and global_name == local_function.__name__:
            return functools.partial(local_function, self.formats.namespace)
        if module_name in (self.formats.module, "__main__"):
            raise Missing(f"{global_name} is known only by its name in the notebook")
        return super().find_class(module_name, global_name)


def local_code(formats: Formats, qualname: str, digest: str, module: str = "") -> object:
    """Stand in the pickle for `Formats.code_named`."""
    return formats.code_named(qualname, digest, module)


def local_function(
    namespace: Namespace, magic: bytes, code: bytes, names: tuple[str, str], cells: tuple[CellType, ...]
) -> FunctionType:
    """Return a function of the notebook, rebuilt over the live namespace, its cells still empty."""
    if magic != importlib.util.MAGIC_NUMBER:
        raise Missing(f"function {names[1]} was stored by another version of Python")
    body = cast("CodeType", marshal.loads(code))
    function = FunctionType(body, namespace, names[0], None, cells or None)
    function.__qualname__ = names[1]
    return function


def fill_function(function: FunctionType, state: Mapping[str, Any]) -> None:
    """Give a rebuilt function what may refer back to it."""
    function.__defaults__ = state["defaults"]
    function.__kwdefaults__ = state["kwdefaults"]
    function.__annotations__ = state["annotations"]
    function.__doc__ = state["doc"]
    function.__dict__.update(state["attributes"])
    for cell, content in zip(function.__closure__ or (), state["contents"], strict=True):
        for value in content:
            cell.cell_contents = value


def empty_cell() -> CellType:
    """Return a cell that `fill_function` fills."""
    return CellType()


def cached_function(wrapped: Callable[..., object], maxsize: int | None, typed: bool) -> object:
    """Return a function with an empty cache before it, as `functools.lru_cache` makes it."""
    return functools.lru_cache(maxsize, typed)(wrapped)


def _rule_for(kind: type[object]) -> _Rule | None:
    if issubclass(kind, type):
        return _reduce_class
    if kind in _EXACT:
        return _EXACT[kind]
    top, _, rest = kind.__module__.partition(".")
    if kind.__module__ == "nbflow.tasks" and kind.__name__ == "Task":
        return _reduce_task
    if top == "numpy" and kind.__name__ == "ndarray":
        return lambda writer, value: writer.buffers.reduce_array(value)
    if top == "torch" and any(base.__qualname__ == "Tensor" for base in kind.__mro__):
        return lambda writer, value: reduce_tensor(value)
    if kind.__module__ == "pandas.core.internals.managers":
        return lambda writer, value: writer.buffers.own_blocks(value)
    if kind in ITERATORS or any(base.__module__.startswith(("numpy", "pandas")) for base in kind.__mro__):
        return lambda writer, value: reduce_whole(value)
    if top == "polars" and kind.__name__ in ("DataFrame", "Series"):
        return lambda writer, value: reduce_polars(value)
    if top == "pyarrow" and rest == "lib" and "get_total_buffer_size" in dir(kind):
        return lambda writer, value: reduce_arrow(value)
    return None


def _reduce_class(writer: _Writer, cls: type) -> Reduced:
    formats = writer.formats
    if not formats.is_local(cls):
        return _reduce_imported(formats, cls)
    if "<locals>" in cls.__qualname__:
        raise StorageError(f"class {cls.__qualname__} is defined inside a function")
    return local_code, (cls.__qualname__, formats.code_digest(cls, formats.namespace))


def _reduce_imported(formats: Formats, code: Any) -> Reduced:
    """Bind what comes from a file of the user's own to its code, as that may be edited, too."""
    if "<locals>" in code.__qualname__ or not is_local_module(sys.modules.get(code.__module__)):
        return NotImplemented
    if found_by_name(code, None) is not code:
        return NotImplemented
    try:
        digest = formats.code_digest(code, formats.namespace)
    except DigestError:
        return NotImplemented
    return local_code, (code.__qualname__, digest, code.__module__)


def _reduce_function(writer: _Writer, function: FunctionType) -> Reduced:
    if function.__globals__ is not writer.formats.namespace:
        return _reduce_imported(writer.formats, function)
    cells = function.__closure__ or ()
    state = {
        "defaults": function.__defaults__,
        "kwdefaults": function.__kwdefaults__,
        "annotations": function.__annotations__,
        "doc": function.__doc__,
        "attributes": function.__dict__,
        "contents": tuple(map(_content, cells)),
    }
    code = marshal.dumps(function.__code__)
    names = (function.__name__, function.__qualname__)
    return (
        local_function,
        (importlib.util.MAGIC_NUMBER, code, names, cells),
        state,
        None,
        None,
        fill_function,
    )


def _reduce_task(writer: _Writer, task: Any) -> Reduced:
    if getattr(task.fn, "__globals__", None) is not writer.formats.namespace:
        return NotImplemented
    return cast("Any", type(task)), (task.fn, task.options)


def _content(cell: CellType) -> tuple[object, ...]:
    try:
        return (cell.cell_contents,)
    except ValueError:  # empty: the enclosing function has not bound the name
        return ()


def _reduce_cell(writer: _Writer, cell: CellType) -> Reduced:
    # Empty, so that a function may lie in its own cell; its contents go with the function.
    return empty_cell, ()


def _reduce_module(writer: _Writer, module: ModuleType) -> Reduced:
    if module.__name__ in (writer.formats.module, "__main__"):
        raise StorageError("the notebook's own module is a part of the value")
    return importlib.import_module, (module.__name__,)


def _reduce_cached(writer: _Writer, function: Any) -> Reduced:
    wrapped = function.__wrapped__
    if getattr(wrapped, "__globals__", None) is not writer.formats.namespace:
        return _reduce_imported(writer.formats, function)
    parameters = function.cache_parameters()
    return cached_function, (wrapped, parameters["maxsize"], parameters["typed"])


_EXACT: Final[dict[type, _Rule]] = {
    FunctionType: _reduce_function,
    CellType: _reduce_cell,
    ModuleType: _reduce_module,
    _Cached: _reduce_cached,
}


def _refers_to(pickled: bytes, module: str) -> bool:
    """Whether a pickle names something of a module; other texts of that name do not count."""
    name = module.encode()
    if bytes([0x8C, len(name) & 0xFF]) + name not in pickled:
        return False
    before: Any = None
    last: Any = None
    memo: list[Any] = []
    steps = cast("Iterable[tuple[pickletools.OpcodeInfo, Any, int]]", pickletools.genops(pickled))
    for opcode, argument, _ in steps:
        if opcode.name == "STACK_GLOBAL" and before == module:
            return True
        if opcode.name == "MEMOIZE":
            memo.append(last)
        elif opcode.name != "FRAME":
            before, last = last, memo[argument] if opcode.name.endswith("GET") else argument
    return False


def _version(module: ModuleType | None) -> str:
    version = getattr(module, "__version__", "")
    # Some are texts of a class of their own, as that of torch.
    return str(version) if isinstance(version, str) else ""


def _check_packages(packages: Mapping[str, str]) -> None:
    """Refuse a pickle by another major version of a package: what it holds may mean something else."""
    for name, then in packages.items():
        now = _version(importlib.import_module(name))
        if now.partition(".")[0] != then.partition(".")[0]:
            raise Missing(f"stored with {name} {then}, installed is {now or 'another'}")


def _reason(values: tuple[object, ...], culprit: object, error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply to be stored"
    path = _path_to(values, culprit)
    kind = type(culprit)
    named = f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.").removeprefix("__main__.")
    return f"{path or 'a part of it'} is a {named}, which cannot be stored ({error})"


def _path_to(values: tuple[object, ...], culprit: object) -> str:
    """Return where in the values an object is, such as `value.model.lock`; looks at a bounded number."""
    seen: set[int] = set()
    pending: list[tuple[str, object]] = [
        (f"value {index + 1}" if len(values) > 1 else "value", value) for index, value in enumerate(values)
    ]
    while pending and len(seen) < _DEEPEST:
        path, value = pending.pop(0)
        if value is culprit:
            return path
        if id(value) not in seen:
            seen.add(id(value))
            pending.extend(_parts(path, value))
    return ""


def _parts(path: str, value: Any) -> list[tuple[str, object]]:
    if isinstance(value, dict):
        items = cast("dict[object, object]", value).items()
        return [(f"{path}[{key!r}]", item) for key, item in list(items)[:_DEEPEST]]
    if isinstance(value, list | tuple):
        return [
            (f"{path}[{index}]", item) for index, item in enumerate(cast("list[object]", value)[:_DEEPEST])
        ]
    own = cast("dict[str, object]", getattr(value, "__dict__", None) or {})
    return [(f"{path}.{name}", part) for name, part in own.items()] if type(own) is dict else []
