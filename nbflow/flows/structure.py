"""What a graph flow consists of: its tasks, and what each of them needs."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import count, pairwise
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from nbflow.engine.graph import descendants, find_cycle, topological_order
from nbflow.exceptions import CycleError, DefinitionError, DuplicateTaskError, UnknownTaskError
from nbflow.flows.parameters import Parameter
from nbflow.running.inputs import Annotation, Inputs, gather, unmapped
from nbflow.running.mapping import mapped_over, spread
from nbflow.tasks import Task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

NOTHING: Final = Inputs({})
_ORDER: Final = ("upstream_tasks", "wait_for")


def _item(value: Any, key: Any) -> Any:
    return value[key]


GET_ITEM: Final = Task(_item)
"""What `task[key]` adds to a flow."""


class Block(Protocol):
    """A part of a flow that is built within a `with` statement of its own."""

    def note(self, task: Task) -> None:
        """Take note of a task that was added within it."""
        ...


class Structure:
    """Tasks and what they need.

    Attributes:
        inputs: Each task and its arguments, in the order in which tasks were added.

    Example:
        >>> from nbflow import task
        >>> structure = Structure()
        >>> first, second = (structure.add_task(Task(name)) for name in ("first", "second"))
        >>> structure.chain(first, second)
        >>> [each.name for each in structure.upstream_tasks(second)]
        ['first']
    """

    def __init__(self) -> None:
        self.inputs: dict[Task, Inputs] = {}
        self.blocks: list[Block] = []
        self._parameters: dict[str, Parameter] = {}
        self._sorted: tuple[Task, ...] | None = None

    # --- adding --------------------------------------------------------------------------------

    def add_task(self, task: Task) -> Task:
        """Add a task without arguments, unless it is there.

        Raises:
            DuplicateTaskError: If it is a second parameter of one name.
        """
        if task not in self.inputs:
            self._check_parameter(task)
            self.inputs[task] = NOTHING
            self._sorted = None
            if self.blocks:
                self.blocks[-1].note(task)
        return task

    def call(self, task: Task, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Task:
        """Add a call of a task, as a copy of it that the flow owns.

        Args:
            task: The task.
            args: Its arguments; tasks in them, however deep, stand for their results.
            kwargs: The same, and `upstream_tasks`, `mapped`, `flow` and `task_args`, where the task has no
                arguments of these names.
        """
        return self._add(task, args, kwargs)

    def map(self, task: Task, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Task:
        """Add a task that runs once for each item of its arguments, `unmapped` ones apart.

        Raises:
            DefinitionError: If an argument has no items, or not as many as another one.
        """
        return self._add(task, args, kwargs, mapped=True)

    def bind(self, task: Task, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Task:
        """Give a task, not a copy of it, its arguments; what was bound to one of them before is replaced."""
        return self._add(task, args, kwargs, copied=False)

    def _add(
        self,
        task: Task,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        *,
        copied: bool = True,
        mapped: bool = False,
    ) -> Task:
        own = _own_words(task, kwargs) if kwargs else {}
        order = own.get("upstream_tasks", ())
        # The copy shares what is known of the function, once that is known.
        arguments = task.arguments(args, kwargs)
        names = frozenset[str | None]()
        if mapped or own.get("mapped"):
            arguments = spread(arguments, task.rest)
            arguments, names = mapped_over(arguments, task.name, is_task, may_be_none=bool(order))
            if not any(isinstance(each, unmapped) for each in order):
                names |= {None}
        node = task.copy(**own.get("task_args") or {}) if copied and not isinstance(task, Parameter) else task
        return (own.get("flow") or self).join(node, gather(arguments, is_task, order, names))

    def item(self, task: Task, key: Any) -> Task:
        """Add a task that takes one item of what another one makes."""
        return self.call(GET_ITEM.with_options(name=f"{task.name}[{key!r}]"), (task, key), {})

    def operate(self, function: Callable[[Any, Any], Any], symbol: str, left: Any, right: Any) -> Task:
        """Add a task that does what an operator does."""
        return self.call(Task(function, name=symbol), (left, right), {})

    def truth(self, task: Task) -> bool:
        """True for a task that is none of the flow.

        Raises:
            DefinitionError: If it is one: what it makes is known only when the flow runs.
        """
        if task not in self.inputs:
            return True
        raise DefinitionError(
            f"`if` cannot ask what task {task.name!r} makes: the flow is only being built; write "
            "`with case(task, value):` or ifelse(…), or `is not None` to ask whether there is a task"
        )

    def depend(self, task: Task, upstream: Any, key: str | None = None, mapped: bool = False) -> None:
        """Let a task need another one.

        Args:
            task: The task.
            upstream: What it needs; with a key also a constant, or a collection with tasks in it.
            key: The argument that receives the result; None: order without data.
            mapped: Whether the task runs once for each item of it.

        Raises:
            CycleError: If it is the task itself.
            DefinitionError: If the task has no such argument.
        """
        if upstream is task:
            raise CycleError.along([task.name, task.name])
        given = {} if key is None else {_checked(task, key): upstream}
        if mapped and key is not None:
            given, _ = mapped_over(given, task.name, is_task)
        order = (upstream,) if key is None else ()
        self.join(task, gather(given, is_task, order, frozenset({key} if mapped else ())))

    def join(self, task: Task, inputs: Inputs) -> Task:
        """Add a task, or more inputs of one that is there."""
        if isinstance(task, Parameter) and (inputs.edges or inputs.template):
            raise DefinitionError(
                f"the parameter {task.name!r} needs nothing; it is given by run({task.name}=…)"
            )
        for edge in inputs.edges:
            self.add_task(edge.upstream_task)
        self.add_task(task)
        before = self.inputs[task]
        self._sorted = None
        self.inputs[task] = inputs if before is NOTHING else _joined(before, inputs)
        return task

    def _check_parameter(self, task: Task) -> None:
        if isinstance(task, Parameter):
            if task.name in self._parameters:
                raise DuplicateTaskError(
                    f"the flow has a parameter {task.name!r} already; use that one, or another name"
                )
            self._parameters[task.name] = task

    # --- adding, in other words ----------------------------------------------------------------

    def add_edge(
        self, upstream_task: Task, downstream_task: Task, key: str | None = None, mapped: bool = False
    ) -> None:
        """Let the second task need the first; see `depend`."""
        self.depend(downstream_task, upstream_task, key, mapped)

    def chain(self, *tasks: Task) -> None:
        """Let each task need the one before it."""
        for task in tasks:
            self.add_task(task)
        for upstream, task in pairwise(tasks):
            self.depend(task, upstream)

    def set_dependencies(
        self,
        task: Task,
        upstream_tasks: Iterable[Any] = (),
        downstream_tasks: Iterable[Task] = (),
        keyword_tasks: Mapping[str, Any] | None = None,
        mapped: bool = False,
    ) -> None:
        """Let a task need others, and others need it.

        Args:
            task: The task.
            upstream_tasks: What has to be over before it.
            downstream_tasks: What has to wait for it.
            keyword_tasks: Argument to the task whose result it is, or to a constant.
            mapped: Whether it runs once for each item of what it needs.
        """
        self.add_task(task)
        for upstream in upstream_tasks or ():
            self.depend(task, upstream, mapped=mapped)
        for key, upstream in (keyword_tasks or {}).items():
            self.depend(task, upstream, key, mapped)
        for downstream in downstream_tasks or ():
            self.depend(downstream, task)

    # --- asking --------------------------------------------------------------------------------

    @property
    def tasks(self) -> tuple[Task, ...]:
        """All tasks, each after those that it needs.

        Raises:
            CycleError: If they need each other.
        """
        if self._sorted is None:
            self._sorted = self._in_order()
        return self._sorted

    def _in_order(self) -> tuple[Task, ...]:
        upstream = self.upstream()
        try:
            return tuple(topological_order(upstream))
        except CycleError:
            # Copies of one task share their name; their slugs tell them apart.
            slugs = self.slugs()
            raise CycleError.along([slugs[task] for task in find_cycle(upstream)]) from None

    def sorted_tasks(self, root_tasks: Iterable[Task] = ()) -> tuple[Task, ...]:
        """All tasks, or these and what needs them, each after those that it needs."""
        roots = set(root_tasks)
        wanted = roots | descendants(self.upstream(), roots) if roots else self.inputs.keys()
        return tuple(task for task in self.tasks if task in wanted)

    def root_tasks(self) -> tuple[Task, ...]:
        """The tasks that need no other one."""
        return tuple(task for task, inputs in self.inputs.items() if not inputs.edges)

    def terminal_tasks(self) -> tuple[Task, ...]:
        """The tasks that no other one needs."""
        needed = {edge.upstream_task for inputs in self.inputs.values() for edge in inputs.edges}
        return tuple(task for task in self.inputs if task not in needed)

    def upstream_tasks(self, task: Task) -> tuple[Task, ...]:
        """The tasks that a task needs."""
        return tuple(dict.fromkeys(edge.upstream_task for edge in self.inputs[task].edges))

    def downstream_tasks(self, task: Task) -> tuple[Task, ...]:
        """The tasks that need a task."""
        return tuple(each for each in self.inputs if task in self.upstream_tasks(each))

    def get_tasks(self, name: str | None = None, tags: Iterable[str] = ()) -> tuple[Task, ...]:
        """The tasks of a name, and with all of these tags; what is not given does not matter."""
        wanted = {tags} if isinstance(tags, str) else set(tags)
        return tuple(
            task for task in self.inputs if name in (None, task.name) and wanted <= set(task.options.tags)
        )

    def task(self, wanted: Task | str) -> Task:
        """A task of the flow, given itself, its name or its slug.

        Raises:
            UnknownTaskError: If there is none, or several of that name.
        """
        if isinstance(wanted, Task) and wanted in self.inputs:
            return wanted
        slugs = self.slugs()
        name = wanted.name if isinstance(wanted, Task) else wanted
        found = [task for task in self.inputs if task.name == wanted]
        found = found or [task for task, slug in slugs.items() if slug == wanted]
        if len(found) > 1:
            told = ", ".join(repr(slugs[task]) for task in found)
            raise UnknownTaskError(f"{name!r} is the name of {len(found)} tasks; say which: {told}")
        if not found and name in slugs.values():
            raise UnknownTaskError(f"this {name!r} is not the one in the flow; give what its call returned")
        if not found:
            raise UnknownTaskError.named(str(name), slugs.values())
        return found[0]

    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters among the tasks."""
        return tuple(self._parameters.values())

    def slugs(self) -> dict[Task, str]:
        """Task to its name, with a number behind it where another one has that name already.

        Raises:
            DuplicateTaskError: If two tasks were given one slug.
        """
        given = Counter(task.options.slug for task in self.inputs if task.options.slug)
        slug, times = max(given.items(), key=lambda item: item[1], default=("", 1))
        if times > 1:
            raise DuplicateTaskError(f"{slug!r} is the slug of {times} tasks; give each its own")
        taken = set(given)
        numbers: dict[str, Iterator[int]] = {}
        return {task: task.options.slug or _free(task.name, taken, numbers) for task in self.inputs}

    def upstream(self) -> dict[Task, list[Task]]:
        """Each task and those that it needs."""
        return {task: [edge.upstream_task for edge in inputs.edges] for task, inputs in self.inputs.items()}


