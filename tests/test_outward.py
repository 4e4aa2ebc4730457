"""Effects: what steps change outside happens when its step is named, and once where that was said."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest

from nbflow.engine.drive import answered
from nbflow.engine.forcing import forced
from nbflow.engine.keeping import Compared, Keeping
from nbflow.engine.outward import is_effect, outward_calls
from nbflow.engine.preview import preview
from nbflow.retries import Retries
from nbflow.states import Origin
from nbflow.store.disk import DiskStore
from nbflow.store.memory import MemoryStore
from nbflow.testing import Notebook
from nbflow.triggers import manual_only
from nbflow.types import Effect, Verdict
from tests.cells import change, kept, root_cause, verdicts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nbflow.engine.action import Action

SENT: list[object] = []
"""What the effects of these tests have done outside of their notebooks."""

SEND = "import sys\nsys.modules['tests.test_outward'].SENT.append(x)\ndone = x"


@pytest.fixture(autouse=True)
def outbox() -> Iterator[None]:
    """Nothing has been sent yet; the notebooks reach this module by its name."""
    import sys

    sys.modules["tests.test_outward"] = sys.modules[__name__]
    SENT.clear()
    yield
    SENT.clear()


def sending(effect: Effect = Effect.ONCE, source: str = SEND) -> tuple[Notebook, list[str]]:
    """A value, the effect that sends it, and a task that reads what the effect has made."""
    notebook = Notebook(store=kept())
    cells = [notebook.add("x = 1", name="x"), notebook.add(source, name="send")]
    cells.append(notebook.add("after = done + 1", name="after"))
    notebook.let(cells[1], effect=effect)
    notebook.run_all()
    return notebook, cells


def force(notebook: Notebook, *names: str) -> Action:
    """Run these tasks by name, or all, whether or not results fit."""
    steps = [notebook.book.named(name) for name in names] or None
    return answered(notebook.work.run_flow(steps, force=True), notebook._perform)


def die_in(notebook: Notebook, cell: str, *, after: bool = True) -> None:
    """Let the kernel die while the body of a cell runs, after or before what it does outside."""
    work = notebook.work.run_cell(notebook.step(cell))
    next(work)
    if after:
        SENT.append("by the dead kernel")
    work.close()
    notebook.restart()


@pytest.mark.parametrize(
    ("source", "verdict"),
    [
        ("b = sorted(vars(o).items())", Verdict.FRESH),
        ("b = [*map(vars, [o])]", Verdict.FRESH),
        ("b = len(vars())", Verdict.AS_OF),
        ("b = len(vars(*[]))", Verdict.AS_OF),
        ("v = vars\nb = len(v())", Verdict.AS_OF),
        ("b = (lambda each: each())(vars)", Verdict.AS_OF),
        ("b = [len(vars()) for _ in 'a']", Verdict.AS_OF),
    ],
)
def test_vars_of_a_value(source: str, verdict: Verdict) -> None:
    """It gives the value's attributes; without a value it gives names that no analysis sees."""
    notebook = Notebook()
    notebook.run(notebook.add("class A: pass\no = A()\no.x = 1", plain=True))
    cell = notebook.add(source)
    assert notebook.run(cell).errors == {}
    assert notebook.verdict(cell) is verdict


