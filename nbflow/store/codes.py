"""Encoders of code: functions, classes, methods and modules, by what they do.

Code of the user's own counts by content, that of packages by name and version. A function over
the notebook's namespace does not include the values of its globals: those are inputs of their
own, and the walk notes their names. All other functions of the user's own are followed into the
globals that they reach.
"""

from __future__ import annotations

import builtins
import functools
import os
import sys
from types import (
    BuiltinFunctionType,
    CellType,
    ClassMethodDescriptorType,
    CodeType,
    FunctionType,
    MethodDescriptorType,
    MethodType,
    MethodWrapperType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import TYPE_CHECKING, Any, Final, cast

from xxhash import xxh3_128_digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

from nbflow.analysis import reach
from nbflow.analysis.reach import COMPUTED, CodeShape, Home, Import
from nbflow.analysis.sources import sources_of
from nbflow.store.paths import given_paths, looks_like_path
from nbflow.store.walks import Encoder, NoDigest, Walk, builtin, marshalled, text
from nbflow.store.watching import unwatched

_MISSING: Final = object()
_EMPTY: Final = CellType()
_KERNEL: Final = os.urandom(16)
_MOST: Final = 4096
_kinds: dict[type, bytes] = {}
_codes: dict[int, tuple[CodeType, bytes]] = {}


def named(module: str, name: str) -> bytes:
    """The token of something that a name in a module stands for."""
    place = reach.place_of(module)
    return b"n" + xxh3_128_digest(marshalled((module, name, place.name, place.version)))


def kind_token(walk: Walk, cls: Any) -> bytes:
    """The token of a class as the type of a value."""
    known = _kinds.get(cls)
    if known is not None:
        return known
    if id(cls) in walk.memo or reach.place_of(str(cls.__module__)).home is Home.LOCAL:
        walk.classes[id(cls)] = cls
        return walk.later(cls, _class_content)
    if len(_kinds) >= _MOST:
        _kinds.clear()
    token = _kinds[cls] = named(str(cls.__module__), cls.__qualname__)
    return token


def _class(walk: Walk, value: type) -> bytes:
    walk.calls = True
    return kind_token(walk, value)


def refer(walk: Walk, value: object) -> bytes:
    """The token of what code reaches by a name: docstring and annotations do not count there."""
    return _reference(walk, value) if isinstance(value, FunctionType) else walk.token(value)


def _function(walk: Walk, value: FunctionType) -> bytes:
    # Who holds a function instead of naming it may well look at these: registries, decorators.
    documentation = walk.aside((value.__doc__, value.__annotations__))
    return walk.group(b"w", _reference(walk, value), documentation)


def _reference(walk: Walk, value: FunctionType) -> bytes:
    walk.calls = True
    if _home_of(walk, value) is not Home.LOCAL and _is_found_in_package(value):
        return named(value.__module__, value.__qualname__)
    return walk.later(value, _function_content)


def _is_found_in_package(function: FunctionType) -> bool:
    """Whether its name leads to it there: one that wraps code of the user bears the name of that."""
    is_local = reach.place_of(str(function.__module__)).home is Home.LOCAL
    return not is_local and found_by_name(function, None) is function


def _home_of(walk: Walk, function: FunctionType) -> Home:
    # `functools.wraps` copies `__module__`, so only the globals tell whose code it is.
    if function.__globals__ is walk.namespace:
        return Home.LOCAL
    return reach.place_of(str(function.__globals__.get("__name__"))).home


def found_by_name(value: Any, namespace: Mapping[str, object] | None) -> object:
    """What the qualified name of a function or class leads to now, or None."""
    module, name = getattr(value, "__module__", None), str(value.__qualname__)
    held = vars(sys.modules[module]) if module in sys.modules else {}
    if namespace is not None and module == namespace.get("__name__", "__main__"):
        held = namespace
    first, *others = name.split(".")
    found: Any = held.get(first)
    for part in others:
        found = getattr(found, part, None)
    return cast("object", found)


# Functions ------------------------------------------------------------------------------------


def _code(walk: Walk, code: CodeType) -> bytes:
    known = _codes.get(id(code))
    if known is None:
        if len(_codes) >= _MOST:
            _codes.clear()
        token = b"x" + Walk().token(reach.shape_of(code).content)
        known = _codes[id(code)] = (code, token)
    return known[1]


def _function_content(walk: Walk, function: FunctionType) -> bytes:
    walk.calls = True
    if _is_single_dispatch(function):
        return _dispatch_content(walk, function)
    is_member = walk.members is not None and id(function) in walk.members
    home = _home_of(walk, function)
    if home is Home.LOCAL and not is_member:
        _note(walk, function)
    if is_member or (walk.inner and id(function) in walk.inner):
        # What a method wraps is the class's own as the method is, and no memory of its instances.
        walk.inner = (walk.inner or set()).union(map(id, _wrapped_by(function)))
    elif function.__globals__ is walk.namespace:
        # Attributes that it may get later, from its own body or from elsewhere, are memory.
        walk.memory.add(id(function))
    shape = reach.shape_of(function.__code__)
    _add_paths(walk, function, given_paths(_held_by(function)))
    parts = [_code(walk, function.__code__), text(function.__name__)]
    parts += (_part(walk, value, name) for name, value in _defaults(function))
    parts += (_cell(walk, cell, name, shape, is_member) for name, cell in _cells(function))
    parts.append(_own_attributes(walk, function, is_member=is_member))
    if home is Home.LOCAL:
        parts += _imported(walk, function, shape)
        parts += _globals(walk, function, shape)
    return walk.group(b"y", *parts)


def _add_paths(walk: Walk, function: FunctionType, texts: Iterable[str]) -> None:
    paths = set(filter(looks_like_path, texts))
    walk.paths |= paths
    if function.__globals__ is walk.namespace:
        walk.own_paths |= paths


def _wrapped_by(function: FunctionType) -> Iterator[object]:
    for cell in function.__closure__ or ():
        if cell != _EMPTY and isinstance(cell.cell_contents, FunctionType):
            yield cell.cell_contents


def _held_by(function: FunctionType) -> Iterator[object]:
    """What a function has at hand besides its constants: defaults, and variables of enclosing functions."""
    yield from (value for _, value in _defaults(function))
    yield from (cell.cell_contents for cell in function.__closure__ or () if cell != _EMPTY)


def _defaults(function: FunctionType) -> Iterator[tuple[str, object]]:
    code = function.__code__
    positional = function.__defaults__ or ()
    names = code.co_varnames[code.co_argcount - len(positional) : code.co_argcount]
    yield from zip(names, positional, strict=True)
    for name, value in (function.__kwdefaults__ or {}).items():
        yield f"*{name}", value


def _cells(function: FunctionType) -> Iterator[tuple[str, CellType]]:
    return zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)