def is_task(value: object) -> bool:
    """Whether a value stands for the result of a task."""
    return isinstance(value, Task)


def _own_words(task: Task, kwargs: dict[str, Any]) -> dict[str, Any]:
    """Take out of the arguments what is meant for the flow: no argument of the task has that name."""
    taken: Mapping[str, Any] = task.signature.parameters if task.signature is not None else {}
    words = (*_ORDER, "mapped", "flow", "task_args")
    own = {word: kwargs.pop(word) for word in words if word in kwargs and word not in taken}
    order = [each for word in _ORDER for each in _listed(own.pop(word, None))]
    return {**own, "upstream_tasks": order}


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return [value] if isinstance(value, (Task, Annotation)) else list(cast("Iterable[Any]", value))


def _checked(task: Task, key: str) -> str:
    if task.signature is not None and key not in task.signature.parameters:
        has = ", ".join(task.signature.parameters) or "none"
        raise DefinitionError(f"task {task.name!r} has no argument {key!r}; it has {has}")
    return key


def _joined(before: Inputs, more: Inputs) -> Inputs:
    kept = [edge for edge in before.edges if edge.key is None or edge.key not in more.template]
    return replace(
        before,
        template={**before.template, **more.template},
        edges=tuple(dict.fromkeys((*kept, *more.edges))),
        allowed=before.allowed | more.allowed,
        mapped=before.mapped | more.mapped,
    )


def _free(name: str, taken: set[str], numbers: dict[str, Iterator[int]]) -> str:
    """A name that is not taken, which it is from now on."""
    if name in taken:
        numbered = numbers.setdefault(name, count(2))
        name = next(slug for slug in (f"{name}-{number}" for number in numbered) if slug not in taken)
    taken.add(name)
    return name
