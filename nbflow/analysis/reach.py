"""What code is made of and what it reaches, as plain structure: nothing is hashed or called here.

A code object becomes a `CodeShape`: its instructions with their constants and names in place,
without line numbers, file names and docstrings, so that only what runs differently differs.
Modules are told apart by where they live: the user's own, installed packages, standard library.
"""

from __future__ import annotations

import builtins
import dis
import enum
import importlib
import importlib.machinery
import importlib.metadata
import sys
import sysconfig
from dataclasses import dataclass, field
from enum import Enum
from functools import cache, cached_property
from pathlib import Path
from types import CodeType, FunctionType, GetSetDescriptorType, MemberDescriptorType, ModuleType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from nbflow.analysis.computed_imports import CALLS, imports_by_texts
from nbflow.analysis.formulas import names_for
from nbflow.analysis.names import TEXT_NAMES
from nbflow.analysis.packages import owners_of_modules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

Chain = tuple[str, ...]
"""A name and the attributes that are read from it at once: `("models", "linear", "fit")`."""


class Home(Enum):
    """Whose code a module is."""

    LOCAL = "local"
    PACKAGE = "package"
    STANDARD = "standard library"


class Place(NamedTuple):
    """Where a module lives: for a package its distribution and version, else its own name."""

    home: Home
    name: str
    version: str


class Import(NamedTuple):
    """An import inside a function: `from ..module import names` has level 2."""

    module: str
    level: int
    names: tuple[str, ...]


COMPUTED: Final = ("*",)
"""The names of an import by a call."""


@dataclass(frozen=True, slots=True)
class CodeShape:
    """A code object as structure, the code nested in it included.

    Args:
        content: What decides how it runs: nested tuples of constants and names.
        loads: Names of the namespace that it may load, builtins included.
        stores: Names of the namespace that it may bind or delete.
        chains: The same loads, each with the attributes read from it at once.
        imports: The import statements in it.
        rebinds: Variables of enclosing functions that it binds anew.
        shows_text: Whether it may look at docstrings, annotations or signatures.
        texts: The strings among its constants.
    """

    content: tuple[object, ...]
    loads: frozenset[str] = frozenset()
    stores: frozenset[str] = frozenset()
    chains: frozenset[Chain] = frozenset()
    imports: frozenset[Import] = frozenset()
    rebinds: frozenset[str] = frozenset()
    shows_text: bool = False
    texts: frozenset[str] = frozenset()


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_LOCALS_NAMES: Final = frozenset({"locals", "vars", "dir", "eval", "exec"})
_LOADS: Final = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"})
_STORES: Final = frozenset({"STORE_GLOBAL", "DELETE_GLOBAL"})
_ATTRIBUTES: Final = frozenset({"LOAD_ATTR", "LOAD_METHOD"})
_REBINDS: Final = frozenset({"STORE_DEREF", "DELETE_DEREF"})
_SKIPPED: Final = frozenset({"NOP", "EXTENDED_ARG", "CACHE"})
_CONSTANT: Final = frozenset(dis.hasconst)
_NAME: Final = frozenset(dis.hasname)
_JUMP: Final = frozenset(dis.hasjrel) | frozenset(dis.hasjabs)
_DOCSTRING_FLAG: Final = 0x4000000
_MOST: Final = 4096
_shapes: dict[int, tuple[CodeType, CodeShape]] = {}


def shape_of(code: CodeType) -> CodeShape:
    """Return the structure of a code object; remembered, because code objects never change.

    Example:
        >>> shape_of(compile("lambda: LATE + 1", "", "eval").co_consts[0]).loads
        frozenset({'LATE'})
    """
    known = _shapes.get(id(code))
    if known is None:
        if len(_shapes) >= _MOST:
            _shapes.clear()
        known = _shapes[id(code)] = (code, _Reader(code).shape())
    return known[1]


