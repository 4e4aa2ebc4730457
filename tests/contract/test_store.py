"""What every store promises, over the one in memory and the one on disk."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nbflow.states import Transition
from nbflow.store.disk import DiskStore
from nbflow.store.memory import MemoryStore
from nbflow.store.protocol import MOST_LISTS, NON_DETERMINISTIC, Missing, RunRecord, Store
from nbflow.types import Cause, Entry, Looked, Output, Reach, Slot, Snapshot, Trace

if TYPE_CHECKING:
    from pathlib import Path

KEY = bytes(range(32))


def unit_of(number: int) -> str:
    """A digest for a value that nobody looks at."""
    return f"{number:032x}"


def trace_of(name: str, *outputs: str, static: str = "static", saw: str = "raw") -> Trace:
    """A trace that looked at one name and made the given outputs, each with its digest as unit."""
    return Trace(
        name,
        static,
        (Entry(Looked(Slot("name", saw)), unit_of(7), "7 rows"),),
        tuple(Output(Slot("name", f"y{n}"), digest, digest, (f"y{n}",)) for n, digest in enumerate(outputs)),
        packages={"pandas": "3.1"},
    )


@pytest.fixture
def namespace() -> dict[str, Any]:
    """The names of a notebook."""
    return {"__name__": "__main__"}


@pytest.fixture(params=["memory", "disk"])
def store(request: pytest.FixtureRequest, tmp_path: Path, namespace: dict[str, Any]) -> Any:
    """A new store of each kind."""
    made = (
        MemoryStore(namespace)
        if request.param == "memory"
        else DiskStore(tmp_path / "s", namespace=namespace, key=KEY)
    )
    yield made
    made.close()


class TestTraces:
    """Traces under action keys."""

    def test_what_was_committed_is_found(self, store: Store) -> None:
        """A trace comes back equal."""
        trace = trace_of("t1", unit_of(1))
        store.commit("key", trace, {unit_of(1): ([1, 2],)})
        assert store.find("key") == (trace,)

    def test_nothing_is_found_under_another_key(self, store: Store) -> None:
        """Only the very key hits."""
        store.commit("key", trace_of("t1"), {})
        assert store.find("key2") == ()

    def test_every_field_survives(self, store: Store) -> None:
        """Reach, sorts, members, unknowns and definitions are kept as they were."""
        reach = Reach(frozenset("ab"), frozenset("c"), frozenset("d"), True, {"part": "digest"})
        output = Output(Slot("name", "f"), unit_of(1), unit_of(2), ("f", "g"), reach, "function", "f()")
        trace = Trace(
            "t",
            "static",
            (Entry(Looked(Slot("file", "a.csv"), True), unit_of(3), "1 kB"),),
            (output,),
            frozenset({"f"}),
            unit_of(4),
            ("reads a database",),
            frozenset({"quiet"}),
            "run",
            "step",
            "notebook",
            12.5,
            0.25,
            {"numpy": "2"},
        )
        store.commit("key", trace, {})
        assert store.find("key") == (trace,)

    def test_the_newest_trace_of_a_key_comes_first(self, store: Store) -> None:
        """Traces are added, never overwritten."""
        first, second = trace_of("t1", unit_of(1)), trace_of("t2", unit_of(1))
        store.commit("key", first, {})
        store.commit("key", second, {})
        assert store.find("key") == (second, first)

    def test_differing_outputs_mark_the_newest_trace(self, store: Store) -> None:
        """Two results of one key mean that the body is not deterministic."""
        store.commit("key", trace_of("t1", unit_of(1)), {})
        store.commit("key", trace_of("t2", unit_of(2)), {})
        newest, older = store.find("key")
        assert NON_DETERMINISTIC in newest.flags
        assert NON_DETERMINISTIC not in older.flags

    def test_once_not_deterministic_always_so(self, store: Store) -> None:
        """An equal third result does not clear the mark."""
        for number, digest in enumerate((1, 2, 2)):
            store.commit("key", trace_of(f"t{number}", unit_of(digest)), {})
        assert NON_DETERMINISTIC in store.find("key")[0].flags

    def test_the_same_trace_twice_is_one(self, store: Store) -> None:
        """Committing again, as after a fault, adds nothing."""
        for _ in range(2):
            store.commit("key", trace_of("t1", unit_of(1)), {unit_of(1): (1,)})
        assert len(store.find("key")) == 1

    def test_a_trace_is_found_by_its_identifier(self, store: Store) -> None:
        """Snapshots name traces, not keys."""
        trace = trace_of("t1", unit_of(1))
        store.commit("key", trace, {})
        assert store.trace("t1") == trace
        assert store.trace("t2") is None


class TestLists:
    """Input lists under static keys."""

    def test_a_commit_records_what_the_trace_looked_at(self, store: Store) -> None:
        """The list is made of the trace's entries, without their digests."""
        store.commit("key", trace_of("t1"), {})
        assert store.lists("static") == ((Looked(Slot("name", "raw")),),)

    def test_lists_are_distinct_and_the_newest_first(self, store: Store) -> None:
        """A known list is not added again."""
        for number, saw in enumerate(("a", "b", "a")):
            store.commit(f"key{number}", trace_of(f"t{number}", saw=saw), {})
        assert [looked.slot.locator for (looked,) in store.lists("static")] == ["b", "a"]

    def test_at_most_sixteen_are_kept(self, store: Store) -> None:
        """The oldest goes."""
        for number in range(MOST_LISTS + 3):
            store.commit(f"key{number}", trace_of(f"t{number}", saw=f"n{number}"), {})
        names = [looked.slot.locator for (looked,) in store.lists("static")]
        assert names == [f"n{number}" for number in range(MOST_LISTS + 2, 2, -1)]

    def test_an_unknown_code_has_none(self, store: Store) -> None:
        """Nothing ran, nothing is known."""
        assert store.lists("never") == ()


