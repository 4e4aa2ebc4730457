"""Where everything goes: what stands at the module's top level, what in `main`, and who hands what to whom.

A name is *of the module* if all units that bind it stand at the top level. It is *shared* if no hand-over
through arguments and results gives what the notebook gives: then every unit that binds it says `global`.
All other names are `main`'s own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final

from nbflow.analysis.names import BUILTINS
from nbflow.exceptions import ExportError
from nbflow.export.units import bound_by, module_in, same_import
from nbflow.running.calls import RESERVED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from nbflow.export.units import Unit

_NOTHING: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True)
class Handed:
    """What a task is given and what it gives back.

    Args:
        needs: The names that it takes as arguments.
        makes: The names that it returns.
    """

    needs: tuple[str, ...] = ()
    makes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Placed:
    """The units of a notebook at their places in a module.

    Args:
        units: All of them, in the notebook's order.
        top: Those at the module's top level.
        shared: The names that are bound in several places by `global`.
        parameters: The places of the units whose names are parameters of `main`.
        handed: What each task takes and gives, by its place among the units.
    """

    units: tuple[Unit, ...]
    top: frozenset[int]
    shared: frozenset[str]
    parameters: frozenset[int] = frozenset()
    handed: Mapping[int, Handed] = field(default_factory=dict[int, Handed])

    @cached_property
    def own(self) -> frozenset[str]:
        """The names that are main's own."""
        return _own(self.units, self.top, self.shared)

    @cached_property
    def inside(self) -> list[tuple[int, Unit]]:
        """What stands in main."""
        return [(place, unit) for place, unit in enumerate(self.units) if place not in self.top]


def place(units: Iterable[Unit]) -> Placed:
    """Find out where each unit goes.

    Raises:
        ExportError: If a cell reads what no cell makes, or cannot do the same in a module.
    """
    notebook = _Notebook(tuple(units))
    notebook.check_reads()
    shared = notebook.forced
    while True:
        placed = Placed(notebook.units, notebook.top(shared), shared)
        more = _Handing(notebook, placed).hard - shared
        if not more:
            break
        shared |= more
    return _Handing(notebook, placed).placed()


def _own(units: Sequence[Unit], top: frozenset[int], shared: frozenset[str]) -> frozenset[str]:
    bound = (unit.writes | unit.deletes for place, unit in enumerate(units) if place not in top)
    return frozenset[str]().union(*bound) - shared


