"""Two runs of a task side by side: code, what they saw, what they made, what they showed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbflow.store.told import told_path
from nbflow.views import markup
from nbflow.views.grid import Cell, Column, Grid, Row
from nbflow.views.looks import look_of_state
from nbflow.views.story import difference, difference_html
from nbflow.views.words import counted, duration, listed, moment, one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from nbflow.views.cards import ChangeCard, DiffCard, SideCard

_MOST_NAMES: Final = 12
_NOT_RECORDED: Final = "the source of one of them is not recorded"


def diff_html(diff: DiffCard) -> str:
    """Return two runs side by side as HTML."""
    head = markup.heading(
        diff.name, markup.muted(_title(diff)), f"<span>{markup.escaped(diff_summary(diff))}</span>"
    )
    notes = markup.bullets(markup.escaped(note, 400) for note in diff.notes)
    return f"{head}{_sides_grid(diff).as_html()}{notes}{''.join(_sections_html(diff))}"


def _sections_html(diff: DiffCard) -> Iterator[str]:
    if diff.code is None or diff.code[0] == diff.code[1]:
        yield _label("code", _code_words(diff))
    else:
        yield _label("code") + difference_html(*diff.code)
    for name, before, after in diff.helpers:
        yield _label(f"code of {name}") + difference_html(before, after)
    for label, changes in (("inputs", diff.inputs), ("values", diff.outputs)):
        changed, same = [each for each in changes if not each.is_same], _same_words(changes)
        if changed:
            yield _label(label) + _grid(diff, changed).as_html()
        if same:
            yield _muted(same) if changed else _label(label, same)
    if diff.shown[0] != diff.shown[1]:
        yield _label("shown") + difference_html(*diff.shown)


def _label(text: str, rest: str = "") -> str:
    return f'<div style="margin:10px 0 2px"><b>{markup.escaped(text)}</b> {markup.muted(rest, 600)}</div>'


def _muted(text: str) -> str:
    return f"<div>{markup.muted(text, 600)}</div>"


def diff_text(diff: DiffCard) -> str:
    """Return the same as text."""
    lines = [f"{one_line(diff.name, 80)} · {_title(diff)}", *_indented(_sides_grid(diff).as_text())]
    lines += [f"  {one_line(note, 400)}" for note in diff.notes]
    if diff.code is None or diff.code[0] == diff.code[1]:
        lines += [f"code: {_code_words(diff)}"]
    else:
        lines += ["code", *_indented(difference(*diff.code))]
    for name, before, after in diff.helpers:
        lines += [f"code of {one_line(name, 80)}", *_indented(difference(before, after))]
    for label, changes in (("inputs", diff.inputs), ("values", diff.outputs)):
        lines += _changes_text(diff, label, changes)
    if diff.shown[0] != diff.shown[1]:
        lines += ["shown", *_indented(difference(*diff.shown))]
    return "\n".join(lines)


def _changes_text(diff: DiffCard, label: str, changes: Sequence[ChangeCard]) -> list[str]:
    changed, same = [each for each in changes if not each.is_same], _same_words(changes)
    if not changed:
        return [f"{label}: {same}"] if same else []
    return [label, *_indented(_grid(diff, changed).as_text()), *([f"  {same}"] if same else [])]


def _indented(text: str | Iterable[str]) -> list[str]:
    lines = text.splitlines() if isinstance(text, str) else text
    return [f"  {line}" for line in lines]


def _title(diff: DiffCard) -> str:
    return f"{one_line(diff.before.title, 60)} → {one_line(diff.after.title, 60)}"


def _code_words(diff: DiffCard) -> str:
    return _NOT_RECORDED if diff.code is None else "the same"


def _same_words(changes: Sequence[ChangeCard]) -> str:
    names = [each.name for each in changes if each.is_same]
    return f"the same in both: {listed(names, _MOST_NAMES)}" if names else ""


def _sides_grid(diff: DiffCard) -> Grid:
    columns = (
        Column(""),
        Column("state"),
        Column("started"),
        Column("took", is_number=True),
        Column("attempts", is_number=True),
    )
    return Grid(columns, tuple(_side_row(side, diff.now) for side in (diff.before, diff.after)))


def _side_row(side: SideCard, now: float) -> Row:
    state = Cell(side.state, markup.marked(look_of_state(side.state), side.state) if side.state else "")
    attempts = str(side.attempts) if side.attempts > 1 else ""
    cells = Cell(side.title), state, Cell(moment(side.started, now)), Cell(duration(side.seconds))
    return Row((*cells, Cell(attempts)))


def _grid(diff: DiffCard, changes: Iterable[ChangeCard]) -> Grid:
    columns = (
        Column("name"),
        Column("kind"),
        Column(diff.before.title, limit=70),
        Column(diff.after.title, limit=70),
        Column("difference", "nbf-c", limit=160),
    )
    return Grid(columns, tuple(map(_change_row, changes)))


def _change_row(change: ChangeCard) -> Row:
    kind = "" if change.kind == "name" else change.kind
    sides = Cell(change.before or "—"), Cell(change.after or "—")
    name = Cell(told_path(change.name))
    return Row((name, Cell(kind, markup.muted(kind)), *sides, Cell("; ".join(change.notes))))


def diff_summary(diff: DiffCard) -> str:
    """Return in a line what differs.

    Example:
        >>> from nbflow.views.cards import ChangeCard, DiffCard, SideCard
        >>> late = ChangeCard("LATE", before="15", after="18")
        >>> diff_summary(DiffCard("x", SideCard("run 1"), SideCard("run 2"), ("a", "b"), (late,)))
        'code and 1 input differ'
    """
    counts = {
        noun: sum(not each.is_same for each in changes)
        for noun, changes in (("input", diff.inputs), ("value", diff.outputs))
    }
    parts = ["code"] if diff.code is not None and diff.code[0] != diff.code[1] else []
    parts += [counted(count, noun) for noun, count in counts.items() if count]
    parts += ["what they showed"] if diff.shown[0] != diff.shown[1] else []
    *most, last = parts or [""]
    told = f"{', '.join(most)} and {last}" if most else last
    return f"{told} differ{'s' if told in _ONE else ''}" if parts else "nothing differs"


_ONE: Final = ("code", "1 input", "1 value", "what they showed")
