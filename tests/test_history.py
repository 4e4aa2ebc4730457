"""The history in SQLite: batches, crashes, several kernels, damage."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from nbflow.states import Transition
from nbflow.store.batches import ENDED_AT_ONCE, FULL
from nbflow.store.history import SqliteHistory
from nbflow.store.owners import is_gone, this_owner
from nbflow.store.protocol import LOG, MOST_TEXT, MOST_TEXTS, TRACEBACK, Given, RunRecord
from nbflow.store.signing import Signer
from nbflow.store.soon import Soon
from nbflow.types import Cause, Snapshot

if TYPE_CHECKING:
    from pathlib import Path

SIGNER = Signer(bytes(32))


def step(run: str, name: str, type_: str | None = None) -> Transition:
    """A transition into a state."""
    return Transition(run, 1, 1, 5.0, type_ or name.upper(), name)


def dead_owner() -> str:
    """The owner that a process was which has ended."""
    code = "from nbflow.store.owners import this_owner; print(this_owner())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


class Notebook:
    """Opens histories over one file and closes them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.told: list[str] = []
        self.opened: list[SqliteHistory] = []

    def history(self) -> SqliteHistory:
        """Open the history again."""
        self.opened.append(SqliteHistory(self.path, SIGNER, self.told.append, lambda: 9.0))
        return self.opened[-1]

    def rows(self, query: str) -> list[tuple[object, ...]]:
        """What is really in the file."""
        database = sqlite3.connect(self.path)
        found = database.execute(query).fetchall()
        database.close()
        return found


@pytest.fixture
def notebook(tmp_path: Path) -> object:
    """A place for histories."""
    made = Notebook(tmp_path / "history.db")
    yield made
    for history in made.opened:
        history.close()


