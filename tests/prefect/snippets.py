"""Forty snippets as a user of Prefect 3 writes them; each tells what happened by `say`.

`prefect` stands for the library under test, `say` notes a line, `value_of` gives what a state holds: Prefect
spells it `state.result(raise_on_failure=False)`, nbflow `state.value(raise_on_failure=False)`.
"""

from __future__ import annotations

from textwrap import dedent
from typing import Final

SNIPPETS: Final[dict[str, str]] = {}


def _add(name: str, code: str) -> None:
    SNIPPETS[name] = dedent(code)


_add(
    "a flow returns what its function returns",
    """
    @task
    def double(x): return 2 * x
    @flow
    def total(n): return sum(double(x) for x in range(n))
    say(total(4))
    """,
)
_add(
    "a flow that raises",
    """
    @flow
    def bad(): raise KeyError("k")
    state = bad(return_state=True)
    say(state.name, state.type.name, repr(value_of(state)))
    """,
)
_add(
    "the error of a task passes through the flow",
    """
    @task
    def bad(): raise ValueError("meh")
    @flow
    def outer(): bad()
    try: outer()
    except ValueError as error: say("raised", error)
    """,
)
_add(
    "a failed task whose state is asked for fails no flow",
    """
    @task
    def bad(): raise ValueError("meh")
    @flow
    def outer():
        state = bad(return_state=True)
        return state.is_failed()
    say(outer())
    """,
)
_add(
    "a value beside a failed state decides nothing",
    """
    @task
    def bad(): raise ValueError("meh")
    @flow
    def outer(): return "bar", bad(return_state=True)
    word, state = outer()
    say(word, state.name)
    """,
)
_add(
    "returned states decide",
    """
    @task
    def good(): return 1
    @task
    def bad(): raise ValueError("meh")
    @flow
    def outer(): return [good(return_state=True), bad(return_state=True)]
    state = outer(return_state=True)
    say(state.name, state.type.name)
    """,
)
_add(
    "a returned future decides",
    """
    @task
    def bad(): raise ValueError("meh")
    @flow
    def outer(): return bad.submit()
    say(outer(return_state=True).name)
    """,
)
_add(
    "a submitted task that fails unwatched",
    """
    @task
    def bad(): raise ValueError("meh")
    @flow
    def outer(): bad.submit()
    say(outer(return_state=True).name)
    """,
)
_add(
    "a flow returns a state made by hand",
    """
    from prefect.states import Completed, Failed
    @flow
    def outer(good):
        return Completed(message="fine") if good else Failed(message="no")
    say(outer(True, return_state=True).message, outer(False, return_state=True).name)
    """,
)
_add(
    "a cancelled state among those returned",
    """
    from prefect.states import Cancelled, Completed
    @task
    def t(): return 1
    @flow
    def outer(): return [t(return_state=True), Cancelled()]
    say(outer(return_state=True).name)
    """,
)
_add(
    "futures give results",
    """
    @task
    def add(x, y): return x + y
    @flow
    def outer():
        one = add.submit(1, 2)
        other = add.submit(one, 10)
        return other.result()
    say(outer())
    """,
)
_add(
    "a future in a list in a dictionary is waited for",
    """
    @task
    def one(): return 1
    @task
    def total(parts): return sum(parts["a"]) + parts["b"]
    @flow
    def outer(): return total({"a": [one.submit(), one.submit()], "b": 5})
    say(outer())
    """,
)
_add(
    "map with a constant",
    """
    from prefect import unmapped
    @task
    def scale(x, by): return x * by
    @flow
    def outer(): return scale.map([1, 2, 3], by=unmapped(10)).result()
    say(outer())
    """,
)
_add(
    "map with unequal lengths",
    """
    @task
    def add(x, y): return x + y
    @flow
    def outer(): return add.map([1, 2], [1, 2, 3]).result()
    try: outer()
    except Exception as error: say("refused")
    """,
)
_add(
    "one failed item of a map",
    """
    @task
    def invert(x): return 1 / x
    @flow
    def outer():
        found = invert.map([1, 0, 4]).result(raise_on_failure=False)
        return [type(each).__name__ for each in found]
    say(outer())
    """,
)
_add(
    "map over what another map made",
    """
    @task
    def inc(x): return x + 1
    @flow
    def outer(): return inc.map(inc.map([1, 2])).result()
    say(outer())
    """,
)
_add(
    "wait and as_completed",
    """
    from prefect.futures import as_completed, wait
    @task
    def inc(x): return x + 1
    @flow
    def outer():
        futures = [inc.submit(x) for x in range(3)]
        done, not_done = wait(futures)
        return len(done), len(not_done), sorted(each.result() for each in as_completed(futures))
    say(outer())
    """,
)
_add(
    "order without data",
    """
    seen = []
    @task
    def first(): seen.append("first")
    @task
    def second(): seen.append("second")
    @flow
    def outer(): second.submit(wait_for=[first.submit()]).wait()
    outer()
    say(seen)
    """,
)
_add(
    "below a failed task nothing runs",
    """
    ran = []
    @task
    def bad(): raise ValueError("meh")
    @task
    def below(x): ran.append(x)
    @flow
    def outer():
        future = below.submit(bad.submit())
        future.wait()
        return future.state.is_completed()
    say(outer(), ran)
    """,
)
_add(
    "allow_failure passes the exception",
    """
    from prefect import allow_failure
    @task
    def bad(): raise ValueError("meh")
    @task
    def below(x): return type(x).__name__
    @flow
    def outer(): return below.submit(allow_failure(bad.submit())).result()
    say(outer())
    """,
)
_add(
    "quote passes what it is given",
    """
    from prefect.utilities.annotations import quote
    @task
    def kind(x): return type(x).__name__
    @flow
    def outer(): return kind(quote([1, 2]))
    say(outer())
    """,
)
_add(
    "retries",
    """
    tries = []
    @task(retries=2)
    def flaky():
        tries.append(1)
        if len(tries) < 3: raise ValueError("not yet")
        return len(tries)
    @flow
    def outer(): return flaky()
    say(outer())
    """,
)
_add(
    "retries that were not enough",
    """
    tries = []
    @task(retries=1)
    def flaky():
        tries.append(1)
        raise ValueError("never")
    @flow
    def outer(): return flaky(return_state=True).name
    say(outer(), len(tries))
    """,
)
_add(
    "a condition for retries",
    """
    tries = []
    def only_values(task, task_run, state):
        try: state.result() if hasattr(state, "aresult") else state.value()
        except ValueError: return True
        except Exception: return False
    @task(retries=5, retry_condition_fn=only_values)
    def flaky():
        tries.append(1)
        raise (ValueError if len(tries) < 3 else TypeError)("x")
    @flow
    def outer(): return flaky(return_state=True).name
    say(outer(), len(tries))
    """,
)
_add(
    "a flow is tried again",
    """
    tries = []
    @flow(retries=1)
    def flaky():
        tries.append(1)
        if len(tries) < 2: raise ValueError("not yet")
        return "done"
    say(flaky(), len(tries))
    """,
)
_add(
    "a limit of time",
    """
    import time
    @task(timeout_seconds=0.2)
    def slow(): time.sleep(5)
    @flow
    def outer(): return slow(return_state=True).name
    say(outer())
    """,
)
_add(
    "hooks of a task",
    """
    seen = []
    def done(task, run, state): seen.append((task.name, state.name))
    @task(on_completion=[done])
    def good(): return 1
    @task(on_failure=[done])
    def bad(): raise ValueError("meh")
    @flow
    def outer(): good(); bad(return_state=True)
    outer()
    say(seen)
    """,
)
_add(
    "hooks with more arguments",
    """
    from functools import partial
    data = {}
    def hook(task, task_run, state, **kwargs): data.update(state=state.name, **kwargs)
    @task
    def bad(): raise ValueError("meh")
    @flow
    def ok_with_failure(x="foo", y=42):
        hooked = bad.with_options(on_failure=[partial(hook, **dict(x=x, y=y))])
        return "bar", hooked(return_state=True)
    ok_with_failure()
    say(sorted(data.items()))
    """,
)
_add(
    "hooks of a flow",
    """
    seen = []
    def hook(flow, flow_run, state): seen.append((flow.name, state.name))
    @flow(on_completion=[hook], on_failure=[hook])
    def my_flow(fail):
        if fail: raise ValueError("meh")
    my_flow(False); my_flow(True, return_state=True)
    say(seen)
    """,
)
_add(
    "a hook as a decorator",
    """
    seen = []
    @task
    def bad(): raise ValueError("meh")
    @bad.on_failure
    def note(task, run, state): seen.append(state.name)
    @flow
    def outer(): bad(return_state=True)
    outer()
    say(seen)
    """,
)
_add(
    "a hook that raises",
    """
    @task(on_completion=[lambda task, run, state: 1 / 0])
    def good(): return 1
    @flow
    def outer(): return good()
    say(outer())
    """,
)
_add(
    "a running hook for each attempt",
    """
    seen = []
    @task(retries=1, on_running=[lambda task, run, state: seen.append(state.name)])
    def flaky():
        if len(seen) < 2: raise ValueError("not yet")
    @flow
    def outer(): flaky()
    outer()
    say(seen)
    """,
)
_add(
    "a child flow",
    """
    @flow
    def child(x): return x + 1
    @flow
    def parent(): return child(1) + child(2)
    say(parent())
    """,
)
_add(
    "a child flow that fails",
    """
    @flow
    def child(): raise ValueError("meh")
    @flow
    def parent(): return child(return_state=True).name
    say(parent())
    """,
)
_add(
    "tasks in tasks",
    """
    @task
    def inner(x): return x + 1
    @task
    def outer_task(x): return inner(x) * 2
    @flow
    def outer(): return outer_task(3)
    say(outer())
    """,
)
_add(
    "parameters take the types of their annotations",
    """
    @flow
    def typed(n: int, xs: list[float]): return n + sum(xs)
    say(typed("5", ["1", 2]))
    """,
)
_add(
    "parameters that do not fit",
    """
    @flow
    def typed(n: int): return n
    state = typed("five", return_state=True)
    say(state.name)
    """,
)
_add(
    "equal inputs are cached",
    """
    from prefect.cache_policies import INPUTS, TASK_SOURCE
    ran = []
    @task(cache_policy=INPUTS + TASK_SOURCE, persist_result=True)
    def slow(x, unique): return (x, len(unique))
    @flow
    def outer():
        return [slow(1, NAME, return_state=True).name, slow(1, NAME, return_state=True).name]
    say(outer())
    """,
)
_add(
    "a key function",
    """
    @task(cache_key_fn=lambda context, parameters: NAME + str(parameters["x"] % 2), persist_result=True)
    def parity(x): return x
    @flow
    def outer(): return [parity(1), parity(3), parity(2)]
    say(outer())
    """,
)
_add(
    "asynchronous tasks in an asynchronous flow",
    """
    import asyncio
    @task
    async def inc(x): return x + 1
    @flow
    async def outer(): return await asyncio.gather(inc(1), inc(2))
    say(asyncio.run(outer()))
    """,
)
_add(
    "a generator task",
    """
    @task
    def numbers():
        yield from range(3)
    @flow
    def outer(): return list(numbers())
    say(outer())
    """,
)
_add(
    "names of runs",
    """
    names = []
    @task(task_run_name="load-{year}", on_completion=[lambda task, run, state: names.append(run.name)])
    def load(year): return year
    @flow
    def outer(): load(2013)
    outer()
    say(names)
    """,
)
_add(
    "tags of a task",
    """
    found = []
    @task(tags=["a"], on_completion=[lambda task, run, state: found.extend(run.tags)])
    def t(): return 1
    @flow
    def outer():
        with prefect.tags("b"): t()
    outer()
    say(sorted(found))
    """,
)
_add(
    "a transaction rolls back in reverse order",
    """
    from prefect.transactions import transaction
    seen = []
    @task
    def one(): return 1
    @one.on_rollback
    def undo_one(txn): seen.append("one")
    @task
    def two(): return 2
    @two.on_rollback
    def undo_two(txn): seen.append("two")
    @task
    def bad(): raise ValueError("meh")
    @flow
    def outer():
        with transaction():
            one(); two(); bad()
    outer(return_state=True)
    say(seen)
    """,
)
