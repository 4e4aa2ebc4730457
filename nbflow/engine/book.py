"""The book: the steps of a notebook, their places in flow order, and the holds on them.

The book knows what there is and in which order; it knows nothing of values, of verdicts and
of who may start what.
"""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from nbflow.analysis import Analysis, analyze, definition_source
from nbflow.analysis.idle import running
from nbflow.analysis.magics import leaves_shell, parse_cell
from nbflow.analysis.nodes import nodes_of
from nbflow.analysis.reads import analysis_of
from nbflow.analysis.source import canonical
from nbflow.engine.declared import NOTHING, Declared
from nbflow.engine.keeping import KEPT, Keeping
from nbflow.engine.looks import looks_like_asking_folder, looks_like_seeding, looks_like_writer
from nbflow.engine.texts import asks_of, has_only_definitions, root_of, without_makers
from nbflow.exceptions import UnknownTaskError
from nbflow.retries import NO_RETRIES, Retries
from nbflow.store.digests import key_digest
from nbflow.triggers import Trigger, all_successful
from nbflow.types import TASK_VALUE, Cause, Effect, Entry, Hold, Licence, Output, Slot, Standing, Trace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from nbflow.states import State

FORMAT = "5"
"""Part of every static key: raised when what a trace says changes its meaning."""

_NAMED: Final = (ast.Name, ast.Attribute, ast.alias)

_COMPUTES = (
    *(ast.Assign, ast.AnnAssign, ast.AugAssign, ast.If, ast.Pass),
    *(ast.Name, ast.Constant, ast.Tuple, ast.List, ast.Dict, ast.Set, ast.JoinedStr, ast.FormattedValue),
    *(ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp),
    *(ast.operator, ast.unaryop, ast.boolop, ast.cmpop, ast.expr_context),
)


@dataclass(frozen=True, slots=True)
class Wiring:
    """A task function and what its parameters are wired to.

    Args:
        function: The name that it is bound to.
        wires: For each parameter without default, its name and the key that it gets.
    """

    function: str
    wires: tuple[tuple[str, str], ...] = ()

    @property
    def key(self) -> str:
        """The key under which its value lives."""
        return value_key(self.function)


def value_key(function: str) -> str:
    """The key of a task function's value; no variable has such a name.

    Example:
        >>> value_key("features")
        'features()'
    """
    return f"{function}()"


@dataclass(frozen=True, slots=True, eq=False)
class Body:
    """The source of a step and what static analysis says of it.

    Args:
        source: Plain Python source.
        analysis: What it reads, writes, may change.
        static_key: Digest of the normalised source, Python's minor version and the format.
        reads: Names that running it may load, in a fixed order: with its own deferred reads
            unless it consists of imports and undecorated definitions, which call nothing.
        writes_files: Whether some call in it looks like one that writes a file.
        callees: The names at the roots of all its calls, those of its functions included; an empty
            one stands for a call of anything else.
        only_computes: Whether it consists of assignments of literals, names and operators, and names
            no file: over numbers, texts and the like it runs nobody's code.
        reseeds: Whether something in it looks like setting a random state; the state after may
            equal the one before, so that no comparison shows it.
        asks: The names at the roots of what it calls without arguments: it may read task functions so.
        makers: The decorators in it that only make task functions, as long as they are bound to ours.
        wiring: For the body of a task function, which is made and not read, what it calls; None else.
        mapped: Each name that is bound to one element after the other, with the name of the elements.
        one: The body that runs for each element; None where it runs once.
        definition: The source of the function that the body of a task function calls; empty for all else.
        declared: What its header says of names and files.
        called: Those of its callees that it calls themselves, rather than a method of theirs.
        only_defines: Whether it consists of imports and definitions that call nothing.
        asks_folder: Whether something in it looks like asking for the working folder, which no event tells.
        idle_paths: Strings that may be meant as paths, and that it only has at hand for others.
        leaves_shell: Whether code that it makes may call IPython.
    """

    source: str
    analysis: Analysis
    static_key: str
    reads: tuple[str, ...]
    writes_files: bool
    reseeds: bool
    callees: frozenset[str]
    only_computes: bool
    asks: frozenset[str] = frozenset()
    makers: frozenset[str] = frozenset()
    wiring: Wiring | None = None
    mapped: tuple[tuple[str, str], ...] = ()
    one: Body | None = None
    definition: str = ""
    declared: Declared = NOTHING
    called: frozenset[str] = frozenset()
    only_defines: bool = False
    asks_folder: bool = False
    idle_paths: frozenset[str] = frozenset()
    leaves_shell: bool = False

    @property
    def paths(self) -> frozenset[str]:
        """Strings in it that may be meant as paths, and that something in it could open."""
        return self.analysis.paths - self.idle_paths if self.idle_paths else self.analysis.paths

    @property
    def text(self) -> str:
        """What people take for its source."""
        return self.definition or self.source


