"""Cell bodies: the header that makes a cell a task, and the execution of a body in the user's names.

A body is compiled as IPython compiles the cell it stands in, with the lines above it left blank, so that
tracebacks, `%debug` and line numbers are those of the cell.
"""

from __future__ import annotations

import ast
import asyncio
import re
from dataclasses import dataclass
from functools import lru_cache
from inspect import CO_COROUTINE
from typing import TYPE_CHECKING, Any, Final, Literal, cast

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from types import CodeType

Kind = Literal["task", "params"]

_HEADER: Final = re.compile(r"(?:%%|#\s?@)(task|params)(?![\w?])([^\n]*)")
_OURS: Final = re.compile(r"%(?:flow|(?:load|reload|unload)_ext\s+nbflow)(?![\w.])")
_RUN: Final = re.compile(r"\s*%flow\s+((?:run|resume)(?:\s.*)?)$")
_ASKS: Final = re.compile(r"^%flow\s+(\w+)\s*\?(?=\s*$)")
_NEARLY: Final = re.compile(r"#\s*@\s*(task|param)s?(?![\w(?.])", re.IGNORECASE)
_LATER: Final = re.compile(r"^# ?@(?:task|params)(?![\w(?.])", re.MULTILINE)
_FLOW: Final = re.compile(r"%?flow\s+(\w+)")
_MOST_COMPILED: Final = 2_000
_HIDES: Final = re.compile(r"\s*%%capture\b")
_MAY_WAIT: Final = re.compile(r"\bawait\b|\basync\b")


@dataclass(frozen=True, slots=True)
class Header:
    """The first line of a cell that makes it a task or its parameters.

    Args:
        kind: `task` or `params`.
        options: What stands behind it in the line.
        body: The rest of the cell, as written.
        lines: How many lines of the cell stand above the body.
    """

    kind: Kind
    options: str
    body: str
    lines: int


def read_header(cell: str) -> Header | None:
    r"""The header of a cell, if it has one.

    Example:
        >>> read_header("#@task clean --retries 2\nclean = raw.dropna()")
        Header(kind='task', options='clean --retries 2', body='clean = raw.dropna()', lines=1)
        >>> read_header("raw = 1") is None
        True
    """
    if "@" not in cell and "%%" not in cell:
        return None
    blank = len(cell) - len(cell.lstrip())
    found = _HEADER.match(cell, blank)
    if found is None or "\n" not in cell[found.end() :]:
        return None
    lines = cell.count("\n", 0, found.end()) + 1
    return Header(cast("Kind", found[1]), found[2].strip(), cell[found.end() + 1 :], lines)


def missed_header(cell: str) -> str:
    r"""What to say of a cell without a header that seems to be meant to have one; empty: it does not.

    Example:
        >>> missed_header("#  @task clean\nclean = 1")
        '`#  @task` makes no task; write `# @task`'
        >>> missed_header("x = 1\n# @task clean\nclean = 1")
        'line 2: `# @task` is heard as the first line of a cell only'
        >>> missed_header("x = 1  # @tasks")
        ''
    """
    if "@" not in cell or read_header(cell) is not None:
        return ""
    first = _NEARLY.match(cell.lstrip())
    if first is not None and _HEADER.match(first[0]) is None:
        kind, made = ("task", "task") if first[1].lower() == "task" else ("params", "parameters")
        return f"`{first[0]}` makes no {made}; write `# @{kind}`"
    later = next((found for found in _LATER.finditer(cell) if not _is_text(cell, found)), None)
    if later is None or not cell[: later.start()].strip():
        return ""
    line = cell.count("\n", 0, later.start()) + 1
    return f"line {line}: `{later[0]}` is heard as the first line of a cell only"


def _is_text(cell: str, found: re.Match[str]) -> bool:
    """Whether what looks like a comment stands in a text of several lines."""
    line = cell.count("\n", 0, found.start()) + 1
    try:
        strings = [node for node in ast.walk(ast.parse(cell)) if isinstance(node, ast.Constant)]
    except (SyntaxError, ValueError):
        return False
    return any(node.lineno < line <= (node.end_lineno or 0) for node in strings)


def is_only_ours(cell: str) -> bool:
    r"""Whether all code of a cell is nbflow's own line magic, so that it is no step itself.

    Example:
        >>> is_only_ours("%flow run\n# and then\n%flow status"), is_only_ours("x = 1\n%flow run")
        (True, False)
    """
    if "%" not in cell:
        return False
    lines = [line.strip() for line in _code_lines(cell)]
    return bool(lines) and all(map(_OURS.match, lines))


