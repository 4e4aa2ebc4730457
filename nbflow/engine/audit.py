"""Auditing: tasks are run once more, apart from the notebook, and what they make is compared with the record.

A body that gives what it gave proves nothing and costs nothing. One that gives something else is run a
second time. If both runs agree with each other, the record is wrong: the body depends on something that
nobody saw, or was stored by mistake; the result is refuted, and the task is stale. If they differ, the
body is not deterministic, which is noted.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from nbflow.engine.apart import Apart, changes, process_kept, with_classes
from nbflow.engine.book import calls_ipython
from nbflow.engine.counted import loose_in
from nbflow.engine.gates import SKIPPED
from nbflow.engine.keeping import NOT_COMPARED
from nbflow.engine.marks import REFUTED, VARIES
from nbflow.engine.outward import effects_called, outward_calls
from nbflow.engine.record import ACTS, CHANGES_PROCESS, key_of_trace
from nbflow.engine.slots import key_of
from nbflow.states import Completed, Failed
from nbflow.store.told import with_told_paths
from nbflow.types import ACCEPT, FILE, Cause, Slot, Standing, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from nbflow.engine.apart import Rerun
    from nbflow.engine.book import Step
    from nbflow.engine.requests import Working
    from nbflow.engine.trunk import Trunk
    from nbflow.types import Trace

_DONE: Final = (Verdict.FRESH, Verdict.AS_OF)
_EVERY_RUN: Final = 2**31
"""More runs than any flow run has items."""


class Found(Enum):
    """What an audit finds out about a task."""

    SAME = "same"
    REFUTED = "refuted"
    VARIES = "non-deterministic"
    RAISED = "raised"
    NOT_AUDITED = "not audited"


@dataclass(frozen=True, slots=True)
class Finding:
    """What an audit has found out about one task.

    Args:
        step: The step.
        found: What.
        told: More of it, in words: which names differ, what was raised, why it was not audited.
        was_accepted: Whether what was compared had been accepted by hand, and for other inputs made.
    """

    step: Step
    found: Found
    told: str = ""
    was_accepted: bool = False


def _nothing_else(step: Step) -> str:
    return ""


class Audit:
    """Runs tasks once more and compares what they make.

    Args:
        trunk: The notebook's parts.
        hindrance: Says why a step's body cannot be run by whoever executes it; empty: it can.
    """

    def __init__(self, trunk: Trunk, hindrance: Callable[[Step], str] = _nothing_else) -> None:
        self._trunk = trunk
        self._hindrance = hindrance
        self.apart = Apart(trunk)

    def run(self, steps: Iterable[Step]) -> Working[list[Finding]]:
        """Audit these steps; yields each execution, which belongs over `apart.names`."""
        self._trunk.workspace.store.flush()
        found: list[Finding] = []
        with process_kept():
            for step in steps:
                why = self._why_not(step) or self._hindrance(step)
                finding = Finding(step, Found.NOT_AUDITED, why) if why else (yield from self._audit(step))
                found.append(finding)
        for finding in found:
            self._note(finding)
        return found

    # --- one task ------------------------------------------------------------------------------

    def _audit(self, step: Step) -> Working[Finding]:
        trace = step.bound_trace
        self._trunk.work.store_inputs(with_classes(self.apart.site(step)))
        first = yield from self.apart.rerun(step)
        if first.lost:
            return Finding(step, Found.NOT_AUDITED, f"{first.lost} is not stored")
        if trace is None or first.trace is None:
            return self._unfinished(step, first)
        other = self._differing(step, trace, first.trace, first.nameless)
        if other is None:
            return Finding(step, Found.NOT_AUDITED, "nothing that it makes can be compared")
        if not other:
            return Finding(step, Found.SAME)
        second = yield from self.apart.rerun(step)
        if second.trace is None:
            return self._unfinished(step, second)
        varying = self._differing(step, first.trace, second.trace, first.nameless | second.nameless)
        told = ", ".join(varying or other)
        found = Found.VARIES if varying else Found.REFUTED
        return Finding(step, found, told, was_accepted=step.hold is not None)

    def _unfinished(self, step: Step, rerun: Rerun) -> Finding:
        if isinstance(rerun.error, KeyboardInterrupt):
            raise rerun.error
        told = rerun.state.message if rerun.state is not None else ""
        return Finding(step, Found.RAISED, told or "it did not complete")

    def _differing(self, step: Step, one: Trace, other: Trace, nameless: Collection[str]) -> list[str] | None:
        """The names in which two results differ; None where none of them can be compared."""
        site = self.apart.site(step)
        these, those = changes(one, site), changes(other, site)
        compared = [slot for slot in {**these, **those} if those.get(slot) not in nameless]
        if not compared and (these or those):
            return None
        return sorted(key_of(slot) for slot in compared if _digest(these, slot) != _digest(those, slot))

    # --- what is not audited ---------------------------------------------------------------------

    def _why_not(self, step: Step) -> str:
        """Why a step cannot be audited, in words; empty where it can."""
        trace, ran = step.bound_trace, step.ran
        if trace is None or ran is None:
            return "it has no result"
        if step.hold is not None and step.hold.reason != ACCEPT:
            return f"it is held by hand ({step.hold.reason})"
        judgement = self._trunk.sweep.judgement(step)
        if step.hold is None and judgement.verdict not in _DONE:
            return "it is not up to date"
        loose = (cause.subject for cause in judgement.causes if NOT_COMPARED in (cause.category, cause.after))
        if (name := next(loose, "")) != "":
            return f"{name} is another now, and not compared"
        if step.standing is Standing.GONE:
            return "its cell is gone"
        return self._acting(step) or self._unseen(step) or self._odd(trace)

    def _acting(self, step: Step) -> str:
        if step.effect is not None:
            return "it is an effect"
        calls = outward_calls(step, self._trunk.sweep.view(step), self._trunk.sweep.book)
        return f"it changes something outside ({', '.join(calls)})" if calls else ""

    def _odd(self, trace: Trace) -> str:
        if SKIPPED in trace.flags:
            return "it was skipped"
        if any(output.slot.kind == FILE for output in trace.outputs):
            return "it writes files"
        flag = next((flag for flag in (ACTS, CHANGES_PROCESS) if flag in trace.flags), "")
        if flag:
            return f"it {flag}"
        unknown = with_told_paths(trace.unknowns[0]) if trace.unknowns else ""
        return f"it depends on what cannot be compared ({unknown})" if unknown else ""

    def _unseen(self, step: Step) -> str:
        site = self.apart.site(step)
        makers = [ran for id in site.writers if (ran := self.apart.book.steps[id].ran)]
        if not site.body.analysis.complete:
            return "nobody can tell which names it reads"
        effects = effects_called(step, self._trunk.sweep.view(step), self._trunk.sweep.book)
        if any(effect.startswith(("names", "input")) for effect in effects):
            return "it reads names that nobody sees, or asks somebody"
        return "it calls IPython" if calls_ipython(site.body, makers) else ""

    # --- what follows ------------------------------------------------------------------------------

    def _note(self, finding: Finding) -> None:
        """Record a finding, and let what it refutes count no more."""
        step, work, trace = finding.step, self._trunk.work, finding.step.bound_trace
        if finding.found is Found.NOT_AUDITED or trace is None:
            return
        cause = Cause("audited", step.name, after=f"{finding.found.value}: {finding.told}".rstrip(": "))
        is_raised = finding.found is Found.RAISED
        self._trunk.runs.note_audit(step, Failed(finding.told) if is_raised else Completed(), cause)
        if finding.found is Found.VARIES:
            work.workspace.marks.set(VARIES, trace.id, finding.told)
        if finding.found is not Found.REFUTED:
            return
        if step.hold is not None:
            work.hold(step, None)  # its own trace was made from other inputs, and may be right there
            return
        self._refute(step, trace, finding.told)

    def _refute(self, step: Step, trace: Trace, told: str) -> None:
        """Let no result from these inputs count: an earlier one is as wrong, and so are its items."""
        trunk, refuted = self._trunk, {trace.id}
        for key in self._keys(step, trace):
            refuted.update(each.id for each in trunk.workspace.store.find(key))
        for each in refuted:
            trunk.workspace.marks.set(REFUTED, each, told)
        for other in trunk.sweep.book:
            if other.bound_trace is not None and other.bound_trace.id in refuted:
                trunk.sweep.touch(other)

    def _keys(self, step: Step, trace: Trace) -> set[str]:
        """The keys that a result, and those of the items that it consists of, are found by."""
        sweep = self._trunk.sweep
        keys = {key_of_trace(trace, loose_in(trace, step, sweep.view(step), sweep.book))}
        history = self._trunk.runs.history
        made_by = history.run(trace.run) if step.body.mapped else None
        if made_by is not None:
            runs = history.runs(made_by.notebook, number=made_by.number, limit=_EVERY_RUN)
            items = (run for run in runs if run.parent == trace.run and run.trace)
            keys.update(history.key_of(run.trace) for run in items)
        return keys - {""}


def _digest(changed: Mapping[Slot, str], slot: Slot) -> str:
    return changed.get(slot, "")
