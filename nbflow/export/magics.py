"""Cells without IPython: what its magics and commands become in a module."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nbflow.analysis import analyze
from nbflow.exceptions import ExportError

if TYPE_CHECKING:
    from collections.abc import Iterator

_LEFT_OUT: Final = frozenset(
    {"flow", "load_ext", "reload_ext", "unload_ext", "matplotlib", "config", "autoreload", "precision"}
    | {"pinfo", "pinfo2", "who", "whos", "lsmagic", "xmode", "pdb", "history", "hist", "colors", "pprint"}
    | {"doctest_mode", "gui", "notebook", "watermark", "psource", "pdoc", "pfile", "pdef", "psearch"}
)
"""Magics that say how a notebook is to behave, or show something of it."""
_RUNS_ITS_CODE: Final = frozenset(("time", "prun", "capture", "memit", "mprun", "lprun"))
_CALL: Final = "get_ipython"


@dataclass(frozen=True, slots=True)
class Python:
    """A cell without IPython.

    Args:
        source: Plain Python.
        notes: What became of magics and commands, where people should know.
    """

    source: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Instead:
    text: str
    told: str = ""


def without_ipython(source: str, label: str) -> Python:
    r"""Plain Python of a cell whose magics stand as calls of `get_ipython()`.

    Args:
        source: The cell.
        label: How people speak of it.

    Raises:
        ExportError: If it is no Python, or uses IPython in a way that plain Python cannot.

    Example:
        >>> without_ipython("get_ipython().run_line_magic('time', 'y = x')\nz = y", "cell [1]").source
        'y = x\nz = y'
        >>> without_ipython("get_ipython().system('ls')", "cell [1]")
        Python(source='# !ls', notes=('cell [1]: `!ls` is a comment now',))
    """
    tree = parsed(source, label)
    if _CALL not in source:
        return Python(source)
    lines, notes = source.split("\n"), list[str]()
    for statement, depth in reversed(list(_statements(tree.body, 0))):
        words = _words_of(statement)
        if words is None:
            continue
        instead = _instead(words, ast.get_source_segment(source, statement) or "", label)
        notes += [f"{label}: `{instead.told}` is a comment now"] if instead.told else []
        lines[statement.lineno - 1 : statement.end_lineno] = _placed(instead.text, statement, depth)
    text = "\n".join(lines)
    _refuse_the_rest(text, label)
    return Python(text, tuple(reversed(notes)))


def parsed(source: str, label: str) -> ast.Module:
    """The tree of a cell.

    Raises:
        ExportError: If it is no Python.
    """
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError) as error:
        why = f"line {error.lineno}: {error.msg}" if isinstance(error, SyntaxError) else str(error)
        raise ExportError(f"{label} is no Python, {why}") from None


def _statements(body: list[ast.stmt], depth: int) -> Iterator[tuple[ast.stmt, int]]:
    for statement in body:
        yield statement, depth
        for name in ("body", "orelse", "finalbody"):
            yield from _statements(getattr(statement, name, []), depth + 1)
        for part in (*getattr(statement, "handlers", ()), *getattr(statement, "cases", ())):
            yield from _statements(part.body, depth + 1)


def _words_of(statement: ast.stmt) -> tuple[str, ...] | None:
    """What a statement that only calls IPython says: how it is called, and with which texts."""
    match statement:
        case ast.Expr(
            value=ast.Call(func=ast.Attribute(value=ast.Call(func=ast.Name(id=name)), attr=attr), args=given)
        ):
            texts = [part.value for part in given if isinstance(part, ast.Constant)]
            return (attr, *map(str, texts)) if name == _CALL and len(texts) == len(given) else None
        case _:
            return None


def _instead(words: tuple[str, ...], text: str, label: str) -> _Instead:
    how, name, line, body = (*words, "", "", "")[:4]
    if how in ("system", "getoutput", "system_piped", "system_raw"):
        return _Instead(f"# !{name}", f"!{name}")
    if how not in ("run_line_magic", "run_cell_magic"):
        raise ExportError(f"{label} calls get_ipython().{how}, which a module has not got")
    mark = "%" if how == "run_line_magic" else "%%"
    written = f"{mark}{name} {line}".rstrip()
    if name in _LEFT_OUT:
        return _Instead("")
    if name in _RUNS_ITS_CODE and not (name == "capture" and line.strip(" -")):
        code = body if mark == "%%" else line
        while mark == "%" and code.startswith("-"):
            code = code.partition(" ")[2].lstrip()
        return _Instead(without_ipython(code, label).source)
    if analyze(text).writes:
        raise ExportError(f"{label}: `{written}` binds names, which only IPython can do; write it in Python")
    return _Instead("\n".join(f"# {each}".rstrip() for each in (written, *body.splitlines())), written)


def _placed(text: str, statement: ast.stmt, depth: int) -> list[str]:
    """The lines in a statement's place; a block must not be left without any."""
    if not depth:
        return text.split("\n") if text else []
    code = text if text and not text.startswith("#") else f"pass  {text}".rstrip()
    return [" " * statement.col_offset + line for line in code.split("\n")]


def _refuse_the_rest(text: str, label: str) -> None:
    for node in ast.walk(parsed(text, label)):
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            words = _words_of(ast.Expr(node.value))
            if words is not None:
                mark = "%" if "magic" in words[0] else "!"
                target = ast.unparse(node).partition("get_ipython")[0]
                said = f"{target}{mark}{' '.join(words[1:])}".strip()
                raise ExportError(f"{label}: `{said}` is IPython's; write it in Python, as with `subprocess`")
        if isinstance(node, ast.Name) and node.id == _CALL:
            raise ExportError(f"{label} uses get_ipython(), which a module has not got")
