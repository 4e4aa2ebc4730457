"""Why a body runs, as its run is told: what differs, what is gone, or that somebody wants it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbflow.engine.forcing import has_gone
from nbflow.engine.keeping import forced_cause, gone_cause, reasons
from nbflow.triggers import BuiltIn, Gate, judge
from nbflow.types import Cause

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from nbflow.engine.apply import Workspace
    from nbflow.engine.book import Step
    from nbflow.engine.sweep import Sweep
    from nbflow.states import State
    from nbflow.triggers import Edge

_WHO_MAY: Final = ("effect", "unsure", "manual", "paused", "lack")
"""Who may start a step is no reason to run."""
_WHAT_KEPT: Final = ("trigger", "skipped")
"""What kept it from running before is none either, once it no longer does."""


def reasons_to_run(
    step: Step, sweep: Sweep, names: Workspace, upstream: Mapping[Edge, State], *, forced: bool
) -> tuple[Cause, ...]:
    """Why a step runs: where nothing is wrong with what it has, because the user wants it.

    Args:
        step: The step.
        sweep: The verdicts.
        names: The names, and the store.
        upstream: How the tasks above it ended, where its trigger asks for that.
        forced: Whether it runs whatever it has.
    """
    is_let_in = not isinstance(step.trigger, BuiltIn) or _is_let_in(step, upstream)
    left_out = (*_WHO_MAY, *_WHAT_KEPT) if is_let_in else _WHO_MAY
    found = reasons(sweep.judgement(step).causes)
    causes = tuple([cause for cause in found if cause.category not in left_out])
    let_in = tuple(_let_in_by(upstream)) if step.asks_states and is_let_in else ()
    if let_in:
        blamed = {cause.subject for cause in let_in}
        causes = (*let_in, *(each for each in causes if each.origin not in blamed))
    if any(cause.category != "never ran" for cause in causes):
        return causes
    if forced:
        return (gone_cause(step) if has_gone(names, sweep, step) else forced_cause(step),)
    refused = names.store.reason(step.body.static_key)
    return (Cause("refused", step.name, after=refused),) if refused else causes


def _is_let_in(step: Step, upstream: Mapping[Edge, State]) -> bool:
    skips = step.skip_on_upstream_skip
    return judge(step.trigger, upstream, skip_on_upstream_skip=skips).gate is Gate.RUN


def _let_in_by(upstream: Mapping[Edge, State]) -> Iterable[Cause]:
    """The tasks above that failed, which is what a trigger other than the default waits for."""
    for edge, state in upstream.items():
        if state.is_failed() or state.is_crashed():
            above = edge.upstream_task
            yield Cause("failed", above.name, after=above.failure, origin=above.name)
