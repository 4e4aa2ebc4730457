"""One game: a random notebook under random actions, each claim compared with a fresh plain run.

The oracle knows nothing of nbflow: it executes the sources last run, in flow order, in a new
namespace, with copies of the files as they are on disk, and compares values by a canonical form
of its own.
"""

from __future__ import annotations

import copy
import importlib
import os
import random as global_random
import shutil
import sys
import types
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from nbflow.engine.audit import Found
from nbflow.engine.map_result import MapResult
from nbflow.exceptions import SessionError
from nbflow.store.digests import digest, fingerprint
from nbflow.testing import Notebook
from nbflow.types import UNBOUND, Effect, Hold, Standing, Verdict
from tests.cells import kept
from tests.law.demanded import demanded_by
from tests.law.notebooks import DATA, FILES, FUNCTIONS, LIBRARY, PRELUDE, Author, Cell

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from nbflow.engine.book import Body

TRACKED = (*DATA, *FUNCTIONS, "Box", "year", "library", "OFFSET", "xs", "m")


@dataclass
class Tally:
    """What a number of games claimed and did.

    Attributes:
        checks: How often a step was looked at.
        fresh: How often it was called fresh.
        names: How often a name was called current.
        needless: How often a step was not called fresh although a fresh run would give the same.
        demanded: How often that is demanded by the design, by rule, see `demanded.py`; not in `needless`.
    """

    games: int = 0
    checks: int = 0
    fresh: int = 0
    names: int = 0
    needless: int = 0
    demanded: Counter[str] = field(default_factory=Counter[str])
    executed: int = 0
    repeated: int = 0
    audited: int = 0
    wrong: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)

    def shares(self) -> str:
        """What was not called fresh although it was equal, in parts of all checks, for people."""
        each = 100 / max(1, self.checks)
        told = ", ".join(f"{rule} {count * each:.1f}" for rule, count in sorted(self.demanded.items()))
        demanded = f"{self.demanded.total() * each:4.1f} % ({told})" if told else " 0.0 %"
        return f"not fresh though equal: needless {self.needless * each:4.1f} %, demanded {demanded}"


@dataclass
class Truth:
    """What the oracle's run of one step did."""

    ok: bool
    touched: set[str]
    after: dict[str, str]
    files: dict[str, str]


