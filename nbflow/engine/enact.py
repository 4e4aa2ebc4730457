"""Runs of steps: each execution and each reuse is one run of the engine, with states and history.

The order of work (`plan.py`) knows steps and observations; this module gives every execution its
run: a record in the history, states driven by `run_task`, attempts and limits as the step asks.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from nbflow.engine.drive import Journal, PlainHandler, driving
from nbflow.engine.effects import Begin, Call, Ended, Enter, Outcome, RunSpec, Sleep
from nbflow.engine.loops import Iterations
from nbflow.engine.record import NOTHING_SEEN, new_id
from nbflow.engine.requests import Rest, Turn
from nbflow.engine.run import run_task
from nbflow.engine.straight import Straight, goes_straight, plainly, with_first
from nbflow.engine.turns import asking
from nbflow.retries import NO_RETRIES
from nbflow.states import Cached, Origin, Paused, Pending, Role, Running, State, StateType
from nbflow.store.digests import key_digest
from nbflow.store.protocol import History, RunRecord
from nbflow.triggers import manual_only

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.engine.book import Body, Step
    from nbflow.engine.drive import Ledger
    from nbflow.engine.effects import Steps
    from nbflow.engine.observation import Observation
    from nbflow.engine.record import Seen
    from nbflow.engine.requests import Observing, Request
    from nbflow.triggers import Edge
    from nbflow.types import Cause, Trace

_EARLIER: Final = "an earlier result"
_SLOW_SECONDS: Final = 0.05
"""A body expected to take longer has its Running state on disk before it starts."""


Executing = Generator["Request", Any, "Finished"]
"""One run of a step: yields its executions, is sent how each ended, and returns how it finished."""


class Finished(msgspec.Struct, frozen=True):
    """A run that ended: its identifier, its last state, and what was seen of its last attempt, if any."""

    run: str
    state: State
    observation: Observation | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A run that waits for a person: its identifier, the state it waits in, its flow run's number.

    Without an identifier none waits, and a new one begins.
    """

    run: str
    state: State
    number: int = 0


@dataclass(frozen=True, slots=True)
class Item:
    """Which item of a mapped step a run is for.

    Args:
        index: Its position.
        parent: Identifier of the run of the whole step.
    """

    index: int
    parent: str

    def name(self, name: str) -> str:
        """What people call the item of a step, or its identifier, of that name."""
        return f"{name}[{self.index}]"


_NO_UPSTREAM: Final[Mapping[Edge, State]] = {}


def _pass_nothing(_: Mapping[Edge, object]) -> Mapping[str, object]:
    """A body finds what it reads in the names."""
    return {}


def _spec(step: Step, run: str, number: int, origin: Origin, seen: Seen, let_in: Waiting | None) -> RunSpec:
    return RunSpec(
        run,
        step.name,
        body=step.told(run, number) if step.told is not None else None,
        started_by_name=let_in is not None,
        resumed=let_in.state if let_in is not None and let_in.run else None,
        upstream=tuple(seen.upstream),
        versions={name: given.unit for name, given in seen.inputs.items()} if seen.inputs else {},
        bind=_pass_nothing,
        trigger=step.trigger,
        skip_on_upstream_skip=step.skip_on_upstream_skip,
        # Of a mapped step each item is tried again, and limited, for itself.
        retries=step.retries if step.body.one is None else NO_RETRIES,
        timeout=step.timeout if step.body.one is None else None,
        flow_run=number,
        origin=origin,
    )


