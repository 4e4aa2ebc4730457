"""`@task`: a function, or a class with a method `run`, as a task.

What a call means is decided by the innermost context: in `with Flow(...)` it adds to the flow; in the body
of a run it is a run of its own; at top level of a notebook, without arguments, it reads the value that the
session keeps up to date; everywhere else it runs.
"""

from __future__ import annotations

import inspect
from contextlib import suppress
from dataclasses import dataclass, fields
from functools import WRAPPER_ASSIGNMENTS, cached_property
from typing import (
    TYPE_CHECKING,
    Any,
    Final,
    Protocol,
    cast,
    get_args,
    get_origin,
    get_type_hints,
    overload,
)

from nbflow.engine.drive import calls_user_code
from nbflow.exceptions import DefinitionError, ParameterBindError
from nbflow.options import OTHER_NAMES, TaskOptions, take_options
from nbflow.retries import exponential_backoff
from nbflow.running.calls import RESERVED, call, map_items, submit
from nbflow.running.keys import task_input_hash
from nbflow.running.mapping import collected
from nbflow.running.methods import Method
from nbflow.running.operators import Operators
from nbflow.running.scope import SETTING, Scope, building, present_scope
from nbflow.running.tags import with_present
from nbflow.running.transactions import Transactional
from nbflow.showing import ShowsItself
from nbflow.states import Role

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from nbflow.engine.effects import Call
    from nbflow.running.futures import TaskFuture
    from nbflow.running.runs import Run

__all__ = ["Reader", "Task", "attach_reader", "exponential_backoff", "task", "task_input_hash"]

_PLAIN: Final = TaskOptions()
_OPTIONS: Final = {**{each.name: each.name for each in fields(TaskOptions)}, **OTHER_NAMES}
_BY_NAME: Final = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class Reader(Protocol):
    """Who knows the values of tasks: a session."""

    def read(self, task: Task, /) -> tuple[Any] | None:
        """Its value, brought up to date, in a tuple; None where the task is none of the flow."""
        ...

    def wires(self, task: Task, /) -> str:
        """What its parameters are wired to, for people."""
        ...


@dataclass(slots=True)
class _Seam:
    reader: Reader | None = None


_SEAM: Final = _Seam()


def attach_reader(reader: Reader) -> Callable[[], None]:
    """Let a session answer calls without arguments; return what ends that.

    Args:
        reader: The session's.
    """
    before, _SEAM.reader = _SEAM.reader, reader

    def detach() -> None:
        _SEAM.reader = before

    return detach


