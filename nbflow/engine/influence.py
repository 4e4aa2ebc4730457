"""What a body reaches and what it may write at its place, through the code bound there.

A body reads the names that its own code loads and, transitively, those that the functions,
classes and objects bound at its place may load when it calls them. What it *may* write is
wider than what it wrote last time: a step that is not fresh makes all of it uncertain below.
"""

from __future__ import annotations

import builtins
from functools import partial
from types import BuiltinFunctionType
from typing import TYPE_CHECKING, Final

import msgspec

from nbflow.engine.generators import GENERATORS
from nbflow.engine.libraries import set_in
from nbflow.engine.own_modules import has_own_modules
from nbflow.engine.patches import touched
from nbflow.engine.slots import NAME, RANDOM, SETTINGS, STATE, is_kept_in_memory, slot_of
from nbflow.engine.stateful import patches
from nbflow.store.paths import absolute
from nbflow.types import FILE, FLOW_CODE, NO_NAMES, NO_REACH, TASK_VALUE, Reach, Slot

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from nbflow.analysis import Call, Definition
    from nbflow.engine.bind import Bound, View
    from nbflow.engine.book import Body, Book, Step
    from nbflow.engine.patches import Patch
    from nbflow.types import Trace

BUILTINS: Final = frozenset(vars(builtins))
_FIXED: Final = frozenset(
    name for name, value in vars(builtins).items() if isinstance(value, (type, BuiltinFunctionType))
)
"""The builtins that nothing can change in place."""
PARAMETER: Final = "*"


def reached(
    body: Body, view: View, builtin: Callable[[str], object] | None = None, also: Sequence[str] = ()
) -> tuple[Slot, ...]:
    """The slots that running the body at the view's place may read, in a fixed order.

    Args:
        body: The body.
        view: The bindings.
        builtin: Told each name of a builtin that is meant as such.
        also: Names that it reads besides.
    """
    given = [patch for patch in patches() if view.given((slot_of(patch.key),))]
    if not (body.reads or also or given):
        return ()

    def reach_of(slot: Slot) -> Reach | None:
        bound = view.bound(slot)
        if _is_given_nothing(bound):
            return None
        return bound.version.output.reach if bound.version else NO_REACH

    def ran_by(slot: Slot) -> Body | None:
        version = view.bound(slot).version
        return view.steps[version.step].ran if version is not None and version.step in view.steps else None

    touches = None
    if given:
        touches = partial(touched, given, body, loads_own=has_own_modules(view.steps.values()))
    return with_patches(body, reach_of, ran_by, touches, builtin, also)


def _is_given_nothing(bound: Bound) -> bool:
    """Whether no step gives a name anything, or may, so that a builtin of that name is meant."""
    return bound.version is None and not bound.written and not bound.doubts


def with_patches(
    body: Body,
    reach_of: Callable[[Slot], Reach | None],
    ran_by: Callable[[Slot], Body | None],
    touches: Callable[[Collection[Body]], Iterable[Patch]] | None,
    builtin: Callable[[str], object] | None = None,
    also: Sequence[str] = (),
) -> tuple[Slot, ...]:
    """The slots that a body may read, with attributes of modules and classes that the notebook has changed.

    Args:
        body: The body.
        reach_of: As for `reached_through`.
        ran_by: The code that made what a slot holds.
        touches: Which attributes code may find, given what has made the code that it may call.
        builtin: As for `reached_through`.
        also: As for `reached_through`.
    """
    found = reached_through(body, reach_of, builtin, also)
    known: list[str] = []
    while touches is not None:
        makers = {ran for slot in found if slot.kind == NAME and (ran := ran_by(slot)) is not None}
        more = [patch.key for patch in touches(makers) if reach_of(slot_of(patch.key)) is not None]
        if more == known:
            break
        # What has been put there may call others in turn.
        found, known = reached_through(body, reach_of, builtin, (*also, *more)), more
    return found