class Game:
    """A notebook in a folder of its own, with an oracle beside it."""

    tracked: Collection[str] = TRACKED
    files: Collection[str] = FILES

    def __init__(
        self, random: Random, features: tuple[str, ...], folder: Path, make: Callable[[], Notebook] = Notebook
    ) -> None:
        self.author = Author(random, features)
        self.open(random, folder, make)
        self.prelude = self.notebook.add(PRELUDE, plain=True)
        if self.author.uses("random"):
            # Draws that nobody seeded are a note and no verdict, so the games always seed first.
            self.notebook.add("random.seed(3)", plain=True)
        if self.author.uses("parameters"):
            self.notebook.add_parameters("year = 1")
        cells = [*self.author.prologue(), *(self.author.cell() for _ in range(random.randrange(2, 6)))]
        self.fixed = len(self.notebook.book)
        self.cells = [self.add(cell) for cell in cells]
        self.notebook.run_all()

    def open(self, random: Random, folder: Path, make: Callable[[], Notebook]) -> None:
        """Begin with an empty notebook in a new folder."""
        self.random = random
        self.folder = folder
        self.written: list[str] = []
        self.past: dict[str, str] = {}
        self.log: list[str] = []
        self.audited, self.alarms = 0, list[str]()
        folder.mkdir(parents=True)
        (folder / "F.txt").write_text("1")
        (folder / "G.txt").write_text("2")
        self.edit_library(1)
        os.chdir(folder)
        sys.modules.pop("library", None)
        sys.path[:] = [str(folder), *(path for path in sys.path if "nbflow-law-" not in path)]
        importlib.invalidate_caches()
        self.notebook = make() if make is not Notebook else Notebook(store=kept())

    def add(self, cell: Cell, at: int | None = None) -> str:
        """Put a cell into the notebook; some tasks are effects, where there may be some."""
        mapped = {"e": "xs"} if cell.mapped else {}
        added = self.notebook.add(cell.source, plain=cell.plain, at=at, **mapped)
        if "effects" in self.author.features and not cell.plain and self.random.random() < 0.4:
            self.notebook.let(added, effect=Effect.ONCE)
        return added

    def edit_library(self, k: int) -> None:
        """Write the local module that cells import."""
        (self.folder / "library.py").write_text(LIBRARY.format(k=k))

    # -- actions

    def actions(self) -> list[Callable[[], str]]:
        """What may happen next; some things more often than others."""
        uses = self.author.uses
        actions = [self.run] * 5 + [self.edit] * 2 + [self.flow] * 2 + [self.run_all, self.undo]
        if uses("order"):
            actions += [self.delete, self.insert, self.move, self.rename]
        if uses("files"):
            actions += [self.touch, self.remove]
        if uses("modules"):
            actions += [self.change_library]
        if uses("parameters"):
            actions += [self.set_parameter]
        if "restart" in self.author.features:
            actions += [self.restart, self.restart_and_run_plain]
        if "hold" in self.author.features:
            actions += [self.pin, self.unpin]
        if "only" in self.author.features:
            actions += [self.only] * 3
        if "audit" in self.author.features:
            actions += [self.audit] * 2
        return actions

    def act(self) -> None:
        """Do one random thing."""
        self.log.append(self.random.choice(self.actions())())

    def pick(self) -> str:
        """Choose a cell."""
        return self.random.choice([cell for cell in self.notebook.book.order if cell in self.cells])

    def run(self) -> str:
        """Run one cell."""
        cell = self.pick()
        self.notebook.run(cell)
        return f"run {cell}"

    def edit(self) -> str:
        """Give a cell another text without running it."""
        cell = self.pick()
        self.past[cell] = self.notebook.step(cell).body.source
        is_mapped = bool(self.notebook.step(cell).body.mapped)
        self.notebook.edit(cell, self.author.item_source() if is_mapped else self.author.source())
        return f"edit {cell}"

    def undo(self) -> str:
        """Give a cell its text before the last edit."""
        cell = self.pick()
        now = self.notebook.step(cell).body.source
        self.notebook.edit(cell, self.past.get(cell, now))
        self.past[cell] = now
        return f"undo {cell}"

    def flow(self) -> str:
        """Bring all tasks up to date."""
        self.notebook.flow()
        return "flow"

    def run_all(self) -> str:
        """Run every cell in order."""
        self.notebook.run_all()
        return "run all"

    def delete(self) -> str:
        """Delete a cell."""
        cell = self.pick()
        if len(self.cells) > 3:
            self.cells.remove(cell)
            self.notebook.delete(cell)
        return f"delete {cell}"

    def insert(self) -> str:
        """Put a new cell somewhere, not run yet."""
        if len(self.cells) >= 8:
            return "insert nothing"
        cell = self.author.cell()
        place = self.random.randrange(self.fixed, len(self.notebook.book) + 1)
        self.cells.append(self.add(cell, place))
        return f"insert {self.cells[-1]} at {place}"

    def move(self) -> str:
        """Give a cell another place."""
        cell = self.pick()
        place = self.random.randrange(self.fixed, len(self.notebook.book))
        self.notebook.move(cell, place)
        return f"move {cell} to {place}"

    def rename(self) -> str:
        """Give a cell another name."""
        cell = self.pick()
        self.notebook.rename(cell, f"{cell}_renamed")
        return f"rename {cell}"

    def touch(self) -> str:
        """Replace a file by one of the same size and time."""
        path = self.folder / self.random.choice(sorted(self.files))
        stat = path.stat() if path.exists() else None
        path.write_text(str(self.random.randrange(5)))
        if stat is not None:
            os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        return f"touch {path.name}"

    def remove(self) -> str:
        """Delete a file."""
        path = self.folder / self.random.choice(sorted(self.files))
        path.unlink(missing_ok=True)
        return f"remove {path.name}"

    def change_library(self) -> str:
        """Edit the local module on disk."""
        k = self.random.randrange(1, 4)
        self.edit_library(k)
        return f"library {k}"

    def set_parameter(self) -> str:
        """Give the parameter a value, or take it back."""
        year = self.random.randrange(4)
        if year:
            self.notebook.set(year=year)
        else:
            self.notebook.reset()
        return f"year {year}"

    def restart(self) -> str:
        """Restart the kernel."""
        self.notebook.restart()
        return "restart"

    def restart_and_run_plain(self) -> str:
        """Restart the kernel and run some plain cells."""
        self.notebook.restart()
        for cell in self.notebook.book.order:
            if self.notebook.step(cell).plain and (cell not in self.cells or self.random.random() < 0.5):
                self.notebook.run(cell)
        return "restart and run plain"

    def pin(self) -> str:
        """Hold a task at its present trace."""
        cell = self.pick()
        trace = self.notebook.step(cell).trace
        if trace is not None and not self.notebook.step(cell).plain:
            self.notebook.pin(cell, Hold(trace, "pin"))
        return f"pin {cell}"

    def only(self) -> str:
        """Run a task from the latest results above it."""
        cell = self.pick()
        if self.notebook.step(cell).plain:
            return "only nothing"
        with suppress(SessionError):
            self.notebook.only(self.notebook.step(cell).name, force=self.random.random() < 0.3)
        return f"only {cell}"

    def audit(self) -> str:
        """Run all tasks once more, beside; as none of them has a hidden input, all records must be right."""
        before = dict(self.notebook.names)
        findings = self.notebook.audit()
        said = [f for f in findings if f.found not in (Found.SAME, Found.NOT_AUDITED)]
        self.audited += sum(finding.found is Found.SAME for finding in findings)
        self.alarms += [f"{each.step.id} {each.found.value}: {each.told}" for each in said]
        after = self.notebook.names
        moved = {name for name in {**before, **after} if before.get(name) is not after.get(name)}
        self.alarms += [f"the audit moved {sorted(moved)}"] if moved else []
        return "audit"

    def unpin(self) -> str:
        """End all holds."""
        for cell in self.notebook.book.order:
            self.notebook.pin(cell, None)
        return "unpin"

    # -- the oracle

    def truth(self) -> tuple[dict[str, Truth], dict[str, object]]:
        """A fresh run of the sources last run, in flow order, with the files as they are now."""
        names: dict[str, object] = {"__name__": "__main__"}
        truths: dict[str, Truth] = {}
        poisoned: set[str] = set()
        with self.beside():
            for step in self.notebook.book:
                if step.ran is None or step.standing is Standing.GONE:
                    continue
                truth = self.run_plainly(step.ran, step.parameters, names)
                may = step.ran.analysis
                if not truth.ok:
                    poisoned |= truth.touched | may.writes | may.maybe_writes | may.mutates | may.deletes
                    for name in poisoned:
                        names.pop(name, None)
                else:
                    poisoned -= truth.touched | may.writes | may.deletes
                truth.after = {
                    name: "poisoned" if name in poisoned else self.content(name, names)
                    for name in self.tracked
                }
                truth.after["random state"] = digest(global_random.getstate())
                truths[step.id] = truth
        for name in poisoned:
            names.pop(name, None)
        return truths, names

    def run_plainly(self, body: Body, parameters: frozenset[str], names: dict[str, object]) -> Truth:
        """Execute a source as plain Python does and tell what it did."""
        before = {name: self.told(name, names) for name in self.tracked if name in names}
        identities = {name: names[name] for name in before}
        files = self.snapshot()
        try:
            code = compile(body.source, "<cell>", "exec", dont_inherit=True)
            run_items(code, body, names) if body.mapped else exec(code, names)
            names.update(
                {name: value for name, value in self.notebook.parameters.values.items() if name in parameters}
            )
            ok = True
        except Exception:
            ok = False
        touched = {
            name
            for name in self.tracked
            if names.get(name, UNBOUND) is not identities.get(name, UNBOUND)
            or (name in names and self.told(name, names) != before[name])
        }
        return Truth(
            ok, touched, {}, {path: text for path, text in self.snapshot().items() if files.get(path) != text}
        )

    def snapshot(self) -> dict[str, str]:
        """The texts of the files in the current folder."""
        return {path: Path(path).read_text() for path in self.files if Path(path).exists()}

    def told(self, name: str, names: dict[str, object]) -> str:
        """What tells the value of a name from others."""
        return canon(names[name])

    def content(self, name: str, names: dict[str, object]) -> str:
        """The digest of what a name holds."""
        return fingerprint(names[name], names).digest if name in names else UNBOUND

    @contextmanager
    def beside(self) -> Iterator[None]:
        """A folder with copies of the files, the library unloaded, the generators' states kept."""
        beside = self.folder / "oracle"
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir()
        for name in (*self.files, "library.py"):
            if (self.folder / name).exists():
                shutil.copy(self.folder / name, beside)
        loaded = sys.modules.pop("library", None)
        state = global_random.getstate()
        path = list(sys.path)
        os.chdir(beside)
        sys.path.insert(0, str(beside))
        importlib.invalidate_caches()
        try:
            yield
        finally:
            os.chdir(self.folder)
            sys.path[:] = path
            global_random.setstate(state)
            sys.modules.pop("library", None)
            if loaded is not None:
                sys.modules["library"] = loaded

    # -- the check

    def check(self, tally: Tally) -> list[str]:
        """Every wrong claim, in words."""
        truths, end = self.truth()
        wrong = list(self.alarms)
        for step in self.notebook.book:
            if step.ran is None or step.id not in truths:
                continue
            tally.checks += 1
            reason = self.compare(step.id, truths[step.id]) or self.lost_file(step.id, truths)
            verdict = self.notebook.verdict(step.id)
            if verdict is Verdict.FRESH:
                tally.fresh += 1
                if reason:
                    wrong.append(f"{step.id} is called fresh, but {reason}")
            elif not reason and (rule := demanded_by(self.notebook, step.id)):
                tally.demanded[rule] += 1
            elif not reason:
                tally.needless += 1
                tally.reasons.append(
                    f"{step.id} {verdict.value}: {self.notebook.judgement(step.id).causes[:2]}\n{show(self)}"
                )
        for name in self.tracked:
            if name in self.notebook.names and self.notebook.is_current(name):
                tally.names += 1
                now = self.told(name, self.notebook.names)
                then = self.told(name, end) if name in end else UNBOUND
                if now != then:
                    wrong.append(f"{name} is called current and holds {now}, a fresh run gives {then}")
        return wrong

    def lost_file(self, cell: str, truths: dict[str, Truth]) -> str:
        """Which file on disk is not what the step left, although nobody below it writes it."""
        below = list(truths)[list(truths).index(cell) + 1 :]
        for path, text in truths[cell].files.items():
            on_disk = (self.folder / path).read_text() if (self.folder / path).exists() else ""
            written_below = any(f"open({path!r}, 'w')" in self.source(step) for step in below)
            if on_disk != text and not written_below:
                return f"{path} is missing or another than it leaves"
        return ""

    def source(self, cell: str) -> str:
        """The source that a cell ran last."""
        ran = self.notebook.step(cell).ran
        return ran.source if ran is not None else ""

    def compare(self, cell: str, truth: Truth) -> str:
        """Why the step's trace is not what the fresh run did; empty where it is."""
        trace = self.notebook.step(cell).trace
        if trace is None or not truth.ok:
            return "a fresh run fails there" if not truth.ok else "it has no trace"
        outputs = {output.slot.locator: output for output in trace.outputs if output.slot.kind == "name"}
        for name in truth.touched - outputs.keys():
            if not self.notebook.sweep.view(self.notebook.step(cell)).bound(("name", name)).doubts:
                return f"a fresh run changes {name}"
        for name, output in outputs.items():
            if name in self.tracked and output.digest != truth.after[name]:
                return f"{name} is another than {output.preview} in a fresh run"
        states = [output.digest for output in trace.outputs if output.slot.kind == "random"]
        if states not in ([], [truth.after["random state"]]):
            return "a fresh run leaves another random state"
        files = {
            Path(output.slot.locator).name: output.digest
            for output in trace.outputs
            if output.slot.kind == "file"
        }
        if truth.files.keys() - files.keys():
            return f"a fresh run writes {truth.files.keys() - files.keys()}"
        return ""


