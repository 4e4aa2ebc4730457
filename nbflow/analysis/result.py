"""What an analysis says about a cell: values, no rules."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

EVERYTHING: Final = "*"
"""In `Analysis.shows`: the texts of all that the cell reaches."""

PARAMETERS: Final = "*"
"""The pseudo name in `Call.arguments` that stands for a parameter of the enclosing function."""

DefinitionKind = Literal["function", "class", "import", "lambda"]


@dataclass(frozen=True, slots=True)
class Call:
    """A call that may change what it is given, judged by its text alone.

    Args:
        callee: The name at the root of what is called: `df` for `df.groupby("a").foo(x)`. It is
            `PARAMETERS` where a parameter is called, empty where no name stands at the root.
        path: The dotted text of what is called, without subscripts and inner calls: `df.groupby.foo`.
        arguments: Names that the call may reach: the receiver of a method, names passed, also
            inside displays and behind attributes and subscripts, and what these share memory with.
    """

    callee: str
    path: str
    arguments: frozenset[str]


@dataclass(frozen=True, slots=True)
class Import:
    """One imported module.

    Args:
        module: Dotted name; empty for `from . import a`.
        level: Number of leading dots.
        names: What is taken from it; None where the module itself is imported, `("*",)` for a star.
        deferred: Whether it stands inside a function, so that it happens when that is called.
    """

    module: str
    level: int
    names: tuple[str, ...] | None
    deferred: bool


@dataclass(frozen=True, slots=True)
class Definition:
    """A name that the cell binds to a function, class, lambda or module.

    Args:
        name: The bound name.
        kind: `function`, `class`, `import` or `lambda`.
        reads: Globals that its code, and code of the cell that it calls, may load; builtins left out.
        writes: Globals that it may bind or delete.
        mutates: Globals whose values it may change in place.
        changes_arguments: Whether it may change a parameter, or its object, in place by itself;
            what it hands to other globals is in `calls`.
        calls: Its calls that are not known to be pure.
        conditional: Whether the binding stands in a branch, loop or `try`.
        effects: What it visibly reads or writes outside.
        origin: Of an import, the dotted name of what it binds.
    """

    name: str
    kind: DefinitionKind
    reads: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()
    mutates: frozenset[str] = frozenset()
    changes_arguments: bool = False
    calls: tuple[Call, ...] = ()
    conditional: bool = False
    effects: frozenset[str] = frozenset()
    origin: str = ""


@dataclass(frozen=True, slots=True)
class Analysis:
    """What a cell may read, write and change, by its text alone.

    Names that IPython manages are left out everywhere.

    Args:
        reads: Loaded while the cell runs, before anything in the cell may have bound them. Calls of
            the cell's own functions count with what these load.
        maybe_reads: Loaded where the cell has bound them on some paths only, where a failing
            `assert` shows them, or by code that the cell hands to somebody who may call it.
        deferred_reads: What functions, lambdas and methods of the cell may load when they are called
            after it; names that the cell itself has certainly bound by then are left out.
        code_reads: What functions, lambdas and methods of the cell may load whenever they are called,
            be it by code from elsewhere before the cell has bound these names itself.
        writes: Bound whenever the cell ends well. A loop counts as entered, a `with` as not
            swallowing an exception.
        maybe_writes: Bound on some paths only.
        deletes: Names that may be deleted, also by the end of `except … as name`.
        mutates: Names whose values may be changed in place, in- or outside names alike.
        definitions: Names finally bound to a function, class, lambda or module.
        constants: Names finally bound to what the text alone tells, whatever the cell reads: numbers, texts,
            tuples of them, imports, and functions and classes that nothing computed is part of.
        calls: Calls outside deferred code that are not known to be pure.
        attributes: For each name read and each module imported, the first-level attributes used;
            None where it is used as a whole.
        imports: All imports, in order.
        paths: String constants that could be a path; glob patterns stand for unknown parts.
        environment: Environment variables read by constant name.
        seeds: Global random generators (`random`, `numpy`, `torch`) seeded before anything could draw.
        effects: What is visibly read or written outside, as `network: requests.post`.
        builtins: Builtin names loaded and not bound by the cell: inputs where another step binds them.
        shows: Names, and attributes as `lib.clean`, used otherwise than by calling them: who holds a
            function may look at its docstring, annotations or signature. `EVERYTHING` where the cell
            itself does so.
        complete: False where text does not tell which names are read and written.
        notes: What a user should know, for people.
    """

    reads: frozenset[str] = frozenset()
    maybe_reads: frozenset[str] = frozenset()
    deferred_reads: frozenset[str] = frozenset()
    code_reads: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()
    maybe_writes: frozenset[str] = frozenset()
    deletes: frozenset[str] = frozenset()
    mutates: frozenset[str] = frozenset()
    definitions: Mapping[str, Definition] = field(default_factory=dict[str, Definition])
    constants: frozenset[str] = frozenset()
    calls: tuple[Call, ...] = ()
    attributes: Mapping[str, frozenset[str] | None] = field(
        default_factory=dict[str, "frozenset[str] | None"]
    )
    imports: tuple[Import, ...] = ()
    paths: frozenset[str] = frozenset()
    environment: frozenset[str] = frozenset()
    seeds: frozenset[str] = frozenset()
    effects: frozenset[str] = frozenset()
    builtins: frozenset[str] = frozenset()
    shows: frozenset[str] = frozenset()
    complete: bool = True
    notes: tuple[str, ...] = ()
