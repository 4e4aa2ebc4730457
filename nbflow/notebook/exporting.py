"""`%flow export` and `nbflow export`: which cells go into a module, and the file that it is written to."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nbflow.exceptions import OptionError, SessionError
from nbflow.export import CellText, Exported, is_untouched, module_of
from nbflow.notebook.cells import is_only_ours, read_header
from nbflow.notebook.naming import label_of
from nbflow.notebook.saved import SavedCell, read_cells, refuse
from nbflow.notebook.written import as_python, names_of, options_of
from nbflow.views.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from nbflow.notebook.places import Cell
    from nbflow.notebook.session import Session

_LOADS: Final = re.compile(r"^\s*%load_ext\s+nbflow\b", re.MULTILINE)


def export_session(session: Session, path: str, *, force: bool = False) -> str:
    """Write the session's flow as a module: its cells as they were last run, in flow order.

    Args:
        session: The session.
        path: Where the module goes.
        force: Whether a file may be replaced that was not exported, or was edited since.

    Returns:
        What was written, for people.

    Raises:
        ExportError: If a module cannot do what the notebook does.
        SessionError: If nothing has run, or the file cannot be written.
        OptionError: If the path is none of a Python file.
    """
    target = _checked(Path(path).expanduser(), force=force)
    session.prepare()
    cells = [cell for step in session.book if (cell := session.places.cells.get(step.id)) is not None]
    texts = [_of_session(session, cell) for cell in cells if cell.text]
    asked = [cell.step.body.wiring for cell in cells if not cell.step.idle]
    named = {wiring.function for wiring in asked if wiring is not None}
    saved = session.around.saved.cells() if session.around.saved is not None else ()
    above = [_plain_text(each.source) for each in _run_before_us(saved, session.places.cells)]
    if not (texts or above):
        raise SessionError("nothing has run yet, so that there is nothing to export; run some cells first")
    exported = module_of([*above, *texts], session.around.notebook or target.stem, named)
    left = len([each for each in _unknown(saved, session.places.cells) if _has_code(each.source)]) - len(
        above
    )
    _write(target, exported.text)
    notes = (f"left out: {counted(left, 'cell')} that did not run in this kernel",) if left > 0 else ()
    return _told(target, exported, notes)


def export_notebook(notebook: Path, target: Path | None = None, *, force: bool = False) -> str:
    """Write the cells of a notebook's file, as they are saved, as a module; nothing runs.

    Args:
        notebook: The file.
        target: Where the module goes; None: beside the notebook, under its name.
        force: Whether a file may be replaced that was not exported, or was edited since.

    Returns:
        What was written, for people.

    Raises:
        ExportError: If a module cannot do what the notebook does.
        SessionError: If the file is no notebook, or the module cannot be written.
        OptionError: If a header makes no sense, or the path is none of a Python file.
    """
    cells = _cells_in(notebook)
    path = _checked(target if target is not None else notebook.with_suffix(".py"), force=force)
    exported = module_of(cells, notebook.name)
    _write(path, exported.text)
    return _told(path, exported)


# --- the cells of a session -----------------------------------------------------------------------


def _of_session(session: Session, cell: Cell) -> CellText:
    header = read_header(cell.text)
    kind = header.kind if header is not None else "plain"
    return CellText(kind, cell.step.name, session.around.bodies.source_of(cell.text), cell.options)


def _unknown(saved: Sequence[SavedCell], known: Mapping[str, object]) -> list[SavedCell]:
    return [cell for cell in saved if cell.id and cell.id not in known]


def _run_before_us(saved: Sequence[SavedCell], known: Mapping[str, object]) -> list[SavedCell]:
    """The plain cells up to the one that loads nbflow: nobody saw them run."""
    at = next((place for place, cell in enumerate(saved) if _LOADS.search(cell.source)), -1)
    cells = _unknown(saved[: at + 1], known)
    return [cell for cell in cells if _has_code(cell.source) and read_header(cell.source) is None]


def _has_code(source: str) -> bool:
    return bool(source.strip()) and not is_only_ours(source)


# --- the cells of a file --------------------------------------------------------------------------


def _cells_in(path: Path) -> list[CellText]:
    """The cells of a notebook's file.

    Raises:
        SessionError: If it is no notebook with code.
    """
    saved = read_cells(path)
    if not saved:
        refuse(path)
    headers = [read_header(each.source) for each in saved]
    options = [options_of(header, each.source) for header, each in zip(headers, saved, strict=True)]
    names = names_of(saved, headers, options)
    found: list[CellText] = []
    for place, (cell, header) in enumerate(zip(saved, headers, strict=True)):
        if not _has_code(cell.source):
            continue
        if header is None:
            found.append(_plain_text(cell.source))
        else:
            label = names.get(place, "params")
            found.append(CellText(header.kind, label, as_python(header.body), options[place]))
    return found


def _plain_text(source: str) -> CellText:
    return CellText("plain", label_of(source), as_python(source))


# --- the file -------------------------------------------------------------------------------------


def _checked(path: Path, *, force: bool) -> Path:
    """The path, if a module may be written there.

    Raises:
        OptionError: If it is none of a Python file.
        SessionError: If there is no such folder, or a file that is not ours to replace.
    """
    if path.suffix != ".py":
        raise OptionError(f"{path} is no Python file; write a name that ends in .py")
    if not path.parent.is_dir():
        raise SessionError(f"there is no folder {path.parent}")
    if path.is_dir():
        raise SessionError(f"{path} is a folder")
    if path.exists() and not force and not _is_ours(path):
        raise SessionError(
            f"{path} was not exported by nbflow, or was edited since; --force replaces it all the same"
        )
    return path


def _is_ours(path: Path) -> bool:
    try:
        return is_untouched(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False


def _write(path: Path, text: str) -> None:
    """Put a file into its place as a whole, or not at all.

    Raises:
        SessionError: If the disk does not let that happen.
    """
    target = path.resolve()
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", newline="\n", dir=target.parent, suffix=".tmp", delete=False
        ) as file:
            file.write(text)
        _like_its_neighbours(Path(file.name), target)
        Path(file.name).replace(target)
    except OSError as error:
        raise SessionError(f"{path} cannot be written: {error.strerror}") from None


def _like_its_neighbours(made: Path, target: Path) -> None:
    """Let others read it as they read the file before, or any new one."""
    mask = os.umask(0)
    os.umask(mask)
    made.chmod(target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~mask)


def _told(path: Path, exported: Exported, more: tuple[str, ...] = ()) -> str:
    return "\n".join(_lines(path, exported, more))


def _lines(path: Path, exported: Exported, more: tuple[str, ...]) -> Iterator[str]:
    parameters = f", main({', '.join(exported.parameters)})" if exported.parameters else ""
    yield f"{path}: {counted(exported.tasks, 'task')}{parameters}"
    yield from (f"  {each}" for each in (*exported.notices, *more))
