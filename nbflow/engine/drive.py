"""Performing what `run_task` decides, and the one place where states are appended.

`drive` is the driver for one thread. It hands each effect to a `Handler` and each `Enter` to a
`Journal`, which checks it against the table of transitions, gives it its time, appends it to the
history, and only then tells the subscribers: nothing is ever shown that the history does not have.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar, cast, overload

import msgspec

from nbflow.engine import transitions
from nbflow.engine.effects import (
    Asked,
    Await,
    Begin,
    Call,
    CancelRun,
    Effect,
    Ended,
    Enter,
    Hit,
    Keep,
    Left,
    Load,
    Outcome,
    Park,
    Recall,
    RunSpec,
    Save,
    Saved,
    Sleep,
    Spawn,
    StateHandler,
    Steps,
)
from nbflow.engine.signals import Signal
from nbflow.exceptions import IllegalTransitionError, text_of
from nbflow.states import Failed, State, StateType, Transition, transition_of

if TYPE_CHECKING:
    from concurrent.futures import Future
    from types import CodeType, FunctionType

    from nbflow.engine.effects import Handler
    from nbflow.triggers import Edge

_log: Final = logging.getLogger("nbflow")

Clock = Callable[[], float]
Function = TypeVar("Function", bound="FunctionType")
Request = TypeVar("Request")
Answer = TypeVar("Answer")
Result = TypeVar("Result")

_CALLERS: Final[set[CodeType]] = set()


class History(Protocol):
    """Where transitions are kept; a plain list is one."""

    def append(self, transition: Transition, /) -> object:
        """Keep one more transition."""
        ...


class Entered(msgspec.Struct, frozen=True):
    """What subscribers are told: a state was entered.

    Args:
        spec: The run.
        old: The state before; None for the first.
        state: The state entered, with its result, if it has one.
        transition: The same as the history has it.
    """

    spec: RunSpec
    old: State | None
    state: State
    transition: Transition


Subscriber = Callable[[Entered], object]


@dataclass(eq=False, slots=True)
class _Subscription:
    subscriber: Subscriber
    is_hook: bool
    straight: Collection[StateType] | None


class Ledger(Protocol):
    """What a run enters its states in: a journal, or what stands before one."""

    def append(self, effect: Enter, old: State | None, /) -> Entered:
        """Append a state; see `Journal.append`."""
        ...

    def tell(self, entered: Entered, /) -> None:
        """Tell of it; what is raised is raised in the run."""
        ...


class Journal:
    """The one place where states are appended.

    Args:
        history: Where they are kept. Where it raises, the fault is logged and the run goes on.
        clock: Returns the time, seconds since the epoch.

    Example:
        >>> kept = []
        >>> journal = Journal(kept, clock=lambda: 1000.0)
        >>> unsubscribe = journal.subscribe(lambda entered: print(entered.state.name))
        >>> from nbflow.engine.run import run_task
        >>> state = drive(run_task(RunSpec("one#1", "one", body=lambda: 1)), PlainHandler(), journal)
        Pending
        Running
        Completed
        >>> state.value(), len(kept)
        (1, 3)
    """

    def __init__(self, history: History, clock: Clock) -> None:
        self._history = history
        self._clock = clock
        # Replaced as a whole, never changed: a subscriber may end its subscription while it is told.
        self._subscriptions: tuple[_Subscription, ...] = ()
        self._pressed: KeyboardInterrupt | None = None

    def subscribe(
        self,
        subscriber: Subscriber,
        *,
        hook: bool = False,
        straight: Collection[StateType] | None = None,
    ) -> Callable[[], None]:
        """Tell `subscriber` each state from now on, after it was appended.

        Args:
            subscriber: Called with an `Entered`; what it returns is ignored.
            hook: Whether it is the user's. A hook that raises is logged and stays; anything else
                that raises is logged and removed. Neither changes a run.
            straight: Of runs that go straight on, the types of states that it has to be told; None: all.

        Returns:
            A function that ends the subscription; calling it again does nothing.
        """
        subscription = _Subscription(subscriber, hook, straight)
        self._subscriptions += (subscription,)
        return lambda: self._drop(subscription)

    def append(self, effect: Enter, old: State | None) -> Entered:
        """Append the state that a run wants to enter.

        Args:
            effect: The run and the state.
            old: The state before; None for the first.

        Returns:
            What was appended: with its time, and as the run's state handlers have replaced it.

        Raises:
            IllegalTransitionError: If it may not follow `old`.
        """
        spec, wanted = effect.spec, effect.state
        transitions.check(old, wanted, spec.id)
        if spec.state_handlers and old is not None:
            wanted = self._handled(spec, old, wanted)
        at = self._clock()
        if old is not None and old.timestamp is not None and at < old.timestamp:
            at = old.timestamp  # a clock that was set back must not reorder a history
        state = wanted.stamped(at, spec.id)
        transition = transition_of(state, spec.id, effect.attempt, effect.loop, at)
        try:
            self._history.append(transition)
        except Exception:  # noqa: BLE001  # results matter more than their record
            _log.exception("the history could not keep %s of run %s", transition.name, transition.run)
        return Entered(spec, old, state, transition)

    def tell(self, entered: Entered) -> None:
        """Tell all subscribers.

        Raises:
            KeyboardInterrupt: If the user pressed Stop meanwhile, once everybody was told.
        """
        for subscription in self._subscriptions:
            self._tell_one(subscription, entered)
        self._raise_pressed()

    def tell_straight(self, entered: Entered) -> None:
        """Tell of a state of a run of which nothing is asked, whoever has to know.

        Raises:
            KeyboardInterrupt: As `tell` does.
        """
        kind = entered.state.type
        for subscription in self._subscriptions:
            if subscription.straight is None or kind in subscription.straight:
                self._tell_one(subscription, entered)
        self._raise_pressed()

    def _tell_one(self, subscription: _Subscription, entered: Entered) -> None:
        try:
            subscription.subscriber(entered)
        except KeyboardInterrupt as pressed:
            self._pressed = pressed
        except BaseException:  # noqa: BLE001  # a signal raised by a hook steers nothing
            self._report(subscription, entered)

    def _raise_pressed(self) -> None:
        if self._pressed is not None:
            pressed, self._pressed = self._pressed, None
            raise pressed

    def _handled(self, spec: RunSpec, old: State, wanted: State) -> State:
        """Let Prefect 1's state handlers replace the state, each seeing what the one before left."""
        for handler in spec.state_handlers:
            try:
                replaced = _answer_of(handler, old, wanted)
            except KeyboardInterrupt as pressed:
                # Raised by `tell`, after the append, so that the run ends from a state on record.
                self._pressed = pressed
                continue
            if replaced is None or _may_replace(old, wanted, replaced):
                wanted = replaced or wanted
            else:
                text = "%s: a state handler may not put %s in the place of %s; it stays"
                _log.error(text, spec.name, replaced.name, wanted.name)
        return wanted

    def _report(self, subscription: _Subscription, entered: Entered) -> None:
        name = getattr(subscription.subscriber, "__name__", repr(subscription.subscriber))
        kind, fate = ("hook", "stays") if subscription.is_hook else ("subscriber", "is removed")
        _log.exception(
            "%s %s raised when %s became %s; the run goes on and the %s %s",
            kind, name, entered.spec.name, entered.state.name, kind, fate,
        )  # fmt: skip
        if not subscription.is_hook:
            self._drop(subscription)

    def _drop(self, subscription: _Subscription) -> None:
        self._subscriptions = tuple(kept for kept in self._subscriptions if kept is not subscription)