def reached_through(
    body: Body,
    reach_of: Callable[[Slot], Reach | None],
    builtin: Callable[[str], object] | None = None,
    also: Iterable[str] = (),
) -> tuple[Slot, ...]:
    """Follow the names that a body loads through the code behind them.

    Args:
        body: The body.
        reach_of: What the code inside a slot's value may touch; None where nothing ever gave
            the slot a value, so that a builtin of that name is meant.
        builtin: Told each such builtin.
        also: What it reads besides.
    """
    found: dict[Slot, None] = {}
    partly: set[Slot] = set()
    flows: list[Reach] = []
    own = body.wiring.key if body.wiring is not None else None
    todo = list(body.reads)
    direct, own_code = len(todo), _called_back(body)
    todo += also
    for place, name in enumerate(todo):
        slot = slot_of(name)
        if place >= direct and name in own_code:
            todo.extend(own_code.pop(name))
        if name == own or (slot in found and (place < direct or slot not in partly)):
            continue
        reach = reach_of(slot)
        if reach is None and _is_builtin(name, builtin):
            continue
        found[slot] = None
        if reach is None or not reach.reads:
            continue
        reads = _by_itself(name, body, reach) if reach.parts and place < direct else reach.reads
        (partly.add if reads != reach.reads else partly.discard)(slot)
        if FLOW_CODE in reach.parts:
            flows.append(reach)
        else:
            todo.extend(sorted(reads))
    if flows:
        found.update(_within_flows(flows, found.keys() - partly, reach_of, builtin))
    return tuple(found)


def _called_back(body: Body) -> dict[str, list[str]]:
    """What each name that the body binds loads when code from elsewhere calls it before the body's end."""
    analysis = body.analysis
    if not analysis.code_reads:
        return {}
    return dict.fromkeys(analysis.writes | analysis.maybe_writes, sorted(analysis.code_reads))


def _is_builtin(name: str, tell: Callable[[str], object] | None) -> bool:
    """Whether a name that nothing gave a value is a builtin, which is told then."""
    if name in BUILTINS and tell is not None:
        tell(name)
    return name in BUILTINS


def _within_flows(
    flows: Iterable[Reach],
    known: Collection[Slot],
    reach_of: Callable[[Slot], Reach | None],
    builtin: Callable[[str], object] | None,
) -> dict[Slot, None]:
    """What is reached through flows: there tasks run, so that their code counts and their values do not."""
    found: dict[Slot, None] = {}
    todo = _code_read(flows)
    for name in todo:
        slot = slot_of(name)
        if slot in found or slot in known:
            continue
        reach = reach_of(slot)
        if reach is None and _is_builtin(name, builtin):
            continue
        found[slot] = None
        if reach is not None:
            todo.extend(_code_read((reach,)))
    return found


def _code_read(reaches: Iterable[Reach]) -> list[str]:
    """The names that code reads, but for values of task functions."""
    return [name for each in reaches for name in sorted(each.reads) if not name.endswith(TASK_VALUE)]


def _by_itself(name: str, body: Body, reach: Reach) -> frozenset[str]:
    """What a body reaches through a name in its own text.

    Of a task function the value only by reading it, of a module what the attributes lead to that it uses.
    """
    value = reach.parts.get(TASK_VALUE)
    if value is None:
        return reach.by(body.analysis.attributes.get(name)).reads
    if body.analysis.attributes.get(name) == frozenset((TASK_VALUE,)):
        return frozenset((value,))
    return reach.reads if name in body.asks else reach.reads - {value}


def as_used(body: Body, reaches: Mapping[str, Reach]) -> list[Reach]:
    """What a body touches through each name, given all that it reaches: of a module what it uses of it."""
    attributes = body.analysis.attributes
    if not any(reach.attributes for reach in reaches.values()):
        return [*reaches.values()]
    others = NO_NAMES.union(*(reach.reads for reach in reaches.values()))
    return [reach if name in others else reach.by(attributes.get(name)) for name, reach in reaches.items()]


def lasting(step: Step, body: Body, view: View) -> list[Slot]:
    """Slots that its names do not tell the step to read: files, random states, settings, tasks to wait for.

    Those of its last run, the files that its constants name, and the names that share memory with what it
    made: it gives them along, as they stood above it.

    Args:
        step: The step.
        body: Its body.
        view: The bindings: who lists a folder hangs on each file that a step writes there.
    """
    trace, files = step.trace, body.declared.files
    named = [Slot(FILE, absolute(path)) for path in (*body.paths, *files)] if files or body.paths else []
    if step.after:
        named += [Slot(STATE, name) for name in step.after]
    if trace is None:
        return named
    named += [out.slot for out in trace.outputs if len(out.members) > 1 and not _binds(body, out.slot)]
    if trace.entries:
        seen = [entry.looked.slot for entry in trace.entries]
        named += [slot for slot in seen if slot.kind in _LASTING]
        named += [Slot(FILE, slot.locator) for slot in seen if slot.kind in _OF_A_FILE]
        named += view.files_below([slot.locator for slot in seen if slot.kind == "listing"])
    return named


