"""`nbflow.context`: what a body may know about its run, without being told by arguments.

The values live in a context variable, so that threads and asyncio tasks that copy their context
see what their creator saw, and nothing leaks from one run into another. The view is read-only;
`with context(key="abc"):` adds values for a while.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any, Final, NoReturn

import msgspec

Watcher = Callable[[str, Any], None]


class _Layer(msgspec.Struct, frozen=True):
    """What is seen within a scope.

    Args:
        values: What is seen.
        outer: The layer that comes back afterwards.
        scope: Whose layer it is.
        own: The keys that the running code has set, or a run that it has started.
    """

    values: Mapping[str, Any]
    outer: _Layer | None
    scope: Scope | None = None
    own: frozenset[str] = frozenset()


class _Watching(msgspec.Struct, frozen=True):
    """Who is told what is read, and the keys that were set before: nobody's doing whom it watches."""

    tell: Watcher
    before: frozenset[str]


_layer: ContextVar[_Layer] = ContextVar("nbflow_context", default=_Layer({}, None))  # noqa: B039  # frozen
_watching: ContextVar[_Watching | None] = ContextVar("nbflow_context_watcher", default=None)

IDENTITIES: Final = frozenset(
    {
        "flow_run_id",
        "flow_run_name",
        "logger",
        "resume",
        "task_loop_count",
        "task_loop_result",
        "task_run_count",
        "task_run_id",
        "task_run_name",
    }
)
"""Keys that differ from run to run by nature; reading them makes no result depend on them."""


_OF_ONE_RUN: Final = frozenset(
    {"map_index", "task_loop_count", "task_loop_result", "resume"}
    | {f"task_{field}" for field in ("name", "run_id", "run_name", "run_count", "tags")}
)
"""Keys that a run has or has not; it never means those of the run that called it."""

_DAYS: Final = (("today", 0), ("yesterday", -1), ("tomorrow", 1))
ALL: Final = "*"
"""What a watcher is told in the place of a key where all of them were looked at."""
CLOCK: Final = frozenset(
    {"scheduled_start_time", "date"} | {f"{day}{end}" for day, _ in _DAYS for end in ("", "_nodash")}
)
"""Keys of when a run starts, which no code decides."""


class Context:
    """The read-only view that is `nbflow.context`; there is one, for all threads.

    Example:
        >>> with context(key="abc"):
        ...     context.key, context["key"], context.get("other", 7), "key" in context
        ('abc', 'abc', 7, True)
    """

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            text = f"nbflow.context has no {name!r} here; add it with `with nbflow.context({name}=…):`"
            raise AttributeError(text, name=name, obj=self) from None

    def __getitem__(self, key: str) -> Any:
        layer, watching = _layer.get(), _watching.get()
        value = layer.values.get(key, MISSING)
        # Having looked in vain is an observation, too: the key may be there next time.
        if watching is not None and (key not in layer.own or key in watching.before):
            watching.tell(key, value)
        if value is MISSING:
            raise KeyError(key)
        return value

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of `key`, or `default` where there is none."""
        try:
            return self[key]
        except KeyError:
            return default

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self.get(key, MISSING) is not MISSING

    def __iter__(self) -> Iterator[str]:
        return iter(_all_values())

    def __len__(self) -> int:
        return len(_all_values())

    def __dir__(self) -> list[str]:
        return sorted({*_all_values(), "get", "to_dict"})

    def to_dict(self) -> dict[str, Any]:
        """Return all values as a dictionary of their own; each of them counts as read."""
        return {key: self[key] for key in self}

    def __call__(self, values: Mapping[str, Any] | None = None, /, **more: Any) -> Scope:
        """Return a context manager that adds values for a while; it may be entered repeatedly.

        Where `scheduled_start_time` is given, the fields of its day come with it.
        """
        return Scope({**(values or {}), **more})

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"nbflow.context is read-only; write `with nbflow.context({name}=…):` instead")

    def __repr__(self) -> str:
        return f"<nbflow.context with {', '.join(sorted(_all_values())) or 'nothing'}>"


def _all_values() -> Mapping[str, Any]:
    """What is seen now; whoever is watched looks at all of it."""
    values, watching = _layer.get().values, _watching.get()
    if watching is not None:
        watching.tell(ALL, tuple(sorted(values)))
    return values


class Scope:
    """Values added to the context between entering and leaving; holds no state of its own.

    Args:
        values: What is added.
        alone: Whether only these are seen, instead of what was there as well.
        hidden: Keys that are not seen although they were there.
        told: Of the keys that it sets, those that count as read from outside all the same.
        begins: Whether a body begins with it, which has set nothing of what there is.
    """

    __slots__ = ("_alone", "_begins", "_hidden", "_told", "_values")

    def __init__(
        self,
        values: Mapping[str, Any],
        *,
        alone: bool = False,
        hidden: frozenset[str] = frozenset(),
        told: frozenset[str] = frozenset(),
        begins: bool = False,
    ) -> None:
        # The context of a task run has the fields of its flow run already.
        start = None if "date" in values else values.get("scheduled_start_time")
        self._values = values if start is None else {**date_fields(start), **values}
        self._alone = alone
        self._hidden = hidden
        self._told = told
        self._begins = begins

    def __enter__(self) -> Context:
        outer = _layer.get()
        seen = outer.values
        if not self._hidden.isdisjoint(seen):
            seen = {key: value for key, value in seen.items() if key not in self._hidden}
        seen = self._values if self._alone else {**seen, **self._values}
        _layer.set(_Layer(seen, outer, self, self._own(outer.own)))
        return context

    def _own(self, before: frozenset[str]) -> frozenset[str]:
        if self._begins or self._alone:
            return frozenset()
        return (before.union(self._values) | self._hidden) - self._told

    def __exit__(self, *exception: object) -> None:
        # The layer knows what it covers: a token would be refused in another copy of the context. One that
        # was left open within this scope, as by a generator that nobody ends, goes with it.
        layer: _Layer | None = _layer.get()
        while layer is not None and layer.scope is not self:
            layer = layer.outer
        if layer is not None and layer.outer is not None:
            _layer.set(layer.outer)


class Missing:
    """The type of `MISSING`."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing()