def _answer_of(handler: StateHandler, old: State, wanted: State) -> State | None:
    """Return the state that a state handler asks for, whether by returning or by raising."""
    name = getattr(handler, "__name__", repr(handler))
    try:
        answer = cast("object", handler(old, wanted))
    except Signal as signal:
        return signal.state
    except Exception as error:  # noqa: BLE001  # user code
        _log.exception("state handler %s raised", name)
        return Failed(f"state handler {name} raised {text_of(error)}", error)
    if answer is None or isinstance(answer, State):
        return answer
    return Failed(f"state handler {name} returned {answer!r}; it must return a State or None")


def _may_replace(old: State, wanted: State, replaced: State) -> bool:
    """A handler may end a run, pause it, or have a failed body tried again; it cannot undo a stop."""
    if wanted.is_cancelling() or wanted.is_cancelled() or not transitions.is_legal(old, replaced):
        return False
    tries_again = replaced.is_scheduled() and old.is_running()
    return replaced.is_final() or replaced.is_paused() or tries_again or replaced.type is wanted.type


def drive(steps: Steps, handler: Handler, journal: Journal) -> State:
    """Perform the effects of one run in this thread until it ends or parks.

    Args:
        steps: What `run_task` returned.
        handler: Performs everything but `Enter`. What it raises is thrown into the run: an
            `Exception` as a fault of that effect; anything else stops the run.
        journal: Where states are appended.

    Returns:
        The last state; final, or one in which the run parked.

    Raises:
        KeyboardInterrupt: Raised by the handler or by a subscriber; the run has ended as
            Cancelled before it is raised again. So is any other interrupt but `CancelRun`.
        IllegalTransitionError: A mistake of nbflow.
    """
    return answered(driving(steps, handler, journal), handler.call)


