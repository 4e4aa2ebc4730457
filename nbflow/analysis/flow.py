"""Definite assignment: what each name holds at each point of a piece of code.

A `Frame` walks one piece of code, the cell or the body of a function, in the order in which Python
executes it. For each name it keeps which of these the name may hold: what was there before the code
(`OUTSIDE`), what the code has bound (`HERE`), or nothing, because the code deleted what was there
before (`GONE`) or what it had bound itself (`SPENT`).
`SKIPPED` is what was there before, but only if a loop ran no round or a `with` swallowed an
exception: such a name may be read from outside and still counts as written.

The visitors of the kinds of nodes stand in other files and are found through `visits`.
"""

from __future__ import annotations

import ast
import itertools
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from nbflow.analysis.names import MAIN, is_of_earlier_cells
from nbflow.analysis.result import DefinitionKind, Import
from nbflow.analysis.scopes import Scope, ScopeKind
from nbflow.analysis.summaries import Function, Owner, Pending, Source

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

OUTSIDE: Final = 1
HERE: Final = 2
GONE: Final = 4
SKIPPED: Final = 8
SPENT: Final = 16
UNSEEN: Final = OUTSIDE | SKIPPED

State = dict[str, int]
"""Key to what it may hold; a key that is missing holds what was there before."""

Node = TypeVar("Node", bound=ast.AST)


class Visitor(Protocol):
    """What is done when execution comes to a node."""

    def __call__(self, frame: Frame, node: Any, /) -> None:
        """Record in the frame what executing the node does."""


VISITORS: Final[dict[type[ast.AST], Visitor]] = {}


def visits(
    *kinds: type[Node],
) -> Callable[[Callable[[Frame, Node], None]], Callable[[Frame, Node], None]]:
    """Register a function as the visitor of these kinds of nodes."""

    def register(function: Callable[[Frame, Node], None]) -> Callable[[Frame, Node], None]:
        for kind in kinds:
            VISITORS[kind] = function
        return function

    return register


@dataclass(slots=True)
class Loop:
    """A loop being walked: where its jumps left, and what its first round loaded from outside."""

    depth: int
    breaks: list[State] = field(default_factory=list[State])
    continues: list[State] = field(default_factory=list[State])
    certain: set[str] = field(default_factory=set[str])
    conditional: set[str] = field(default_factory=set[str])


@dataclass(slots=True)
class Defined:
    """A name that is bound to a function, class, lambda or module at this point."""

    kind: DefinitionKind
    functions: list[Function]
    conditional: bool


@dataclass(slots=True)
class Cell:
    """What is collected over the whole cell, deferred code included."""

    source: str
    stringized_annotations: bool = False
    functions: dict[str, list[Function]] = field(default_factory=dict[str, list[Function]])
    function_of: dict[ast.AST, Function] = field(default_factory=dict[ast.AST, Function])
    running: list[Function] = field(default_factory=list[Function])
    imports: list[Import] = field(default_factory=list[Import])
    origins: dict[str, str] = field(default_factory=dict[str, str])
    attributes: dict[str, set[str] | None] = field(default_factory=dict[str, set[str] | None])
    paths: set[str] = field(default_factory=set[str])
    shown: set[str] = field(default_factory=set[str])
    environment: set[str] = field(default_factory=set[str])
    named: set[ast.AST] = field(default_factory=set[ast.AST])
    notes: dict[str, None] = field(default_factory=dict[str, None])
    complete: bool = True
    walrus: bool = False
    serials: Iterator[int] = field(default_factory=itertools.count)

    def incomplete(self, note: str) -> None:
        """Record that the text does not tell everything, and why."""
        self.complete = False
        self.notes[note] = None

    def used(self, name: str, attribute: str | None) -> None:
        """Record that a name was used by one attribute, or as a whole."""
        if attribute is None:
            self.attributes[name] = None
            return
        known = self.attributes.setdefault(name, set())
        if known is not None:
            known.add(attribute)