class TestOnce:
    """The same code on the same inputs has its effect once."""

    def test_it_is_not_repeated(self) -> None:
        """Neither by its cell, nor by its name, nor with everything."""
        notebook, (_, send, _) = sending()
        notebook.run(send)
        notebook.flow("send")
        force(notebook)
        notebook.run_all()
        assert SENT == [1]
        assert verdicts(notebook) == ["fresh"] * 3

    def test_nor_after_a_restart(self) -> None:
        """What was done is found by what it saw."""
        notebook, _ = sending()
        notebook.restart()
        assert verdicts(notebook) == ["fresh"] * 3
        notebook.run_all()
        assert SENT == [1]

    def test_other_inputs(self) -> None:
        """It waits for its name; what reads it waits with it."""
        notebook, (x, _, _) = sending()
        change(notebook, x, "x = 2")
        notebook.flow()
        notebook.flow("after")
        assert SENT == [1]
        assert verdicts(notebook) == ["fresh", "waits", "waits"]
        assert root_cause(notebook, notebook.book.order[2]).after == "`%flow run send` runs it"
        assert notebook.flow("after", "send").executed == list(notebook.book.order[1:])
        assert SENT == [1, 2]
        assert verdicts(notebook) == ["fresh"] * 3

    def test_earlier_inputs(self) -> None:
        """The flow finds that it was done for them, and runs nothing."""
        notebook, (x, _, _) = sending()
        change(notebook, x, "x = 2")
        notebook.flow("send", "after")
        change(notebook, x, "x = 1")
        assert notebook.flow().executed == []
        assert SENT == [1, 2]
        assert verdicts(notebook) == ["fresh"] * 3

    def test_by_its_name_with_force(self) -> None:
        """Who says so means it."""
        notebook, _ = sending()
        force(notebook, "send")
        assert SENT == [1, 1]

    def test_a_headless_run_with_force(self) -> None:
        """All cells are forced, none of them by its name."""
        notebook, (x, send, _) = sending()
        for cell in (x, send):
            answered(notebook.work.run_cell(notebook.step(cell), force=True), notebook._perform)
        assert SENT == [1]

    def test_a_copy_of_the_cell(self) -> None:
        """Whose code and inputs are the same has been done."""
        notebook, _ = sending()
        copy = notebook.let(notebook.add(SEND, name="again"), effect=Effect.ONCE)
        assert notebook.run(copy).reused == [copy]
        assert SENT == [1]

    def test_what_is_lost_of_it(self, tmp_path: Path) -> None:
        """A file that it wrote is gone: it waits, and only force repeats it."""
        path = tmp_path / "receipt"
        source = f"{SEND}\nwith open({str(path)!r}, 'w') as file: _ = file.write('sent')"
        notebook, (_, send, _) = sending(source=source)
        path.unlink()
        assert notebook.verdict(send).value == "waits"
        notebook.run(send)
        notebook.flow("send")
        assert SENT == [1]
        assert "--force" in notebook.judgement(send).causes[0].after
        force(notebook, "send")
        assert SENT == [1, 1]
        assert notebook.verdict(send).value == "fresh"


class TestRemoved:
    """The cache was cleared: that is no reason to send anything again."""

    def test_it_waits(self) -> None:
        """And says why; other inputs are another effect."""
        notebook, (x, send, _) = sending()
        store = notebook.workspace.store
        assert isinstance(store, MemoryStore)
        store._found.clear()
        notebook.restart()
        notebook.run(x)
        assert notebook.run(send).executed == []
        assert SENT == [1]
        (cause, *_) = notebook.judgement(send).causes
        assert "it has happened, and the record of that was removed" in cause.after
        change(notebook, x, "x = 2")
        notebook.run(send)
        assert SENT == [1, 2]
        force(notebook, "send")
        assert SENT == [1, 2, 2]


