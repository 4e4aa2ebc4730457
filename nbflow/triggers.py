"""Triggers: whether a task may run, given how its upstream tasks ended.

A trigger decides whether a task *may* run, never whether it is stale. It is asked when all
upstream runs are final. Skipped counts as success; FAILED and CRASHED count as failure; Cancelled
counts as neither. A mapped task counts as its items, each other upstream task counts once however
many edges lead to it, and constants are no upstreams.

A trigger of the user's own is any callable: it is given `{edge: state}` and returns something true
or false, or a `Gate`; it may raise a signal of `nbflow.engine.signals`.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from nbflow.exceptions import OptionError, text_of
from nbflow.states import State, StateType


class Gate(Enum):
    """What a trigger may answer."""

    RUN = "run"
    SKIP = "skip"
    FAIL = "fail"
    PAUSE = "pause"


@dataclass(frozen=True, slots=True)
class Edge:
    """A dependency of the task that is asked.

    Args:
        upstream_task: The task (or its name) before it; None for a constant.
        key: The argument that receives the result; None for order without data.
        map_index: Which item of a mapped upstream task, where the edge stands for one.
    """

    upstream_task: Any
    key: str | None = None
    map_index: int | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """A trigger's answer, with the reason for people.

    Args:
        gate: The answer.
        message: Why, naming the upstream tasks responsible; empty for RUN.
        error: What a trigger of the user's own raised, or None.
    """

    gate: Gate
    message: str = ""
    error: Exception | None = None


Upstream = Mapping[Edge, State]
Trigger = Callable[[dict[Edge, State]], object]
Rule = Callable[["Tally"], Gate]
Blame = Callable[[State], bool]


@dataclass(frozen=True, slots=True)
class Tally:
    """How often each ending occurs among the upstream tasks."""

    total: int
    successful: int
    failed: int
    skipped: int


@dataclass(frozen=True, slots=True, repr=False)
class BuiltIn:
    """A trigger of nbflow: a rule over the tally, and whom to blame if it says no.

    Args:
        name: How users write it.
        rule: What it answers for tasks that have an upstream.
        blame: Which upstream states are responsible for a FAIL.
        asks_roots: Whether tasks without upstream are judged, too; otherwise they run.
    """

    name: str
    rule: Rule
    blame: Blame
    asks_roots: bool = False

    def __call__(self, upstream: Upstream) -> Gate:
        """Answer for these upstream states."""
        tally = _tally(_once_each(upstream))
        return self.rule(tally) if tally.total or self.asks_roots else Gate.RUN

    def __repr__(self) -> str:
        return self.name

    def __reduce__(self) -> str | tuple[Callable[[str], BuiltIn], tuple[str]]:
        # What exists once is known by its name, so that nobody's value holds a part of this module.
        return self.name if BUILT_IN.get(self.name) is self else (parse_trigger, (self.name,))


def _when(passes: Callable[[Tally], bool]) -> Rule:
    return lambda tally: Gate.RUN if passes(tally) else Gate.FAIL


def _counts_as_failed(state: State) -> bool:
    return state.type is StateType.FAILED or state.type is StateType.CRASHED


def _not_completed(state: State) -> bool:
    return state.type is not StateType.COMPLETED


def _not_failed(state: State) -> bool:
    return not _counts_as_failed(state)


def _anyone(_: State) -> bool:
    return True


def _skip_if_all_are(tally: Tally) -> Gate:
    if tally.skipped == tally.total:
        return Gate.SKIP
    return Gate.RUN if tally.successful == tally.total else Gate.FAIL


all_successful: Final = BuiltIn("all_successful", _when(lambda t: t.successful == t.total), _not_completed)
"""Run if every upstream task completed; the default."""
all_failed: Final = BuiltIn("all_failed", _when(lambda t: t.failed == t.total), _not_failed)
"""Run if every upstream task failed or crashed."""
any_successful: Final = BuiltIn("any_successful", _when(lambda t: t.successful > 0), _anyone)
"""Run if at least one upstream task completed."""
any_failed: Final = BuiltIn("any_failed", _when(lambda t: t.failed > 0), _anyone)
"""Run if at least one upstream task failed or crashed."""
all_finished: Final = BuiltIn("all_finished", lambda _: Gate.RUN, _anyone)
"""Run however the upstream tasks ended."""
always_run: Final = all_finished
"""Another name of `all_finished`: a trigger is never asked earlier."""
manual_only: Final = BuiltIn("manual_only", lambda _: Gate.PAUSE, _anyone, asks_roots=True)
"""Wait for a person, whatever the upstream tasks did."""
not_all_skipped: Final = BuiltIn("not_all_skipped", _skip_if_all_are, _not_completed)
"""Run if every upstream task completed and not all of them by being skipped; else skip or fail."""


def some_successful(at_least: float | None = None, at_most: float | None = None) -> BuiltIn:
    """Run if enough, and not too many, upstream tasks completed.

    Args:
        at_least: An int is a count, a float a fraction of the upstream tasks: `1` is one task,
            `1.0` is all of them. None: no lower bound.
        at_most: The same for the upper bound.

    Raises:
        OptionError: If a bound is negative, or a fraction above 1, or the lower one is the larger.

    Example:
        >>> some_successful(at_least=0.5)
        some_successful(at_least=0.5)
    """
    return _some("some_successful", at_least, at_most, lambda t: t.successful)


def some_failed(at_least: float | None = None, at_most: float | None = None) -> BuiltIn:
    """Run if enough, and not too many, upstream tasks failed or crashed.

    Args:
        at_least: An int is a count, a float a fraction of the upstream tasks: `1` is one task,
            `1.0` is all of them. None: no lower bound.
        at_most: The same for the upper bound.

    Raises:
        OptionError: If a bound is negative, or a fraction above 1, or the lower one is the larger.

    Example:
        >>> some_failed(at_least=1, at_most=2)
        some_failed(at_least=1, at_most=2)
    """
    return _some("some_failed", at_least, at_most, lambda t: t.failed)


def _some(name: str, at_least: float | None, at_most: float | None, count: Callable[[Tally], int]) -> BuiltIn:
    given = [
        (word, bound) for word, bound in (("at_least", at_least), ("at_most", at_most)) if bound is not None
    ]
    for word, bound in given:
        _check_bound(name, word, bound)
    # A count and a fraction cannot be compared before it is known how many upstream tasks there are.
    if len(given) == 2 and type(at_least) is type(at_most) and given[0][1] > given[1][1]:
        raise OptionError(f"{name}(at_least={at_least!r}, at_most={at_most!r}) can never be met; swap them")

    def within(tally: Tally) -> bool:
        low = at_least is None or _measured(count(tally), tally.total, at_least) >= at_least
        return low and (at_most is None or _measured(count(tally), tally.total, at_most) <= at_most)

    return BuiltIn(f"{name}({', '.join(f'{word}={bound}' for word, bound in given)})", _when(within), _anyone)


def _measured(count: int, total: int, bound: float) -> float:
    # The quotient is compared, not the product: 7 of 100 is exactly the number written 0.07.
    return count / total if isinstance(bound, float) else count


def _check_bound(name: str, word: str, bound: float) -> None:
    if isinstance(bound, bool) or bound < 0 or (isinstance(bound, float) and bound > 1):
        raise OptionError(
            f"{name}({word}={bound!r}) makes no sense; an int is a count of upstream tasks, "
            "a float between 0.0 and 1.0 a fraction of them"
        )


_PLAIN: Final = (
    all_successful,
    all_failed,
    any_successful,
    any_failed,
    all_finished,
    manual_only,
    not_all_skipped,
)

BUILT_IN: Final[Mapping[str, BuiltIn]] = {trigger.name: trigger for trigger in _PLAIN} | {
    "always_run": always_run
}
"""The triggers that need no arguments, by name."""

_FACTORIES: Final = {"some_successful": some_successful, "some_failed": some_failed}


def parse_trigger(text: str) -> BuiltIn:
    """Return the built-in trigger written as `all_failed` or `some_failed(at_least=2)`.

    Raises:
        OptionError: If it is none of them; the message names the nearest.

    Example:
        >>> parse_trigger("some_failed(at_least=2)")
        some_failed(at_least=2)
    """
    if text.strip() in BUILT_IN:
        return BUILT_IN[text.strip()]
    try:
        node = ast.parse(text.strip(), mode="eval").body
    except SyntaxError:
        raise OptionError.unknown("trigger", text, [*BUILT_IN, *_FACTORIES]) from None
    called = node.func if isinstance(node, ast.Call) else node
    name = called.id if isinstance(called, ast.Name) else ""
    if not isinstance(node, ast.Call) or name not in _FACTORIES:
        raise OptionError.unknown("trigger", name or text, [*BUILT_IN, *_FACTORIES])
    return _called(text, name, node)


def _called(text: str, name: str, node: ast.Call) -> BuiltIn:
    try:
        bounds = [ast.literal_eval(value) for value in node.args]
        named = {str(word.arg): ast.literal_eval(word.value) for word in node.keywords}
        return _FACTORIES[name](*bounds, **named)
    except OptionError:
        raise
    except (TypeError, ValueError):
        raise OptionError(
            f"trigger {text!r} makes no sense; write {name}(at_least=2) or {name}(at_most=0.5)"
        ) from None


RUNS_ALL_THE_SAME: Final = "skip_on_upstream_skip=False runs it all the same"
"""What to do about a skip, as an option of `@task` is written."""


def judge(
    trigger: Trigger,
    upstream: Upstream,
    *,
    skip_on_upstream_skip: bool = True,
    started_by_name: bool = False,
) -> Judgement:
    """Decide whether a task may run.

    A failure beats a skip: a task below both is judged by its trigger. A task that was started by
    name (resumed, or one of `start_tasks`) runs as a root: nothing is asked.

    Args:
        trigger: A built-in trigger or a callable of the user's own.
        upstream: How the upstream runs ended; all of them are final.
        skip_on_upstream_skip: Whether the task is skipped below a skipped one.
        started_by_name: Whether a person named it.

    Returns:
        The answer and its reason. What a trigger raises is an answer, too (FAIL); only signals
        and interrupts, which are no `Exception`s, pass through.

    Example:
        >>> from nbflow.states import Failed
        >>> judge(all_successful, {Edge("clean"): Failed("no such file")}).message
        "trigger all_successful: 'clean' is Failed"
    """
    # A trigger of the user's own is asked even for roots: it may look at the world outside.
    passes_roots = isinstance(trigger, BuiltIn) and not trigger.asks_roots
    if started_by_name or (passes_roots and not upstream):
        return _RUN
    if trigger is all_successful and all(map(_simply_completed, upstream.values())):
        return _RUN
    states = _once_each(upstream)
    # A skip must never hide a failure: the flow would complete and nobody would look.
    if skip_on_upstream_skip and not any(_counts_as_failed(state) for state in states.values()):
        skipped = {edge: state for edge, state in states.items() if state.is_skipped()}
        if skipped:
            return Judgement(Gate.SKIP, f"{_listed(skipped)}; {RUNS_ALL_THE_SAME}")
    return _RUN if passes_roots and not states else _asked(trigger, _expanded(upstream), states)


_RUN: Final = Judgement(Gate.RUN)


def _simply_completed(state: State) -> bool:
    """Whether a run completed without being skipped or mapped, as most do: nothing has to be counted."""
    return state.type is StateType.COMPLETED and state.name == "Completed"


def _asked(trigger: Trigger, upstream: dict[Edge, State], states: Upstream) -> Judgement:
    name = trigger.name if isinstance(trigger, BuiltIn) else getattr(trigger, "__name__", repr(trigger))
    try:
        answer = trigger(upstream)
    except Exception as error:  # noqa: BLE001  # whatever the user's trigger raises is its answer
        return Judgement(Gate.FAIL, f"trigger {name} raised {text_of(error)}", error)
    gate = answer if isinstance(answer, Gate) else (Gate.RUN if answer else Gate.FAIL)
    if gate is Gate.RUN:
        return _RUN
    if gate is Gate.PAUSE:
        return Judgement(gate, f"trigger {name} waits for a person; run `%flow resume`")
    blame = trigger.blame if isinstance(trigger, BuiltIn) and gate is Gate.FAIL else _anyone
    responsible = _listed({edge: state for edge, state in states.items() if blame(state)})
    return Judgement(gate, f"trigger {name}: {responsible or 'it said no'}")


def _expanded(upstream: Upstream) -> dict[Edge, State]:
    """Drop constants and put the items of mapped tasks in their parent's place."""
    edges: dict[Edge, State] = {}
    for edge, state in upstream.items():
        if edge.upstream_task is None:
            continue
        # An empty map has no items to count; it stands for itself, as a success.
        items = state.map_states
        if not items:
            edges[edge] = state
        for index, item in enumerate(items):
            edges[Edge(edge.upstream_task, edge.key, index)] = item
    return edges