@lru_cache(maxsize=20_000)
def mapped_body(body: Body, mapped: tuple[tuple[str, str], ...]) -> Body:
    """The body that runs another one once for each element; it reads the elements and binds no element.

    Example:
        >>> mapped_body(read_body("y = x + 1"), (("x", "xs"),)).reads
        ('xs',)
    """
    if not mapped:
        return body
    names, lists = frozenset(name for name, _ in mapped), frozenset(of for _, of in mapped)
    told = [part for pair in mapped for part in pair]
    one = replace(body, analysis=_without(body.analysis, names))
    one = replace(one, static_key=key_digest(body.static_key, "item", *sorted(names)))
    analysis = replace(
        one.analysis,
        reads=(one.analysis.reads - names) | lists,
        maybe_reads=one.analysis.maybe_reads - names,
        attributes={**one.analysis.attributes, **dict.fromkeys(lists)},
    )
    reads = tuple(sorted((frozenset(body.reads) - names) | lists))
    key = key_digest(body.static_key, "map", *told)
    # Iterating over the elements may run anybody's code.
    return replace(
        body, analysis=analysis, static_key=key, reads=reads, only_computes=False, mapped=mapped, one=one
    )


def _without(analysis: Analysis, names: frozenset[str]) -> Analysis:
    return replace(
        analysis,
        writes=analysis.writes - names,
        maybe_writes=analysis.maybe_writes - names,
        deletes=analysis.deletes - names,
        mutates=analysis.mutates - names,
    )


@lru_cache(maxsize=20_000)
def read_body(source: str, makers: frozenset[str] = frozenset()) -> Body:
    """Analyse a source; equal sources share one body.

    Args:
        source: The source.
        makers: Names at the roots of decorators that only make task functions and call nothing.

    Raises:
        CellSyntaxError: If the source is not Python.
    """
    statements = parse_cell(source)
    analysis = analyze(without_makers(source, makers)) if makers else analysis_of(source, statements)
    reads = analysis.reads | analysis.maybe_reads | analysis.builtins
    only_defines = has_only_definitions(statements, makers)
    if not only_defines:
        reads |= analysis.deferred_reads
    nodes = [node for statement in statements for node in nodes_of(statement)]
    named = [node for node in nodes if isinstance(node, _NAMED)]
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    asks_folder, reseeds = any(map(looks_like_asking_folder, named)), any(map(looks_like_seeding, named))
    writes_files, functions = any(map(looks_like_writer, calls)), [node.func for node in calls]
    callees = frozenset(map(root_of, functions))
    called = frozenset(root_of(each) for each in functions if not isinstance(each, ast.Attribute))
    idle = _idle_paths(source, statements, analysis.paths) if analysis.paths else analysis.paths
    is_shell_left = "get_ipython" in callees and leaves_shell(statements)
    computes = not analysis.paths and all(isinstance(node, _COMPUTES) for node in nodes)
    asks, only = asks_of(source, nodes)
    if only:
        # Of a task function that is read and nothing else, only the value counts.
        used = {name: frozenset((TASK_VALUE,)) for name in only & analysis.attributes.keys()}
        analysis = replace(analysis, attributes={**analysis.attributes, **used})
    key = key_digest(FORMAT, _PYTHON, canonical(source, statements))  # this uses them up
    looks = tuple(sorted(reads)), writes_files, reseeds, callees, computes, asks, makers
    return Body(
        source,
        analysis,
        key,
        *looks,
        called=called,
        only_defines=only_defines,
        asks_folder=asks_folder,
        idle_paths=idle,
        leaves_shell=is_shell_left,
    )


def calls_ipython(body: Body, makers: Iterable[Body]) -> bool:
    """Whether a body, or code that it has of the bodies that made its names, may call IPython."""
    return "get_ipython" in body.callees or any(made.leaves_shell for made in makers)


def _idle_paths(source: str, statements: list[ast.stmt], paths: frozenset[str]) -> frozenset[str]:
    used = running(statements)
    return paths - analysis_of(source, used).paths if len(used) < len(statements) else frozenset()


_PYTHON: Final = f"{sys.version_info.major}.{sys.version_info.minor}"


def definition_body(body: Body, name: str) -> Body:
    """The part of a body that makes one function, class or module, see design 2.7."""
    return read_body(definition_source(body.source, (name,)), body.makers)


