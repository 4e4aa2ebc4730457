"""What a header calls by a name of the notebook: triggers, hooks and the like."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache, partial, reduce
from typing import TYPE_CHECKING, Any, Final

from nbflow.analysis.names import is_managed
from nbflow.arguments import as_runner
from nbflow.exceptions import OptionError
from nbflow.header import Named
from nbflow.options import read_options
from nbflow.running.names import name_of_run
from nbflow.running.runs import Run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nbflow.options import TaskOptions


class ByName:
    """Calls what a name of the notebook stands for now, so that an edit of it counts at once.

    Args:
        named: The name.
        names: The user's namespace.
        what: What is named, for messages.

    Example:
        >>> names = {"ready": lambda upstream: True}
        >>> trigger = ByName(Named("ready"), names)
        >>> trigger({}), trigger.__name__
        (True, 'ready')
    """

    def __init__(self, named: Named, names: Mapping[str, Any], what: str = "trigger") -> None:
        self._named = named
        self._names = names
        self._what = what
        self.__name__ = named.name

    def __call__(self, *args: Any) -> Any:
        """Call it."""
        return self.found()(*args)

    def found(self) -> Any:
        """What the name stands for; a runner of ours needs no definition.

        Raises:
            OptionError: If there is nothing of that name, or it cannot be called.
        """
        if self._what == "runner" and self._named.name in self._named.otherwise:
            return as_runner(self._named.name)
        first, *others = self._named.name.split(".")
        try:
            value = reduce(getattr, others, self._names[first])
        except (KeyError, AttributeError):
            if self._named.otherwise:
                raise OptionError.unknown(self._what, self._named.name, self._named.otherwise) from None
            raise OptionError(
                f"there is no {self._named.name!r} here; run the cell that defines it first"
            ) from None
        if self._what == "runner":
            return as_runner(value)
        if not callable(value):
            raise OptionError(f"{self._named.name!r} is {value!r} here, which cannot be called")
        return value


def resolved(rules: Mapping[str, Any], names: Mapping[str, Any]) -> dict[str, Any]:
    """The rules of a header with the functions of the notebook in them; none is looked up yet."""
    return {
        name: _resolved(value, names, name) if isinstance(value, _MAY_BE_NAMED) else value
        for name, value in rules.items()
    }


def _resolved(value: Any, names: Mapping[str, Any], what: str) -> Any:
    if isinstance(value, tuple):
        return tuple(_resolved(each, names, what) for each in value)  # pyright: ignore[reportUnknownVariableType]
    return ByName(value, names, what) if isinstance(value, Named) else value


_MAY_BE_NAMED: Final = (Named, tuple)


@lru_cache(maxsize=4_096)
def _written(header: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The rules and the hooks of a header as it writes them."""
    options = read_options(header)
    return options.rules, options.hooks


def rules_of(header: str, names: Mapping[str, Any]) -> dict[str, Any]:
    """The rules of a header as written, resolved."""
    return resolved(_written(header)[0], names)


def check(header: str, names: Mapping[str, Any]) -> None:
    """Look up what the rules and hooks of a header call by name.

    Raises:
        OptionError: If the notebook has no such function.
    """
    rules, hooks = _written(header)
    for value in (*resolved(rules, names).values(), *resolved(hooks, names).values()):
        for each in value if isinstance(value, tuple) else (value,):  # pyright: ignore[reportUnknownVariableType]
            if isinstance(each, ByName):
                each.found()


@dataclass(frozen=True)
class HookedTask:
    """A task cell, as hooks are told of it.

    Args:
        name: What people call it.
        options: What its header says, with functions in the place of names.
    """

    name: str
    options: TaskOptions

    def __repr__(self) -> str:
        return f"<task cell {self.name!r}>"


def telling(name: str, options: TaskOptions, names: Mapping[str, Any]) -> Callable[[str, int], Run] | None:
    """What makes the runs that hooks, the log and names of a header are told of; None where nothing asks."""
    if not options.asks_for_run:
        return None
    task = HookedTask(name, replace(options, **resolved(options.hooks, names)))
    return partial(_run, task)


def telling_of(task: Any) -> Callable[[str, int], Run] | None:
    """The same for a task function."""
    return partial(_run, task) if task.options.asks_for_run else None


def naming(options: TaskOptions, names: Mapping[str, Any]) -> Callable[[Run], str] | None:
    """What names the runs of a task by names of the notebook; None where they are called as the task.

    Example:
        >>> from nbflow.options import read_options
        >>> name = naming(read_options("load --run-name load-{year}"), {"year": 2013})
        >>> name(Run("r1", "load", None)) if name else None
        'load-2013'
    """
    return None if options.task_run_name is None else partial(_name, options.task_run_name, names)


def _name(template: str | Callable[..., str], names: Mapping[str, Any], run: Run) -> str:
    fields = {key: value for key, value in names.items() if not is_managed(key)}
    run.name = name_of_run(template, run.name, fields, {})
    return run.name


def _run(task: Any, id: str, number: int) -> Run:
    return Run(id, task.name, task, tags=frozenset(task.options.tags), number=number)
