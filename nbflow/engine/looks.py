"""What a part of a body looks like by its text alone, where being wrong costs no more than a closer look."""

from __future__ import annotations

import ast
from typing import Final

_WRITERS = (
    "to_",
    "write",
    "save",
    "dump",
    "sink_",
    "touch",
    "rename",
    "replace",
    "unlink",
    "remove",
    "copy",
)
"""How the names of functions begin that may write a file."""


def looks_like_writer(node: ast.AST) -> bool:
    """Whether it may be a call that writes a file."""
    if not isinstance(node, ast.Call):
        return False
    name = getattr(node.func, "attr", None) or getattr(node.func, "id", "")
    if name != "open":
        return name.lower().startswith(_WRITERS)
    modes = [*node.args[1:2], *(keyword.value for keyword in node.keywords if keyword.arg == "mode")]
    return any(not isinstance(mode, ast.Constant) or set(str(mode.value)) & set("wax+") for mode in modes)


def looks_like_asking_folder(node: ast.AST) -> bool:
    """Whether it may ask for the working folder, or hang on it."""
    if isinstance(node, ast.alias):
        return node.name in _OF_FOLDER
    return (getattr(node, "attr", None) or getattr(node, "id", "")) in _OF_FOLDER


_OF_FOLDER: Final = frozenset(
    ("getcwd", "getcwdb", "cwd", "abspath", "realpath", "relpath", "resolve", "absolute")
)
"""What gives the working folder, or completes a path by it."""


def looks_like_seeding(node: ast.AST) -> bool:
    """Whether it may set the state of a random generator."""
    name = getattr(node, "attr", None) or getattr(node, "id", "")
    return "seed" in name or name.endswith(("setstate", "set_state"))
