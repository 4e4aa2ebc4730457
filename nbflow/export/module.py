"""The module as a whole."""

from __future__ import annotations

import ast
import hashlib
import keyword
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from nbflow.analysis.names import BUILTINS
from nbflow.exceptions import ExportError
from nbflow.export.cells import CellText
from nbflow.export.certain import certain
from nbflow.export.decorators import waits_for_a_person
from nbflow.export.functions import functions_in, with_values
from nbflow.export.layout import apart
from nbflow.export.magics import without_ipython
from nbflow.export.placing import Placed, place
from nbflow.export.refusals import check, without_session
from nbflow.export.screen import shows_its_last_line
from nbflow.export.units import bound_by, imported, module_in, units_of
from nbflow.export.writing import (
    TaskText,
    Words,
    import_texts,
    main_text,
    names_bound,
    task_text,
    top_blocks,
    with_imports,
)
from nbflow.views.words import listed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from nbflow.export.units import Unit

_OURS: Final = ("flow", "task", "MapResult", "unmapped")
"""What a module may need of nbflow."""
_MARK: Final = "# Exported by nbflow, "
_BEHIND_MARK: Final = "; once it is edited, a new export asks for --force."


@dataclass(frozen=True, slots=True)
class Exported:
    """A notebook as a module.

    Args:
        text: The module.
        tasks: How many tasks it has.
        parameters: The parameters of its `main`.
        notices: What is not as in the notebook, a line each.
    """

    text: str
    tasks: int
    parameters: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()


def module_of(cells: Iterable[CellText], notebook: str, named: Collection[str] = ()) -> Exported:
    r"""The flow of a notebook as a plain Python module.

    Args:
        cells: Its cells, in flow order.
        notebook: The name of its file.
        named: Task functions that run although no cell reads them.

    Raises:
        ExportError: If a module cannot do the same.

    Example:
        >>> cell = CellText("task", "raw", "raw = [3, 4]")
        >>> made = module_of([cell, CellText("plain", "cell [2]", "print(sum(raw))")], "sums.ipynb")
        >>> print(made.text[made.text.index("@task") :])
        @task(name="raw")
        def make_raw():
            raw = [3, 4]
            return raw
        <BLANKLINE>
        <BLANKLINE>
        @flow(name="sums")
        def main():
            raw = make_raw()
        <BLANKLINE>
            print(sum(raw))
        <BLANKLINE>
        <BLANKLINE>
        if __name__ == "__main__":
            main()
        <BLANKLINE>
    """
    plain, notes, bound, showing = list[CellText](), list[str](), frozenset[str](), list[str]()
    for cell in cells:
        python = without_ipython(cell.source, cell.label)
        showing += [cell.label] if shows_its_last_line(python.source) else []
        source, bound = _without_what_is_shown(_tidy(python.source), bound)
        notes += python.notes
        plain.append(CellText(cell.kind, cell.label, source, cell.options))
    units = without_session(units_of(plain))
    taken = _words_in(units)
    check(units)
    functions = functions_in(units, taken)
    units = with_values(units, taken, named)
    if showing:
        notes.append(f"a module shows nothing by the last line of a cell, print it: {listed(showing)}")
    made = _Module(place(units), notebook, taken | _words_in(units), notes).exported()
    return replace(made, tasks=made.tasks + len(functions))


def _tidy(source: str) -> str:
    """Without the semicolons by which people tell Jupyter to show nothing, and `global` where all is."""
    lines = source.split("\n")
    for statement in ast.parse(source).body:
        last = (statement.end_lineno or 1) - 1
        line = lines[last].encode()
        if line[statement.end_col_offset or 0 :].strip() == b";":
            lines[last] = line[: statement.end_col_offset].decode()
        if isinstance(statement, ast.Global) and lines[last].strip() == ast.unparse(statement):
            lines[last] = ""
    return "\n".join(lines)


def _without_what_is_shown(source: str, bound: frozenset[str]) -> tuple[str, frozenset[str]]:
    """A cell without the name in its last line, which a notebook would show, and what is bound behind it.

    Args:
        source: The cell.
        bound: The names that are bound above it.
    """
    body = ast.parse(source).body
    after = certain(body, bound)
    last = body[-1] if body else None
    if not isinstance(last, ast.Expr) or not isinstance(last.value, ast.Name) or last.value.id not in after:
        return source, after
    lines = source.split("\n")
    if lines[last.lineno - 1].strip() != last.value.id:
        return source, after
    return "\n".join([*lines[: last.lineno - 1], *lines[last.lineno :]]), after


