"""The records: one row each, sealed, shared between kernels, never a pickle."""

from __future__ import annotations

import pickle
import sqlite3
from typing import TYPE_CHECKING, Any

import diskcache
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbflow.store.index import Index, PickleFreeDisk, RefusedError
from nbflow.store.protocol import MOST_TRACES
from nbflow.store.signing import DAMAGED, FORGED, OTHER_KEY, Signer
from nbflow.store.traces import Packed, Traces
from nbflow.types import Entry, Looked, Output, Slot, Trace

if TYPE_CHECKING:
    from pathlib import Path

OURS = Signer(bytes(32))
THEIRS = Signer(bytes([1]) * 32)
SMALL = Packed(b"pickle", (), (), {})


def trace_of(name: str, digest: str = "d") -> Trace:
    """A trace with one entry and one output."""
    return Trace(name, "s", (Entry(Looked(Slot("name", "a")), "e"),), (Output(Slot("name", "b"), digest),))


class Counting:
    """An index in a dictionary that counts its durable writes and its reads."""

    def __init__(self) -> None:
        self.rows_by_key: dict[str, bytes] = {}
        self.writes: list[str] = []
        self.reads: list[str] = []

    def get(self, key: str) -> bytes | None:
        """Read a row."""
        self.reads.append(key)
        return self.rows_by_key.get(key)

    def add(self, key: str, value: bytes) -> bool:
        """Write a row unless it is there."""
        self.writes.append(key)
        return self.rows_by_key.setdefault(key, value) is value

    def set(self, key: str, value: bytes) -> None:
        """Write a row."""
        self.writes.append(key)
        self.rows_by_key[key] = value

    def rows(self) -> Any:
        """The keys."""
        return iter(sorted(self.rows_by_key))

    def version(self) -> int:
        """Changes with every write."""
        return len(self.writes)

    def transact(self) -> Any:
        """Nobody else is here."""
        import contextlib

        return contextlib.nullcontext()


@pytest.fixture
def index() -> Counting:
    """A counting index."""
    return Counting()


def traces_over(index: Any, signer: Signer = OURS) -> Traces:
    """A ledger over an index."""
    return Traces(index, signer)


class TestWrites:
    """How often the disk is written."""

    def test_a_small_result_is_one_write(self, index: Counting) -> None:
        """With its values."""
        traces_over(index).append("k", trace_of("t"), {"u": SMALL})
        assert index.writes == ["t:k"]

    def test_a_known_list_is_not_written_again(self, index: Counting) -> None:
        """One write for a new list, none for a known one."""
        traces = traces_over(index)
        assert traces.add_list("s", ()) is True
        assert traces.add_list("s", ()) is False
        assert index.writes == ["l:s"]

    def test_what_was_read_is_not_read_again(self, index: Counting) -> None:
        """Until somebody writes."""
        traces_over(index).append("k", trace_of("t"), {})
        traces = traces_over(index)
        for _ in range(3):
            traces.find("k")
        assert index.reads == ["t:k"]
        traces_over(index).append("k2", trace_of("t2"), {})
        traces.find("k")
        assert index.reads == ["t:k", "t:k"]

    def test_an_own_commit_is_known_without_reading(self, index: Counting) -> None:
        """It was just written."""
        traces = traces_over(index)
        traces.append("k", trace_of("t"), {})
        assert traces.find("k") == (trace_of("t"),)
        assert index.reads == []


