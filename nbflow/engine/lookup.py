"""Looking up: the earlier results whose inputs are as they are now at a step's place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbflow.engine.again import UNDECIDED
from nbflow.engine.counted import loose_slots
from nbflow.engine.gates import asked_about
from nbflow.engine.influence import reached
from nbflow.engine.keeping import NOT_COMPARED, is_reusable
from nbflow.engine.record import CHANGES_PROCESS, action_key
from nbflow.engine.slots import slot_of
from nbflow.engine.verify import content, not_looked_at
from nbflow.types import Effect

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from nbflow.engine.bind import View
    from nbflow.engine.book import Body, Book, Step
    from nbflow.engine.enact import StepRuns
    from nbflow.engine.slots import Outside
    from nbflow.engine.sweep import Sweep
    from nbflow.store.protocol import InputList, Store
    from nbflow.types import Looked, Slot, Trace


_MOST_EARLIER: Final = 2_000
"""How many runs of earlier kernels are looked through for the last result of each step."""


class Lookup:
    """Finds results that can be taken instead of running a body.

    Args:
        book: The steps.
        sweep: Their verdicts.
        store: Where results are kept.
        runs: What has run before.
    """

    def __init__(self, book: Book, sweep: Sweep, store: Store, runs: StepRuns) -> None:
        self._book = book
        self._sweep = sweep
        self._store = store
        self._runs = runs
        self._earlier: dict[str, str] | None = None
        self.runs_here: set[str] = set()
        """The runs of this kernel that changed the state of the process."""

    def find(self, step: Step, view: View | None = None) -> Trace | None:
        """The newest trace of the step's code that fits what is bound at its place: what `view` shows."""
        if step.ran is None:
            return None
        return self.found(step, step.ran, self._sweep.view(step) if view is None else view)

    def found(
        self, step: Step, body: Body, view: View, lists: Iterable[InputList] | None = None
    ) -> Trace | None:
        """The same for a body at a view's place, where need be among these input lists alone."""
        fitting = self._fitting(step, body, view, lists)
        return next((trace for trace in fitting if self._is_taken(step, trace)), None)

    def _fitting(
        self, step: Step, body: Body, view: View, lists: Iterable[InputList] | None
    ) -> Iterator[Trace]:
        """All results whose inputs are as they are now."""
        wanted = None
        for looked in self._store.lists(body.static_key) if lists is None else lists:
            # Not before there is a list: for code that has never run there is nothing to compute.
            wanted = self._wanted(step, body, view) if wanted is None else wanted
            digests = None if any(not_looked_at(looked, wanted)) else self._present(step, looked, view)
            if digests is not None:
                yield from self._store.find(action_key(body.static_key, looked, digests))

    def _wanted(self, step: Step, body: Body, view: View) -> tuple[Slot, ...]:
        """What a result of this step must have been compared by."""
        slots = reached(body, view)
        # Whom an effect waits for says nothing of whether it has happened.
        asked = asked_about(step, slots, view, self._book) if step.effect is None else ()
        return (*slots, *step.parameter_slots, *asked)

    def _present(self, step: Step, looked: Iterable[Looked], view: View) -> list[str] | None:
        looked = tuple(looked)
        digests: list[str] = []
        loose = loose_slots(step, (item.slot for item in looked), view, self._book)
        for item in looked:
            digest = NOT_COMPARED if item.slot in loose else content(item, view, self._sweep.outside)
            # What nobody can tell proves nothing, so that nothing is found by it.
            if digest is None:
                return None
            digests.append(digest)
        return digests

    def _is_taken(self, step: Step, trace: Trace) -> bool:
        """Whether a result that fits stands for a run: what an effect has done outside does in any case."""
        if self._sweep.outside.is_refuted(trace.id) or (step.plain and UNDECIDED in trace.flags):
            return False
        if step.effect is Effect.ONCE:
            return True
        return is_reusable(step, trace, self._sweep.outside) and self._holds_here(trace)

    def _holds_here(self, trace: Trace) -> bool:
        """What changed the state of the process has to happen again in a new kernel."""
        return CHANGES_PROCESS not in trace.flags or trace.run in self.runs_here

    # --- what earlier kernels left -------------------------------------------------------------

    def compare_with_earlier(self, step: Step) -> None:
        """Let the causes of a first run in this kernel tell what differs from the last result before it."""
        if step.trace is not None or step.earlier is not None or not self._runs.notebook:
            return
        if self._earlier is None:
            runs = self._runs.history.runs(self._runs.notebook, limit=_MOST_EARLIER)
            self._earlier = {run.step: run.trace for run in reversed(runs) if run.trace}
        known = self._earlier.get(step.id, "")
        step.earlier = self._store.trace(known) if known else None
        step.is_bare = bool(known) and step.earlier is None
        if known:
            self._sweep.touch(step)


def makes_tasks_as_before(step: Step, view: View, outside: Outside) -> bool:
    """Whether the decorators that were taken for ours when its cell ran still are the same."""
    ran = step.ran
    if ran is None or not ran.makers or step.trace is None:
        return True
    makers = {slot_of(name) for name in ran.makers}
    entries = [entry for entry in step.trace.entries if entry.looked.slot in makers]
    return all(content(each.looked, view, outside) == each.digest for each in entries)
