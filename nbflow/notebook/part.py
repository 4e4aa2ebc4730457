"""A part of a notebook for a headless run: the cells that certain tasks need, the others left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nbflow.notebook.chosen import choose
from nbflow.notebook.saved import SavedCell
from nbflow.views.words import counted, listed

if TYPE_CHECKING:
    from collections.abc import Sequence

_LEFT_OUT: Final = "skip-execution"
"""The tag by which nbclient leaves out a cell."""
_MOST_NAMED: Final = 6


class Part:
    """Lets a run of a notebook leave out what certain tasks do not need.

    Args:
        notebook: The notebook as it is in memory; its cells are marked until `restore`.
        tasks: Names of tasks.

    Raises:
        OptionError: If one is none of a task, or the header of a cell makes no sense.
    """

    def __init__(self, notebook: Any, tasks: Sequence[str]) -> None:
        self._notebook = notebook
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        self._chosen = choose([SavedCell(str(cell.get("id", "")), cell.source) for cell in code], tasks)
        self._left = [code[place] for place in sorted(self._chosen.places)]
        self._marked: list[Any] = []
        self._added: list[Any] = []
        for cell in self._left:
            self._leave_out(cell)
        for place, name in self._chosen.functions:
            self._run_behind(code[place], name)

    @property
    def told(self) -> list[str]:
        """What is left out, in lines."""
        tasks, plain = self._chosen.tasks, self._chosen.plain
        lines = [f"  left out: {listed(tasks, _MOST_NAMED)}"] if tasks else []
        if plain:
            what = f"{counted(len(plain), 'cell')} that {'reads' if len(plain) == 1 else 'read'}"
            lines.append(f"  left out: {what} from what is left out: {listed(plain, _MOST_NAMED)}")
        return lines

    def restore(self) -> None:
        """Take away what was added for the run; cells that were left out show nothing."""
        for cell in self._marked:
            tags = [tag for tag in cell.metadata["tags"] if tag != _LEFT_OUT]
            if tags:
                cell.metadata["tags"] = tags
            else:
                del cell.metadata["tags"]
        for cell in self._left:
            cell.outputs, cell.execution_count = [], None
        kept = [cell for cell in self._notebook.cells if not any(cell is each for each in self._added)]
        self._notebook.cells = kept

    def _leave_out(self, cell: Any) -> None:
        tags = list(cell.metadata.get("tags", []))
        if _LEFT_OUT not in tags:
            cell.metadata["tags"] = [*tags, _LEFT_OUT]
            self._marked.append(cell)

    def _run_behind(self, cell: Any, function: str) -> None:
        """A task function runs where it is named, behind the cell that defines it."""
        cells = self._notebook.cells
        made = type(cell)(
            cell_type="code",
            id=f"nbflow-{len(self._added)}",
            source=f"%flow run {function}",
            metadata=type(cell)(),
            outputs=[],
            execution_count=None,
        )
        at = next(place for place, each in enumerate(cells) if each is cell)
        cells.insert(at + 1, made)
        self._added.append(made)