@overload
def driving(steps: Steps, handler: Handler, journal: Ledger) -> Generator[Call, Outcome, State]: ...
@overload
def driving(steps: Steps, handler: None, journal: Ledger) -> Generator[Asked, Any, State]: ...
@overload
def driving(
    steps: Steps, handler: Handler, journal: Ledger, outside: tuple[type[Call | Sleep | Begin], ...]
) -> Generator[Call | Sleep | Begin, Any, State]: ...
def driving(
    steps: Steps, handler: Handler | None, journal: Ledger, outside: tuple[type[Any], ...] = (Call,)
) -> Generator[Any, Any, State]:
    """Do what `drive` does, but for the calls of bodies: each is yielded and answered from outside.

    So the same run can be driven by whoever executes bodies: in this thread, awaiting, or as a cell
    that the front end runs anyway. Without a handler every effect but `Enter` is yielded.

    Args:
        steps: What `run_task` returned.
        handler: Performs what is not answered from outside.
        journal: Where states are appended.
        outside: The effects that are.
    """
    stop: BaseException | None = None
    state: State | None = None
    effect: Effect = next(steps)
    try:
        while True:
            try:
                if isinstance(effect, Enter):
                    entered = journal.append(effect, state or effect.spec.resumed)
                    # Kept before anybody is told: an interrupt from there on finds the run in this state.
                    answer = state = entered.state
                    journal.tell(entered)
                elif handler is None or isinstance(effect, outside):
                    answer = yield effect
                else:
                    answer = effect.ask(handler)
            except IllegalTransitionError:
                raise
            except Exception as error:  # noqa: BLE001  # the run decides what a fault means
                effect = steps.throw(error)
            except GeneratorExit:
                steps.close()
                raise
            except BaseException as error:  # noqa: BLE001  # raised again after a legal end
                # The user's own interrupt counts to the end; a stop of ours gives way to it.
                stop = stop if stop is not None and not isinstance(stop, CancelRun) else error
                effect = steps.throw(CancelRun(str(error)))
            else:
                effect = steps.send(answer)
    except StopIteration as end:
        _raise_users_own(stop)
        return end.value


def _raise_users_own(stop: BaseException | None) -> None:
    """Our own stop is told by the state; an interrupt of the user's must also end what called us."""
    if stop is not None and not isinstance(stop, CancelRun):
        raise stop from None


