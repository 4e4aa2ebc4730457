"""Displays with an id, brought up to date where their task has another result than its cell shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow.notebook.outputs import Display, is_lost_widget

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from nbflow.notebook.outputs import Item
    from nbflow.notebook.places import Cell
    from nbflow.notebook.session import Session
    from nbflow.types import Trace


class Redisplay:
    """Keeps what cells show under an id of the user's own at what their tasks have now.

    What has no id stays as it was shown; the badge says from which run that is.

    Args:
        session: The session.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._brought: dict[str, tuple[str, str]] = {}
        """Of each step, whose outputs its cell shows, and whose displays with an id."""

    def bring(self) -> None:
        """Update the displays of all cells that show another result than their task has."""
        for cell in self._others():
            trace = cell.step.bound_trace
            if trace is not None and cell.number is not None and trace.id != cell.shown:
                self._bring(cell, trace)
            elif cell.step.id in self._brought:
                self._bring_back(cell, trace)

    def _others(self) -> list[Cell]:
        """All cells but those that plainly show what their task has; in one pass over all of them."""
        brought, cells = self._brought, self._session.places.cells.values()
        return [
            cell
            for cell in cells
            if (step := cell.step).id in brought
            or (
                cell.number is not None
                and (step.hold is not None or step.trace is None or step.trace.id != cell.shown)
            )
        ]

    def _bring_back(self, cell: Cell, trace: Trace | None) -> None:
        """What the cell shows is what its task has again, be it by a run of the cell."""
        shown, displays = self._brought.pop(cell.step.id)
        if trace is not None and shown == cell.shown != displays:
            self._update(cell, trace)

    def _bring(self, cell: Cell, trace: Trace) -> None:
        if self._brought.get(cell.step.id) == (cell.shown, trace.id):
            return
        if self._update(cell, trace):
            cell.shown = trace.id
        self._brought[cell.step.id] = (cell.shown, trace.id)

    def _update(self, cell: Cell, trace: Trace) -> bool:
        """Update the displays of a cell, and those of others that its task updates; whether that is all."""
        before = self._session.around.store.trace(cell.shown) if cell.shown else None
        shown = self._session.kept_outputs(before) if before is not None else []
        items, screen = self._session.kept_outputs(trace), self._session.around.screen
        ids = _ids(shown)
        for item in (item for item in items if isinstance(item, Display)):
            if item.is_elsewhere or _is_updated(item, ids):
                screen.publish(item.data, item.metadata, item.id, updates=True)
        return before is not None and bool(shown and items) and _others(shown, ids) == _others(items, ids)


def _ids(items: Sequence[Item]) -> set[str]:
    """The ids of what can be updated in the cell itself."""
    displays = (item for item in items if isinstance(item, Display) and not item.is_elsewhere)
    return {item.id for item in displays if item.id and not is_lost_widget(item)}


def _others(items: Sequence[Item], ids: Collection[str]) -> list[Item | str]:
    """What the cell shows, with nothing but the id of what is updated."""
    own = (item for item in items if not (isinstance(item, Display) and item.is_elsewhere))
    return [item.id if isinstance(item, Display) and _is_updated(item, ids) else item for item in own]


def _is_updated(item: Display, ids: Collection[str]) -> bool:
    return item.id in ids and not is_lost_widget(item)
