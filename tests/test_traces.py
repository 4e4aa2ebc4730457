"""The records: one row each, sealed, shared between kernels, never a pickle."""

from __future__ import annotations

import pickle
import sqlite3
from typing import TYPE_CHECKING, Any

import diskcache
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbflow.store.index import Index, PickleFreeDisk, RefusedError, Row
from nbflow.store.packed import Packed
from nbflow.store.protocol import MOST_LISTS, MOST_TRACES
from nbflow.store.signing import DAMAGED, FORGED, OTHER_KEY, Signer
from nbflow.store.traces import Result, Traces
from nbflow.types import Entry, Looked, Output, Slot, Trace

if TYPE_CHECKING:
    from pathlib import Path

OURS = Signer(bytes(32))
THEIRS = Signer(bytes([1]) * 32)
SMALL = Packed(b"pickle", (), (), {})


def trace_of(name: str, digest: str = "d", saw: str = "a", code: str = "s") -> Trace:
    """A trace with one entry and one output."""
    return Trace(name, code, (Entry(Looked(Slot("name", saw)), "e"),), (Output(Slot("name", "b"), digest),))


def keep(traces: Traces, key: str, trace: Trace, **values: Packed) -> None:
    """Write a result at once."""
    traces.wait(Result(key, trace, {}, values))
    traces.flush()


class Counting:
    """An index in a dictionary that counts its durable writes and its reads."""

    def __init__(self) -> None:
        self.rows_by_key: dict[str, bytes] = {}
        self.writes: list[str] = []
        self.reads: list[str] = []
        self.tags: dict[str, str] = {}
        self.queries = self.looks = 0

    def get(self, key: str) -> bytes | None:
        """Read a row."""
        self.reads.append(key)
        return self.rows_by_key.get(key)

    def tagged(self, tags: Any) -> dict[str, list[Row]]:
        """The rows with one of these tags, newest first."""
        self.queries += 1
        rows = [Row(key, self.rows_by_key[key], tag) for key, tag in reversed(self.tags.items())]
        return {tag: [row for row in rows if row.tag == tag] for tag in tags}

    def present(self, keys: Any) -> set[str]:
        """Those that are there."""
        return self.rows_by_key.keys() & set(keys)

    def add(self, rows: Any) -> None:
        """Write rows that are not there."""
        for row in rows:
            assert row.key not in self.rows_by_key
            self.set(row.key, row.value)
            if row.tag:
                self.tag(row.key, row.tag)

    def set(self, key: str, value: bytes) -> None:
        """Write a row."""
        self.writes.append(key)
        self.rows_by_key[key] = value

    def tag(self, key: str, tag: str) -> None:
        """Make it the newest with that tag."""
        self.tags.pop(key, None)
        self.tags[key] = tag

    def keep_tags(self, tag: str, most: int) -> None:
        """Take it from all but the newest."""
        for key in [key for key, other in reversed(self.tags.items()) if other == tag][most:]:
            del self.tags[key]

    def rows(self) -> Any:
        """The keys."""
        return iter(sorted(self.rows_by_key))

    def version(self) -> int:
        """Changes with every write."""
        self.looks += 1
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
        keep(traces_over(index), "k", trace_of("t"), u=SMALL)
        assert index.writes == ["t:k"]

    def test_a_result_that_looked_at_nothing_new_bears_no_tag(self, index: Counting) -> None:
        """The list of the first one stands for it."""
        traces = traces_over(index)
        keep(traces, "k1", trace_of("t1"))
        keep(traces, "k2", trace_of("t2"))
        assert list(index.tags) == ["t:k1"]
        assert traces.lists("s") == traces_over(index).lists("s") == ((Looked(Slot("name", "a")),),)

    def test_only_the_newest_lists_keep_their_tag(self, index: Counting) -> None:
        """However many there were."""
        traces = traces_over(index)
        for number in range(MOST_LISTS + 4):
            keep(traces, f"k{number}", trace_of(f"t{number}", saw=f"a{number}"))
        assert len(index.tags) == MOST_LISTS
        newest = ((Looked(Slot("name", f"a{number}")),) for number in range(MOST_LISTS + 3, 3, -1))
        assert traces.lists("s") == traces_over(index).lists("s") == tuple(newest)

    def test_a_list_that_was_dropped_comes_back(self, index: Counting) -> None:
        """With the record that is there already."""
        traces = traces_over(index)
        for number in (*range(MOST_LISTS + 1), 0):
            keep(traces, f"k{number}", trace_of(f"t{number}", saw=f"a{number}"))
        assert traces_over(index).lists("s")[0] == (Looked(Slot("name", "a0")),)
        assert len(index.tags) == MOST_LISTS

    def test_what_was_read_is_not_read_again(self, index: Counting) -> None:
        """Until somebody writes."""
        keep(traces_over(index), "k", trace_of("t"))
        traces = traces_over(index)
        for _ in range(3):
            traces.find("k")
        assert index.reads == ["t:k"]
        keep(traces_over(index), "k2", trace_of("t2"))
        traces.find("k")
        assert index.reads == ["t:k", "t:k"]

    def test_an_own_commit_is_known_without_reading(self, index: Counting) -> None:
        """It was just written."""
        traces = traces_over(index)
        keep(traces, "k", trace_of("t"))
        assert traces.find("k") == (trace_of("t"),)
        assert index.reads == []


