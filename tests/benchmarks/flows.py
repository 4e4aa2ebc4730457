"""Explicit flows: what nbflow adds to each run, with all states recorded.

The floor is a loop of plain calls in the same run.
"""

from __future__ import annotations

import gc
import tracemalloc
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from nbflow import Flow, context, flow, task
from nbflow.engine.signals import LOOP
from nbflow.running.records import records_in, using
from nbflow.store.memory import MemoryStore
from nbflow.task_runners import ThreadPoolTaskRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from nbflow.running.records import Records

TASKS, ITEMS, CHAIN, ITERATIONS = 1_000, 10_000, 5_000, 100_000


def plain(x: int = 1) -> int:
    """What each task does."""
    return x + 1


one = task(plain)


@contextmanager
def recorded() -> Generator[Records]:
    """New records in memory."""
    with using(records_in(MemoryStore())) as records:
        yield records


def independent() -> Flow:
    """A graph of independent tasks."""
    with Flow("independent") as graph:
        for number in range(TASKS):
            one(number)
    return graph


def chained() -> Flow:
    """A graph in which each task needs the one before."""
    with Flow("chained") as graph:
        last: Any = one(0)
        for _ in range(CHAIN - 1):
            last = one(last)
    return graph


@flow
def calling() -> None:
    """Calls tasks one by one."""
    for number in range(TASKS):
        one(number)


@flow(task_runner=ThreadPoolTaskRunner(2))
def submitting() -> None:
    """Submits tasks to threads."""
    for number in range(TASKS):
        one.submit(number)


@flow(task_runner=ThreadPoolTaskRunner(2))
def mapping() -> int:
    """Maps over many items."""
    return len(one.map(range(ITEMS)).result())


@task
def looping() -> int:
    """Iterate."""
    count: int = context.get("task_loop_count", 1)
    if count % (ITERATIONS // 2) == 0:
        gc.collect()
        SIZES.append(tracemalloc.get_traced_memory()[0])
    if count == ITERATIONS:
        return count
    raise LOOP(result=count)


SIZES: list[int] = []


def loop() -> float:
    """Bytes that each iteration of LOOP leaves behind, unrecorded: a history grows as it should."""
    SIZES.clear()
    tracemalloc.start()
    try:
        if looping() != ITERATIONS:
            raise AssertionError("it did not iterate to its end")
    finally:
        tracemalloc.stop()
    return (SIZES[1] - SIZES[0]) / (ITERATIONS / 2)


def run(function: Callable[[], object]) -> Callable[[], object]:
    """Run with new records, and be sure that nothing is left open."""

    def recorded_run() -> object:
        with recorded() as records:
            found = function()
            if len(records.history.runs(limit=ITEMS * 2)) < TASKS:
                raise AssertionError("not all runs were recorded")
        return found

    return recorded_run