@dataclass(slots=True, eq=False)
class Step:
    """A body at a place in flow order.

    Args:
        id: Identifier, stable while its cell is edited, moved and renamed.
        name: What people call it.
        body: The source as its cell has it now.
        licence: Who may start it. A plain cell's is `USER`; catch-up may start a quiet one.
        plain: Whether it is a plain cell rather than a task.
        ran: The body last run; None before the first run.
        before: The body run before that one, where it was another; None else.
        standing: Whether it ran in this kernel, is remembered, or lost its cell.
        trace: The trace it is bound to; None before the first run and after a failed one.
        left: What the last run of a plain cell left in the names, where it failed; no result, but what
            there is until it runs again. None else: a task that failed leaves nothing to those below it.
        shown: The result that a plain cell shows, where it stands at an earlier one.
        earlier: The last result that an earlier kernel left. It is never reused for what it is; where
            `trace` is None, the causes tell what differs from it.
        is_bare: Whether an earlier kernel has run it and the store has nothing of that any more.
        hold: A choice by hand that overrides `trace`.
        lack: Why its body cannot run, where what it starts from is nowhere and may not be made again.
        fits: Whether an earlier result fits of a step whose body nbflow may not start.
        failure: Why its last run failed, in one line; empty if it did not.
        ended: The state that its last run ended in, or waits in, where that left it without a result.
        ended_on: What its body had looked at when it ended so; None where it did not start.
        left_random_alone: Whether that run was seen to move no random state, and would move none on the same.
        parameters: Names that it sets as flow parameters, which can be overridden.
        retries: When a failed body is tried again.
        timeout: The limit for each attempt in seconds; None: no limit.
        trigger: Whether it may run, given how the tasks above it ended.
        skip_on_upstream_skip: Whether it is skipped below a skipped task.
        after: Names of tasks that have to end before it, whatever it reads.
        keeping: How its results are kept.
        runner: Where its body runs; None: as whoever runs it says.
        told: Makes, of a run's identifier and its flow run's number, what hooks are told of the run;
            None: there are no hooks, and nothing else that needs it.
        named: Makes the name of a run of that, once its body may start; None: runs are called as it is.
        idle: Whether nobody has asked for what it gives yet, so that the flow leaves it alone.
        effect: How often it is run, where what it does outside is its point; None else.
        tags: Its labels, which its body may ask for.
    """

    id: str
    name: str
    body: Body
    licence: Licence = Licence.FLOW
    plain: bool = False
    ran: Body | None = None
    before: Body | None = None
    standing: Standing = Standing.HERE
    trace: Trace | None = None
    left: Trace | None = None
    shown: Trace | None = None
    earlier: Trace | None = None
    is_bare: bool = False
    hold: Hold | None = None
    lack: Cause | None = None
    fits: bool = False
    failure: str = ""
    ended: State | None = None
    ended_on: tuple[Entry, ...] | None = None
    left_random_alone: bool = False
    parameters: frozenset[str] = frozenset()
    retries: Retries = NO_RETRIES
    timeout: float | None = None
    trigger: Trigger = all_successful
    skip_on_upstream_skip: bool = True
    after: tuple[str, ...] = ()
    keeping: Keeping = KEPT
    runner: Any = None
    told: Callable[[str, int], object] | None = None
    named: Callable[[Any], str] | None = None
    idle: bool = False
    effect: Effect | None = None
    tags: frozenset[str] = frozenset()

    @property
    def asks_states(self) -> bool:
        """Whether its result hangs on how the tasks above it ended, and not only on what they made."""
        return self.trigger is not all_successful or not self.skip_on_upstream_skip

    @property
    def parameter_slots(self) -> tuple[Slot, ...]:
        """The slots of its parameters: who gives a value there decides what it sets."""
        if not self.parameters:
            return ()
        return tuple(Slot("parameter", name) for name in sorted(self.parameters))

    def stands_at(self, trace: Trace | None) -> bool:
        """Whether a trace is its own already, and nothing has happened or was chosen since."""
        is_chosen = self.hold is not None or self.idle
        has_ended = self.failure or self.ended is not None or self.ended_on is not None
        return self.trace is trace and self.left is None and not (is_chosen or has_ended)

    def take(self, trace: Trace) -> None:
        """Stand at a trace of its own: what was accepted counted for what its body saw before."""
        if self.hold is not None and self.hold.entries is not None and self.hold.trace is not trace:
            self.hold = None
        self.trace, self.left, self.failure, self.ended, self.ended_on = trace, None, "", None, None

    def take_again(self, trace: Trace) -> None:
        """Stand at an earlier trace; a plain cell goes on showing what its last run has shown."""
        shown = self.shown or self.trace if self.plain else None
        self.shown = shown if shown is not None and shown.id != trace.id else None
        self.take(trace)

    def stored(self, trace: Trace) -> tuple[Output, ...]:
        """What of a trace of its own goes to the store, values and all."""
        if self.plain or not self.keeping.stores:
            return ()
        wanted = self.body.declared.outputs
        if not wanted:
            return trace.outputs
        units = {output.unit for output in trace.outputs if output.slot.locator in wanted}
        return tuple(output for output in trace.outputs if output.unit in units)

    @property
    def bound_trace(self) -> Trace | None:
        """The trace that decides what readers see: the held one, else its own."""
        return self.hold.trace if self.hold else self.trace

    @property
    def given(self) -> Trace | None:
        """What its readers see: the trace that it is bound to, else what a failed run left."""
        return self.bound_trace or self.left


