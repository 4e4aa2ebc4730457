"""Results that fit and whose values are nowhere: whether that makes their bodies run again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbflow.engine.bind import by_unit
from nbflow.engine.keeping import gone_cause
from nbflow.engine.labels import is_local_module
from nbflow.engine.origins import version_of
from nbflow.engine.placeholder import is_placeholder
from nbflow.engine.record import outputs_in_memory
from nbflow.engine.slots import is_kept_in_memory, key_of
from nbflow.store.protocol import EVICTED, UNSTORABLE
from nbflow.types import Cause, Standing

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from nbflow.engine.apply import Workspace
    from nbflow.engine.bind import Version, View
    from nbflow.engine.book import Step
    from nbflow.engine.sweep import Sweep
    from nbflow.types import Trace

SPENT: Final = "spent"
"""The category of the cause that what a step made has been changed, consumed or overwritten since."""
_CATEGORIES: Final = {EVICTED: "evicted"}


class Absences:
    """Why the results of steps are computed again although they fit.

    Args:
        sweep: The verdicts.
        workspace: The names, and the store.

    Attributes:
        causes: The reasons that were noted for the next runs, by step.
    """

    def __init__(self, sweep: Sweep, workspace: Workspace) -> None:
        self._sweep = sweep
        self._workspace = workspace
        self.causes: dict[str, Cause] = {}

    def note(self, step: Step, trace: Trace | None, is_asked: bool = False) -> Cause | None:
        """Why the values of a step's result are computed again, noted for its run; None: they are not."""
        self.causes.pop(step.id, None)
        view = self._sweep.view(step)
        cause = absence_of(step, trace, view, self._workspace, is_asked=is_asked) if trace else None
        if cause is not None:
            self.causes[step.id] = cause
        return cause

    def note_missed(self, step: Step, missed: Mapping[str, Version]) -> None:
        """Note why what a step made is made again for whoever reads it."""
        if self.note(step, step.bound_trace) is None:
            names = self._workspace.names
            is_gone = all(key not in names or is_placeholder(names[key]) for key in missed)
            self.causes[step.id] = gone_cause(step) if is_gone else Cause(SPENT, min(missed))

    def misses(self, step: Step, trace: Trace, view: View) -> bool:
        """Whether a step whose cell has run here misses values of a result."""
        is_here = step.standing is Standing.HERE
        return is_here and absence_of(step, trace, view, self._workspace, is_asked=False) is not None

    def lacks_module(self, step: Step, trace: Trace) -> bool:
        """Whether a result holds a module of the user's as the step has changed it, which stands nowhere.

        No store puts it back, and loading it anew does not: the step has to run.
        """
        is_here = step.standing is Standing.HERE and step.ran is not None and not step.ran.only_defines
        if not is_here or not any(map(is_local_module, trace.outputs)):
            return False
        made = by_unit(_versions(step, trace, self._sweep.view(step)))
        modules = [unit for unit in made if any(is_local_module(each.output) for each in unit.values())]
        return not all(map(self._workspace.is_available, modules))

    def forget(self, *, but: Collection[str]) -> None:
        """Forget what was noted of all steps but these."""
        for step in self.causes.keys() - but:
            del self.causes[step]


def absence_of(step: Step, trace: Trace, view: View, workspace: Workspace, *, is_asked: bool) -> Cause | None:
    """Why the values of a result are to be computed again; None where that is not so.

    What no store can keep is made again for whoever reads it, and an effect never for its values.

    Args:
        step: The step.
        trace: The result.
        view: The bindings at its place.
        workspace: The names, and the store.
        is_asked: Whether a person wants the step itself, and with it what it showed.
    """
    if step.effect is not None:
        return None
    absence = workspace.store.absence
    for versions in by_unit(dict(_values(step, trace, view))):
        (version, *_) = versions.values()
        reason = absence(version.output.unit)
        if reason not in ("", UNSTORABLE) and not workspace.is_available(versions):
            return _cause(step, reason)
    reason = absence(trace.captured) if is_asked and trace.captured else ""
    return _cause(step, reason) if reason else None


def _versions(step: Step, trace: Trace, view: View) -> dict[str, Version | None]:
    outputs = outputs_in_memory(trace)
    return {key_of(each.slot): version_of(step.id, trace, each, view.classes) for each in outputs}


def _values(step: Step, trace: Trace, view: View) -> Iterator[tuple[str, Version]]:
    for output in step.stored(trace):
        is_value = output.sort == "value" and output.members and is_kept_in_memory(output.slot)
        version = version_of(step.id, trace, output, view.classes) if is_value else None
        if version is not None:
            yield key_of(output.slot), version


def _cause(step: Step, reason: str) -> Cause:
    return Cause(_CATEGORIES.get(reason, "not stored"), step.name)
