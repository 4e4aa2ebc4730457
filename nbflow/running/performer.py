"""Performing the effects of one run of a task or a flow."""

from __future__ import annotations

import logging
from asyncio import CancelledError
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet

from nbflow.engine.drive import PlainHandler
from nbflow.engine.effects import CancelRun, Ended, Outcome
from nbflow.engine.ongoing import Later, when_all
from nbflow.exceptions import WorkerError
from nbflow.running.bodies import Bodies
from nbflow.running.caching import caching_of
from nbflow.running.claims import CLAIMS, once_done
from nbflow.running.kept import copies_of, keep_inputs
from nbflow.running.loops import Loops, has_looped
from nbflow.running.scope import INLINE
from nbflow.running.steering import STEERING
from nbflow.running.stepping import Stepper
from nbflow.running.transactions import settle, transaction_of
from nbflow.states import Completed, Role, State
from nbflow.task_runners.base import Enforced, TaskCall, TaskReport, warning_about_limit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Future

    from nbflow.engine.effects import Await, Call, Keep, Left, Load, Recall, Save, Saved, Sleep
    from nbflow.running.futures import TaskFuture
    from nbflow.running.inputs import Inputs
    from nbflow.running.runs import Run
    from nbflow.running.scope import Lane, Scope
    from nbflow.triggers import Edge


_log: Final = logging.getLogger("nbflow")
_WARNED: Final[WeakSet[Any]] = WeakSet()
"""The tasks that have said what their limits are worth."""


def _itself(source: Any) -> Any:
    return source


