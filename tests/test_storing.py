"""Which values are stored: what took longer to compute than storing and loading takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbflow.engine.keeping import Keeping
from nbflow.engine.storing import SMALL, is_worth, seconds_to_keep
from nbflow.store.disk import DiskStore
from nbflow.store.protocol import Weight
from nbflow.testing import FakeClock, Notebook
from nbflow.triggers import manual_only
from nbflow.types import Effect
from tests.cells import change, kept

if TYPE_CHECKING:
    from pathlib import Path

    from nbflow.engine.book import Body, Step

LARGE = "import numpy as np\nx = np.arange(1_000_000)"
"""Eight megabytes, computed in no time."""


class Timed(Notebook):
    """A notebook in which a body whose text says `slow` takes an hour, and all else no time."""

    def _execute(self, step: Step, body: Body, names: dict[str, Any]) -> None:
        super()._execute(step, body, names)
        if "slow" in body.source and isinstance(self.clock, FakeClock):
            self.clock.advance(3600.0)


def stored(notebook: Notebook, cell: str) -> list[bool]:
    """Whether the values that a cell has made are stored, in the order of their names."""
    trace = notebook.step(cell).trace
    assert trace is not None
    outputs = sorted(trace.outputs, key=lambda output: output.slot.locator)
    return [notebook.workspace.store.has(output.unit) for output in outputs if output.sort == "value"]


def ran(*sources: str, home: Path | None = None, **rules: object) -> tuple[Notebook, list[str]]:
    """A notebook with these tasks, all of which ran; the first has these options.

    Args:
        sources: Their texts.
        home: Where its store is; by default it is in memory.
        rules: The options.
    """
    store = kept() if home is None else lambda names: DiskStore(home, namespace=names, key=bytes(32))
    notebook = Timed(store=store)
    cells = [notebook.add(source, name=f"task{number}") for number, source in enumerate(sources)]
    notebook.let(cells[0], **rules)
    notebook.run_all()
    return notebook, cells


class TestRule:
    """The rule by itself."""

    @given(size=st.integers(SMALL, 2**40), seconds=st.floats(0, 1e6), room=st.booleans())
    def test_what_is_read_is_stored_where_that_pays(self, size: int, seconds: float, room: bool) -> None:
        """Whatever else is stored."""
        weight = Weight("", size, 0)
        pays = seconds > seconds_to_keep(weight)
        assert is_worth(weight, seconds, is_read=True, has_room=lambda size: room) is pays
        assert is_worth(weight, seconds, is_read=False, has_room=lambda size: room) is (pays and room)

    def test_small_values_are_stored(self) -> None:
        """Storing them costs nothing that anybody would notice."""
        assert is_worth(Weight("", SMALL - 1, SMALL - 1), 0.0, is_read=False, has_room=lambda size: False)

    def test_objects_cost_more_than_arrays(self) -> None:
        """They have to be built, arrays are mapped."""
        assert seconds_to_keep(Weight("", 10**8, 10**8)) > 5 * seconds_to_keep(Weight("", 10**8, 0))


class TestAuto:
    """`--persist auto`, which is what holds where nothing is said."""

    def test_what_is_computed_quickly_is_not_stored(self) -> None:
        """Only its digest is; what took long is stored, and so is what is small."""
        notebook, cells = ran(LARGE, "y = np.arange(900_000)\nslow = 1")
        assert stored(notebook, cells[0]) == [False]
        assert stored(notebook, cells[1]) == [True, True]

    def test_after_a_restart_its_readers_need_no_value(self) -> None:
        """Its digest is enough to know that they are up to date; nothing runs."""
        notebook, cells = ran(LARGE, "total = int(x.sum())")
        notebook.restart()
        assert notebook.verdict(cells[0]).value == notebook.verdict(cells[1]).value == "fresh"
        assert notebook.run(cells[1]).executed == []
        assert "its value is not stored" in repr(notebook.names["x"])

    def test_after_a_restart_its_own_cell_computes_it(self) -> None:
        """Once, and says why."""
        notebook, cells = ran(LARGE, "total = int(x.sum())")
        notebook.restart()
        assert [action.executed for action in notebook.run_all()] == [cells[:1], []]
        (run,) = notebook.workspace.store.history.runs(step=cells[0], limit=1)
        assert [cause.category for cause in run.causes] == ["not stored"]
        assert len(notebook.names["x"]) == 1_000_000  # type: ignore[arg-type]
        assert notebook.flow().executed == notebook.run(cells[0]).executed == []

    def test_who_needs_it_has_it_made_again(self) -> None:
        """A body that changes it starts from what its producer makes, run after run."""
        notebook, cells = ran(LARGE, "x[0] += 1\ntotal = int(x[0])")
        for number in (2, 3):
            source = f"x[0] += {number}\ntotal = int(x[0])"
            assert change(notebook, cells[1], source).executed == cells
            assert notebook.names["total"] == number
            (run,) = notebook.workspace.store.history.runs(step=cells[0], limit=1)
            assert [cause.category for cause in run.causes] == ["not stored"]

    def test_going_back_computes_it(self) -> None:
        """A result that fits and has no value is none for a task that may run."""
        notebook, cells = ran(LARGE, "total = int(x.sum())")
        change(notebook, cells[0], LARGE.replace("1_000_000", "1_100_000"))
        notebook.flow()
        notebook.edit(cells[0], LARGE)
        notebook.work.adopt_source(notebook.step(cells[0]))
        action = notebook.flow()
        assert (action.executed, action.reused) == (cells[:1], cells[1:])
        assert len(notebook.names["x"]) == 1_000_000  # type: ignore[arg-type]

    @pytest.mark.parametrize("slow", [False, True])
    def test_so_are_items(self, slow: bool) -> None:
        """Each by itself: what took long is stored, and what did not is computed again."""
        notebook = Timed(store=kept())
        notebook.add("ns = [900_000, 1_000_000]")
        task = notebook.add(f"import numpy as np\ny = np.arange(n)\n{'slow = 1' * slow}", n="ns")
        notebook.run_all()
        store, history = notebook.workspace.store, notebook.work.runs.history
        runs = [history.runs(step=f"{task}[{place}]", limit=1)[0] for place in range(2)]
        traces = [trace for run in runs if (trace := store.trace(run.trace)) is not None]
        units = [output.unit for trace in traces for output in trace.outputs if output.slot.locator == "y"]
        assert [store.has(unit) for unit in units] == [slow, slow]
        assert [len(each) for each in notebook.names["y"]] == [900_000, 1_000_000]  # type: ignore[attr-defined]

    def test_yes_stores_all(self) -> None:
        """`--persist yes`."""
        notebook, cells = ran(LARGE, keeping=Keeping(weighs=False))
        assert stored(notebook, cells[0]) == [True]

    @pytest.mark.parametrize(
        "more",
        ["import time\nt = time.time()", "open('made.txt', 'w').close()", "r = np.random.random()"],
        ids=["clock", "file", "unseeded"],
    )
    def test_what_could_not_be_made_again_is_stored(
        self, more: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The next run would give something else, or do something more."""
        monkeypatch.chdir(tmp_path)
        notebook, cells = ran(f"{LARGE}\n{more}")
        assert stored(notebook, cells[0])[-1] is True

    def test_what_only_a_person_may_start_is_stored(self) -> None:
        """Nothing else could make it again."""
        notebook = Notebook(store=kept())
        cell = notebook.let(notebook.add(LARGE), trigger=manual_only)
        notebook.run(cell)
        notebook.resume(cell)
        assert stored(notebook, cell) == [True]

    def test_what_turned_out_otherwise_once_is_stored(self) -> None:
        """A body that is not deterministic would not give it again."""
        source = "import numpy as np\nx = np.random.default_rng().random(700_000)"
        notebook, cells = ran(source)
        for expected in (False, True):
            assert stored(notebook, cells[0]) == [expected]
            notebook.let(cells[0], keeping=Keeping(refreshes=True))
            notebook.run(cells[0])


