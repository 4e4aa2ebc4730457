"""Python inside IPython's own calls, and IPython's syntax where nobody has turned it into calls.

IPython turns `%time y = x` into `get_ipython().run_line_magic('time', 'y = x')`; the name y is bound all
the same. Shell lines fill in `{expression}` and `$name`.
"""

from __future__ import annotations

import ast
import re
import warnings
from typing import TYPE_CHECKING, Final

from nbflow.analysis.functions import find_functions
from nbflow.analysis.result import EVERYTHING
from nbflow.exceptions import CellSyntaxError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from nbflow.analysis.flow import Frame

_FIELDS: Final = re.compile(r"\{\{|\}\}|\{([^{}]+)\}|\$\$|\$([A-Za-z_]\w*(?:\.\w+)*)")
_VARIABLES: Final = re.compile(r"(?<![$\\])\$\{?([A-Za-z_]\w*)")
_IN_NOTEBOOK: Final = re.compile(r"(?:^|\s)-\w*i")
"""The option of a `%run` whose script sees the names of the notebook."""
_OPTION: Final = re.compile(r"\s*-(\w)\s*(\S*)")
_WITH_VALUE: Final[Mapping[str, str]] = {
    "timeit": "nr",
    "prun": "lsTD",
    "memit": "ric",
    "lprun": "fmDTus",
    "capture": "",
}
_ISOLATED: Final = frozenset(("timeit",))
_CODE: Final = frozenset(("time", "timeit", "prun", "capture", "memit", "lprun", "mprun"))
_INERT_CELLS: Final = frozenset(("html", "HTML", "latex", "markdown", "svg", "SVG", "javascript", "js"))
_INERT_LINES: Final = frozenset(
    [
        "matplotlib",
        "load_ext",
        "reload_ext",
        "unload_ext",
        "config",
        "autoreload",
        "precision",
        "pprint",
        "who",
        "whos",
        "who_ls",
        "lsmagic",
        "doctest_mode",
        "colors",
        "xmode",
        "pdb",
        "history",
        "hist",
        "notebook",
        "gui",
        "logstart",
        "logstop",
        "bookmark",
        "pwd",
        "ls",
        "alias",
        "unalias",
        "autocall",
        "automagic",
        "autosave",
        "page",
        "tb",
        "quickref",
        "flow",
        "task",
        "params",
        "watermark",
        "tensorboard",
        "psearch",
        "cat",
        "ll",
        "lx",
        "pdoc",
        "psource",
        "pfile",
        "pdef",
        "pycat",
        "magic",
    ]
)
_PROCESS: Final = frozenset(
    ("env", "set_env", "cd", "pushd", "popd", "pip", "conda", "mamba", "uv", "mkdir", "rm", "cp", "mv")
)
_SHELLS: Final = frozenset(("bash", "sh", "script", "system", "sx", "perl", "ruby", "cmd", "!"))
_TELLS: Final = _INERT_LINES | _PROCESS | _SHELLS
"""Magics whose lines bind no code."""
_LATER: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


def leaves_shell(statements: Iterable[ast.stmt]) -> bool:
    r"""Whether what statements bind may call IPython later, as a function in them does that calls it.

    A line of the cell itself that tells IPython something binds nothing of that kind.

    Example:
        >>> leaves_shell(parse_cell("%matplotlib inline")), leaves_shell(parse_cell("def f():\n  !ls"))
        (False, True)
    """
    nodes = (node for statement in statements for node in _of_itself(statement))
    return any(isinstance(node, ast.expr) and _is_shell(node) for node in nodes)


def _of_itself(statement: ast.stmt) -> Iterator[ast.AST]:
    """The nodes of a statement but of those that only tell IPython something; blocks are looked into."""
    todo: list[ast.AST] = [statement]
    while todo:
        node = todo.pop()
        if isinstance(node, _LATER):
            yield from ast.walk(node)
        elif not (isinstance(node, ast.Expr) and _only_tells(node.value)):
            yield node
            todo += ast.iter_child_nodes(node)


def _only_tells(node: ast.expr) -> bool:
    match node:
        case ast.Call(func=ast.Attribute(value=shell, attr=how), args=[ast.Constant(value=name), *_]):
            tells = how == "system" or (how == "run_line_magic" and name in _TELLS)
            return tells and _is_shell(shell)
        case _:
            return False