def _part(walk: Walk, value: object, name: str) -> bytes:
    try:
        return text(name) + walk.token(value)
    except NoDigest as error:
        error.below(f".{name}")
        raise


def _cell(walk: Walk, cell: CellType, name: str, shape: CodeShape, is_member: bool) -> bytes:
    try:
        value: object = cell.cell_contents
    except ValueError:
        return b"0"
    known = id(cell) in walk.memory
    met = walk.enter(cell)
    # A cell is memory that closures share, unless all that it holds is the code of a wrapped function.
    if not known and name not in shape.rebinds and (is_member or not _may_count(value)):
        walk.memory.discard(id(cell))
    if met is not None:
        return met
    try:
        return walk.token(value)
    except NoDigest as error:
        error.below(f".{name}")
        raise


def _may_count(value: object) -> bool:
    return not isinstance(value, FunctionType | type | ModuleType | MethodType | BuiltinFunctionType)


def _own_attributes(walk: Walk, function: FunctionType, *, is_member: bool) -> bytes:
    held = vars(function)
    if not held:
        return b"-"
    if not is_member and any(name != "__wrapped__" for name in held):
        walk.memory.add(id(held))
        walk.kept.append(held)
    return walk.mapping(b"d", held, dotted=True)


def _is_single_dispatch(function: FunctionType) -> bool:
    return (
        function.__code__.co_qualname == "singledispatch.<locals>.wrapper"
        and function.__globals__.get("__name__") == "functools"
    )


def _dispatch_content(walk: Walk, function: Any) -> bytes:
    """A generic function by what is registered; what it has already looked up does not count."""
    _note(walk, function)
    return walk.group(b"y", text("singledispatch"), walk.mapping(b"d", dict(function.registry)))


def _note(walk: Walk, value: Any) -> None:
    """Remember code that can be looked up again by its name."""
    name = f"{value.__module__}.{value.__qualname__}"
    if walk.found is None or "<" in name or name in walk.found:
        return
    held: Any = found_by_name(value, walk.namespace)
    # A wrapped function's name leads to its wrapper, whose digest includes it.
    if held is value or (type(held) is type(value) and not hasattr(held, "__wrapped__")):
        walk.found[name] = value


# What code reaches ----------------------------------------------------------------------------