class _Notebook:
    """The units with what is known of them together."""

    def __init__(self, units: tuple[Unit, ...]) -> None:
        self.units = units
        self.writers: dict[str, list[int]] = {}
        for place, unit in enumerate(units):
            for name in unit.writes | unit.deletes:
                self.writers.setdefault(name, []).append(place)
        self._reached: dict[int, frozenset[int]] = {}
        self._touched: dict[int, frozenset[str]] = {}

    @cached_property
    def forced(self) -> frozenset[str]:
        """The names that have to be shared anyway: those of functions' `global`, and builtins."""
        by_function = frozenset[str]().union(*(unit.forced for unit in self.units))
        return by_function | (self.writers.keys() & (BUILTINS | RESERVED)) | self._of_runs()

    def _of_runs(self) -> frozenset[str]:
        """The names that may hold states or futures: a task that is given one gets its value instead."""
        if not any(
            module_in(entry).partition(".")[0] == "nbflow" for unit in self.units for entry in unit.imports
        ):
            return _NOTHING
        found = frozenset[str]()
        while True:
            makers = [unit for unit in self.units if unit.writes and (unit.starts_runs or unit.reads & found)]
            more = found.union(*(unit.writes for unit in makers if not unit.imports and not unit.is_value))
            if more == found:
                return found
            found = more

    def check_reads(self) -> None:
        """Refuse what reads a name that nothing makes.

        Raises:
            ExportError: If there is one.
        """
        made = self.writers.keys() | self.forced
        for unit in self.units:
            elements = set(unit.elements)
            missing = min(unit.analysis.reads - made - BUILTINS - elements, default="")
            if missing:
                raise ExportError(
                    f"{unit.label} reads {missing}, which no cell makes; write a cell that does, and run it"
                )

    def reached(self, place: int) -> frozenset[int]:
        """The units whose code a unit may come to run: those that made what it reads, and so on."""
        if place not in self._reached:
            names, found = set(self.units[place].reads | self.units[place].code), set[int]()
            open_names = set(names)
            while open_names:
                new = {each for name in open_names for each in self.writers.get(name, ())} - found
                found |= new
                open_names = {name for each in new for name in self.units[each].reads | self.units[each].code}
                open_names -= names
                names |= open_names
            self._reached[place] = frozenset(found - {place})
        return self._reached[place]

    def touches(self, place: int) -> frozenset[str]:
        """The names that a unit may load while it runs, also in code of others."""
        if place not in self._touched:
            unit, others = self.units[place], (self.units[each].code for each in self.reached(place))
            self._touched[place] = unit.reads.union(unit.code, *others)
        return self._touched[place]

    # --- the top level ----------------------------------------------------------------------------

    def top(self, shared: frozenset[str]) -> frozenset[int]:
        """The units that may stand at the top level: the largest set that keeps its own rules."""
        units = self.units
        found = frozenset(
            place for place, unit in enumerate(units) if unit.kind == "plain" and not unit.is_value
        )
        while True:
            own = _own(units, found, shared)
            first = self._first_that_acts(found)
            kept = frozenset(each for each in found if self._may_stand(each, found, own, shared, first))
            if kept == found:
                return found
            found = kept

    def _first_that_acts(self, top: frozenset[int]) -> int:
        """The first unit in main that does anything: parameters are there before all."""
        acting = (
            place
            for place, unit in enumerate(self.units)
            if place not in top and unit.tree and not (unit.kind == "params" and unit.is_inert)
        )
        return next(acting, len(self.units))

    def _may_stand(
        self, place: int, top: frozenset[int], own: frozenset[str], shared: frozenset[str], first: int
    ) -> bool:
        unit = self.units[place]
        if not unit.tree:
            return place < first
        if unit.waits or (unit.reads | unit.code | unit.writes | unit.deletes) & own:
            return False
        return place < first or self._may_be_lifted(place, top, shared)

    def _may_be_lifted(self, place: int, top: frozenset[int], shared: frozenset[str]) -> bool:
        """Whether a unit may stand above what the notebook does before it."""
        unit = self.units[place]
        own_decorators = [each for name in unit.decorators for each in self.writers.get(name, ())]
        if not unit.is_inert or not all(self.units[each].imports for each in own_decorators):
            return False
        if (unit.writes | unit.reads) & shared or not all(map(self._is_only, unit.writes)):
            return False
        if "__future__" in map(module_in, unit.imports):
            return True
        if unit.imports and {*unit.imports} <= self._imported_above(place, top):
            return True
        above = [each for each in range(place) if each not in top]
        if any(unit.writes & self.touches(each) for each in above):
            return False
        return not unit.imports or not any(self._prepares(each, unit) for each in above)

    def _imported_above(self, place: int, top: frozenset[int]) -> set[str]:
        """What units at the top level above a unit import."""
        return {entry for each in range(place) if each in top for entry in self.units[each].imports}

    def _is_only(self, name: str) -> bool:
        """Whether one unit alone binds a name, or all import the same."""
        writers = self.writers[name]
        if len(writers) == 1:
            return True
        entries = [each for place in writers for each in self.units[place].imports if bound_by(each) == name]
        return (
            len(entries) >= len(writers)
            and len(set(map(same_import, entries))) == 1
            and all(self.units[each].imports for each in writers)
        )

    def _prepares(self, place: int, unit: Unit) -> bool:
        """Whether what a unit imports may hang on another one above it."""
        other = self.units[place]
        return other.prepares_imports or any(other.may_make(module_in(each)) for each in unit.imports)


