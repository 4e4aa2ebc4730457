"""What is known of the present runs, under the names of Prefect's module; `nbflow.context` has it all.

Example:
    >>> from nbflow import flow
    >>> from nbflow.runtime import flow_run
    >>> @flow(flow_run_name=lambda: f"{flow_run.flow_name} of {flow_run.parameters['year']}")
    ... def report(year):
    ...     return flow_run.name
    >>> report(2013)
    'report of 2013'
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nbflow.context import context

if TYPE_CHECKING:
    from collections.abc import Mapping


class Present:
    """A view of the present run of one sort; what is not known is None.

    Args:
        names: The name of each attribute in `nbflow.context`.
    """

    __slots__ = ("_names",)

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # of one that is being unpickled nothing is there yet
            raise AttributeError(name)
        if name not in self._names:
            known = ", ".join(self._names)
            raise AttributeError(f"nothing is known of {name!r}; use one of {known}", name=name, obj=self)
        return context.get(self._names[name])

    def __dir__(self) -> list[str]:
        return sorted(self._names)


flow_run: Final = Present(
    {
        "id": "flow_run_id",
        "name": "flow_run_name",
        "flow_name": "flow_name",
        "parameters": "parameters",
        "scheduled_start_time": "scheduled_start_time",
    }
)
"""The present run of a flow."""

task_run: Final = Present(
    {
        "id": "task_run_id",
        "name": "task_run_name",
        "task_name": "task_name",
        "run_count": "task_run_count",
        "tags": "task_tags",
        "parameters": "task_parameters",
    }
)
"""The present run of a task; its parameters are known while it gets its name."""