def ends_with_ours(cell: str, line: str) -> bool:
    r"""Whether no code but nbflow's own line magics follows in a cell from `%flow line` on.

    Example:
        >>> ends_with_ours("x = 1\n%flow run", "run"), ends_with_ours("%flow run\nflow = 3", "run")
        (True, False)
    """
    lines = _code_lines(cell)
    calls = ((place, found) for place, text in enumerate(lines) if (found := _FLOW.match(text)))
    first = next((place for place, found in calls if [found[1]] == line.split()[:1]), None)
    return first is not None and all(map(_OURS.match, lines[first + 1 :]))


def ends_with_call(source: str, name: str, line: int) -> bool:
    r"""Whether the last statement of a body is a call of a method, in that line or behind it.

    Example:
        >>> ends_with_call("x = 1\ns.run('a')", "run", 2), ends_with_call("s.run()\nx = 1", "run", 1)
        (True, False)
    """
    *_, last = ast.parse(source).body
    call = last.value if isinstance(last, ast.Expr) else None
    is_ours = isinstance(call, ast.Call) and getattr(call.func, "attr", "") == name
    return is_ours and last.lineno <= line


def hides_all(cell: str) -> bool:
    r"""Whether a cell asks that nothing of what runs in it is shown.

    Example:
        >>> hides_all("%%capture out\nfit()"), hides_all("fit()")
        (True, False)
    """
    return _HIDES.match(cell) is not None