class TestReadingAhead:
    """Codes that somebody will ask for are read together."""

    def test_one_query_reads_lists_and_traces(self, index: Counting) -> None:
        """Of all that is expected."""
        for number in range(20):
            keep(traces_over(index), f"k{number}", trace_of(f"t{number}", code=f"s{number}"))
        traces = traces_over(index)
        traces.expect(f"s{number}" for number in range(20))
        index.queries = 0
        for number in range(20):
            assert len(traces.lists(f"s{number}")) == 1
            assert [trace.id for trace in traces.find(f"k{number}")] == [f"t{number}"]
        assert (index.queries, index.reads) == (1, [])

    def test_what_is_expected_and_absent_is_asked_for_once(self, index: Counting) -> None:
        """As most of it is when a notebook runs for the first time."""
        traces = traces_over(index)
        traces.expect(["s1", "s2"])
        assert traces.lists("s1") == traces.lists("s2") == traces.lists("s1") == ()
        assert index.queries == 1

    def test_what_is_known_is_given_once_as_it_is_when_it_is_expected(self, index: Counting) -> None:
        """Nobody asks for each code whether others have written since; from then on others' results show."""
        traces = traces_over(index)
        traces.expect(["s1", "s2"])
        assert traces.lists("s1") == traces.lists("s2") == ()
        traces.expect(["s1", "s2"])
        index.looks = index.queries = 0
        assert traces.lists("s1") == traces.lists("s2") == ()
        assert (index.looks, index.queries) == (0, 0)
        keep(traces_over(index), "k", trace_of("t", code="s1"))
        assert len(traces.lists("s1")) == 1

    def test_what_others_wrote_before_it_is_expected_shows(self, index: Counting) -> None:
        """However long ago it was found absent."""
        traces = traces_over(index)
        traces.expect(["s"])
        assert traces.lists("s") == ()
        keep(traces_over(index), "k", trace_of("t"))
        traces.expect(["s"])
        assert len(traces.lists("s")) == 1

    def test_another_kernels_result_shows_although_it_was_absent(self, index: Counting) -> None:
        """As soon as it is written."""
        traces = traces_over(index)
        traces.expect(["s"])
        assert traces.lists("s") == ()
        keep(traces_over(index), "k", trace_of("t"))
        assert len(traces.lists("s")) == 1

    def test_a_tag_that_was_moved_proves_nothing(self, index: Counting) -> None:
        """The signed record says whose list it is."""
        keep(traces_over(index), "k", trace_of("t"))
        index.tags["t:k"] = "another"
        assert traces_over(index).lists("another") == ()


class TestKernels:
    """Several kernels over one index."""

    def test_what_one_commits_the_other_finds(self, index: Counting) -> None:
        """At once, even where it has looked before."""
        one, other = traces_over(index), traces_over(index)
        assert other.find("k") == ()
        keep(one, "k", trace_of("t1"))
        assert len(other.find("k")) == 1
        keep(one, "k", trace_of("t2"))
        assert [trace.id for trace in other.find("k")] == ["t2", "t1"]

    def test_lists_of_two_kernels_are_merged(self, index: Counting) -> None:
        """None overwrites the other's."""
        one, other = traces_over(index), traces_over(index)
        lists = [(Looked(Slot("name", name)),) for name in "ab"]
        keep(one, "k1", trace_of("t1", saw="a"))
        keep(other, "k2", trace_of("t2", saw="b"))
        assert one.lists("s") == (lists[1], lists[0])

    def test_both_append_under_one_key(self, index: Counting) -> None:
        """Both traces are kept, with the values of both."""
        one, other = traces_over(index), traces_over(index)
        keep(one, "k", trace_of("t1"), u1=SMALL)
        keep(other, "k", trace_of("t2"), u2=SMALL)
        fresh = traces_over(index)
        assert [trace.id for trace in fresh.find("k")] == ["t2", "t1"]
        assert fresh.value("u1") == fresh.value("u2") == SMALL


