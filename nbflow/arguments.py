"""What the keyword arguments of `@task` are taken as: each is checked and brought to its form."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from nbflow.cache_policies import CachePolicy
from nbflow.exceptions import OptionError
from nbflow.header import words_in
from nbflow.retries import parse_duration
from nbflow.types import Effect

if TYPE_CHECKING:
    from collections.abc import Callable


def as_limit(value: Any) -> float | None:
    """Seconds; as in Prefect, no time at all is no limit."""
    return parse_duration(value) or None


def as_text(value: object) -> str:
    """A text.

    Raises:
        OptionError: If it is none.
    """
    if not isinstance(value, str):
        raise OptionError(f"{value!r} is not a text")
    return value


def as_count(value: object) -> int:
    """A whole number from 0 on.

    Raises:
        OptionError: If it is none.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise OptionError(f"{value!r} is not a count; give a whole number from 0 on")
    return value


def as_words(value: object) -> tuple[str, ...]:
    """Words, of a text with commas or a list of texts.

    Raises:
        OptionError: If it is none.
    """
    if isinstance(value, str):
        return words_in(value)
    if not isinstance(value, Iterable):
        raise OptionError(f"{value!r} are no words; give a list of texts")
    return tuple(as_text(word) for word in cast("Iterable[object]", value))


def as_pairs(value: object) -> tuple[tuple[str, str], ...]:
    """Nothing: elements are named in headers only.

    Raises:
        OptionError: If it is none.
    """
    raise OptionError(f"{value!r} stands in the header of a cell only; call .map(…) of a task function")


def only_in_header(value: object) -> tuple[str, ...]:
    """Nothing: a function says by its parameters what it reads.

    Raises:
        OptionError: If it is none.
    """
    raise OptionError(f"{value!r} stands in the header of a cell only; a function has parameters")


def as_callable(value: object) -> Callable[..., Any]:
    """Something that can be called.

    Raises:
        OptionError: If it is none.
    """
    if not callable(value):
        raise OptionError(f"{value!r} cannot be called; give a function")
    return value


def check_runner(value: object) -> None:
    """Do nothing for a runner, and for a class of runners.

    Raises:
        OptionError: If it is neither.
    """
    if not callable(getattr(value, "submit", None)):
        raise OptionError(f"{value!r} is no runner; give one of nbflow.task_runners")


def as_runner(value: Any) -> Any:
    """A runner, also by its name; of a class one with its defaults.

    Raises:
        OptionError: If it is none of these.

    Example:
        >>> as_runner("inline").name
        'inline'
    """
    if isinstance(value, str):
        return importlib.import_module("nbflow.task_runners").runner_named(value)
    check_runner(value)
    if type(value).__module__.startswith("distributed."):  # a client of dask's, which has a `submit` as well
        return importlib.import_module("nbflow.task_runners").DaskTaskRunner(value)
    return value() if isinstance(value, type) else value


def as_callables(value: object) -> tuple[Callable[..., Any], ...]:
    """A list of functions.

    Raises:
        OptionError: If it is none.
    """
    if callable(value) or not isinstance(value, Iterable):
        raise OptionError(f"{value!r} is no list; give a list of functions")
    return tuple(as_callable(each) for each in cast("Iterable[object]", value))


@dataclass(frozen=True, slots=True)
class OfTaskAndState:
    """Prefect 1's `on_failure`: a function of the task and the state, as a hook.

    Args:
        function: The user's.
    """

    function: Callable[[Any, Any], object]

    @property
    def __name__(self) -> str:
        """The name of the user's function."""
        return str(getattr(self.function, "__name__", self.function))

    def __call__(self, task: Any, run: Any, state: Any) -> object:
        """Call it without the run."""
        return self.function(task, state)


def as_hooks(value: object) -> tuple[Callable[..., Any], ...]:
    """A list of hooks; a single function is one of Prefect 1."""
    return (OfTaskAndState(value),) if callable(value) else as_callables(value)


def as_template(value: object) -> str | Callable[..., str]:
    """A text with names in braces, or a function.

    Raises:
        OptionError: If it is none.
    """
    if isinstance(value, str):
        return value
    if not callable(value):
        raise OptionError(f"{value!r} is no name; give a text such as 'load-{{year}}', or a function")
    return cast("Callable[..., str]", value)


def as_classes(value: object) -> tuple[type[BaseException], ...]:
    """Classes of exceptions, one or several.

    Raises:
        OptionError: If it is none.
    """
    kinds = tuple(cast("Iterable[object]", value)) if isinstance(value, (list, tuple)) else (value,)
    if not all(isinstance(kind, type) and issubclass(kind, BaseException) for kind in kinds):
        raise OptionError(f"{value!r} is no exception class; name classes such as OSError")
    return cast("tuple[type[BaseException], ...]", kinds)


def as_policy(value: object) -> CachePolicy:
    """A cache policy.

    Raises:
        OptionError: If it is none.
    """
    if not isinstance(value, CachePolicy):
        raise OptionError(f"{value!r} is no cache policy; take one of nbflow.cache_policies")
    return value


def as_effect(value: object) -> Effect:
    """How often an effect is run.

    Raises:
        OptionError: If it is none of the ways.
    """
    try:
        return Effect(value)
    except ValueError:
        raise OptionError.unknown("effect", str(value), [each.value for each in Effect]) from None


def as_fraction(value: Any) -> float:
    """A number from 0 on.

    Raises:
        OptionError: If it is none.
    """
    if isinstance(value, bool) or float(value) < 0:
        raise OptionError(f"{value!r} is no fraction; give a number from 0 on")
    return float(value)
