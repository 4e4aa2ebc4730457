"""How long a body is expected to take: as long as last time, a mapped one for the items that will run."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING, Any, Final, cast

from nbflow.engine.each import Each
from nbflow.engine.enact import Item
from nbflow.engine.rows import rows_of
from nbflow.engine.slots import slot_of
from nbflow.exceptions import DefinitionError
from nbflow.store.walks import is_plain
from nbflow.types import UNBOUND

if TYPE_CHECKING:
    from nbflow.engine.each import Hands, Plan
    from nbflow.engine.perform import Performer
    from nbflow.engine.sites import Site
    from nbflow.states import Origin
    from nbflow.types import Trace

_QUICK: Final = 0.05
"""Seconds up to which nobody looks which items of a body will run."""
_MOST_ITEMS: Final = 1000
"""How many are looked for: a plan has to be there at once."""


def seconds_expected(site: Site, performer: Performer, origin: Origin) -> float | None:
    """How long a body at its place will take; None where nothing of it has run."""
    step, last = site.step, site.step.trace
    whole = last.seconds if last is not None else None
    if site.body.one is None or step.id in performer.forced or (whole is not None and whole <= _QUICK):
        return whole
    plan = performer.plan(site, performer.insight.asked(step, site.body, site.writers), origin)
    rows = _rows(site, plan, performer.workspace.names) if _has_elements(site, performer) else []
    kept = _kept(plan, performer.hands, rows)
    if not kept:
        return whole
    return fmean(trace.seconds for trace in kept) * (len(rows) - len(kept))


def _has_elements(site: Site, performer: Performer) -> bool:
    """Whether the names of the elements hold what the body would be given."""
    bound = {name: site.view.bound(slot_of(name)).version for _, name in site.body.mapped}
    return all(
        version is not None and performer.workspace.holds(name, version) for name, version in bound.items()
    )


def _rows(site: Site, plan: Plan, names: dict[str, Any]) -> list[tuple[Any, ...]]:
    """The elements of each item, where they are few and looked at in no time."""
    try:
        rows = rows_of(site.body.mapped, names, plan.step.name)
    except DefinitionError:
        return []
    return rows if len(rows) <= _MOST_ITEMS and all(map(_is_quick, rows)) else []


def _is_quick(row: tuple[Any, ...]) -> bool:
    return all(is_plain(cast("tuple[Any, ...]", each) if type(each) is tuple else (each,)) for each in row)


def _kept(plan: Plan, hands: Hands, rows: list[tuple[Any, ...]]) -> list[Trace]:
    """The results of items that a run would take."""
    each, store = Each(plan, hands), hands[0].store
    found = (each.looked_for(Item(index, ""), row) for index, row in enumerate(rows))
    return [
        trace
        for trace in found
        if trace is not None
        and all(store.has(output.unit) for output in trace.outputs if output.digest != UNBOUND)
    ]
