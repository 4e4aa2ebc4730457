"""Task functions as steps: each calls its function with what its parameters are wired to.

Which functions a cell has defined is told by its trace, so that it is known after a restart as well. The
body of such a step is made and not read; everything else is as for any other step.
"""

from __future__ import annotations

import sys
from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from nbflow.analysis import Analysis, Call, definition_source
from nbflow.engine.book import FORMAT, Body, Step, Wiring, value_key
from nbflow.engine.drive import calls_user_code
from nbflow.engine.influence import reached_through
from nbflow.engine.signals import Signal
from nbflow.engine.slots import slot_of
from nbflow.engine.texts import decorator_roots, imported_makers
from nbflow.store.digests import key_digest
from nbflow.types import TASK_CODE, TASK_VALUE, TASK_WIRED, Licence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nbflow.engine.book import Book
    from nbflow.engine.plan import Work
    from nbflow.engine.sweep import Sweep
    from nbflow.types import Trace

_BEHIND: Final = "@"


def functions_in(step: Step, trace: Trace) -> dict[str, tuple[str, ...]]:
    """The task functions that a run has bound to their own names, with the parameters to be wired."""
    found: dict[str, tuple[str, ...]] = {}
    for output in trace.outputs:
        name, parts = output.slot.locator, output.reach.parts
        if parts.get(TASK_VALUE) == value_key(name) and _may_bind(step.ran, name):
            found[name] = tuple(parts[TASK_WIRED].split())
    return found


def _may_bind(body: Body | None, name: str) -> bool:
    """Whether a body binds a name itself, by its text; a new alias of what it stands for is no binding."""
    if body is None or not body.source or not body.analysis.complete:
        return True
    return name in body.analysis.writes | body.analysis.maybe_writes


@lru_cache(maxsize=10_000)
def wired_body(wiring: Wiring, within: Body) -> Body:
    """The body that calls a function with what its parameters are wired to.

    Args:
        wiring: The function and the wires.
        within: The body of the cell that defines it: what its text tells of files, environment, imports.
    """
    name, keys = wiring.function, frozenset(key for _, key in wiring.wires)
    wires = [part for wire in wiring.wires for part in wire]
    source = f"{name}({', '.join(f'{parameter}={key}' for parameter, key in wiring.wires)})"
    analysis = Analysis(
        reads=keys | {name},
        writes=frozenset((wiring.key,)),
        calls=(Call(name, name, keys),),
        attributes={name: frozenset((TASK_CODE,)), **dict.fromkeys(keys)},
        imports=tuple(each for each in within.analysis.imports if each.deferred),
        paths=within.analysis.paths,
        environment=within.analysis.environment,
    )
    return Body(
        source,
        analysis,
        key_digest("task function", FORMAT, _PYTHON, name, *wires),
        tuple(sorted(analysis.reads)),
        within.writes_files,
        within.reseeds,
        frozenset((name,)),
        only_computes=False,
        wiring=wiring,
        definition=definition_source(within.source, (name,)),
    )


_PYTHON: Final = f"{sys.version_info.major}.{sys.version_info.minor}"


@calls_user_code
def run_wired(wiring: Wiring, names: dict[str, Any]) -> None:
    """Call a task function with what stands in its wires, and keep its value under its key.

    A parameter that is wired to nothing is left out: Python says that it is missing.
    """
    __tracebackhide__ = True
    given = {parameter: names[key] for parameter, key in wiring.wires if key in names}
    try:
        names[wiring.key] = names[wiring.function].fn(**given)
    except Signal as signal:
        if signal.state.is_completed() and not signal.state.is_skipped():
            names[wiring.key] = signal.state.result
        raise


def makers_in(source: str, is_ours: Callable[[str], bool]) -> frozenset[str]:
    """The roots of decorators in a source that only make task functions.

    Args:
        source: The source.
        is_ours: Whether a name that the source does not import itself stands for nbflow or its `task`.
    """
    roots = decorator_roots(source)
    if not roots:
        return roots
    imported = imported_makers(source)
    return frozenset(root for root in roots if root in imported or is_ours(root))


# --- steps -----------------------------------------------------------------------------------------


def step_ids(book: Book, definer: str) -> dict[str, str]:
    """The steps of the functions that a cell defines: function name to identifier."""
    wired, start = book.wired(), definer + _BEHIND
    if not wired:
        return {}
    return {step.id.removeprefix(start): step.id for step in wired if step.id.startswith(start)}