def run_items(code: types.CodeType, body: Body, names: dict[str, object]) -> None:
    """Execute a body once for each element, each time on the same names."""
    ((name, of),) = body.mapped
    elements = list(names[of])  # type: ignore[call-overload]
    before, results = dict(names), list[dict[str, object]]()
    for element in elements:
        names.clear()
        names.update(before, **{name: copy.deepcopy(element)})
        exec(code, names)
        results.append(dict(names))
    names.clear()
    made = body.analysis.writes - {name}
    names.update(before, **{each: MapResult([one[each] for one in results], elements) for each in made})


def canon(value: object, memo: dict[int, int] | None = None) -> str:
    """A canonical text of a value; sharing of mutable parts shows, and the code of functions."""
    memo = {} if memo is None else memo
    if isinstance(value, types.FunctionType):
        code = value.__code__
        return f"function({code.co_code!r}, {_constants(code)}, {code.co_names})"
    if isinstance(value, type):
        methods = (item for _, item in sorted(vars(value).items()) if isinstance(item, types.FunctionType))
        return f"class({[canon(method) for method in methods]})"
    if isinstance(value, types.ModuleType):
        return f"module({[(k, canon(v)) for k, v in sorted(vars(value).items()) if not k.startswith('_')]})"
    if isinstance(value, list) or hasattr(value, "inner"):
        if id(value) in memo:
            return f"again({memo[id(value)]})"
        memo[id(value)] = len(memo)
    if isinstance(value, MapResult):
        return f"items({', '.join(canon(item, memo) for item in value)})"
    if isinstance(value, list):
        return f"[{', '.join(canon(item, memo) for item in value)}]"
    if hasattr(value, "inner"):
        return f"Box({canon(value.inner, memo)}, {canon(type(value))})"
    return repr(value)