class _Handing:
    """Who hands what to whom in main, and what cannot be handed."""

    def __init__(self, notebook: _Notebook, placed: Placed) -> None:
        self.notebook = notebook
        self.known = placed
        self.hard: frozenset[str] = _NOTHING
        self._handed: dict[int, Handed] = {}
        self._order: list[str] = []
        self._walk()

    def placed(self) -> Placed:
        """Everything at its place."""
        known = self.known
        parameters = frozenset(place for place, unit in known.inside if self._are_parameters(place, unit))
        return Placed(known.units, known.top, known.shared, parameters, self._handed)

    def _are_parameters(self, place: int, unit: Unit) -> bool:
        """Whether a unit's assignment can be a parameter of main with that default."""
        own, shared = self.known.own, self.known.shared
        if unit.kind != "params" or (unit.reads | unit.code) & (own | shared) or unit.writes & shared:
            return False
        above = [each for each, _ in self.known.inside if each < place]
        acts = any(self.known.units[each].kind != "params" for each in above)
        if not unit.binds_names_alone or (acts and not unit.is_inert):
            return False
        bound = (
            self.known.units[each].writes | self.known.units[each].deletes | self.notebook.touches(each)
            for each in above
        )
        return not unit.writes & frozenset[str]().union(*bound)

    def _walk(self) -> None:
        own, bound, maybe = self.known.own, frozenset[str](), frozenset[str]()
        alive = self._alive()
        for place, unit in self.known.inside:
            self.hard |= unit.classes | (unit.class_names & own & (unit.reads | unit.code))
            if unit.kind == "task":
                self._handed[place] = self._hand(place, unit, bound, maybe, alive[place])
            self._order += sorted(unit.writes & own - set(self._order), key=unit.first_at)
            bound = (bound - unit.deletes | unit.certain) & own
            maybe = (maybe | unit.writes) & own

    def _alive(self) -> dict[int, frozenset[str]]:
        """The names that something below each unit may still read, as they are behind it."""
        alive, found = frozenset[str](), dict[int, frozenset[str]]()
        for place, unit in reversed(self.known.inside):
            found[place] = alive
            alive = (alive - unit.certain) | unit.reads | unit.code
        return {place: names | self._of_functions(place) for place, names in found.items()}

    def _of_functions(self, place: int) -> frozenset[str]:
        """What functions of other units read, whenever they are called."""
        return frozenset[str]().union(*(unit.code for other, unit in self.known.inside if other != place))

    def _hand(
        self, place: int, unit: Unit, bound: frozenset[str], maybe: frozenset[str], alive: frozenset[str]
    ) -> Handed:
        own, units = self.known.own, self.known.units
        later = frozenset[str]().union(*(each.writes | each.deletes for each in units[place + 1 :]))
        bare = unit.writes - unit.certain
        alive |= frozenset(unit.cell.options.outputs)
        named = {unit.label} & unit.certain
        makes = (unit.writes & own & alive) | (named & own)
        needs = own & (unit.reads | unit.late | (makes & bare & maybe))
        gone = unit.deletes & own & alive - unit.certain
        unsure = (needs & maybe - bound) | (makes & bare - bound) | (makes & unit.deletes - unit.certain)
        # What nothing above has bound is bound below, or by the body itself where it is needed.
        missing = needs - maybe
        from_below = missing & (later | (unit.reads - unit.writes - unit.deletes))
        seen = frozenset[str]().union(*(units[each].code for each in self.notebook.reached(place)))
        rebound = (unit.writes | unit.deletes) & own & seen
        kept = unit.code & own & later
        self.hard |= gone | unsure | from_below | rebound | kept
        return Handed(self._in_order(needs & maybe, unit), self._in_order(makes, unit))

    def _in_order(self, names: Iterable[str], unit: Unit) -> tuple[str, ...]:
        """In the order in which the notebook binds them."""
        order = {name: place for place, name in enumerate(self._order)}
        return tuple(sorted(names, key=lambda name: (order.get(name, len(order)), unit.first_at(name), name)))
