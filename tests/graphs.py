"""Tasks with outcomes to order, and flows of them, for tests of graph flows."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from nbflow import Flow, task
from nbflow.engine.signals import ENDRUN, FAIL, PAUSE, SKIP, TRIGGERFAIL
from nbflow.running.records import records_in, using
from nbflow.states import Cancelled, Crashed
from nbflow.store.memory import MemoryStore
from nbflow.testing import FakeTimers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbflow import State, Task
    from nbflow.running.records import Records


@contextmanager
def in_memory() -> Iterator[Records]:
    """Runs are kept in memory, and time passes as soon as somebody waits."""
    with using(records_in(MemoryStore(), FakeTimers())) as records:
        yield records


@task
def ok(value: Any = 1):
    """Complete."""
    return value


@task
def fails(value: Any = None):
    """Fail."""
    raise ValueError("no")


@task
def trigger_fails():
    """End as TriggerFailed."""
    raise TRIGGERFAIL("not that")


@task
def cancelled():
    """End as Cancelled."""
    raise ENDRUN(Cancelled("enough"))


@task
def crashes():
    """End as Crashed."""
    raise ENDRUN(Crashed("the worker died"))


@task
def skips():
    """Be skipped."""
    raise SKIP("nothing to do")


@task
def pauses():
    """Wait for a person."""
    raise PAUSE("look at it")


@task
def odd(x: int):
    """Fail for even numbers."""
    if x % 2 == 0:
        raise FAIL(f"{x} is even")
    return x


@task
def inc(x: int):
    """Add one."""
    return x + 1


@task
def add(x: int, y: int):
    """Add."""
    return x + y


OUTCOMES = {
    "o": ok,
    "f": fails,
    "t": trigger_fails,
    "c": cancelled,
    "x": crashes,
    "s": skips,
    "p": pauses,
}


def below(outcomes: str, probe: Task) -> tuple[State, State]:
    """A task below others that end as the letters say: its state, and that of its flow.

    `M` is a mapped task of which one item fails, `m` one of which none does.
    """
    with Flow("below") as flow:
        before = [
            odd.map([1, 2] if letter == "M" else [1, 3]) if letter in "mM" else OUTCOMES[letter]()
            for letter in outcomes
        ]
        node = probe(upstream_tasks=before)
    state = flow.run()
    return state.result[node], state


def names(records: Records, of: str) -> list[str]:
    """The states that the last run of that name went through."""
    run = next(run for run in records.history.runs(limit=100_000) if run.name == of)
    return [each.name for each in records.history.transitions(run.id)]
