"""What `nbflow.context` shows to the body of a step, and what of that it holds at the step's place.

What follows from the step and from its flow is an input by its value; what is another thing at each run
is none (`nbflow.context.IDENTITIES`), and the very moment, or all parameters as one, make a result *as of*.
"""

from __future__ import annotations

import marshal
from contextlib import suppress
from datetime import datetime
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

from nbflow.context import ALL, CLOCK, MISSING, context, date_fields, snapshot
from nbflow.engine.slots import CONTEXT, context_digest, in_context
from nbflow.types import Slot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from nbflow.engine.bind import View
    from nbflow.engine.book import Book, Step
    from nbflow.engine.effects import Call
    from nbflow.engine.requests import Execution
    from nbflow.engine.slots import Outside

FLOW: Final = "flow"
"""The kind of slots for what runs are shown of their flow."""
_MOMENT: Final = frozenset({"date", "scheduled_start_time"})
_OF_FLOW: Final = (CLOCK - _MOMENT) | {"flow_name"}


class FlowKind:
    """What runs of a notebook's tasks are shown of the flow that they are a part of.

    Args:
        notebook: Identifier of the notebook: the name of its file.
        clock: Seconds since the epoch.
        book: The steps, some of which set parameters.

    Example:
        >>> from nbflow.engine.book import Book
        >>> flow = FlowKind("flights.ipynb", lambda: 1.7e9, Book())
        >>> flow.show("flow_name"), flow.show("today")
        ("'flights'", "'2023-11-14'")
    """

    name = FLOW

    def __init__(self, notebook: str, clock: Callable[[], float], book: Book) -> None:
        self._notebook = notebook
        self._flow_name = PurePath(notebook).stem or "notebook"
        self._clock = clock
        self._book = book
        self._parameters: frozenset[str] = frozenset()
        self._as_of: tuple[int, int] | None = None

    def now(self, locator: str) -> str | None:
        """The digest of what a run would be shown."""
        return context_digest(context.get(locator, self._own().get(locator, MISSING)))

    def show(self, locator: str) -> str:
        """It in a short text."""
        return in_context(locator, context.get(locator, self._own().get(locator, MISSING))).preview

    def shown(self, execution: Execution) -> dict[str, Any]:
        """What a run that begins now is shown; of its flow, what the user has set counts instead."""
        if execution.step.plain:
            return {}  # its user runs it as a cell like any other
        own, known = self._own(), snapshot()
        own["parameters"] = _copied(execution.workspace.names, self._known_parameters())
        of_flow = {key: value for key, value in own.items() if key not in known}
        run = f"#{execution.call.spec.flow_run}"
        # Each notebook counts its flow runs for itself.
        called = {"flow_run_id": f"{self._notebook}{run}", "flow_run_name": run}
        return {**of_flow, **called, **_by_step(execution.step), **_by_call(execution.call)}

    def _own(self) -> dict[str, Any]:
        start = datetime.fromtimestamp(self._clock()).astimezone()
        return {"flow_name": self._flow_name, "scheduled_start_time": start, **date_fields(start)}

    def _known_parameters(self) -> frozenset[str]:
        as_of = self._book.revision, self._book.size
        if self._as_of != as_of:
            self._parameters = frozenset[str]().union(*(step.parameters for step in self._book))
            self._as_of = as_of
        return self._parameters


def _by_step(step: Step) -> dict[str, Any]:
    """What a run is shown of its step."""
    return {"task_name": step.name, "task_tags": step.tags}


def _by_call(call: Call) -> dict[str, Any]:
    """What a run is shown of itself: all of it differs from run to run by nature."""
    spec = call.spec
    resumed = {"resume": True} if spec.resumed is not None or spec.started_by_name else {}
    item = {"map_index": spec.index} if spec.index is not None else {}
    return {
        **resumed,
        **item,
        "task_run_id": spec.id,
        "task_run_name": spec.name,
        "task_run_count": call.run_count,
        "task_loop_count": call.loop,
        "task_loop_result": call.loop_result,
    }


def _copied(names: Mapping[str, Any], wanted: Iterable[str]) -> dict[str, Any]:
    """Those of these names that hold literals, each a copy: who changes it changes nobody's input."""
    found: dict[str, Any] = {}
    for name in wanted:
        # What it takes are literals, and anything else that has a buffer, for mere bytes.
        with suppress(Exception):
            own = marshal.loads(marshal.dumps(names[name]))
            if type(own) is type(names[name]) and own == names[name]:
                found[name] = own
    return found


def content_for(slot: Slot, view: View, outside: Outside) -> str | None:
    """The content of a key of the context for the step at the view's place."""
    own = _own(slot, view)
    return outside.digest(_meant(slot, view)) if own is MISSING else context_digest(own)


def shown_for(slot: Slot, view: View, outside: Outside) -> str:
    """The same as a short text."""
    own = _own(slot, view)
    return outside.show(_meant(slot, view)) if own is MISSING else in_context(slot.locator, own).preview


def _own(slot: Slot, view: View) -> object:
    task = _task_at(view)
    return _by_step(task).get(slot.locator, MISSING) if task and slot.kind == CONTEXT else MISSING


def _meant(slot: Slot, view: View) -> Slot:
    """The slot outside the notebook that a key stands for: a run of a task is shown its flow's."""
    if slot.kind != CONTEXT or slot.locator not in _OF_FLOW or _task_at(view) is None:
        return slot
    meant = Slot(FLOW, slot.locator)
    view.looked.add(meant)
    return meant


def _task_at(view: View) -> Step | None:
    """The task whose view it is: runs of plain cells are shown nothing."""
    return view.step if view.step is not None and not view.step.plain else None


def not_compared(key: str) -> str:
    """Why a key that a body has read is no input that could be compared; empty for one that is.

    Example:
        >>> not_compared("date"), not_compared("today")
        ('clock: context.date', '')
    """
    if key in _MOMENT:
        return f"clock: context.{key}"
    return _AS_ONE.get(key, "")


_AS_ONE: Final = {
    "parameters": "reads all parameters as one: read them by their names",
    ALL: "reads all of nbflow.context: read what it needs by its key",
}
