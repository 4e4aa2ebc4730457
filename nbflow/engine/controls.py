"""Controls of the page: somebody moves one between two cells, and its name holds another value from then on.

No body has run: what the cell of the control has made is now what stands there, and who reads it is stale.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, cast

from msgspec.structs import replace

from nbflow.engine.bind import Version
from nbflow.engine.labels import Label
from nbflow.engine.previews import preview
from nbflow.engine.record import new_id
from nbflow.exceptions import CacheError
from nbflow.store.digests import unit_digest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbflow.engine.apply import Workspace
    from nbflow.engine.book import Book
    from nbflow.engine.sweep import Sweep
    from nbflow.types import Trace


def take_moved(book: Book, workspace: Workspace, sweep: Sweep) -> None:
    """Let what somebody has moved be what its cell has made.

    Args:
        book: The steps.
        workspace: The names.
        sweep: Told whose readers have to be judged again.
    """
    widgets = sys.modules.get("ipywidgets")
    if widgets is None:
        return
    for key in tuple(_held(workspace, getattr(widgets, "Widget", ()))):
        with suppress(Exception):  # a control may be anybody's, and answer anything
            moved = _moved(key, workspace)
            step = book.steps.get(moved.step) if moved is not None else None
            if moved is not None and step is not None and step.trace is not None:
                step.trace = _with(moved, step.trace)
                held = workspace.labels[key]
                label = Label(moved.output.digest, held.memory, moved, held.classes, held.copy)
                workspace.label(key, label)
                sweep.touch(step)


def _held(workspace: Workspace, kinds: Any) -> Iterator[str]:
    """The names of controls, and of containers that hold some."""
    for key, label in workspace.labels.items():
        value: object = workspace.names.get(key)
        if label.version is not None and (_is_one(value, kinds) or _holds_one(value, kinds)):
            yield key


def _is_one(value: object, kinds: Any) -> bool:
    return issubclass(type(value), kinds)


def _holds_one(value: object, kinds: Any) -> bool:
    if type(value) is dict:
        value = tuple(cast("dict[object, object]", value).values())
    parts = cast("list[object]", value) if type(value) in (list, tuple) else ()
    return any(_is_one(part, kinds) for part in parts[:_MOST])


_MOST: Final = 100
"""How many parts of a container are looked at."""


def _moved(key: str, workspace: Workspace) -> Version | None:
    """The version that a key holds by now, if that is another one than it is said to hold."""
    known = workspace.labels[key].version
    now = workspace.look(key)
    if known is None or now.digest == known.output.digest:
        return None
    unit, members = now.digest, known.output.members
    if len(members) > 1:
        try:
            unit = unit_digest({name: workspace.get(name) for name in members}, workspace.names)
        except (CacheError, KeyError):
            return None
    text = preview(workspace.names[key])
    return Version(
        known.step, known.output._replace(digest=now.digest, unit=unit, preview=text), known.classes
    )


def _with(moved: Version, trace: Trace) -> Trace:
    outputs = (moved.output if output.slot == moved.output.slot else output for output in trace.outputs)
    return replace(trace, id=new_id(trace.started), outputs=tuple(outputs))
