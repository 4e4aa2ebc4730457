"""The decorators of exported tasks: what their headers say, as keyword arguments of `@task`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from nbflow.cache_policies import NO_CACHE, POLICIES
from nbflow.exceptions import ExportError
from nbflow.export.layout import literal
from nbflow.header import Named
from nbflow.task_runners import NAMES
from nbflow.triggers import all_successful, manual_only

if TYPE_CHECKING:
    from collections.abc import Collection

    from nbflow.export.units import Unit
    from nbflow.options import TaskOptions

_PASSES: Final = frozenset(
    ("all_successful", "all_finished", "always_run", "any_successful", "not_all_skipped")
)
"""Triggers that let a task run whenever all above it went well, as it is wherever main calls it."""
_HOOKS: Final = ("on_running", "on_completion", "on_failure", "on_cancellation", "on_crashed")
_FIELDS: Final = re.compile(r"(?<!\{)\{(\w+)")
_WORD: Final = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True)
class Decorator:
    """What stands above a task's function.

    Args:
        arguments: The keyword arguments of `@task`, as texts.
        docstring: What the task is for; empty: nobody said.
        imports: Modules to the names that the arguments take from them.
        notes: What is left out, and why.
    """

    arguments: tuple[str, ...]
    docstring: str
    imports: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]


def decorator_of(
    unit: Unit, function: str, top: Collection[str], given: Collection[str], *, hands_all: bool
) -> Decorator:
    """What stands above the function of a task.

    Args:
        unit: The task.
        function: What its function is called.
        top: The names that the module binds above all functions of tasks.
        given: The parameters of its function.
        hands_all: Whether all that the body changes is what it returns.

    Raises:
        ExportError: If an option decides whether it runs at all.

    Example:
        >>> from nbflow.export.cells import CellText
        >>> from nbflow.export.units import units_of
        >>> from nbflow.options import read_options
        >>> cell = CellText("task", "clean", "clean = 1", read_options("clean --retries 2 --retry-delay 1m"))
        >>> decorator_of(*units_of([cell]), "clean", (), (), hands_all=True).arguments
        ('retries=2', 'retry_delay_seconds=60')
    """
    writer = _Writer(unit, frozenset(top), frozenset(given))
    options = unit.cell.options
    if function != unit.label:
        writer.say("name", unit.label)
    _check_trigger(unit)
    _take_plain(writer, options)
    _take_cache(writer, options, hands_all=hands_all)
    _take_named(writer, options)
    return Decorator(tuple(writer.arguments), options.description, tuple(writer.imports), tuple(writer.notes))


class _Writer:
    """Collects the arguments of one decorator."""

    def __init__(self, unit: Unit, top: frozenset[str], given: frozenset[str]) -> None:
        self.unit = unit
        self.top = top
        self.given = given
        self.arguments: list[str] = []
        self.imports: list[tuple[str, str]] = []
        self.notes: list[str] = []

    def say(self, name: str, value: object) -> None:
        """Give an argument."""
        self.arguments.append(f"{name}={literal(value)}")

    def take(self, name: str, value: object, module: str, known: Collection[str]) -> None:
        """Give an argument whose text names things of a module."""
        self.arguments.append(f"{name}={literal(value)}")
        words = dict.fromkeys(_WORD.findall(re.sub(r"'[^']*'", "", repr(value))))
        self.imports += [(module, word) for word in words if word in known]

    def leave_out(self, flag: str, why: str) -> None:
        """Tell what has no argument."""
        self.notes.append(f"{self.unit.label}: {flag} is left out, {why}")


def _seconds(value: float) -> float | int:
    return int(value) if value == int(value) else value


def _take_plain(writer: _Writer, options: TaskOptions) -> None:
    if options.tags:
        writer.say("tags", [*options.tags])
    if options.retries:
        writer.say("retries", options.retries)
    if options.retry_delay:
        delays = [_seconds(each) for each in options.retry_delay]
        writer.say("retry_delay_seconds", delays if len(delays) > 1 else delays[0])
    if options.timeout is not None:
        writer.say("timeout_seconds", _seconds(options.timeout))
    if options.log_prints is not None:
        writer.say("log_prints", options.log_prints)
    if options.effect is not None:
        writer.say("effect", options.effect.value)
        if options.effect.value == "once":
            writer.notes.append(f"{writer.unit.label}: --effect once happens each time the module is run")


def _take_cache(writer: _Writer, options: TaskOptions, *, hands_all: bool) -> None:
    """Write down how old a result may be; what is compared counts for those who ask for that alone."""
    if options.cache_for is None and options.cache_validator is None:
        return
    if not hands_all:
        writer.leave_out("what it says of its cache", "as it changes more than it returns")
        return
    if options.cache_for is not None:
        writer.say("cache_for", _seconds(options.cache_for))
    if options.cache_validator is not None:
        named = re.match(_WORD, repr(options.cache_validator))
        known = (named[0],) if named else ()
        writer.take("cache_validator", options.cache_validator, "nbflow.engine.cache_validators", known)
    if options.cache_policy is not None and options.cache_policy != NO_CACHE:
        writer.take("cache_policy", options.cache_policy, "nbflow.cache_policies", POLICIES)
    if options.refresh_cache:
        writer.say("refresh_cache", value=True)


def _take_named(writer: _Writer, options: TaskOptions) -> None:
    """Write down what the notebook names, where that is there when the decorator is evaluated."""
    template: Any = options.task_run_name
    if template is not None:
        missing = [name for name in _FIELDS.findall(template) if name not in writer.given]
        if missing:
            writer.leave_out("--run-name", f"as it names {missing[0]}, which is no argument of it")
        else:
            writer.say("task_run_name", template)
    for hook in _HOOKS:
        _take_hooks(writer, hook, [each.name for each in getattr(options, hook)])
    runner: Any = options.runner
    if isinstance(runner, Named):
        if runner.name in NAMES:
            writer.say("runner", runner.name)
        elif _root(runner.name) in writer.top:
            writer.arguments.append(f"runner={runner.name}")
        else:
            writer.leave_out("--runner", f"as {runner.name} is made after the module's functions")


def _take_hooks(writer: _Writer, hook: str, names: list[str]) -> None:
    late = next((name for name in names if _root(name) not in writer.top), "")
    if late:
        writer.leave_out("--" + hook.replace("_", "-"), f"as {late} is made in main")
    elif names:
        writer.arguments.append(f"{hook}=[{', '.join(names)}]")


def _root(name: str) -> str:
    return name.partition(".")[0]


def _check_trigger(unit: Unit) -> None:
    trigger: Any = unit.cell.options.trigger
    name = getattr(trigger, "name", str(trigger))
    if trigger in (all_successful, manual_only) or (not isinstance(trigger, Named) and name in _PASSES):
        return
    raise ExportError(
        f"{unit.label}: --trigger {name} asks how the tasks above ended; where main calls it, all went well"
    )


def waits_for_a_person(unit: Unit) -> bool:
    """Whether only a person lets a task run."""
    return unit.kind == "task" and (unit.cell.options.manual or unit.cell.options.trigger is manual_only)
