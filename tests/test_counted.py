"""Inputs that do not count: what they change is as of what they were, never fresh."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from nbflow.engine.declared import Declared, declared_body
from nbflow.engine.keeping import Compared, Keeping
from nbflow.options import read_options, take_options
from nbflow.testing import Notebook
from nbflow.types import Verdict
from tests.cells import causes, change, kept, verdicts


def judged_by(header: str, *, store: Any = None) -> tuple[Notebook, list[str]]:
    """Two plain cells, a parameter, a helper, and a task with such a header that reads them; all have run."""
    notebook = Notebook(store=store) if store is not None else Notebook()
    cells = [
        notebook.add("x = 1", plain=True),
        notebook.add("y = 2", plain=True),
        notebook.add_parameters("p = 3"),
    ]
    cells += [notebook.add("def helper(n):\n    return n", plain=True)]
    cells += [notebook.add("a = helper(x) + y + p", name="a"), notebook.add("b = a + 1", name="b")]
    options = read_options(f"a {header}")
    notebook.step(cells[4]).body = declared_body(notebook.step(cells[4]).body, options.declared)
    notebook.let(cells[4], **options.rules)
    notebook.run_all()
    notebook.log.clear()
    return notebook, cells


CHANGES = {"x": (0, "x = 10"), "y": (1, "y = 20"), "p": (2, "p = 30")}


class TestCompared:
    """Which changes make a task stale, by its header."""

    @pytest.mark.parametrize(
        ("header", "counting"),
        [
            ("", "xyp"),
            ("--ignore x", "yp"),
            ("--ignore x,y", "p"),
            ("--cache-policy \"DEFAULT - 'x'\"", "yp"),
            ("--cache-policy TASK_SOURCE", ""),
            ("--cache-policy 'TASK_SOURCE + FLOW_PARAMETERS'", "p"),
            ("--cache-validator all_inputs", "xyp"),
            ("--cache-validator all_parameters", "p"),
            ("--cache-validator duration_only", ""),
            ("--cache-validator \"partial_inputs_only(['y'])\"", "y"),
            ("--cache-validator \"partial_parameters_only(['p'])\"", "p"),
            ("--inputs y,p", "yp"),
        ],
    )
    @pytest.mark.parametrize("changed", CHANGES)
    def test_what_counts_makes_it_stale_and_all_else_as_of(
        self, header: str, counting: str, changed: str
    ) -> None:
        """And what is below it with it; nothing runs that need not; as before it is fresh again."""
        notebook, cells = judged_by(header)
        place, source = CHANGES[changed]
        before = notebook.step(cells[place]).body.source
        change(notebook, cells[place], source)
        expected = "stale" if changed in counting else "as of"
        assert verdicts(notebook)[4:] == [expected, expected]
        if expected == "as of":
            assert causes(notebook, cells[4]) == [("not compared", changed)]
            assert notebook.flow().executed == []
            assert notebook.names["a"] == 6
        change(notebook, cells[place], before)
        assert verdicts(notebook)[4:] == ["fresh", "fresh"]

    @pytest.mark.parametrize("header", ["--cache-policy TASK_SOURCE", "--ignore x,y,p", "--inputs y"])
    def test_code_always_counts(self, header: str) -> None:
        """Also that of helpers."""
        notebook, cells = judged_by(header)
        change(notebook, cells[3], "def helper(n):\n    return -n")
        assert verdicts(notebook)[4:] == ["stale", "stale"]
        assert notebook.flow().executed == cells[4:]
        assert notebook.names["b"] == 5

    def test_a_stale_task_above_that_does_not_count_is_doubtful_all_the_same(self) -> None:
        """Its value may be another once it has run: what did not compare it is not proven."""
        notebook = Notebook()
        cells = [notebook.add("n = 1", plain=True), notebook.add("x = n"), notebook.add("a = x")]
        notebook.let(cells[2], keeping=Keeping(compared=Compared(without=frozenset("x"))))
        notebook.run_all()
        change(notebook, cells[0], "n = 2")
        assert verdicts(notebook)[1:] == ["stale", "as of"]
        assert notebook.flow().executed == [cells[1]]
        assert (notebook.verdict(cells[2]), notebook.names["a"]) == (Verdict.AS_OF, 1)

    def test_what_is_ignored_is_no_reason_to_compute_again_after_a_restart(self) -> None:
        """A connection, for one, is another one in each kernel."""
        notebook, cells = judged_by("--ignore x", store=kept())
        notebook.restart()
        notebook.edit(cells[0], "x = 100")
        for cell in cells[:4]:
            notebook.run(cell)
        action = notebook.run(cells[4])
        assert (action.executed, action.reused) == ([], [cells[4]])
        assert (notebook.verdict(cells[4]), notebook.names["a"]) == (Verdict.AS_OF, 6)
        change(notebook, cells[1], "y = 5")
        assert notebook.run(cells[4]).executed == [cells[4]]
        assert (notebook.verdict(cells[4]), notebook.names["a"]) == (Verdict.FRESH, 108)

    def test_another_task_never_gets_what_was_made_without_comparing(self) -> None:
        """The same code without the option runs."""
        notebook, cells = judged_by("--ignore x", store=kept())
        change(notebook, cells[0], "x = 10")
        notebook.let(cells[4], **read_options("a").rules)
        assert notebook.verdict(cells[4]) is Verdict.STALE
        notebook.flow()
        assert notebook.names["a"] == 15

    def test_an_audit_leaves_alone_what_is_as_of_another_input(self) -> None:
        """It would differ by intent; as soon as nothing differs, it is audited like any other task."""
        notebook, cells = judged_by("--ignore x")
        change(notebook, cells[0], "x = 10")
        finding = next(each for each in notebook.audit() if each.step.id == cells[4])
        assert (finding.found.value, finding.told) == ("not audited", "x is another now, and not compared")
        assert notebook.verdict(cells[4]) is Verdict.AS_OF
        change(notebook, cells[0], "x = 1")
        finding = next(each for each in notebook.audit() if each.step.id == cells[4])
        assert finding.found.value == "same"


class TestDeclared:
    """What a header declares of names and files."""

    def test_results_of_the_bare_text_are_no_results_under_a_declaration(self) -> None:
        """They saw less."""
        notebook, cells = judged_by("", store=kept())
        notebook.step(cells[4]).body = declared_body(notebook.step(cells[4]).body, Declared(files=("a.csv",)))
        assert notebook.run(cells[4]).executed == [cells[4]]

    def test_declared_inputs_are_seen_where_no_analysis_finds_them(self) -> None:
        """Their change makes the task stale; that names may be hidden in it is still said."""
        notebook = Notebook()
        cells = [notebook.add("x = 1", plain=True), notebook.add("a = eval('x' + '')", name="a")]
        notebook.step(cells[1]).body = declared_body(notebook.step(cells[1]).body, Declared(inputs=("x",)))
        notebook.run_all()
        assert notebook.verdict(cells[1]) is Verdict.AS_OF
        change(notebook, cells[0], "x = 2")
        assert notebook.verdict(cells[1]) is Verdict.STALE

    def test_only_declared_outputs_are_stored(self) -> None:
        """What else it makes is there in this kernel, and made again where it is needed."""
        notebook = Notebook(store=kept())
        cells = [
            notebook.add("tmp = [1] * 5\na = sum(tmp)"),
            notebook.add("b = a"),
            notebook.add("c = tmp[0]"),
        ]
        notebook.step(cells[0]).body = declared_body(notebook.step(cells[0]).body, Declared(outputs=("a",)))
        notebook.run_all()
        assert notebook.names["tmp"] == [1] * 5
        notebook.restart()
        notebook.log.clear()
        for cell in cells[:2]:
            notebook.run(cell)
        assert notebook.log == []
        assert notebook.names["b"] == 5
        notebook.edit(cells[2], "c = tmp[0] + 1")
        notebook.run(cells[2])
        assert notebook.log == [cells[0], cells[2]]
        assert notebook.names["c"] == 2


class TestOptions:
    """How headers and `@task` say it."""

    @pytest.mark.parametrize(
        ("header", "message"),
        [
            ("--cache-policy INPUTS", "leaves out the code"),
            ("--cache-policy NONSENSE", "unknown cache policy 'NONSENSE'"),
            ("--cache-validator mine", "unknown cache validator 'mine'"),
            ("--cache-validator 'all_inputs(3)'", "is no cache validator"),
            ("--ignore 2x", "'2x' is no name"),
            ("--inputs ,", "is no name"),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, header: str, message: str) -> None:
        """In one line."""
        with pytest.raises(ValueError, match=message):
            read_options(f"a {header}")

    def test_switches_and_policies_are_one_option(self) -> None:
        """The last word counts."""
        assert read_options("a --cache-policy NO_CACHE").keeping == read_options("a --no-cache").keeping
        assert read_options("a --cache-validator never_use").keeping.reuses is False
        assert take_options({"ignore": ["x"]}).keeping.compared.without == {"x"}
        with pytest.raises(ValueError, match="header of a cell only"):
            take_options({"files": "a.csv"})


NAMES = "xyz"


class TestLaw:
    """Wrong use gives no wrong *fresh*."""

    @pytest.mark.parametrize("seed", range(60))
    def test_what_is_called_fresh_is_what_a_fresh_run_gives(self, seed: int) -> None:
        """Whatever a header leaves out: random notebooks, edits, runs of cells and flows."""
        chance = Random(seed)
        notebook = Notebook(store=kept())
        plain = [notebook.add(f"{name} = {chance.randrange(3)}", plain=True) for name in NAMES]
        tasks = [notebook.add(_body(chance, place), name=f"t{place}") for place in range(4)]
        for place, task in enumerate(tasks):
            options = read_options(f"t{place} {_header(chance, place)}")
            notebook.step(task).body = declared_body(notebook.step(task).body, options.declared)
            notebook.let(task, **options.rules)
        notebook.run_all()
        for _ in range(25):
            _move(chance, notebook, plain, tasks)
            _check(notebook, [*plain, *tasks])


def _read(chance: Random, place: int) -> list[str]:
    return chance.sample([*NAMES, *(f"t{above}" for above in range(place))], k=2)


def _body(chance: Random, place: int) -> str:
    return f"t{place} = {' * 3 + '.join(_read(chance, place))}"


def _header(chance: Random, place: int) -> str:
    first, *_ = names = _read(chance, place)
    told = ",".join(names)
    partial = f"--cache-validator \"partial_inputs_only(['{first}'])\""
    plain = ["", "--cache-policy TASK_SOURCE", partial]
    return chance.choice([*plain, f"--ignore {told}", f"--inputs {told}", f"--outputs {told}"])


def _move(chance: Random, notebook: Notebook, plain: list[str], tasks: list[str]) -> None:
    match chance.randrange(5):
        case 0 | 1:
            place = chance.randrange(len(NAMES))
            notebook.edit(plain[place], f"{NAMES[place]} = {chance.randrange(3)}")
            notebook.run(plain[place])
        case 2:
            notebook.flow()
        case 3:
            notebook.run(chance.choice(tasks))
        case _:
            notebook.restart()
            for cell in plain:
                notebook.run(cell)


def _check(notebook: Notebook, cells: list[str]) -> None:
    expected: dict[str, Any] = {}
    for cell in cells:
        exec(notebook.step(cell).body.source, expected)
    for cell in cells[len(NAMES) :]:
        if notebook.verdict(cell) is Verdict.FRESH:
            output = notebook.step(cell).bound_trace
            name = notebook.step(cell).name
            assert output is not None
            (made,) = [each for each in output.outputs if each.slot.locator == name]
            assert made.preview == repr(expected[name]), (name, made.preview, expected[name])


CLIENT = """
import threading
class Client:
    def __init__(self): self.lock, self.n = threading.Lock(), 0
    def ask(self, x):
        self.n += 1
        return x + self.n