def visit_magic(frame: Frame, node: ast.Call) -> bool:
    """Do what a call of IPython's own does; False where the call is something else."""
    function = node.func
    if not (isinstance(function, ast.Attribute) and _is_shell(function.value)):
        return False
    texts = [
        part.value for part in node.args if isinstance(part, ast.Constant) and isinstance(part.value, str)
    ]
    action = _ACTIONS.get(function.attr)
    if action is None or len(texts) != len(node.args) or not texts:
        return False
    action(frame, texts)
    return True


def _is_shell(node: ast.expr) -> bool:
    match node:
        case ast.Call(func=ast.Name(id="get_ipython"), args=[]):
            return True
        case _:
            return False


def _shell_line(frame: Frame, texts: list[str]) -> None:
    frame.effects.add(f"subprocess: !{texts[0].strip()[:60]}")
    _fill_in(frame, texts[0])
    _note_variables(frame, texts[0])


def _note_variables(frame: Frame, text: str) -> None:
    """What no name of the notebook fills in, the shell does from the environment."""
    frame.cell.environment.update(_VARIABLES.findall(text))


def _environment(frame: Frame, line: str) -> None:
    """`%env A` reads a variable, `%env` all of them, and the rest sets one."""
    if line.isidentifier():
        frame.cell.environment.add(line)
    else:
        frame.effects.add("process: %env" if line else "names: %env")


def _line_magic(frame: Frame, texts: list[str]) -> None:
    name, line = texts[0], " ".join(texts[1:2])
    if name in _CODE and name != "capture":
        _run(frame, name, _without_options(name, line))
        return
    if name in ("pinfo", "pinfo2"):
        frame.cell.shown.add(EVERYTHING)
        _run(frame, name, line)
        return
    _fill_in(frame, line)
    if name in _SHELLS:
        _note_variables(frame, line)
    if name == "env":
        _environment(frame, line.strip())
    elif name in _SHELLS or name in _PROCESS:
        frame.effects.add(f"{'subprocess' if name in _SHELLS else 'process'}: %{name}")
    else:
        _note_unknown(frame, name, name not in _INERT_LINES)
        if name == "run" and _IN_NOTEBOOK.search(line):
            frame.effects.add("names: %run -i")


def _cell_magic(frame: Frame, texts: list[str]) -> None:
    name, line, body = (*texts, "", "")[:3]
    if name in _CODE:
        setup = _without_options(name, line) if name == "timeit" else ""
        _run(frame, name, f"{setup}\n{body}")
        _bind_captured(frame, name, line)
        return
    _fill_in(frame, line)
    if name in _SHELLS:
        frame.effects.add(f"subprocess: %%{name}")
        _note_variables(frame, f"{line}\n{body}")
        _bind_options(frame, line)
    elif name == "writefile":
        frame.effects.add(f"files: %%writefile {line.strip()}")
    else:
        _note_unknown(frame, f"%{name}", name not in _INERT_CELLS)


def _note_unknown(frame: Frame, name: str, unknown: bool) -> None:
    if unknown:
        frame.cell.incomplete(f"%{name} reads and binds names that the text does not tell")


def _bind_captured(frame: Frame, name: str, line: str) -> None:
    words = [word for word in line.split() if not word.startswith("-")]
    if name == "capture" and words and words[0].isidentifier():
        frame.store(words[0])


def _bind_options(frame: Frame, line: str) -> None:
    for name in re.findall(r"--(?:out|err|proc)[= ]\s*([A-Za-z_]\w*)", line):
        frame.store(name)


def _run(frame: Frame, name: str, source: str) -> None:
    """Execute the Python inside a magic; those that measure do so in a scope of their own."""
    statements = _parsed_loosely(source)
    if statements is None:
        frame.cell.incomplete(f"the Python inside %{name} cannot be read")
        return
    find_functions(frame.cell, statements, frame.scope)
    if name not in _ISOLATED:
        frame.visit_all(statements)
        return
    stored, state = set(frame.stored), dict(frame.state)
    frame.visit_all(statements)
    frame.stored, frame.state = stored, state


