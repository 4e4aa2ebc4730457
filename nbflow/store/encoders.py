"""Encoders of builtin types, and of all other objects by what `pickle` would keep of them."""

from __future__ import annotations

import array
import copyreg
import datetime
import decimal
import enum
import fractions
import functools
import gc
import ipaddress
import os
import random
import re
import struct
import typing
import uuid
import zoneinfo
from collections import OrderedDict, defaultdict, deque
from types import FunctionType, MappingProxyType, MemberDescriptorType, SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, cast

from nbflow.analysis.reach import Home, place_of
from nbflow.store.codes import kind_token, named, refer
from nbflow.store.paths import given_paths, looks_like_path
from nbflow.store.walks import NAMED, Encoder, NoDigest, Walk, builtin, encodes, full_names, text

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable, Iterator

_long: Final = struct.Struct("<cq").pack
_length: Final = struct.Struct("<cQ").pack
_double: Final = struct.Struct("<cd").pack
_pair: Final = struct.Struct("<cdd").pack


# Atoms ----------------------------------------------------------------------------------------


def integer(value: int) -> bytes:
    """The token of an integer of any size."""
    if -0x8000000000000000 <= value <= 0x7FFFFFFFFFFFFFFF:
        return _long(b"i", value)
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return _length(b"I", len(data)) + data


def _bytes(walk: Walk, value: bytes) -> bytes:
    return _length(b"b", len(value)) + value if len(value) <= 64 else b"B" + walk.buffers([value])


builtin(int, lambda walk, value: integer(value))
builtin(float, lambda walk, value: _double(b"f", value))
builtin(complex, lambda walk, value: _pair(b"c", value.real, value.imag))
builtin(str, lambda walk, value: text(value))
builtin(bytes, _bytes)
builtin(bool, lambda walk, value: b"T" if value else b"F")
builtin(type(None), lambda walk, value: b"N")
builtin(type(...), lambda walk, value: b".")
builtin(type(NotImplemented), lambda walk, value: b"!")


# Containers -----------------------------------------------------------------------------------


def _list(walk: Walk, value: list[Any]) -> bytes:
    return walk.enter(value) or walk.sequence(b"l", value)


def _dict(walk: Walk, value: dict[Any, Any]) -> bytes:
    return walk.enter(value) or walk.mapping(b"d", value)


def _immutable(walk: Walk, value: object, token: bytes, numbered: int) -> bytes:
    """Remember the token of an immutable container if nothing was numbered meanwhile.

    Without that a tuple that is reached by many ways would be walked once for each.
    """
    if len(walk.memo) == numbered:
        walk.tokens[id(value)] = token
        walk.kept.append(value)
    return token


def _tuple(walk: Walk, value: tuple[Any, ...]) -> bytes:
    known = walk.tokens.get(id(value))
    if known is not None:
        return known
    numbered = len(walk.memo)
    return _immutable(walk, value, walk.sequence(b"t", value), numbered)


def _set(walk: Walk, value: set[Any]) -> bytes:
    within = walk.enclosing.get(id(value))
    if within is not None:
        return _length(b"^", within)
    return walk.enter(value) or walk.unordered(b"u", value)


def _frozenset(walk: Walk, value: frozenset[Any]) -> bytes:
    within = walk.enclosing.get(id(value))
    if within is not None:
        return _length(b"^", within)
    known = walk.tokens.get(id(value))
    if known is not None:
        return known
    numbered = len(walk.memo)
    return _immutable(walk, value, walk.unordered(b"z", value), numbered)


def _bytearray(walk: Walk, value: bytearray) -> bytes:
    return walk.enter(value) or b"a" + walk.buffers([value])


def _array(walk: Walk, value: array.array[Any]) -> bytes:
    return walk.enter(value) or walk.group(b"r", text(value.typecode), walk.buffers([value]))


def _memoryview(walk: Walk, value: memoryview) -> bytes:
    if not value.readonly:
        walk.memory.add(id(value.obj))
        walk.kept.append(value.obj)
    shape = walk.token(value.shape)
    about = text(value.format) + (b"F" if value.readonly else b"T")
    return walk.group(b"v", about, shape, walk.buffers([value.tobytes()]))


def _proxy(walk: Walk, value: MappingProxyType[Any, Any]) -> bytes:
    return walk.group(b"p", walk.token(_mapping_of(value)))


def _mapping_of(proxy: MappingProxyType[Any, Any]) -> object:
    """The mapping that a read-only proxy shows; Python hands it out in no other way."""
    return gc.get_referents(proxy)[0]


def _view(walk: Walk, value: Any) -> bytes:
    """The keys, values or items of a dict, which follow what becomes of it."""
    return walk.group(b"p", kind_token(walk, type(value)), walk.token(_mapping_of(value.mapping)))


