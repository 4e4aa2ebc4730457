"""Recording: the entries, outputs and flags of a trace, and the key it is kept under."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nbflow.engine.book import Step, read_body
from nbflow.engine.effects import Ended, Outcome
from nbflow.engine.observation import Observation
from nbflow.engine.quiet import QUIET
from nbflow.engine.record import Maker, Seen, action_key, key_of_trace, make_trace
from nbflow.exceptions import InternalError
from nbflow.store.files import Files
from nbflow.types import UNBOUND, Looked, Slot, Trace
from tests.cells import change, opened

if TYPE_CHECKING:
    from pathlib import Path

BODY = read_body("x = 1")
STEP = Step("s", "s", BODY)


def observed(error: BaseException | None = None, *, seconds: float = 0.0) -> Observation:
    """A body that did nothing."""
    with Files().watch() as watch:
        pass
    ended = Ended.RAISED if error else Ended.RETURNED
    return Observation(Outcome("1", ended, error), frozenset(), (), watch, 1.0, seconds)


def trace_of(*sources: str) -> Trace:
    """The trace of the last of these cells."""
    notebook, cells = opened(*sources)
    trace = notebook.step(cells[-1]).trace
    assert trace is not None
    return trace


def looked(trace: Trace) -> set[tuple[str, str, bool]]:
    """Kind, locator, and whether the whole unit counts."""
    return {(*entry.looked.slot, entry.looked.whole_unit) for entry in trace.entries}


class TestMaking:
    """Who may make a trace."""

    def make(self, observation: Observation) -> Trace:
        """Make one of nothing."""
        return make_trace(Maker(STEP, "r", "nb"), BODY, Seen({}, {}), observation)

    def test_of_a_completed_execution(self) -> None:
        """It says who made it and when."""
        trace = self.make(observed(seconds=2.0))
        assert (trace.step, trace.run, trace.notebook) == ("s", "r", "nb")
        assert (trace.started, trace.seconds, trace.static_key) == (1.0, 2.0, BODY.static_key)

    @pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt()])
    def test_not_of_a_failed_one(self, error: BaseException) -> None:
        """That is a bug of ours."""
        with pytest.raises(InternalError, match="cannot make a trace"):
            self.make(observed(error))

    def test_not_of_one_that_never_started(self) -> None:
        """Neither."""
        with pytest.raises(InternalError):
            self.make(Observation(Outcome("1", Ended.RETURNED), frozenset(), (), None, 0.0, 0.0))

    def test_not_where_a_file_changed_meanwhile(self, tmp_path: Path) -> None:
        """Its entries are not what the body could have seen."""
        path = tmp_path / "in.txt"
        path.write_text("1")
        files = Files()
        with files.watch(reads=[str(path)]) as watch:
            files.known(str(path))
        watch.settled = type(watch.settled)(voided=(str(path),))
        with pytest.raises(InternalError):
            self.make(Observation(Outcome("1", Ended.RETURNED), frozenset(), (), watch, 0.0, 0.0))

    def test_two_traces_have_two_identifiers(self) -> None:
        """Also of equal executions."""
        assert self.make(observed()).id != self.make(observed()).id

    @pytest.mark.parametrize(("seconds", "quiet"), [(0.1, True), (9.9, True), (10.0, False)])
    def test_what_is_short_is_quiet(self, seconds: float, quiet: bool) -> None:
        """Ten seconds by default."""
        assert (QUIET in self.make(observed(seconds=seconds)).flags) is quiet

    @pytest.mark.parametrize(
        ("source", "quiet"),
        [
            ("print(1)", True),
            ("x = 1", True),
            ("exec('x = 1')", False),
            ("import subprocess\nsubprocess.run(['true'])", False),
            ("import os\nos.environ['NBFLOW_TEST_NOISE'] = '1'", False),
            ("import os, sys\nos.chdir(os.getcwd())", False),
        ],
    )
    def test_what_changes_something_outside_is_not(
        self, source: str, quiet: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nor what was not fully seen."""
        monkeypatch.setenv("NBFLOW_TEST_NOISE", "0")
        assert (QUIET in trace_of(source).flags) is quiet


class TestEntries:
    """What a body saw."""

    def test_names_by_value(self) -> None:
        """And what its callees read."""
        trace = trace_of("k = 1", "def f(x): return x + k", "y = f(2)")
        assert looked(trace) == {("name", "f", False), ("name", "k", False)}

    def test_an_unbound_name(self) -> None:
        """That nothing was there is what it saw."""
        trace = trace_of("try: y = nothing\nexcept NameError: y = 0")
        assert [(entry.looked.slot.locator, entry.digest) for entry in trace.entries] == [
            ("nothing", UNBOUND)
        ]

    def test_a_name_changed_in_place_counts_with_its_unit(self) -> None:
        """So does one that comes to share memory; one that is only read does not."""
        assert looked(trace_of("a = [1]\nb = a", "a.append(1)")) == {("name", "a", True)}
        assert looked(trace_of("a = [1]\nb = a", "c = a")) == {("name", "a", True)}
        assert looked(trace_of("a = [1]\nb = a", "n = len(a)")) == {("name", "a", False)}

    def test_entries_bear_what_people_see(self) -> None:
        """For `why`."""
        (entry,) = trace_of("a = [1, 2]", "n = len(a)").entries
        assert entry.preview == "[1, 2]"

    def test_definitions(self) -> None:
        """Names made by running a definition."""
        assert trace_of("import os\ndef f(): pass\nx = 1").definitions == {"os", "f"}

    def test_a_plain_cell_sees_what_stands(self) -> None:
        """Not what it would be bound to."""
        notebook, cells = opened("a = [1]", "n = len(a)", "a = [1, 2]", plain=(1,))
        notebook.run(cells[1])
        assert notebook.names["n"] == 2
        assert notebook.verdict(cells[1]).value == "stale"
        change(notebook, cells[0], "a = [3, 4]")
        notebook.run(cells[1])
        assert notebook.verdict(cells[1]).value == "fresh"


class TestKeys:
    """The key of a trace: the code, what it looked at, and what it saw."""

    LOOKED = (Looked(Slot("name", "a")), Looked(Slot("name", "b")))

    def test_everything_counts(self) -> None:
        """Code, slots, whether the unit was meant, digests, and their order."""
        whole = (Looked(Slot("name", "a"), whole_unit=True), self.LOOKED[1])
        keys = [
            action_key("code", self.LOOKED, ["1", "2"]),
            action_key("other", self.LOOKED, ["1", "2"]),
            action_key("code", self.LOOKED, ["2", "1"]),
            action_key("code", self.LOOKED[::-1], ["1", "2"]),
            action_key("code", self.LOOKED[:1], ["1"]),
            action_key("code", whole, ["1", "2"]),
            action_key("code", (), []),
        ]
        assert len(set(keys)) == len(keys)

    def test_a_trace_is_found_under_the_key_of_its_entries(self) -> None:
        """That is how it is looked up."""
        notebook, cells = opened("a = 1", "b = a")
        trace = notebook.step(cells[1]).trace
        assert trace is not None
        store = notebook.workspace.store
        assert store.find(key_of_trace(trace))[0].id == trace.id
        assert store.lists(trace.static_key) == (tuple(entry.looked for entry in trace.entries),)
