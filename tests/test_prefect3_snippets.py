"""What a user of Prefect 3 writes runs with nothing but the import changed."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import pytest

from nbflow.exceptions import ParameterTypeError, TaskTimeoutError
from nbflow.running.records import records_in, using
from nbflow.store.memory import MemoryStore
from nbflow.testing import FakeTimers

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _records() -> Iterator[None]:
    with using(records_in(MemoryStore(), FakeTimers())):
        yield


def run(snippet: str) -> dict[str, Any]:
    """The names that a snippet leaves, after `prefect` was replaced where it is imported."""
    names: dict[str, Any] = {"__name__": "snippet"}
    text = re.sub(r"(?m)^from prefect\b", "from nbflow", snippet)
    text = re.sub(r"(?m)^import prefect$", "import nbflow as prefect", text)
    exec(compile(text, "<snippet>", "exec", dont_inherit=True), names)
    return names


class TestHooks:
    """State change hooks."""

    def test_a_flow_that_succeeds(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Its hook is called with flow, run and state."""
        run("""
from prefect import flow

def my_success_hook(flow, flow_run, state):
    print("Flow run succeeded!")

@flow(on_completion=[my_success_hook])
def my_flow():
    return 42

my_flow()
""")
        assert capsys.readouterr().out == "Flow run succeeded!\n"

    @pytest.mark.parametrize(
        ("body", "told"),
        [
            ("return 1", "Task run succeeded!\nIf the task run succeeds or fails, this hook runs.\n"),
            ("raise ValueError", "Task run failed!\nIf the task run succeeds or fails, this hook runs.\n"),
        ],
    )
    def test_several_hooks(self, body: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
        """One of them for two states."""
        run(f"""
from prefect import flow, task

def my_success_hook(task, task_run, state):
    print("Task run succeeded!")

def my_failure_hook(task, task_run, state):
    print("Task run failed!")

def my_succeed_or_fail_hook(task, task_run, state):
    print("If the task run succeeds or fails, this hook runs.")

@task(
    on_completion=[my_success_hook, my_succeed_or_fail_hook],
    on_failure=[my_failure_hook, my_succeed_or_fail_hook]
)
def my_task():
    {body}

@flow
def my_flow():
    my_task(return_state=True)

my_flow()
""")
        assert capsys.readouterr().out == told

    def test_a_hook_with_arguments_of_its_own(self) -> None:
        """And a failing task in a flow that completes."""
        names = run("""
from functools import partial
from prefect import flow, task

data = {}

def my_hook(task, task_run, state, **kwargs):
    data.update(state=state, **kwargs)

@task
def bad_task():
    raise ValueError("meh")

@flow
def ok_with_failure_flow(x: str = "foo", y: int = 42):
    bad_task_with_a_hook = bad_task.with_options(
        on_failure=[partial(my_hook, **dict(x=x, y=y))]
    )
    # a tuple of "bar" and the task run's state does not raise the task's exception
    return "bar", bad_task_with_a_hook(return_state=True)

_, task_run_state = ok_with_failure_flow()
assert data == {"x": "foo", "y": 42, "state": task_run_state}
state = ok_with_failure_flow(return_state=True)
""")
        assert names["state"].is_completed()
        assert names["task_run_state"].is_failed()

    def test_decorators(self) -> None:
        """On tasks and flows."""
        names = run("""
from prefect import flow, task

told = []

@task
def nice_task(name: str):
    return f"Hello {name}!"

@nice_task.on_completion
def log_it(task, task_run, state):
    told.append((task.name, state.name))

@flow
def nice_flow():
    return nice_task("Marvin")

@nice_flow.on_completion
def log_flow(flow, flow_run, state):
    told.append((flow.name, state.name))

nice_flow()
""")
        assert names["told"] == [("nice_task", "Completed"), ("nice-flow", "Completed")]


class TestOptions:
    """The settings of flows and tasks."""

    def test_of_a_flow(self) -> None:
        """All that the documents list."""
        names = run("""
from prefect import flow
from prefect.task_runners import ThreadPoolTaskRunner

@flow(
    name="My Flow",
    description="An example flow for a tutorial.",
    flow_run_name="{name}-on-{date:%A}",
    retries=2,
    retry_delay_seconds=5,
    timeout_seconds=60,
    task_runner=ThreadPoolTaskRunner(max_workers=2),
    validate_parameters=True,
    log_prints=False,
    persist_result=False,
    version="1.2",
)
def my_flow(name: str, date):
    return prefect.context.flow_run_name

import prefect
from datetime import datetime

called = my_flow(name="marvin", date=datetime(2024, 2, 29))
""")
        assert names["called"] == "marvin-on-Thursday"
        assert names["my_flow"].description == "An example flow for a tutorial."

    def test_of_a_task(self) -> None:
        """All that the documents list."""
        names = run("""
import prefect
from prefect import flow, task

@task(
    name="hello-task",
    description="This task says hello.",
    task_run_name="hello-{name}-on-{place!r}",
    tags=["greetings"],
    version="1",
    retries=2,
    retry_delay_seconds=[1, 10, 100],
    retry_jitter_factor=0.5,
    timeout_seconds=1,
    log_prints=False,
)
def say_hello(name, place="earth"):
    return prefect.context.task_run_name, sorted(prefect.context.task_tags)

@flow
def greet():
    with prefect.tags("tutorial"):
        return say_hello("Marvin")

called = greet()
""")
        assert names["called"] == ("hello-Marvin-on-'earth'", ["greetings", "tutorial"])

    def test_a_name_by_a_function(self) -> None:
        """That asks for the parameters."""
        names = run("""
import prefect
from prefect import flow, task

def generate_task_name(parameters):
    return f"{parameters['name']}-is-{len(parameters['name'])}-long"

def generate_flow_run_name():
    return f"{prefect.context.flow_name}-with-{prefect.context.parameters['name']}"

@task(task_run_name=generate_task_name)
def named(name):
    return prefect.context.task_run_name

@flow(flow_run_name=generate_flow_run_name)
def my_flow(name: str):
    return prefect.context.flow_run_name, named(name)

called = my_flow("marvin")
""")
        assert names["called"] == ("my-flow-with-marvin", "marvin-is-6-long")

    def test_retries(self) -> None:
        """With growing delays, and a condition."""
        names = run("""
from prefect import flow, task
from prefect.tasks import exponential_backoff

attempts = []

def retry_handler(task, task_run, state) -> bool:
    try:
        state.value()
    except ConnectionError:
        return True
    except Exception:
        return False

@task(retries=3, retry_delay_seconds=exponential_backoff(backoff_factor=10), retry_condition_fn=retry_handler)
def my_api_call_task(error):
    attempts.append(error)
    raise error

@flow
def get_data_flow():
    my_api_call_task(ConnectionError("away"), return_state=True)
    my_api_call_task(KeyError("gone"), return_state=True)
    return len(attempts)

called = get_data_flow()
""")
        assert names["called"] == 5

    @pytest.mark.parametrize("what", ["task", "flow"])
    def test_a_limit(self, what: str) -> None:
        """The run has failed then."""
        names = run(f"""
from prefect import {what}

@{what}(timeout_seconds=0.05, name="show me")
def show():
    while True:
        pass

state = show(return_state=True)
""")
        assert names["state"].is_failed()
        with pytest.raises(TaskTimeoutError, match=r"'show me' reached its limit of 0.05 s"):
            names["show"]()

    def test_validation(self) -> None:
        """Models and plain types."""
        names = run("""
from prefect import flow
from pydantic import BaseModel

class Model(BaseModel):
    a: int
    b: float
    c: str

@flow
def model_validator(model: Model, times: int = 1):
    return model.a * times

called = model_validator({"a": "42", "b": 0, "c": "txt"}, times="2")
""")
        assert names["called"] == 84
        with pytest.raises(ParameterTypeError, match=r"refuses model\.c: Field required"):
            names["model_validator"]({"a": 1, "b": 0})


class TestComposition:
    """Tasks and flows in flows."""

    def test_futures(self) -> None:
        """Submitted, mapped, waited for."""
        names = run("""
from prefect import flow, task, unmapped
from prefect.futures import as_completed, wait
from prefect.task_runners import ThreadPoolTaskRunner

@task
def add(x, y=1):
    return x + y

@flow(task_runner=ThreadPoolTaskRunner(max_workers=3))
def my_flow(n: int):
    first = add.submit(1)
    second = add.submit(first, y=2)
    third = add.submit(3, wait_for=[second])
    mapped = add.map(range(n), unmapped(second))
    wait([first, second, third])
    done = sorted(each.result() for each in as_completed(mapped))
    return second.result(), third.result(), mapped.result(), done

called = my_flow(3)
""")
        assert names["called"] == (4, 4, [4, 5, 6], [4, 5, 6])

    def test_failures(self) -> None:
        """Allowed, caught and asked for."""
        names = run("""
from prefect import allow_failure, flow, task
from prefect.states import Completed, Failed

@task
def always_fails_task():
    raise ValueError("I fail successfully")

@task
def always_succeeds_task():
    return "foo"

@task
def copes(error):
    return type(error).__name__

@flow
def always_succeeds_flow():
    return copes(allow_failure(always_fails_task.submit()))

@flow
def always_fails_flow():
    x = always_fails_task(return_state=True)
    y = always_succeeds_task(return_state=True)
    return x, y

@flow
def chooses(state):
    if always_fails_task(return_state=True).is_failed():
        return Completed(message="I decided so")
    return Failed(message="How did this happen!?")

copied = always_succeeds_flow()
states = always_fails_flow(return_state=True)
chosen = chooses(1, return_state=True)
""")
        assert names["copied"] == "ValueError"
        assert names["states"].is_failed()
        assert names["chosen"].is_completed()
        assert names["chosen"].message.startswith("I decided so")

    def test_child_flows(self) -> None:
        """Each has a run; a child's failure is its parent's matter."""
        names = run("""
from prefect import flow, task

@task(name="Print Hello")
def print_hello(name):
    return f"Hello {name}!"

@flow(name="Subflow")
def my_subflow(msg):
    return f"Subflow says: {msg}"

@flow(name="Hello Flow")
def hello_world(name="world"):
    message = print_hello(name)
    return my_subflow(message)

called = hello_world("Marvin")
""")
        assert names["called"] == "Subflow says: Hello Marvin!"

    def test_asynchronous(self) -> None:
        """Flows, tasks and generators."""
        names = run("""
import asyncio
from prefect import flow, task

@task
async def print_values(values):
    got = []
    for value in values:
        await asyncio.sleep(0)
        got.append(value)
    return got

@task
async def numbers(n: int):
    for each in range(n):
        yield each

@flow
async def async_flow():
    plain = await print_values([1, 2])
    both = await asyncio.gather(print_values("abc"), print_values("de"))
    return plain, both, [each async for each in numbers(2)]
""")
        assert asyncio.run(names["async_flow"]()) == ([1, 2], [list("abc"), list("de")], [0, 1])

    def test_logs(self, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> None:
        """Of runs, and prints that go there."""
        with caplog.at_level("INFO"):
            run("""
from prefect import flow, task
from prefect.logging import get_run_logger

@task
def logger_task():
    logger = get_run_logger()
    logger.info("INFO level log message from a task.")

@flow(log_prints=True)
def logger_flow():
    print("we're logging print statements from a flow")
    logger_task()

logger_flow()
""")
        assert [each.getMessage() for each in caplog.records] == [
            "we're logging print statements from a flow",
            "INFO level log message from a task.",
        ]
        assert capsys.readouterr().out == ""
