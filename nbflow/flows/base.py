"""What both sorts of flows share: their settings, and the scope of their runs."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Final

from nbflow.arguments import as_runner, check_runner
from nbflow.context import date_fields
from nbflow.exceptions import OptionError
from nbflow.options import OTHER_NAMES, TaskOptions, take_options
from nbflow.running.calls import run_of
from nbflow.running.earlier import PastRun, past_runs
from nbflow.running.hooks import OPTION_OF, Hooked
from nbflow.running.scope import Scope, present_scope
from nbflow.showing import ShowsItselfLive
from nbflow.states import Role

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nbflow.engine.effects import Call
    from nbflow.running.runs import Run
    from nbflow.task_runners.base import Runner


@dataclass(frozen=True, slots=True)
class FlowSettings:
    """What is said of a flow beside its body and what is said of tasks as well.

    Args:
        task_runner: Where its tasks execute, also by its name; None: the default of its sort of flow.
        validate_parameters: Whether arguments are brought to the types of their annotations.
        flow_run_name: The name of each run: a text with parameters in braces, or a function.
    """

    task_runner: Any = None
    validate_parameters: bool = True
    flow_run_name: str | Callable[..., str] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.task_runner, type):
            check_runner(self.task_runner)
        elif self.task_runner is not None:
            object.__setattr__(self, "task_runner", as_runner(self.task_runner))


_OWN: Final = tuple(each.name for each in fields(FlowSettings))
_OTHER_NAMES: Final = {"executor": "task_runner"}
"""Prefect 1's names for the same settings."""
_SHARED: Final = frozenset(
    {"name", "description", "version", "tags", "timeout", "log_prints", "persist_result", "state_handlers"}
    | {"retries", "retry_delay", "retry_jitter", "retry_on", "retry_condition", *OPTION_OF.values()}
)
"""The options of tasks that make sense for flows."""


class BaseFlow(Hooked, ShowsItselfLive):
    """A template of flow runs.

    Args:
        name: What people call it.
        given: The fields of `FlowSettings`, and of `nbflow.options.TaskOptions` those that make sense.

    Raises:
        OptionError: If an option or its value does not exist.
    """

    is_async = False
    yields = False
    role = Role.FLOW

    def __init__(self, name: str, **given: Any) -> None:
        self.settings, self.options = _taken(given, FlowSettings(), TaskOptions(name=name))

    def __getattr__(self, name: str) -> Any:
        # What was said of it, by our names and by Prefect's, are attributes as well.
        own = OTHER_NAMES.get(name, name)
        for said, known in (("settings", _OWN), ("options", _SHARED)):
            if own in known and said in vars(self):
                return getattr(vars(self)[said], own)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)

    @property
    def name(self) -> str:
        """What people call it."""
        return self.options.name

    @property
    def run_name(self) -> str | Callable[..., str] | None:
        """What each run is called; None: as the flow."""
        return self.settings.flow_run_name

    def take(self, given: Mapping[str, Any]) -> None:
        """Set options; None takes one back to its default."""
        self.settings, self.options = _taken(given, self.settings, self.options)

    def new_run(self, around: Scope) -> Run:
        """A run of it, with the number of its flow run."""
        return run_of(self, around)

    def runs(self, limit: int = 100) -> tuple[PastRun, ...]:
        """Its runs, newest first, also those of earlier kernels, as far as the history has them."""
        return past_runs(present_scope(recorded=True).records, self.name, limit)

    def accepted(self, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        """The arguments as its body gets them."""
        return inputs

    def with_defaults(self, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        """The arguments, and the defaults of the parameters that have none."""
        return inputs

    def scope_for(self, run: Run, around: Scope, call: Call) -> Scope:
        """The scope of the body of a run."""
        shown = {
            "flow_name": self.name,
            "flow_run_id": run.id,
            "flow_run_name": run.name,
            "parameters": call.inputs,
            "scheduled_start_time": run.state.timestamp,
            **date_fields(run.state.timestamp or around.records.timers.now()),
        }
        runner = self.runner(around)
        owns = runner is not self.settings.task_runner
        return Scope(around.records, run, run, runner, call.inputs, shown, owns_runner=owns)

    def runner(self, around: Scope) -> Runner:
        """Where its tasks execute."""
        raise NotImplementedError

    def execute(self, scope: Scope, call: Call) -> Any:
        """Execute its body once."""
        raise NotImplementedError


def _taken(
    given: Mapping[str, Any], settings: FlowSettings, options: TaskOptions
) -> tuple[FlowSettings, TaskOptions]:
    """The settings and options with what is given; None takes one back to its default."""
    default = FlowSettings()
    given = {_OTHER_NAMES.get(name, name): value for name, value in given.items()}
    own = {name: given[name] for name in _OWN if name in given}
    rest = {name: value for name, value in given.items() if name not in own}
    for name in rest:
        if OTHER_NAMES.get(name, name) not in _SHARED:
            raise OptionError.unknown("option of a flow", name, (*_OWN, *_SHARED))
    changes = {name: getattr(default, name) if value is None else value for name, value in own.items()}
    return replace(settings, **changes), take_options(rest, options)
