"""`Flow`: a graph of tasks that is built first and run as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from nbflow.engine.graph import topological_order
from nbflow.engine.ongoing import Mailbox, go_on_here, when_all
from nbflow.exceptions import DefinitionError, UnknownTaskError
from nbflow.flows.base import BaseFlow
from nbflow.flows.ending import ended_by_tasks, outcome_of
from nbflow.running.calls import begin, run_here
from nbflow.running.inputs import Inputs, gather
from nbflow.running.scope import INLINE, SETTING, Lane, Scope, present_scope
from nbflow.task_runners.places import place_given_up
from nbflow.tasks import Task

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from contextvars import Token

    from nbflow.engine.effects import Call
    from nbflow.running.futures import TaskFuture
    from nbflow.running.runs import Run
    from nbflow.states import State
    from nbflow.task_runners.base import Runner


class TaskStates(dict[Task, Any]):
    """Task to the state of its run; a task is also found by its name.

    Example:
        >>> from nbflow.states import Completed
        >>> states = TaskStates({Task("one"): Completed(result=1)})
        >>> states["one"].result
        1
    """

    def __missing__(self, key: object) -> Any:
        found = [state for task, state in self.items() if task.name == key]
        if len(found) != 1:
            raise KeyError(f"{key!r} is the name of {len(found)} tasks of this flow; use the task itself")
        return found[0]


class Flow(BaseFlow):
    """A graph of tasks.

    Args:
        name: What people call it.
        given: What is said of it beside its tasks.

    Example:
        >>> from nbflow import task
        >>> @task
        ... def one():
        ...     return 1
        >>> @task
        ... def plus(x, y):
        ...     return x + y
        >>> with Flow("sum") as f:
        ...     total = plus(one(), 2)
        >>> f.run().result[total].result
        3
    """

    def __init__(self, name: str, **given: Any) -> None:
        if not name:
            raise DefinitionError("a Flow needs a name: Flow('etl')")
        super().__init__(name, **given)
        self.inputs: dict[Task, Inputs] = {}
        self._tokens: list[Token[Any]] = []
        self._references: tuple[Task, ...] = ()

    # --- building ------------------------------------------------------------------------------

    def __enter__(self) -> Flow:
        self._tokens.append(SETTING.set(self))
        return self

    def __exit__(self, *_: object) -> None:
        SETTING.reset(self._tokens.pop())

    def call(self, task: Task, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Task:
        """Add a call of a task, as a copy of it that the flow owns."""
        order = kwargs.pop("upstream_tasks", None) or ()
        node = task.copy()
        inputs = gather(task.arguments(args, kwargs), lambda value: isinstance(value, Task), order)
        for edge in inputs.edges:
            self.add_task(edge.upstream_task)
        self.inputs[node] = inputs
        return node

    def add_task(self, task: Task) -> Task:
        """Add a task without arguments, unless it is in the flow."""
        self.inputs.setdefault(task, Inputs({}))
        return task

    @property
    def tasks(self) -> tuple[Task, ...]:
        """All tasks, each after those that it needs.

        Raises:
            CycleError: If they need each other.
        """
        upstream = {
            task: [edge.upstream_task for edge in inputs.edges] for task, inputs in self.inputs.items()
        }
        return tuple(topological_order(upstream))

    @property
    def terminal_tasks(self) -> tuple[Task, ...]:
        """The tasks that no other one needs."""
        needed = {edge.upstream_task for inputs in self.inputs.values() for edge in inputs.edges}
        return tuple(task for task in self.inputs if task not in needed)

    def set_reference_tasks(self, tasks: Iterable[Task]) -> None:
        """Let these tasks decide how a run of the flow ends; by default the terminal ones do.

        Raises:
            UnknownTaskError: If one is not in the flow.
        """
        wanted = tuple(tasks)
        for task in wanted:
            if task not in self.inputs:
                raise UnknownTaskError(task.name, [each.name for each in self.inputs])
        self._references = wanted

    @property
    def reference_tasks(self) -> tuple[Task, ...]:
        """The tasks that decide how a run of the flow ends."""
        return self._references or self.terminal_tasks

    # --- running -------------------------------------------------------------------------------

    def run(self, parameters: Mapping[str, Any] | None = None, **more: Any) -> State:
        """Run all tasks, and return the state of the flow's run; its `result` maps tasks to states."""
        scope = present_scope(recorded=True)
        given = {**(parameters or {}), **more}
        return run_here(scope, self, Inputs(given), run=self.new_run(scope))

    def runner(self, around: Scope) -> Runner:
        """Where its tasks execute: this thread, if nothing else was said."""
        return self.settings.task_runner or INLINE

    def execute(self, scope: Scope, call: Call) -> Any:
        """Run the tasks, each as soon as it can."""
        futures = _Walk(self, scope).futures()
        states = TaskStates({task: future.state for task, future in futures.items()})
        references = {task.name: states[task] for task in self.reference_tasks}
        return outcome_of(ended_by_tasks(references, states), cast("Run", scope.run))

    def __repr__(self) -> str:
        return f"<Flow {self.name!r}: {len(self.inputs)} tasks>"


class _Walk:
    """One walk through the tasks of a flow.

    Args:
        flow: The flow.
        scope: That of its run.
    """

    def __init__(self, flow: Flow, scope: Scope) -> None:
        self._flow = flow
        self._scope = scope
        self._mailbox = Mailbox(place_given_up)
        runner = scope.runner or INLINE
        self._lane = Lane(runner, go_on_here if runner.promises.concurrent else self._mailbox.post)

    def futures(self) -> dict[Task, TaskFuture]:
        """The future of each task's run; all have ended, or wait for a person."""
        made: dict[Task, TaskFuture] = {}
        try:
            for task in self._flow.tasks:
                made[task], ongoing = begin(
                    task, self._flow.inputs[task], self._scope, self._lane, source=made.__getitem__
                )
                self._scope.note_open(made[task])
                go_on_here(ongoing.start)
            self._mailbox.work_until(when_all(future.ended for future in made.values()))
        except BaseException as stop:
            self._scope.stop(str(stop) or type(stop).__name__)
            raise
        return made