class Task(Transactional, Operators, ShowsItself):
    """A function as a task, or a class of one's own with a method `run`.

    Args:
        fn: The function; for a subclass, its name or nothing.
        options: What was said of it beside its body: the fields of `nbflow.options.TaskOptions`, or
            Prefect's names for them.

    Raises:
        DefinitionError: If it is no function with a name, or has an argument named as what says how to
            call a task.
        OptionError: If an option or its value does not exist.

    Example:
        >>> @task(retries=2)
        ... def double(x, times=2):
        ...     "Make it more."
        ...     return times * x
        >>> double(4), double.__doc__, double.parameters
        (8, 'Make it more.', ('x',))
        >>> double
        <Task double(x, times=2)>
        >>> class Add(Task):
        ...     def run(self, x, y=1):
        ...         return x + y
        >>> Add(name="plus")(3)
        4
    """

    __wrapped__: Callable[..., Any]
    __name__: str
    __qualname__: str
    role = Role.TASK

    def __init__(
        self, fn: Callable[..., Any] | str | None = None, given: TaskOptions = _PLAIN, **options: Any
    ) -> None:
        if fn is None or isinstance(fn, str):
            options = {"name": fn, **options} if fn else options
            like: dict[str, Any] = {"__name__": type(self).__name__, "__qualname__": type(self).__qualname__}
        elif not callable(fn) or not str(getattr(fn, "__name__", "")).isidentifier():
            raise DefinitionError(f"@task makes a task of a function with a name, and {fn!r} is none")
        else:
            vars(self).update(vars(fn) if hasattr(fn, "__dict__") else {})
            like = {name: getattr(fn, name) for name in WRAPPER_ASSIGNMENTS if hasattr(fn, name)}
            like |= {"__wrapped__": fn, "fn": fn}
        vars(self).update(like, options=take_options(options, given) if options else given)
        reserved = RESERVED.intersection(_argument_names(self.body))
        if reserved:
            raise DefinitionError(f"task {self.name!r}: {min(reserved)} says how to call a task; rename it")

    fn: Callable[..., Any]
    options: TaskOptions

    def __setattr__(self, name: str, value: object) -> None:
        if name in _OPTIONS or name in ("fn", "options"):
            raise AttributeError(f"a Task does not change; use {self.__name__}.with_options({name}=…)")
        object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Any:
        # The options, by our names and by Prefect's, are attributes as well.
        own = _OPTIONS.get(name)
        if own is not None and "options" in vars(self):
            return getattr(self.options, own)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)

    @property
    def name(self) -> str:
        """What people call it."""
        return self.options.name or self.__name__

    @property
    def key(self) -> str:
        """The name under which a session keeps its value, which no variable can have."""
        return f"{self.__name__}()"

    @property
    def parameters(self) -> tuple[str, ...]:
        """The parameters without default, which a session wires by name."""
        found = self.signature.parameters.values() if self.signature is not None else ()
        return tuple(each.name for each in found if each.kind in _BY_NAME and each.default is each.empty)

    @cached_property
    def signature(self) -> inspect.Signature | None:
        """The signature of its body; None where Python does not know it."""
        try:
            return inspect.signature(self.body)
        except (TypeError, ValueError):
            return None

    @property
    def is_async(self) -> bool:
        """Whether its body has to be awaited."""
        return self._is_async

    @cached_property
    def _is_async(self) -> bool:
        return inspect.iscoroutinefunction(self.body) or inspect.isasyncgenfunction(self.body)

    @property
    def yields(self) -> bool:
        """Whether its body is a generator: a call gives its values one by one, a future a list of them."""
        return self._yields

    @cached_property
    def _yields(self) -> bool:
        return inspect.isgeneratorfunction(self.body) or inspect.isasyncgenfunction(self.body)

    @property
    def run_name(self) -> str | Callable[..., str] | None:
        """What each run is called; None: as the task."""
        return self.options.task_run_name

    @property
    def description(self) -> str:
        """What it is for: as the option says, else its docstring."""
        return self.options.description or inspect.getdoc(self.body) or ""

    @property
    def body(self) -> Callable[..., Any]:
        """What is executed: the function, or the method `run`."""
        return vars(self).get("fn") or self.run

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Execute the body as a plain function; to be overridden by subclasses."""
        fn = vars(self).get("fn")
        return fn(*args, **kwargs) if fn is not None else None

    def with_options(self, **options: Any) -> Task:
        """The same function as a task with these options set; None takes one back to its default.

        Raises:
            OptionError: If an option or its value does not exist.

        Example:
            >>> quick = task(len, retries=3).with_options(retries=None, timeout="10s").options
            >>> quick.retries, quick.timeout
            (0, 10.0)
        """
        made = object.__new__(type(self))
        vars(made).update(vars(self), options=take_options(options, self.options))
        return made

    def copy(self, **options: Any) -> Task:
        """Another one for a flow that is built: with these options, and the tags given around here."""
        made = self.with_options(**options)
        made = made.with_options(tags=sorted(with_present(made.options.tags)))
        # Found out once for all copies, which have one body.
        vars(made).update(_is_async=self._is_async, _yields=self._yields, _is_by_name=self._is_by_name)
        return made

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Add it to the flow that is built, read its value in a session, or run it."""
        __tracebackhide__ = True
        setting = SETTING.get()
        if setting is None:
            if not args and not kwargs and _SEAM.reader is not None:
                found = _SEAM.reader.read(self)
                if found is not None:
                    return found[0]
            return call(present_scope(), self, args, kwargs)
        if isinstance(setting, Scope):
            return call(setting, self, args, kwargs)
        return setting.call(self, args, kwargs)

    def submit(self, /, *args: Any, **kwargs: Any) -> TaskFuture:
        """Start a run in the flow that runs here, and return the future of its result.

        Args:
            args: Arguments of the function; futures and states in them are waited for.
            kwargs: The same; `wait_for` names what else has to be over before.

        Raises:
            RunError: If no flow runs here.
        """
        __tracebackhide__ = True
        return submit(self, args, kwargs)

    def map(self, /, *args: Any, **kwargs: Any) -> Any:
        """Start one run for each item of the arguments, and return their futures by position.

        In `with Flow(…)` a task is added to the flow and returned, which does so when the flow runs.

        Args:
            args: What can be iterated has one element for each item; `unmapped(x)` is the same for all.
            kwargs: The same; `wait_for` names what else has to be over before.

        Raises:
            RunError: If no flow runs here.
            DefinitionError: If nothing can be mapped over, or lengths differ.
        """
        __tracebackhide__ = True
        setting = SETTING.get()
        if setting is None or isinstance(setting, Scope):
            return map_items(self, args, kwargs)
        return setting.map(self, args, kwargs)

    # --- in a flow that is built ---------------------------------------------------------------

    def bind(self, *args: Any, flow: Any = None, **kwargs: Any) -> Task:
        """Give the task itself, not a copy of it, its arguments in a flow.

        Args:
            args: Its arguments.
            flow: The flow; None: the one that is built.
            kwargs: The same, and `upstream_tasks` and `mapped`.

        Raises:
            DefinitionError: If no flow is built here.
        """
        building(flow).bind(self, args, kwargs)
        return self

    def set_upstream(self, task: Any, flow: Any = None, key: str | None = None, mapped: bool = False) -> Task:
        """Let this task need another one; with a key, its result as that argument.

        Raises:
            DefinitionError: If no flow is built here, or the task has no such argument.
        """
        building(flow).depend(self, task, key, mapped)
        return self

    def set_downstream(
        self, task: Task, flow: Any = None, key: str | None = None, mapped: bool = False
    ) -> Task:
        """Let another task need this one; with a key, its result as that argument.

        Raises:
            DefinitionError: If no flow is built here, or the other task has no such argument.
        """
        building(flow).depend(task, self, key, mapped)
        return self

    def set_dependencies(self, flow: Any = None, **given: Any) -> Task:
        """Let this task need others, and others need it; see `nbflow.Flow.set_dependencies`."""
        building(flow).set_dependencies(self, **given)
        return self

    def __getitem__(self, key: Any) -> Task:
        """In a flow that is built: a task that takes one item of what this one makes."""
        setting = SETTING.get()
        if setting is None or isinstance(setting, Scope):
            raise TypeError(f"{self.name!r} is a task and no value; call it first: {self.__name__}()[…]")
        return setting.item(self, key)

    def __iter__(self) -> Iterator[Task]:
        """As many tasks as it makes values, each of which takes one."""
        if self._values is None:
            raise TypeError(f"how many values {self.name!r} makes is not known; say it: @task(nout=2)")
        return (self[place] for place in range(self._values))

    @cached_property
    def _values(self) -> int | None:
        """How many values it makes, as its options or its annotation say."""
        if self.options.nout is not None:
            return self.options.nout
        try:
            returned = get_type_hints(self.body).get("return")
        except Exception:  # noqa: BLE001  # annotations may name anything
            return None
        parts = get_args(returned) if get_origin(returned) is tuple else ()
        return len(parts) if parts and parts[-1] is not Ellipsis else None

    # --- what a run needs ----------------------------------------------------------------------

    def arguments(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Parameter to argument for a call.

        Raises:
            ParameterBindError: If the arguments do not fit; the message is Python's own.
        """
        if self.signature is None:
            return {"args": args, "kwargs": dict(kwargs)}
        __tracebackhide__ = True
        with suppress(TypeError):
            return dict(self.signature.bind(*args, **kwargs).arguments)
        # Called with them, the body raises before it begins, with the words that people know.
        try:
            self.body(*args, **kwargs)
        except TypeError as error:
            said = str(error)
        else:
            said = f"the arguments of {self.name} do not fit its signature {self.signature}"
        raise ParameterBindError(said) from None

    @cached_property
    def rest(self) -> str:
        """The name of its parameter that takes all further names, as in `**more`; empty: it has none."""
        found = self.signature.parameters.values() if self.signature is not None else ()
        return next((each.name for each in found if each.kind is each.VAR_KEYWORD), "")

    def collected(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        """The arguments of a mapped item as those of a call."""
        return collected(row, self.rest, self.signature.parameters) if self.signature is not None else row

    def with_defaults(self, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        """The arguments, and the defaults of the parameters that have none."""
        found = self.signature.parameters.values() if self.signature is not None else ()
        return {**{each.name: each.default for each in found if each.default is not each.empty}, **inputs}

    def accepted(self, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        """The arguments as they are: tasks take what they are given."""
        return inputs

    def scope_for(self, run: Run, around: Scope, call: Call) -> Scope:
        """The scope of the body of a run."""
        return around.within(run)

    @calls_user_code
    def execute(self, scope: Scope, call: Call) -> Any:
        """Execute the body once."""
        inputs = call.inputs
        if self._is_by_name:
            return self.body(**inputs)
        if self.signature is None:
            return self.body(*inputs["args"], **inputs["kwargs"])
        bound = inspect.BoundArguments(self.signature, cast("Any", dict(inputs)))
        return self.body(*bound.args, **bound.kwargs)

    @cached_property
    def _is_by_name(self) -> bool:
        """Whether all parameters can be given by name.

        What a decorator has put around a function has its signature, and may take no names all the same.
        """
        if self.signature is None or hasattr(self.body, "__wrapped__"):
            return False
        return all(each.kind in _BY_NAME for each in self.signature.parameters.values())

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        is_static = isinstance(vars(self).get("fn"), staticmethod)
        return self if instance is None or is_static else Method(self, instance)

    def __reduce__(self) -> Any:
        return self.__qualname__ if "fn" in vars(self) else (object.__new__, (type(self),), vars(self))

    def __repr__(self) -> str:
        signature = str(self.signature) if self.signature is not None else "(…)"
        wires = _SEAM.reader.wires(self) if _SEAM.reader is not None else ""
        return f"<Task {self.__name__}{signature}{wires and f', reads {wires}'}>"


def _argument_names(body: Any) -> tuple[str, ...]:
    code = getattr(body, "__code__", None)
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount] if code is not None else ()


@overload
def task(fn: Callable[..., Any], /, **options: Any) -> Task: ...
@overload
def task(fn: None = None, /, **options: Any) -> Callable[[Callable[..., Any]], Task]: ...
def task(fn: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Make a task of a function.

    Args:
        fn: The function; without it, a decorator is returned.
        options: The fields of `nbflow.options.TaskOptions`, or Prefect's names for them.

    Raises:
        OptionError: If an option or its value does not exist.

    Example:
        >>> @task
        ... def one():
        ...     return 1
        >>> @task(name="the second", timeout_seconds="1m")
        ... def two():
        ...     return one() + 1
        >>> two(), two.name, two.options.timeout
        (2, 'the second', 60.0)
    """
    made = take_options(options)
    if isinstance(fn, str):
        raise DefinitionError(f"@task makes a task of a function with a name, and {fn!r} is none")
    return Task(fn, made) if fn is not None else lambda function: Task(function, made)  # pyright: ignore[reportUnknownLambdaType, reportUnknownVariableType, reportUnknownArgumentType]
