"""The Stop button: real signals, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

LONG = 30

PRELUDE = """
import os, signal, sys, threading, time
from nbflow import Flow, flow, task
from nbflow.running.records import records_in, using
from nbflow.store.memory import MemoryStore
from nbflow.task_runners import InlineTaskRunner, ThreadPoolTaskRunner
from nbflow.triggers import all_finished

LEGAL = {"Completed", "Cancelled", "Failed", "TriggerFailed"}
begun, gate = threading.Event(), threading.Event()

def press():
    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

def press_when_begun():
    def wait():
        assert begun.wait(60)
        press()
    threading.Thread(target=wait, daemon=True).start()

def ends(history):
    runs = history.runs(limit=10**6)
    return {run.name: history.transitions(run.id)[-1].name for run in reversed(runs)}

def paths(history):
    found = {}
    for run in history.runs(limit=10**6):
        found[run.id] = []
    for entered in told:
        found[entered.spec.id].append(entered.state.name)
    return list(found.values())

@task
def quick(x=1):
    return x

@task
def rests(x=1):
    begun.set()
    while not gate.wait(0.01):
        pass

@task(trigger=all_finished)
def cleanup(x):
    print("must not begin")

records = records_in(MemoryStore())
history = records.history
told = []
records.journal.subscribe(told.append)
"""

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(sys.platform == "win32", reason="it has no such signals"),
]


def run(code: str) -> list[str]:
    """What a process prints that presses Stop upon itself.

    Code that Stop shall interrupt never waits for long: Python misses a signal that comes just when it
    begins to.
    """
    source = PRELUDE + textwrap.dedent(code)
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=LONG)
    assert done.stderr == ""
    assert done.returncode == 0
    return done.stdout.splitlines()


class TestGraph:
    """Stop in a graph of tasks."""

    @pytest.mark.parametrize("runner", ["InlineTaskRunner()", "ThreadPoolTaskRunner(2)"])
    def test_it_is_stopped_in_order(self, runner: str) -> None:
        """Nothing new starts, what ran is Cancelled, what has a result keeps it."""
        printed = run(f"""
        with Flow("graph", task_runner={runner}) as graph:
            cleanup(rests(quick()))
        with using(records):
            press_when_begun()
            try:
                graph.run()
            except KeyboardInterrupt:
                print("stopped", ends(history))
        gate.set()
        print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)
        """)
        expected = {"graph": "Cancelled", "quick": "Completed", "rests": "Cancelled"}
        assert printed == [f"stopped {expected}", "True"]

    def test_a_large_one_at_any_moment(self) -> None:
        """However the interrupt falls, each run has an end that is legal, and the process lives."""
        printed = run("""
        with Flow("graph") as graph:
            for n in range(300):
                quick(quick(n) if n % 10 == 0 else n)
        stopped = 0
        with using(records):
            for n in range(40):
                timer = threading.Timer(0.001 * n, press)
                try:
                    timer.start()
                    graph.run()
                    timer.join()
                    for _ in range(1000):
                        time.sleep(0.001)
                except KeyboardInterrupt:
                    stopped += 1
                timer.join()
        assert stopped == 40, stopped
        found = paths(history)
        assert all(path[-1] in LEGAL for path in found), [path for path in found if path[-1] not in LEGAL]
        print("all legal")
        """)
        assert printed == ["all legal"]


class TestFunction:
    """Stop in a function under `@flow`."""

    def test_threads_are_abandoned(self) -> None:
        """What rests in threads, waits for a place, or was called in a body ends at once."""
        printed = run("""
        @task
        def outer():
            rests()

        @flow(task_runner=ThreadPoolTaskRunner(1))
        def stopped():
            done = quick.submit(1)
            done.wait()
            futures = [outer.submit(), quick.with_options(name="queued").submit(2)]
            cleanup.submit(futures[0])
            futures[0].result()

        with using(records):
            press_when_begun()
            try:
                stopped()
            except KeyboardInterrupt:
                print(ends(history))
        gate.set()
        """)
        expected = dict.fromkeys(("stopped", "quick", "outer", "queued", "cleanup", "rests"), "Cancelled")
        assert printed == [str({**expected, "quick": "Completed"})]

    def test_while_it_waits_for_what_it_has_submitted(self) -> None:
        """Its body is over, and still it is stopped."""
        printed = run("""
        @flow
        def stopped():
            rests.submit()

        with using(records):
            press_when_begun()
            try:
                stopped()
            except KeyboardInterrupt:
                print(ends(history))
        gate.set()
        """)
        assert printed == [str({"stopped": "Cancelled", "rests": "Cancelled"})]

    def test_many_in_threads_at_any_moment(self) -> None:
        """However the interrupt falls, each run has an end that is legal, and the process lives."""
        printed = run("""
        @flow(task_runner=ThreadPoolTaskRunner(4))
        def stopped():
            futures = [quick.submit(n) for n in range(100)]
            return sum(future.result() for future in [quick.submit(future) for future in futures])

        stops = 0
        with using(records):
            for n in range(30):
                timer = threading.Timer(0.002 * n, press)
                try:
                    timer.start()
                    stopped()
                    timer.join()
                    for _ in range(1000):
                        time.sleep(0.001)
                except KeyboardInterrupt:
                    stops += 1
                timer.join()
        assert stops == 30, stops
        found = paths(history)
        assert all(path[-1] in LEGAL for path in found), [path for path in found if path[-1] not in LEGAL]
        print("all legal")
        """)
        assert printed == ["all legal"]

    def test_the_process_goes_on(self) -> None:
        """The same flow runs again, in the same runner."""
        printed = run("""
        runner = ThreadPoolTaskRunner(1)

        @flow(task_runner=runner)
        def again(task):
            return task.submit(7).result()

        with using(records):
            press_when_begun()
            try:
                again(rests)
            except KeyboardInterrupt:
                print("stopped")
            print(again(quick))
        gate.set()
        """)
        assert printed == ["stopped", "7"]

    def test_a_body_that_awaits(self) -> None:
        """It cleans up."""
        printed = run("""
        import asyncio

        @task
        async def awaiting():
            begun.set()
            try:
                while True:
                    await asyncio.sleep(0.01)
            finally:
                print("cleaned")

        @flow
        async def stopped():
            await awaiting()

        with using(records):
            press_when_begun()
            try:
                asyncio.run(stopped())
            except KeyboardInterrupt:
                print(ends(history))
        """)
        assert printed == ["cleaned", str({"stopped": "Cancelled", "awaiting": "Cancelled"})]


class TestMoment:
    """Where Stop interrupts."""

    def test_a_hook_that_hangs(self) -> None:
        """Is interrupted as the user's other code is."""
        printed = run("""
        def hangs(task, run, state):
            begun.set()
            while not gate.wait(0.01):
                pass

        @task(on_completion=[hangs])
        def hooked():
            return 7

        with using(records):
            press_when_begun()
            try:
                hooked()
            except KeyboardInterrupt:
                print(ends(history))
        """)
        assert printed == [str({"hooked": "Completed"})]

    def test_a_trigger_that_hangs(self) -> None:
        """Is interrupted after a while."""
        printed = run("""
        def hangs(upstream):
            begun.set()
            while True:
                time.sleep(0.01)

        with Flow("graph") as graph:
            cleanup.with_options(trigger=hangs)(quick())
        with using(records):
            press_when_begun()
            try:
                graph.run()
            except KeyboardInterrupt:
                print(ends(history))
        """)
        assert printed == [str({"graph": "Cancelled", "quick": "Completed", "cleanup": "Cancelled"})]

    def test_who_has_a_handler_of_his_own(self) -> None:
        """Keeps it."""
        printed = run("""
        signal.signal(signal.SIGINT, lambda *_: print("mine"))

        @flow
        def pressed():
            press()
            return signal.getsignal(signal.SIGINT).__name__

        with using(records):
            print(pressed())
        """)
        assert printed == ["mine", "<lambda>"]

    def test_one_that_does_not_come(self) -> None:
        """Stop that is pressed at the very end interrupts the cell there, and nothing after it."""
        printed = run("""
        def pressed(entered):
            if entered.spec.name == "ended" and entered.state.name == "Completed":
                press()

        @flow
        def ended():
            return 7

        records.journal.subscribe(pressed)
        with using(records):
            for _ in range(20):
                try:
                    ended()
                except KeyboardInterrupt:
                    print("stopped")
                for _ in range(20):
                    time.sleep(0.001)
        """)
        assert printed == ["stopped"] * 20


