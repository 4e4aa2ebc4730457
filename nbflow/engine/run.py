"""`run_task`: what a run does next, decided without doing it.

The generator yields *effects* and is sent their answers; a driver (`nbflow.engine.drive`) performs
them. Read from top to bottom, `RULES` is the order of the rules:

    pending -> upstream final -> trigger (with skip) -> inputs -> key -> lookup
            -> Running -> attempts (timeout, retry, loop) -> save -> terminal

Cells, functions, mapped items, sub-flows and flows are *bodies* to it: opaque. It reads no clock:
the answer to `Enter` is the state as it was appended, with its time. A stop is thrown in as
`CancelRun` at any effect; one that comes at an `Enter` comes after the state was appended. An
`Exception` that is thrown in says that an effect could not be performed; a fault of the store
never fails the run, any other one crashes it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from nbflow import states
from nbflow.engine.course import Choice, Course
from nbflow.engine.effects import (
    Await,
    Call,
    CancelRun,
    Effect,
    Ended,
    Hit,
    Left,
    Load,
    Moves,
    Outcome,
    Recall,
    RunSpec,
    Save,
    Saved,
    Spawn,
    Steps,
)
from nbflow.engine.mapped import ended_by_items
from nbflow.engine.signals import FAIL, LOOP, RETRY, SUCCESS, Signal
from nbflow.engine.transitions import is_legal
from nbflow.exceptions import DefinitionError, TaskTimeoutError, text_of
from nbflow.retries import RETRY_LIMIT
from nbflow.states import StateType
from nbflow.triggers import Gate, Judgement, judge

if TYPE_CHECKING:
    from nbflow.states import State

_STALE_LIMIT: Final = 1000


def run_task(spec: RunSpec) -> Steps:
    """Bring one run to its end, or to where it parks.

    Args:
        spec: The run.

    Yields:
        Effects; see `nbflow.engine.effects` for their answers.

    Returns:
        The last state.

    Example:
        >>> steps = run_task(RunSpec("clean#1", "clean"))
        >>> next(steps).state, steps.send(None).state
        (Pending(), Running())
        >>> call = steps.send(None)
        >>> steps.send(Outcome(call.attempt, Ended.RETURNED, 7)).state.value()
        7
    """
    run = Course(spec)
    try:
        yield from _follow_rules(run)
    except (CancelRun, KeyboardInterrupt) as stop:
        yield from _cancel(run, str(stop) or "stopped")
        if isinstance(stop, KeyboardInterrupt):
            raise  # pressed in a trigger, for one; it must also end what called us
    return run.state


def _follow_rules(run: Course) -> Moves:
    try:
        for rule in RULES:
            yield from rule(run)
            if run.over:
                break
    except Signal as refusal:  # of `bind`
        yield from run.enter(refusal.state)
    except Exception as error:  # noqa: BLE001  # whatever the driver could not do ends the run legally
        yield from _crash(run, text_of(error))


def _crash(run: Course, reason: str) -> Moves:
    # What has not begun cannot crash: the table of transitions knows no such way.
    if run.state.is_scheduled():
        yield from run.enter(states.Pending())
    if not run.over:
        yield from run.enter(states.Crashed(reason))


def _cancel(run: Course, reason: str) -> Moves:
    """End as Cancelled; what executes is asked to stop first, and a second stop changes nothing."""
    while not run.state.is_final():
        wanted = states.Cancelling(reason) if run.state.is_running() else states.Cancelled(reason)
        try:
            yield from run.enter(wanted)
        except CancelRun:
            continue


# --- before the body -------------------------------------------------------------------------


def _begin(run: Course) -> Moves:
    """Become pending: at once, at the start time, or by being resumed."""
    resumed, start = run.spec.resumed, run.spec.start_time
    if resumed is None and start is not None:
        yield from run.enter(states.Scheduled(run.spec.reason, start_time=start))
        if run.state.is_scheduled():
            yield from run.wait()
    if resumed is not None and resumed.is_paused():
        yield from run.enter(states.Resuming(run.spec.reason))
    if not run.over:
        yield from run.enter(states.Pending(run.spec.reason))


def _await_upstream(run: Course) -> Moves:
    """Know how everything before it ended; below a run that waits, wait without a stack."""
    is_alone = run.is_root or not run.spec.upstream
    if is_alone and (run.spec.is_held is None or not run.spec.is_held()):
        return
    upstream = yield Await(run.spec)
    if is_alone:
        return
    run.upstream = upstream
    if not all(state.is_final() for state in run.upstream.values()):
        yield from run.park()


def _ask_trigger(run: Course) -> Moves:
    """Pass, or end as the trigger says; after a RETRY from the trigger it is asked again."""
    while True:
        try:
            verdict = _judged(run)
            if verdict.gate is Gate.RUN:
                return
            wanted = _refused(run, verdict)
        except Signal as signal:
            wanted = _signalled_by_trigger(run, signal)
        yield from run.enter(wanted)
        if run.state.is_scheduled():
            yield from run.wait()
            if not run.over:
                yield from run.enter(states.Pending())
        if run.over:
            return


def _judged(run: Course) -> Judgement:
    spec = run.spec
    return judge(
        spec.trigger,
        run.upstream,
        skip_on_upstream_skip=spec.skip_on_upstream_skip,
        started_by_name=run.is_root,
    )


def _refused(run: Course, verdict: Judgement) -> State:
    if verdict.gate is Gate.SKIP:
        return states.Skipped(verdict.message)
    if verdict.gate is Gate.FAIL:
        return states.TriggerFailed(verdict.message, verdict.error)
    _bind_inputs(run)
    return states.Paused(verdict.message)


def _signalled_by_trigger(run: Course, signal: Signal) -> State:
    """Enter what a trigger asked for, where a task that has not run can be in that state."""
    state = signal.state
    if isinstance(signal, RETRY):
        run.requests += 1
    final_or_waits = state.is_final() or state.is_paused() or state.is_scheduled()
    if final_or_waits and run.requests <= RETRY_LIMIT and is_legal(run.state, state):
        return state
    return states.TriggerFailed(
        f"the trigger raised {type(signal).__name__}, which cannot be obeyed here", signal
    )


def _bind_inputs(run: Course) -> Iterable[Effect]:
    """Collect the arguments and the versions they have; no effect is needed for that."""
    run.keeps = run.spec.keeps
    if not run.upstream:
        if run.spec.bind is not None and not run.spec.upstream:
            run.inputs = run.spec.bind({})
        return ()
    passed = [(edge.key, state) for edge, state in run.upstream.items() if edge.key is not None]
    if run.spec.bind is not None:
        run.inputs = run.spec.bind({edge: passed_on(state) for edge, state in run.upstream.items()})
    elif passed:
        run.inputs = {**run.spec.inputs, **{key: passed_on(state) for key, state in passed}}
        known = {key: state.details["version"] for key, state in passed if "version" in state.details}
        run.versions = {**run.spec.versions, **known}
    return ()


def passed_on(state: State) -> Any:
    """Return what a task receives from one before it: the value, None if skipped, else the error.

    Example:
        >>> passed_on(states.Completed(result=7)), passed_on(states.Failed(result=KeyError("a")))
        (7, KeyError('a'))
    """
    if state.is_completed() or state.result is not None:
        return None if state.is_skipped() else state.result
    return state.exception()


def _look_up(run: Course) -> Moves:
    """Name the key, and reuse the result under it; a fault of the store is a miss."""
    key = run.spec.key
    if key is None:
        return
    try:
        run.key = key(run.inputs) if callable(key) else key
        if run.key is None or not run.spec.look_up:
            return
        hit: Hit | None = yield Load(run.spec, run.key)
    except Signal as signal:  # a key function that breaks its contract fails the run
        yield from run.enter(signal.state)
        return
    except Exception as error:  # noqa: BLE001  # a key function is user code, a store may be broken
        run.notes.append(f"not reused: {error}")
        return
    if hit is not None:
        yield from run.enter(states.Cached(hit.message, hit.value, **hit.details))


def _recall(run: Course) -> Moves:
    """Go on at the iteration that this run, or an interrupted one of the same task, had reached."""
    if not run.spec.keeps:
        return
    try:
        left: Left | None = yield Recall(run.spec, run.inputs)
    except Exception as error:  # noqa: BLE001  # then it begins with the first iteration
        run.notes.append(f"not gone on: {error}")
        return
    if left is not None:
        run.loop_result = left.result
        run.begin_iteration(left.loop, run.attempt if left.loop == run.loop else 1)


# --- the attempts ----------------------------------------------------------------------------


def _execute(run: Course) -> Moves:
    """Go from state to state until one is final: what comes next depends on the state alone."""
    while not run.over:
        kind = run.state.type
        if kind is StateType.RUNNING:
            wanted = yield from _spawn_items(run) if run.spec.mapped else _attempt(run)
        elif kind is StateType.SCHEDULED:
            wanted = yield from _awaited_retry(run)
        elif kind is StateType.CANCELLING:
            wanted = states.Cancelled(run.state.message)
        else:
            wanted = _executing(run)
        if not run.parked:
            yield from run.enter(wanted)


def _executing(run: Course) -> State:
    if run.attempt > 1:
        return states.Retrying()
    return states.Looping(loop_count=run.loop) if run.loop > 1 else states.Running()


def _awaited_retry(run: Course) -> Choice:
    """Wait, then try again; however often a state handler asks for that, there is an end."""
    yield from run.wait()
    rules = run.spec.retries
    if run.made > rules.limit + rules.crashes + RETRY_LIMIT:
        return states.Failed(f"{run.made} attempts were made; correct {run.spec.name!r} and run it again")
    run.next_attempt()
    return _executing(run)


def _attempt(run: Course) -> Choice:
    """Call the body once and decide what follows."""
    call = _call(run)
    run.called = True
    run.made += 1
    try:
        outcome: Outcome = yield call
        for _ in range(_STALE_LIMIT):
            if outcome.attempt == call.attempt:
                break
            # An abandoned attempt may answer late: its answer is dropped, this one goes on.
            outcome = yield call
        else:
            outcome = Outcome(call.attempt, Ended.CRASHED, "the runner answers for other attempts only")
    except Exception as error:  # noqa: BLE001  # the runner failed, not the body
        outcome = Outcome(call.attempt, Ended.CRASHED, f"the runner raised {text_of(error)}")
    if outcome.versions:
        run.versions = {**run.versions, **outcome.versions}
    return (yield from _after(run, outcome))


def _call(run: Course) -> Call:
    spec, since = run.spec, run.state.timestamp
    attempt = f"{spec.id}/{run.loop}.{run.attempt}"
    deadline = None if spec.timeout is None or since is None else since + spec.timeout
    return Call(spec, attempt, run.attempt, run.loop, run.loop_result, run.inputs, spec.timeout, deadline)


def _after(run: Course, outcome: Outcome) -> Choice:
    ended = outcome.ended
    if ended is Ended.RETURNED:
        return (yield from _completed(run, "", outcome.value))
    if ended is Ended.RAISED:
        return (yield from _raised(run, outcome.value))
    if ended is Ended.TIMED_OUT:
        return _timed_out(run, outcome)
    if ended is Ended.CANCELLED:
        return states.Cancelling(str(outcome.value or "stopped"))
    return _crashed(run, outcome)


def _completed(run: Course, message: str, value: Any) -> Choice:
    """Save before completing: a completed run that should have been stored is, or says why not."""
    details = yield from _saved(run, value)
    return states.Completed(message, value, **details).noted("; ".join(run.notes))


def _saved(run: Course, value: Any, loop: int = 0) -> Generator[Effect, Any, dict[str, Any]]:
    if run.key is None and not (loop and run.spec.keeps):
        return {}
    try:
        saved: Saved | None = yield Save(run.spec, run.key or "", value, loop)
    except Exception as error:  # noqa: BLE001  # a store that fails must not cost the result
        saved = Saved(problem=str(error) or type(error).__name__)
    if saved is None:
        return {}
    if saved.problem and not loop:
        run.notes.append(f"not stored: {saved.problem}")
    named = (("version", saved.version), ("not_stored", saved.problem))
    return {name: text for name, text in named if text}


def _raised(run: Course, error: BaseException) -> Choice:
    if isinstance(error, Signal):
        return (yield from _obeyed(run, error))
    if isinstance(error, (CancelRun, KeyboardInterrupt)):
        return states.Cancelling(str(error) or "interrupted")
    failure = states.Failed(text_of(error), error)
    # What is no Exception, such as SystemExit, wants to end things: trying again is not meant.
    return _failed(run, failure, error) if isinstance(error, Exception) else failure


def _obeyed(run: Course, signal: Signal) -> Choice:
    """Decide what follows a signal from the body."""
    state = signal.state
    if isinstance(signal, SUCCESS):
        return (yield from _completed(run, state.message, state.result))
    if isinstance(signal, LOOP):
        return (yield from _looped(run, state))
    if isinstance(signal, RETRY):
        return _asked_to_retry(run, state)
    if isinstance(signal, FAIL):
        return _failed(run, state, state.result if isinstance(state.result, BaseException) else signal)
    if is_legal(run.state, state) and not state.is_running() and not state.is_cancelling():
        return state
    text = f"{type(signal).__name__}({state.name}) cannot follow {run.state.name}"
    return states.Failed(f"{text}; raise it with a final state or with Paused", signal)


def _looped(run: Course, state: State) -> Choice:
    """Keep what the next iteration starts from, then begin it."""
    following = int(state.details.get("loop_count", run.loop)) + 1
    yield from _saved(run, state.result, following)
    run.loop_result = state.result
    run.begin_iteration(max(following, run.loop + 1))
    return states.Looping(state.message, loop_count=run.loop)


def _asked_to_retry(run: Course, state: State) -> State:
    run.requests += 1
    if run.requests > RETRY_LIMIT:
        text = f"RETRY was raised {run.requests} times; a run may ask {RETRY_LIMIT} times"
        return states.Failed(text, state.result)
    if state.start_time is not None:
        return state
    run.next_attempt()
    return states.Retrying(state.message)


def _failed(run: Course, failure: State, cause: object) -> State:
    rules = run.spec.retries
    decision = rules.after_failure(failure.with_result(cause), run.failures, run.spec.draw)
    if not decision.retry:
        return failure.noted(decision.note)
    run.failures += 1
    return _again(run, f"{failure.message} (retry {run.failures} of {rules.limit})", decision.delay)


def _crashed(run: Course, outcome: Outcome) -> State:
    failure = states.Crashed(str(outcome.value or "the worker died"))
    decision = run.spec.retries.after_crash(run.crashes, run.spec.draw)
    if not decision.retry:
        return failure.noted(decision.note)
    run.crashes += 1
    return _again(run, f"{failure.message} (a new worker tries again)", decision.delay)


def _timed_out(run: Course, outcome: Outcome) -> State:
    limit = f"{run.spec.timeout:g} s" if run.spec.timeout is not None else "its runner"
    text = f"{run.spec.name!r} reached its limit of {limit}"
    error = TaskTimeoutError(f"{text}; raise --timeout, or see `%flow why`", run=run.spec.id)
    failure = states.TimedOut(text, error, enforced=outcome.enforced or "soft")
    return _failed(run, failure, error)


def _again(run: Course, message: str, delay: float) -> State:
    if delay > 0:
        return states.AwaitingRetry(message, delay=delay)
    run.next_attempt()
    return states.Retrying(message)


# --- mapping ---------------------------------------------------------------------------------


def _spawn_items(run: Course) -> Choice:
    try:
        found: Sequence[State] = yield Spawn(run.spec, run.inputs)
    except DefinitionError as error:
        return states.Failed(str(error), error)
    return ended_by_items(tuple(found))


Rule = Callable[[Course], Iterable[Effect]]

RULES: Final[tuple[Rule, ...]] = (
    _begin, _await_upstream, _ask_trigger, _bind_inputs, _look_up, _recall, _execute,
)  # fmt: skip
"""The order of the rules."""