class Frame:
    """One piece of code being walked in the order of its execution."""

    def __init__(self, cell: Cell, scope: Scope, *, deferred: bool = False) -> None:
        self.cell = cell
        self.scope = scope
        self.deferred = deferred
        self.state: State = {}
        self.dead = False
        self.reads: set[str] = set()
        self.maybe: set[str] = set()
        self.late: set[str] = set()
        self.stored: set[str] = set()
        self.deleted: set[str] = set()
        self.mutations: set[Owner] = set()
        self.aliases: dict[str, set[Source]] = {}
        self.calls: dict[Pending, None] = {}
        self.effects: set[str] = set()
        self.returns: list[State] = []
        self.catchers: list[State] = []
        self.loops: list[Loop] = []
        self.conditional = 0
        self.tentative = 0
        self.postponed = 0
        self.defined: dict[str, Defined] = {}
        self.guarded: set[str] = set()

    # -- walking ------------------------------------------------------------------------------

    def visit(self, node: ast.AST) -> None:
        """Do what execution of the node does."""
        visitor = VISITORS.get(type(node))
        if visitor is not None:
            visitor(self, node)
        else:
            self.visit_parts(node)

    def visit_all(self, nodes: Iterable[ast.AST | None]) -> None:
        """Visit nodes in order; None, which stands for a part left out, is passed over."""
        for node in nodes:
            if node is not None:
                self.visit(node)

    def visit_parts(self, node: ast.AST) -> None:
        """Visit the children of a node in the order of its fields."""
        for part in ast.iter_child_nodes(node):
            self.visit(part)

    def optionally(self, nodes: Sequence[ast.AST | None]) -> None:
        """Visit what may not be executed at all."""
        before = dict(self.state)
        self.conditional += 1
        self.visit_all(nodes)
        self.conditional -= 1
        if self.state != before:
            self.merge([before, None if self.dead else self.state])

    @contextmanager
    def within(self, scope: Scope) -> Generator[None]:
        """Resolve names in an inner scope that is executed at once."""
        outer, self.scope = self.scope, scope
        try:
            yield
        finally:
            self.scope = outer

    @contextmanager
    def branch(self) -> Generator[None]:
        """Mark what is visited as executed under a condition."""
        self.conditional += 1
        try:
            yield
        finally:
            self.conditional -= 1

    @contextmanager
    def uncertain(self, *, by: bool = True) -> Generator[None]:
        """Mark what is loaded as perhaps not loaded, for a reason that is no matter of paths."""
        self.tentative += by
        try:
            yield
        finally:
            self.tentative -= by

    @contextmanager
    def postponed_by(self, reason: bool) -> Generator[None]:
        """Mark what is loaded as loaded by code that may run now, later or never."""
        self.postponed += reason
        with self.uncertain(by=reason):
            try:
                yield
            finally:
                self.postponed -= reason

    @contextmanager
    def asleep(self) -> Generator[None]:
        """Mark what is loaded as loaded only if somebody asks for it after the cell."""
        maybe = set(self.maybe)
        with self.postponed_by(True):
            try:
                yield
            finally:
                self.maybe = maybe

    # -- states -------------------------------------------------------------------------------

    def snapshot(self) -> State | None:
        """Copy the state at this point; None where execution never comes."""
        return None if self.dead else dict(self.state)

    def restore(self, state: State | None) -> None:
        """Go on from a state taken before."""
        self.dead = state is None
        if state is not None:
            self.state = dict(state)

    def merge(self, states: Iterable[State | None]) -> None:
        """Go on from where several ways meet."""
        live = [state for state in states if state is not None]
        self.dead = not live
        if not live:
            return
        merged = dict(live[0])
        for state in live[1:]:
            _join(merged, state)
        self.state = merged

    def leave(self) -> None:
        """Note that execution does not go on after this point."""
        self.dead = True

    # -- names --------------------------------------------------------------------------------

    def load(self, name: str, attribute: str | None = None) -> str:
        """Record that a name, as written in this scope, is loaded; return its key."""
        key = self.scope.key(name)
        if "." not in key:
            self.load_global(key, attribute)
        elif self.scope.kind is ScopeKind.CLASS and self.state.get(key) != HERE and self.scope.has(key):
            possibly_bound = bool(self.state.get(key, OUTSIDE) & HERE)
            with self.uncertain(by=possibly_bound):
                self.load_global(self.scope.outward(name), attribute)
        return key

    def load_global(self, key: str, attribute: str | None = None) -> None:
        """Record that a global is loaded."""
        self.cell.used(key, attribute)
        self.inherit(key)

    def inherit(self, key: str) -> None:
        """Record that a global is loaded by code that stands elsewhere."""
        held = self.state.get(key, OUTSIDE)
        if not held & UNSEEN:
            return
        if is_of_earlier_cells(key):
            self.effects.add(f"names: {key}")
        if held != OUTSIDE or self.tentative or key in self.guarded:
            self.maybe.add(key)
            if self.postponed:
                self.late.add(key)
        elif not self.loops:
            self.reads.add(key)
        else:
            loop = self.loops[-1]
            (loop.conditional if self.conditional > loop.depth else loop.certain).add(key)

    def show(self, name: str, attribute: str = "") -> None:
        """Record that a name or attribute is held by somebody who may look at what documents it."""
        key = self.scope.key(name)
        if key == "vars":
            self.effects.add("names: vars")  # and who may call it without a value
        self.cell.shown.add(f"{key}.{attribute}" if attribute else key)

    def see_main(self) -> None:
        """Record that code reaches the notebook as the main module, where it may find every name."""
        self.cell.incomplete("what reaches the main module reaches every name")
        self.effects.add(f"names: {MAIN}")

    def store(self, name: str) -> str:
        """Record that a name, as written in this scope, is bound; return its key."""
        key = self.scope.key(name)
        self.bind(key)
        return key

    def bind(self, key: str) -> None:
        """Record that a key is bound."""
        if "." not in key:
            self.stored.add(key)
            self.put(key, HERE)
            self.undefine(key)
        elif self.scope.kind is ScopeKind.CLASS:
            self.put(key, HERE)

    def delete(self, name: str) -> None:
        """Record that a name, as written in this scope, is deleted."""
        key = self.scope.key(name)
        if "." not in key:
            self.deleted.add(key)
            self.undefine(key)
        self.put(key, _deleted(self.state.get(key, OUTSIDE)))

    def may_bind(self, key: str) -> None:
        """Record that a global may be bound by code that may run."""
        self.stored.add(key)
        self.put(key, self.state.get(key, OUTSIDE) | HERE)

    def may_delete(self, key: str) -> None:
        """Record that a global may be deleted by code that may run."""
        self.deleted.add(key)
        held = self.state.get(key, OUTSIDE)
        self.put(key, held | _deleted(held))

    def undefine(self, key: str) -> None:
        """Record that a name holds, at least in some cases, something else than a definition."""
        known = self.defined.get(key)
        if known is not None and self.conditional:
            known.conditional = True
        elif known is not None:
            del self.defined[key]

    def define(self, name: str, kind: DefinitionKind, function: Function | None = None) -> None:
        """Record that a name, as written in this scope, is bound to a definition."""
        key = self.scope.key(name)
        before = self.defined.get(key) if self.conditional else None
        self.bind(key)
        if "." in key:
            return
        functions = [*(before.functions if before else ()), *([function] if function else ())]
        self.defined[key] = Defined(kind, functions, conditional=bool(self.conditional))

    def owns(self, key: str) -> bool:
        """Say whether a key is local to this code or to a scope inside it."""
        name, dot, serial = key.rpartition(".")
        return (
            bool(dot and name) and self.scope.kind is ScopeKind.FUNCTION and int(serial) >= self.scope.serial
        )

    def put(self, key: str, held: int) -> None:
        """Set what a key may hold; an exception may be raised right after."""
        self.state[key] = held
        for catcher in self.catchers:
            catcher[key] = catcher.get(key, OUTSIDE) | held

    # -- values -------------------------------------------------------------------------------

    def link(self, key: str, sources: Iterable[Source]) -> None:
        """Record what the value of a key may share memory with."""
        known = self.aliases.setdefault(key, set())
        known.update(source for source in sources if source[0] != key)

    def mutate(self, owners: Iterable[Owner]) -> None:
        """Record that values, or something inside them, may be changed in place."""
        self.mutations.update(owners)

    # -- loops --------------------------------------------------------------------------------

    def close_loop(self, loop: Loop, back: State) -> None:
        """Sort what the rounds of a loop loaded from outside, once it is known what rounds bind."""
        bound = {key for key in loop.conditional - loop.certain if back.get(key, OUTSIDE) != OUTSIDE}
        self.maybe |= bound
        seen = loop.certain | (loop.conditional - bound)
        if self.loops:
            self.loops[-1].conditional |= seen
        else:
            self.reads |= seen


def _deleted(held: int) -> int:
    own = SPENT if held & (HERE | SPENT) else 0
    return own | (GONE if held & (UNSEEN | GONE) else 0)


def _join(into: State, other: State) -> None:
    for key in into.keys() - other.keys():
        into[key] |= OUTSIDE
    for key, held in other.items():
        into[key] = into.get(key, OUTSIDE) | held


def after_rounds(entry: State, back: State) -> State:
    """Give the state after a loop that ran any number of rounds.

    Example:
        >>> after_rounds({}, {"x": HERE}) == {"x": HERE | SKIPPED}
        True
    """
    left = dict(entry)
    for key, held in back.items():
        before = entry.get(key, OUTSIDE)
        if held != before:
            skipped = SKIPPED if before & OUTSIDE else 0
            left[key] = held | (before & ~OUTSIDE) | skipped
    return left