@dataclass(slots=True)
class Book:
    """Steps in flow order. Changing the order is the caller's decision, never a side effect.

    `revision` counts the changes of the order, but for steps put behind all others; `size` is how many steps
    have a place, told without a call because it is asked at every turn. `tells_states` says
    whether steps give those below them how they ended, beside what they made: nobody needs it in most books.
    `starts_plain` says whether the flow may start plain cells that are quiet.
    """

    steps: dict[str, Step] = field(default_factory=dict[str, Step])
    revision: int = 0
    tells_states: bool = False
    starts_plain: bool = True
    size: int = 0
    _order: list[str] = field(default_factory=list[str])
    _places: dict[str, int] = field(default_factory=dict[str, int])
    _wired: dict[str, Step] = field(default_factory=dict[str, Step])

    def __iter__(self) -> Iterator[Step]:
        return (self.steps[step] for step in self._order)

    def __len__(self) -> int:
        return self.size

    @property
    def order(self) -> tuple[str, ...]:
        """Step identifiers in flow order; a step whose cell is gone has no place."""
        return tuple(self._order)

    def wired(self) -> list[Step]:
        """The steps of task functions, those without a place as well; a step is one from its start or never.

        Told without a look at all others, because every cell asks.
        """
        if not self._wired:
            return []
        return [step for id, step in self._wired.items() if self.steps.get(id) is step]

    def place(self, step: str) -> int | None:
        """The step's place, counted from 0; None where its cell is gone."""
        return self._places.get(step)

    def unplaced(self) -> set[str]:
        """The identifiers of the steps whose cells are gone."""
        return self.steps.keys() - self._places.keys()

    def at(self, place: int) -> Step:
        """The step at a place."""
        return self.steps[self._order[place]]

    def named(self, name: str) -> Step:
        """The step that people call `name`.

        Raises:
            UnknownTaskError: If no step has that name.
        """
        for step in self:
            if step.name == name:
                return step
        raise UnknownTaskError.named(name, (step.name for step in self if not step.plain))

    def insert(self, step: Step, place: int) -> None:
        """Put a new step, or one whose cell came back, at a place."""
        self._know(step)
        self._order.insert(place, step.id)
        self._number()

    def append(self, step: Step) -> None:
        """Put a new step behind all others."""
        self._know(step)
        self._places[step.id] = self.size
        self._order.append(step.id)
        self.size += 1

    def let(self, step: str, **rules: Any) -> None:
        """Set what is said of a step beside its body: `retries`, `timeout`, `trigger`, `after`, `effect`."""
        for name, value in rules.items():
            setattr(self.steps[step], name, value)
        if "effect" in rules and not self.steps[step].plain:
            # What changes the world is never started only because something else needs it.
            self.steps[step].licence = Licence.NAME if rules["effect"] else Licence.FLOW
        if not self.tells_states and (self.steps[step].asks_states or self.steps[step].after):
            self.tells_states = True
            self.revision += 1

    def let_start_plain(self, may: bool) -> None:
        """Say whether the flow may start plain cells that are quiet; what waits for one is judged anew."""
        if may != self.starts_plain:
            self.starts_plain = may
            self.revision += 1

    def move(self, step: str, place: int) -> None:
        """Give a step another place."""
        self._order.remove(step)
        self._order.insert(place, step)
        self._number()

    def rename(self, step: str, name: str) -> None:
        """Call a step otherwise; causes name it, so that all have to be said anew."""
        self.steps[step].name = name
        self.revision += 1

    def remove(self, step: str) -> None:
        """Take a step's place away: its cell is gone, it is shown but writes for nobody."""
        self._order.remove(step)
        self.steps[step].standing = Standing.GONE
        self._number()

    def arrange(self, order: tuple[str, ...]) -> None:
        """Set the whole order at once.

        Raises:
            ValueError: If `order` is not a permutation of the steps that have a place.
        """
        if sorted(order) != sorted(self._order):
            raise ValueError("The new order must name each step once.")
        self._order = list(order)
        self._number()

    def _know(self, step: Step) -> None:
        self.steps[step.id] = step
        if step.body.wiring is not None:
            self._wired[step.id] = step

    def _number(self) -> None:
        self.revision += 1
        self.size = len(self._order)
        self._places = {step: place for place, step in enumerate(self._order)}