def _globals(walk: Walk, function: FunctionType, shape: CodeShape) -> Iterator[bytes]:
    scope = function.__globals__
    _add_paths(walk, function, shape.texts)
    if scope is walk.namespace:
        walk.reads |= reach.reads_of(shape, scope)
        walk.writes |= shape.stores
        walk.shows_texts |= shape.shows_text
        return
    if vars(sys.modules.get(str(scope.get("__name__")), builtins)) is not scope:
        walk.memory.add(id(scope))  # a dict of somebody's own, which may be changed as such
    reached: dict[str, object] = {}
    for name, *attributes in sorted(shape.chains):
        if name in scope or not hasattr(builtins, name):
            label, value = _follow(name, attributes, scope.get(name, _MISSING))
            reached[label] = value
    walk.paths.update(value for value in reached.values() if type(value) is str and looks_like_path(value))
    for label, value in reached.items():
        yield _reached(walk, label, value, shows_text=shape.shows_text)


def _follow(name: str, attributes: list[str], value: object) -> tuple[str, object]:
    """Go down through the user's own modules, so that only what is used of them counts."""
    path = [name]
    for attribute in attributes:
        if not reach.is_local_module(value):
            break
        path.append(attribute)
        value = getattr(value, attribute, _MISSING)
    return ".".join(path), value


def _reached(walk: Walk, label: str, value: object, *, shows_text: bool) -> bytes:
    if value is _MISSING:
        return text(label) + b"0"
    # The digest of who reaches it covers it: it is not looked up again by its own name.
    found, walk.found = walk.found, None
    try:
        return text(label) + (walk.token(value) if shows_text else refer(walk, value))
    except NoDigest as error:
        error.below(f".{label}")
        raise
    finally:
        walk.found = found


def _imported(walk: Walk, function: FunctionType, shape: CodeShape) -> Iterator[bytes]:
    package = str(function.__globals__.get("__package__") or "")
    for wanted in sorted(shape.imports):
        name = reach.absolute_name(wanted, package)
        if reach.place_of(name).home is not Home.LOCAL:
            yield named(name, "")
        else:
            for label, value in _import_results(name, wanted):
                yield _reached(walk, label, value, shows_text=shape.shows_text)


def _import_results(name: str, wanted: Import) -> Iterator[tuple[str, object]]:
    """What an import statement would bind; the sources of modules that are not loaded yet."""
    if wanted.names == COMPUTED:
        with unwatched():  # whether it is loaded by now, or by this very call, makes no difference
            sources = sources_of(name)
        yield name, sources
        return
    module = sys.modules.get(name)
    if module is None or not wanted.names:
        yield name, module or sources_of(name)
        top = name.partition(".")[0]  # `import a.b` binds a
        yield top, sys.modules.get(top)
        return
    for attribute in wanted.names:
        label = f"{name}.{attribute}"
        value = getattr(module, attribute, _MISSING)
        yield label, sources_of(label) if value is _MISSING else value


# Modules --------------------------------------------------------------------------------------


def _module(walk: Walk, module: ModuleType) -> bytes:
    walk.calls = True
    if not reach.is_local_module(module) or id(module) in walk.enclosing:
        return named(module.__name__, "")
    known = walk.tokens.get(id(module))
    if known is None:
        known = walk.tokens[id(module)] = b"D" + _whole_module(walk, module)
    return known


def _whole_module(walk: Walk, module: ModuleType) -> bytes:
    """The digest of a module and of the user's own modules that it leads to, each on its own."""
    group = [module]
    parts: list[bytes] = []
    enclosing = {**walk.enclosing, id(module): 0}
    for each in group:  # it grows meanwhile
        walk.memory.add(id(each))
        parts.append(text(each.__name__))
        for value in reach.attributes_of(each).values():
            if isinstance(value, ModuleType) and reach.is_local_module(value) and id(value) not in enclosing:
                enclosing[id(value)] = 0
                group.append(value)
        parts += (text(name) + part for name, part in _attributes(walk, each, enclosing))
    return xxh3_128_digest(b"".join(parts))


def _attributes(walk: Walk, module: ModuleType, enclosing: Mapping[int, int]) -> Iterator[tuple[str, bytes]]:
    for name, value in reach.attributes_of(module).items():
        if id(value) in enclosing and reach.is_submodule(module, name, value):
            continue  # it counts beside its package, or is left out
        apart = Walk(walk.namespace, enclosing, blind=walk.blind)
        try:
            part = apart.finish(refer(apart, value)).encode()
        except NoDigest:
            # Nobody can tell whether it is the same in another kernel.
            apart.gathered(value)
            part = _KERNEL + str(id(value)).encode()
        walk.join(apart.leave_modules())
        yield name, part


# Classes --------------------------------------------------------------------------------------


