"""A session without a kernel: a notebook's file as it is saved, over a copy of its store.

Nothing is executed, imported or written. Each step stands at what its last run left, as the history has it;
how a kernel would see all else nobody knows here.
"""

from __future__ import annotations

import sys
import time
from contextlib import chdir, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from nbflow.engine.book import Step, read_body
from nbflow.engine.counted import unmade
from nbflow.engine.enact import source_digest
from nbflow.engine.slots import CONTEXT, SETTINGS
from nbflow.exceptions import CellSyntaxError, NbflowError, SessionError
from nbflow.notebook.capturing import Routes
from nbflow.notebook.cells import Bodies, is_only_ours, read_header
from nbflow.notebook.ended import every, note_end
from nbflow.notebook.last import Last
from nbflow.notebook.naming import label_of
from nbflow.notebook.outputs import Screen
from nbflow.notebook.saved import SavedCell, SavedNotebook, read_cells, refuse
from nbflow.notebook.session import Session
from nbflow.notebook.surroundings import Surroundings
from nbflow.notebook.written import as_python
from nbflow.options import read_options
from nbflow.settings import read_settings
from nbflow.states import Origin
from nbflow.store.at_import import AT_IMPORT
from nbflow.store.copied import copied, notices_of
from nbflow.store.files import Files
from nbflow.store.folder import is_store
from nbflow.store.modules import ModuleKind
from nbflow.types import UNBOUND, Standing

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from pathlib import Path

    from nbflow.store.protocol import RunRecord
    from nbflow.types import Trace

_MOST_RUNS: Final = 100_000
_OF_A_KERNEL: Final = ("package", "environment", AT_IMPORT, CONTEXT, SETTINGS)
"""The kinds of slots that are a kernel's own: another process knows nothing of them."""


@dataclass(frozen=True, slots=True)
class Looked:
    """A notebook that is looked at.

    Args:
        session: The session over what is known of it.
        path: The notebook's file.
        unreadable: What is wrong with cells that are not Python, by step.
        notices: What else is to be said, a line each.
    """

    session: Session
    path: Path
    unreadable: dict[str, str] = field(default_factory=dict[str, str])
    notices: list[str] = field(default_factory=list[str])


@contextmanager
def looked_at(path: Path) -> Generator[Looked]:
    """Look at a notebook for a block, in which the working folder is that of the notebook.

    Raises:
        SessionError: If it is no notebook, or has no store yet.
        StoreError: If its store cannot be read.
        OptionError: If the header of a cell makes no sense.
    """
    cells = read_cells(path)
    if not cells:
        refuse(path)
    folder = path.resolve().parent
    settings = read_settings(folder)
    home = settings.settings.store_in(folder)
    if not is_store(home):
        raise SessionError(f"nothing is known of {path}: it has no store yet; `nbflow run {path}` makes one")
    as_python("")  # IPython is imported before modules are looked for in the notebook's folder
    with copied(home) as store, _in_folder(folder):
        files = Files([str(home), str(path.resolve())])
        saved = _Saved(path.resolve(), cells, _Known(store.history.runs(path.name, limit=_MOST_RUNS)))
        session = Session(
            Surroundings(
                names={},
                hidden=(),
                store=store,
                files=files,
                bodies=Bodies(_Shell()),
                screen=_NoScreen(None),
                routes=Routes(None),
                settings=settings,
                clock=time.time,
                sleep=lambda until: None,
                saved=saved,
                notebook=path.name,
                home=str(home),
                is_headless=True,
                kinds={**dict.fromkeys(_OF_A_KERNEL, _Unknown()), "module": _Modules(files)},
            )
        )
        try:
            looked = Looked(session, path)
            _Recollection(looked, saved.known).fill()
            looked.notices.extend(notices_of(store, home))
            yield looked
        finally:
            session.remembered.close()


