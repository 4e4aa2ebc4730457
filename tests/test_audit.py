"""Audits: tasks are run once more, apart from the notebook, and compared with their records."""

from __future__ import annotations

import os
import random
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from nbflow.engine.audit import Found
from nbflow.engine.drive import answered
from nbflow.engine.marks import VARIES
from nbflow.store.disk import DiskStore
from nbflow.testing import Notebook
from nbflow.types import Effect, Hold
from nbflow.views.words import cause_words
from tests.cells import change, kept, opened, root_cause

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HIDDEN = "nbflow_hidden"
PEEK = f"import sys\nh = [getattr(sys.modules[{HIDDEN!r}], 'val' + 'ue'), k]"
"""A body that reads what no analysis and no observer sees."""


@pytest.fixture(autouse=True)
def hidden() -> Iterator[ModuleType]:
    """A module with a value that nbflow does not know of."""
    module: Any = ModuleType(HIDDEN)
    module.value = 1
    sys.modules[HIDDEN] = module
    yield module
    del sys.modules[HIDDEN]


def found(notebook: Notebook, *names: str) -> dict[str, str]:
    """What an audit says of each task."""
    return {finding.step.name: finding.found.value for finding in notebook.audit(*names)}


def told(notebook: Notebook, *names: str) -> list[str]:
    """The words of an audit's findings."""
    return [finding.told for finding in notebook.audit(*names)]


class TestSame:
    """What gives again what it gave."""

    def test_values_helpers_classes_and_what_is_changed_in_place(self) -> None:
        """All of them are made again from what is stored."""
        notebook, _ = opened(
            "K = 5\nk = [3]\ndef inc(y): return y + K",
            "class Box:\n    def __init__(self, v): self.v = v\n    def get(self): return inc(self.v)",
            "a = [inc(k[0])]",
            "b = Box(a)",
            "c = b.get() if isinstance(b.v, int) else b.v[0]\nk.append(c)",
            "d = list(k), [b, b]",
            plain=[0, 1],
        )
        assert set(found(notebook).values()) == {"same"}

    def test_a_class_that_needs_its_own_cell(self) -> None:
        """Its decorator, and what that cell caches, are put back first."""
        notebook, _ = opened(
            "W = 6\nclass Base: pass",
            "from functools import lru_cache\nfrom dataclasses import dataclass\n"
            "@lru_cache\ndef wide(x): return x * W\n@dataclass\nclass P(Base):\n    a: int\n    b: list",
            "p = P(wide(2), [1])\npair = [p, p]",
            "q = pair[0] is pair[1], isinstance(p, P)",
            plain=[0, 1],
        )
        assert set(found(notebook).values()) == {"same"}

    def test_after_a_restart(self) -> None:
        """There is nothing live to start from."""
        notebook = Notebook(store=kept())
        opened("k = [3]", "a = [k, k]", "b = len(a)", notebook=notebook)
        notebook.restart()
        assert found(notebook) == {"cell_1": "same", "cell_2": "same", "cell_3": "same"}

    def test_a_seeded_random_state(self) -> None:
        """It begins where it began."""
        notebook, _ = opened("import random\nrandom.seed(3)", "x = random.random()", "y = random.random()")
        assert set(found(notebook).values()) == {"same"}

    def test_mapped_items(self) -> None:
        """All of them run again."""
        notebook = Notebook()
        notebook.add("xs = [1, 2]", plain=True)
        cell = notebook.add("y = [x]", name="y", x="xs")
        notebook.run_all()
        notebook.log.clear()
        assert found(notebook) == {"y": "same"}
        assert notebook.log == []
        assert notebook.verdict(cell).value == "fresh"

    def test_a_task_function_and_its_reader(self) -> None:
        """A read gets the value that is stored."""
        notebook, _ = opened(
            "from nbflow import task\nk = 2\n@task\ndef double(k): return [2 * k]",
            "z = double() + [1]",
            plain=[0],
        )
        assert set(found(notebook).values()) == {"same"}

    def test_on_disk(self, tmp_path: Path) -> None:
        """As it is in a notebook."""
        notebook = Notebook(store=lambda names: DiskStore(tmp_path / "s", namespace=names, key=b"k" * 32))
        opened("def f(x): return [x]", "a = f(1)", "b = f(a)", plain=[0], notebook=notebook)
        assert set(found(notebook).values()) == {"same"}
        notebook.workspace.store.close()