client = Client()
print(__import__('subprocess').run(['true']))
"""


class TestSpent:
    """What a header ignores is never used up: a body gets it as others have left it."""

    def asked(self, *headers: str) -> tuple[Notebook, list[str]]:
        """A plain cell that only the user starts, and tasks that use what it makes, which has no digest."""
        notebook = Notebook()
        cells = [notebook.add(CLIENT, plain=True)]
        cells += [notebook.add(f"{header[0]} = client.ask(1)", name=header[0]) for header in headers]
        for cell, header in zip(cells[1:], headers, strict=True):
            notebook.let(cell, **read_options(header).rules)
        notebook.run_all()
        notebook.log.clear()
        return notebook, cells

    def test_an_edited_task_runs(self) -> None:
        """Again and again; it is as of what it found, and so are the others that ignore it."""
        notebook, cells = self.asked("q --ignore client", "r --ignore client")
        assert verdicts(notebook) == ["fresh"] * 3
        for number in 10, 20:
            change(notebook, cells[1], f"q = client.ask({number})")
        assert notebook.names["q"] == 24
        assert verdicts(notebook) == ["fresh", "as of", "as of"]
        assert notebook.log == [cells[1]] * 2

    def test_who_compares_it_below_is_stale(self) -> None:
        """It was changed."""
        notebook, cells = self.asked("q --ignore client", "r")
        change(notebook, cells[1], "q = client.ask(10)")
        assert verdicts(notebook)[2] == "stale"

    def test_who_compares_it_cannot_run(self) -> None:
        """It was used up by the one above."""
        notebook, cells = self.asked("q", "r --ignore client")
        assert not change(notebook, cells[1], "q = client.ask(10)").executed

    def test_another_object_is_none(self) -> None:
        """Where the name holds one of another cell by now, the first has to be made again."""
        notebook, cells = self.asked("q --ignore client", "r --ignore client")
        notebook.add(CLIENT, plain=True)
        notebook.run(notebook.book.order[-1])
        assert not change(notebook, cells[1], "q = client.ask(10)").executed