@dataclass(slots=True)
class _Reader:
    """Reads one code object; what nested code reaches is added to what this one reaches."""

    code: CodeType
    steps: list[dis.Instruction] = field(default_factory=list[dis.Instruction])
    nested: list[CodeShape] = field(default_factory=list[CodeShape])

    def shape(self) -> CodeShape:
        listed = list(dis.get_instructions(self.code))
        self.steps = [step for step in listed if step.opname not in _SKIPPED]
        content = self._content(_ordinals(listed))
        free = frozenset(self.code.co_freevars)
        rebinds = frozenset(s.argval for s in self.steps if s.opname in _REBINDS and s.argval in free)
        return CodeShape(
            content,
            self._joined("loads", [chain[0] for chain in self._chains()] + self._named()),
            self._joined("stores", (step.argval for step in self.steps if step.opname in _STORES)),
            self._joined("chains", self._chains()),
            self._joined("imports", self._imports()),
            rebinds | (self._joined("rebinds", ()) & free),
            self._shows_text(),
            self._joined("texts", self._texts()),
        )

    def _shows_text(self) -> bool:
        names = (*self.code.co_names, *self._texts())
        return not TEXT_NAMES.isdisjoint(names) or any(inner.shows_text for inner in self.nested)

    def _texts(self) -> Iterator[str]:
        for constant in (step.argval for step in self.steps if step.opcode in _CONSTANT):
            parts = cast("tuple[object, ...]", constant) if isinstance(constant, tuple) else (constant,)
            yield from (part for part in parts if isinstance(part, str))

    def _named(self) -> list[str]:
        """The variables that stand in its texts, where it hands these to somebody who looks them up."""
        return [name for text in self._texts() for name in names_for(text, self.code.co_names)]

    def _joined(self, what: str, own: Iterable[Any]) -> frozenset[Any]:
        return frozenset(own).union(*(getattr(inner, what) for inner in self.nested))

    def _content(self, ordinals: Mapping[int, int]) -> tuple[object, ...]:
        code = self.code
        steps = tuple(
            (step.opname, self._operand(at, ordinals))
            for at, step in enumerate(self.steps)
            if not self._is_line_number(at)
        )
        arguments = code.co_argcount + code.co_kwonlyargcount
        arguments += bool(code.co_flags & 0x4) + bool(code.co_flags & 0x8)
        seen = code.co_varnames if _LOCALS_NAMES & frozenset(code.co_names) else code.co_varnames[:arguments]
        counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_nlocals)
        variables = (seen, len(code.co_cellvars), len(code.co_freevars))
        flags = code.co_flags & ~_DOCSTRING_FLAG
        return ("code", code.co_name, counts, flags, variables, steps, code.co_exceptiontable)

    def _operand(self, at: int, ordinals: Mapping[int, int]) -> object:
        step = self.steps[at]
        if step.opcode in _JUMP:
            return ordinals.get(step.argval, -1)
        if step.opcode in _NAME:
            return step.argval
        if step.opcode not in _CONSTANT:
            return step.arg
        return self._nested(at, step.argval) if isinstance(step.argval, CodeType) else step.argval

    def _nested(self, at: int, code: CodeType) -> tuple[object, ...]:
        inner = shape_of(code)
        self.nested.append(inner)
        return inner.content if self._is_plain(at) else (*inner.content, code.co_consts[:1])

    def _is_plain(self, at: int) -> bool:
        """Whether the function made here is stored as it is, so that no decorator sees its docstring."""
        after = (step.opname for step in self.steps[at + 1 : at + 8])
        makers = ("MAKE_FUNCTION", "SET_FUNCTION_ATTRIBUTE", "LOAD_CONST")
        following = next((name for name in after if name not in makers), "")
        return following.startswith(("STORE_", "RETURN_"))

    def _is_line_number(self, at: int) -> bool:
        """Whether this step loads the line number that newer Pythons store in each class."""
        following = self.steps[at + 1 : at + 2]
        return any(step.opname == "STORE_NAME" and step.argval == "__firstlineno__" for step in following)

    def _chains(self) -> Iterator[Chain]:
        for at, step in enumerate(self.steps):
            # Each class body loads `__name__` to fill `__module__`; nobody wrote that.
            if step.opname in _LOADS and not (step.opname == "LOAD_NAME" and step.argval == "__name__"):
                chain = [step.argval]
                for following in self.steps[at + 1 :]:
                    if following.opname not in _ATTRIBUTES:
                        break
                    chain.append(following.argval)
                yield tuple(chain)

    def _imports(self) -> Iterator[Import]:
        for at, step in enumerate(self.steps):
            if step.opname == "IMPORT_NAME":
                level, names = self.steps[at - 2].argval, self.steps[at - 1].argval
                yield Import(step.argval, int(level or 0), tuple(names or ()))
        if not CALLS.isdisjoint(self.code.co_names):
            yield from (Import(module, level, COMPUTED) for module, level in imports_by_texts(self._texts()))