@contextmanager
def _in_folder(folder: Path) -> Generator[None]:
    """Find files and modules where a kernel of the notebook does."""
    with chdir(folder):
        sys.path.insert(0, str(folder))
        try:
            yield
        finally:
            sys.path.remove(str(folder))


class _Unknown:
    """A kind of slot of which nobody can tell anything."""

    def now(self, locator: str) -> None:
        """Nobody knows."""
        return

    def show(self, locator: str) -> str:
        """Nothing."""
        return ""


class _Modules(ModuleKind):
    """Local modules, as far as they are found: a kernel may look for them in more places."""

    def now(self, locator: str) -> str | None:  # type: ignore[override]
        """The digest of the files; None where there are none."""
        found = super().now(locator)
        return found if found != UNBOUND else None


class _NoScreen(Screen):
    """Nobody sits before it."""

    @property
    def can_update(self) -> bool:
        """Whether a display can be changed later."""
        return False

    def say(self, text: str, metadata: Mapping[str, Any] | None = None) -> None:
        """Say nothing."""


class _Shell:
    """The part of a shell that makes plain Python of a cell."""

    transform_cell = staticmethod(as_python)


class _Known:
    """The runs of a notebook, by step, newest first; audits are runs of nobody."""

    def __init__(self, runs: Sequence[RunRecord]) -> None:
        self._runs: dict[str, list[RunRecord]] = {}
        self._steps: dict[str, str] = {}
        for run in runs:
            if run.origin != Origin.AUDIT.value and run.step:
                self._runs.setdefault(run.step, []).append(run)
                self._steps.setdefault(run.source, run.step)

    def of(self, step: str) -> Sequence[RunRecord]:
        """The runs of a step."""
        return self._runs.get(step, ())

    def step_with(self, source: str) -> str:
        """The cell that ran a source last, by the source's digest; empty where none did."""
        return self._steps.get(source, "")


class _Saved(SavedNotebook):
    """The notebook's file as it was when it was first read; every cell has an identifier.

    Args:
        path: Where it is.
        cells: Its cells.
        known: What ran before.
    """

    def __init__(self, path: Path, cells: Sequence[SavedCell], known: _Known) -> None:
        super().__init__(path)
        self.known = known
        self._used = {cell.id for cell in cells}
        self._identified = tuple(self._with_id(cell, place) for place, cell in enumerate(cells))

    def cells(self) -> tuple[SavedCell, ...]:
        """Its code cells in order."""
        return self._identified

    def readings(self) -> int:
        """It is read once."""
        return 1

    def _with_id(self, cell: SavedCell, place: int) -> SavedCell:
        """The identifier that a kernel gives a cell whose file has none for it."""
        if cell.id:
            return cell
        header = read_header(cell.source)
        try:
            name = read_options(header.options).name if header is not None and header.kind == "task" else ""
            body = read_body(as_python(header.body if header is not None else cell.source))
        except (NbflowError, SyntaxError):
            return SavedCell(f"cell {place}", cell.source)
        known = self.known.step_with(source_digest(body))
        id = known if known not in self._used else f"task {name}" if name else f"cell {place}"
        self._used.add(id)
        return SavedCell(id, cell.source)


