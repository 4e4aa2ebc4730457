"""Marks: what is noted of results and runs for later kernels."""

from __future__ import annotations

from nbflow.engine.marks import BEGUN, REFUTED, VARIES, BegunKind, Marks
from nbflow.store.memory import MemoryStore
from nbflow.types import UNBOUND, Trace


class TestMarks:
    """They are set, found and taken away by kind and name."""

    def test_a_kind_of_which_there_is_none(self) -> None:
        """Nothing is found, and nothing is asked of the store for each name."""
        marks = Marks(MemoryStore())
        assert not marks.has(REFUTED, "t1")
        assert marks.note(REFUTED, "t1") == ""

    def test_one_kind_is_not_another(self) -> None:
        """Nor is one name another."""
        marks = Marks(MemoryStore())
        marks.set(REFUTED, "t1", "y differs")
        assert marks.has(REFUTED, "t1")
        assert not marks.has(REFUTED, "t2")
        assert not marks.has(VARIES, "t1")
        assert marks.note(REFUTED, "t1") == "y differs"

    def test_taken_away(self) -> None:
        """It is as if it had never been set."""
        marks = Marks(MemoryStore())
        marks.set(BEGUN, "send")
        marks.clear(BEGUN, "send")
        assert not marks.has(BEGUN, "send")

    def test_set_by_another_kernel(self) -> None:
        """What an effect is about to do is seen at once; what audits found, by the next kernel."""
        store = MemoryStore()
        marks, others = Marks(store), Marks(store)
        assert not marks.has(BEGUN, "send")
        assert not marks.has(REFUTED, "t1")
        others.set(BEGUN, "send")
        others.set(REFUTED, "t1")
        assert marks.has(BEGUN, "send")
        assert not marks.has(REFUTED, "t1")
        assert Marks(store).has(REFUTED, "t1")


class TestEffects:
    """Whether an effect may have happened, although no result of it is at hand."""

    def test_as_a_slot(self) -> None:
        """A verdict looks at it as at everything outside."""
        store = MemoryStore()
        marks = Marks(store)
        kind = BegunKind(marks)
        assert kind.now("send") == UNBOUND
        marks.set(BEGUN, "send", "1.0")
        assert (kind.now("send"), kind.show("send")) == (BEGUN, "nobody knows whether it has happened")
        store.commit("key", Trace("t1", "code", (), ()), {})
        marks.done("send", "t1")
        assert (kind.now("send"), kind.show("send")) == (UNBOUND, "")
        marks.done("send", "t2")
        assert kind.show("send") == "it has happened, and the record of that was removed"
