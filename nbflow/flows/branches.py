"""Branches of a graph: `case`, `switch`, `ifelse` and `merge`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nbflow.engine.signals import SKIP
from nbflow.flows.parameters import Parameter
from nbflow.running.scope import building
from nbflow.tasks import Task
from nbflow.triggers import not_all_skipped

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbflow.flows.structure import Structure


def _compare(value: Any, wanted: Any) -> Any:
    if value != wanted:
        raise SKIP(f"{value!r} is not {wanted!r}")
    return value


def _first(*results: Any) -> Any:
    return next((result for result in results if result is not None), None)


def _truth(value: Any) -> bool:
    return bool(value)


_COMPARE: Final = Task(_compare)
_TRUTH: Final = Task(_truth, name="is true")
_MERGE: Final = Task(_first, name="merge", trigger=not_all_skipped, skip_on_upstream_skip=False)


class case:  # a word that is called, as in Prefect
    """A block of a flow whose tasks run only where a task has made this value; else they are skipped.

    Tasks that need one of the same block follow it; all others depend on the comparison.

    Args:
        task: The task whose result decides.
        value: What it has to be equal to.

    Example:
        >>> from nbflow import Flow, task
        >>> @task
        ... def weekday():
        ...     return "Sunday"
        >>> @task
        ... def rest():
        ...     return "zzz"
        >>> @task
        ... def work():
        ...     return "..."
        >>> with Flow("day") as f:
        ...     day = weekday()
        ...     with case(day, "Sunday"):
        ...         first = rest()
        ...     with case(day, "Monday"):
        ...         second = work()
        ...     did = merge(first, second)
        >>> f.run().result[did].result
        'zzz'
    """

    def __init__(self, task: Any, value: Any) -> None:
        self._task = task
        self._value = value
        self._inside: list[Task] = []

    def __enter__(self) -> case:
        self._flow: Structure = building()
        self._gate = _gate(self._flow, self._task, self._value)
        self._flow.blocks.append(self)
        return self

    def note(self, task: Task) -> None:
        """Take note of a task that was added within the block; a parameter belongs to the whole flow."""
        if not isinstance(task, Parameter):
            self._inside.append(task)

    def __exit__(self, kind: object, *_: object) -> None:
        self._flow.blocks.pop()
        if kind is not None:
            return
        inside = set(self._inside)
        for task in self._inside:
            if inside.isdisjoint(self._flow.upstream_tasks(task)):
                self._flow.depend(task, self._gate)


def _gate(flow: Structure, task: Any, value: Any) -> Task:
    return flow.call(_COMPARE.with_options(name=f"case({value!r})"), (task, value), {})


def switch(condition: Any, cases: Mapping[Any, Task]) -> None:
    """Run the task that stands beside the value of a condition; the others are skipped.

    Args:
        condition: The task whose result decides.
        cases: Value to task.

    Raises:
        DefinitionError: If no flow is built here.

    Example:
        >>> from nbflow import Flow, task
        >>> @task
        ... def size():
        ...     return "small"
        >>> with Flow("size") as f:
        ...     small, large = f.add_task(Task("small")), f.add_task(Task("large"))
        ...     switch(size(), {"small": small, "large": large})
        >>> states = f.run().result
        >>> states[small], states[large].name
        (Completed(), 'Skipped')
    """
    flow = building()
    for value, task in cases.items():
        flow.depend(task, _gate(flow, condition, value))


def ifelse(condition: Any, true_task: Task | None, false_task: Task | None = None) -> None:
    """Run one task where a condition is true, the other where it is false; None stands for no task."""
    cases = {True: true_task, False: false_task}
    truth = building().call(_TRUTH, (condition,), {})
    switch(truth, {value: task for value, task in cases.items() if task is not None})


def merge(*tasks: Any) -> Task:
    """Bring branches together: the first result that is not None, in the order given.

    It is skipped only if all branches were, and fails where one has failed.
    """
    return building().call(_MERGE, tasks, {})