class TestUnread:
    """What nobody is known to read."""

    def test_it_is_stored_while_there_is_room(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Then only what is read."""
        source = f"{LARGE}\ny = np.arange(900_000)\nslow = 1"
        notebook = Timed(store=kept())
        cells = [notebook.add(source), notebook.add("total = int(x.sum())")]
        monkeypatch.setattr(type(notebook.workspace.store), "has_room", lambda store, size: False)
        notebook.run_all()
        assert stored(notebook, cells[0]) == [True, True, False]

    def test_a_figure_belongs_to_the_screen(self) -> None:
        """After a restart its task is up to date without it; its cell, asked once more, draws it."""
        pytest.importorskip("matplotlib")
        source = "from matplotlib.figure import Figure\nfigure = Figure()\naxes = figure.subplots(2)\nn = 1"
        notebook, cells = ran(source)
        assert stored(notebook, cells[0]) == [False, False, True]
        notebook.restart()
        assert notebook.run(cells[0]).executed == []
        assert "is not loaded" in repr(notebook.names["figure"])
        assert notebook.run(cells[0]).executed == cells
        assert "Figure" in repr(notebook.names["figure"])

    def test_a_figure_that_is_read_is_stored(self) -> None:
        """As any value is."""
        pytest.importorskip("matplotlib")
        source = "from matplotlib.figure import Figure\nfigure = Figure()\nfigure.subplots()\nslow = 1"
        notebook, cells = ran(source, "n = len(figure.axes)")
        assert stored(notebook, cells[0]) == [True, True]


class TestEvicted:
    """Values that were removed to save space."""

    def test_they_are_computed_again(self, tmp_path: Path) -> None:
        """The cause is told, and nothing else runs."""
        notebook, cells = ran(f"{LARGE}\nslow = 1", "total = int(x.sum())", home=tmp_path / "s")
        upkeep = notebook.workspace.store.upkeep()  # type: ignore[attr-defined]
        assert upkeep.evict(0, grace=0.0).values == 1
        notebook.restart()
        assert "removed to save space" in repr(notebook.names["x"])
        assert [action.executed for action in notebook.run_all()] == [cells[:1], []]
        (run,) = notebook.workspace.store.history.runs(step=cells[0], limit=1)
        assert [cause.category for cause in run.causes] == ["evicted"]

    @pytest.mark.parametrize("mapped", [{}, {"k": "ks"}])
    def test_what_an_effect_has_made_stays(self, mapped: dict[str, str], tmp_path: Path) -> None:
        """It must not happen once more for that."""
        notebook = Notebook(store=lambda names: DiskStore(tmp_path / "s", namespace=names, key=bytes(32)))
        cells = [notebook.add("ks = [1]", plain=True), notebook.add(LARGE, name="send", **mapped)]
        notebook.let(cells[1], effect=Effect.ONCE)
        notebook.run_all()
        notebook.workspace.store.upkeep().evict(0, grace=0.0)  # type: ignore[attr-defined]
        notebook.restart()
        assert [action.executed for action in notebook.run_all()] == [cells[:1], []]
        made = notebook.names["x"][0] if mapped else notebook.names["x"]  # type: ignore[index]
        assert made[-1] == 999_999  # type: ignore[index]

    def test_what_names_hold_is_at_hand(self, tmp_path: Path) -> None:
        """Removing all that is stored under a kernel makes nothing run in it."""
        notebook, cells = ran(f"{LARGE}\nslow = 1", "total = int(x.sum())", home=tmp_path / "s")
        notebook.workspace.store.upkeep().evict(0, grace=0.0)  # type: ignore[attr-defined]
        assert [action.executed for action in notebook.run_all()] == [[], []]
        assert change(notebook, cells[1], "total = int(x.sum()) + 1").executed == cells[1:]
