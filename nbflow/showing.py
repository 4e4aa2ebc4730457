"""How values of every layer show themselves: by a room above them, found when they are first shown."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Final

Page = Callable[[object], bool]
"""Shows a value live, where that is possible now, and says whether it was."""

_PAGES: Final[list[Page]] = []


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

    def __rich__(self) -> object:
        return import_module("nbflow.flows.gallery").show(self)


class ShowsItselfLive(ShowsItself):
    """What a notebook shows as a page that follows it, where one is possible, and else as it stands."""

    __slots__ = ()

    def _ipython_display_(self) -> None:
        if not any(page(self) for page in reversed(_PAGES)):
            raise NotImplementedError("the other forms are shown")


def attach_page(page: Page) -> Callable[[], object]:
    """Let values that show themselves live do so; return what ends that.

    Example:
        >>> detach = attach_page(lambda value: print("a page of", value) is None)
        >>> class Sums(ShowsItselfLive):
        ...     def __repr__(self):
        ...         return "sums"
        >>> Sums()._ipython_display_()
        a page of sums
        >>> detach()
    """
    _PAGES.append(page)
    return lambda: _PAGES.remove(page)
