"""Local modules on disk: which file a module is, and whether the loaded code still is that file."""

from __future__ import annotations

import ast
import importlib
import os
import sys
import time
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib import util
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Final, NamedTuple, cast

import xxhash

from nbflow.analysis.computed_imports import ALL, computed_imports
from nbflow.analysis.packages import spec_within
from nbflow.analysis.sources import modules_within
from nbflow.store.paths import absolute
from nbflow.store.trail import data_of_module, forget_data
from nbflow.store.watching import unwatched
from nbflow.types import UNBOUND

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
    from importlib.machinery import ModuleSpec

    from nbflow.store.files import Files

_OWN: Final = __name__.partition(".")[0]
_PYC_HEADER_BYTES: Final = 16


class ModuleKind:
    """The content of the file behind a local module, and of the local modules that it imports.

    Args:
        files: The session's files.
    """

    name = "module"

    def __init__(self, files: Files) -> None:
        self._files = files

    def now(self, locator: str) -> str:
        """Digest of the files, `UNBOUND` for what is no local module."""
        return module_digest(locator, self._files)

    def show(self, locator: str) -> str:
        """The module's file."""
        return module_file(locator, self._files) or "not a local module"


def module_file(name: str, files: Files) -> str | None:
    """The file of a local module, found without importing it.

    Local is what lies outside Python's own and the installed packages' folders. nbflow itself is a
    package wherever it lies.

    Args:
        name: A dotted name.
        files: The session's files, which know what is not local.

    Returns:
        An absolute path; `None` for modules that are not local, not found or without a file.
    """
    if _is_exempt(name):
        return None
    loaded = sys.modules.get(name)
    origin = _namespace(loaded).get("__file__") if loaded is not None else _origin_of(name)
    if not isinstance(origin, str) or not os.path.isabs(origin):
        return None
    path = absolute(origin)
    return None if files.ignores(path) else path


def _namespace(module: object) -> Mapping[str, object]:
    """A module's names; asking a lazy module for them in the usual way would load it."""
    if not isinstance(module, ModuleType):
        return {}
    return cast("Mapping[str, object]", ModuleType.__getattribute__(module, "__dict__"))


def module_digest(name: str, files: Files) -> str:
    """Digest of the files of a local module and of all local modules that it imports, or `UNBOUND`.

    A change in any of them may change what the module does. Imports are found in the source, so
    that nothing has to be loaded.
    """
    paths = _files_behind(name, files)
    digests = [files.digest(path) for path in sorted(paths)]
    if len(digests) < 2:
        return digests[0] if digests else UNBOUND
    return xxhash.xxh3_128("".join(digests).encode()).hexdigest()


def _files_behind(name: str, files: Files) -> set[str]:
    return set(modules_behind([name], files).values())


Steps = dict[str, tuple[str | None, frozenset[str]]]
"""The files of modules, and what each of them imports, as far as somebody has looked."""


def modules_behind(names: Iterable[str], files: Files, known: Steps | None = None) -> dict[str, str]:
    """Local modules and the local modules that they import, each with its file.

    Args:
        names: Dotted names.
        files: The session's files.
        known: What was found out meanwhile, for who asks for many.
    """
    known = {} if known is None else known
    behind: dict[str, str] = {}
    found: set[str] = set()
    seen: set[str] = set()
    todo = list(names)
    while todo:
        module = todo.pop()
        if not module or module in seen:
            continue
        seen.add(module)
        path, imports = known[module] = known.get(module) or _step_from(module, files)
        if path in found:
            continue
        todo += imports
        if path is not None:
            found.add(path)
            behind[module] = path
            todo.append(module.rpartition(".")[0])
    return behind


def _step_from(module: str, files: Files) -> tuple[str | None, frozenset[str]]:
    if module.endswith(f".{ALL}"):
        with unwatched():
            return None, frozenset(modules_within(module.removesuffix(f".{ALL}")))
    path = module_file(module, files)
    return path, _all(_source_imports(module, path, files.digest(path))) if path is not None else frozenset()


def _all(imports: _Imports) -> frozenset[str]:
    return imports.said | imports.called


class _Imports(NamedTuple):
    """What a text imports, by its statements and by calls."""

    said: frozenset[str] = frozenset()
    called: frozenset[str] = frozenset()


@lru_cache(maxsize=4096)
def _source_imports(name: str, path: str, digest: str) -> _Imports:
    """What a module's source imports; `digest` says which content is meant."""
    is_package = os.path.basename(path) == "__init__.py"
    return _imports_in(path, name if is_package else name.rpartition(".")[0])


def _origin_of(name: str) -> str | None:
    """Where a module that is not loaded would come from; its parents are not imported either."""
    top, *rest = name.split(".")
    spec = _spec_of(top)
    for count in range(len(rest)):
        if spec is None or spec.submodule_search_locations is None:
            return None
        full = ".".join((top, *rest[: count + 1]))
        spec = spec_within(full, list(spec.submodule_search_locations))
    return None if spec is None or not spec.has_location else spec.origin