def _code_lines(cell: str) -> list[str]:
    return [line for line in cell.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def as_call(lines: list[str], has_to_wait: Callable[[str], bool]) -> list[str]:
    """IPython's input transformation: a cell with a header becomes a call of its magic.

    In a cell of nothing but commands, those that run bodies are awaited where these may mean to await.

    Args:
        lines: The lines of the cell.
        has_to_wait: Whether running a body may mean to await something.
    """
    header = read_header("".join(lines))
    if header is None:
        lines = [_ASKS.sub(r"%flow help \1", line) for line in lines]
        is_run = is_only_ours("".join(lines)) and any(map(_RUN.match, lines))
        return [_awaited(line) for line in lines] if is_run and has_to_wait("") else lines
    body = header.body or "\n"  # of nothing at all IPython itself says that, in the words of `%%task`
    call = f"get_ipython().run_cell_magic({header.kind!r}, {header.options!r}, {body!r})\n"
    return [f"await {call}" if has_to_wait(header.body) else call]


def _awaited(line: str) -> str:
    found = _RUN.match(line)
    owner = "get_ipython().magics_manager.registry['FlowMagics']"
    return f"await {owner}.flow_waiting({found[1].strip()!r})\n" if found else line


@lru_cache(maxsize=2_000)
def does_wait(source: str) -> bool:
    """Whether a source awaits something at its top level.

    Example:
        >>> does_wait("x = await y"), does_wait("async def f(): await y")
        (True, False)
    """
    if _MAY_WAIT.search(source) is None:
        return False
    try:
        code = compile(source, "<cell>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    except (SyntaxError, ValueError):
        return False
    return bool(code.co_flags & CO_COROUTINE)


@dataclass(frozen=True, slots=True)
class Where:
    """The cell that a body stands in.

    Args:
        cell: Its whole text.
        lines: How many of its lines stand above the body.
        number: Its execution count when it last ran.
    """

    cell: str
    lines: int
    number: int


class LimitReachedError(TimeoutError):
    """A body that awaits was cancelled at its limit, unlike one that raised a `TimeoutError` itself."""


class Bodies:
    """Compiles and executes bodies over the user's names.

    Args:
        shell: The IPython shell.
    """

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._compiled: dict[tuple[str, Where], tuple[CodeType, ...]] = {}
        self._ahead = "", ""

    def transform(self, body: str) -> str:
        """Plain Python of a body: magics and shell lines become calls."""
        return self._shell.transform_cell(body)

    def source_of(self, cell: str) -> str:
        """Plain Python of a cell, without its header."""
        header = read_header(cell)
        return self.transform(header.body if header else cell)

    def read_ahead(self, body: str) -> str:
        """Plain Python of the body of a cell that is about to run, which `source_read` gives once more."""
        self._ahead = "", ""
        source = self.transform(body)
        self._ahead = body, source
        return source

    def source_read(self, cell: str) -> str:
        """`source_of` the cell that runs: what was read ahead, if that was its body."""
        (ahead, source), self._ahead = self._ahead, ("", "")
        header = read_header(cell)
        body = header.body if header is not None else ""
        # IPython ends the last line of what it reads, as it does with a body.
        is_same = bool(body) and (body if body.endswith("\n") else f"{body}\n") == ahead
        return source if is_same else self.source_of(cell)

    def run(self, source: str, where: Where, names: dict[str, Any]) -> None:
        """Execute a body over names to its end; what it raises, it raises."""
        for code in self.codes(source, where):
            run_code(code, names)

    async def run_within(
        self, source: str, where: Where, names: dict[str, Any], timeout: float | None = None
    ) -> None:
        """Execute a body that awaits something over names, cancelled at its limit.

        Raises:
            LimitReachedError: If the limit, in seconds, was reached.
        """
        limit = asyncio.timeout(timeout)
        try:
            async with limit:
                await self._run_waiting(source, where, names)
        except TimeoutError:
            if limit.expired():
                raise LimitReachedError from None
            raise

    async def _run_waiting(self, source: str, where: Where, names: dict[str, Any]) -> None:
        for code in self.codes(source, where):
            await run_code_waiting(code, names)

    @staticmethod
    def define(source: str, names: dict[str, Any]) -> None:
        """Execute imports and definitions over names, showing nothing."""
        run_code(compile(source, "<definitions>", "exec", dont_inherit=True), names)

    def codes(self, source: str, where: Where) -> tuple[CodeType, ...]:
        """The code of a body: runs of statements that show nothing, and statements that show their value."""
        key = (source, where)
        if key not in self._compiled:
            while len(self._compiled) >= _MOST_COMPILED:
                del self._compiled[next(iter(self._compiled))]
            self._compiled[key] = self._compile(source, where)
        return self._compiled[key]

    def _compile(self, source: str, where: Where) -> tuple[CodeType, ...]:
        shell, compiler = self._shell, self._shell.compile
        above = "".join(where.cell.splitlines(keepends=True)[: where.lines])
        name = compiler.cache(above + source, where.number, raw_code=where.cell)
        tree = compiler.ast_parse("\n" * where.lines + source, filename=name)
        tree = cast("ast.Module", shell.transform_ast(tree))
        quiet = shell.displayhook.semicolon_at_end_of_expression(source)
        how = "none" if quiet else str(shell.ast_node_interactivity)
        with compiler.extra_flags(ast.PyCF_ALLOW_TOP_LEVEL_AWAIT):
            return tuple(
                compiler(_module(part, shows=shows), name, "single" if shows else "exec")
                for part, shows in parts_of(tree.body, how)
            )


def parts_of(body: Sequence[ast.stmt], how: str) -> list[tuple[list[ast.stmt], bool]]:
    """Split statements into runs that show nothing and statements that show their value.

    Args:
        body: The statements.
        how: IPython's `ast_node_interactivity`.
    """
    shown = _shown(body, how)
    parts: list[tuple[list[ast.stmt], bool]] = []
    for statement in body:
        shows = statement in shown
        if shows or not parts or parts[-1][1]:
            parts.append(([], shows))
        parts[-1][0].append(statement)
    if how == "last_expr_or_assign" and body and (name := _assigned(body[-1])):
        parts.append(([ast.copy_location(ast.Expr(ast.Name(name, ast.Load())), body[-1])], True))
    return parts


def _shown(body: Sequence[ast.stmt], how: str) -> list[ast.stmt]:
    if how == "all":
        return list(body)
    last = list(body[-1:])
    return last if how == "last" else [each for each in last if how != "none" and isinstance(each, ast.Expr)]


def _assigned(statement: ast.stmt) -> str:
    target = statement.targets[0] if isinstance(statement, ast.Assign) else getattr(statement, "target", None)
    return target.id if isinstance(target, ast.Name) else ""


def _module(part: list[ast.stmt], *, shows: bool) -> ast.AST:
    if shows:
        return ast.fix_missing_locations(ast.Interactive(part))
    return ast.Module(part, [])


def run_code(code: CodeType, names: dict[str, Any]) -> object:
    """Execute code over names; a coroutine is returned where it awaits something."""
    return eval(code, names)


async def run_code_waiting(code: CodeType, names: dict[str, Any]) -> None:
    """Execute code over names to its end, be there something that it awaits."""
    awaitable = run_code(code, names)
    if code.co_flags & CO_COROUTINE:
        await cast("Awaitable[object]", awaitable)


CALLERS: Final = frozenset({run_code.__code__, run_code_waiting.__code__})
"""What calls the code of bodies, or awaits it."""
