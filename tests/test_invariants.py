"""The five invariants of the core, each attacked alone, and what holds after every game."""

from __future__ import annotations

import ast
import json
import os
import signal
import subprocess
import sys
import threading
from itertools import combinations, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import nbflow
from nbflow.engine import transitions
from nbflow.engine.apply import Workspace
from nbflow.engine.book import Book
from nbflow.engine.slots import key_of
from nbflow.engine.sweep import Sweep
from nbflow.states import state_of
from nbflow.store.digests import unit_digest
from nbflow.store.disk import DiskStore
from nbflow.store.memory import BUDGET
from nbflow.store.watching import unwatched
from nbflow.testing import Notebook, executed
from nbflow.types import Cause, Hold, Verdict
from tests.cells import causes, change, opened, verdicts
from tests.test_store_crash import POINTS
from tests.test_sweep import game_of, slots_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from nbflow.engine.bind import Version
    from tests.law.game import Game

PACKAGE = Path(nbflow.__file__).parent
SEEDS = st.integers(0, 2**32)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The kernel's folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(name: str, path: str) -> str:
    """Source that reads a file and leaves nothing else behind."""
    return f"{name} = __import__('pathlib').Path({path!r}).read_text()"


class TestOnlyExecutionsMakeTraces:
    """I1: a trace is what one completed execution saw, and nothing else makes one."""

    MEDDLE = "import threading\nthreading.nbflow_test_meddle()\n"

    @pytest.fixture
    def meddled(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A file that another process changes when a body calls for it."""
        path = folder / "in.txt"
        path.write_text("1")

        def meddle() -> None:
            with unwatched():
                path.write_text("22")

        monkeypatch.setattr(threading, "nbflow_test_meddle", meddle, raising=False)
        return path

    @pytest.mark.parametrize("when", ["after", "between"])
    def test_a_file_that_changes_meanwhile_voids_the_trace(self, meddled: Path, when: str) -> None:
        """The body saw something that is no more; nobody can say what."""
        reads = [read("s", "in.txt")] if when == "after" else [read("s", "in.txt"), read("t", "in.txt")]
        source = reads[0] + "\n" + self.MEDDLE + "\n".join(reads[1:])
        notebook, (cell,) = opened(source)
        assert notebook.step(cell).trace is None
        assert notebook.workspace.store.lists(notebook.step(cell).body.static_key) == ()
        assert notebook.verdict(cell) is Verdict.STALE
        said = f"{meddled.name} changed while the body ran; --writes, if the body writes it"
        assert notebook.judgement(cell).causes == (Cause("failed", cell, after=said),)

    def test_a_quiet_second_run_heals_it(self, meddled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nothing of the void run is reused."""
        notebook, (cell,) = opened(read("s", "in.txt") + "\n" + self.MEDDLE)
        monkeypatch.setattr(threading, "nbflow_test_meddle", lambda: None)
        assert notebook.flow().executed == [cell]
        assert notebook.names["s"] == "22"
        assert notebook.verdict(cell) is Verdict.FRESH

    def test_a_failed_body_makes_no_trace(self) -> None:
        """Not even for what it did before it failed."""
        notebook, (cell,) = opened("a = 1\n1 / 0")
        (run,) = notebook.workspace.store.history.runs(step=cell)
        assert (notebook.step(cell).trace, run.trace, run.key) == (None, "", "")
        assert notebook.workspace.store.lists(notebook.step(cell).body.static_key) == ()

    def test_only_one_module_of_the_package_makes_traces(self) -> None:
        """Of an execution, a call, or of what was there before; what a store reads back it decodes."""
        made = [
            (path.relative_to(PACKAGE).as_posix(), node.lineno)
            for path in sorted(PACKAGE.rglob("*.py"))
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Trace"
        ]
        assert [path for path, _ in made] == ["engine/record.py"] * 3

    @settings(max_examples=25)
    @given(SEEDS)
    def test_each_trace_belongs_to_a_completed_run(self, seed: int) -> None:
        """Of the step that it names, whose run names it."""
        with game_of(seed, ("all", "order", "hold")) as game:
            for _ in range(8):
                game.act()
            history = game.notebook.workspace.store.history
            for step in game.notebook.book:
                if step.trace is not None:
                    run = history.run(step.trace.run)
                    assert run is not None
                    assert (run.trace, run.step) == (step.trace.id, step.trace.step)
                    assert history.transitions(run.id)[-1].name == "Completed"


class TestADigestBelongsToAContent:
    """I2: an object stands for a version only while it is that version; units are never mixed."""

    @settings(max_examples=60)
    @given(
        SEEDS,
        st.sampled_from([("alias",), ("mutate", "fail"), ("alias", "restart", "hold"), ("all", "order")]),
        st.sampled_from([BUDGET, 0]),
    )
    @example(1255596291, ("alias", "restart", "hold"), BUDGET)
    @example(5000720, ("alias",), 0)
    @example(314220440, ("alias",), BUDGET)
    @example(5000930, ("alias",), 0)
    def test_labels_tell_the_truth(self, seed: int, features: tuple[str, ...], budget: int) -> None:
        """Each name's object has the digest of its label, and the sharing of its version's unit."""
        with game_of(seed, features, budget) as game:
            for _ in range(8):
                game.act()
                if any(step.failure for step in game.notebook.book):
                    break  # what a failed body leaves is the next test's matter
                self.check(game.notebook.workspace)

    def check(self, workspace: Workspace) -> None:
        """Compare every label with the live objects."""
        units: dict[tuple[object, ...], dict[str, object]] = {}
        looks = {key: workspace.look(key) for key in workspace.labels}
        for key, other in combinations(looks, 2):
            apart = looks[key].memory.isdisjoint(looks[other].memory)
            assert apart or other in workspace.group(key), (key, other)
        for key, label in workspace.labels.items():
            assert looks[key].digest == label.digest, key
            if label.version is not None:
                assert label.version.output.digest == label.digest, key
                units.setdefault(label.version.unit, {})[key] = workspace.get(key)
        for (_, unit, members, _), held in units.items():
            if len(held) == len(members) > 1:  # type: ignore[arg-type]
                assert unit_digest(held, workspace.names) == unit, sorted(held)

    def test_a_failed_reader_leaves_no_mixed_unit(self) -> None:
        """What it only read goes back to the object that its partner shares memory with."""
        notebook, cells = opened("c = [3]", "b = [3, c]", "n = 0", "b = 1", "x = 0")
        notebook.run(cells[1])
        change(notebook, cells[4], "x = len(c)\n1 / 0")
        assert change(notebook, cells[2], "c.append(9)\nn = len(b[1])").executed == [cells[2]]
        assert notebook.names["n"] == 2

    def test_a_unit_made_anew_is_not_mixed_with_the_object_of_before(self) -> None:
        """An object goes back to its name only together with all who hold the unit."""
        notebook, cells = opened("k = 0", "b = [0]", "c = [3]", "b = c\nn = k", plain=(0, 1))
        notebook.run(cells[1])
        change(notebook, cells[0], "k = 1")
        assert notebook.run(cells[3]).executed == [cells[3]]
        assert notebook.names["b"] is notebook.names["c"]
        assert verdicts(notebook) == ["fresh"] * 4

    def test_two_names_come_back_as_one_object(self) -> None:
        """From one copy."""
        notebook, cells = opened("a = [1]\nb = a", "b = [0]", "n = a[0]")
        notebook.run(cells[0])
        assert notebook.names["a"] is notebook.names["b"]

    def test_equal_contents_of_two_producers_are_no_unit(self) -> None:
        """Two names of equal content share nothing when they are restored."""
        notebook, cells = opened("a = [1]", "b = [1]", "a.append(2)\nn = len(b)")
        change(notebook, cells[2], "a.append(3)\nn = len(b)")
        assert notebook.names["n"] == 1
        assert notebook.names["a"] is not notebook.names["b"]

    @pytest.mark.parametrize(
        "keep",
        [
            "def keep(box=a): return box",
            "keep = (lambda box: lambda: box)(a)",
            "class Keeper: box = a\nkeep = lambda: Keeper.box",
            "keep = {1: a}.copy().popitem()[1].copy and [a].pop\nkept = [a]\nkeep = lambda: kept[0]",
        ],
        ids=["default", "closure", "class attribute", "list"],
    )
    def test_a_value_reached_through_something_else_is_followed(self, keep: str) -> None:
        """Defaults, closures, attributes of classes and containers share memory with the name."""
        notebook, cells = opened("a = [1]", keep, "keep().append(9)", "n = len(a)")
        assert notebook.names["n"] == 2
        change(notebook, cells[2], "keep().extend([7, 8])")
        assert notebook.flow().executed == [cells[3]]
        assert notebook.names["n"] == 3
        assert verdicts(notebook) == ["fresh"] * 4

    @pytest.mark.xfail(reason="documented limit: a value kept only outside of all names is not followed")
    def test_a_value_kept_outside_of_all_names(self) -> None:
        """A registry of a library, or IPython's own `Out`, changes an object between cells."""
        notebook, cells = opened("a = [1]", "n = len(a)")
        registry = [notebook.names["a"]]
        registry[0].append(2)  # type: ignore[attr-defined]
        change(notebook, cells[1], "n = len(a) + 0")
        assert notebook.names["n"] == 1


class TestBindingIsPure:
    """I3: order, writers and holds decide, not what happened before."""

    @settings(max_examples=60)
    @given(SEEDS, st.sampled_from([("alias", "order"), ("all", "order", "hold"), ("fail", "files", "order")]))
    def test_another_history_of_the_same_book_binds_the_same(
        self, seed: int, features: tuple[str, ...]
    ) -> None:
        """The same steps, put into a book in another order and then arranged."""
        with game_of(seed, features) as game:
            for _ in range(8):
                game.act()
            notebook = game.notebook
            notebook.sweep.look_outside()
            book = Book()
            steps = list(notebook.book.steps.values())
            game.random.shuffle(steps)
            for step in steps:
                book.steps[step.id] = step
                if notebook.book.place(step.id) is not None:
                    book.append(step)
            other = Sweep(book, notebook.sweep.outside)
            other.pending()
            book.arrange(notebook.book.order)
            for slot in slots_of(notebook):
                assert other.end().bound(slot) == notebook.sweep.end().bound(slot)
                for step in notebook.book:
                    assert other.view(step).bound(slot) == notebook.sweep.view(step).bound(slot)

    @settings(max_examples=40)
    @given(SEEDS)
    def test_a_body_runs_only_on_what_it_is_bound_to(self, seed: int) -> None:
        """When a task's body starts, every name that it reaches holds exactly its binding."""
        with game_of(seed, ("alias", "fail", "order", "restart")) as game:
            wrong: list[str] = []
            watch_inputs(game.notebook, wrong)
            for _ in range(8):
                game.act()
                watch_inputs(game.notebook, wrong)
            assert wrong == []


def watch_inputs(notebook: Notebook, wrong: list[str]) -> None:
    """From now on compare, when a task's body starts, each name it reaches with its binding."""
    if getattr(notebook._execute, "is_watching", False):
        return
    run_body = notebook._execute

    def checked(step: Any, body: Any) -> None:
        view, workspace = notebook.sweep.view(step), notebook.workspace
        for slot in () if step.plain else notebook.sweep.judgement(step).reached:
            version, key = view.bound(slot).version, key_of(slot)
            if version is None and key in workspace:
                wrong.append(f"{step.id}: {key} should be unbound")
            elif version is not None and not is_that(workspace, key, version):
                wrong.append(f"{step.id}: {key} is not its binding")
        run_body(step, body)

    checked.is_watching = True  # type: ignore[attr-defined]
    notebook._execute = checked  # type: ignore[method-assign]


def is_that(workspace: Workspace, key: str, version: Version) -> bool:
    """Whether the live object under a key is that version by its content."""
    return key in workspace and workspace.look(key).digest == version.output.digest


class Moody:
    """A kind that knows some variables, and at times does not."""

    def __init__(self) -> None:
        self.values = dict.fromkeys(("U", "V", "W"), "0")
        self.known = dict.fromkeys(("U", "V", "W"), True)

    def now(self, locator: str) -> str | None:
        """The value; None where nobody can tell."""
        return self.values.get(locator, "") if self.known.get(locator, True) else None

    def show(self, locator: str) -> str:
        """For people."""
        return "?"


MOODS = st.lists(
    st.tuples(
        st.sampled_from("UVW"), st.booleans(), st.sampled_from("01"), st.sampled_from(["flow", "run", "look"])
    ),
    min_size=1,
    max_size=8,
)


class TestFreshNeedsSame:
    """I4: what cannot be seen is never taken for the same."""

    @settings(max_examples=120)
    @given(MOODS)
    def test_below_what_nobody_can_tell_nothing_is_fresh(
        self, moods: list[tuple[str, bool, str, str]]
    ) -> None:
        """Whatever ran while it was known, and whatever ran while it was not."""
        moody = Moody()
        notebook = Notebook(kinds={"environment": moody})
        sources = [f'import os\n{v.lower()} = os.environ.get("{v}")' for v in "UVW"]
        _, cells = opened(*sources, "x = [u, v]", "y = len(x)", "z = w", notebook=notebook)
        below = {"U": (0, 3, 4), "V": (1, 3, 4), "W": (2, 5)}
        for variable, known, value, then in moods:
            moody.known[variable], moody.values[variable] = known, value
            if then == "flow":
                notebook.flow()
            elif then == "run":
                change(
                    notebook,
                    cells["UVW".index(variable)],
                    f"# {value}\n{sources['UVW'.index(variable)]}\nq = {value}",
                )
            said = verdicts(notebook)
            for each, places in below.items():
                if not moody.known[each]:
                    assert "fresh" not in [said[place] for place in places], (each, said)

    def test_what_is_known_again_and_the_same_is_fresh_again(self) -> None:
        """Without any execution."""
        moody = Moody()
        notebook = Notebook(kinds={"environment": moody})
        _, cells = opened('import os\nu = os.environ.get("U")', "x = u", notebook=notebook)
        moody.known["U"] = False
        assert verdicts(notebook) == ["as of", "as of"]
        assert causes(notebook, cells[0]) == [("unknown", "U")]
        assert notebook.flow().executed == []
        moody.known["U"] = True
        assert verdicts(notebook) == ["fresh", "fresh"]

    def test_unknown_is_contagious_through_holds(self) -> None:
        """A pinned task below which everything is equal is still no proof."""
        notebook, cells = opened("a = 1", "b = a", "c = b", "d = c")
        trace = notebook.step(cells[1]).trace
        assert trace is not None
        notebook.pin(cells[1], Hold(trace, "pin"))
        assert verdicts(notebook) == ["fresh", "as of", "as of", "as of"]


class Spied(dict[str, Any]):
    """Names that note who changes them."""

    def __init__(self, names: dict[str, Any]) -> None:
        super().__init__(names)
        self.writers: set[str] = set()

    def _note(self) -> None:
        self.writers.add(writer(sys._getframe(2)))

    def __setitem__(self, key: str, value: Any) -> None:
        """Bind a name."""
        self._note()
        super().__setitem__(key, value)

    def __delitem__(self, key: str) -> None:
        """Delete a name."""
        self._note()
        super().__delitem__(key)

    def pop(self, *arguments: Any) -> Any:
        """Take a name away."""
        self._note()
        return super().pop(*arguments)

    def update(self, *arguments: Any, **names: Any) -> None:
        """Bind names."""
        self._note()
        super().update(*arguments, **names)

    def clear(self) -> None:
        """Delete all names."""
        self._note()
        super().clear()


def writer(frame: FrameType | None) -> str:
    """Who is behind a change: a body, the workspace, or somebody else by file and function."""
    first = frame
    while frame is not None:
        if frame.f_code in (Notebook._execute.__code__,):
            return "body"
        frame = frame.f_back
    assert first is not None
    if isinstance(first.f_locals.get("self"), Workspace):
        return "workspace"
    return f"{Path(first.f_code.co_filename).name}:{first.f_code.co_name}"


class TestNoValueWithoutItsLabel:
    """I5: names change only while a body runs or through the workspace."""

    @settings(max_examples=40)
    @given(
        SEEDS,
        st.sampled_from([("alias", "fail", "order"), ("mutate", "hold"), ("files", "parameters", "random")]),
    )
    def test_names_have_two_writers_only(self, seed: int, features: tuple[str, ...]) -> None:
        """Whatever the user does."""
        with game_of(seed, features) as game:
            names = Spied(game.notebook.names)
            game.notebook.names = game.notebook.workspace.names = names
            for _ in range(10):
                game.act()
            assert names.writers <= {"body", "workspace"}

    def test_nobody_else_is_written_to(self) -> None:
        """No other file of the engine assigns to, or deletes from, the names."""
        found = [
            f"{path.name}:{node.lineno}"
            for path in sorted((PACKAGE / "engine").glob("*.py"))
            for node in ast.walk(ast.parse(path.read_text()))
            if is_write_to_names(node) and path.name != "apply.py"
        ]
        assert found == []


def is_write_to_names(node: ast.AST) -> bool:
    """Whether a node stores into, deletes from or otherwise changes `….names`."""
    if isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
        return isinstance(node.value, ast.Attribute) and node.value.attr == "names"
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        owner = node.func.value
        changes = node.func.attr in ("pop", "update", "clear", "setdefault", "popitem", "__setitem__")
        return changes and isinstance(owner, ast.Attribute) and owner.attr == "names"
    return False


def actions_of(game: Game, count: int) -> Iterator[None]:
    """Do random things one by one."""
    for _ in range(count):
        game.act()
        yield


class TestHistory:
    """Every execution and every reuse is a run with a legal and complete path of states."""

    @settings(max_examples=40)
    @given(SEEDS, st.sampled_from([("all", "order", "hold"), ("fail", "restart"), ("mutate", "order")]))
    def test_every_run_begins_and_ends_legally(self, seed: int, features: tuple[str, ...]) -> None:
        """And there is one run for each body that ran."""
        with game_of(seed, features) as game:
            for _ in actions_of(game, 10):
                pass
            history = game.notebook.workspace.store.history
            runs = history.runs(limit=10_000)
            for run in runs:
                states = [state_of(transition) for transition in history.transitions(run.id)]
                transitions.check(None, states[0], run.id)
                for old, new in pairwise(states):
                    transitions.check(old, new, run.id)
                assert states[-1].is_final()
            executions = [
                run for run in runs if any(each.name == "Running" for each in history.transitions(run.id))
            ]
            assert sorted(run.step for run in executions) == sorted(game.notebook.log)

    @settings(max_examples=25)
    @given(SEEDS)
    def test_a_raising_subscriber_changes_nothing(self, seed: int) -> None:
        """Nor does one that raises a signal or presses Stop too late."""
        told = [play(seed, subscribe=False), play(seed, subscribe=True)]
        assert told[0] == told[1]


def play(seed: int, *, subscribe: bool) -> list[object]:
    """Play a game and tell what came of it."""

    def protest(entered: object) -> None:
        raise RuntimeError("a view that is broken")

    with game_of(seed, ("alias", "fail", "order")) as game:
        told: list[object] = []
        journal = game.notebook.work.runs.journal
        if subscribe:
            journal.subscribe(protest)
            journal.subscribe(protest, hook=True)
        for _ in actions_of(game, 6):
            names = {key: game.notebook.workspace.look(key).digest for key in game.notebook.workspace.labels}
            told.append((verdicts(game.notebook), names))
        return [*told, game.log, game.notebook.log]


KEY = bytes(32)
CELLS = (
    "import numpy as np\nn = 50_000",
    "a = np.arange(n)",
    "a[0] = 7\nb = int(a[0])",
    "c = [b, int(a.sum())]",
)
VALUES = {"n": 50_000, "b": 7, "c": [7, int(np.arange(50_000).sum()) + 7]}


def store_at(
    home: Path, checkpoint: Callable[[str], None] | None = None
) -> Callable[[dict[str, object]], DiskStore]:
    """Opens the store in a folder for a kernel's names."""

    def open_it(names: dict[str, object]) -> DiskStore:
        options: dict[str, Any] = {"checkpoint": checkpoint} if checkpoint else {}
        return DiskStore(home, namespace=names, key=KEY, **options)

    return open_it


def run_and_die(home: Path, point: str, turn: int) -> None:
    """In a child: run all cells, and be killed when a point is reached for the given time."""
    reached: list[str] = []

    def checkpoint(name: str) -> None:
        reached.append(name)
        if reached.count(point) == turn:
            os.kill(os.getpid(), signal.SIGKILL)

    opened(*CELLS, notebook=Notebook(store=store_at(home, checkpoint)))


def run_and_tell(home: Path) -> None:
    """In a later child: run all cells and print what came of it."""
    notebook = Notebook(store=store_at(home))
    cells = [notebook.add(source) for source in CELLS]
    actions = notebook.run_all()
    told: dict[str, object] = {
        "values": {name: notebook.names[name] for name in VALUES},
        "array": [int(notebook.names["a"][0]), int(notebook.names["a"].sum())],  # type: ignore[index, attr-defined]
        "verdicts": verdicts(notebook),
        "errors": [str(error) for action in actions for error in action.errors.values()],
        "executed": [cells.index(cell) for action in actions for cell in action.executed],
        "notices": list(notebook.workspace.store.notices),
        "open runs": [
            run.id
            for run in notebook.workspace.store.history.runs(limit=100)
            if not state_of(notebook.workspace.store.history.transitions(run.id)[-1]).is_final()
        ],
    }
    notebook.restart()
    told["executed after a restart"] = executed(notebook.run_all())
    notebook.workspace.store.close()
    print(json.dumps(told))


def start(*call: object) -> subprocess.CompletedProcess[str]:
    """Run a function of this file in a child process."""
    function, home, *rest = call
    code = (
        "from pathlib import Path\nimport tests.test_invariants as t\n"
        f"t.{function}(Path({str(home)!r}), *{tuple(rest)!r})"
    )
    root = Path(__file__).parent.parent
    return subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)


@pytest.mark.process
class TestKilled:
    """A kernel dies in the middle of a commit; the next one knows only what is true."""

    @pytest.mark.parametrize(("point", "turn"), list(zip(POINTS, (1, 1, 3, 2, 1, 2), strict=True)))
    def test_the_next_kernel_goes_on(self, tmp_path: Path, point: str, turn: int) -> None:
        """Right values, no error, nothing left open, and fresh claims that are true."""
        died = start("run_and_die", tmp_path / "s", point, turn)
        assert died.returncode in (-signal.SIGKILL, 0)
        done = start("run_and_tell", tmp_path / "s")
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        assert told["values"] == VALUES
        assert told["array"] == [7, VALUES["c"][1]]  # type: ignore[index]
        assert told["verdicts"] == ["fresh"] * 4
        assert (told["errors"], told["notices"], told["open runs"]) == ([], [], [])
        assert told["executed after a restart"] == []