def _slice(walk: Walk, value: slice) -> bytes:
    return walk.group(b"|", walk.token(value.start), walk.token(value.stop), walk.token(value.step))


builtin(list, _list)
builtin(dict, _dict)
builtin(tuple, _tuple)
builtin(set, _set)
builtin(frozenset, _frozenset)
builtin(bytearray, _bytearray)
builtin(array.array, _array)
builtin(memoryview, _memoryview)
builtin(MappingProxyType, _proxy)
builtin(slice, _slice)
for _mapping in (dict[Any, Any](), OrderedDict[Any, Any]()):
    builtin(type(_mapping.keys()), _view)
    builtin(type(_mapping.values()), _view)
    builtin(type(_mapping.items()), _view)


# Objects --------------------------------------------------------------------------------------

_NEW: Final = cast("Any", copyreg).__newobj__
_HONEST: Final = frozenset(
    {OrderedDict, defaultdict, deque, SimpleNamespace, functools.partial, random.Random}
)
"""Types whose reduction hands out their real parts."""


def mutable_object(walk: Walk, value: object) -> bytes:
    """The token of an object: its class and its state."""
    if id(value) in walk.memo:
        return walk.enter(value) or b""
    made = _reduce(value)
    if isinstance(made, str):
        return _global(walk, value, made, owned=True)
    walk.enter(value)
    return _rebuilt(walk, value, made, owned=True)


def constant(walk: Walk, value: object) -> bytes:
    """The token of an object that nothing can change."""
    known = walk.tokens.get(id(value))
    if known is not None:
        return known
    numbered = len(walk.memo)
    made = _reduce(value)
    if isinstance(made, str):
        return _global(walk, value, made, owned=False)
    return _immutable(walk, value, _rebuilt(walk, value, made, owned=False), numbered)


def _global(walk: Walk, value: object, name: str, *, owned: bool) -> bytes:
    """The token of something that exists once, in its module: a compiled function, a sentinel.

    A name of the user's own may lead to something else tomorrow, so there the content counts, too.
    """
    module = str(getattr(value, "__module__", None) or type(value).__module__)
    parts = (kind_token(walk, type(value)), named(module, name))
    if place_of(module).home is not Home.LOCAL:
        return walk.group(b"g", *parts)
    if owned:
        walk.enter(value)
    return walk.group(b"g", *parts, _left_out(walk, value, None))


def _texts_held(value: object, state: Any) -> Iterator[str]:
    """What methods, or the function that an object calls, may hand to a native reader of files."""
    if isinstance(value, functools.partial):
        yield from given_paths((value.args, value.keywords))
    elif type(state) is dict:
        yield from (held for held in cast("dict[str, object]", state).values() if type(held) is str)


def _rebuilt(walk: Walk, value: object, made: tuple[Any, ...], *, owned: bool) -> bytes:
    kind = type(value)
    plain = _is_plain_object(kind)
    walk.copies |= owned and not plain and kind not in _HONEST
    walk.kept.append(made)
    function, arguments, state, items, pairs, setter = (*made, None, None, None, None)[:6]
    walk.paths.update(filter(looks_like_path, _texts_held(value, state)))
    if plain and type(state) is tuple:
        # The second part is a new dictionary of the slots: it is no memory of the object.
        slots = walk.mapping(b"d", cast("Any", made)[2][1], dotted=True)
        content = walk.group(b"q", _attributes(walk, state[0], owned=owned), slots)
    else:
        content = _attributes(walk, state, owned=owned)
    parts = [*_constructor(walk, kind, function, arguments, owned=owned), content]
    parts.append(walk.sequence(b"l", list(items)) if items is not None else b"-")
    parts.append(walk.mapping(b"d", dict(pairs)) if pairs is not None else b"-")
    if owned and not plain and _says_what_is_kept(kind):
        parts.append(_left_out(walk, value, state))
    return walk.group(b"o", *parts, walk.token(setter))


def _constructor(walk: Walk, kind: type, function: Any, arguments: Any, *, owned: bool) -> tuple[bytes, ...]:
    """What the object is, and how it would be made again, which nobody could call through it.

    The iterator of a list is made by the same function as that of a set, and an object of the
    user's own by a function that its methods are not reached from.
    """
    if function is _NEW and len(arguments) == 1 and arguments[0] is kind:
        return (b"*", kind_token(walk, kind))
    made = kind_token(walk, kind)
    calls = walk.calls
    parts = (made, refer(walk, function), walk.token(arguments) if owned else walk.aside(arguments))
    walk.calls = calls
    return parts