LOOP = """
import asyncio

def pressed(entered):
    if entered.spec.name == "rests" and entered.state.name == "Running":
        press()

@flow
async def blocking():
    try:
        rests()
    finally:
        print("cleans")
        for _ in range(50):
            time.sleep(0.001)
        print("cleaned")

@flow
async def waiting():
    rests.submit().result()

def hangs(upstream):
    press()
    while True:
        time.sleep(0.01)

@flow
async def triggered():
    cleanup.with_options(trigger=hangs)(quick())

def cells(*flows):
    async def cell(flow):
        task = asyncio.current_task()
        answer = lambda *_: asyncio.get_running_loop().call_soon(task.cancel)
        signal.signal(signal.SIGINT, answer)
        await flow()

    async def kernel():
        for flow in flows:
            try:
                await asyncio.ensure_future(cell(flow))
            except asyncio.CancelledError:
                print("stopped")
            signal.signal(signal.SIGINT, signal.default_int_handler)
            for _ in range(50):
                time.sleep(0.001)
        print("next")

    with using(records), asyncio.Runner() as runner:
        runner.get_loop().run_until_complete(kernel())
    gate.set()
"""


class TestLoop:
    """Stop in a cell that awaits, which the loop of its kernel is asked to cancel."""

    @pytest.mark.parametrize("flow", ["blocking", "waiting"])
    def test_pressed_at_the_wrong_moment(self, flow: str) -> None:
        """It comes again: a body that begins to block the loop keeps that from ever being asked."""
        printed = run(LOOP + f"\nrecords.journal.subscribe(pressed)\ncells({flow}, {flow})")
        cleaned = ["cleans", "cleaned"] if flow == "blocking" else []
        assert printed == [*cleaned, "stopped", *cleaned, "stopped", "next"]

    def test_a_trigger_that_hangs(self) -> None:
        """It is interrupted after a while, and the loop lives."""
        assert run(LOOP + "\ncells(triggered)") == ["stopped", "next"]
