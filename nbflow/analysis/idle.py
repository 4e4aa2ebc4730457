"""Texts that may be paths and that a cell only has at hand: nothing in it could open them.

`OUT = "out/result.csv"` opens nothing, nor does a function that nobody calls there. Who is handed that name,
or calls that function, has these texts among its own.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from nbflow.analysis.aliases import last_part
from nbflow.analysis.facts import JOINS, dotted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

_GIVE_AT_HAND: Final = JOINS | {
    "dict", "list", "tuple", "set", "str", "expanduser", "abspath", "dirname", "resolve", "getcwd", "cwd",
    "home",
}  # fmt: skip
"""What may be called for a value that holds paths: it opens none of them."""

_SEEN: Final = frozenset({
    "mkdir", "makedirs", "exists", "is_file", "is_dir", "isfile", "isdir", "unlink", "touch", "rmtree",
})  # fmt: skip
"""What is done to a path without reading a file, and is seen where it happens."""

_ON_THE_WAY: Final = frozenset({"parent", "dirname"})
"""What gives a folder to be made, and nothing to be read."""

_CALLED: Final = frozenset({
    "print", "len", "range", "int", "float", "str", "dict", "list", "tuple", "set", "min", "max", "abs",
    "round", "isinstance", "repr", "bool", "Path", "display",
})  # fmt: skip
"""Functions that read no global of the notebook."""

_LIBRARIES: Final = frozenset({
    "os", "sys", "shutil", "pathlib", "Path", "warnings", "logging", "random", "json", "re", "time",
    "datetime", "pd", "np", "pl", "plt", "sns", "mpl", "matplotlib", "px", "pio", "alt", "torch", "tf",
    "sklearn", "tqdm",
})  # fmt: skip
"""How cells call libraries, whose functions read none either."""

_BASES: Final = frozenset({"object", "Enum", "StrEnum", "IntEnum", "NamedTuple", "TypedDict", "Exception"})

_KEEP: Final = frozenset({
    "task", "flow", "cache", "lru_cache", "wraps", "contextmanager", "property", "cached_property",
    "dataclass", "staticmethod", "classmethod", "singledispatch", "jit", "njit",
})  # fmt: skip
"""Decorators that do not call the function at once."""

_Function = ast.FunctionDef | ast.AsyncFunctionDef


def running(statements: Sequence[ast.stmt]) -> list[ast.stmt]:
    r"""Leave out what only gives values to names, or defines functions, that nothing else in the cell uses.

    Args:
        statements: The cell.

    Example:
        >>> cell = ast.parse("OUT = 'a.csv'\nIN = 'b.csv'\ndf = pd.read_csv(IN)").body
        >>> [ast.unparse(statement) for statement in running(cell)]
        ["IN = 'b.csv'", 'df = pd.read_csv(IN)']
    """
    idle: list[ast.stmt] = [each for each in statements if _is_at_hand(each)]
    found = [each for each in statements if each not in idle]
    imported = frozenset(name for each in statements for name in _imported(each))
    if any(_may_read_globals(part, imported) for each in found for part in ast.walk(each)):
        return list(statements)
    todo = list(found)
    while todo and idle:
        used = frozenset(name for each in todo for name in _used(each))
        todo = [each for each in idle if not used.isdisjoint(_bound(each))]
        idle = [each for each in idle if each not in todo]
        found += todo
    return [each for each in statements if each in found]


def _imported(statement: ast.stmt) -> Iterator[str]:
    for alias in statement.names if isinstance(statement, (ast.Import, ast.ImportFrom)) else ():
        yield (alias.asname or alias.name).partition(".")[0]


def _may_read_globals(part: ast.AST, imported: Collection[str]) -> bool:
    """Whether a call may be one of a function of the notebook, which finds each name by itself."""
    if not isinstance(part, ast.Call):
        return False
    root = dotted(part.func).partition(".")[0]
    if isinstance(part.func, ast.Name):
        return root not in _CALLED and root not in imported
    return root not in _LIBRARIES and root not in imported and last_part(part.func) not in _SEEN


def _is_at_hand(statement: ast.stmt) -> bool:
    if isinstance(statement, _Function):
        defaults = (
            *statement.args.defaults,
            *(each for each in statement.args.kw_defaults if each is not None),
        )
        return _is_kept(statement.decorator_list) and all(map(_opens_nothing, defaults))
    if isinstance(statement, ast.ClassDef):
        is_plain = not statement.keywords and all(last_part(base) in _BASES for base in statement.bases)
        return is_plain and _is_kept(statement.decorator_list) and all(map(_is_at_hand, statement.body))
    if isinstance(statement, ast.Assign):
        named = all(isinstance(target, ast.Name) for target in statement.targets)
        return named and _opens_nothing(statement.value)
    if isinstance(statement, ast.AnnAssign):
        named = isinstance(statement.target, ast.Name)
        return named and (statement.value is None or _opens_nothing(statement.value))
    is_text = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return is_text or isinstance(statement, ast.Pass)


def _is_kept(decorators: list[ast.expr]) -> bool:
    return all(last_part(_called(each)) in _KEEP and _opens_nothing_more(each) for each in decorators)


def _opens_nothing_more(decorator: ast.expr) -> bool:
    if not isinstance(decorator, ast.Call):
        return True
    return all(map(_opens_nothing, (*decorator.args, *(word.value for word in decorator.keywords))))


def _called(decorator: ast.expr) -> ast.expr:
    return decorator.func if isinstance(decorator, ast.Call) else decorator


def _opens_nothing(value: ast.expr) -> bool:
    calls = (part for part in ast.walk(value) if isinstance(part, (ast.Call, ast.Await, ast.NamedExpr)))
    return all(isinstance(call, ast.Call) and last_part(call.func) in _GIVE_AT_HAND for call in calls)


def _bound(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield statement.name
    elif isinstance(statement, (ast.Assign, ast.AnnAssign)):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        yield from (target.id for target in targets if isinstance(target, ast.Name))


def _used(statement: ast.stmt) -> Iterator[str]:
    """The names that a statement loads for more than what opens no file, or is seen to."""
    seen = {id(part) for part in ast.walk(statement) for part in _harmless(part)}
    for part in ast.walk(statement):
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load) and id(part) not in seen:
            yield part.id


def _harmless(part: ast.AST) -> Iterator[ast.expr]:
    """What a call is given, or is a method of, that opens no file: `OUT.parent.mkdir()`."""
    if not isinstance(part, ast.Call):
        return
    if isinstance(part.func, ast.Name):
        yield from part.args if part.func.id == "print" else ()
    elif isinstance(part.func, ast.Attribute) and part.func.attr in _SEEN:
        yield from map(_folder_of, (part.func.value, *part.args))


def _folder_of(given: ast.expr) -> ast.expr:
    """Without what gives a folder of it: `OUT` of `os.path.dirname(OUT)`."""
    while isinstance(given, (ast.Attribute, ast.Call)):
        called = given.func if isinstance(given, ast.Call) else given
        if last_part(called) not in _ON_THE_WAY:
            break
        given = given.args[0] if isinstance(given, ast.Call) and given.args else _value_of(given)
    return given


def _value_of(given: ast.expr) -> ast.expr:
    return given.value if isinstance(given, ast.Attribute) else ast.Constant(None)