def answered(work: Generator[Request, Answer, Result], answer: Callable[[Request], Answer]) -> Result:
    """Run a generator to its end, answering each request; what `answer` raises is thrown in.

    Example:
        >>> def work():
        ...     return (yield 1) + (yield 2)
        >>> answered(work(), lambda request: request * 10)
        30
    """
    try:
        request = next(work)
        while True:
            try:
                reply = answer(request)
            except BaseException as error:  # noqa: BLE001  # it belongs to whoever asked
                request = work.throw(error)
            else:
                request = work.send(reply)
    except StopIteration as end:
        return end.value


async def answered_waiting(
    work: Generator[Request, Answer, Result], answer: Callable[[Request], Awaitable[Answer]]
) -> Result:
    """Do what `answered` does where each answer has to be awaited."""
    try:
        request = next(work)
        while True:
            try:
                reply = await answer(request)
            except BaseException as error:  # noqa: BLE001 - it belongs to whoever asked
                request = work.throw(error)
            else:
                request = work.send(reply)
    except StopIteration as end:
        return end.value


def calls_user_code(function: Function) -> Function:
    """Mark a function of nbflow that does nothing but call the user's code, or wait.

    What a marked function calls may be interrupted by a limit and by Stop; while any other code of
    nbflow is the innermost, they wait. Bodies that wrap the user's code need the mark.

    Example:
        >>> @calls_user_code
        ... def execute(code):
        ...     exec(code)
        >>> is_caller(execute.__code__)
        True
    """
    _CALLERS.add(function.__code__)
    return function


def is_caller(code: CodeType) -> bool:
    """Whether this is the code of a function that was marked by `calls_user_code`."""
    return code in _CALLERS


@calls_user_code
def _call_body(call: Call) -> Any:
    return call.spec.body(**call.inputs)


class PlainHandler:
    """The simplest handler: calls `spec.body(**inputs)` in this thread and stores nothing.

    Args:
        upstream: How the upstream runs ended; they are not run.
        sleep: Waits until a time, seconds since the epoch; None: runs that wait are parked.
    """

    def __init__(
        self, upstream: Mapping[Edge, State] | None = None, sleep: Callable[[float], object] | None = None
    ) -> None:
        self._upstream = upstream or {}
        self._sleep = sleep

    def await_upstream(self, effect: Await) -> Mapping[Edge, State]:
        """Answer with the states given."""
        return {edge: self._upstream[edge] for edge in effect.spec.upstream}

    def load(self, effect: Load) -> Hit | None:
        """Miss."""
        return None

    def save(self, effect: Save) -> Saved | None:
        """Store nothing."""
        return None

    def recall(self, effect: Recall) -> Left | None:
        """Know of no other run."""
        return None

    def keep(self, effect: Keep) -> Mapping[str, str]:
        """Store nothing."""
        return {}

    def call(self, effect: Call) -> Outcome:
        """Call the body; what it raises is its outcome, but for interrupts, which stop the run."""
        try:
            return Outcome(effect.attempt, Ended.RETURNED, _call_body(effect))
        except (Exception, Signal) as error:  # noqa: BLE001  # what it means is decided in `run_task`
            return Outcome(effect.attempt, Ended.RAISED, error)

    def sleep(self, effect: Sleep) -> bool:
        """Wait, if there is a way to."""
        if self._sleep is not None:
            self._sleep(effect.until)
        return self._sleep is not None

    def spawn(self, effect: Spawn) -> Sequence[State]:
        """Refuse: there is nobody to run the items."""
        raise NotImplementedError(f"{effect.spec.name!r} is mapped; this handler runs single tasks only")

    def park(self, effect: Park) -> None:
        """Do nothing: the history knows."""

    def stop(self, reason: str) -> Sequence[Future[Any]]:
        """Do nothing: below the run there is nothing."""
        return ()