class _Recollection:
    """Fills the book of a session with the saved cells, each standing at what its last run left.

    Args:
        looked: What is looked at.
        known: What ran before.
    """

    def __init__(self, looked: Looked, known: _Known) -> None:
        self._looked = looked
        self._session = looked.session
        self._known = known
        self._texts: dict[str, str] = {}

    def fill(self) -> None:
        """Do it."""
        session = self._session
        session.places.remember(every)
        self._take_unreadable()
        for step in tuple(session.book):
            self._stand(step)
            if step.plain:
                session.functions.follow(step, step.trace or step.earlier)
        for step in tuple(session.book):
            self._stand(step)
        session.snapshots.take_up_holds()

    # --- cells that are not Python ---------------------------------------------------------------

    def _take_unreadable(self) -> None:
        """A cell that cannot be read stands as its last run left it, and is stale; else it is told."""
        places, saved = self._session.places, self._session.around.saved
        for cell in saved.cells() if saved is not None else ():
            if cell.id in places.cells or is_only_ours(cell.source) or not cell.source.strip():
                continue
            wrong, text = self._fault_of(cell), self._last_text(cell.id)
            header = read_header(cell.source)
            head = f"#@{header.kind} {header.options}\n" if header is not None else ""
            before = SavedCell(cell.id, head + text) if text is not None else None
            if before is not None and places.remember_one(before, every) is not None:
                self._looked.unreadable[cell.id] = wrong
            if cell.id not in self._looked.unreadable or places.cells[cell.id].step.plain:
                told = f"{label_of(cell.source)} is not Python: {wrong}; `nbflow run` stops there"
                self._looked.notices.append(told)

    def _fault_of(self, cell: SavedCell) -> str:
        header = read_header(cell.source)
        try:
            if header is not None:
                read_options(header.options)
            read_body(self._session.around.bodies.source_of(cell.source))
        except CellSyntaxError as error:
            above = error.below(header.lines if header is not None else 0)
            return str(above).partition(" is not Python: ")[2].partition(";")[0]
        except SyntaxError as error:
            return f"{error.msg}, line {(error.lineno or 0) + (header.lines if header is not None else 0)}"
        except NbflowError as error:
            return str(error)
        return "it makes no sense"

    def _last_text(self, step: str) -> str | None:
        return next(filter(None, map(self._text, self._known.of(step))), None)

    def _text(self, run: RunRecord) -> str | None:
        """The source of a run; None where it is not recorded."""
        if run.source not in self._texts:
            found = self._session.around.store.history.source(run.source) if run.source else None
            if found is None:
                return None
            self._texts[run.source] = found
        return self._texts[run.source]

    # --- what the last run left ------------------------------------------------------------------

    def _stand(self, step: Step) -> None:
        """Let a step stand at the result of its last run, if that was of the code that it has now."""
        runs = self._known.of(step.id)
        step.trace = step.earlier = step.before = step.ended = None
        step.failure = ""
        step.ran, step.standing = step.body, Standing.REMEMBERED
        if runs:
            self._note_last(step, runs[0])
            trace = next((made for run in runs if (made := made_by(self._session, run)) is not None), None)
            self._take(step, runs[0], trace)
        self._session.trunk.sweep.touch(step)

    def _take(self, step: Step, last: RunRecord, trace: Trace | None) -> None:
        text = self._text(last)
        is_edited = self._is_edited(step, trace, text)
        cell = self._session.places.cells[step.id]
        if not (is_edited or step.plain or cell.options.name or step.body.wiring):
            self._session.places.call(cell, last.name)  # a number in it depends on the cells above
        if is_edited:
            step.before, step.earlier = read_body(text or ""), trace
        elif note_end(self._session, step, last) or trace is None:
            step.earlier = trace
        elif unmade(trace, self._session.trunk.sweep.view_above(step)):
            # What it read is made by what stands at nothing: so that nobody can compare it.
            step.earlier = trace
        else:
            step.trace = trace

    def _is_edited(self, step: Step, trace: Trace | None, text: str | None) -> bool:
        """Whether the last run was of other code; comments and formatting do not count, nor does Python."""
        if step.id in self._looked.unreadable or text is None:
            return False
        if text == step.body.text:
            return False
        return read_body(text).static_key != read_body(step.body.text).static_key

    def _note_last(self, step: Step, run: RunRecord) -> None:
        path = self._session.around.store.history.transitions(run.id)
        if path:
            last = path[-1]
            step.idle = False
            self._session.lasts[step.id] = Last(last.name, run.number, last.attempt, last.message, run.id)


def made_by(session: Session, run: RunRecord) -> Trace | None:
    """The result that a run ended with."""
    return session.around.store.trace(run.trace) if run.trace else None