def _binds(body: Body, slot: Slot) -> bool:
    return slot.locator in body.analysis.writes or slot.locator in body.analysis.maybe_writes


_LASTING: Final = (FILE, RANDOM, SETTINGS)
_OF_A_FILE: Final = ("absent", "presence", "stat", "target")


class May(msgspec.Struct, frozen=True):
    """What running a step may do to slots.

    Args:
        bind: Slots that it may bind, delete or write anew.
        change: Slots whose content it may change in place, so that whoever shares its memory sees it.
    """

    bind: frozenset[Slot]
    change: frozenset[Slot]

    def without_draws(self) -> May:
        """The same of a body that is known to leave random states alone."""
        return May(self.bind.difference(_GENERATORS), self.change)


_GENERATORS: Final = tuple(slot_of(key) for key in GENERATORS)


def may_write(
    step: Step,
    body: Body,
    reached_slots: Collection[Slot],
    view: View,
    book: Book,
    *,
    known: Trace | None = None,
) -> May:
    """Every slot that running the step may bind, change, delete or write.

    By analysis, by what its last traces wrote, by what the code that it reaches may change, and,
    of what it may change in place, by every name of the same unit.

    Args:
        step: The step.
        body: Its body.
        reached_slots: What that reaches in memory.
        view: The bindings at its place.
        book: The steps.
        known: A run that saw what the body would see now; it tells what calls change, which no text does.
    """
    analysis = body.analysis
    binds = set(map(slot_of, analysis.writes | analysis.maybe_writes | analysis.deletes))
    changes = set(map(slot_of, _changeable(analysis.mutates, view)))
    binds.update(map(slot_of, map("<{}>".format, analysis.seeds)), map(slot_of, set_in(body.source)))
    if known is None and (body.callees or analysis.definitions or reached_slots):
        harm = _Harm(body, view, book)
        changes |= {slot_of(name) for name in harm.names(reached_slots)}
        if harm.may_draw():
            binds |= {slot for slot in _GENERATORS if view.bound(slot).version is not None}
    if body.declared.writes:
        binds |= {Slot(FILE, absolute(path)) for path in body.declared.writes}
    if body.writes_files:
        binds |= {Slot(FILE, absolute(path)) for path in analysis.paths}
    for trace in (step.trace, step.earlier, known, step.hold.trace if step.hold else None):
        # What only a run showed may have been an assignment or a change in place.
        changes |= {output.slot for output in trace.outputs} - binds if trace is not None else set()
    for slot in tuple(changes):
        version = view.bound(slot).version
        if version is not None and len(version.output.members) > 1:
            changes |= view.members(version)
    return May(frozenset(binds), frozenset(changes))


def left_open(body: Body, view: View) -> Iterator[Slot]:
    """The slots in memory of which nobody knows what a body leaves in them that has no result."""
    analysis = body.analysis
    bound = analysis.writes | analysis.maybe_writes | analysis.deletes
    return map(slot_of, bound | _changeable(analysis.mutates, view))


def _changeable(names: frozenset[str], view: View) -> frozenset[str]:
    """Those of these names that may stand for what can be changed: `list` mostly stands for a builtin."""
    return names - {name for name in names & _FIXED if _is_given_nothing(view.bound(slot_of(name)))}


def _defines_code(body: Body, name: str) -> bool:
    definition = body.analysis.definitions.get(name)
    return definition is not None and definition.kind != "import"


def is_code(bound: Bound) -> bool:
    """Whether it is certainly a function, class or module without memory that others share."""
    if bound.doubts or bound.version is None:
        return False
    return bound.version.output.sort != "value" and len(bound.version.output.members) == 1