class TestKernels:
    """Several kernels over one index."""

    def test_what_one_commits_the_other_finds(self, index: Counting) -> None:
        """At once, even where it has looked before."""
        one, other = traces_over(index), traces_over(index)
        assert other.find("k") == ()
        one.append("k", trace_of("t1"), {})
        assert len(other.find("k")) == 1
        one.append("k", trace_of("t2"), {})
        assert [trace.id for trace in other.find("k")] == ["t2", "t1"]

    def test_lists_of_two_kernels_are_merged(self, index: Counting) -> None:
        """None overwrites the other's."""
        one, other = traces_over(index), traces_over(index)
        lists = [(Looked(Slot("name", name)),) for name in "ab"]
        one.add_list("s", lists[0])
        other.add_list("s", lists[1])
        assert one.lists("s") == (lists[1], lists[0])

    def test_both_append_under_one_key(self, index: Counting) -> None:
        """Both traces are kept, with the values of both."""
        one, other = traces_over(index), traces_over(index)
        one.append("k", trace_of("t1"), {"u1": SMALL})
        other.append("k", trace_of("t2"), {"u2": SMALL})
        fresh = traces_over(index)
        assert [trace.id for trace in fresh.find("k")] == ["t2", "t1"]
        assert fresh.value("u1") == fresh.value("u2") == SMALL


class TestGrowth:
    """Many traces under one key."""

    def test_an_append_costs_the_same_however_many_there_are(self, index: Counting) -> None:
        """No record grows with the number of runs."""
        traces = traces_over(index)
        for number in range(100):
            traces.append("k", trace_of(f"t{number}"), {"u": SMALL})
        assert max(map(len, index.rows_by_key.values())) < 1000
        found = traces_over(index).find("k")
        assert [trace.id for trace in found] == [f"t{99 - n}" for n in range(MOST_TRACES)]
        assert traces.find("k") == found


class TestVerification:
    """What is not proven is not used."""

    def test_another_key_is_a_miss_with_a_reason(self, index: Counting) -> None:
        """And the entry stays."""
        traces_over(index, THEIRS).append("k", trace_of("t"), {})
        traces = traces_over(index)
        assert traces.find("k") == ()
        assert traces.reasons["k"] == OTHER_KEY
        assert len(traces_over(index, THEIRS).find("k")) == 1

    @given(st.data())
    def test_a_damaged_record_is_a_miss(self, data: st.DataObject) -> None:
        """Wherever it was hit, or cut."""
        index = Counting()
        traces_over(index).append("k", trace_of("t"), {})
        row = bytearray(index.rows_by_key["t:k"])
        where = data.draw(st.integers(0, len(row) - 1))
        if data.draw(st.booleans()):
            row[where] ^= 0x55
        else:
            del row[where:]
        index.rows_by_key["t:k"] = bytes(row)
        traces = traces_over(index)
        assert traces.find("k") == ()
        assert traces.reasons["k"] in (DAMAGED, FORGED, OTHER_KEY)

    def test_a_record_under_another_key_is_a_miss(self, index: Counting) -> None:
        """A trace cannot be made to answer for other inputs."""
        traces_over(index).append("k", trace_of("t"), {})
        index.rows_by_key["t:k2"] = index.rows_by_key["t:k"]
        traces = traces_over(index)
        assert traces.find("k2") == ()
        assert traces.reasons["k2"] == FORGED

    def test_a_record_of_another_shape_is_a_miss(self, index: Counting) -> None:
        """Signed, but by a version that writes otherwise."""
        index.rows_by_key["t:k"] = OURS.seal("t:k", b"\x93\x01\x02\x03")
        traces = traces_over(index)
        assert traces.find("k") == ()
        assert "version" in traces.reasons["k"]

    def test_a_refused_record_is_replaced_by_a_new_result(self, index: Counting) -> None:
        """Otherwise the key could never hit again."""
        index.rows_by_key["t:k"] = b"junk"
        traces = traces_over(index)
        traces.find("k")
        traces.append("k", trace_of("t"), {})
        assert traces_over(index).find("k") == (trace_of("t"),)
        assert "k" not in traces.reasons

    def test_trust_signs_all_but_the_damaged(self, index: Counting) -> None:
        """They are found then."""
        theirs = traces_over(index, THEIRS)
        theirs.append("k", trace_of("t"), {"u": SMALL})
        theirs.add_list("s", ())
        index.rows_by_key["t:bad"] = b"junk"
        traces = traces_over(index)
        assert traces.trust() == 2
        assert traces.find("k") == (trace_of("t"),)
        assert traces.lists("s") == ((),)