class StepRuns:
    """Runs steps as runs of the engine.

    Args:
        history: Where runs and their transitions are kept.
        clock: Seconds since the epoch.
        notebook: Identifier of the notebook.
        sleep: Waits until a time; None: a run that has to wait parks.
    """

    def __init__(
        self,
        history: History,
        clock: Callable[[], float],
        notebook: str = "",
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        self.history = history
        self.journal = Journal(history, clock)
        self.notebook = notebook
        self.number = 0
        self.steps: dict[str, str] = {}
        """Identifier of each run that goes on, to that of its step."""
        self.since = clock()
        """When this kernel began, seconds since the epoch."""
        self.recalls = False
        """Whether it has reused something of an earlier kernel."""
        self._let_in: dict[str, Waiting] = {}
        self._sources: dict[str, str] = {}
        self._clock = clock
        self._sleep = sleep
        self._lets_others = self._gives_turns = False

    def abreast(self) -> StepRuns:
        """The same for runs beside others: one that has to wait asks to, so that others go on meanwhile."""
        runs = copy(self)
        runs._lets_others, runs._gives_turns = self._sleep is not None, True
        return runs

    def beside(self, number: int) -> StepRuns:
        """The same for a flow run of its own, that goes on at the same time."""
        runs = self.abreast()
        runs.number = number
        return runs

    def execute(
        self,
        step: Step,
        attempt: Callable[[Call], Observing],
        origin: Origin,
        causes: tuple[Cause, ...],
        seen: Seen = NOTHING_SEEN,
    ) -> Executing:
        """Run a step's body, if its trigger lets it, as often as its retries and its `LOOP` say."""
        waiting = self.waiting(step) if step.trigger is manual_only and step.id not in self._let_in else None
        # A person is asked by one run at a time, which goes on once there is an answer.
        if waiting is not None:
            return Finished(waiting.run, waiting.state, None)
        let_in = self._let_in.pop(step.id, None)
        if let_in and let_in.run:
            run = self._go_on(step, let_in)
        else:
            run = self._begin(step, origin, causes=causes, inputs=seen.inputs)
        spec = _spec(step, run, self.number, origin, seen, let_in)
        attempt = plainly(attempt) if step.plain else attempt
        # Who runs beside others has to be able to let them in.
        if step.named is None and not self._gives_turns and goes_straight(spec):
            return (yield from self._go_straight(spec, step, attempt))
        return (yield from self._drive(spec, step, attempt, seen.upstream))

    def _go_straight(self, spec: RunSpec, step: Step, attempt: Callable[[Call], Observing]) -> Executing:
        """Run the body of a step of which nothing is asked; unless it just returns, the rules decide."""
        straight = Straight(spec, self.journal)
        try:
            straight.begin()
        except BaseException as stop:  # noqa: BLE001 - the rules say what becomes of the run
            return (yield from self._drive(spec, step, attempt, _NO_UPSTREAM, straight.again(stop)))
        made: Observation | BaseException
        try:
            self._make_known(step, spec.origin)
            made = yield from attempt(straight.call())
            ended = straight.end(made)
        except GeneratorExit:  # nobody will answer any more
            self.steps.pop(spec.id, None)
            raise
        except BaseException as fault:  # noqa: BLE001 - the same
            made, ended = fault, None
        if ended is None or isinstance(made, BaseException):
            attempt = with_first(made, attempt)
            return (yield from self._drive(spec, step, attempt, _NO_UPSTREAM, straight.again()))
        try:
            straight.tell(ended)
        finally:
            self.steps.pop(spec.id, None)
        return Finished(spec.id, ended.state, made)

    def execute_item(
        self, step: Step, item: Item, attempt: Callable[[Call], Observing], origin: Origin
    ) -> Executing:
        """Run the body of a mapped step for one element, as often as its retries and its `LOOP` say."""
        run = self._begin(step, origin, item)
        spec = self._item_spec(step, run, item, origin)
        return (yield from self._drive(spec, step, attempt, _NO_UPSTREAM))

    def _item_spec(self, step: Step, run: str, item: Item, origin: Origin) -> RunSpec:
        return RunSpec(
            run,
            item.name(step.name),
            bind=_pass_nothing,
            retries=step.retries,
            timeout=step.timeout,
            flow_run=self.number,
            parent=item.parent,
            index=item.index,
            role=Role.ITEM,
            origin=origin,
        )

    def _drive(
        self,
        spec: RunSpec,
        step: Step,
        attempt: Callable[[Call], Observing],
        upstream: Mapping[Edge, State],
        ledger: Ledger | None = None,
    ) -> Executing:
        run, observation, iterations = spec.id, None, Iterations()
        outside = (Call, Begin, Sleep) if self._lets_others else (Call, Begin)
        steps = self._steps(spec, step)
        effects = driving(steps, PlainHandler(upstream, self._sleep), ledger or self.journal, outside)
        try:
            effect = next(effects)
            if spec.role is not Role.ITEM and ledger is None:
                self._make_known(step, spec.origin)
            while True:
                try:
                    if not isinstance(effect, Call):
                        answer = yield Rest(effect.until) if isinstance(effect, Sleep) else Turn(step)
                    else:
                        self._call(spec, step)
                        observation = iterations.joined((yield from attempt(effect)))
                        answer = observation.outcome
                except Exception as fault:  # noqa: BLE001 - an attempt that cannot be observed failed
                    answer = (
                        Outcome(effect.attempt, Ended.RAISED, fault) if isinstance(effect, Call) else False
                    )
                # Whoever drives this has given it up and answers nothing any more.
                except GeneratorExit:
                    raise
                except BaseException as stop:  # noqa: BLE001 - the run ends legally before it goes on
                    effect = effects.throw(stop)
                    continue
                effect = effects.send(answer)
        except StopIteration as end:
            return Finished(run, end.value, observation)
        finally:
            self.steps.pop(run, None)

    def _steps(self, spec: RunSpec, step: Step) -> Steps:
        is_whole = step.body.one is not None and spec.role is not Role.ITEM  # whose items ask for themselves
        return asking(run_task(spec)) if self._gives_turns and not is_whole else run_task(spec)

    def waiting(self, step: Step) -> Waiting | None:
        """The last run of a step, where that waits for a person, be it one of an earlier kernel."""
        found = self.history.runs(self.notebook, step.id, 1)
        path = self.history.transitions(found[0].id) if found else ()
        if not path or path[-1].type != StateType.PAUSED.value:
            return None
        return Waiting(found[0].id, Paused(path[-1].message).stamped(path[-1].at), found[0].number)

    def let_in(self, step: Step) -> None:
        """Let the next run of a step, which goes on where the last one waits, ask for nobody's leave."""
        self._let_in[step.id] = self.waiting(step) or Waiting("", Paused())

    def _go_on(self, step: Step, waiting: Waiting) -> str:
        self.steps[waiting.run] = step.id
        return waiting.run

    def _make_known(self, step: Step, origin: Origin) -> None:
        """A run that takes long is known to others meanwhile, and known to have died with its kernel.

        How long a first one takes nobody knows; of the many that a flow may have, the quick ones are
        written together. Of plain cells, which cost nothing, those are written that have taken long.
        """
        if step.plain:
            self.history.flush_if_open()
            return
        if step.trace is not None and step.trace.seconds <= _SLOW_SECONDS:
            return
        if step.trace is None and origin is not Origin.CELL:
            self.history.flush_soon()
        else:
            self.history.flush()

    def reuse(self, step: Step, trace: Trace, origin: Origin, item: Item | None = None) -> Finished:
        """Record that a step, or an item of one, got an earlier result without executing."""
        self.recalls = self.recalls or trace.started < self.since
        run = self._begin(step, origin, item, trace=trace.id)
        if item is None:
            self._call_as_before(step, run, trace)
        spec = RunSpec(run, step.name, flow_run=self.number, origin=origin)
        spec = self._item_spec(step, run, item, origin) if item is not None else spec
        pending = self.journal.append(Enter(spec, Pending(), 1, 1), None)
        cached = self.journal.append(Enter(spec, Cached(_EARLIER, trace), 1, 1), pending.state)
        try:
            # Both are on record before anybody is told: whatever a Stop interrupts, the run has ended.
            self.journal.tell(pending)
        finally:
            self.journal.tell(cached)
            self.steps.pop(run, None)
        return Finished(run, cached.state, None)

    def note_audit(self, step: Step, state: State, cause: Cause) -> None:
        """Record that a step was run once more, apart from everything; nobody is told but the history."""
        run = self._begin(step, Origin.AUDIT, causes=(cause,))
        spec, before = RunSpec(run, step.name, flow_run=self.number, origin=Origin.AUDIT), None
        for each in (Pending(), Running(), state):
            before = self.journal.append(Enter(spec, each, 1, 1), before).state
        self.steps.pop(run, None)

    def _call(self, spec: RunSpec, step: Step) -> None:
        """Give a run its name, which may hang on what its body reads."""
        if step.named is not None and spec.role is not Role.ITEM:
            self.history.begin(RunRecord(spec.id, name=step.named(spec.body)))

    def _call_as_before(self, step: Step, run: str, trace: Trace) -> None:
        """A reuse is called as the run that it is of: what that has read need not be there."""
        earlier = self.history.run(trace.run) if step.named is not None else None
        if earlier is not None:
            self.history.begin(RunRecord(run, name=earlier.name))

    def keep(self, run: str, key: str, trace: Trace) -> None:
        """Note what a run made."""
        self.history.begin(RunRecord(run, key=key, trace=trace.id))

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._clock()

    def _begin(self, step: Step, origin: Origin, item: Item | None = None, **known: Any) -> str:
        run = new_id(self._clock())
        if item is None:
            self.steps[run] = step.id
        record = RunRecord(
            run,
            number=self.number,
            notebook=self.notebook,
            parent=item.parent if item else "",
            role=(Role.ITEM if item else Role.TASK)._value_,
            step=item.name(step.id) if item else step.id,
            name=item.name(step.name) if item else step.name,
            index=item.index if item else -1,
            origin=origin._value_,
            source=self._kept_source(step),
            **known,
        )
        self.history.begin(record)
        return run

    def _kept_source(self, step: Step) -> str:
        """The digest of a step's source, whose text the history keeps; it is told each text once."""
        body = step.ran or step.body
        text = body.text
        digest = self._sources.get(text)
        if digest is None:
            digest = self._sources[text] = source_digest(body)
            self.history.save_source(digest, text)
        return digest


def source_digest(body: Body) -> str:
    """What the history keeps the source of a body by."""
    return key_digest("source", body.text)
