"""Tasks and flows that are defined in classes: each is called with the instance before its arguments."""

from __future__ import annotations

from typing import Any

from nbflow.running.inputs import unmapped


class Method:
    """A task or a flow that was defined in a class, with the instance that it is called for.

    Args:
        of: The task or the flow.
        instance: Its first argument.

    Example:
        >>> from nbflow import task
        >>> class Scale:
        ...     by = 3
        ...     @task
        ...     def times(self, x):
        ...         return self.by * x
        >>> Scale().times(2)
        6
    """

    def __init__(self, of: Any, instance: object) -> None:
        self.__func__ = of
        self.__self__ = instance

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Do what a call of the task or the flow does."""
        __tracebackhide__ = True
        return self.__func__(self.__self__, *args, **kwargs)

    def submit(self, /, *args: Any, **kwargs: Any) -> Any:
        """Start a run, and return the future of its result."""
        return self.__func__.submit(self.__self__, *args, **kwargs)

    def map(self, /, *args: Any, **kwargs: Any) -> Any:
        """Start one run for each item, and return their futures by position."""
        return self.__func__.map(unmapped(self.__self__), *args, **kwargs)

    def with_options(self, **options: Any) -> Method:
        """The same with these options set; None takes one back to its default."""
        return Method(self.__func__.with_options(**options), self.__self__)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # of one that is being unpickled nothing is there yet
            raise AttributeError(name)
        return getattr(self.__func__, name)

    def __repr__(self) -> str:
        return f"<method {self.__func__!r} of {self.__self__!r}>"
