"""Stop in a real kernel while an explicit flow runs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.kernels import Kernel, Shown

SETUP = """
import time
from nbflow import Flow, flow, task
from nbflow.running.records import records_in, using
from nbflow.store.memory import MemoryStore
from nbflow.task_runners import InlineTaskRunner, ThreadPoolTaskRunner
from nbflow.triggers import all_finished

given = using(records_in(MemoryStore()))
history = given.__enter__().history

def ends():
    runs = history.runs(limit=10**6)
    return {run.name: history.transitions(run.id)[-1].name for run in runs}

@task
def quick():
    return 7

@task
def rests(x):
    print("begun", flush=True)
    for _ in range(600):
        time.sleep(0.05)

@task(trigger=all_finished)
def cleanup(x):
    print("must not begin")
"""

GRAPH = """
with Flow("graph", task_runner={runner}) as graph:
    cleanup(rests(quick()))
graph.run()
"""

FUNCTION = """
@flow(task_runner={runner})
def function():
    cleanup.submit(rests.submit(quick()))

function()
"""


@pytest.fixture
def flows(kernel: Kernel) -> Kernel:
    """The kernel, with tasks and a history of their own."""
    assert not kernel.execute(SETUP).error
    return kernel


def stopped(kernel: Kernel, code: str) -> Shown:
    """Press Stop when a task has begun."""
    pressed: list[bool] = []

    def press(shown: Shown) -> None:
        if "begun" in shown.text and not pressed:
            pressed.append(True)
            kernel.manager.interrupt_kernel()

    shown = kernel.collect(kernel.send(code), press)
    assert pressed
    return shown


@pytest.mark.process
@pytest.mark.parametrize("code", [GRAPH, FUNCTION], ids=["graph", "function"])
@pytest.mark.parametrize("runner", ["InlineTaskRunner()", "ThreadPoolTaskRunner(1)"])
def test_the_kernel_survives_and_all_runs_have_an_end(flows: Kernel, code: str, runner: str) -> None:
    """What is finished stays, nothing new begins, and the next cell runs."""
    shown = stopped(flows, code.format(runner=runner))
    assert shown.error.startswith("KeyboardInterrupt")
    assert "must not begin" not in shown.text
    assert not {"/nbflow/", "threading.py"} & set(re.findall(r"/nbflow/|threading\.py", shown.traceback))
    assert code.splitlines()[-1] in shown.traceback
    found = flows.ask("ends()")
    assert found.pop("quick") == "Completed"
    assert set(found.values()) == {"Cancelled"}
    assert flows.ask("quick()") == 7


def test_between_cells_after_one_that_failed(flows: Kernel) -> None:
    """A button, for one, may read tasks whatever became of the cell before."""
    flows.execute("%load_ext nbflow")
    flows.execute(SETUP)
    assert flows.execute("1 / 0").error.startswith("ZeroDivisionError")
    assert flows.ask("quick()") == 7


AWAITED = """
import asyncio

@task
async def naps():
    print("begun", flush=True)
    await asyncio.sleep(600)

@flow
async def awaiting():
    await naps()

@flow
async def waiting():
    naps.submit().result()

@flow
async def blocking():
    rests(quick())
"""


@pytest.mark.process
@pytest.mark.parametrize("flow", ["awaiting", "waiting", "blocking"])
def test_an_awaited_flow(flows: Kernel, flow: str) -> None:
    """It hears Stop although its loop sleeps, or is blocked by what waits or works."""
    flows.execute(AWAITED)
    assert stopped(flows, f"await {flow}()").error.startswith("CancelledError")
    found = flows.ask("ends()")
    found.pop("quick", "")
    assert (len(found), set(found.values())) == (2, {"Cancelled"})


@pytest.mark.process
@pytest.mark.parametrize("rest", ["await asyncio.sleep(600)"])
def test_a_task_that_awaits(flows: Kernel, rest: str) -> None:
    """Its cell says what every stopped cell says."""
    flows.execute("%load_ext nbflow\nimport asyncio")
    shown = stopped(flows, f"#@task long_{len(rest)}\nprint('begun', flush=True)\n{rest}")
    assert shown.error.startswith("KeyboardInterrupt")
    assert flows.ask("quick()") == 7


def pressed_beside(kernel: Kernel, code: str) -> Shown:
    """The same; a kernel whose loop sleeps hears Stop with the next message."""
    pressed: list[bool] = []

    def press(shown: Shown) -> None:
        if "begun" in shown.text and not pressed:
            pressed.append(True)
            kernel.manager.interrupt_kernel()
            kernel.client.is_complete("1")

    return kernel.collect(kernel.send(code), press)


AWAITING = """
import asyncio
n = 2
rest = asyncio.ensure_future(asyncio.sleep(600))
print("begun", flush=True)
await rest
"""


@pytest.fixture
def followed(kernel: Kernel) -> Iterator[Kernel]:
    """The kernel, while nbflow follows its cells."""
    kernel.execute("%load_ext nbflow")
    yield kernel
    kernel.execute("%unload_ext nbflow")


@pytest.mark.process
def test_a_plain_cell_that_awaits(followed: Kernel) -> None:
    """It was stopped, which is no failure; one whose own code cancels what it awaits has failed."""
    assert pressed_beside(followed, AWAITING).error.startswith("CancelledError")
    followed.execute("#@task reader\nreader = n")
    assert re.search(r"last run of cell \[\d+\] was stopped", followed.execute("%flow why reader").text)
    followed.execute(AWAITING.replace("print", "rest.cancel() or print"))
    followed.execute("#@task other\nother = n")
    assert re.search(r"cell \[\d+\] failed: CancelledError", followed.execute("%flow why other").text)
