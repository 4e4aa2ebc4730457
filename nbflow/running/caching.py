"""Caching in explicit flows: looking a result up, and keeping it when its task ends.

Tasks execute unless they ask for caching. Failures, skips and what was stopped are never reused.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from nbflow.engine.cache_validators import CacheValidator
from nbflow.engine.effects import Hit, Saved
from nbflow.engine.record import EXPIRES, CompletedCall, trace_of_call
from nbflow.exceptions import CacheError, DigestError, text_of
from nbflow.running.identity import code_digest
from nbflow.running.keys import CallKey, Rules, key_of_call, rules_of
from nbflow.states import Cached, Role, State
from nbflow.store.digests import digest, key_digest
from nbflow.store.memory import MemoryStore
from nbflow.store.protocol import NOT_STORED, Missing, RunRecord
from nbflow.types import Entry, Looked, Slot, Trace

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from nbflow.running.records import Records
    from nbflow.running.runs import Run
    from nbflow.running.scope import Scope
    from nbflow.store.protocol import Store

STORE_LOCK: Final = threading.RLock()
"""Held while a store is used: runs end in many threads."""

_FLOW_RUN: Final = Slot("flow run", "")
_A_DAY: Final = 86_400.0


@dataclass(slots=True)
class _Process:
    store: Store | None = None


_PROCESS: Final = _Process()


def store_of(records: Records) -> Store:
    """Where results are kept; those of calls outside of flows, in the memory of this process."""
    if records.store is not None:
        return records.store
    with STORE_LOCK:
        if _PROCESS.store is None:
            _PROCESS.store = MemoryStore()
        return _PROCESS.store


def caching_of(run: Run, scope: Scope) -> Caching | None:
    """What looks up and keeps the result of a run; None where its task does not ask for caching."""
    if run.role is Role.FLOW:
        return None
    flow = scope.flow.of.options.persist_result if scope.flow is not None else None
    rules = rules_of(run.of.options, flow)
    return Caching(run, scope, rules) if rules is not None else None


class _Refused(CacheError):
    """There is a result, but it is not reused."""


class Caching:
    """Looks up and keeps the result of one run.

    The state of a reuse says in its details from which run it is (`cached_from`), when it ends (`expires`, in
    seconds since the epoch), what was not compared (`as_of`) and how many seconds that run took (`saved`).

    Args:
        run: The run.
        scope: Within what it is called.
        rules: How its task is cached.
    """

    def __init__(self, run: Run, scope: Scope, rules: Rules) -> None:
        self._run = run
        self._scope = scope
        self._rules = rules
        self._call: CallKey | None = None
        self._started = 0.0
        # Where inputs do not count, one result of each flow run is enough to choose from.
        self._is_known_to_others = False
        self.trace: Trace | None = None

    def key(self, arguments: Mapping[str, Any]) -> str | None:
        """Under what the result is found; None: it is not cached. See `nbflow.running.keys`."""
        scope, self._run.parameters = self._scope, arguments
        self._call = key_of_call(self._run, self._rules, arguments, scope.parameters, scope.records.notebook)
        self._started = self._now()
        if self._call is not None and self._rules.validator is not None:
            # A body may change its inputs: what they were is known only before it runs.
            _ = self._call.inputs.digests, self._call.parameters.digests
        return self._call.keys[-1] if self._call is not None else None

    @property
    def digests(self) -> Mapping[str, str]:
        """The digests that the inputs had before the body ran, where they were needed."""
        return vars(self._call.inputs).get("digests", {}) if self._call is not None else {}

    def look_up(self) -> Hit | None:
        """The result to reuse, a copy of one's own; None where there is none.

        Raises:
            CacheError: If there is one that cannot be used, with the reason.
        """
        problem: CacheError | None = None
        for trace in self._candidates():
            try:
                hit = self._hit(trace)
            except Missing as missing:
                # What could not be stored said so when it was made.
                if missing.reason != NOT_STORED:
                    problem = problem or _Refused(f"{_label(trace, self._now())} is {missing.reason}")
            except _Refused as refused:
                problem = problem or refused
            else:
                if hit is not None:
                    return hit
        if problem is not None:
            raise problem
        return None

    def save(self, value: object) -> Saved | None:
        """Keep the result."""
        call, problem = self._call, ""
        if call is None:
            return None
        if call.source and not self._is_code_as_before(call):
            return Saved(problem="a global or a function that it reads changed while it ran")
        unit = _unit(value, self._run.id)
        trace = self._trace(call, unit)
        for key in call.keys[:-1] if self._is_known_to_others else call.keys:
            if not problem:
                with STORE_LOCK:
                    commit = self._store.commit(key, trace, {unit: (value,)})
                problem = commit.unstored.get(unit, "")
        self._note(trace)
        return Saved(problem=problem) if problem else Saved(unit)

    def _is_code_as_before(self, call: CallKey) -> bool:
        """Whether what the body could see of code and globals was the same until its end.

        It may have been changed by the body itself, or by another thread between the key and the body.
        """
        try:
            return code_digest(self._run.of) == call.source
        except CacheError:
            return False

    def forget(self) -> None:
        """Reuse the result no more, because what it stands for was undone."""
        if self.trace is not None:
            with STORE_LOCK:
                self._store.replace(_void_mark(self.trace), (True,))

    # --- looking up ----------------------------------------------------------------------------

    def _candidates(self) -> Iterator[Trace]:
        """Earlier results, the newest first, and before all others those for the same inputs."""
        seen: set[str] = set()
        call = self._call
        if call is None:
            return
        for key in call.keys:
            with STORE_LOCK:
                found = self._store.find(key)
            is_shared = call.is_shared and key == call.keys[-1]
            for trace in found:
                # What this very flow run has made for other inputs is not meant.
                if is_shared and self._is_of_this_flow(trace):
                    self._is_known_to_others = isinstance(self._rules.validator, CacheValidator)
                elif trace.id not in seen:
                    seen.add(trace.id)
                    yield trace

    def _is_of_this_flow(self, trace: Trace) -> bool:
        return bool(self._run.flow_run_id) and self._run.flow_run_id == _flow_run(trace).digest

    def _hit(self, trace: Trace) -> Hit | None:
        now, expires = self._now(), self._expires(trace)
        if expires is not None and expires <= now:
            raise _Refused(f"{_label(trace, now)} expired {_clock(expires, now)}")
        unit = trace.outputs[0].unit
        with STORE_LOCK:
            if self._is_undone(trace):
                return None
            value = self._store.load(unit)[0]
        if not self._is_valid(trace, value, expires):
            return None
        self._note(trace)
        assert self._call is not None
        unequal = self._call.unequal
        until = f"expires {_clock(expires, now)}" if expires is not None else ""
        message = "; ".join(text for text in (_label(trace, now), unequal, until) if text)
        details = {"version": unit, "cached_from": trace.run, "expires": expires, "as_of": unequal}
        details["saved"] = trace.seconds
        return Hit(value, message, {name: value for name, value in details.items() if value})

    def _is_undone(self, trace: Trace) -> bool:
        return bool(self._run.of.options.on_rollback) and self._store.has(_void_mark(trace))

    def _expires(self, trace: Trace) -> float | None:
        """When a result ceases to be reused, by who made it and by who asks for it now."""
        times = [float(flag.removeprefix(EXPIRES)) for flag in trace.flags if flag.startswith(EXPIRES)]
        if self._rules.lasts is not None:
            times.append(trace.started + trace.seconds + self._rules.lasts)
        return min(times, default=None)

    def _is_valid(self, trace: Trace, value: object, expires: float | None) -> bool:
        validator, call = self._rules.validator, self._call
        if validator is None or call is None:
            return True
        try:
            return bool(validator(_state_of(trace, value, expires), call.inputs, call.parameters))
        except Exception as error:
            name = getattr(validator, "__name__", repr(validator))
            raise _Refused(f"the cache_validator {name} raised {text_of(error)}") from error

    # --- keeping -------------------------------------------------------------------------------

    def _trace(self, call: CallKey, unit: str) -> Trace:
        run, now, lasts = self._run, self._now(), self._rules.lasts
        return trace_of_call(
            CompletedCall(
                run.id,
                run.of.name,
                self._scope.records.notebook,
                tuple(_entries(run, call)),
                unit,
                self._started,
                now,
                None if lasts is None else now + lasts,
            )
        )

    def _note(self, trace: Trace) -> None:
        """Tell the history with which result the run ends."""
        self.trace = trace
        key = self._call.keys[0] if self._call is not None else ""
        self._scope.records.begin(RunRecord(self._run.id, key=key, trace=trace.id))

    @property
    def _store(self) -> Store:
        return store_of(self._scope.records)

    def _now(self) -> float:
        return self._scope.records.timers.now()


def _void_mark(trace: Trace) -> str:
    """The name in a store that says that what a run did was undone."""
    return key_digest("undone", trace.id)


def _entries(run: Run, call: CallKey) -> Iterator[Entry]:
    yield Entry(Looked(_FLOW_RUN), run.flow_run_id, f"#{run.number}" if run.number else "")
    if call.source:
        yield Entry(Looked(Slot("code", run.of.name)), call.source)
    for kind, values in (("argument", call.inputs), ("parameter", call.parameters)):
        for name, made in vars(values).get("digests", {}).items():
            yield Entry(Looked(Slot(kind, name)), made)


def _flow_run(trace: Trace) -> Entry:
    found = (entry for entry in trace.entries if entry.looked.slot == _FLOW_RUN)
    return next(found, Entry(Looked(_FLOW_RUN), ""))


def _state_of(trace: Trace, value: object, expires: float | None) -> State:
    """The state of an earlier run as a validator sees it."""
    made: dict[str, dict[str, str]] = {"argument": {}, "parameter": {}}
    for entry in trace.entries:
        kind, name = entry.looked.slot
        if kind in made:
            made[kind][name] = entry.digest
    return Cached(
        "",
        value,
        timestamp=trace.started + trace.seconds,
        cached_inputs=made["argument"],
        cached_parameters=made["parameter"],
        cached_result_expiration=expires,
    )


def _unit(value: object, run: str) -> str:
    """The digest of a result; one that has none is told apart by the run that made it."""
    try:
        return digest(value)
    except DigestError:
        return key_digest("made by", run)


def _label(trace: Trace, now: float) -> str:
    number = _flow_run(trace).preview
    return f"result of run {number}" if number else f"result of {_clock(trace.started + trace.seconds, now)}"


def _clock(at: float, now: float) -> str:
    """A time for people, the day included where it is not within a day from now."""
    form = "%H:%M" if abs(at - now) < _A_DAY else "%Y-%m-%d %H:%M"
    return datetime.fromtimestamp(at).astimezone().strftime(form)