class TestBatches:
    """When what was added becomes durable."""

    def test_little_waits_in_memory(self, notebook: Notebook) -> None:
        """A transition alone writes nothing."""
        history = notebook.history()
        history.append(step("r", "Running"))
        assert notebook.rows("SELECT * FROM paths") == []

    def test_flush_makes_it_durable(self, notebook: Notebook) -> None:
        """Before a slow body starts."""
        history = notebook.history()
        history.append(step("r", "Running"))
        history.flush()
        assert len(notebook.rows("SELECT * FROM paths")) == 1

    def test_soon_is_without_anybody_waiting(self, notebook: Notebook) -> None:
        """While a first body runs of which nobody knows how long it takes."""
        history = notebook.history()
        written = threading.Event()
        history._soon = Soon(lambda: (history.flush(), written.set()), delay=0.0)
        history.append(step("r", "Running"))
        history.flush_soon()
        assert written.wait(10.0)
        assert len(notebook.rows("SELECT * FROM paths")) == 1

    @pytest.mark.parametrize(("last", "written"), [("Running", 1), ("Completed", 0)])
    def test_in_a_while_what_goes_on(self, notebook: Notebook, last: str, written: int) -> None:
        """Of plain cells, which are many and quick, only one that takes long costs a write."""
        history = notebook.history()
        looked, look = threading.Event(), history._later._act
        history._later = Soon(lambda: (look(), looked.set()), delay=0.0)
        history.begin(RunRecord("r"))
        history.append(step("r", last))
        history.flush_if_open()
        assert looked.wait(10.0)
        assert len(notebook.rows("SELECT * FROM paths")) == written

    def test_enough_that_has_ended_is_written(self, notebook: Notebook) -> None:
        """Without being asked."""
        history = notebook.history()
        for number in range(ENDED_AT_ONCE):
            history.append(step(f"r{number}", "Completed"))
        assert len(notebook.rows("SELECT * FROM paths")) == ENDED_AT_ONCE

    def test_a_full_buffer_is_written(self, notebook: Notebook) -> None:
        """Whatever is in it."""
        history = notebook.history()
        for number in range(FULL):
            history.append(step(f"r{number}", "Running"))
        assert len(notebook.rows("SELECT * FROM paths")) == FULL

    def test_closing_writes(self, notebook: Notebook) -> None:
        """And another kernel reads it."""
        history = notebook.history()
        history.begin(RunRecord("r"))
        history.append(step("r", "Completed"))
        history.close()
        assert [found.name for found in notebook.history().transitions("r")] == ["Completed"]

    def test_order_is_kept_across_kinds(self, notebook: Notebook) -> None:
        """A run completed later in the same batch is complete."""
        history = notebook.history()
        history.begin(RunRecord("r", name="old"))
        history.append(step("r", "Running"))
        history.begin(RunRecord("r", name="new"))
        run = history.run("r")
        assert run is not None
        assert run.name == "new"

    def test_to_ask_for_a_written_run_writes_nothing(self, notebook: Notebook) -> None:
        """What waits is written only where it speaks of the run that is asked for."""
        history = notebook.history()
        history.begin(RunRecord("old"))
        history.flush()
        history.begin(RunRecord("new"))
        found = history.run("old")
        assert found is not None
        assert found.id == "old"
        assert len(notebook.rows("SELECT * FROM runs")) == 1
        history.begin(RunRecord("old", trace="t"))
        assert history.run("old") == RunRecord("old", trace="t", owner=found.owner)

    def test_a_run_that_was_written_half_way_goes_on(self, notebook: Notebook) -> None:
        """Its path lies in two rows, and is one."""
        history = notebook.history()
        for names in (("Pending", "Running"), ("Retrying", "Completed")):
            for name in names:
                history.append(step("r", name))
            history.flush()
        found = history.transitions("r")
        assert [one.name for one in found] == ["Pending", "Running", "Retrying", "Completed"]
        assert [one.seq for one in found] == sorted({one.seq for one in found})
        assert len(notebook.rows("SELECT * FROM paths")) == 2

    def test_a_long_path_lies_in_several_rows(self, notebook: Notebook) -> None:
        """As a position in the history is the row's and the place in it."""
        history = notebook.history()
        history._connect().execute("PRAGMA busy_timeout = 1")
        other = sqlite3.connect(notebook.path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        for number in range(1500):
            history.append(step("r", f"{number}"))
        other.execute("ROLLBACK")
        other.close()
        found = history.transitions("r")
        assert [one.name for one in found] == [f"{number}" for number in range(1500)]
        assert len({one.seq for one in found}) == 1500


class TestCrashed:
    """Runs that a dead kernel left."""

    @pytest.mark.parametrize("name", ["Pending", "Running", "Cancelling"])
    def test_an_unfinished_run_of_a_dead_kernel_is_crashed_once(self, notebook: Notebook, name: str) -> None:
        """When the history is next opened, and not again."""
        first = notebook.history()
        first.begin(RunRecord("r", owner=dead_owner()))
        first.append(Transition("r", 3, 2, 5.0, name.upper(), name))
        first.close()
        for _ in range(2):
            found = notebook.history().transitions("r")
            assert [one.name for one in found] == [name, "Crashed"]
        assert (found[-1].type, found[-1].attempt, found[-1].loop, found[-1].at) == ("CRASHED", 3, 2, 9.0)

    @pytest.mark.parametrize(
        ("name", "type_"), [("AwaitingRetry", "SCHEDULED"), ("Paused", "PAUSED"), ("Completed", "COMPLETED")]
    )
    def test_what_waits_or_has_ended_stays(self, notebook: Notebook, name: str, type_: str) -> None:
        """Any kernel can resume the former."""
        first = notebook.history()
        first.begin(RunRecord("r", owner=dead_owner()))
        first.append(step("r", name, type_))
        first.close()
        assert [one.name for one in notebook.history().transitions("r")] == [name]

    @pytest.mark.parametrize("owner", ["", "elsewhere|boot|1|2", "nonsense"])
    def test_a_run_of_a_living_or_unknown_owner_stays(self, notebook: Notebook, owner: str) -> None:
        """An owner that cannot be judged is left alone; an empty one is this process."""
        first = notebook.history()
        first.begin(RunRecord("r", owner=owner))
        first.append(step("r", "Running"))
        first.close()
        assert [one.name for one in notebook.history().transitions("r")] == ["Running"]

    def test_a_retry_after_the_crash_is_a_run_of_its_own(self, notebook: Notebook) -> None:
        """Only the last state counts."""
        first = notebook.history()
        first.begin(RunRecord("r", owner=dead_owner()))
        for name in ("Running", "Completed"):
            first.append(step("r", name))
        first.close()
        assert len(notebook.history().transitions("r")) == 2


class TestOwners:
    """Who is alive."""

    def test_this_process_lives(self) -> None:
        """It is asking."""
        assert is_gone(this_owner()) is False

    def test_an_ended_process_is_gone(self) -> None:
        """Even though its number may be used again."""
        assert is_gone(dead_owner()) is True

    def test_a_number_used_again_is_another_process(self) -> None:
        """The time it started tells."""
        host, boot, pid, _ = this_owner().split("|")
        assert is_gone("|".join((host, boot, pid, "1"))) is True

    def test_a_process_before_the_last_boot_is_gone(self) -> None:
        """Whatever its number."""
        host, _, pid, started = this_owner().split("|")
        assert is_gone("|".join((host, "another", pid, started))) is True

    def test_another_host_cannot_be_judged(self) -> None:
        """Its process numbers mean nothing here."""
        _, boot, pid, started = this_owner().split("|")
        assert is_gone("|".join(("another", boot, pid, started))) is None


class TestSnapshots:
    """Sealed, as they decide what is restored."""

    def test_a_changed_snapshot_is_left_out(self, notebook: Notebook) -> None:
        """The others remain."""
        history = notebook.history()
        for number in (1, 2):
            history.snapshot(Snapshot(number, (), {}, {}, {}), "nb")
        history.flush()
        database = sqlite3.connect(notebook.path)
        database.execute("UPDATE snapshots SET sealed = x'00' WHERE number = 1")
        database.commit()
        database.close()
        assert [snapshot.number for snapshot in history.snapshots("nb")] == [2]

    def test_a_snapshot_holds_for_its_own_notebook(self, notebook: Notebook) -> None:
        """It cannot be moved to another."""
        history = notebook.history()
        history.snapshot(Snapshot(1, (), {}, {}, {}), "nb")
        history.flush()
        database = sqlite3.connect(notebook.path)
        database.execute("UPDATE snapshots SET notebook = 'other'")
        database.commit()
        database.close()
        assert history.snapshots("other") == ()

    def test_trust_signs_a_strangers_snapshots(self, notebook: Notebook) -> None:
        """They are read then."""
        stranger = SqliteHistory(notebook.path, Signer(bytes([1]) * 32), notebook.told.append)
        stranger.snapshot(Snapshot(1, (), {}, {}, {}), "nb")
        stranger.close()
        history = notebook.history()
        assert history.snapshots("nb") == ()
        history.trust()
        assert [snapshot.number for snapshot in history.snapshots("nb")] == [1]


class TestTexts:
    """What runs have said."""

    def test_the_lines_there_are_when_they_are_written(self, notebook: Notebook) -> None:
        """Also after more have come, and in the next kernel."""
        history, lines = notebook.history(), ["one"]
        history.keep_text("r", LOG, lines)
        assert history.text("r", LOG) == "one"
        lines.append("two")
        history.keep_text("r", LOG, lines)
        history.close()
        assert notebook.history().text("r", LOG) == "one\ntwo"
        assert notebook.rows("SELECT count(*) FROM texts") == [(1,)]

    def test_of_a_long_one_the_end(self, notebook: Notebook) -> None:
        """From the beginning of a line on."""
        history = notebook.history()
        history.keep_text("r", TRACEBACK, [f"line {number}" for number in range(10_000)])
        found = history.text("r", TRACEBACK)
        assert len(found) <= MOST_TEXT + 2
        assert found.startswith("…\nline ")
        assert found.endswith("line 9999")

    def test_those_of_the_newest_runs(self, notebook: Notebook) -> None:
        """What has been said takes no more room than that, whatever runs."""
        history = notebook.history()
        for number in range(MOST_TEXTS + 600):
            history.keep_text(f"r{number}", LOG, ["said"])
        history.flush()
        assert notebook.rows("SELECT count(*), min(run) FROM texts WHERE run = 'r600'") == [(1, "r600")]
        assert notebook.rows("SELECT count(*) FROM texts") == [(MOST_TEXTS,)]

    def test_without_secrets(self, notebook: Notebook, monkeypatch: pytest.MonkeyPatch) -> None:
        """They are masked in all that is written."""
        monkeypatch.setenv("API_TOKEN", "hunter2-hunter2")
        history = notebook.history()
        history.keep_text("r", LOG, ["logged in with hunter2-hunter2"])
        assert history.text("r", LOG) == "logged in with •••"

    def test_names_of_files_that_are_none(self, notebook: Notebook) -> None:
        """In what runs have said, why they ran and how they ended: they do not keep the rest from disk."""
        history = notebook.history()
        history.keep_text("r", LOG, ["read caf\udce9.csv"])
        history.begin(RunRecord("r", notebook="nb", causes=(Cause("file", "caf\udce9.csv"),)))
        history.append(Transition("r", 1, 1, 5.0, "FAILED", "Failed", "no caf\udce9.csv"))
        history.close()
        again = notebook.history()
        assert again.text("r", LOG) == "read caf\\udce9.csv"
        assert [cause.subject for run in again.runs() for cause in run.causes] == ["caf\\udce9.csv"]
        assert [each.message for each in again.transitions("r")] == ["no caf\\udce9.csv"]


class TestKernels:
    """Several kernels over one history."""

    def test_both_write(self, notebook: Notebook) -> None:
        """And both read all of it."""
        one, other = notebook.history(), notebook.history()
        one.append(step("a", "Running"))
        one.flush()
        other.append(step("a", "Completed"))
        other.flush()
        assert [found.name for found in one.transitions("a")] == ["Running", "Completed"]

    def test_a_forked_child_does_not_write_what_its_parent_will(self, notebook: Notebook) -> None:
        """Each thing is written once."""
        history = notebook.history()
        history.append(step("parent", "Running"))
        child = os.fork()
        if child == 0:
            history.append(step("child", "Running"))
            history.flush()
            os._exit(0)
        os.waitpid(child, 0)
        history.flush()
        assert sorted(notebook.rows("SELECT run FROM paths")) == [("child",), ("parent",)]

    def test_a_locked_history_waits_and_is_written_later(self, notebook: Notebook) -> None:
        """Nothing is lost, and the user is told once."""
        history = notebook.history()
        history._connect().execute("PRAGMA busy_timeout = 1")
        other = sqlite3.connect(notebook.path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        history.append(step("r", "Running"))
        history.flush()
        assert "locked" in notebook.told[0]
        other.execute("ROLLBACK")
        other.close()
        assert len(history.transitions("r")) == 1


class TestEarlierVersions:
    """Databases of before runs knew their source and inputs."""

    LATER = ("source", "inputs")

    def test_they_are_brought_up_to_date(self, notebook: Notebook) -> None:
        """What they have stays, and new runs have all."""
        history = notebook.history()
        history.begin(RunRecord("old", notebook="nb"))
        history.close()
        database = sqlite3.connect(notebook.path)
        for name in self.LATER:
            database.execute(f"ALTER TABLE runs DROP COLUMN {name}")
        database.close()
        history = notebook.history()
        history.begin(RunRecord("new", notebook="nb", source="d", inputs={"x": Given("u", 1)}))
        new, old = history.runs("nb")
        assert (old.source, old.inputs) == ("", {})
        assert (new.source, new.inputs) == ("d", {"x": Given("u", 1)})
        assert notebook.told == []

    def test_what_is_added_later_takes_nothing_away(self, notebook: Notebook) -> None:
        """In one batch, or in another one."""
        history = notebook.history()
        for pause in (lambda: None, history.flush):
            history.begin(RunRecord("r", source="d", inputs={"x": Given("u")}))
            pause()
            history.begin(RunRecord("r", key="k"))
            found = history.run("r")
            assert found is not None
            assert (found.source, found.inputs, found.key) == ("d", {"x": Given("u")}, "k")


class TestFaults:
    """Databases that cannot be used."""

    def test_a_damaged_history_is_kept_aside(self, notebook: Notebook) -> None:
        """A new one starts, and the user is told where the old one is."""
        notebook.path.write_bytes(b"this is no database, but it is long enough to be one" * 100)
        history = notebook.history()
        history.append(step("r", "Running"))
        assert len(history.transitions("r")) == 1
        assert "damaged" in notebook.told[0]
        (aside,) = notebook.path.parent.glob("history.db.damaged-*")
        assert aside.read_bytes().startswith(b"this is no database")

    def test_a_history_that_cannot_be_written_is_kept_in_memory(self, notebook: Notebook) -> None:
        """What was added before and after the fault is still there, and the user is told once."""
        history = notebook.history()
        history.begin(RunRecord("r", notebook="nb", number=3))
        history.append(step("r", "Running"))
        history.flush()
        history._connect().execute("PRAGMA query_only = ON")
        history.append(step("r", "Completed"))
        history.begin(RunRecord("r2", notebook="nb", number=4))
        history.snapshot(Snapshot(4, (), {}, {}, {}), "nb")
        history.save_source("d", "text")
        history.file_trace("t", "k")
        history.keep_text("r", LOG, ["said"])
        history.flush()
        assert [found.name for found in history.transitions("r")] == ["Running", "Completed"]
        assert [run.id for run in history.runs("nb")] == ["r2", "r"]
        assert history.next_number("nb") == 5
        assert len(history.snapshots("nb")) == 1
        assert (history.source("d"), history.key_of("t")) == ("text", "k")
        assert len(set(notebook.told)) == 1

    def test_a_folder_that_is_not_there(self, notebook: Notebook) -> None:
        """Everything works, in memory."""
        notebook.path = notebook.path.parent / "nowhere" / "history.db"
        history = notebook.history()
        history.append(step("r", "Running"))
        assert len(history.transitions("r")) == 1
        assert "memory only" in notebook.told[0]
