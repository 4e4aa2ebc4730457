"""What a module imports by a call, `import_module(".core", __name__)`, as lazy packages and registries do."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ALL: Final = "*"
"""What stands, as the last part of a name, for each module in a package."""

CALLS: Final = frozenset({"import_module", "__import__", "attach", "attach_stub"})
"""Names of the functions that import what they are told: those of Python, and those of lazy_loader."""
_MODULE: Final = re.compile(r"\.+|\.*[^\W\d]\w*(\.[^\W\d]\w*)*\.?")
_OWN: Final = frozenset({"__name__", "__package__"})


def computed_imports(text: str, tree: ast.Module, package: str) -> Iterator[str]:
    """Yield the modules that a text imports by calls.

    Args:
        text: The source of a module.
        tree: The same, parsed.
        package: What relative names start from; empty: there are none.

    Yields:
        Dotted names; one that is computed is told as all modules of the package that its text begins with,
        or of the module's own package: `plugins.*`.

    Example:
        >>> text = "import_module('.core', __name__), import_module(f'plugins.{name}'), import_module(name)"
        >>> sorted(computed_imports(text, ast.parse(text), "app"))
        ['app.*', 'app.core', 'plugins.*']
    """
    if not any(name in text for name in CALLS):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args and _name_of(node.func) in CALLS:
            name = _absolute(_begin_of(node.args[0], package), package)
            if name != ALL:
                yield name


def imports_by_texts(texts: Iterable[str]) -> Iterator[tuple[str, int]]:
    """Yield what a function may import by a call, by the texts in it: names, with the number of dots before.

    Where no text speaks of a module, it may be each one in the function's own package.

    Example:
        >>> list(imports_by_texts(["plugins.", "no module"])), list(imports_by_texts(["tools"]))
        ([('plugins.*', 0)], [('tools', 0), ('*', 1)])
    """
    is_told = False
    for text in texts:
        name = re.split("[%{]", text)[0]
        if _MODULE.fullmatch(name):
            inside = name.lstrip(".")
            is_told |= "." in name
            yield f"{inside}{ALL}" if name.endswith(".") else inside, len(name) - len(inside)
    if not is_told:
        yield ALL, 1


def _name_of(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _begin_of(name: ast.expr, package: str) -> str:
    """A name as far as its text tells it, and what is behind that."""
    match name:
        case ast.Constant(value=str(value)):
            return value
        case ast.JoinedStr(values=[first, *_]):
            begin = _begin_of(first, package)
        case ast.FormattedValue(value=value):
            return _begin_of(value, package)
        case ast.BinOp(left=begun, op=ast.Add() | ast.Mod()):
            begin = _begin_of(begun, package)
        case ast.Call(func=ast.Attribute(value=begun, attr="format")):
            begin = _begin_of(begun, package)
        case ast.Name(id=id) if id in _OWN and package:
            return f"{package}.{ALL}"
        case _:
            begin = ""
    if begin.endswith(ALL):
        return begin
    inside = re.split("[%{]", begin)[0].rpartition(".")[0]
    return f"{inside}.{ALL}" if inside or begin.startswith(".") else f"{package}.{ALL}" if package else ALL


def _absolute(name: str, package: str) -> str:
    """A name that may begin with dots, from the package on."""
    inside = name.lstrip(".")
    levels = len(name) - len(inside)
    if not levels:
        return name
    above = package.split(".")
    return ".".join((*above[: len(above) - levels + 1], inside))