class _Harm:
    """What calls may change: a search over every candidate definition of a callee."""

    def __init__(self, body: Body, view: View, book: Book) -> None:
        self._body = body
        self._view = view
        self._book = book
        self._harmful: dict[str, bool] = {}

    def names(self, reached_slots: Iterable[Slot]) -> set[str]:
        found: set[str] = set()
        names = [slot.locator for slot in reached_slots if is_kept_in_memory(slot)]
        if len(self._body.reads) > 0:
            names += self._body.analysis.definitions
        for name in names:
            for definition in self._candidates(name):
                found |= definition.writes | _changeable(definition.mutates, self._view)
                found |= self._changed(definition.calls)
            found |= self._unanalysed(name)
        found |= self._changed_by_calls(names)
        return found | self._changed(self._body.analysis.calls)

    def _changed_by_calls(self, names: Iterable[str]) -> set[str]:
        """Those of these names that a call may change: the defaults, closure or attributes of what they hold.

        What a method does to a value is told by what it is called on.
        """
        bodies = [self._body, *(body for name in names for body in self._writers(name))]
        called = frozenset[str]().union(*(body.called for body in bodies))
        roots = called.union(*(body.callees for body in bodies))
        return {name for name in roots.intersection(names) if self._may_change_itself(name, name in called)}

    def _may_change_itself(self, name: str, is_called: bool) -> bool:
        """Whether the name holds what keeps something between calls.

        A function or class that nothing computed is part of does not; what that does to itself by its
        name is told by its definition.
        """
        version = self._view.bound(slot_of(name)).version
        if version is None or version.output.sort == "module":
            return False
        is_code = version.output.sort != "value"
        return (is_code or is_called) and not all(
            name in body.analysis.constants for body in self._writers(name)
        )

    def may_draw(self) -> bool:
        """Whether some call leaves the code that is known here, so that it may draw or seed."""
        todo = set(self._body.callees)
        seen: set[str] = set()
        while todo:
            callee = todo.pop()
            seen.add(callee)
            writers = self._writers(callee)
            if not writers and callee in BUILTINS:
                continue
            bodies = [body for body in writers if _defines_code(body, callee)]
            # A library, or a value that is called: it may draw from any generator.
            if not bodies:
                return True
            todo |= frozenset[str]().union(*(body.callees for body in bodies)) - seen
        return False

    def _changed(self, calls: Iterable[Call]) -> set[str]:
        handed = [call.arguments for call in calls if self._is_harmful(call.callee)]
        changed = _changeable(NO_NAMES.union(*handed) - {PARAMETER}, self._view)
        return {name for name in changed if not is_code(self._view.bound(slot_of(name)))}

    def _is_harmful(self, callee: str) -> bool:
        """Whether calling the name may change an argument in place."""
        if callee not in self._harmful:
            self._harmful[callee] = False  # a recursive call adds nothing to what the rest does
            self._harmful[callee] = self._judge(callee)
        return self._harmful[callee]

    def _judge(self, callee: str) -> bool:
        candidates = list(self._candidates(callee))
        # Code that nobody has analysed may do anything with what it is handed.
        if not candidates or self._unanalysed(callee, arguments=True):
            return True
        return any(
            definition.changes_arguments
            or any(PARAMETER in call.arguments and self._is_harmful(call.callee) for call in definition.calls)
            for definition in candidates
        )

    def _candidates(self, name: str) -> Iterator[Definition]:
        """The definitions that the name may be bound to here: the bound one, and those in doubt."""
        for body in self._writers(name):
            definition = body.analysis.definitions.get(name)
            if definition is not None:
                yield definition

    def _writers(self, name: str) -> list[Body]:
        """The bodies that may have given the name its value: this one, the bound one, those in doubt."""
        bound = self._view.bound(slot_of(name))
        # Once they have run, one of those in doubt may be the one that is bound.
        steps = {doubt.step for doubt in bound.doubts}
        if bound.version is not None:
            steps.add(bound.version.step)
        bodies = [self._book.steps[step].ran for step in sorted(steps)]
        own = [self._body] if name in self._body.analysis.definitions else []
        return own + [body for body in bodies if body is not None]

    def _unanalysed(self, name: str, *, arguments: bool = False) -> frozenset[str]:
        """What code may change that no definition describes: a callback in an object, a closure."""
        version = self._view.bound(slot_of(name)).version
        if version is None or not (version.output.reach.changes_arguments or version.output.reach.mutates):
            return NO_NAMES
        ran = self._book.steps[version.step].ran
        if ran is not None and name in ran.analysis.definitions:
            return NO_NAMES
        reach = version.output.reach
        itself = {name} if arguments and reach.changes_arguments else NO_NAMES
        return _changeable(reach.mutates, self._view) | reach.writes | itself