def _constants(code: types.CodeType) -> str:
    return repr([_constants(item) if isinstance(item, types.CodeType) else item for item in code.co_consts])


def play(
    seed: int,
    features: tuple[str, ...],
    folder: Path,
    tally: Tally,
    *,
    make: Callable[[], Notebook] = Notebook,
) -> Game:
    """Play one game from a seed, stopping at the first wrong claim."""
    return play_on(Game(Random(seed), features, folder, make), tally, label=str(seed))


def play_on(game: Game, tally: Tally, *, actions: int = 12, label: str = "") -> Game:
    """Play a game on, stopping at the first wrong claim."""
    tally.games += 1
    for _ in range(actions):
        game.act()
        wrong = game.check(tally)
        if wrong:
            tally.wrong.append(
                f"game {label} {game.author.features}: after {game.log}: {wrong[0]}\n{show(game)}"
            )
            break
    tally.executed += len(game.notebook.log)
    tally.audited += game.audited
    return game


def show(game: Game) -> str:
    """The notebook as it stands, for people."""
    lines: list[str] = []
    for step in game.notebook.book:
        kind = "plain" if step.plain else "task"
        verdict = game.notebook.verdict(step.id).value
        source = step.ran.source if step.ran else "(not run)"
        if step.id != game.prelude:
            lines.append(f"  {step.id} {kind} {verdict}: {source!r}")
    return "\n".join(lines)