"""What a watcher is told of a key that is not there."""

context: Final = Context()
"""What a body may know about its run."""


def snapshot() -> Mapping[str, Any]:
    """Return the present values, to be entered in another thread, process or worker.

    Example:
        >>> with context(key="abc"):
        ...     kept = snapshot()
        >>> with enter(kept):
        ...     context.key
        'abc'
    """
    return dict(_layer.get().values)


def enter(values: Mapping[str, Any]) -> Scope:
    """Return a context manager under which exactly the values of a snapshot are seen; none is one's own."""
    return Scope(values, alone=True)


def of_run(values: Mapping[str, Any]) -> Scope:
    """Return a context manager that adds the fields of a run, in the place of those of the run around it.

    Example:
        >>> with of_run({"task_name": "a", "task_loop_count": 2}), of_run({"task_name": "b"}):
        ...     context.task_name, context.get("task_loop_count", 1)
        ('b', 1)
    """
    return Scope(values, hidden=_OF_ONE_RUN, told=CLOCK)


def of_body(values: Mapping[str, Any]) -> Scope:
    """Return a context manager that adds what a body is shown as it begins, having set nothing itself."""
    return Scope(values, begins=True)


@contextmanager
def watched_by(watcher: Watcher) -> Generator[None]:
    """Tell `watcher` each key that is read, with its value or `MISSING`, but for what is set meanwhile.

    Example:
        >>> with context(year=2014), watched_by(lambda key, value: print(key, value)):
        ...     _ = context.year
        year 2014
    """
    outer = _watching.get()
    _watching.set(_Watching(watcher, _layer.get().own))
    try:
        yield
    finally:
        _watching.set(outer)


def date_fields(start: datetime | float) -> dict[str, Any]:
    """Return the fields that follow from the scheduled start of a run.

    Args:
        start: A datetime, or seconds since the epoch (then the days are those of local time).

    Returns:
        `date`, a datetime, and `today`, `yesterday`, `tomorrow` as texts, also without dashes
        (`today_nodash`, …).

    Example:
        >>> fields = date_fields(datetime(2024, 2, 29))
        >>> fields["today"], fields["tomorrow"], fields["yesterday_nodash"]
        ('2024-02-29', '2024-03-01', '20240228')
    """
    moment = start if isinstance(start, datetime) else datetime.fromtimestamp(start).astimezone()
    return {"date": moment, **_day_fields(moment.date())}


@lru_cache(maxsize=2)  # runs come day after day
def _day_fields(today: date) -> Mapping[str, str]:
    days = {name: (today + timedelta(days=days)).isoformat() for name, days in _DAYS}
    return {**days, **{f"{name}_nodash": day.replace("-", "") for name, day in days.items()}}
