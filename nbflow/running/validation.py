"""Arguments of flows, brought to the types of their annotations by pydantic.

A value that is exactly of its annotated plain type is what pydantic would make of it, and is not shown to it:
it is imported when something has to be compared or converted, and not before.
"""

from __future__ import annotations

import inspect
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from nbflow.exceptions import ParameterTypeError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic import TypeAdapter, ValidationError

_PLAIN: Final = frozenset({int, float, str, bool, bytes})
_Kind = inspect.Parameter


class Validation:
    """What the annotations of a function ask of its arguments.

    Annotations whose names are not there at run time, as those imported for type checkers only, and those of
    which pydantic knows nothing ask for nothing; a default is what its function says, whatever is annotated.

    Args:
        fn: The function.

    Example:
        >>> def load(year: int, names: list[str] = ()): ...
        >>> Validation(load).accepted({"year": "2013", "names": ("a",)}, "load")
        {'year': 2013, 'names': ['a']}
    """

    def __init__(self, fn: Callable[..., Any]) -> None:
        self._wanted = _annotations(fn)
        self._defaults = {each.name: each.default for each in inspect.signature(fn).parameters.values()}
        self._adapters: dict[str, TypeAdapter[Any] | None] = {}

    def accepted(self, inputs: Mapping[str, Any], flow: str) -> Mapping[str, Any]:
        """The arguments as annotated; the same object where nothing had to be looked at.

        Raises:
            ParameterTypeError: If some cannot be brought to their types; names all of them.
        """
        __tracebackhide__ = True
        doubtful = [name for name in self._wanted if name in inputs and not self._fits(name, inputs[name])]
        return self._converted(doubtful, inputs, flow) if doubtful else inputs

    def _fits(self, name: str, value: object) -> bool:
        wanted = self._wanted[name]
        return (wanted in _PLAIN and type(value) is wanted) or value is self._defaults[name]

    def _converted(self, names: list[str], inputs: Mapping[str, Any], flow: str) -> Mapping[str, Any]:
        __tracebackhide__ = True
        from pydantic import ValidationError

        converted, problems = dict(inputs), list[str]()
        for name in names:
            adapter = self._adapter(name)
            try:
                if adapter is not None:
                    converted[name] = adapter.validate_python(inputs[name])
            except ValidationError as error:
                problems += _told(name, error)
        if problems:
            raise ParameterTypeError.of(flow, problems)
        return converted

    def _adapter(self, name: str) -> TypeAdapter[Any] | None:
        if name not in self._adapters:
            self._adapters[name] = _adapter_for(self._wanted[name])
        return self._adapters[name]


def _annotations(fn: Callable[..., Any]) -> dict[str, Any]:
    """Parameter to the type that its argument shall have."""
    names = getattr(inspect.unwrap(fn), "__globals__", {})
    wanted: dict[str, Any] = {}
    for parameter in inspect.signature(fn).parameters.values():
        annotation = parameter.annotation
        if annotation is _Kind.empty:
            continue
        with suppress(Exception):
            kind = eval(annotation, names) if isinstance(annotation, str) else annotation
            wanted[parameter.name] = _of_all(parameter, kind)
    return {name: kind for name, kind in wanted.items() if kind not in (Any, object)}


def _of_all(parameter: _Kind, kind: Any) -> Any:
    """The type of the argument: of `*args` and `**kwargs` each part is annotated."""
    if parameter.kind is _Kind.VAR_POSITIONAL:
        return tuple[kind, ...]
    return dict[str, kind] if parameter.kind is _Kind.VAR_KEYWORD else kind


def _adapter_for(kind: Any) -> TypeAdapter[Any] | None:
    from pydantic import ConfigDict, PydanticUserError, TypeAdapter

    with suppress(Exception):
        try:
            return TypeAdapter(kind, config=ConfigDict(arbitrary_types_allowed=True))
        except PydanticUserError:
            return TypeAdapter(kind)  # models and dataclasses bring a configuration of their own
    return None


def _told(name: str, error: ValidationError) -> list[str]:
    found = error.errors(include_url=False, include_context=False)
    return [
        f"{'.'.join(map(str, (name, *each['loc'])))}: {each['msg']}, got {_short(each['input'])}"
        for each in found
    ]


def _short(value: object) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 40 else f"{text[:39]}…"
