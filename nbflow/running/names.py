"""What a run is called, by its parameters: a text with fields in braces, or a function."""

from __future__ import annotations

import difflib
import inspect
from typing import TYPE_CHECKING, Any, Final, cast

from nbflow.context import context
from nbflow.exceptions import OptionError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_MOST_NAMED: Final = 10


def name_of_run(
    template: str | Callable[..., str],
    of: str,
    parameters: Mapping[str, Any],
    shown: Mapping[str, Any],
) -> str:
    """The name of a run.

    Args:
        template: As `str.format` takes it, with parameters and what `nbflow.context` shows as fields; or a
            function, called without arguments, or with all of them where it has the parameter `parameters`.
        of: The task or flow, for messages.
        parameters: Parameter to argument.
        shown: What `nbflow.context` shows besides.

    Raises:
        OptionError: If no name comes of it.

    Example:
        >>> name_of_run("load-{year}-{x[0]!r:>4}", "load", {"year": 2013, "x": ["a"]}, {})
        "load-2013- 'a'"
    """
    with context(shown):
        try:
            name = cast("object", _made(template, parameters))
        except Exception as error:
            text = f"the name {_told(template)} cannot be made for a run of {of!r}: "
            reason = _missing(error, parameters) if isinstance(error, KeyError) else str(error)
            raise OptionError(text + (reason or type(error).__name__)) from error
    if not isinstance(name, str):
        raise OptionError(f"{_told(template)} returned {name!r} as the name of a run of {of!r}; give a text")
    return name


def _made(template: str | Callable[..., str], parameters: Mapping[str, Any]) -> str:
    if isinstance(template, str):
        return template.format_map(_Fields(parameters))
    if "parameters" in inspect.signature(template).parameters:
        return template(parameters=dict(parameters))
    return template()


class _Fields(dict[str, Any]):
    """Parameters, and what the context shows: of that, only what a template names counts as read."""

    def __missing__(self, key: str) -> Any:
        return context[key]


def _told(template: str | Callable[..., str]) -> str:
    return repr(template) if isinstance(template, str) else getattr(template, "__name__", repr(template))


def _missing(error: KeyError, parameters: Mapping[str, Any]) -> str:
    """What to say of a field that there is not: the nearest of those that there are, or the first."""
    names = sorted(name for name in parameters if not name.startswith("_"))
    near = difflib.get_close_matches(str(error.args[0]), names, n=1)
    others = ", ".join(names[:_MOST_NAMED])
    return f"there is no {error}; " + (f"did you mean {near[0]!r}?" if near else f"it has {others}")