def _without_options(name: str, line: str) -> str:
    """Cut the leading options of a magic off its line."""
    takes_value = _WITH_VALUE.get(name, "")
    while found := _OPTION.match(line):
        letter, value = found.groups()
        keeps = letter in takes_value or not value
        line = line[found.end() if keeps else found.start(2) :]
    return line.strip()


def _fill_in(frame: Frame, text: str) -> None:
    """Load what `{expression}` and `$name` in a line stand for."""
    for expression, name in _FIELDS.findall(text):
        inner = expression.partition("!")[0] if "!=" not in expression else expression
        for source in (inner, inner.partition(":")[0], name):
            statements = parsed(source.strip()) if source.strip() else None
            if statements is not None:
                frame.visit_all(statements)
                break


_ACTIONS: Final[Mapping[str, Callable[[Frame, list[str]], None]]] = {
    "system": _shell_line,
    "system_piped": _shell_line,
    "system_raw": _shell_line,
    "getoutput": _shell_line,
    "run_line_magic": _line_magic,
    "run_cell_magic": _cell_magic,
}


# -- IPython's syntax -----------------------------------------------------------------------------

_ASSIGNED: Final = re.compile(r"(\s*[^=\s][^=]*=\s*)([!%])(?!=)(.*)\Z")
_CELL_HELP: Final = re.compile(r"%%\w+\?")
_HELP: Final = re.compile(r"\s*(\?{0,2})[%\w.]+(\?{0,2})\s*\Z")


def parse_cell(source: str) -> list[ast.stmt]:
    """Parse Python in which lines of IPython's syntax may stand.

    Raises:
        CellSyntaxError: If it is neither.
    """
    try:
        return _parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        statements = parsed(without_magics(source)) if isinstance(error, SyntaxError) else None
        if statements is not None:
            return statements
        reason = error if isinstance(error, SyntaxError) else SyntaxError(str(error))
        raise CellSyntaxError.of("the cell", reason) from error


def _parse(source: str) -> list[ast.stmt]:
    # Python warns of odd literals when it runs the cell; once is enough.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(source).body


def parsed(source: str) -> list[ast.stmt] | None:
    """Parse Python; None where it is none."""
    try:
        return _parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _parsed_loosely(source: str) -> list[ast.stmt] | None:
    plain = parsed(source)
    return plain if plain is not None else parsed(without_magics(source))


def without_magics(source: str) -> str:
    """Turn lines of IPython's syntax into calls, well enough to see the names in them.

    Example:
        >>> without_magics("%time y = x")
        "get_ipython().run_line_magic('time', 'y = x')"
    """
    stripped = source.lstrip()
    if stripped.startswith("%%") and not _CELL_HELP.match(stripped):
        head, _, body = stripped[2:].partition("\n")
        name, _, line = head.strip().partition(" ")
        return f"get_ipython().run_cell_magic({name!r}, {line!r}, {body!r})"
    return "\n".join(_translated(_continued(source.split("\n"))))


def _continued(lines: Iterable[str]) -> Iterable[str]:
    held = ""
    for line in lines:
        if (held or line.lstrip()[:1] in ("!", "%")) and line.endswith("\\"):
            held += line[:-1]
            continue
        yield held + line
        held = ""
    if held:
        yield held


def _translated(lines: Iterable[str]) -> Iterable[str]:
    for line in lines:
        body = line.lstrip()
        indent = line[: len(line) - len(body)]
        assigned = _ASSIGNED.match(line)
        asked = _HELP.match(line)
        if asked and (asked.group(1) or asked.group(2)):
            yield indent + _as_call("%", "pinfo " + body.strip().strip("?").lstrip("%"))
        elif body[:1] in ("!", "%"):
            yield indent + _as_call(body[0], body[1:].lstrip("!"))
        elif assigned:
            yield assigned.group(1) + _as_call(assigned.group(2), assigned.group(3))
        else:
            yield line


def _as_call(mark: str, rest: str) -> str:
    if mark == "!":
        return f"get_ipython().getoutput({rest!r})"
    name, _, line = rest.partition(" ")
    return f"get_ipython().run_line_magic({name!r}, {line.strip()!r})"
