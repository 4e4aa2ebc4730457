"""`@task`: a function whose value a session keeps up to date.

A `Task` is called like its function. Where a session is attached, calling it without any argument reads
its value, brought up to date first; with arguments it is an ordinary run. Without a session every call is
an ordinary run.
"""

from __future__ import annotations

import inspect
import time
from dataclasses import dataclass
from functools import WRAPPER_ASSIGNMENTS, partial
from itertools import count
from types import MethodType
from typing import TYPE_CHECKING, Any, Final, Protocol, overload

from nbflow.engine.drive import Journal, PlainHandler, drive
from nbflow.engine.effects import Ended, RunSpec
from nbflow.engine.run import run_task
from nbflow.exceptions import DefinitionError
from nbflow.options import TaskOptions, take_options
from nbflow.task_runners.base import TaskCall
from nbflow.task_runners.inline import InlineTaskRunner

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.engine.effects import Call, Outcome

_runs: Final = count(1)
_PLAIN: Final = TaskOptions()
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


class Task:
    """A function as a task.

    Args:
        fn: The function.
        options: What was said of it beside its body.

    Raises:
        DefinitionError: If it is no function with a name.

    Example:
        >>> @task(retries=2)
        ... def double(x, times=2):
        ...     "Make it more."
        ...     return times * x
        >>> double(4), double.__doc__, double.parameters
        (8, 'Make it more.', ('x',))
        >>> double
        <Task double(x, times=2)>
    """

    __wrapped__: Callable[..., Any]
    __name__: str
    __qualname__: str

    def __init__(self, fn: Callable[..., Any], options: TaskOptions = _PLAIN) -> None:
        if not callable(fn) or not str(getattr(fn, "__name__", "")).isidentifier():
            raise DefinitionError(f"@task makes a task of a function with a name, and {fn!r} is none")
        like = {name: getattr(fn, name) for name in WRAPPER_ASSIGNMENTS if hasattr(fn, name)}
        vars(self).update(vars(fn) if hasattr(fn, "__dict__") else {})
        vars(self).update(like, __wrapped__=fn, fn=fn, options=options)

    fn: Callable[..., Any]
    options: TaskOptions

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a Task does not change; use {self.__name__}.with_options({name}=…)")

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
        try:
            found = inspect.signature(self.fn).parameters.values()
        except (TypeError, ValueError):
            return ()
        return tuple(each.name for each in found if each.kind in _BY_NAME and each.default is each.empty)

    def with_options(self, **options: Any) -> Task:
        """The same function as a task with these options set; None takes one back to its default.

        Raises:
            OptionError: If an option or its value does not exist.

        Example:
            >>> quick = task(len, retries=3).with_options(retries=None, timeout="10s").options
            >>> quick.retries, quick.timeout
            (0, 10.0)
        """
        return Task(self.fn, take_options(options, self.options))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Read its value where a session is attached and nothing is given; else run the function."""
        if not args and not kwargs and _SEAM.reader is not None:
            found = _SEAM.reader.read(self)
            if found is not None:
                return found[0]
        return self._run(args, kwargs)

    def _run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if not self.options.retries and self.options.timeout is None:
            return self.fn(*args, **kwargs)
        body = partial(self.fn, *args, **kwargs)
        run, retries = f"{self.name}#{next(_runs)}", self.options.attempts
        spec = RunSpec(run, self.name, body, retries=retries, timeout=self.options.timeout)
        return drive(run_task(spec), _Attempts(), Journal([], time.time)).value()

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        return self if instance is None else MethodType(self, instance)

    def __reduce__(self) -> str:
        return self.__qualname__

    def __repr__(self) -> str:
        try:
            signature = str(inspect.signature(self.fn))
        except (TypeError, ValueError):
            signature = "(…)"
        wires = _SEAM.reader.wires(self) if _SEAM.reader is not None else ""
        return f"<Task {self.__name__}{signature}{wires and f', reads {wires}'}>"


class _Attempts(PlainHandler):
    """Performs the attempts of an ordinary run in this thread, each under its limit."""

    def __init__(self) -> None:
        super().__init__(sleep=lambda until: time.sleep(max(until - time.time(), 0.0)))

    def call(self, effect: Call) -> Outcome:
        attempt = TaskCall(effect.attempt, effect.spec.name, effect.spec.body, effect.timeout)
        outcome = InlineTaskRunner().run(attempt).outcome()
        if outcome.ended is Ended.RAISED and isinstance(outcome.value, KeyboardInterrupt):
            raise outcome.value
        return outcome


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
    return Task(fn, made) if fn is not None else lambda function: Task(function, made)  # pyright: ignore[reportUnknownLambdaType, reportUnknownVariableType, reportUnknownArgumentType]