def _attributes(walk: Walk, state: Any, *, owned: bool) -> bytes:
    if type(cast("object", state)) is not dict:
        return walk.token(state)
    return (walk.enter(state) if owned else None) or walk.mapping(b"d", state, dotted=True)


def what_is_lost(value: object) -> str:
    """Why an object that is pickled and made again may be another one; empty where it is not.

    Nothing but what pickling it calls anyway is called for that: a class that says itself how its objects are
    made again is not tried.
    """
    kind = type(value)
    made, kept = _ways_of(kind)
    if made:
        return f"{kind.__qualname__} says itself how it is made again"
    if not kept:
        return ""
    state: object = cast("Any", value).__getstate__()
    parts = dict((*_slots_of(value), *getattr(value, "__dict__", {}).items()))
    held = cast("dict[str, object]", state) if type(state) is dict else {}
    lost = sorted(name for name, part in parts.items() if name not in held or held[name] is not part)
    return f"{kind.__qualname__} leaves out {lost[0]} when it is pickled" if lost else ""


@functools.lru_cache(maxsize=4_000)
def _ways_of(kind: type) -> tuple[bool, bool]:
    """Whether code of the user's own says how objects of a class are made again, and what is kept of them."""

    def is_said_by(name: str) -> bool:
        return any(_is_of_user(vars(base).get(name)) for base in kind.__mro__)

    made = any(map(is_said_by, _MAKE_AGAIN)) or _is_of_user(_registered(kind))
    return made, is_said_by("__getstate__")


def _is_of_user(function: object) -> bool:
    home = function.__globals__.get("__name__") if isinstance(function, FunctionType) else None
    return home is not None and place_of(str(home)).home is Home.LOCAL


def _says_what_is_kept(kind: type) -> bool:
    """Whether a class of the user's own says what pickling keeps: its methods see more than that."""
    if not _is_local(kind):
        return False
    own = (base for base in kind.__mro__ if not _REDUCTIONS.isdisjoint(vars(base)))
    return _registered(kind) is not None or any(map(_is_local, own))


_REDUCTIONS: Final = frozenset({"__reduce_ex__", "__reduce__", "__getstate__"})
_MAKE_AGAIN: Final = ("__reduce_ex__", "__reduce__", "__setstate__", "__getnewargs_ex__")


def _is_local(kind: type) -> bool:
    return place_of(str(kind.__module__)).home is Home.LOCAL


def _left_out(walk: Walk, value: object, state: Any) -> bytes:
    """What an object holds besides its state; parts such as locks are why it is not pickled whole."""
    kept = cast("dict[str, object]", state) if type(state) is dict else {}
    parts: list[bytes] = []
    for name, part in (*_slots_of(value), *getattr(value, "__dict__", {}).items()):
        if name not in kept or kept[name] is not part:
            parts += (text(name), walk.tolerant(part))
    return walk.group(b"d", *parts)


def _slots_of(value: object) -> Iterator[tuple[str, object]]:
    for base in type(value).__mro__:
        if "__slots__" not in vars(base):
            continue
        for name, member in vars(base).items():
            if isinstance(member, MemberDescriptorType) and hasattr(value, name):
                yield name, member.__get__(value)


def _registered(kind: type[Any]) -> Any:
    """How somebody has said that a class is pickled; None where nobody has.

    For exceptions a library that dask loads says so, and adds where they were raised.
    """
    return None if issubclass(kind, BaseException) else copyreg.dispatch_table.get(kind)


def _reduce(value: object) -> Any:
    kind = type(value)
    if kind is object:
        raise NoDigest("a plain object() is nothing but its identity")
    special = _registered(kind)
    try:
        reduced: Any = special(value) if special is not None else value.__reduce_ex__(4)
    except RecursionError:
        raise
    except Exception as error:
        raise NoDigest(f"{kind.__qualname__}: {error}") from error
    # An exception has attributes, none at first, from the moment that somebody looks for them.
    return reduced[:2] if isinstance(value, BaseException) and reduced[2:] == ({},) else reduced


def _is_plain_object(kind: Any) -> bool:
    """Whether Python's own reduction is used: it hands out the object's real `__dict__`."""
    return (
        kind.__reduce_ex__ is object.__reduce_ex__
        and kind.__reduce__ is object.__reduce__
        and kind.__getstate__ is object.__getstate__
        and _registered(kind) is None
    )


def by_content(walk: Walk, value: object, content: Callable[[Any], object]) -> bytes:
    """The token of an object by its class and by what `content` makes of it."""
    met = walk.enter(value)
    if met:
        return met
    walk.copies = True
    try:
        made = content(value)
    except Exception as error:
        raise NoDigest(f"{type(error).__name__} when asked for its content: {error}") from error
    walk.kept.append(made)
    return walk.group(b"h", kind_token(walk, type(value)), walk.token(made))