class TestGrowth:
    """Many traces under one key."""

    def test_an_append_costs_the_same_however_many_there_are(self, index: Counting) -> None:
        """No record grows with the number of runs."""
        traces = traces_over(index)
        for number in range(100):
            keep(traces, "k", trace_of(f"t{number}"), u=SMALL)
        assert max(map(len, index.rows_by_key.values())) < 1000
        found = traces_over(index).find("k")
        assert [trace.id for trace in found] == [f"t{99 - n}" for n in range(MOST_TRACES)]
        assert traces.find("k") == found

    def test_what_is_known_has_an_end(self, index: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
        """What was let go is read again, what waits to be written is not let go."""
        for limit in ("_MOST_FOUND", "_MOST_ROWS", "_MOST_VALUES"):
            monkeypatch.setattr(f"nbflow.store.traces.{limit}", 16)
        traces = traces_over(index)
        for number in range(100):
            traces.wait(Result(f"k{number}", trace_of(f"t{number}"), {}, {f"u{number}": SMALL}))
            assert len(traces.find(f"k{number}")) == 1
        assert max(map(len, (traces._found, traces._rows, traces._values))) <= 17
        for number in range(100):
            assert len(traces.find(f"k{number}")) == 1
            assert traces.value(f"u{number}") == SMALL


class TestVerification:
    """What is not proven is not used."""

    def test_another_key_is_a_miss_with_a_reason(self, index: Counting) -> None:
        """And the entry stays."""
        keep(traces_over(index, THEIRS), "k", trace_of("t"))
        traces = traces_over(index)
        assert traces.find("k") == ()
        assert traces.reasons["k"] == OTHER_KEY
        assert len(traces_over(index, THEIRS).find("k")) == 1

    @given(st.data())
    def test_a_damaged_record_is_a_miss(self, data: st.DataObject) -> None:
        """Wherever it was hit, or cut."""
        index = Counting()
        keep(traces_over(index), "k", trace_of("t"))
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
        keep(traces_over(index), "k", trace_of("t"))
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
        keep(traces, "k", trace_of("t"))
        assert traces_over(index).find("k") == (trace_of("t"),)
        assert "k" not in traces.reasons

    def test_trust_signs_all_but_the_damaged(self, index: Counting) -> None:
        """They are found then."""
        theirs = traces_over(index, THEIRS)
        keep(theirs, "k", trace_of("t"), u=SMALL)
        index.rows_by_key["t:bad"] = b"junk"
        traces = traces_over(index)
        assert traces.trust() == 1
        assert traces.find("k") == (trace_of("t"),)
        assert traces.lists("s") == ((Looked(Slot("name", "a")),),)


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

    def test_many_rows_at_once(self, folder: Path) -> None:
        """More than one statement can ask for."""
        self.opened.add([Row(f"k{number}", b"1", f"tag{number}") for number in range(1200)])
        asked = [f"k{number}" for number in range(1, 1300)]
        assert self.opened.present(asked) == {f"k{number}" for number in range(1, 1200)}
        assert len(self.opened.tagged(f"tag{number}" for number in range(1300))) == 1200

    def test_a_set_row_keeps_its_tag(self, folder: Path) -> None:
        """Only its content is another."""
        self.opened.add([Row("a", b"1", "tag")])
        self.opened.set("a", b"2")
        assert self.opened.tagged(["tag"]) == {"tag": [Row("a", b"2", "tag")]}

    def test_the_newest_of_a_tag_comes_first_and_stays(self, folder: Path) -> None:
        """By when it got the tag."""
        self.opened.add([Row(key, b"1", "tag") for key in "abc"])
        self.opened.tag("a", "tag")
        assert [row.key for row in self.opened.tagged(["tag"])["tag"]] == ["a", "c", "b"]
        self.opened.keep_tags("tag", 2)
        assert [row.key for row in self.opened.tagged(["tag"])["tag"]] == ["a", "c"]

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
