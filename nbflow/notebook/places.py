"""Cells and their steps: which step a cell is, what it is called, and where in flow order it stands."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, Protocol

from nbflow.engine.book import Step, mapped_body, read_body
from nbflow.engine.declared import declared_body
from nbflow.engine.slots import NAME
from nbflow.engine.texts import MAKERS
from nbflow.engine.wiring import makers_in, place_behind, step_ids
from nbflow.exceptions import CellSyntaxError, OptionError, UnknownTaskError
from nbflow.notebook.cells import Header, does_wait, is_only_ours, read_header
from nbflow.notebook.named import check, naming, rules_of, telling
from nbflow.notebook.naming import default_name, free_name, label_of
from nbflow.notebook.parameters import check_parameters, parameters_of
from nbflow.notebook.saved import arranged
from nbflow.options import NO_OPTIONS, TaskOptions, read_options
from nbflow.types import Licence, Standing

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from nbflow.engine.book import Body, Book
    from nbflow.notebook.asked import Asked
    from nbflow.notebook.saved import SavedCell, SavedNotebook

KERNEL: Final = "kernel"
"""The step that stands for whatever the namespace held before nbflow watched."""


class WasRun(Protocol):
    """Says whether an earlier run of a body is known."""

    def __call__(self, cell: str, body: Body, *, is_task: bool) -> bool:
        """Whether one is: of the body of this cell, which is a task or not."""
        ...


_IS_PLAIN: Final = attrgetter("plain")


def _nobody_cares(step: str) -> None:
    """Nothing holds what the step has made."""


_NO_MAKERS: Final[frozenset[str]] = frozenset()


@dataclass(slots=True, eq=False)
class Cell:
    """What the notebook knows of a step's cell.

    Args:
        step: The step.
        text: The whole cell as last run.
        lines: How many lines of it stand above the body.
        number: Its execution count when it last ran in this kernel; None: it has not.
        options: What its header says.
        base: The name that its body suggests, before it was made unique.
        placed_after: The step that it was placed after for want of better knowledge.
        shown, screen: The trace whose outputs stand below it, and their digest; empty where none do.
        badge: The display id of its badge; empty where none is shown.
    """

    step: Step
    text: str
    lines: int = 0
    number: int | None = None
    options: TaskOptions = NO_OPTIONS
    base: str = ""
    placed_after: str = ""
    shown: str = ""
    screen: str = ""
    badge: str = ""


@dataclass(slots=True)
class Places:
    """Finds, makes and places the steps of cells.

    Args:
        book: The steps.
        saved: The notebook's file; None where nobody knows it.
        source_of: Makes plain Python of a cell, without its header.
        names: The user's namespace, where a header names functions.
        disown: Told the identifier of each step that is forgotten.
        is_console: Whether cells are typed one after the other, as in a terminal.
        is_maker: Whether a name stands for nbflow, its `task` or its `flow` now.
    """

    book: Book
    saved: SavedNotebook | None
    source_of: Callable[[str], str]
    is_console: bool = False
    is_maker: Callable[[str], bool] = lambda name: False
    cells: dict[str, Cell] = field(default_factory=dict[str, Cell])
    names: Mapping[str, Any] = field(default_factory=dict[str, Any])
    disown: Callable[[str], object] = _nobody_cares
    notices: list[str] = field(default_factory=list[str])
    _last: str = ""
    _handles: dict[str, str] = field(default_factory=dict[str, str])
    _readings: int = 0
    _in_file: set[str] = field(default_factory=set[str])
    _guessed: set[str] = field(default_factory=set[str])
    _awaiting: set[str] = field(default_factory=set[str])

    def take(self, asked: Asked, source: str | None = None) -> Cell:
        """The cell that is run, as a step at its place with the body that it has now.

        Args:
            asked: The cell.
            source: Its body as plain Python, where that is known already.

        Raises:
            OptionError: If its header makes no sense, or a cell of parameters holds something else.
            CellSyntaxError: If its body is not Python.
        """
        header = read_header(asked.text)
        options = read_options(header.options) if header else NO_OPTIONS
        if header is not None:
            check(header.options, self.names)
            self._check_tasks(options.after, asked, options)
        text = source or self.source_of(asked.text)
        try:
            body = _body_of(text, options, _NO_MAKERS if header else makers_in(text, self.is_maker))
        except CellSyntaxError as error:
            lines = header.lines if header is not None else 0
            raise error.below(lines) from error.__cause__
        if header is not None and header.kind == "params":
            check_parameters(body.source, parameters_of(body))
        id = self._id_of(asked, options, body)
        if id not in self.cells:
            self.follow_file()  # where it stands
        cell = self.cells.get(id) or self._new(id, asked.text, body)
        self._fill(cell, asked.text, header, options, body)
        if self._guessed:
            self._lift_what_it_reads(cell.step)
        self._number(cell, asked.number)
        self._last = id
        return cell

    def _check_tasks(self, names: Sequence[str], asked: Asked, options: TaskOptions) -> None:
        """Refuse names that no other task has, nor a cell that has not run yet.

        Raises:
            UnknownTaskError: If one is of none.
            OptionError: If it is the cell's own.
        """
        own = self.cells.get(asked.id)
        known = {cell.step.name for cell in self.tasks() if cell is not own} if names else set[str]()
        if not known.issuperset(names):
            known |= self._to_come()
        its_name = options.name or (own.step.name if own is not None else "")
        for name in names:
            if name == its_name:
                raise OptionError(f"--after {name}: no task comes after itself; name another one")
            if name not in known - {its_name}:
                raise UnknownTaskError.named(name, sorted(known - {its_name}))

    def _to_come(self) -> set[str]:
        """The names of the tasks that the saved cells make when they run."""
        found: set[str] = set()
        for saved in self.saved.cells() if self.saved else ():
            header = read_header(saved.source)
            if header is None or header.kind != "task":
                continue
            with suppress(Exception):  # a cell that cannot be read makes no task
                named = read_options(header.options).name
                found.add(named or default_name(self.source_of(saved.source), (), (), 0))
        return found

    def remember(self, was_run: WasRun) -> list[Cell]:
        """Make steps of the saved cells that earlier kernels have run; return them.

        Args:
            was_run: Whether an earlier run of a body is known.
        """
        found: list[Cell] = []
        for saved in self.saved.cells() if self.saved else ():
            if not saved.id or saved.id in self.cells or is_only_ours(saved.source):
                continue
            cell = self.remember_one(saved, was_run)
            if cell is not None:
                found.append(cell)
        return found

    def follow_file(self) -> None:
        """Take the order of cells from the notebook's file, if it was saved anew."""
        if self.saved is None or self.saved.readings() == self._readings:
            return
        self._readings = self.saved.readings()
        now = [cell.id for cell in self.saved.cells() if cell.id and _has_code(cell.source)]
        for gone in self._in_file - set(now):
            self.retire(gone)
        for back in now:
            self._take_back(back)
        self._in_file |= set(now)
        self._guessed -= self._in_file
        order = arranged(self.book.order, now)
        if order != self.book.order:
            self.book.arrange(order)

    def retire(self, cell: str) -> None:
        """A cell is gone, or has no code any more: its steps are shown, but write for nobody."""
        for id in (cell, *step_ids(self.book, cell).values()):
            if self.book.place(id) is not None:
                self.book.remove(id)

    def _take_back(self, cell: str) -> None:
        """A cell that was gone is there again, as after an undo: its steps stand where it stands."""
        for id in (cell, *step_ids(self.book, cell).values()):
            step = self.book.steps.get(id)
            if step is None or self.book.place(id) is not None or id not in self.cells:
                continue
            self.book.insert(step, self._place_for(cell, step.body)[0])
            was_run = self.cells[id].number is not None
            step.standing = Standing.HERE if was_run else Standing.REMEMBERED

    def tasks(self) -> Iterator[Cell]:
        """The cells of tasks in flow order."""
        return (cell for step in self.book if not step.plain and (cell := self.cells.get(step.id)))

    def awaiting(self) -> list[Step]:
        """The steps that await something; told without a look at all cells, because every cell asks."""
        return [self.book.steps[id] for id in self._awaiting if self.book.place(id) is not None]

    @property
    def has_tasks(self) -> bool:
        """Whether there is any step but of plain cells; told at the speed of the interpreter's own loops."""
        return not all(map(_IS_PLAIN, self.book.steps.values()))

    def named(self, name: str) -> Cell:
        """The cell of the task that people call `name`.

        Raises:
            UnknownTaskError: If there is none.
        """
        return self.cells[self.book.named(name).id]

    def forget(self, cell: Cell) -> None:
        """Take a cell's step out of the flow; running the cell brings it back."""
        if self.book.place(cell.step.id) is not None:
            self.book.remove(cell.step.id)
        del self.book.steps[cell.step.id]
        self.disown(cell.step.id)
        del self.cells[cell.step.id]

    # --- which step ----------------------------------------------------------------------------

    def _id_of(self, asked: Asked, options: TaskOptions, body: Body) -> str:
        if asked.id:
            return asked.id
        known = self._handles.get(asked.handle, "")
        if known and (not known.startswith("typed ") or not self._saved_with(asked.text)):
            return known
        id = self._id_by_content(asked, options, body)
        if asked.handle:
            self._handles[asked.handle] = id
        return id

    def _id_by_content(self, asked: Asked, options: TaskOptions, body: Body) -> str:
        saved = self._saved_with(asked.text)
        if saved:
            self._drop_typed(asked.text)
            return saved
        named = f"task {options.name}"
        if options.name:
            return named
        alike = (id for id, cell in self.cells.items() if cell.text and cell.text == asked.text)
        same = [id for id in alike if not self._is_saved(id)]
        behind = [id for id in same if self._is_behind_last(id)]
        return next(iter(behind or same), "") or self._overtaken(body) or f"typed {asked.number or ''}"

    def _drop_typed(self, text: str) -> None:
        """A cell that ran before it was saved has its place in the file now."""
        typed = [cell for id, cell in self.cells.items() if id.startswith("typed ") and cell.text == text]
        for cell in typed:
            self.forget(cell)

    def _is_saved(self, id: str) -> bool:
        return id in self._in_file

    def _is_behind_last(self, id: str) -> bool:
        place, last = self.book.place(id), self.book.place(self._last)
        return place is not None and (last is None or place > last)

    def _saved_with(self, text: str) -> str:
        """The saved cell with this text; of several the first one behind the cell run last."""
        cells = self.saved.cells() if self.saved else ()
        found = [place for place, cell in enumerate(cells) if cell.id and cell.source.strip() == text.strip()]
        last = next((place for place, cell in enumerate(cells) if cell.id == self._last), -1)
        behind = [place for place in found if place > last]
        return cells[(behind or found)[0]].id if found else ""

    def _overtaken(self, body: Body) -> str:
        """The line typed before whose names this one writes anew, as editing a cell would.

        Only where it reads nothing that was written since: at that place it means the same.
        """
        if not self.is_console or not body.analysis.writes:
            return ""
        since: set[str] = set()
        for step in reversed(list(self.book)):
            written = step.body.analysis.writes | step.body.analysis.maybe_writes
            is_typed = step.plain and step.id.startswith("typed ")
            if is_typed and written and written <= body.analysis.writes:
                return step.id if not (set(body.reads) & (since | written)) else ""
            since |= written | step.body.analysis.mutates
        return ""

    # --- what it is ----------------------------------------------------------------------------

    def _new(self, id: str, text: str, body: Body) -> Cell:
        cell = Cell(Step(id, id, body, Licence.USER, plain=True), text)
        self.cells[id] = cell
        place, after = self._place_for(id, body)
        if place == len(self.book):
            self.book.append(cell.step)
        else:
            self.book.insert(cell.step, place)
        cell.placed_after = after
        return cell

    def _fill(self, cell: Cell, text: str, header: Header | None, options: TaskOptions, body: Body) -> None:
        step, says, was_said = cell.step, options is not NO_OPTIONS, cell.options is not NO_OPTIONS
        cell.text, cell.options, cell.lines = text, options, header.lines if header else 0
        step.body = body
        step.plain = header is None or header.kind == "params"
        parameters = parameters_of(body) if header and header.kind == "params" else frozenset[str]()
        if parameters != step.parameters:
            step.parameters = parameters
            self.book.revision += 1
        step.licence = Licence.USER
        if says or was_said:  # a step begins with the rules of cells without a header
            self.book.let(step.id, **rules_of(header.options if header else "", self.names))
        if self.book.place(step.id) is None:
            self.book.insert(step, self._place_for(step.id, body)[0])
        if not step.plain:
            self._name(cell, options.name)
        (self._awaiting.add if does_wait(body.source) else self._awaiting.discard)(step.id)
        step.told = telling(step.name, options, self.names) if says else None
        step.named = naming(options, self.names) if says else None

    def _number(self, cell: Cell, number: int | None) -> None:
        cell.number = number
        if cell.step.plain:
            cell.base = ""
            cell.step.name = label_of(cell.text, number) if not cell.step.parameters else "params"

    def _name(self, cell: Cell, given: str) -> None:
        """Give a task its name; a given one that another cell has is taken from that cell."""
        if given and self._called(given) in ([], [cell.step]):
            self.call(cell, given, ())
            return
        others = {other.step.name: other for other in self.tasks() if other is not cell}
        before = others.pop(given, None) if given else None
        self.call(cell, given or self._base_name(cell), others)
        if before is not None:
            self.call(before, given)
            where = label_of(before.text, before.number)
            self.notices.append(
                f"two cells define {given}; this one owns it now, {where} is {before.step.name}"
            )

    def _called(self, name: str) -> list[Step]:
        """The steps that have a name, of tasks or not; in one pass over all of them."""
        return [step for step in self.book.steps.values() if step.name == name]

    def call(self, cell: Cell, base: str, others: Collection[str] | None = None) -> None:
        """Call a task by a name, or, if another task has it, by that name with a number; that sticks.

        Args:
            cell: Its cell.
            base: The name.
            others: The names of all other tasks, where they are known.
        """
        step = cell.step
        if others is None:
            others = {other.step.name for other in self.tasks() if other is not cell}
        if base == cell.base and step.name not in others:
            return
        cell.base = base
        name = free_name(base, others)
        if name != step.name:
            self.book.rename(step.id, name)

    def _base_name(self, cell: Cell) -> str:
        place = self.book.place(cell.step.id) or 0
        above = [step.body.analysis for step in self.book][:place]
        written = {name for analysis in above for name in analysis.writes | analysis.maybe_writes}
        return default_name(cell.step.body.source, (), written, place + 1)

    # --- where it stands -----------------------------------------------------------------------

    def _place_for(self, id: str, body: Body) -> tuple[int, str]:
        """Where a new cell stands, and after which step where that is a guess.

        One that the file does not have yet stands behind the cell run before it, and behind whatever
        defines what it reads: to read that it must be below.
        """
        order = [cell.id for cell in self.saved.cells() if cell.id] if self.saved else []
        if id in order:
            at = order.index(id)
            if at and self.book.place(order[at - 1]) == len(self.book) - 1:
                return len(self.book), ""  # as where all are read from the file, one behind the other
            above = [(place, other) for other in order[:at] if (place := self.book.place(other)) is not None]
            if not above:
                return self._first_place(order[at + 1 :]), ""
            return place_behind(self.book, max(above)[1]), ""
        if not id.startswith("typed "):
            self._guessed.add(id)
        last = self.book.place(self._last)
        behind = place_behind(self.book, self._last)
        if last is None or behind == len(self.book):
            return len(self.book), ""
        source = self._last_source(body, behind) or self._last
        behind = place_behind(self.book, source)
        return behind, self.book.steps[source].name if behind < len(self.book) else ""

    def _last_source(self, body: Body, place: int) -> str:
        """The last step from a place on that defines what a body reads and no step before it defines."""
        steps, reads = list(self.book), frozenset(body.reads)
        below = [step for step in reversed(steps[place:]) if _may_define(step, reads)]
        wanted = reads.difference(*map(_defines, steps[:place])) if below else reads
        return next((step.id for step in below if wanted & _defines(step)), "")

    def _lift_what_it_reads(self, step: Step) -> None:
        """Whose place is a guess stands above the cell that is run now, if that reads what it defines."""
        place = self.book.place(step.id) if step.body.reads else None
        while place is not None and self._guesses_below(place):
            source = self._last_source(step.body, place + 1)
            if source not in self._guessed or step_ids(self.book, source):
                return
            self.book.move(source, place)
            place = self.book.place(step.id)

    def _guesses_below(self, place: int) -> bool:
        """Whether the place of some step below is a guess."""
        return not self._guessed.isdisjoint(self.book.order[place + 1 :])

    def _first_place(self, below: list[str]) -> int:
        """Where the first cell of the file stands: above all others of it, below the kernel's step."""
        known = [place for other in below if (place := self.book.place(other)) is not None]
        return min(known) if known else len(self.book)

    def remember_one(self, saved: SavedCell, was_run: WasRun) -> Cell | None:
        """Make the step of one saved cell; None where it makes none, or was not run."""
        header = read_header(saved.source)
        try:
            options = read_options(header.options) if header else NO_OPTIONS
            text = self.source_of(saved.source)
            makers = _NO_MAKERS if header else makers_in(text, _looks_like_maker(text))
            body = _body_of(text, options, makers)
        except Exception:  # noqa: BLE001 - a cell that cannot be read was not run as it is
            return None
        if not was_run(saved.id, body, is_task=header is not None and header.kind == "task"):
            return None
        cell = self._new(saved.id, saved.source, body)
        self._fill(cell, saved.source, header, options, body)
        self._number(cell, None)
        cell.step.ran, cell.step.standing = body, Standing.REMEMBERED
        return cell


