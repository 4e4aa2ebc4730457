"""What else there is to say beside a task's verdict: of its effects, and of what was found out later."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow.analysis import starts_program
from nbflow.engine.marks import VARIES
from nbflow.engine.outward import outward_effects
from nbflow.store.protocol import NON_DETERMINISTIC
from nbflow.store.told import told_path
from nbflow.types import FILE, Effect, Verdict
from nbflow.views.words import listed, moment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbflow.engine.book import Step
    from nbflow.notebook.session import Session


def remarks(session: Session, step: Step) -> Iterator[str]:
    """One line for each thing."""
    if step.plain or step.ran is None:
        return
    yield from _not_repeated(session, step)
    yield from _visible(session, step)
    trace, marks = step.bound_trace, session.trunk.workspace.marks
    if trace is not None and (NON_DETERMINISTIC in trace.flags or marks.has(VARIES, trace.id)):
        yield "not deterministic: the same inputs have led to another result, too"


def not_repeated(session: Session, step: Step) -> str:
    """When an effect happened that is not repeated, and in which other notebook; empty for all else."""
    trace, around = step.bound_trace, session.around
    if step.effect is not Effect.ONCE or trace is None:
        return ""
    where = f" by {trace.notebook}" if trace.notebook not in ("", around.notebook) else ""
    return f"sent {moment(trace.started + trace.seconds, around.clock())}{where}, not repeated"


def _not_repeated(session: Session, step: Step) -> Iterator[str]:
    last = session.lasts.get(step.id)
    is_done = session.trunk.sweep.judgement(step).verdict in (Verdict.FRESH, Verdict.AS_OF)
    told = not_repeated(session, step) if is_done and (last is None or last.state == "Cached") else ""
    if told:
        yield told


def _visible(session: Session, step: Step) -> Iterator[str]:
    """A body that visibly writes outside, and does not say that this is its point."""
    if step.effect is not None:
        return
    effects = outward_effects(step, session.trunk.sweep.view(step), session.book)
    others = [effect for effect in effects if not starts_program(effect)]
    if others:
        yield f"changes something outside ({_call(others[0])}); --effect keeps it from being repeated"
    elif effects and not (step.ran and step.ran.declared.writes):
        yield f"starts a program ({_call(effects[0])}); {_advice(step)}"


def _call(effect: str) -> str:
    return effect.partition(": ")[2]


def _advice(step: Step) -> str:
    """What a header may say of a program, given the files that it was seen to write."""
    trace = step.bound_trace
    found = [output.slot.locator for output in trace.outputs if output.slot.kind == FILE] if trace else []
    doubtful = [path for path in found if trace and f"reads {path}, which it writes itself" in trace.unknowns]
    told = "--writes FILE, if it writes one"
    if doubtful:
        told = f"--writes {told_path(doubtful[0])}, if it does not read that"
    elif found:
        told = f"{listed(found, 2)} counts as written"
    return f"{told}; --effect, if it changes anything else"
