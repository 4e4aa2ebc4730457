"""How values of every layer show themselves: by a room above them, found when they are first shown."""

from __future__ import annotations

from importlib import import_module


def bundle_of(value: object) -> dict[str, str]:
    """Return a flow, a task, a run, a future or a state in every form there is, by mime type.

    Example:
        >>> from nbflow.states import Completed
        >>> bundle_of(Completed("all rows read"))["text/plain"]
        "Completed('all rows read')"
    """
    return import_module("nbflow.flows.gallery").show(value).bundle()


class ShowsItself:
    """What notebooks show as a page and terminals as text."""

    __slots__ = ()

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return bundle_of(self)
