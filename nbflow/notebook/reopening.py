"""Opening a run again: what it started from goes into the names, and its body into a new cell.

Nothing is executed for it. What a run started from is kept with it, so that this works for a run that
failed, for one of an earlier kernel, and for one whose values are not stored any more.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Final

from nbflow.engine.bind import Version, by_unit
from nbflow.engine.book import value_key
from nbflow.engine.generators import GENERATORS
from nbflow.engine.libraries import LIBRARIES
from nbflow.engine.placeholder import Placeholder, is_placeholder
from nbflow.engine.rows import rows_of
from nbflow.engine.slots import slot_of
from nbflow.engine.stateful import STATEFUL
from nbflow.engine.wiring import definer_id
from nbflow.exceptions import SessionError
from nbflow.notebook.cells import read_header
from nbflow.options import read_options
from nbflow.store.protocol import Missing
from nbflow.tasks import Task
from nbflow.views import Shown, show_lines
from nbflow.views.words import listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from nbflow.notebook.past import Subject
    from nbflow.notebook.session import Session
    from nbflow.store.protocol import Given, RunRecord

_MOST_NAMES: Final = 12


@dataclass(frozen=True, slots=True)
class _Opened:
    """A run that is opened.

    Args:
        subject: Whose.
        run: The run.
        source: Its source.
        inputs: Where what it started from is.
    """

    subject: Subject
    run: RunRecord
    source: str
    inputs: Mapping[str, Given]

    @property
    def title(self) -> str:
        """What to call it."""
        return f"{self.subject.name}, run {self.run.number}" if self.run.number else self.subject.name


def reopen(session: Session, name: str, run: str = "") -> Shown:
    """Put the inputs of a run into the namespace and its body into a new cell.

    Args:
        session: The session.
        name: The task, or an item of a mapped one: `fit[3]`.
        run: `#12`, `-1` or a time; by default the last run, whether it failed or completed.

    Raises:
        UnknownTaskError: If there is no such task.
        SessionError: If there is no such run, or its code is not recorded.
    """
    opened = _found(session, name, run)
    missing = _put_in_place(session, opened)
    function = _function_of(opened)
    session.around.screen.offer_cell(f"# {opened.title}\n{_body(session, opened, function)}")
    session.refresh_badges()
    missing.pop(function.name if function is not None else "", None)
    lines = [_told(session, opened, function, missing), *_missing_words(session, missing)]
    return show_lines("\n".join(lines))


def _told(session: Session, opened: _Opened, function: _Function | None, missing: Mapping[str, str]) -> str:
    known = (*missing, *STATEFUL, function.name if function is not None else "")
    given = [_free_name(session, key) for key in opened.inputs if key not in known]
    given += [name for name, _ in _mapped(session, opened.subject)]
    told = f"{opened.title}: its code is in a new cell"
    if not given:
        return told
    back = "`%flow restore latest` puts the names back"
    return f"{told}, and what it started from is in place: {listed(given, _MOST_NAMES)}; {back}"


def _found(session: Session, name: str, run: str) -> _Opened:
    past = session.past_runs
    subject = past.subject(name)
    runs = past.runs_of(subject)
    if not runs:
        raise SessionError(f"{name} has not run yet; `%flow history` lists what has")
    chosen = past.run_of(subject, run) if run else runs[0]
    made, history = past.made_by(chosen), session.around.store.history
    source = history.source(chosen.source or made.source)
    if source is None:
        raise SessionError(f"the code of run {run or '-1'} of {name} is not recorded; run its cell first")
    return _Opened(subject, chosen, source, past.inputs_of(made))


# --- the names -----------------------------------------------------------------------------------


def _put_in_place(session: Session, opened: _Opened) -> dict[str, str]:
    """Let names hold what the run started from; return those of which nothing is stored, with the reason."""
    workspace = session.trunk.workspace
    before = session.holds.held_before(opened.inputs)
    session.work.write_down()
    workspace.begin()
    try:
        versions = dict(_bound(session, opened))
        placed = {key for unit in by_unit(versions) if workspace.place(unit) for key in unit}
        for key in [key for key in placed if _free_name(session, key) != key]:
            workspace.bind(_free_name(session, key), workspace.private_copy(key))
        others = {key: given for key, given in opened.inputs.items() if key not in placed}
        missing = {key: reason for key, given in others.items() if (reason := _load(session, key, given))}
        _place_elements(session, opened)
    finally:
        workspace.close()
        session.holds.note_opened(before)
    return missing


def _bound(session: Session, opened: _Opened) -> Iterator[tuple[str, Version]]:
    """The inputs that the task is bound to still: of these the kernel may have what no store has."""
    step = opened.subject.step
    if step is None:
        return
    view = session.trunk.sweep.view(step)
    for key, given in opened.inputs.items():
        version = view.bound(slot_of(key)).version
        if version is not None and version.output.unit == given.unit:
            yield key, version


def _load(session: Session, key: str, given: Given) -> str:
    """Let a name hold a stored value; where there is none, what says so and can be taken for no value.

    Returns:
        Why there is none; nothing where there is one.
    """
    workspace, name = session.trunk.workspace, _free_name(session, key)
    try:
        workspace.bind(name, session.around.store.load(given.unit)[given.place])
    except Missing as error:
        if key not in STATEFUL and not _is_definition(session.around.names.get(name)):
            workspace.bind(name, Placeholder(name, f"{error.reason}; nothing else is what the run got"))
        return error.reason
    return ""


def _is_definition(value: object) -> bool:
    """Whether a name stands for code, which is as it is now."""
    return not is_placeholder(value) and (callable(value) or isinstance(value, ModuleType))


def _free_name(session: Session, key: str) -> str:
    """The name for the value of a task function: that of the function stays what it is."""
    name = key.removesuffix("()")
    is_task = name != key and type(session.around.names.get(name)) is Task
    return f"{name}_value" if is_task else name


def _place_elements(session: Session, opened: _Opened) -> None:
    """Let the mapped names of an item hold its elements."""
    mapped = _mapped(session, opened.subject)
    if opened.subject.index is None or not mapped:
        return
    rows = rows_of(mapped, session.around.names, opened.subject.name)
    if opened.subject.index >= len(rows):
        raise SessionError(f"{opened.subject.name} had no element: there are {len(rows)}")
    for (name, _), value in zip(mapped, rows[opened.subject.index], strict=True):
        session.trunk.workspace.bind(name, value)


def _mapped(session: Session, item: Subject) -> tuple[tuple[str, str], ...]:
    """Which names are bound to the elements of which lists; of a cell that has not run here, by its file."""
    if item.index is None:
        return ()
    if item.step is not None and item.step.ran is not None:
        return item.step.ran.mapped
    saved = session.around.saved
    whole = item.id.rpartition("[")[0]
    source = next((cell.source for cell in saved.cells() if cell.id == whole), "") if saved else ""
    header = read_header(source)
    return read_options(header.options).map if header is not None else ()


def _missing_words(session: Session, missing: Mapping[str, str]) -> Iterator[str]:
    """One line for values that cannot be had, one for code that may be another than then."""
    names = session.around.names
    code = [key for key in missing if _is_definition(names.get(key))]
    gone = [f"{key} ({missing[key]})" for key in missing if key not in (*code, *STATEFUL)]
    states = [key.strip("<>") for key in missing if key in GENERATORS]
    settings = [slot_of(key).locator for key in missing if key in LIBRARIES]
    if gone:
        told = listed(gone, _MOST_NAMES)
        yield f"not to be had: {told}; run the cell that makes it, or `%flow open` its task"
    if code:
        yield f"as they are now: {listed(code, _MOST_NAMES)}"
    if states:
        yield f"the random state of then is not stored: {listed(states)}"
    if settings:
        yield f"the settings of then are not stored: {listed(settings)}"


# --- the cell ------------------------------------------------------------------------------------


def _body(session: Session, opened: _Opened, function: _Function | None) -> str:
    """The body of the run as the user wrote it, where that is known; else as plain Python."""
    if function is not None:
        return _call_of(session, opened, function)
    step = opened.subject.step
    cell = session.places.cells.get(step.id) if step is not None else None
    if cell is None or session.around.bodies.source_of(cell.text) != opened.source:
        return opened.source.rstrip("\n")
    header = read_header(cell.text)
    return header.body if header is not None else cell.text


_Function = ast.FunctionDef | ast.AsyncFunctionDef


def _function_of(opened: _Opened) -> _Function | None:
    """The function of a task function; None for a cell."""
    if definer_id(opened.subject.id) is None:
        return None
    found = [each for each in ast.parse(opened.source).body if isinstance(each, _Function)]
    return found[0] if found else None


def _call_of(session: Session, opened: _Opened, function: _Function) -> str:
    """The function of a task under another name, as its own is the task's, and a call of it."""
    lines, name = opened.source.splitlines()[function.lineno - 1 : function.end_lineno], function.name
    lines[0] = lines[0].replace(f"def {name}", f"def open_{name}", 1)
    wired = [each.arg for each in (*function.args.args, *function.args.kwonlyargs)]
    keys = {each: key for each in wired for key in (each, value_key(each)) if key in opened.inputs}
    given = ", ".join(f"{each}={_free_name(session, key)}" for each, key in keys.items())
    wait = "await " if isinstance(function, ast.AsyncFunctionDef) else ""
    return "\n".join([*lines, f"{wait}open_{name}({given})"])