class TestInterrupted:
    """What was begun and left no result is not repeated behind anybody's back."""

    def test_the_kernel_dies_in_it(self) -> None:
        """Nobody knows whether it was sent; it waits until somebody takes the risk."""
        notebook, (x, send, _) = sending()
        change(notebook, x, "x = 2")
        die_in(notebook, send)
        notebook.run(x)
        assert notebook.run(send).executed == notebook.flow("send").executed == []
        assert SENT == [1, "by the dead kernel"]
        (cause, *_) = notebook.judgement(send).causes
        assert cause.category == "unsure"
        assert "nobody knows" in cause.after
        assert "`%flow run send --force`" in cause.after
        force(notebook, "send")
        assert SENT[2:] == [2]
        assert notebook.verdict(send).value == "fresh"

    def test_before_it_did_anything(self) -> None:
        """Nobody can tell that from outside."""
        notebook, (x, send, _) = sending()
        change(notebook, x, "x = 2")
        die_in(notebook, send, after=False)
        notebook.run_all()
        assert SENT == [1]

    def test_other_inputs_are_another_effect(self) -> None:
        """What they do has not been begun."""
        notebook, (x, send, _) = sending()
        change(notebook, x, "x = 2")
        die_in(notebook, send)
        change(notebook, x, "x = 3")
        notebook.run(send)
        assert SENT == [1, "by the dead kernel", 3]

    def test_a_stop(self) -> None:
        """It may have been sent before."""
        notebook, (_, send, _) = sending(source=f"{SEND}\nif x == 2: raise KeyboardInterrupt")
        change(notebook, notebook.book.order[0], "x = 2")
        notebook.run(send)
        notebook.run(send)
        assert SENT == [1, 2]

    def test_its_limit(self) -> None:
        """It may have been sent before that, too."""
        notebook, (x, send, _) = sending(source=f"{SEND}\nwhile x == 2: pass")
        notebook.let(send, timeout=0.05)
        change(notebook, x, "x = 2")
        notebook.run(send)
        assert SENT == [1, 2]
        assert notebook.run(send).executed == []
        assert "nobody knows" in notebook.judgement(send).causes[0].after

    def test_a_result_that_proves_nothing(self, tmp_path: Path) -> None:
        """What it read changed meanwhile: it has happened, and no result tells on what."""
        path = tmp_path / "list.txt"
        path.write_text("a")
        appends = f"ctypes.CDLL(None).system(b'echo more >> {path}')"
        read = f"with open({str(path)!r}) as file: rows = file.read()\ndel file"
        source = f"import ctypes\n{read}\nif x == 2: _ = {appends}\n{SEND}"
        notebook, (x, send, _) = sending(source=source)
        change(notebook, x, "x = 2")
        notebook.run(send)
        assert "changed while the body ran" in notebook.step(send).failure
        assert notebook.run(send).executed == []
        assert SENT == [1, 2]

    def test_a_failure(self) -> None:
        """It says itself that it did not do its work: its cell runs it again, and nothing else does."""
        notebook, (_, send, _) = sending(source=f"{SEND}\nraise OSError")
        notebook.flow()
        assert SENT == [1]
        notebook.run(send)
        assert SENT == [1, 1]

    def test_the_mark_is_gone_when_it_is_done(self) -> None:
        """Another kernel finds the result and no doubt."""
        notebook, (_, send, _) = sending()
        step = notebook.step(send)
        assert notebook.judgement(send).causes == ()
        step.trace = None
        notebook.sweep.touch(step)
        assert notebook.judgement(send).causes[0].category == "effect"


class TestRetried:
    """An attempt was stopped, and another one raised."""

    @pytest.mark.parametrize("mapped", [{}, {"x": "xs"}])
    def test_what_the_first_has_done_is_not_known(self, mapped: dict[str, str]) -> None:
        """So it is not repeated."""
        notebook = Notebook(store=kept())
        notebook.run(notebook.add("x, xs = 1, [1]", plain=True))
        stopped = "import time\ntime.sleep(5 * (len(sent) == 1))\nraise OSError"
        source = f"import sys\nsent = sys.modules['tests.test_outward'].SENT\nsent.append(x)\n{stopped}"
        send = notebook.add(source, name="send", **mapped)
        notebook.let(send, effect=Effect.ONCE, timeout=0.2, retries=Retries(limit=1))
        assert send in notebook.run(send).errors
        assert len(SENT) == 2
        notebook.run(send)
        assert len(SENT) == 2


class TestNamesOfOtherCells:
    """What a name stands for is known from the cell that imports it."""

    def test_a_clock(self) -> None:
        """Whoever calls it, or a helper that does, is as of then."""
        notebook = Notebook()
        notebook.add("from time import time, sleep\ndef since(t): return time() - t", plain=True)
        tasks = [notebook.add(source) for source in ("a = time() > 0", "b = since(0) > 0", "sleep(0)\nc = 1")]
        notebook.run_all()
        assert [notebook.verdict(task).value for task in tasks] == ["as of", "as of", "fresh"]

    def test_a_mail(self) -> None:
        """It is an effect also where its module is named in another cell."""
        notebook = Notebook()
        notebook.add("from smtplib import SMTP", plain=True)
        task = notebook.add("host = ''\nif host: SMTP(host)")
        notebook.run_all()
        step = notebook.step(task)
        assert outward_calls(step, notebook.sweep.view(step), notebook.book) == ["SMTP"]


class TestIgnored:
    """What the header of an effect says not to compare."""

    @pytest.mark.parametrize("compared", [Compared(without=frozenset({"at"})), Compared(only=frozenset("x"))])
    def test_one_that_may_have_happened(self, compared: Compared) -> None:
        """It stays in doubt, whatever that holds now; what it does count is told from it."""
        notebook = Notebook(store=kept())
        cells = [notebook.add("x, at = 1, 9", plain=True), notebook.add(f"{SEND}, at", name="send")]
        notebook.let(cells[1], effect=Effect.ONCE, keeping=Keeping(compared=compared))
        notebook.run(cells[0])
        die_in(notebook, cells[1])
        change(notebook, cells[0], "x, at = 1, 10")
        notebook.run(cells[1])
        assert SENT == ["by the dead kernel"]
        assert notebook.judgement(cells[1]).causes[0].category == "unsure"
        change(notebook, cells[0], "x, at = 2, 10")
        assert notebook.judgement(cells[1]).causes[0].category == "effect"


