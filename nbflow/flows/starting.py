"""What tasks start from that are named by a person: the inputs that their failed runs have kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nbflow.running.kept import kept_of
from nbflow.states import Role

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from nbflow.flows.structure import Structure
    from nbflow.running.records import Records
    from nbflow.tasks import Task

_MOST_COPIES: Final = 1_000
"""Among how many runs of tasks of one name that of the last flow run is looked for."""


def kept_inputs(
    structure: Structure, name: str, starts: Iterable[Task], given: Collection[Task], records: Records
) -> dict[Task, Mapping[str, Any]]:
    """The arguments of tasks that did not complete in the last run of their flow, where they were kept.

    A mapped task, and one whose upstream was given a state, are left out: what they need runs again.

    Args:
        structure: The tasks of the flow.
        name: That of the flow.
        starts: The tasks that a person has named.
        given: The tasks to which states were given.
        records: Where runs are kept.
    """
    runs = records.history.runs(records.notebook, f"{name}()")
    last = next((run for run in runs if run.role == Role.FLOW.value), None)
    found: dict[Task, Mapping[str, Any]] = {}
    for task in starts if last is not None else ():
        needs = {edge.upstream_task for edge in structure.inputs[task].edges if edge.key is not None}
        is_plain = needs and needs.isdisjoint(given) and not structure.inputs[task].mapped
        values = _kept(structure, task, last.id, records) if last is not None and is_plain else None
        if values is not None:
            found[task] = values
    return found


def _kept(structure: Structure, task: Task, flow_run: str, records: Records) -> Mapping[str, Any] | None:
    """All arguments of a task that come from others, as its only run in a flow run had them."""
    candidates = records.history.runs(records.notebook, f"{structure.slugs()[task]}()", _MOST_COPIES)
    runs = [run for run in candidates if run.parent == flow_run]
    if len(runs) != 1:
        return None
    inputs = structure.inputs[task]
    wanted = {edge.key for edge in inputs.edges if edge.key is not None}
    kept = kept_of(runs[0].id, records)
    if kept.state.is_completed() or not wanted <= kept.inputs.keys():
        return None
    return {**inputs.template, **{key: kept.inputs[key] for key in wanted}}
