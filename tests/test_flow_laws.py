"""The laws of explicit flows, over random graphs: whatever drives them, they end alike and legally."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbflow import Flow, Task, context, flow, task
from nbflow.engine import transitions
from nbflow.engine.signals import FAIL, LOOP, PAUSE, RETRY, SKIP, SUCCESS
from nbflow.running.records import records_in, using
from nbflow.store.memory import MemoryStore
from nbflow.task_runners import ThreadPoolTaskRunner
from nbflow.testing import FakeTimers
from nbflow.triggers import (
    all_failed,
    all_finished,
    all_successful,
    any_failed,
    any_successful,
    not_all_skipped,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nbflow.engine.drive import Entered
    from nbflow.states import State

LONG = 60.0
MOST_CALLS = 8

OUTCOMES = st.sampled_from(
    [
        "return", "return", "return", ValueError("bad"), SystemExit(), SKIP(), FAIL(), RETRY(),
        LOOP(result=1), PAUSE(), SUCCESS(result=2),
    ]
)  # fmt: skip
TRIGGERS = st.sampled_from(
    [all_successful, all_successful, all_failed, all_finished, any_failed, any_successful, not_all_skipped]
)


@dataclass(frozen=True)
class Node:
    """One task of a plan.

    Args:
        needs: The numbers of the tasks before it.
        does: What its body does, call by call; afterwards it returns.
        options: Its options.
    """

    needs: tuple[int, ...]
    does: tuple[Any, ...]
    options: dict[str, Any]


@st.composite
def plans(draw: st.DrawFn) -> list[Node]:
    """A graph of some tasks, each needing some of those before it."""
    size = draw(st.integers(1, 7))
    return [
        Node(
            tuple(sorted(draw(st.sets(st.integers(0, number - 1), max_size=3)))) if number else (),
            tuple(draw(st.lists(OUTCOMES, max_size=3))),
            {
                "trigger": draw(TRIGGERS),
                "skip_on_upstream_skip": draw(st.booleans()),
                "retries": draw(st.integers(0, 2)),
                "retry_delay": draw(st.sampled_from([(), (5.0,)])),
            },
        )
        for number in range(size)
    ]


@dataclass
class Log:
    """What was entered, by run and in all, and what was called."""

    entered: list[Entered] = field(default_factory=list)
    calls: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    at_entry: Callable[[Entered], object] = repr
    lock: Any = field(default_factory=threading.Lock)

    def note(self, entered: Entered) -> None:
        """Subscribe to all states."""
        with self.lock:
            self.entered.append(entered)
        self.at_entry(entered)

    @property
    def paths(self) -> dict[str, list[State]]:
        """Name of each run to its states."""
        found: dict[str, list[State]] = defaultdict(list)
        for each in self.entered:
            found[each.spec.name].append(each.state)
        return dict(found)

    @property
    def names(self) -> dict[str, list[str]]:
        """Name of each run to the names of its states."""
        return {name: [state.name for state in path] for name, path in self.paths.items()}


def bodies(plan: list[Node], log: Log, *, awaiting: bool = False) -> list[Task]:
    """A task for each node; it notes its calls and does what is planned."""

    def act(number: int) -> str:
        name = f"t{number}"
        with log.lock:
            calls = log.calls[name]
            log.calls[name] += 1
        does = plan[number].does
        planned = does[calls] if calls < len(does) else "return"
        if isinstance(planned, BaseException):
            # Each raises one of its own: a signal may be changed by whoever obeys it.
            raise type(planned)(*planned.args, **_given(planned))
        return f"{name}:{context.task_run_count}"

    def made(number: int) -> Task:
        def plain(*upstream: object) -> str:
            return act(number)

        async def awaits(*upstream: object) -> str:
            await asyncio.sleep(0)
            return act(number)

        return task(awaits if awaiting else plain, name=f"t{number}", **plan[number].options)

    return [made(number) for number in range(len(plan))]


def _given(signal: BaseException) -> dict[str, Any]:
    return {"result": signal.result} if getattr(signal, "result", None) is not None else {}


def run_graph(plan: list[Node], log: Log, runner: Any = None) -> State:
    """The plan as a graph."""
    tasks = bodies(plan, log)
    with Flow("flow", task_runner=runner) as graph:
        nodes: list[Any] = []
        for number, node in enumerate(plan):
            nodes.append(tasks[number](*(nodes[need] for need in node.needs)))
    return recorded(log, graph.run)


def run_submitted(plan: list[Node], log: Log, runner: Any) -> State:
    """The plan as submitted calls of a function."""
    tasks = bodies(plan, log)

    @flow(name="flow", task_runner=runner)
    def function() -> str:
        futures: list[Any] = []
        for number, node in enumerate(plan):
            futures.append(tasks[number].submit(*(futures[need] for need in node.needs)))
        return "over"

    return recorded(log, lambda: function(return_state=True))


def run_awaited(plan: list[Node], log: Log) -> State:
    """The plan as awaited calls of an asynchronous function, all at a time."""
    tasks = bodies(plan, log, awaiting=True)

    @flow(name="flow")
    async def function() -> str:
        states: list[asyncio.Future[State]] = []

        async def one(number: int) -> State:
            before = [await states[need] for need in plan[number].needs]
            return await tasks[number](*before, return_state=True)

        states.extend(asyncio.ensure_future(one(number)) for number in range(len(plan)))
        await asyncio.gather(*states)
        return "over"

    return recorded(log, lambda: asyncio.run(function(return_state=True)))


def recorded(log: Log, run: Callable[[], State]) -> State:
    """Run with records in memory and a clock that waits for nobody."""
    with using(records_in(MemoryStore(), FakeTimers())) as records:
        records.journal.subscribe(log.note)
        return run()


def check_paths(plan: list[Node], log: Log) -> None:
    """Each history is legal, with attempts within bounds, and begins only after those before it."""
    position = {id(each): place for place, each in enumerate(log.entered)}
    ended: dict[str, int] = {}
    began: dict[str, int] = {}
    for each in log.entered:
        place, name = position[id(each)], each.spec.name
        assert transitions.is_legal(each.old, each.state)
        if each.state.is_final() or each.state.is_paused():
            ended[name] = place
        if each.state.name == "Running":
            began.setdefault(name, place)
    for number, node in enumerate(plan):
        name = f"t{number}"
        asked = sum(isinstance(each, (RETRY, LOOP)) for each in node.does)
        assert log.calls.get(name, 0) <= 1 + asked + node.options["retries"] * (1 + asked) <= MOST_CALLS * 2
        if name in began:
            assert all(ended[f"t{need}"] < began[name] for need in node.needs)
            assert all(log.paths[f"t{need}"][-1].is_final() for need in node.needs)


@pytest.fixture(autouse=True, scope="module")
def quiet() -> Iterator[None]:
    """Thousands of failures are played here, and nobody reads a line about each."""
    logger = logging.getLogger("nbflow")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    yield
    logger.setLevel(level)


class TestAlike:
    """Whatever drives a graph, each run takes the same path."""

    @settings(max_examples=150)
    @given(plans())
    def test_inline(self, plan: list[Node]) -> None:
        """Legally, in order, within bounds."""
        log = Log()
        state = run_graph(plan, log)
        check_paths(plan, log)
        # A graph that waits for a person is told as Running and kept as Paused, so that it can go on.
        assert log.names["flow"][-1] == {"Running": "Paused"}.get(state.name, state.name)
        assert all(len(path) for path in log.paths.values())

    @settings(max_examples=60)
    @given(plans(), st.sampled_from([1, 2, 8]))
    def test_threads(self, plan: list[Node], workers: int) -> None:
        """As inline: the same states, the same calls, the same end."""
        inline, threads = Log(), Log()
        first = run_graph(plan, inline)
        second = run_graph(plan, threads, ThreadPoolTaskRunner(workers))
        check_paths(plan, threads)
        assert threads.names == inline.names
        assert threads.calls == inline.calls
        assert (first.name, first.message) == (second.name, second.message)

    @settings(max_examples=60)
    @given(plans(), st.sampled_from([1, 2, 8]))
    def test_submitted(self, plan: list[Node], workers: int) -> None:
        """The tasks of a function take the paths of those of a graph."""
        inline, threads = Log(), Log()
        run_graph(plan, inline)
        run_submitted(plan, threads, ThreadPoolTaskRunner(workers))
        check_paths(plan, threads)
        assert tasks_only(threads.names) == tasks_only(inline.names)

    @settings(max_examples=60)
    @given(plans())
    def test_awaited(self, plan: list[Node]) -> None:
        """And so do those that await."""
        inline, loop = Log(), Log()
        run_graph(plan, inline)
        run_awaited(plan, loop)
        check_paths(plan, loop)
        assert tasks_only(loop.names) == tasks_only(inline.names)


class TestStopped:
    """A stop at any moment."""

    @settings(max_examples=100)
    @given(plans(), st.integers(0, 40), st.sampled_from([None, 1, 2, 8]))
    def test_a_flow_that_is_interrupted(self, plan: list[Node], moment: int, workers: int | None) -> None:
        """All runs end legally, and nothing begins afterwards."""
        runner = ThreadPoolTaskRunner(workers) if workers else None
        log, main = Log(), threading.main_thread()
        stopped_at: list[int] = []

        def press(entered: Entered) -> None:
            if len(log.entered) > moment and not stopped_at and threading.current_thread() is main:
                stopped_at.append(len(log.entered))
                raise KeyboardInterrupt

        log.at_entry = press
        try:
            run_graph(plan, log, runner)
        except KeyboardInterrupt:
            assert stopped_at
        check_ended(plan, log)

    @settings(max_examples=100)
    @given(plans(), st.integers(0, 40), st.sampled_from([1, 2, 8]))
    def test_a_flow_that_is_cancelled_from_elsewhere(
        self, plan: list[Node], moment: int, workers: int
    ) -> None:
        """Its runs end with it, wherever they stand."""
        log = Log()
        tasks = bodies(plan, log)
        stop: list[Any] = []

        @task(name="inner")
        def inner() -> None:
            futures: list[Any] = []
            for number, node in enumerate(plan):
                futures.append(tasks[number].submit(*(futures[need] for need in node.needs)))
            for each in futures:
                each.wait()

        @flow(name="flow", task_runner=ThreadPoolTaskRunner(workers))
        def outer() -> str:
            future = inner.submit()
            stop.append(future)
            future.wait()
            return "over"

        def cancel(entered: Entered) -> None:
            if len(log.entered) > moment and stop:
                stop[0].cancel("enough")

        log.at_entry = cancel
        recorded(log, lambda: outer(return_state=True))
        check_ended(plan, log)

    @settings(max_examples=60)
    @given(plans(), st.integers(0, 40))
    def test_an_asynchronous_flow_that_is_cancelled(self, plan: list[Node], moment: int) -> None:
        """Its runs end with it."""
        log = Log()
        running: list[asyncio.Task[Any]] = []

        def cancel(entered: Entered) -> None:
            if len(log.entered) > moment and running:
                running[0].cancel()

        async def main(awaited: Any) -> Any:
            running.append(asyncio.ensure_future(awaited))
            return await asyncio.wait(running)

        log.at_entry = cancel
        tasks = bodies(plan, log, awaiting=True)

        @flow(name="flow")
        async def function() -> None:
            for number in range(len(plan)):
                await tasks[number](return_state=True)

        recorded(log, lambda: asyncio.run(main(function(return_state=True))))
        check_ended(plan, log)


def tasks_only(names: dict[str, list[str]]) -> dict[str, list[str]]:
    """The paths of the tasks, without that of the flow.

    In a graph, what is below a task that waits for a person has no run yet; else it is Pending.
    """
    return {name: path for name, path in names.items() if name != "flow" and path != ["Pending"]}


def check_ended(plan: list[Node], log: Log) -> None:
    """Every run has an end that is legal, and none goes on after the flow but where it waits for a person."""
    for each in log.entered:
        assert transitions.is_legal(each.old, each.state)
    paths = log.paths
    waits = {name for name, path in paths.items() if path[-1].is_paused()}
    for name, path in sorted(paths.items()):
        number = int(name[1:]) if name[1:].isdecimal() else None
        if number is not None and any(f"t{need}" in waits for need in plan[number].needs):
            waits |= {name} if path[-1].is_pending() else set()
        assert path[-1].is_final() or name in waits, (name, path)
    assert log.entered[-1].spec.name in ("flow", "inner") or not log.paths["flow"][-1].is_cancelled()
