"""Which values of a result go to the store: those that took longer to compute than storing and loading takes.

What a later step reads comes first. What nobody reads is stored while it is small, or while there is room;
a figure that nobody reads belongs to the screen. What could not be made again as it was is always stored.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from nbflow.engine.record import CHANGES_PROCESS
from nbflow.store.protocol import NON_DETERMINISTIC, Choice, Weight, always, differ
from nbflow.triggers import manual_only
from nbflow.types import FILE, Licence, Trace

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from nbflow.engine.apply import Workspace
    from nbflow.engine.book import Book, Step
    from nbflow.engine.observation import Observation

SMALL: Final = 4 << 20
"""Values of fewer bytes are stored whatever it took to compute them: nobody notices."""

_WRITTEN: Final = 1e9
_BUILT: Final = 8e7
_ON_SCREEN: Final = ("matplotlib.figure", "matplotlib.axes", "mpl_toolkits", "seaborn.axisgrid")

Values = dict[str, tuple[object, ...]]


def seconds_to_keep(weight: Weight) -> float:
    """How long it takes to store a value and to load it again, roughly; arrays are mapped, objects are built.

    Example:
        >>> seconds_to_keep(Weight("", 10**9, 0)), seconds_to_keep(Weight("", 2 * 10**8, 8 * 10**7))
        (1.0, 1.2)
    """
    return weight.size / _WRITTEN + weight.objects / _BUILT


def is_worth(weight: Weight, seconds: float, *, is_read: bool, has_room: Callable[[int], bool]) -> bool:
    """Whether a value is to be stored.

    Args:
        weight: What that costs.
        seconds: How long it took to compute it.
        is_read: Whether a step is known that reads it.
        has_room: Whether so many bytes are to spare.

    Example:
        >>> slow = is_worth(Weight("", 10**8, 0), 60.0, is_read=False, has_room=lambda size: True)
        >>> slow, is_worth(Weight("", 10**8, 0), 0.1, is_read=True, has_room=lambda size: True)
        (True, False)
    """
    if weight.size < SMALL:
        return True
    return seconds > seconds_to_keep(weight) and (is_read or has_room(weight.size))


class Storing:
    """Keeps the results of steps.

    Args:
        book: The steps, by which is known who reads what.
        workspace: The names, and the store.
    """

    def __init__(self, book: Book, workspace: Workspace) -> None:
        self._book = book
        self._workspace = workspace

    def commit(self, step: Step, trace: Trace, key: str, seen: Observation, effects: Collection[str]) -> None:
        """Keep what a step's body has made and shown.

        Args:
            step: The step.
            trace: The trace of its run.
            key: The action key that it is found by.
            seen: What was observed of it.
            effects: What its body visibly does outside.
        """
        workspace = self._workspace
        values = self._values(step, trace)
        on_screen = frozenset(
            unit for unit, parts in values.items() if self._is_on_screen(step, trace, unit, parts)
        )
        if on_screen:
            values = {unit: parts for unit, parts in values.items() if unit not in on_screen}
        if trace.captured and step.keeping.reuses:
            values[trace.captured] = (seen.outcome.captured,)
        choice = self.choice(step, trace, key, seen, effects, on_screen)
        workspace.store.commit(key, trace, values, workspace.names, choice)

    def choice(
        self,
        step: Step,
        trace: Trace,
        key: str,
        seen: Observation,
        effects: Collection[str],
        on_screen: frozenset[str] = frozenset(),
    ) -> Choice:
        """What says of each value of a result, or of that of an item, whether it is to be stored.

        Args:
            step: The step.
            trace: The trace of the run.
            key: The action key that it is found by.
            seen: What was observed of it.
            effects: What its body visibly does outside.
            on_screen: The units that belong to the screen.
        """
        again = self._may_be_made_again(step, trace, seen, effects)
        return Choice(partial(self._is_worth, step, trace, key) if again else always, on_screen)

    def _values(self, step: Step, trace: Trace) -> Values:
        units = {output.unit: output.members for output in step.stored(trace) if output.members}
        return {unit: tuple(map(self._workspace.get, members)) for unit, members in units.items()}

    def _may_be_made_again(
        self, step: Step, trace: Trace, seen: Observation, effects: Collection[str]
    ) -> bool:
        """Whether the flow may run the body again, and that would give the same and do nothing else."""
        is_started = step.licence is Licence.FLOW and step.trigger is not manual_only and step.effect is None
        if not step.keeping.weighs or not is_started:
            return False
        writes = any(output.slot.kind == FILE for output in trace.outputs)
        return not (writes or effects or seen.drew or trace.unknowns or CHANGES_PROCESS in trace.flags)

    def _is_worth(self, step: Step, trace: Trace, key: str, weight: Weight) -> bool:
        store = self._workspace.store
        if weight.unit == trace.captured:
            return True
        earlier = store.find(key)[:1]
        if any(NON_DETERMINISTIC in other.flags or differ(other, trace) for other in earlier):
            return True
        is_read = self._is_read(step, trace, weight.unit)
        return is_worth(weight, trace.seconds, is_read=is_read, has_room=store.has_room)

    def _is_read(self, step: Step, trace: Trace, unit: str) -> bool:
        """Whether the code of another step mentions a name that stands for the unit."""
        names = {member for output in trace.outputs if output.unit == unit for member in output.members}
        return any(not names.isdisjoint(other.body.reads) for other in self._book if other is not step)

    def _is_on_screen(self, step: Step, trace: Trace, unit: str, values: tuple[object, ...]) -> bool:
        return all(map(_is_picture, values)) and not self._is_read(step, trace, unit)


def _is_picture(value: object) -> bool:
    """Whether a value is a figure, its axes, or an array of axes."""
    kind = type(value)
    if kind.__module__ == "numpy" and getattr(getattr(value, "dtype", None), "hasobject", False):
        return bool(first := list(getattr(value, "flat", ()))[:1]) and _is_picture(first[0])
    return kind.__module__.startswith(_ON_SCREEN)
