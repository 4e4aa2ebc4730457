"""What is known of a function before and after its body was looked at."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from nbflow.analysis.result import DefinitionKind
    from nbflow.analysis.scopes import Scope


class Relation(Enum):
    """How the value of a name may share memory with that of another."""

    SAME = "is it"
    PART = "is a part of it, or a view"
    HOLDS = "has it as a part"


Source = tuple[str, Relation]
"""A key, and how a value is related to the value of that key."""


class Owner(NamedTuple):
    """What a change in place reaches: the value of a key, or something `deep` inside it."""

    key: str
    deep: bool


@dataclass(frozen=True, slots=True)
class Pending:
    """A call whose callee and arguments are still keys; see `result.Call`."""

    callee: str
    path: str
    arguments: frozenset[str]


@dataclass(slots=True)
class Summary:
    """What a call of a function may do, as seen from outside.

    Args:
        loads: Globals that it may load before it has bound them itself.
        binds: Globals that it binds whenever it returns.
        may_bind: Globals that it may bind, the former included.
        deletes: Globals that it may delete.
        mutates: Keys outside the function whose values it may change in place.
        changes_arguments: Whether it may change what it is given.
        calls: Its calls that are not known to be pure.
        effects: What it visibly reads or writes outside.
    """

    loads: set[str] = field(default_factory=set[str])
    binds: set[str] = field(default_factory=set[str])
    may_bind: set[str] = field(default_factory=set[str])
    deletes: set[str] = field(default_factory=set[str])
    mutates: set[str] = field(default_factory=set[str])
    changes_arguments: bool = False
    calls: dict[Pending, None] = field(default_factory=dict[Pending, None])
    effects: set[str] = field(default_factory=set[str])

    def include(self, other: Summary) -> None:
        """Add what another function, which this one may call or contain, may do."""
        self.loads |= other.loads
        self.may_bind |= other.may_bind
        self.deletes |= other.deletes
        self.mutates |= other.mutates
        self.changes_arguments |= other.changes_arguments
        self.calls.update(other.calls)
        self.effects |= other.effects


FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


@dataclass(slots=True, eq=False)
class Function:
    """A function, lambda or class of the cell.

    Args:
        node: Its syntax.
        name: What it is called; empty for a lambda without a name.
        kind: `function`, `lambda` or `class`.
        scope: The scope that its body's names are looked up from (a class: that of its body).
        lazy: Whether a call returns before the body runs (generators, coroutines).
        decorated: Whether somebody else may have called or replaced it when it is bound.
        members: For a class, its methods and the classes in it.
        summary: What a call may do, once it is known.
        together: Functions that were looked at while this one was, and that may call it.
    """

    node: FunctionNode | ast.ClassDef
    name: str
    kind: DefinitionKind
    scope: Scope
    lazy: bool = False
    decorated: bool = False
    members: list[Function] = field(default_factory=list["Function"])
    summary: Summary | None = None
    together: list[Function] = field(default_factory=list["Function"])
