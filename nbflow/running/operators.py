"""What `+`, `<` and the like mean for tasks: in a flow that is built, each adds a task of its own."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from nbflow.running.scope import SETTING, Scope

if TYPE_CHECKING:
    from collections.abc import Callable


def _forward(function: str, symbol: str) -> Callable[[Any, Any], Any]:
    def method(self: Any, other: Any) -> Any:
        return _added(function, symbol, self, other)

    return method


def _backward(function: str, symbol: str) -> Callable[[Any, Any], Any]:
    def method(self: Any, other: Any) -> Any:
        return _added(function, symbol, other, self)

    return method


def _added(function: str, symbol: str, left: Any, right: Any) -> Any:
    """The new task; elsewhere Python says that tasks do not have this operator.

    Args:
        function: Name of the function in the module `operator`.
        symbol: What is written.
        left: The left side.
        right: The right side.
    """
    setting = SETTING.get()
    if setting is None or isinstance(setting, Scope):
        return NotImplemented
    return setting.operate(getattr(operator, function), symbol, left, right)


class Operators:
    """The operators of tasks; equality is not among them, it tells tasks apart.

    In a flow that is built a task of it is neither true nor false: nobody knows its result yet.

    Example:
        >>> from nbflow import Flow, task
        >>> @task
        ... def two():
        ...     return 2
        >>> with Flow("sum") as f:
        ...     is_large = two() + 3 > 4
        >>> f.run().result[is_large].result
        True
    """

    def __bool__(self) -> bool:
        setting = SETTING.get()
        return setting is None or isinstance(setting, Scope) or setting.truth(self)

    __add__, __radd__ = _forward("add", "+"), _backward("add", "+")
    __sub__, __rsub__ = _forward("sub", "-"), _backward("sub", "-")
    __mul__, __rmul__ = _forward("mul", "*"), _backward("mul", "*")
    __truediv__, __rtruediv__ = _forward("truediv", "/"), _backward("truediv", "/")
    __floordiv__, __rfloordiv__ = _forward("floordiv", "//"), _backward("floordiv", "//")
    __mod__, __rmod__ = _forward("mod", "%"), _backward("mod", "%")
    __pow__, __rpow__ = _forward("pow", "**"), _backward("pow", "**")
    __and__, __rand__ = _forward("and_", "&"), _backward("and_", "&")
    __or__, __ror__ = _forward("or_", "|"), _backward("or_", "|")
    __lt__, __le__ = _forward("lt", "<"), _forward("le", "<=")
    __gt__, __ge__ = _forward("gt", ">"), _forward("ge", ">=")