class TestValues:
    """Units and their members."""

    def test_members_come_back_in_order(self, store: Store) -> None:
        """A unit is a tuple of values."""
        assert store.put(unit_of(1), ({"a": 1}, "text")) == ""
        assert store.load(unit_of(1)) == ({"a": 1}, "text")

    def test_members_share_what_they_shared(self, store: Store) -> None:
        """All members are kept together."""
        inner = [1]
        store.put(unit_of(1), (inner, [inner]))
        one, other = store.load(unit_of(1))
        assert other[0] is one  # type: ignore[index]

    @pytest.mark.parametrize("count", [10, 100_000])
    def test_a_view_is_a_view_again(self, store: Store, count: int) -> None:
        """A change through one name shows in the other, as before it was stored."""
        array = np.arange(count)
        store.put(unit_of(1), (array, array[2:], array[::-1]))
        base, tail, mirrored = store.load(unit_of(1))
        base[5] = -1  # type: ignore[index]
        assert tail[3] == -1  # type: ignore[index]
        assert mirrored[count - 6] == -1  # type: ignore[index]

    @pytest.mark.parametrize("count", [10, 100_000])
    def test_every_load_is_private(self, store: Store, count: int) -> None:
        """Writing to what was loaded changes neither the store nor another load."""
        store.put(unit_of(1), (np.zeros(count),))
        (first,) = store.load(unit_of(1))
        first[:] = 1  # type: ignore[index]
        (second,) = store.load(unit_of(1))
        assert not second.any()  # type: ignore[attr-defined]

    def test_the_value_is_that_of_the_commit(self, store: Store) -> None:
        """What happens to the live value afterwards does not matter."""
        value = np.zeros(100_000)
        store.commit("key", trace_of("t", unit_of(1)), {unit_of(1): (value,)})
        value[:] = 1
        (loaded,) = store.load(unit_of(1))
        assert not loaded.any()  # type: ignore[attr-defined]

    def test_the_commit_says_what_is_stored(self, store: Store) -> None:
        """Small and large values alike."""
        units = {unit_of(1): ("small",), unit_of(2): (np.zeros(100_000),)}
        commit = store.commit("key", trace_of("t", *units), units)
        assert commit.stored == units.keys()
        assert commit.unstored == {}
        assert all(store.has(unit) for unit in units)

    def test_what_cannot_be_stored_is_named_and_the_rest_is_stored(self, store: Store) -> None:
        """One bad value spoils neither the trace nor its neighbours."""
        units = {unit_of(1): (1,), unit_of(2): ({"lock": threading.Lock()},)}
        commit = store.commit("key", trace_of("t", *units), units)
        assert commit.stored == {unit_of(1)}
        assert "value['lock'] is a _thread.lock" in commit.unstored[unit_of(2)]
        assert store.find("key") != ()

    def test_what_is_not_stored_is_missing(self, store: Store) -> None:
        """With the reason in words."""
        assert not store.has(unit_of(9))
        with pytest.raises(Missing) as missing:
            store.load(unit_of(9))
        assert missing.value.reason == "not stored"
        assert store.verify(unit_of(9)) == "not stored"

    @pytest.mark.parametrize("value", ["small", np.zeros(100_000)], ids=["small", "large"])
    def test_a_stored_unit_verifies(self, store: Store, value: object) -> None:
        """Undamaged is an empty reason, twice."""
        store.put(unit_of(1), (value,))
        assert [store.verify(unit_of(1)), store.verify(unit_of(1))] == ["", ""]

    def test_values_of_a_superseded_trace_can_still_be_loaded(self, store: Store) -> None:
        """Going back to an earlier result of the same key is possible."""
        store.commit("key", trace_of("t1", unit_of(1)), {unit_of(1): ("old",)})
        store.commit("key", trace_of("t2", unit_of(2)), {unit_of(2): ("new",)})
        assert store.load(unit_of(1)) == ("old",)
        assert store.load(unit_of(2)) == ("new",)

    @settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.recursive(st.none() | st.floats(allow_nan=False) | st.text() | st.binary(), st.lists))
    def test_plain_values_survive(self, store: Store, value: object) -> None:
        """Whatever is made of texts, numbers, bytes and lists comes back equal."""
        unit = unit_of(abs(hash(repr(value))))
        assert store.put(unit, (value,)) == ""
        assert store.load(unit) == (value,)