class TestNothingIsTouched:
    """The notebook does not notice."""

    def test_names_verdicts_and_results(self) -> None:
        """Each name holds the very object that it held."""
        notebook, cells = opened("k = [1]", "a = [k]\nk.append(2)", "class C: pass\nc = C()", "d = [c, a]")
        before, traces = dict(notebook.names), [notebook.step(cell).trace for cell in cells]
        assert set(found(notebook).values()) == {"same"}
        assert list(notebook.names) == list(before)
        assert all(notebook.names[name] is value for name, value in before.items())
        assert [notebook.step(cell).trace for cell in cells] == traces
        assert [notebook.verdict(cell).value for cell in cells] == ["fresh"] * 4
        assert notebook.flow().executed == []

    def test_the_process(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """Random states, folder and environment are as before."""
        monkeypatch.setenv("NBFLOW_SET", "before")
        notebook, _ = opened("import random", "x = random.random()", plain=[0])
        state, folder = random.getstate(), os.getcwd()
        notebook.audit()
        assert random.getstate() == state
        assert os.getcwd() == folder
        assert os.environ["NBFLOW_SET"] == "before"

    def test_the_store(self) -> None:
        """It has what it had."""
        notebook, cells = opened("import random", "x = [random.random()]", plain=[0])
        store = notebook.workspace.store
        before = dict(store.sizes())
        trace = notebook.step(cells[1]).trace
        notebook.audit()
        assert {unit for unit, _ in store.sizes()} - set(before) != before.keys()
        assert notebook.work.find(notebook.step(cells[1])) == trace


class TestRefuted:
    """Two runs agree with each other, and not with the record."""

    def hiding(self, hidden: ModuleType) -> tuple[Notebook, list[str]]:
        """A task that read something which changed, unseen, and a reader of it."""
        notebook = Notebook(store=kept())
        cells = [notebook.add("k = 7", plain=True, name="k"), notebook.add(PEEK, name="peek")]
        cells.append(notebook.add("i = h[0] + 1", name="below"))
        notebook.run_all()
        hidden.value = 2  # type: ignore[attr-defined]
        return notebook, cells

    def test_it_is_stale_with_that_cause(self, hidden: ModuleType) -> None:
        """And so is what is below it; a run brings both up to date."""
        notebook, (_, peek, below) = self.hiding(hidden)
        assert found(notebook) == {"peek": "refuted", "below": "same"}
        assert [notebook.verdict(cell).value for cell in (peek, below)] == ["stale", "stale"]
        assert cause_words(root_cause(notebook, below)) == "an audit got another result: h"
        assert notebook.flow().executed == [peek, below]
        assert notebook.names["i"] == 3
        assert notebook.verdict(below).value == "fresh"
        assert found(notebook) == {"peek": "same", "below": "same"}

    def test_it_is_never_found_again(self, hidden: ModuleType) -> None:
        """Neither by its cell, nor in a later kernel."""
        notebook, (k, peek, _) = self.hiding(hidden)
        notebook.audit()
        notebook.restart()
        notebook.run(k)
        assert notebook.verdict(peek).value != "fresh"
        assert notebook.run(peek).executed == [peek]
        assert notebook.verdict(peek).value == "fresh"

    def test_an_earlier_run_on_the_same_inputs(self, hidden: ModuleType) -> None:
        """It is as wrong as the last one, and not found either."""
        notebook, (_, peek, _) = self.hiding(hidden)
        hidden.value = 1  # type: ignore[attr-defined]
        answered(notebook.work.run_flow([notebook.step(peek)], force=True), notebook._perform)
        hidden.value = 2  # type: ignore[attr-defined]
        assert found(notebook, "peek") == {"peek": "refuted"}
        assert peek in notebook.flow().executed
        assert notebook.names["h"] == [2, 7]
        assert notebook.verdict(peek).value == "fresh"

    def test_the_items_of_a_mapped_task(self, hidden: ModuleType) -> None:
        """None of them is taken again, in a later kernel neither."""
        notebook = Notebook(store=kept())
        notebook.run(notebook.add("xs = [7, 8]", plain=True))
        peek = notebook.add(PEEK, name="peek", k="xs")
        notebook.run(peek)
        hidden.value = 2  # type: ignore[attr-defined]
        assert found(notebook) == {"peek": "refuted"}
        notebook.restart()
        notebook.run_all()
        assert list(notebook.names["h"]) == [[2, 7], [2, 8]]
        assert notebook.verdict(peek).value == "fresh"
        assert found(notebook) == {"peek": "same"}

    def test_what_was_accepted(self, hidden: ModuleType) -> None:
        """That ends; the result is right for what it was made from."""
        notebook, (k, peek, _) = self.hiding(hidden)
        hidden.value = 1  # type: ignore[attr-defined]
        trace = notebook.step(peek).trace
        assert trace is not None
        change(notebook, k, "k = 8")
        notebook.pin(peek, Hold(trace, "accept"))
        assert notebook.verdict(peek).value == "as of"
        assert found(notebook, "peek") == {"peek": "refuted"}
        assert notebook.step(peek).hold is None
        assert notebook.verdict(peek).value == "stale"
        change(notebook, k, "k = 7")
        assert notebook.verdict(peek).value == "fresh"

    def test_an_acceptance_that_is_right(self) -> None:
        """It goes on."""
        notebook, (k, a) = opened("k = 1", "a = k > 0")
        trace = notebook.step(a).trace
        assert trace is not None
        change(notebook, k, "k = 2")
        notebook.pin(a, Hold(trace, "accept"))
        assert found(notebook, a) == {a: "same"}
        assert notebook.step(a).hold is not None


class TestVaries:
    """Two runs differ from each other."""

    def test_it_is_noted(self) -> None:
        """The result is as good as any other, and stays."""
        notebook, cells = opened("import random", "x = [random.random()]", plain=[0])
        (finding,) = notebook.audit()
        assert (finding.found, finding.told) == (Found.VARIES, "x")
        assert notebook.verdict(cells[1]).value == "fresh"
        trace = notebook.step(cells[1]).trace
        assert trace is not None
        assert notebook.workspace.marks.note(VARIES, trace.id) == "x"


class TestRaised:
    """A body that does not complete apart proves nothing."""

    def test_what_it_raised_is_told(self, hidden: ModuleType) -> None:
        """And its result stays."""
        notebook, (cell,) = opened(PEEK.replace(", k]", "]"))
        del hidden.value  # type: ignore[attr-defined]
        (finding,) = notebook.audit()
        assert finding.found is Found.RAISED
        assert finding.told.startswith("AttributeError")
        assert notebook.verdict(cell).value == "fresh"

    def test_a_stop(self, hidden: ModuleType) -> None:
        """It ends the audit."""
        source = (
            f"import sys\nif getattr(sys.modules[{HIDDEN!r}], 'val' + 'ue') == 2: raise KeyboardInterrupt"
        )
        notebook, _ = opened(source)
        hidden.value = 2  # type: ignore[attr-defined]
        with pytest.raises(KeyboardInterrupt):
            notebook.audit()


class TestNotAudited:
    """What cannot be run apart is named with the reason."""

    @pytest.mark.parametrize(
        ("source", "why"),
        [
            ("x = 1\nimport subprocess\nif x == 2: subprocess.run(['true'])", "changes something outside"),
            ("import requests\ndef f(): return requests.post('http://a')\nx = 1", ""),
            ("with open('out.txt', 'w') as f: _ = f.write('x')\nx = 1", "it writes files"),
            ("import datetime\nx = datetime.datetime.now()", "clock"),
            ("x = (i for i in [1])", "nothing that it makes can be compared"),
            ("import os\nos.environ['NBFLOW_SET'] = 'b'\nx = 1", "it changes the process"),
            ("x = eval('1')", "nobody can tell which names it reads"),
        ],
    )
    def test_by_what_it_does(
        self, source: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Reasons out of its text and out of its record."""
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("NBFLOW_SET", "a")
        notebook, _ = opened(source)
        (finding,) = notebook.audit()
        assert (finding.found is Found.NOT_AUDITED) == bool(why)
        assert why in finding.told

    def test_an_effect(self) -> None:
        """Never."""
        notebook, (cell,) = opened("x = 1")
        notebook.let(cell, effect=Effect.ONCE)
        assert told(notebook) == ["it is an effect"]

    def test_what_is_not_up_to_date(self) -> None:
        """It runs anyway when it is brought up to date."""
        notebook, (k, _) = opened("k = 1", "a = k")
        change(notebook, k, "k = 2")
        assert told(notebook) == ["", "it is not up to date"]

    def test_what_is_held(self) -> None:
        """It was chosen by hand."""
        notebook, (cell,) = opened("x = 1")
        trace = notebook.step(cell).trace
        assert trace is not None
        notebook.pin(cell, Hold(trace, "pin"))
        assert told(notebook) == ["it is held by hand (pin)"]

    def test_an_input_that_is_not_stored(self) -> None:
        """Its body would have to start from the live object."""
        notebook, _ = opened("import threading\nlock = threading.Lock()", "x = [lock.locked()]", plain=[0])
        assert told(notebook) == ["lock is not stored"]


class TestHistory:
    """An audit is on record."""

    def test_each_task_that_was_run(self) -> None:
        """As runs of their own, with what was found; they are no results."""
        notebook, (cell,) = opened("x = 1")
        result = notebook.work.runs.history.runs(step=cell)[0]
        notebook.audit()
        run = notebook.work.runs.history.runs(step=cell)[0]
        assert (run.origin, run.trace) == ("audit", "")
        assert [cause_words(cause) for cause in run.causes] == ["audited: same"]
        states = [each.name for each in notebook.work.runs.history.transitions(run.id)]
        assert states == ["Pending", "Running", "Completed"]
        assert notebook.work.runs.history.run(result.id) == result
