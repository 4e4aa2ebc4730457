"""`@flow`: a function that calls tasks as it runs."""

from __future__ import annotations

import inspect
from functools import partial, update_wrapper
from typing import TYPE_CHECKING, Any, cast, overload

from nbflow.engine.drive import calls_user_code
from nbflow.exceptions import DefinitionError
from nbflow.flows.base import BaseFlow
from nbflow.flows.ending import ended_by_value, outcome_of
from nbflow.running.calls import call
from nbflow.running.scope import Scope, present_scope
from nbflow.task_runners.thread import ThreadPoolTaskRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nbflow.engine.effects import Call
    from nbflow.task_runners.base import Runner


class FunctionFlow(BaseFlow):
    """A function as a flow.

    Args:
        fn: The function.
        given: What is said of it beside its body.

    Raises:
        DefinitionError: If it is no function with a name.

    Example:
        >>> from nbflow import task
        >>> @task
        ... def double(x):
        ...     return 2 * x
        >>> @flow
        ... def total(n):
        ...     return sum(double(x) for x in range(n))
        >>> total(4)
        12
    """

    def __init__(self, fn: Callable[..., Any], **given: Any) -> None:
        name = getattr(fn, "__name__", "")
        if not callable(fn) or not name:
            raise DefinitionError(f"@flow makes a flow of a function with a name, and {fn!r} is none")
        super().__init__(given.pop("name", None) or name.replace("_", "-"), **given)
        update_wrapper(cast("Any", self), fn)
        self.fn = fn
        self.signature = inspect.signature(fn)
        self.is_async = inspect.iscoroutinefunction(fn)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the flow and return what it made; an asynchronous one is awaited.

        Raises:
            Exception: What ended the run, unless `return_state=True` asks for its state.
        """
        scope = present_scope(recorded=True)
        return call(scope, self, args, kwargs, self.new_run(scope))

    def arguments(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Parameter to argument for a call, defaults included.

        Raises:
            TypeError: If the arguments do not fit.
        """
        bound = self.signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return dict(bound.arguments)

    def runner(self, around: Scope) -> Runner:
        """Where submitted tasks execute: threads, if nothing else was said."""
        given = self.settings.task_runner
        made = given() if isinstance(given, type) else given
        return made or ThreadPoolTaskRunner()

    @calls_user_code
    def execute(self, scope: Scope, call: Call) -> Any:
        """Execute the body once."""
        bound = inspect.BoundArguments(self.signature, cast("Any", dict(call.inputs)))
        if self.is_async:
            return self._execute_async(scope, bound)
        value = self.fn(*bound.args, **bound.kwargs)
        scope.wait_open()
        return outcome_of(ended_by_value(value))

    async def _execute_async(self, scope: Scope, bound: inspect.BoundArguments) -> Any:
        value = await self.fn(*bound.args, **bound.kwargs)
        await scope.await_open()
        return outcome_of(ended_by_value(value))

    def __repr__(self) -> str:
        return f"<flow {self.name!r}>"


@overload
def flow(fn: Callable[..., Any], /, **options: Any) -> FunctionFlow: ...
@overload
def flow(fn: None = None, /, **options: Any) -> Callable[[Callable[..., Any]], FunctionFlow]: ...
def flow(fn: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Make a flow of a function.

    Args:
        fn: The function; without it, a decorator is returned.
        options: What is said of it beside its body.

    Raises:
        OptionError: If an option or its value does not exist.

    Example:
        >>> @flow(name="two and two")
        ... def four():
        ...     return 2 + 2
        >>> four(), four.name
        (4, 'two and two')
    """
    return FunctionFlow(fn, **options) if fn is not None else partial(FunctionFlow, **options)