class TestAlways:
    """Each run that reaches it repeats it."""

    def test_by_its_cell_and_by_its_name(self) -> None:
        """And by nothing else."""
        notebook, (_, send, _) = sending(Effect.ALWAYS)
        notebook.run(send)
        notebook.flow("send")
        notebook.flow()
        notebook.flow("after")
        force(notebook)
        assert SENT == [1, 1, 1]
        run = notebook.work.runs.history.runs(step=send)[0]
        assert [cause.after for cause in run.causes] == ["its effect is repeated each time"]

    def test_what_asks_for_no_run(self) -> None:
        """A read of a value, or what runs by itself."""
        notebook, (_, send, _) = sending(Effect.ALWAYS)
        assert forced(notebook.work, [notebook.step(send)], force=True, is_asked=False) == []

    def test_a_run_that_died(self) -> None:
        """It is repeated as ever."""
        notebook, (x, send, _) = sending(Effect.ALWAYS)
        die_in(notebook, send)
        notebook.run(x)
        notebook.run(send)
        assert SENT == [1, "by the dead kernel", 1]


class TestWhoStartsIt:
    """Only its own cell, or its name."""

    def test_not_what_runs_by_itself(self) -> None:
        """Nor the plan of it."""
        notebook, (x, send, _) = sending()
        change(notebook, x, "x = 2")
        steps = [notebook.step(cell) for cell in notebook.book.order]
        answered(notebook.work.run_flow(steps, origin=Origin.AUTO), notebook._perform)
        assert SENT == [1]
        assert {line.step.id: line.does for line in preview(notebook.work)}[send] == "waits"

    def test_a_plan_that_names_it(self) -> None:
        """It will run, for what changed."""
        notebook, (x, send, _) = sending()
        change(notebook, x, "x = 2")
        (line,) = preview(notebook.work, [notebook.step(send)])
        assert (line.does, [cause.category for cause in line.causes]) == ("runs", ["input"])

    def test_a_plan_where_it_was_done_before(self) -> None:
        """It will be found."""
        notebook, (x, send, _) = sending()
        change(notebook, x, "x = 2")
        notebook.flow("send", "after")
        change(notebook, x, "x = 1")
        assert {line.step.id: line.does for line in preview(notebook.work)}[send] == "reuses"

    def test_a_person_that_resumes_it(self) -> None:
        """A manual effect that was done for these inputs is not repeated either."""
        notebook, (x, send, _) = sending()
        notebook.let(send, trigger=manual_only)
        change(notebook, x, "x = 2")
        notebook.run(send)
        assert SENT == [1]
        notebook.resume(send)
        assert SENT == [1, 2]
        change(notebook, x, "x = 1")
        notebook.resume(send)
        assert SENT == [1, 2]


class TestMapped:
    """Each item of a mapped effect happens once."""

    def mapped(self, xs: str = "xs = [1, 2]") -> tuple[Notebook, list[str]]:
        """Items that send their element."""
        notebook = Notebook(store=kept())
        cells = [notebook.add(xs, name="xs"), notebook.add(SEND, name="send", x="xs")]
        notebook.let(cells[1], effect=Effect.ONCE)
        notebook.run_all()
        return notebook, cells

    def test_new_elements(self) -> None:
        """Only they are sent."""
        notebook, (xs, send) = self.mapped()
        change(notebook, xs, "xs = [1, 2, 3]")
        notebook.run(send)
        assert SENT == [1, 2, 3]

    def test_the_kernel_dies_in_one(self) -> None:
        """That one is in doubt, those before it are done, and those behind it go on."""
        notebook, (xs, send) = self.mapped()
        change(notebook, xs, "xs = [1, 5, 6, 7]")
        work = notebook.work.run_cell(notebook.step(send))
        execution = next(work)
        work.send(notebook._perform(execution))
        work.close()
        notebook.restart()
        notebook.run(xs)
        error = notebook.run(send).errors[send]
        assert SENT == [1, 2, 5, 7]
        assert "send[2]: nobody knows whether it has happened" in str(error)
        force(notebook, "send")
        assert SENT[4:] == [1, 5, 6, 7]
        assert notebook.verdict(send).value == "fresh"

    def test_what_is_not_compared(self) -> None:
        """Another one of that sends nothing again."""
        notebook = Notebook(store=kept())
        xs = notebook.add("xs, k = [1, 2], 0", plain=True)
        send = notebook.add(f"{SEND} + k", name="send", x="xs")
        notebook.let(send, effect=Effect.ONCE, keeping=Keeping(compared=Compared(without=frozenset({"k"}))))
        notebook.run_all()
        change(notebook, xs, "xs, k = [1, 2, 3], 10")
        notebook.run(send)
        assert SENT == [1, 2, 3]
        assert notebook.verdict(send).value == "as of"

    def test_a_value_that_is_lost(self) -> None:
        """What its items made is not stored any more: they are not repeated for that."""
        notebook, (xs, send) = self.mapped()
        store = notebook.workspace.store
        assert isinstance(store, MemoryStore)
        store._values.clear()
        change(notebook, xs, "xs = [1, 2, 3]")
        error = notebook.run(send).errors[send]
        assert SENT == [1, 2, 3]
        assert "send[0]: it has happened, and its values are not stored" in str(error)


