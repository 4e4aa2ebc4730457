"""Sites: a body at its place in flow order, with what has to stand there before it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from msgspec.structs import replace

from nbflow.engine.bind import by_unit
from nbflow.engine.generators import GENERATORS
from nbflow.engine.influence import reached
from nbflow.engine.own_modules import made_by_imports
from nbflow.engine.slots import NAME, SETTINGS, key_of, slot_of
from nbflow.engine.stateful import setting_slots

if TYPE_CHECKING:
    from nbflow.engine.bind import Version, View
    from nbflow.engine.book import Body, Book, Step
    from nbflow.engine.verify import Judgement
    from nbflow.types import Slot

SEEDED: Final = tuple(slot_of(key) for key in GENERATORS)
"""The slots of the global random generators."""


class Site(msgspec.Struct, frozen=True):
    """A body at its place, with the inputs that have to stand there when it runs.

    Args:
        step: The step.
        body: Its body.
        view: The bindings at its place.
        slots: What it reaches in memory, seeded random states and settings that some step makes included.
        unbound: Keys that hold nothing there.
        units: The units that it reads, each as key to version.
        writers: The steps that made the names it reaches.
    """

    step: Step
    body: Body
    view: View
    slots: tuple[Slot, ...]
    unbound: tuple[str, ...]
    units: tuple[dict[str, Version], ...]
    writers: frozenset[str]


def site_of(step: Step, body: Body, view: View) -> Site:
    """Collect what a body needs at the view's place."""
    seeded = view.given(SEEDED)
    seeded = [slot for slot in seeded if view.bound(slot).version is not None] if seeded else seeded
    # A builtin is meant, so a leftover of that name must not stand in its way.
    unbound: list[str] = []
    set_above = view.given(setting_slots())
    slots = (*reached(body, view, unbound.append), *seeded, *set_above)
    kept = made_by_imports(body, map(key_of, set_above))
    units: dict[tuple[object, ...], dict[str, Version]] = {}
    writers: set[str] = set()
    for slot in slots:
        version = view.bound(slot).version
        if slot.kind == SETTINGS and key_of(slot) in kept:
            continue
        if version is None:
            unbound.append(key_of(slot))
            continue
        if slot.kind == NAME:
            writers.add(version.step)
        for member in view.members(version):
            bound = view.bound(member).version
            if bound is not None:
                units.setdefault(version.unit, {})[key_of(member)] = bound
    return Site(step, body, view, slots, tuple(unbound), tuple(units.values()), frozenset(writers))


def lists_of(site: Site) -> frozenset[str]:
    """The names of the elements of a mapped body that it does not read besides."""
    read = {slot.locator for slot in reached(site.body.one or site.body, site.view)}
    return frozenset(of for _, of in site.body.mapped) - read


def with_own(site: Site, ran: Body, given: Judgement) -> Site:
    """The site of a definition, with what it needs of what its own cell defines above it."""
    names = (site.body.analysis.reads & ran.analysis.definitions.keys()) - site.body.analysis.writes
    own = {name: version for name in names if (version := given.version(slot_of(name))) is not None}
    others = (versions for versions in site.units if not versions.keys() & own.keys())
    unbound = tuple(key for key in site.unbound if key not in own)
    return replace(site, unbound=unbound, units=(*others, *by_unit(dict(own))))


def say_who_failed(error: BaseException | None, site: Site, book: Book) -> None:
    """Let the error of a body that missed a name say whose failure left that without a value."""
    name = error.name if isinstance(error, NameError) else None
    if name not in site.unbound:
        return
    makers = (book.steps[doubt.step] for doubt in reversed(site.view.bound(slot_of(name)).doubts))
    failed = next((step for step in makers if step.failure), None)
    if failed is not None and error is not None:
        error.args = (f"{error}: {failed.name}, which may bind or change it, failed; run that first",)
