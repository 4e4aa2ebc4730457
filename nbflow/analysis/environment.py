"""What the text of a cell reads of the environment: variables by name, or all of them.

Which ones are asked for by computed names is seen while it runs.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Final

from nbflow.analysis.facts import dotted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nbflow.analysis.flow import Frame

WHOLE: Final = "environment: os.environ"
"""The effect of who asks for all variables, or may do so."""


def note_environment(frame: Frame, node: ast.Subscript | ast.Compare | ast.Call) -> None:
    """Keep the variable that is asked for by a constant; and that only one is, where its name is computed."""
    cell = frame.cell
    if isinstance(node, ast.Call):
        cell.environment.update(_asked_by_others(node))
    match node:
        case ast.Subscript(value=where, slice=ast.Constant(value=str(name)), ctx=ast.Load()):
            known = _is_environ(where)
        case ast.Subscript(value=where):
            known, name = _is_environ(where), ""
        case ast.Compare(left=ast.Constant(value=str(name)), comparators=[where]):
            known = _is_environ(where)
        case ast.Compare(ops=[ast.In() | ast.NotIn()], comparators=[where]):
            known, name = _is_environ(where), ""
        case ast.Call(func=ast.Attribute(value=where) as function, args=[ast.Constant(value=str(name)), *_]):
            known = _asks_environment(function)
        case ast.Call(func=ast.Attribute(value=where, attr="update" | "get" | "pop" | "setdefault")):
            known, name = _is_environ(where), ""
        case ast.Call(func=where, args=[ast.Constant(value=str(name)), *_]):
            known = _asks_environment(where)
        case _:
            return
    if known:
        cell.named.add(where)
        cell.environment.update((name,) if name else ())


def note_whole_environment(frame: Frame, node: ast.Attribute | ast.Name) -> None:
    """Keep that all variables may be read, where `os.environ` is loaded and not asked for one."""
    if node not in frame.cell.named and _origin(frame, node) in ("environ", "environb"):
        frame.effects.add(WHOLE)


def _origin(frame: Frame, node: ast.Attribute | ast.Name) -> str:
    """What an attribute, or an imported name, is called where it comes from; nothing for the code's own."""
    if isinstance(node, ast.Attribute):
        return node.attr
    if node.id in frame.cell.origins:
        return frame.cell.origins[node.id].rpartition(".")[2]
    return "" if "." in frame.scope.key(node.id) or node.id in frame.stored else node.id


def _asked_by_others(node: ast.Call) -> Iterable[str]:
    """The variables that functions of Python ask for: home, the time zone, those that a text names."""
    parts = dotted(node.func).split(".")
    if parts[-1] == "expandvars":
        texts = [part.value for part in ast.walk(node) if isinstance(part, ast.Constant)]
        return [name for text in texts if isinstance(text, str) for name in _FILLED_IN.findall(text)]
    if parts[-2:] == ["Path", "home"] or parts[-1] == "expanduser":
        return ("HOME",)
    return ("TZ",) if parts[-1] in _IN_LOCAL_TIME else ()


_FILLED_IN: Final = re.compile(r"\$\{?(\w+)")
_IN_LOCAL_TIME: Final = frozenset(
    ("fromtimestamp", "timestamp", "astimezone", "mktime", "localtime", "tzlocal")
)


def _is_environ(node: ast.expr) -> bool:
    return (isinstance(node, ast.Attribute) and node.attr == "environ") or (
        isinstance(node, ast.Name) and node.id == "environ"
    )


def _asks_environment(function: ast.expr) -> bool:
    if isinstance(function, ast.Name):
        return function.id == "getenv"
    if not isinstance(function, ast.Attribute):
        return False
    return function.attr == "getenv" or (
        function.attr in ("get", "pop", "setdefault") and _is_environ(function.value)
    )