def _once_each(upstream: Upstream) -> dict[Edge, State]:
    """Keep one edge for each upstream task or item."""
    tasks = {
        (edge.upstream_task, edge.map_index): (edge, state) for edge, state in _expanded(upstream).items()
    }
    return dict(tasks.values())


def _tally(upstream: Upstream) -> Tally:
    states = upstream.values()
    return Tally(
        total=len(upstream),
        successful=sum(state.type is StateType.COMPLETED for state in states),
        failed=sum(_counts_as_failed(state) for state in states),
        skipped=sum(state.is_skipped() for state in states),
    )


# A map over thousands of items must not fill the screen with their names.
_NAMED_AT_MOST: Final = 5


def _listed(upstream: Upstream) -> str:
    """Say who is in which state: `'raw' is Failed, 'clean[2]' is Cancelled`."""
    said = [f"{_label(edge)!r} is {state.name}" for edge, state in upstream.items()]
    more = len(said) - _NAMED_AT_MOST
    return ", ".join(said[:_NAMED_AT_MOST]) + (f" and {more} more" if more > 0 else "")


def _label(edge: Edge) -> str:
    name = str(getattr(edge.upstream_task, "name", edge.upstream_task))
    return name if edge.map_index is None else f"{name}[{edge.map_index}]"