class TestNames:
    """Values under names that stand for something else later."""

    @pytest.mark.parametrize("large", [(), tuple(range(100_000)), np.zeros(10_000)], ids=type)
    def test_what_is_put_in_place_of_a_value(self, store: Store, large: object) -> None:
        """Is what is loaded from then on, whatever the size of either."""
        for value in (1, large, 2):
            assert store.replace("last", (value, "kept")) == ""
        assert (store.load("last"), store.has("last")) == ((2, "kept"), True)

    def test_what_is_discarded(self, store: Store) -> None:
        """Is gone, also a large value; discarding it again does nothing."""
        for value in (1, np.zeros(10_000)):
            store.replace("last", (value,))
            store.discard("last")
            store.discard("last")
            assert not store.has("last")
            with pytest.raises(Missing):
                store.load("last")

    def test_what_cannot_be_stored(self, store: Store) -> None:
        """Is told, and what was there before is not taken for it."""
        store.replace("last", (1,))
        assert store.replace("last", (threading.Lock(),)) != ""
        assert not store.has("last")


class TestNotebookCode:
    """Classes and functions of the notebook inside values."""

    CELL = "class Model:\n    def __init__(self, n): self.n = n\n    def predict(self): return self.n + 1"

    def test_an_instance_meets_its_own_class(self, store: Store, namespace: dict[str, Any]) -> None:
        """Also after its cell ran again, as long as the code is the same."""
        exec(self.CELL, namespace)
        assert store.put(unit_of(1), (namespace["Model"](3),)) == ""
        exec(self.CELL, namespace)
        (model,) = store.load(unit_of(1))
        assert type(model) is namespace["Model"]

    def test_an_edited_class_makes_its_instances_missing(
        self, store: Store, namespace: dict[str, Any]
    ) -> None:
        """Old state never meets new code."""
        exec(self.CELL, namespace)
        store.put(unit_of(1), (namespace["Model"](3),))
        exec(self.CELL.replace("+ 1", "+ 2"), namespace)
        with pytest.raises(Missing, match="class Model has changed since"):
            store.load(unit_of(1))

    def test_a_function_is_rebuilt_over_the_live_names(self, store: Store, namespace: dict[str, Any]) -> None:
        """It sees what the notebook holds now."""
        exec("LATE = 1\ncallbacks = {'late': lambda x: x > LATE}", namespace)
        store.put(unit_of(1), (namespace["callbacks"],))
        namespace["LATE"] = 10
        (callbacks,) = store.load(unit_of(1))
        assert callbacks["late"](5) is False  # type: ignore[index]


