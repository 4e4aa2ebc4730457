"""`@flow`: a function that calls tasks as it runs."""

from __future__ import annotations

import inspect
from copy import copy
from functools import cached_property, partial, update_wrapper
from typing import TYPE_CHECKING, Any, cast, overload

from nbflow.engine.drive import calls_user_code
from nbflow.exceptions import DefinitionError, ParameterBindError
from nbflow.flows.base import BaseFlow
from nbflow.running.calls import RESERVED, call
from nbflow.running.deciding import ended_by_value, outcome_of
from nbflow.running.methods import Method
from nbflow.running.scope import Scope, present_scope
from nbflow.running.validation import Validation
from nbflow.task_runners.thread import ThreadPoolTaskRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nbflow.engine.effects import Call
    from nbflow.running.runs import Run
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
        name = str(getattr(fn, "__name__", ""))
        if not callable(fn) or not name:
            raise DefinitionError(f"@flow makes a flow of a function with a name, and {fn!r} is none")
        super().__init__(given.pop("name", None) or "", **given)
        self._name = name.replace("_", "-")
        update_wrapper(cast("Any", self), fn)
        self.fn = fn
        self.signature = inspect.signature(fn)
        self.is_async = inspect.iscoroutinefunction(fn) or inspect.isasyncgenfunction(fn)
        self.yields = inspect.isgeneratorfunction(fn) or inspect.isasyncgenfunction(fn)
        reserved = RESERVED & self.signature.parameters.keys()
        if reserved:
            raise DefinitionError(f"flow {self.name!r}: {min(reserved)} says how to call a flow; rename it")

    @property
    def name(self) -> str:
        """What people call it: as the option says, else after its function."""
        return self.options.name or self._name

    @property
    def description(self) -> str:
        """What it is for: as the option says, else its docstring."""
        return self.options.description or inspect.getdoc(self.fn) or ""

    def with_options(self, **options: Any) -> FunctionFlow:
        """The same function as a flow with these options set; None takes one back to its default.

        Raises:
            OptionError: If an option or its value does not exist.

        Example:
            >>> @flow(retries=2, on_failure=[print])
            ... def risky():
            ...     pass
            >>> calm = risky.with_options(name="calm", retries=None, on_failure=[])
            >>> calm.name, calm.options.retries, calm.options.on_failure, risky.options.retries
            ('calm', 0, (), 2)
        """
        made = copy(self)
        made.take(options)
        return made

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the flow and return what it made; an asynchronous one is awaited.

        Raises:
            Exception: What ended the run, unless `return_state=True` asks for its state.
        """
        __tracebackhide__ = True
        scope = present_scope(recorded=True)
        return call(scope, self, args, kwargs)

    def arguments(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Parameter to argument for a call, defaults included.

        Raises:
            ParameterBindError: If the arguments do not fit.
        """
        try:
            bound = self.signature.bind(*args, **kwargs)
        except TypeError as error:
            raise ParameterBindError(f"flow {self.name!r}: {error}") from None
        bound.apply_defaults()
        return dict(bound.arguments)

    def accepted(self, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        """The arguments, brought to the types of their annotations."""
        __tracebackhide__ = True
        return self._validation.accepted(inputs, self.name) if self.settings.validate_parameters else inputs

    @cached_property
    def _validation(self) -> Validation:
        return Validation(self.fn)

    def runner(self, around: Scope) -> Runner:
        """Where submitted tasks execute: threads, if nothing else was said; each run has its own."""
        given = self.settings.task_runner or ThreadPoolTaskRunner
        if isinstance(given, type):
            return given()
        return given.duplicate() if hasattr(given, "duplicate") else given

    @calls_user_code
    def execute(self, scope: Scope, call: Call) -> Any:
        """Execute the body once."""
        bound = inspect.BoundArguments(self.signature, cast("Any", dict(call.inputs)))
        if self.yields:
            return self.fn(*bound.args, **bound.kwargs)
        if self.is_async:
            return self._execute_async(scope, bound)
        value = self.fn(*bound.args, **bound.kwargs)
        scope.wait_open()
        return outcome_of(ended_by_value(value), cast("Run", scope.run))

    async def _execute_async(self, scope: Scope, bound: inspect.BoundArguments) -> Any:
        value = await self.fn(*bound.args, **bound.kwargs)
        await scope.await_open()
        return outcome_of(ended_by_value(value), cast("Run", scope.run))

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        return self if instance is None else Method(self, instance)

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