class TestVisible:
    """What the text of a body, and of code that it calls, shows to be changed outside."""

    def test_in_the_body_and_in_a_helper(self) -> None:
        """The calls are named; reading is no effect."""
        notebook = Notebook()
        notebook.add("import requests\ndef tell(y): requests.post('http://a', y)", plain=True)
        cells = [notebook.add(source) for source in ("tell(1)", "z = requests.get('http://a')", "w = 1")]
        for cell in notebook.book.order:
            notebook.work.adopt_source(notebook.step(cell))
        notebook.run(notebook.book.order[0])
        steps = [notebook.step(cell) for cell in cells]
        views = [notebook.sweep.view(step) for step in steps]
        found = [outward_calls(step, view, notebook.book) for step, view in zip(steps, views, strict=True)]
        assert found == [["requests.post"], [], []]
        assert is_effect(steps[0], views[0], notebook.book)
        assert not is_effect(steps[2], views[2], notebook.book)

    def test_a_declared_one(self) -> None:
        """Whatever its text shows."""
        notebook, (_, send, _) = sending()
        assert outward_calls(notebook.step(send), notebook.sweep.end(), notebook.book) == []
        assert is_effect(notebook.step(send), notebook.sweep.end(), notebook.book)


class TestWithoutARecord:
    """An effect that is to happen once does not happen where nobody could tell later that it has."""

    def test_a_store_that_stands_in_for_one_on_disk(self) -> None:
        """It says so and does not run; one that is always repeated does."""
        notebook = Notebook(store=lambda names: MemoryStore(names, notices=("nothing is stored",)))
        notebook.add("x = 1", plain=True)
        cell = notebook.let(notebook.add(SEND, name="send"), effect=Effect.ONCE)
        notebook.run_all()
        assert SENT == []
        assert "nobody could tell later" in notebook.step(cell).failure
        notebook.let(cell, effect=Effect.ALWAYS)
        notebook.run(cell)
        assert SENT == [1]

    def test_a_disk_that_is_full(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Once there is room again it happens, once."""
        notebook = Notebook(store=lambda names: DiskStore(tmp_path / "s", namespace=names, key=bytes(32)))
        notebook.add("x = 1", plain=True)
        cell = notebook.let(notebook.add(SEND, name="send"), effect=Effect.ONCE)
        store = notebook.workspace.store
        assert isinstance(store, DiskStore)
        with monkeypatch.context() as patched:
            patched.setattr(store._traces, "keep", no_space)
            notebook.run_all()
            assert SENT == []
            assert "nobody could tell later" in notebook.step(cell).failure
        notebook.run_all()
        notebook.run_all()
        assert SENT == [1]

    def test_items(self) -> None:
        """Each for itself."""
        notebook = Notebook(store=lambda names: MemoryStore(names, notices=("nothing is stored",)))
        notebook.add("xs = [1, 2]", plain=True)
        cell = notebook.let(notebook.add(SEND, name="send", x="xs"), effect=Effect.ONCE)
        notebook.run_all()
        assert SENT == []
        assert "nobody could tell later" in notebook.step(cell).failure


def no_space(*_: object) -> None:
    """What a full disk says."""
    raise OSError(errno.ENOSPC, "No space left on device")