def _ordinals(listed: list[dis.Instruction]) -> dict[int, int]:
    """Offset to number among the steps that count: padding moves offsets, but not these."""
    ordinals: dict[int, int] = {}
    count = 0
    for step in listed:
        ordinals[step.offset] = count
        count += step.opname not in _SKIPPED
    return ordinals


def reads_of(shape: CodeShape, namespace: Mapping[str, object]) -> frozenset[str]:
    """Return the names of the namespace that code may load; builtins only where redefined."""
    return frozenset(name for name in shape.loads if name in namespace or not hasattr(builtins, name))


# Where modules live ---------------------------------------------------------------------------

_OWN_TOP: Final = __name__.partition(".")[0]
_places: dict[str, Place] = {}


def place_of(module: str) -> Place:
    """Return where a module lives; what runs as the main program is always the user's own.

    Example:
        >>> place_of("json.decoder").home
        <Home.STANDARD: 'standard library'>
    """
    place = _places.get(module)
    if place is None:
        place = _find_place(module)
        # The user's own modules may be replaced by installed ones, not the other way round.
        if place.home is not Home.LOCAL:
            _places[module] = place
    return place


def _find_place(module: str) -> Place:
    top = module.partition(".")[0]
    home = Home.PACKAGE if top == _OWN_TOP else _home_of(module, top)
    if home is Home.PACKAGE:
        return Place(home, *_distribution(top))
    version = f"{sys.version_info[0]}.{sys.version_info[1]}" if home is Home.STANDARD else ""
    return Place(home, module, version)


def _home_of(module: str, top: str) -> Home:
    if module == "__main__":
        return Home.LOCAL
    if top.startswith("_cython_"):  # the types that all compiled modules share
        return Home.STANDARD
    loaded = sys.modules.get(module) or sys.modules.get(top)
    if loaded is None and top and top not in sys.stdlib_module_names:
        loaded = importlib.machinery.PathFinder.find_spec(top)
    path: str | None = getattr(loaded, "__file__", None) or getattr(loaded, "origin", None)
    path = path or next(iter(getattr(loaded, "__path__", ())), None)
    if path:
        return home_of_file(str(path))
    return Home.STANDARD if top in sys.stdlib_module_names else Home.LOCAL


@cache
def home_of_file(path: str) -> Home:
    """Return whose code a file is."""
    file = Path(path).absolute()
    if not {"site-packages", "dist-packages"}.isdisjoint(file.parts):
        return Home.PACKAGE
    if any(file.is_relative_to(folder) for folder in _standard_folders()):
        return Home.STANDARD
    return Home.LOCAL


@cache
def _standard_folders() -> tuple[Path, ...]:
    found = (sysconfig.get_path(key) for key in ("stdlib", "platstdlib"))
    folders = {Path(path) for path in found if path}
    return tuple(folders | {folder.resolve() for folder in folders})


@cache
def _owners() -> Mapping[str, list[importlib.metadata.Distribution]]:
    return owners_of_modules()


@cache
def _distribution(top: str) -> tuple[str, str]:
    """Name and version of what is installed: the same whether or not it is loaded already."""
    try:
        return top, importlib.metadata.version(top)
    except importlib.metadata.PackageNotFoundError:
        owner = next(iter(_owners().get(top, ())), None)
    if owner is not None:
        return owner.name, owner.version
    return top, str(getattr(sys.modules.get(top), "__version__", ""))


_abc: Final[Any] = importlib.import_module("_abc")
"""Where Python keeps the registries of abstract classes; it has no other door."""

# Classes --------------------------------------------------------------------------------------

_NOT_WRITTEN: Final = _words(
    "__dict__ __weakref__ __module__ __qualname__ __slotnames__ __firstlineno__ __static_attributes__ "
    "__classcell__ __abstractmethods__ _abc_impl __annotate__ __annotate_func__ __annotations_cache__ "
    "__signature__ __pydantic_core_schema__ __pydantic_validator__ __pydantic_serializer__ "
    "__pydantic_setattr_handlers__"
)
_MADE_FOR_TUPLES: Final = _words("__slots__ __match_args__")
_MADE_FOR_ENUMS: Final = _words(
    "_generate_next_value_ _member_names_ _member_map_ _value2member_map_ _unhashable_values_ "
    "_unhashable_values_map_ _hashable_values_ _use_args_ _member_type_ _value_repr_ _new_member_ __new__ "
    "_flag_mask_ _singles_mask_ _all_bits_ _inverted_"
)