def definer_of(book: Book, step: Step) -> Step:
    """The step of the cell that defines a function; the step itself where that is gone."""
    return book.steps.get(definer_id(step.id) or "", step)


def definer_id(step: str) -> str | None:
    """The identifier of the cell that defines a function, by that of the function's step; else None.

    Example:
        >>> definer_id("c1@total"), definer_id("c1")
        ('c1', None)
    """
    return step.rpartition(_BEHIND)[0] or None


def place_behind(book: Book, step: str) -> int:
    """The place behind a cell and the functions that it defines."""
    places = [book.place(id) for id in (step, *step_ids(book, step).values())]
    return max((place for place in places if place is not None), default=len(book) - 1) + 1


def value_steps(book: Book) -> Iterator[Step]:
    """The steps of all task functions that have a place, in flow order."""
    placed = [(place, step) for step in book.wired() if (place := book.place(step.id)) is not None]
    return (step for _, step in sorted(placed, key=itemgetter(0)))


def follow(
    book: Book, sweep: Sweep, definer: Step, trace: Trace | None = None
) -> tuple[list[Step], list[Step]]:
    """Bring the steps of functions in line with what a cell has defined.

    Args:
        book: The steps.
        sweep: Their verdicts.
        definer: The cell's step.
        trace: The run of it that tells; by default the one that it stands at.

    Returns:
        The steps of the functions that it defines now, and those of functions that it does no more;
        these have to be taken out of the book by the caller, before he wires all anew by `rewire`.
    """
    trace = trace or definer.trace
    if trace is None:
        return [], []
    defined, known = functions_in(definer, trace), step_ids(book, definer.id)
    if not (defined or known):
        return [], []
    gone = [book.steps[id] for name, id in known.items() if name not in defined]
    steps = [_step_of(book, definer, name, parameters) for name, parameters in defined.items()]
    for step in steps:
        step.standing = definer.standing
        sweep.touch(step)
    return steps, gone


def _step_of(book: Book, definer: Step, name: str, parameters: tuple[str, ...]) -> Step:
    id = f"{definer.id}{_BEHIND}{name}"
    body = wired_body(Wiring(name, tuple((each, each) for each in parameters)), definer.ran or definer.body)
    step = book.steps.get(id)
    if step is None:
        step = Step(id, name, body, Licence.FLOW, idle=True)
    step.body = body
    if book.place(id) is None:
        book.insert(step, place_behind(book, definer.id))
    return step


def rewire(book: Book, sweep: Sweep) -> None:
    """Wire the parameters of all functions anew: to the task function of that name, else to the variable."""
    steps = [(step, step.body.wiring) for step in value_steps(book)]
    functions = {wiring.function for _, wiring in steps if wiring is not None}
    for step, wiring in steps:
        definer = definer_of(book, step)
        if wiring is None or definer is step:
            continue
        others = functions - {wiring.function}
        wires = tuple((name, value_key(name) if name in others else name) for name, _ in wiring.wires)
        _rebody(step, wired_body(Wiring(wiring.function, wires), definer.ran or definer.body), sweep)


def _rebody(step: Step, body: Body, sweep: Sweep) -> None:
    """Give a step another body; a result of another wiring is none of its."""
    before, step.body, step.ran = step.ran, body, body
    if before is not None and before.static_key != body.static_key:
        step.before, step.trace, step.ended_on = before, None, None
    if before is not body:
        sweep.touch(step)


# --- reads -----------------------------------------------------------------------------------------


def asked_by(work: Work, body: Body) -> list[Step]:
    """The steps whose values a body that runs on the names as they are will read, in flow order.

    What it calls without arguments counts, and what code that it reaches calls so; to mention a
    function is no read.
    """
    if not work.book.wired():
        return []
    steps = list(value_steps(work.book))
    slots = reached_through(body, work.live_reach)
    bodies = [body, *work.makers_of(slots)]
    asks = frozenset[str]().union(*(each.asks for each in bodies))
    reaches = [reach for name in asks if (reach := work.live_reach(slot_of(name))) is not None]
    # What is called may be a task function, or an object that holds some.
    called = [{reach.parts[TASK_VALUE]} if TASK_VALUE in reach.parts else reach.reads for reach in reaches]
    keys = frozenset[str]().union(*called) & {slot.locator for slot in slots}
    last = {step.body.wiring.key: step for step in steps if step.body.wiring is not None}
    return [step for key, step in last.items() if key in keys]