def _body_of(text: str, options: TaskOptions, makers: frozenset[str]) -> Body:
    body = read_body(text, makers)
    return body if options is NO_OPTIONS else mapped_body(declared_body(body, options.declared), options.map)


def _looks_like_maker(text: str) -> Callable[[str], bool]:
    """By text alone, which is enough for a remembered cell: what `task` was is among its entries."""
    return lambda name: name in MAKERS or any(f"@{name}.{maker}" in text for maker in MAKERS)


def _may_define(step: Step, names: frozenset[str]) -> bool:
    """Whether a step binds one of these names, by its text or by its last run; quick where it does not."""
    analysis, made = step.body.analysis, step.trace.outputs if step.trace is not None else ()
    if not (names.isdisjoint(analysis.writes) and names.isdisjoint(analysis.maybe_writes)):
        return True
    return not names.isdisjoint([output.slot.locator for output in made])


def _defines(step: Step) -> frozenset[str]:
    """The names that a step binds, by its text and by its last run."""
    made = step.trace.outputs if step.trace is not None else ()
    names = frozenset(output.slot.locator for output in made if output.slot.kind == NAME)
    return names | step.body.analysis.writes | step.body.analysis.maybe_writes


def _has_code(source: str) -> bool:
    return bool(source.strip()) and not is_only_ours(source)