def members_of(cls: type) -> Iterator[tuple[str, object]]:
    """Yield what the user wrote into a class, in order: what Python derives from it is left out."""
    skipped = _derived_names(cls)
    for name, member in vars(cls).items():
        if name in _NOT_WRITTEN or name in skipped or _is_generated(member):
            continue
        if not isinstance(member, GetSetDescriptorType | MemberDescriptorType):
            yield name, member
    registered = _registered_with(cls)
    if registered:
        yield "_abc_registry", registered
    if issubclass(cls, enum.Enum):
        for name, member in cls.__members__.items():
            own = {key: value for key, value in vars(member).items() if not _is_enum_detail(key)}
            yield name, (member._value_, tuple(own.items()))


def _registered_with(cls: type) -> tuple[type, ...]:
    """The classes that an abstract class was told to take for its subclasses."""
    if "_abc_impl" not in vars(cls):
        return ()
    weakly: Iterable[Callable[[], type | None]] = _abc._get_dump(cls)[0]
    classes = filter(None, (reference() for reference in weakly))
    return tuple(sorted(classes, key=lambda each: (each.__module__, each.__qualname__)))


def _derived_names(cls: type) -> frozenset[str]:
    held = vars(cls)
    if is_record_class(cls):
        return _MADE_FOR_TUPLES.union(held["_fields"])
    return _MADE_FOR_ENUMS.union(cls.__members__) if issubclass(cls, enum.Enum) else frozenset()


def _is_enum_detail(name: str) -> bool:
    return name in ("_value_", "_name_", "__objclass__", "_sort_order_")


def is_record_class(cls: type) -> bool:
    """Whether a class was itself made by `namedtuple` or `typing.NamedTuple`."""
    held = vars(cls)
    return "_fields" in held and "_make" in held and tuple in cls.__mro__


def _is_generated(member: object) -> bool:
    """Whether `dataclass` or `namedtuple` wrote this method: the fields, which count, decide what it does."""
    return any(_is_made(getattr(part, "__wrapped__", part)) for part in functions_of(member))


def _is_made(function: object) -> bool:
    if not isinstance(function, FunctionType):
        return False
    module = str(function.__globals__.get("__name__"))
    made = function.__code__.co_qualname.startswith("__create_fn__.")
    return made or module == "collections" or module.startswith("namedtuple_")


def functions_of(member: Any) -> Iterator[FunctionType]:
    """Yield the functions that one member of a class is made of."""
    if isinstance(member, FunctionType):
        yield member
    elif isinstance(member, staticmethod | classmethod):
        yield from functions_of(member.__func__)  # pyright: ignore[reportUnknownMemberType] - any signature
    elif isinstance(member, property):
        for part in (member.fget, member.fset, member.fdel):
            yield from functions_of(part)
    elif isinstance(member, cached_property):
        yield from functions_of(member.func)


# Modules --------------------------------------------------------------------------------------

_OF_MODULES: Final = _words(
    "__builtins__ __loader__ __spec__ __file__ __cached__ __path__ __name__ __package__ __doc__ "
    "__annotations__ __warningregistry__"
)


def attributes_of(module: ModuleType) -> dict[str, object]:
    """Return what a module holds, by name in sorted order, without what the import system put there."""
    held = vars(module)
    return {name: held[name] for name in sorted(held) if name not in _OF_MODULES}


def is_local_module(value: object) -> bool:
    """Whether a value is a module of the user's own."""
    return isinstance(value, ModuleType) and place_of(value.__name__).home is Home.LOCAL


def is_submodule(package: ModuleType, name: str, value: object) -> bool:
    """Whether an attribute of a package is its submodule of that name: importing it sets this."""
    return isinstance(value, ModuleType) and value.__name__ == f"{package.__name__}.{name}"


def absolute_name(wanted: Import, package: str) -> str:
    """Return the full name of an imported module; empty where a relative import leads nowhere."""
    if not wanted.level:
        return wanted.module
    parts = package.split(".")
    if not package or wanted.level > len(parts):
        return ""
    return ".".join([*parts[: len(parts) - wanted.level + 1], *filter(None, [wanted.module])])