def _words_in(units: Iterable[Unit]) -> frozenset[str]:
    """Every name that stands somewhere in the code of units."""
    nodes = (node for unit in units for line in unit.tree for node in ast.walk(line))
    return frozenset(name for node in nodes for name in _names_of(node))


def _names_of(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Name(id=name) | ast.arg(arg=name) | ast.ClassDef(name=name):
            yield name
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            yield name
        case ast.Import() | ast.ImportFrom():
            yield from map(bound_by, imported(node))
        case ast.Global(names=names) | ast.Nonlocal(names=names):
            yield from names
        case _:
            yield from (
                name for each in ("name", "rest") if isinstance(name := getattr(node, each, None), str)
            )


class _Module:
    """Writes one module.

    Args:
        placed: What goes where.
        notebook: The name of the notebook's file.
        taken: All words of its code.
        notes: What people should know so far.
    """

    def __init__(self, placed: Placed, notebook: str, taken: frozenset[str], notes: list[str]) -> None:
        self.placed = placed
        self.notebook = notebook
        self.notes = notes
        self.taken = set(taken) | BUILTINS | {*keyword.kwlist, *_OURS, "asyncio", "nbflow"}
        self.top = [unit for at, unit in enumerate(placed.units) if at in placed.top]
        self.tasks = [(at, unit) for at, unit in placed.inside if unit.kind == "task"]
        self.waits = any(unit.waits for _, unit in placed.inside)
        self.imports, self.rest = _imports_first(self.top)
        self.bound = names_bound(placed.units)
        self.words = self._words()

    def exported(self) -> Exported:
        """The module."""
        self._check()
        functions = [self._task(at) for at, _ in self.tasks]
        for each in functions:
            self.notes += each.decorator.notes
        main = main_text(self.placed, self.words, self.notebook.removesuffix(".ipynb"), waits=self.waits)
        call = f"asyncio.run({self.words.main}())" if self.waits else f"{self.words.main}()"
        inner = (
            "    import asyncio\n\n" if self.waits and self._has_other("asyncio", "import asyncio") else ""
        )
        blocks = [
            ("\n".join(self._head(functions)), 1),
            *top_blocks(self.rest),
            *((each.text, 2) for each in functions),
            (main, 2),
            (f'if __name__ == "__main__":\n{inner}    {call}', 2),
        ]
        text = signed(f'"""The flow of {self.notebook} as a module."""', apart(blocks) + "\n")
        try:
            compile(text, self.notebook, "exec", dont_inherit=True)
        except SyntaxError as error:
            raise ExportError(f"{self.notebook} cannot be a module: {error.msg}") from None
        return Exported(text, len(self.tasks), self._parameters(), tuple(dict.fromkeys(self.notes)))

    def _check(self) -> None:
        for _, unit in self.tasks:
            shared = min(unit.writes & self.placed.shared, default="") if unit.elements else ""
            if shared:
                raise ExportError(f"{unit.label}: --map cannot be exported, as an item may not bind {shared}")
            if waits_for_a_person(unit):
                self.notes.append(f"{unit.label} waits for a person under --manual: main does not call it")
        for at, unit in self.placed.inside:
            if unit.kind == "params" and at not in self.placed.parameters:
                name = min(unit.writes, default="a parameter")
                self.notes.append(
                    f"{name} is no parameter of main: other cells bind it, make its default, or run before it"
                )

    def _parameters(self) -> tuple[str, ...]:
        units = [self.placed.units[at] for at in sorted(self.placed.parameters)]
        return tuple(name for unit in units for name in sorted(unit.writes, key=unit.first_at))

    def _task(self, at: int) -> TaskText:
        return task_text(self.placed, at, self.words, names_bound(self.top))

    # --- names ------------------------------------------------------------------------------------

    def _words(self) -> Words:
        functions: dict[int, str] = {}
        items: dict[int, str] = {}
        main = self._free("main", "run_main")
        for at, unit in self.tasks:
            other = f"make_{unit.label}" if unit.label in unit.writes else f"{unit.label}_task"
            functions[at] = self._free(unit.label, other)
            if unit.elements:
                items[at] = self._free(f"{functions[at].removeprefix('make_')}_items")
        before = ""
        if any(self._has_other(name, f"from nbflow import {name}") for name in _OURS):
            is_free = not self._has_other("nbflow", "import nbflow")
            before = f"{'nbflow' if is_free else self._free('nbflow_module')}."
        return Words(before, functions, items, main)

    def _free(self, *names: str) -> str:
        """The first of these names that is free, or the last one with a number."""
        counted = (f"{names[-1]}_{count}" for count in range(2, len(self.taken) + 3))
        found = next(name for name in (*names, *counted) if name not in self.taken)
        self.taken.add(found)
        return found

    def _has_other(self, name: str, entry: str) -> bool:
        """Whether the notebook uses a name for anything but this import at the top."""
        binders = [unit for unit in self.placed.units if name in unit.writes]
        return any(entry not in unit.imports or unit not in self.imports for unit in binders)

    # --- the head ---------------------------------------------------------------------------------

    def _head(self, functions: Iterable[TaskText]) -> list[str]:
        """The imports: the notebook's, and those that the module itself needs."""
        future = [unit for unit in self.imports if "__future__" in map(module_in, unit.imports)]
        others = [unit for unit in self.imports if unit not in future and not self._is_merged(unit)]
        lines = [text for text, _ in import_texts(future)]
        lines += [""] if future else []
        lines += ["import asyncio"] if self.waits and "asyncio" not in self.bound else []
        for text, gap in import_texts(others):
            lines += ["", text] if gap and lines and lines[-1] else [text]
        return with_imports(lines, list(self._ours(functions)))

    def _is_merged(self, unit: Unit) -> bool:
        """Whether a unit imports from nbflow, as the module itself does."""
        plain = "#" not in unit.text and " as " not in unit.text
        return plain and all(each.startswith("from nbflow import ") for each in unit.imports)

    def _ours(self, functions: Iterable[TaskText]) -> Iterator[str]:
        shows = any("display" in unit.analysis.builtins for unit in self.placed.units)
        if shows and "display" not in self.bound:
            yield "from IPython.display import display"
        merged = {bound_by(each) for unit in self.imports if self._is_merged(unit) for each in unit.imports}
        if self.words.before:
            module = self.words.before.removesuffix(".")
            if module != "nbflow" or "nbflow" not in self.bound:
                yield "import nbflow" + (f" as {module}" if module != "nbflow" else "")
        else:
            merged |= self._wanted() - self.bound
        if merged:
            yield f"from nbflow import {', '.join(sorted(merged))}"
        named: dict[str, set[str]] = {}
        for module, name in (each for text in functions for each in text.decorator.imports):
            if self._has_other(name, f"from {module} import {name}"):
                raise ExportError(
                    f"{name} is a name of the notebook, and an option means nbflow's; rename it"
                )
            if name not in self.bound:
                named.setdefault(module, set()).add(name)
        yield from (
            f"from {module} import {', '.join(sorted(names))}" for module, names in sorted(named.items())
        )

    def _wanted(self) -> set[str]:
        """What the module itself needs of nbflow."""
        maps = [at for at, unit in self.tasks if unit.elements and not unit.waits]
        makes = any(unit.elements and self.placed.handed[at].makes for at, unit in self.tasks)
        hands = any(self.placed.handed[at].needs for at in maps)
        wanted = {"flow": True, "task": bool(self.tasks), "MapResult": makes, "unmapped": hands}
        return {name for name, is_wanted in wanted.items() if is_wanted}


def _imports_first(top: Sequence[Unit]) -> tuple[list[Unit], list[Unit]]:
    """The imports that can stand above all, and everything else at the top level, in its order."""
    imports: list[Unit] = []
    rest: list[Unit] = []
    for unit in top:
        above = [at for at, each in enumerate(rest) if _has_to_be_above(each, unit)] if unit.imports else []
        if unit.imports and (not above or "__future__" in map(module_in, unit.imports)):
            imports.append(unit)
        elif unit.imports:
            at = above[-1] + 1
            while at < len(rest) and rest[at].imports:
                at += 1
            rest.insert(at, unit)
        else:
            rest.append(unit)
    return imports, rest


def _has_to_be_above(unit: Unit, imports: Unit) -> bool:
    """Whether what is imported, or what a name means until then, hangs on a unit above."""
    if unit.imports:
        return False
    names = {bound_by(entry) for entry in imports.imports}
    makes = any(unit.may_make(module_in(entry)) for entry in imports.imports)
    return unit.prepares_imports or makes or bool(names & (unit.writes | unit.reads))


# --- whose text it is -----------------------------------------------------------------------------


def signed(docstring: str, body: str) -> str:
    r"""A module with a line by which an export is told from what people have written.

    Example:
        >>> is_untouched(signed('\"\"\"Sums.\"\"\"', "x = 1\n"))
        True
    """
    return f"{docstring}\n{_MARK}{_digest(docstring + body)}{_BEHIND_MARK}\n\n{body}"


def is_untouched(text: str) -> bool:
    """Whether a file is one that was exported, and nobody has edited it since.

    Example:
        >>> is_untouched("x = 1")
        False
    """
    docstring, _, rest = text.partition("\n")
    mark, _, body = rest.partition("\n\n")
    return mark == f"{_MARK}{_digest(docstring + body)}{_BEHIND_MARK}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