def is_missing(name: str) -> bool:
    """Whether there is nothing of a module's name that could be imported now.

    Example:
        >>> is_missing("json.decoder"), is_missing("no_such_module.part")
        (False, True)
    """
    top = name.partition(".")[0]
    known = top in sys.modules or top in sys.stdlib_module_names
    return bool(top) and not known and _spec_of(top) is None


def _spec_of(top: str) -> ModuleSpec | None:
    try:
        return util.find_spec(top)
    except (ImportError, ValueError):
        return None


@dataclass(frozen=True, slots=True)
class _Loaded:
    """The file that a loaded module came from; `digest` is empty if it may have changed since."""

    module: ModuleType
    path: str
    digest: str


_loaded: dict[str, _Loaded] = {}
_judged: dict[str, object] = {}
_noted_ns: list[int] = [time.time_ns()]


def note_loaded(files: Files) -> None:
    """Note the content of each local module that was loaded since the last call.

    To be called after each cell: a module whose file changed between its import and this call
    counts as changed, because nobody can tell which content was loaded.
    """
    since, _noted_ns[0] = _noted_ns[0], time.time_ns()
    for name, module in tuple(sys.modules.items()):
        if _judged.get(name) is not module:
            _judged[name] = module
            _note(name, module, files, since)


def _note(name: str, module: ModuleType, files: Files, since: int) -> None:
    path = module_file(name, files)
    if path is None:
        return
    stat = files.stat(path)
    doubtful = stat is None or stat.changed_ns > since or _is_newer_than_compiled(module, path)
    _loaded[name] = _Loaded(module, path, "" if doubtful else files.digest(path))


def _is_exempt(name: str) -> bool:
    return name == "__main__" or name.partition(".")[0] == _OWN


def _is_newer_than_compiled(module: ModuleType, path: str) -> bool:
    """Whether the file is another than the one that the import system compiled."""
    cached = _namespace(module).get("__cached__")
    compiled = _compiled_from(cached) if isinstance(cached, str) else None
    return compiled is not None and compiled != _source_mark(path)


def _compiled_from(cached: str) -> tuple[int, int] | None:
    """Time (whole seconds) and size of the source that a compiled file was made from."""
    try:
        with open(cached, "rb") as stream:
            header = stream.read(_PYC_HEADER_BYTES)
    except OSError:
        return None
    if len(header) < _PYC_HEADER_BYTES or header[4:8] != bytes(4):
        return None
    return int.from_bytes(header[8:12], "little"), int.from_bytes(header[12:16], "little")


def _source_mark(path: str) -> tuple[int, int] | None:
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return int(stat.st_mtime) & 0xFFFFFFFF, stat.st_size & 0xFFFFFFFF


def loaded_modules() -> Iterator[ModuleType]:
    """The local modules that were noted and still are the loaded ones."""
    return (known.module for _, known in _present())


def loaded_from(paths: Collection[str]) -> list[str]:
    """The local modules, of those that were noted, that came from one of these files."""
    return [name for name, known in _present() if known.path in paths] if paths else []


def loaded_behind(name: str, files: Files) -> list[ModuleType]:
    """A local module and the local modules that it imports, as far as they are loaded."""
    found = (sys.modules.get(each) for each in modules_behind([name], files))
    return [module for module in found if module is not None]


def purge_changed_modules(files: Files) -> list[str]:
    """Forget each loaded local module whose file has changed, and all that are built on it.

    So is one that read another file while it was imported, as far as a watch saw it, if that
    file has changed. The next import gives the new code; names that already hold the old code keep it.

    Returns:
        The names dropped from `sys.modules`, sorted.
    """
    note_loaded(files)
    changed = {name for name, known in _present() if _is_changed(name, known, files)}
    return _purge(changed, files) if changed else []


def purge_module(module: ModuleType, files: Files) -> list[str]:
    """Forget a local module that was changed in place, and all that is built on it; as above."""
    note_loaded(files)
    return _purge({name for name, known in _present() if known.module is module}, files)


def purge_modules(files: Files) -> list[str]:
    """Forget all local modules, so that each is imported anew; as above."""
    note_loaded(files)
    return _purge({name for name, _ in _present()}, files)


def _purge(changed: set[str], files: Files) -> list[str]:
    purged = _with_dependents(changed, files)
    for name in purged:
        _drop_ambiguous(_loaded[name].path)
        _leave_package(name)
        del sys.modules[name], _loaded[name], _judged[name]
        forget_data(name)
    importlib.invalidate_caches()
    return sorted(purged)


def _leave_package(name: str) -> None:
    """Take a module out of a package that has no file and stays: `from src import features` would find it."""
    package, _, attribute = name.rpartition(".")
    held = _namespace(sys.modules.get(package))
    if held.get("__file__") is None and held.get(attribute) is sys.modules[name]:
        delattr(sys.modules[package], attribute)