class Performer(PlainHandler):
    """Performs the effects of one run; what takes time is answered by a future.

    Args:
        run: The run.
        inputs: Its arguments, and the results that it waits for.
        scope: Within what it was started.
        lane: Where it goes on.
        source: Gives, for the upstream task of an edge, the future or the state of its run.
    """

    def __init__(
        self,
        run: Run,
        inputs: Inputs,
        scope: Scope,
        lane: Lane,
        source: Callable[[Any], TaskFuture | State] = _itself,
    ) -> None:
        super().__init__()
        self._run = run
        self._inputs = inputs
        self._source = source
        self._scope = scope
        self._lane = lane
        # The values that a body yields one by one are not among what its run makes.
        self._caching = caching_of(run, scope) if not isinstance(lane.runner, Stepper) else None
        self._transaction = transaction_of(run, self._undone) if run.role is not Role.FLOW else None
        self._loops: Loops | None = None
        self._copies: Mapping[str, Any] | None = None
        self.ended: Future[State]
        # In another thread the body sees the variables of whoever called.
        self._around = copy_context() if lane.runner is not INLINE else None
        self._bodies = Bodies(run, scope, self._transaction)

    def follow(self, ended: Future[State]) -> None:
        """Be told when the run has ended, before anybody who waits for it."""
        self.ended = ended
        if self._transaction is not None:
            ended.add_done_callback(self._settle)

    def _settle(self, _: Future[State]) -> None:
        if self._transaction is not None:
            settle(self._transaction, self._run)

    def _undone(self) -> None:
        if self._caching is not None:
            self._caching.forget()

    def fields(self, how: Mapping[str, Any]) -> dict[str, Any]:
        """What the `RunSpec` of the run has to say of what is performed here.

        Args:
            how: Its other fields; of a mapped run, only the items are cached.
        """
        keeps = self._scope.records.store is not None and self._run.role is not Role.FLOW
        fields = {"keeps": keeps, "is_held": self.is_held}
        if self._caching is None or how.get("mapped"):
            return fields
        look_up = not self._run.of.options.refresh_cache
        return {**fields, "key": self._caching.key, "look_up": look_up}

    def load(self, effect: Load) -> Any:
        """Look up what an earlier run has made, or one that is making it now."""
        if self._caching is None:
            return None
        # Who calls directly holds a thread, perhaps the one that the other run needs: it does not wait.
        other = CLAIMS.take(effect.key, self._run, self.ended) if self._lane.runner is not INLINE else None
        if other is not None:
            return once_done(other, partial(self.load, effect))
        return self._caching.look_up()

    def save(self, effect: Save) -> Saved | None:
        """Keep the result, or what the next iteration of LOOP starts from."""
        if effect.loop:
            self._looping().save(effect.loop, effect.value, self._run.parameters, self.ended)
            return None
        return self._caching.save(effect.value) if self._caching is not None else None

    def recall(self, effect: Recall) -> Left | None:
        """Find where the run, or an interrupted one of the same, has left its LOOP."""
        if not has_looped(self._run, self._scope.records):
            return None
        return self._looping().recall(effect.inputs, effect.spec.resumed is not None, self.ended)

    def _looping(self) -> Loops:
        if self._loops is None:
            self._loops = Loops(self._run, self._scope.records, self._scope.parameters)
        return self._loops

    def keep(self, effect: Keep) -> Mapping[str, str]:
        """Store the inputs; what is a stored result of another run is known already."""
        store = self._scope.records.store
        if store is None or not effect.inputs:
            return {}
        direct = self._inputs.direct()
        states = {name: self._state(self._source(edge.upstream_task)) for name, edge in direct.items()}
        known = {
            name: state.details["version"] for name, state in states.items() if "version" in state.details
        }
        inputs = {**effect.inputs, **(self._copies or {})}
        return keep_inputs(store, inputs, known, self._caching.digests if self._caching else {})

    def is_held(self) -> bool:
        """Whether somebody holds the run back."""
        return STEERING.holds(self._run) is not None

    def await_upstream(self, effect: Await) -> Any:
        """Answer when all upstream runs have ended or wait for a person, and nobody holds the run back."""
        sources = {edge: self._source(edge.upstream_task) for edge in effect.spec.upstream}
        ends = [each.ended for each in sources.values() if not isinstance(each, State)]
        if all(end.done() for end in ends) and not self.is_held():
            return self.states_of(sources)
        free = STEERING.once_free(self._run, when_all(ends))
        return Later(free, lambda _: self.states_of(sources))

    def states_of(self, sources: Mapping[Edge, TaskFuture | State]) -> dict[Edge, State]:
        """How the upstream runs have ended, as this run sees it."""
        self._scope.raise_stop()
        return {edge: self._seen(edge, source) for edge, source in sources.items()}

    def _seen(self, edge: Edge, source: TaskFuture | State) -> State:
        """A failure that the call allows counts as a result: its exception."""
        state = self._state(source)
        return _allowed(state) if edge in self._inputs.allowed else state

    @staticmethod
    def _state(source: TaskFuture | State) -> State:
        return source if isinstance(source, State) else source.state

    def sleep(self, effect: Sleep) -> Any:
        """Answer when the time has come."""
        return self._scope.records.timers.at(effect.until)

    def call(self, effect: Call) -> Any:
        """Have the body executed by the runner."""
        self._scope.raise_stop()
        self._scope.records.make_known(is_asked_for=self._run.role is Role.FLOW and self._run.parent is None)
        run, of = self._run, self._run.of
        run.parameters = effect.inputs
        if self._copies is None:
            self._copies = copies_of(effect.inputs)
        if not self._lane.runner.promises.shares_namespace:
            return self._call_elsewhere(effect)
        body: Callable[[], Any] = partial(self._body(), effect)
        call = TaskCall(effect.attempt, run.name, body, effect.timeout, of.is_async)
        if effect.timeout is not None:
            self._warn(call)
        if self._lane.runner is INLINE:
            return self._outcome(INLINE.run(call))  # over when that returns: nobody has to wait for it
        submit = self._lane.runner.submit
        report = submit(call) if self._around is None else self._around.run(submit, call)
        return self._outcome(report.result()) if report.done() else Later(report, self._outcome)

    def _call_elsewhere(self, effect: Call) -> Any:
        """Have the body executed by a worker, which sees no live objects."""
        from nbflow.running.crossing import entry_of, keeping_in  # few flows need it, and what it imports

        run, around = self._run, self._around or copy_context()
        try:
            body = entry_of(run, self._scope, around, effect)
        except WorkerError as error:
            return Outcome(effect.attempt, Ended.RAISED, error)
        call = TaskCall(effect.attempt, run.name, body, effect.timeout, run.of.is_async)
        report = around.run(keeping_in, self._scope.records, self._lane.runner.submit, call)
        return Later(report, self._outcome)

    def _warn(self, call: TaskCall) -> None:
        """Say once for each task what its limit is worth."""
        warning = warning_about_limit(call, self._lane.runner)
        if warning and self._run.of not in _WARNED:
            _WARNED.add(self._run.of)
            _log.warning(warning)

    def _outcome(self, report: TaskReport) -> Outcome:
        if report.ended is Ended.RAISED and isinstance(report.value, (KeyboardInterrupt, CancelledError)):
            # What a body raises in a thread of its own is no Stop of the user's, and ends this run alone.
            is_users = self._lane.runner.promises.hears_stop
            raise report.value if is_users else CancelRun("its body was interrupted")
        if report.enforced is Enforced.ABANDONED:
            self._bodies.abandon(report.attempt)
        return report.outcome()

    def stop(self, reason: str) -> Sequence[Future[Any]]:
        """Stop what the body has started; what another thread is just moving on ends later."""
        return self._bodies.stop(reason)

    def _body(self) -> Callable[[Call], Any]:
        bodies, awaits = self._bodies, self._run.of.is_async
        if isinstance(self._lane.runner, Stepper):
            return bodies.await_steps if awaits else bodies.steps
        return bodies.await_body if awaits else bodies.execute


def _allowed(state: State) -> State:
    """The same as a success; of a mapped run, each of its items."""
    if state.is_completed() or not state.is_final():
        return state
    message, items = f"allowed to be {state.name}", state.map_states
    if items:
        return Completed(message, state.result, map_states=tuple(map(_allowed, items)))
    return Completed(message, state.exception())
