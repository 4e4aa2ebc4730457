"""What a task is called whose header gives no name, and how a plain cell is spoken of."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from nbflow.analysis import PARAMETERS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_LONGEST: Final = 32


def default_name(source: str, taken: Collection[str], written_above: Collection[str], number: int) -> str:
    """The name of a task whose header gives none.

    What the cell makes first counts: the last public name assigned that no cell above writes; else the
    name that it changes, with the column or attribute; else the last name assigned; else its number.

    Args:
        source: The body, as plain Python.
        taken: Names of other tasks; a name among them gets a number.
        written_above: Names of variables that cells above write.
        number: The number of the cell.

    Example:
        >>> default_name("df['late'] = df.delay > 15", (), ("df",), 3)
        'df_late'
        >>> default_name("clean = raw.dropna()", ("clean",), ("raw",), 4)
        'clean_2'
    """
    tree = ast.parse(source)
    assigned = [name for statement in tree.body for name in _assigned(statement) if not name.startswith("_")]
    new = [name for name in assigned if name not in written_above]
    changed = [name for statement in tree.body for name in _changed(statement)]
    name = (new or changed or assigned or [f"cell_{number}"])[-1]
    return free_name(name, taken)


def free_name(name: str, taken: Collection[str]) -> str:
    """The name itself, or with the first number that makes it free."""
    if name not in taken:
        return name
    return next(free for count in range(2, len(taken) + 3) if (free := f"{name}_{count}") not in taken)


def _targets(statement: ast.stmt) -> list[ast.expr]:
    if isinstance(statement, ast.Assign):
        return statement.targets
    return [statement.target] if isinstance(statement, ast.AnnAssign | ast.AugAssign) else []


def _assigned(statement: ast.stmt) -> Iterator[str]:
    for target in _targets(statement):
        for node in ast.walk(target):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                yield node.id


def _changed(statement: ast.stmt) -> Iterator[str]:
    for target in _targets(statement):
        parts = list(_parts(target))
        if len(parts) > 1 and parts[0] != PARAMETERS:
            yield "_".join(parts)


def _parts(target: ast.expr) -> Iterator[str]:
    """The name that a target starts with, and the columns and attributes behind it."""
    if isinstance(target, ast.Name):
        yield target.id
    elif isinstance(target, ast.Attribute):
        yield from _parts(target.value)
        yield target.attr
    elif isinstance(target, ast.Subscript):
        yield from _parts(target.value)
        key = target.slice.value if isinstance(target.slice, ast.Constant) else None
        if isinstance(key, str) and key.isidentifier():
            yield key


def label_of(cell: str, number: int | None = None) -> str:
    r"""How a plain cell is spoken of: by the number beside it, else by its first line.

    Example:
        >>> label_of("LATE = 15", 3), label_of("# limits\nLATE = 15"), label_of("@task\ndef f(): ...")
        ('cell [3]', 'cell `LATE = 15`', 'cell `def f(): ...`')
    """
    if number is not None:
        return f"cell [{number}]"
    lines = [line.strip() for line in cell.splitlines()]
    line = next((line for line in lines if line and not line.startswith(("#", "@"))), "empty")
    return f"cell `{line if len(line) <= _LONGEST else line[: _LONGEST - 1] + '…'}`"
