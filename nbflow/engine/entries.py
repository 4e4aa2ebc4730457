"""Which slots of the kernel that a body saw count as its inputs, and which that it changed as its outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow.analysis import may_set
from nbflow.analysis.seeding import cannot_draw
from nbflow.engine.differences import with_sharers
from nbflow.engine.slots import RANDOM, SETTINGS, key_of, slot_of
from nbflow.engine.uses import asks_settings
from nbflow.types import NO_NAMES, TASK_VALUE, UNBOUND, Entry, Looked

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from nbflow.engine.book import Body
    from nbflow.engine.observation import Observation
    from nbflow.engine.record import Seen
    from nbflow.types import Output


def outputs_of(body: Body, seen: Seen, observation: Observation, effects: Iterable[str]) -> list[Output]:
    """What a body made of names, generators and settings.

    Args:
        body: The body.
        seen: What it could see.
        observation: What it was seen to do.
        effects: What its code may do besides.
    """
    return [
        output
        for output in observation.outputs
        if observation.seeded.get(key_of(output.slot)) or _is_slot_output(output, body, seen, effects)
    ]


def _is_slot_output(output: Output, body: Body, seen: Seen, effects: Iterable[str]) -> bool:
    """Whether a slot that changed is an output; a generator that nobody ever seeded is no slot."""
    slot = output.slot
    if slot.locator.endswith(TASK_VALUE):
        # The value of a task function is what its step gives, whatever becomes of the object meanwhile.
        return body.wiring is not None and slot.locator == body.wiring.key
    if slot.kind != RANDOM or slot.locator in body.analysis.seeds:
        return True
    is_seeded = slot in seen.entries and seen.entries[slot].digest != UNBOUND
    return is_seeded or may_set(slot.locator, effects)


def drawn_from(body: Body, observation: Observation) -> frozenset[str]:
    """The keys of the generators whose state above a body counts for it.

    An import that sets one sets none where another above it did: which it is changes with what stands there.
    """
    seeded = observation.seeded.keys() if cannot_draw(body.source) else ()
    return observation.drew.union(seeded)


def memory_entries(body: Body, seen: Seen, written: set[str], drew: frozenset[str]) -> Iterator[Entry]:
    """What a body saw of names and generators.

    Args:
        body: The body.
        seen: What it could see.
        written: The keys of its outputs.
        drew: The keys of the generators whose state it has drawn from or set.
    """
    for slot, entry in seen.entries.items():
        if slot.kind == SETTINGS:
            continue
        if slot.kind == RANDOM and (key_of(slot) not in drew or slot.locator in body.analysis.seeds):
            continue
        unit, keys = seen.units.get(slot, ("", NO_NAMES))
        if keys & written:
            text = with_sharers(entry.preview, slot.locator, keys)
            yield Entry(Looked(slot, whole_unit=True), unit, text, entry.origin)
        else:
            yield from seen.parts.get(slot, (entry,))
    # Drawn from what nobody had seeded: it is another input once somebody above does.
    for slot in sorted(slot_of(key) for key in drew):
        if slot.kind == RANDOM and slot not in seen.entries and slot.locator not in body.analysis.seeds:
            yield Entry(Looked(slot), UNBOUND)


def settings_entries(body: Body, seen: Seen, observation: Observation) -> Iterable[Entry]:
    """What a body saw of how libraries are set."""
    # What items of a mapped task show is none of its own outputs.
    shows = bool(observation.outcome.captured or body.mapped) or asks_settings(body.source)
    return seen.settings.looked_at(observation.drew, shows=shows) if seen.settings is not None else ()
