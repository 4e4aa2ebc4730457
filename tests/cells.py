"""Simulated notebooks in a line: cells written and run once, and what is said of them afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbflow.store.formats import Formats
from nbflow.store.memory import BUDGET, MemoryStore, code_digest
from nbflow.testing import Notebook

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from nbflow.engine.action import Action
    from nbflow.types import Cause


def opened(
    *sources: str, plain: Collection[int] = (), notebook: Notebook | None = None
) -> tuple[Notebook, list[str]]:
    """A notebook with these cells, all run once in order; `plain` are the positions of plain ones."""
    notebook = notebook or Notebook()
    cells = [notebook.add(source, plain=place in plain) for place, source in enumerate(sources)]
    notebook.run_all()
    notebook.log.clear()
    return notebook, cells


def kept(
    budget: int = BUDGET, kind: type[MemoryStore] = MemoryStore
) -> Callable[[dict[str, object]], MemoryStore]:
    """A store in memory that outlives restarts, as one on disk does, with room for so many bytes."""
    stores: list[MemoryStore] = []

    def open_again(names: dict[str, object]) -> MemoryStore:
        if not stores:
            stores.append(kind(names, budget=budget))
        stores[0]._formats = Formats(names, code_digest)
        return stores[0]

    return open_again


def change(notebook: Notebook, cell: str, source: str) -> Action:
    """Edit a cell and run it."""
    notebook.edit(cell, source)
    return notebook.run(cell)


def verdicts(notebook: Notebook) -> list[str]:
    """The verdicts in flow order."""
    return [notebook.verdict(cell).value for cell in notebook.book.order]


def causes(notebook: Notebook, cell: str) -> list[tuple[str, str]]:
    """Category and subject of each cause, root cause first."""
    return [(cause.category, cause.subject) for cause in notebook.judgement(cell).causes]


def root_cause(notebook: Notebook, cell: str) -> Cause:
    """The cause that the first causes lead to, step by step."""
    cause = notebook.judgement(cell).causes[0]
    while cause.category == "upstream":
        cause = notebook.judgement(notebook.book.named(cause.origin).id).causes[0]
    return cause


def values(notebook: Notebook, *names: str) -> list[Any]:
    """What these names hold; a name that holds nothing is an error."""
    return [notebook.names[name] for name in names]
