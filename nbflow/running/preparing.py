"""Between the arguments of a run and its start: they are checked, and it gets its name by them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbflow.engine.signals import ENDRUN
from nbflow.exceptions import text_of
from nbflow.running.names import name_of_run
from nbflow.states import Failed, Role
from nbflow.store.protocol import RunRecord

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbflow.running.inputs import Inputs, Results
    from nbflow.running.runs import Run, Runnable
    from nbflow.running.scope import Scope


def has_to_prepare(of: Runnable) -> bool:
    """Whether there is anything to do: arguments of flows are checked, some runs have names of their own."""
    return of.role is Role.FLOW or of.run_name is not None


def prepared(run: Run, inputs: Inputs, scope: Scope, results: Results) -> Mapping[str, Any]:
    """The arguments as the body takes them; the run has its name then.

    Args:
        run: The run.
        inputs: Its arguments.
        scope: Within what it was started.
        results: What came of the results to come.

    Raises:
        ENDRUN: If the arguments are refused or make no name; trying again would not help.
    """
    __tracebackhide__ = True
    of = run.of
    try:
        found = of.accepted(inputs.fill(results))
        if of.run_name is not None:
            parameters = of.with_defaults(found)
            run.name = name_of_run(of.run_name, of.name, parameters, _shown(run, scope, parameters))
            scope.records.begin(RunRecord(run.id, name=run.name))
    except Exception as error:
        raise ENDRUN(Failed(text_of(error), error)) from error
    run.parameters = found
    return found


def _shown(run: Run, scope: Scope, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    """What `nbflow.context` shows while the run has no name yet."""
    if run.role is Role.FLOW:
        own: dict[str, Any] = {"flow_name": run.of.name, "flow_run_id": run.id, "parameters": parameters}
    else:
        own = {"task_name": run.of.name, "task_run_id": run.id, "task_parameters": parameters}
    return {**scope.shown, **own} if run.index is None else {**scope.shown, **own, "map_index": run.index}
