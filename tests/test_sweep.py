"""The sweep: kept up to date step by step, it says what a sweep from scratch would say."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from nbflow.engine.slots import slot_of
from nbflow.engine.sweep import Sweep
from nbflow.store.memory import BUDGET
from nbflow.testing import Notebook
from nbflow.types import NO_REACH, Verdict
from tests.cells import change, kept, opened, verdicts
from tests.law.game import TRACKED, Game

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbflow.types import Slot

MIXES = (
    ("mutate", "order"),
    ("alias", "order", "restart"),
    ("alias", "fail"),
    ("files", "order"),
    ("functions", "classes"),
    ("parameters", "random", "hold"),
    ("all",),
    ("all", "order", "restart", "hold"),
)


@contextmanager
def game_of(seed: int, features: tuple[str, ...], budget: int = BUDGET) -> Iterator[Game]:
    """A random notebook in a folder of its own; the process is left as it was found."""
    start, path, bytecode = Path.cwd(), list(sys.path), sys.dont_write_bytecode
    with TemporaryDirectory(prefix="nbflow-law-") as folder:
        sys.dont_write_bytecode = True
        try:
            yield Game(Random(seed), features, Path(folder) / "game", lambda: Notebook(store=kept(budget)))
        finally:
            os.chdir(start)
            sys.path[:] = path
            sys.dont_write_bytecode = bytecode
            sys.modules.pop("library", None)


def slots_of(notebook: Notebook) -> set[Slot]:
    """Every slot that the notebook may speak of."""
    traces = (step.bound_trace for step in notebook.book.steps.values())
    written = {output.slot for trace in traces if trace for output in trace.outputs}
    return written | {slot_of(name) for name in (*TRACKED, "<random>")}


def said(notebook: Notebook, sweep: Sweep) -> list[object]:
    """Everything that a sweep says: judgements, and the bindings at each place."""
    slots = sorted(slots_of(notebook))
    found: list[object] = []
    for step in notebook.book:
        judgement = sweep.judgement(step)
        view = sweep.view(step)
        found.append((step.id, judgement.verdict, judgement.causes, judgement.reached))
        found.append([(slot, view.bound(slot)) for slot in slots])
    end = sweep.end()
    found.append([(slot, end.bound(slot)) for slot in slots])
    found.append([step.id for step in sweep.pending()])
    found.append([(slot, sweep.writers(slot)) for slot in slots])
    return found


class TestLaw:
    """Keeping up with changes equals starting anew."""

    @settings(max_examples=150)
    @given(st.integers(0, 2**32), st.sampled_from(MIXES), st.booleans())
    def test_it_equals_a_sweep_from_scratch(self, seed: int, features: tuple[str, ...], lazily: bool) -> None:
        """After every action, also where several happen between two looks."""
        with game_of(seed, features) as game:
            notebook = game.notebook
            for _ in range(8):
                game.act()
                if lazily and game.random.random() < 0.5:
                    continue
                notebook.sweep.look_outside()
                anew = Sweep(notebook.book, notebook.sweep.outside)
                assert said(notebook, notebook.sweep) == said(notebook, anew), game.log

    @settings(max_examples=20)
    @given(st.integers(0, 2**32), st.sampled_from(MIXES))
    def test_looking_changes_nothing(self, seed: int, features: tuple[str, ...]) -> None:
        """A second look says the same and judges nothing again."""
        with game_of(seed, features) as game:
            for _ in range(4):
                game.act()
            sweep = game.notebook.sweep
            first = said(game.notebook, sweep)
            judged = sweep.judged
            assert said(game.notebook, sweep) == first
            assert sweep.judged == judged

    @settings(max_examples=20)
    @given(st.integers(0, 2**32), st.sampled_from(MIXES))
    def test_there_is_news_of_every_step_that_stands_otherwise(
        self, seed: int, features: tuple[str, ...]
    ) -> None:
        """Whatever was done: who shows verdicts, causes and results need look at no other step."""
        with game_of(seed, features) as game:
            before = stands(game.notebook)
            for _ in range(6):
                game.notebook.sweep.news.clear()
                game.act()
                now = stands(game.notebook)
                assert {id for id in now if now[id] != before.get(id)} <= game.notebook.sweep.news
                before = now


def stands(notebook: Notebook) -> dict[str, object]:
    """How each step in the order stands: verdict, causes, and the result that it is bound to."""
    notebook.sweep.look_outside()
    found = ((step, notebook.sweep.judgement(step)) for step in notebook.book)
    return {step.id: (now.verdict, now.causes, step.bound_trace) for step, now in found}


class TestCost:
    """Only what is touched is judged again."""

    def test_an_untouched_book_is_not_judged_again(self) -> None:
        """However often it is looked at."""
        notebook, _ = opened("a = 1", "b = a", "c = b")
        assert verdicts(notebook) == ["fresh"] * 3
        before = notebook.sweep.judged
        assert verdicts(notebook) == ["fresh"] * 3
        assert notebook.sweep.judged == before

    def test_who_does_not_read_it_is_not_judged(self) -> None:
        """A change is told to the readers of that slot."""
        notebook, cells = opened("a = 1", "b = a", *(f"z{k} = {k}" for k in range(50)))
        before = notebook.sweep.judged
        change(notebook, cells[0], "a = 2")
        notebook.flow()
        assert notebook.sweep.judged - before < 10

    def test_pending_steps_come_in_flow_order(self) -> None:
        """Only those that are not up to date."""
        notebook, cells = opened("a = 1", "b = a", "z = 1", "c = b")
        change(notebook, cells[0], "a = 2")
        assert [step.id for step in notebook.sweep.pending()] == [cells[1], cells[3]]

    def test_moved_slots_are_told_once(self) -> None:
        """Those whose binding changed since the last question."""
        notebook, cells = opened("a = 1", "b = 2")
        notebook.sweep.moved_slots()
        change(notebook, cells[0], "a = 3")
        assert notebook.sweep.moved_slots() == {slot_of("a")}
        assert notebook.sweep.moved_slots() == set()

    def test_writers_are_those_that_wrote(self) -> None:
        """In flow order; who only may write is none."""
        notebook, cells = opened("flag = False", "a = 1", "if flag:\n    a = 3", "a = 2")
        assert notebook.sweep.writers(slot_of("a")) == [cells[1], cells[3]]

    def test_a_step_without_a_place_is_judged_behind_all_others(self) -> None:
        """By what stands at the end of the flow."""
        notebook, cells = opened("a = 1", "b = a", "c = 1")
        notebook.delete(cells[1])
        assert notebook.verdict(cells[1]) is Verdict.FRESH
        change(notebook, cells[0], "a = 2")
        assert notebook.verdict(cells[1]) is not Verdict.FRESH
        assert notebook.sweep.end().bound(slot_of("b")).version is None


class TestOutputs:
    """What a plain value says of itself."""

    def test_a_number_reaches_no_code(self) -> None:
        """Nothing can be called in it."""
        notebook, cells = opened("a = 1")
        trace = notebook.step(cells[0]).trace
        assert trace is not None
        assert trace.outputs[0].reach == NO_REACH