def _hooked(walk: Walk, value: Any) -> bytes:
    return by_content(walk, value, lambda hooked: hooked.__nbflow_digest__())


def _member(walk: Walk, value: enum.Enum) -> bytes:
    return walk.group(b"e", kind_token(walk, type(value)), walk.token(value.name), walk.token(value.value))


def _record(walk: Walk, value: Any) -> bytes:
    """A namedtuple, or another immutable subclass of a builtin type."""
    known = walk.tokens.get(id(value))
    if known is not None:
        return known
    numbered = len(walk.memo)
    base = next(base for base in type(value).__mro__ if base in _IMMUTABLE)
    token = walk.group(b"k", kind_token(walk, type(value)), walk.token(_IMMUTABLE[base](value)))
    return _immutable(walk, value, token, numbered)


def _type_variable(walk: Walk, value: object) -> bytes:
    """A type variable or a new type, which may lead to itself, by what it stands for."""
    return walk.later(value, _type_variable_content)


def _type_variable_content(walk: Walk, value: Any) -> bytes:
    about = {name: getattr(value, name, None) for name in _OF_TYPE_VARIABLES}
    return walk.group(b"g", kind_token(walk, type(value)), text(str(value.__module__)), walk.aside(about))


_OF_TYPE_VARIABLES: Final = (
    *("__name__", "__bound__", "__constraints__", "__covariant__", "__contravariant__"),
    *("__infer_variance__", "__default__", "__supertype__"),
)

for _kind in (typing.TypeVar, typing.ParamSpec, typing.TypeVarTuple, typing.NewType):
    builtin(_kind, _type_variable)


@encodes("pathlib.PurePath")
def _path(walk: Walk, value: pathlib.PurePath) -> bytes:
    return walk.group(b"/", kind_token(walk, type(value)), text(os.fspath(value)))


# Choosing -------------------------------------------------------------------------------------


def _as_tuple(value: tuple[Any, ...]) -> object:
    return cast("Any", tuple).__getitem__(value, slice(None))


def _as_frozenset(value: frozenset[Any]) -> object:
    return frozenset(cast("Any", frozenset).__iter__(value))


_IMMUTABLE: Final[dict[type, Callable[[Any], object]]] = {
    int: int.__int__,
    float: float.__float__,
    complex: complex.__complex__,
    str: str.__str__,
    bytes: bytes.__bytes__,
    tuple: _as_tuple,
    frozenset: _as_frozenset,
}
"""How an instance of a subclass becomes one of the builtin type, whatever the subclass overrides."""
_CONSTANT_MODULES: Final = ("pyarrow.lib.", "polars.datatypes.", "pandas._libs.sparse.")
_CONSTANT_BASES: Final = frozenset(
    {
        "pandas._libs.missing.C_NAType",
        "pandas._libs.tslibs.nattype._NaT",
        "pandas._libs.tslibs.timestamps._Timestamp",
        "pandas._libs.tslibs.timedeltas._Timedelta",
        "pandas._libs.tslibs.period._Period",
        "pandas._libs.tslibs.offsets.BaseOffset",
        "pandas._libs.interval.Interval",
        "pandas.Interval",
    }
)

for _kind in (
    *(datetime.date, datetime.time, datetime.datetime, datetime.timedelta, datetime.timezone),
    *(decimal.Decimal, fractions.Fraction, uuid.UUID, zoneinfo.ZoneInfo, re.Pattern, range),
    *(ipaddress.IPv4Address, ipaddress.IPv6Address, ipaddress.IPv4Network, ipaddress.IPv6Network),
):
    builtin(_kind, constant)


def by_hook(kind: type) -> Encoder | None:
    """What says itself what its digest is made of."""
    return _hooked if getattr(kind, "__nbflow_digest__", None) is not None else None


def by_name(kind: type) -> Encoder | None:
    """What a library is known to mean by its types."""
    return next((NAMED[name] for name in full_names(kind) if name in NAMED), None)


def by_nature(kind: Any) -> Encoder | None:
    """Enumerations, immutable subclasses of builtin types, and types without any way to change."""
    if issubclass(kind, enum.Enum):
        return _member
    bases: tuple[Any, ...] = kind.__mro__
    if kind.__dictoffset__ == 0 and not _has_slots(kind) and any(base in _IMMUTABLE for base in bases):
        return _record
    names = full_names(kind)
    return (
        constant if names[0].startswith(_CONSTANT_MODULES) or not _CONSTANT_BASES.isdisjoint(names) else None
    )


def by_reduction(kind: type) -> Encoder | None:
    """All other objects."""
    return mutable_object


def _has_slots(kind: Any) -> bool:
    return any(base.__dict__.get("__slots__") for base in kind.__mro__)