def _class_content(walk: Walk, cls: type) -> bytes:
    walk.calls = True
    if walk.members is None:
        walk.members = set()
    if cls is walk.root or found_by_name(cls, walk.namespace) is not cls:
        return _whole_class(walk, cls)
    # What an instance reaches by its class alone is the class's, which stands under a name of its own.
    return walk.apart(cls, _whole_class)


def _whole_class(walk: Walk, cls: type) -> bytes:
    assert walk.members is not None
    if id(cls) not in walk.members:
        _note(walk, cls)
    parts = [text(f"{cls.__module__}.{cls.__qualname__}"), _class(walk, type(cls))]
    parts += (kind_token(walk, base) for base in cls.__bases__)
    members = list(reach.members_of(cls))
    walk.paths.update(filter(looks_like_path, given_paths([member for _, member in members])))
    for name, member in members:
        parts.append(text(name) + _class_member(walk, cls, name, member))
    return walk.group(b"Y", *parts)


def _class_member(walk: Walk, cls: type, name: str, member: object) -> bytes:
    assert walk.members is not None
    walk.members.update(map(id, reach.functions_of(member)))
    if isinstance(member, type) and member.__qualname__.startswith(f"{cls.__qualname__}."):
        walk.members.add(id(member))
    if name == "__hash__" and _is_made_by_attrs(member):
        return named("attrs", "__hash__")  # it holds another number in each process; the fields count already
    is_machinery = name.startswith("__") and name.endswith("__")
    is_machinery |= name == "_field_defaults" and reach.is_record_class(cls)
    try:
        return walk.aside(member) if is_machinery else walk.token(member)
    except NoDigest as error:
        if is_machinery and reach.place_of(type(member).__module__).home is Home.PACKAGE:
            return kind_token(walk, type(member))  # what a package derived from the class
        error.below(f".{name}")
        raise


def _is_made_by_attrs(member: object) -> bool:
    return isinstance(member, FunctionType) and member.__code__.co_filename.startswith("<attrs generated ")


# Methods and descriptors ----------------------------------------------------------------------


def _method(walk: Walk, value: MethodType) -> bytes:
    walk.calls = True
    owner = _part(walk, value.__self__, "__self__")
    return walk.group(b"M", owner, walk.token(value.__func__))


def _builtin_function(walk: Walk, value: BuiltinFunctionType) -> bytes:
    walk.calls = True
    owner: object = value.__self__
    if owner is None or isinstance(owner, ModuleType):
        return named(str(value.__module__), value.__qualname__)
    return walk.group(b"m", text(value.__name__), walk.token(owner))


def _bound(walk: Walk, value: MethodWrapperType) -> bytes:
    walk.calls = True
    return walk.group(b"m", text(value.__name__), walk.token(value.__self__))


def _unbound(walk: Walk, value: MethodDescriptorType) -> bytes:
    walk.calls = True
    return walk.group(b"m", text(value.__name__), kind_token(walk, value.__objclass__))


def _wrapping(walk: Walk, value: Any) -> bytes:
    return walk.group(b"W", kind_token(walk, type(value)), walk.token(value.__func__))


def _property(walk: Walk, value: property) -> bytes:
    parts = (value.fget, value.fset, value.fdel, value.__doc__)
    return walk.group(b"P", kind_token(walk, type(value)), *map(walk.token, parts))


def _cached_property(walk: Walk, value: Any) -> bytes:
    return walk.group(b"P", kind_token(walk, type(value)), walk.token(value.func), walk.token(value.attrname))


def _lru_cache(walk: Walk, value: Any) -> bytes:
    """A cached function by the function: what it has remembered so far does not count."""
    walk.calls = True
    _note(walk, value)
    settings: dict[str, object] = {**value.cache_parameters(), **vars(value)}
    return walk.group(b"R", walk.mapping(b"d", settings))


def by_code(kind: type) -> Encoder | None:
    """Classes with a metaclass of their own, and modules and properties of special types."""
    for base, encoder in ((type, _class), (ModuleType, _module), (property, _property)):
        if issubclass(kind, base):
            return encoder
    return None


builtin(FunctionType, _function)
builtin(type, _class)
builtin(ModuleType, _module)
builtin(CodeType, _code)
builtin(MethodType, _method)
builtin(BuiltinFunctionType, _builtin_function)
builtin(MethodWrapperType, _bound)
builtin(MethodDescriptorType, _unbound)
builtin(WrapperDescriptorType, _unbound)
builtin(ClassMethodDescriptorType, _unbound)
builtin(staticmethod, _wrapping)
builtin(classmethod, _wrapping)
builtin(property, _property)
builtin(functools.cached_property, _cached_property)
builtin(type(functools.lru_cache(len)), _lru_cache)