class Planted:
    """Runs code when it is unpickled."""

    ran = False

    def __reduce__(self) -> tuple[object, ...]:
        """The code."""
        return exec, ("import tests.test_traces as t; t.Planted.ran = True",)


class TestIndex:
    """The fence around diskcache."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Any:
        """The folder of an index, closed after the test."""
        self.opened = Index(tmp_path)
        yield tmp_path
        self.opened.close()

    def test_a_planted_pickle_is_never_run(self, folder: Path) -> None:
        """Whether as a value or as a key, it is as if it were not there."""
        with diskcache.Cache(str(folder)) as stranger:
            stranger.set("t:k", Planted())
            stranger.set(("t:", "tuple"), b"value")
            stranger.set("file", "x" * 10)
        with sqlite3.connect(folder / "cache.db") as database:
            database.execute(
                "INSERT INTO Cache (key, raw, mode, value) VALUES (?, 0, 4, ?)",
                (pickle.dumps(Planted()), pickle.dumps(Planted())),
            )
        database.close()
        assert self.opened.get("t:k") is None
        assert self.opened.get("file") is None
        assert sorted(self.opened.rows()) == ["file", "t:k"]
        assert Planted.ran is False

    def test_a_value_file_outside_is_not_read(self, folder: Path, tmp_path: Path) -> None:
        """A row cannot point anywhere."""
        (tmp_path / "secret").write_text("secret")
        with sqlite3.connect(folder / "cache.db") as database:
            database.execute("INSERT INTO Cache (key, raw, mode, filename) VALUES ('a', 1, 2, '../secret')")
        database.close()
        assert self.opened.get("a") is None
        self.opened.set("a", b"new")
        assert (tmp_path / "secret").exists()

    @pytest.mark.parametrize("value", ["text", 1, None, bytearray(b"x"), [1]])
    def test_only_bytes_are_stored(self, folder: Path, value: Any) -> None:
        """Anything else would be pickled."""
        with pytest.raises(RefusedError):
            self.opened.set("a", value)

    @pytest.mark.parametrize("key", [1, b"x", ("a", "b"), None])
    def test_only_texts_are_keys(self, folder: Path, key: Any) -> None:
        """Anything else would be pickled."""
        with pytest.raises(RefusedError):
            self.opened.get(key)

    def test_a_large_record_is_a_row_too(self, folder: Path) -> None:
        """No value becomes a file that a transaction could lose."""
        self.opened.set("a", bytes(200_000))
        assert self.opened.get("a") == bytes(200_000)
        assert [path.name for path in folder.rglob("*.val")] == []

    def test_an_opener_with_other_settings_changes_nothing(self, folder: Path) -> None:
        """Another program's limits do not evict our records."""
        with diskcache.Cache(str(folder), size_limit=10, eviction_policy="least-recently-used"):
            pass
        again = Index(folder)
        for number in range(50):
            again.set(f"k{number}", bytes(1000))
        assert len(list(again.rows())) == 50
        again.close()

    def test_add_does_not_overwrite(self, folder: Path) -> None:
        """The first writer wins."""
        assert self.opened.add("a", b"1") is True
        assert self.opened.add("a", b"2") is False
        assert self.opened.get("a") == b"1"

    def test_the_version_tells_of_others_writes(self, folder: Path) -> None:
        """So that what is in memory can be forgotten."""
        before = self.opened.version()
        other = Index(folder)
        other.set("a", bytes(5000))
        assert self.opened.version() != before
        other.close()

    def test_the_disk_refuses_files(self) -> None:
        """Whoever asks."""
        disk = PickleFreeDisk("folder")
        for ask in (lambda: disk.filename("a", b"x"), lambda: disk.hash("a")):
            with pytest.raises(RefusedError):
                ask()
        disk.remove("../anything")