def _is_changed(name: str, known: _Loaded, files: Files) -> bool:
    return files.digest(known.path) != known.digest or any(
        files.digest(path) != digest for path, digest in data_of_module(name).items()
    )


def _present() -> Iterator[tuple[str, _Loaded]]:
    """The noted modules that are still the loaded ones."""
    for name, known in tuple(_loaded.items()):
        if sys.modules.get(name) is known.module:
            yield name, known
        else:
            del _loaded[name]


def _drop_ambiguous(path: str) -> None:
    """Remove a compiled file that an edit within the same second would leave in use."""
    if not path.endswith(".py"):
        return
    cached = util.cache_from_source(path)
    if _compiled_from(cached) == _source_mark(path):
        try:
            os.remove(cached)
        except OSError:
            return


def _with_dependents(changed: set[str], files: Files) -> set[str]:
    """The changed modules, their submodules, and whoever imports one of these."""
    purged, waiting = set(changed), set(changed)
    # A constant does not tell where it came from; the source of who has it does.
    imports = {
        name: _source_imports(name, known.path, files.digest(known.path)).said
        for name, known in _loaded.items()
    }
    while waiting:
        waiting = {
            name
            for name, known in _loaded.items()
            if name not in purged and (_is_below(name, purged) or _leans_on(known, imports[name], purged))
        }
        purged |= waiting
    return purged


def _is_below(name: str, purged: set[str]) -> bool:
    return any(name.startswith(f"{package}.") for package in purged)


def _leans_on(known: _Loaded, imports: frozenset[str], purged: set[str]) -> bool:
    return not imports.isdisjoint(purged) or any(
        _home_of(value) in purged for value in tuple(_namespace(known.module).values())
    )


def _home_of(value: object) -> str:
    """The module that a value comes from; never asks the value itself, which may compute."""
    if isinstance(value, ModuleType):
        home = _namespace(value).get("__name__")
    elif isinstance(value, partial):
        return _home_of(value.func)
    elif isinstance(value, (type, FunctionType, BuiltinFunctionType)):
        home = value.__module__
    else:
        home = type(value).__module__
    return home if isinstance(home, str) else ""


def _imports_in(path: str, package: str) -> _Imports:
    try:
        with unwatched(), open(path, "rb") as stream:
            return _imports_in_text(stream.read(), package)
    except OSError:
        return _Imports()


def _imports_in_text(text: str | bytes, package: str) -> _Imports:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return _Imports()
    said = {found for statement in _statements(tree) for found in _imports_of(statement, package)}
    text = text if isinstance(text, str) else text.decode(errors="replace")
    return _Imports(frozenset(said), frozenset(computed_imports(text, tree, package)))


def _statements(tree: ast.Module) -> Iterator[ast.AST]:
    """All statements, however deep; what they compute is not looked into."""
    todo: list[ast.AST] = [tree]
    while todo:
        node = todo.pop()
        yield node
        for part in ("body", "orelse", "finalbody", "handlers", "cases"):
            todo += getattr(node, part, ())


def _imports_of(node: ast.AST, package: str) -> Iterable[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    base = node.module or ""
    if node.level:
        above = package.split(".")[: len(package.split(".")) - node.level + 1]
        base = ".".join((*above, *([base] if base else [])))
    return [base, *(f"{base}.{alias.name}" for alias in node.names)]


def text_of_module(name: str) -> str:
    """The text of a local module's file; empty where it cannot be read.

    Args:
        name: A dotted name.
    """
    loaded = sys.modules.get(name)
    origin = _namespace(loaded).get("__file__") if loaded is not None else _origin_of(name)
    if not isinstance(origin, str):
        return ""
    try:
        with unwatched():
            mark = os.stat(origin)
            return _text_at(origin, mark.st_mtime_ns, mark.st_size)
    except OSError:
        return ""


@lru_cache(maxsize=500)
def _text_at(path: str, *_: int) -> str:
    with open(path, encoding="utf-8", errors="replace") as stream:
        return stream.read(_MOST_TEXT)


def texts_behind(modules: Iterable[str], is_local: Callable[[str], bool]) -> Iterator[str]:
    """The texts of local modules, and of all local modules that these import.

    Args:
        modules: Dotted names.
        is_local: Whether a module is one of the user's own.
    """
    todo, seen = list(modules), set[str]()
    while todo:
        name = todo.pop()
        if name.endswith(f".{ALL}") and name not in seen:
            seen.add(name)
            todo += [each for each in tuple(sys.modules) if each.startswith(name.removesuffix(ALL))]
        elif name and name not in seen and is_local(name):
            seen.add(name)
            text = text_of_module(name)
            yield text
            is_package = hasattr(sys.modules.get(name), "__path__")
            todo += _imports_of_text(text, name if is_package else name.rpartition(".")[0])


@lru_cache(maxsize=500)
def _imports_of_text(text: str, package: str) -> frozenset[str]:
    return _all(_imports_in_text(text, package))


_MOST_TEXT: Final = 200_000