class TestHistory:
    """Runs, transitions, snapshots and sources."""

    def test_transitions_come_back_in_order_with_their_number(self, store: Store) -> None:
        """Each run has its own."""
        store.history.begin(RunRecord("r1"))
        for run, name in (("r1", "Pending"), ("r2", "Pending"), ("r1", "Running")):
            store.history.append(Transition(run, 1, 1, 2.0, name.upper(), name, "", {"a": "b"}))
        found = store.history.transitions("r1")
        assert [transition.name for transition in found] == ["Pending", "Running"]
        assert found[0].seq < found[1].seq
        assert found[0].details == {"a": "b"}

    def test_runs_come_back_newest_first(self, store: Store) -> None:
        """Of one notebook, one step, or all, and not more than asked for."""
        for number in range(4):
            store.history.begin(RunRecord(f"r{number}", notebook=f"n{number % 2}", step=f"s{number // 2}"))
        assert [run.id for run in store.history.runs()] == ["r3", "r2", "r1", "r0"]
        assert [run.id for run in store.history.runs(notebook="n1")] == ["r3", "r1"]
        assert [run.id for run in store.history.runs("n1", "s0")] == ["r1"]
        assert [run.id for run in store.history.runs(limit=1)] == ["r3"]

    def test_a_run_is_completed_by_what_becomes_known(self, store: Store) -> None:
        """What is empty in the new record stays as it was."""
        cause = Cause("code", "helper", "a", "b")
        store.history.begin(RunRecord("r", 3, "nb", "p", "task", "s", "clean", 2, "cell", causes=(cause,)))
        store.history.begin(RunRecord("r", key="key", trace="t"))
        run = store.history.run("r")
        assert run is not None
        assert (run.number, run.name, run.index, run.key, run.trace) == (3, "clean", 2, "key", "t")
        assert run.causes == (cause,)
        assert run.owner != ""

    def test_an_unknown_run_is_none(self, store: Store) -> None:
        """Nothing is made up."""
        assert store.history.run("r") is None

    def test_flow_runs_are_numbered_for_each_notebook(self, store: Store) -> None:
        """The next number is one more than the highest."""
        assert store.history.next_number("nb") == 1
        store.history.begin(RunRecord("r", 4, "nb"))
        assert store.history.next_number("nb") == 5
        assert store.history.next_number("other") == 1

    def test_snapshots_come_back_for_their_notebook(self, store: Store) -> None:
        """Oldest first."""
        first = Snapshot(1, ("a", "b"), {"year": "d"}, {}, {"a": "t1"}, 1.0)
        second = Snapshot(2, ("a",), {}, {"a": "t1"}, {"a": "t2"}, 2.0)
        store.history.snapshot(first, "nb")
        store.history.snapshot(second, "nb")
        assert store.history.snapshots("nb") == (first, second)
        assert store.history.snapshots("other") == ()
        assert store.history.last_snapshot("nb") == second
        assert store.history.last_snapshot("other") is None

    def test_sources_are_kept_by_digest(self, store: Store) -> None:
        """A text once kept does not change."""
        store.history.save_source("d", "x = 1")
        assert store.history.source("d") == "x = 1"
        assert store.history.source("e") is None
