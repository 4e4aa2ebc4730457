"""Marks: what is noted of results and runs for later kernels."""

from __future__ import annotations

from nbflow.engine.marks import BEGUN, REFUTED, VARIES, MarkKind, Marks
from nbflow.store.memory import MemoryStore
from nbflow.types import UNBOUND


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


class TestAsSlots:
    """A verdict looks at them as at everything outside."""

    def test_what_it_holds(self) -> None:
        """Its kind where it is set."""
        marks = Marks(MemoryStore())
        kind = MarkKind(marks, REFUTED)
        assert kind.now("t1") == UNBOUND
        marks.set(REFUTED, "t1", "y differs")
        assert kind.now("t1") == REFUTED
        assert kind.show("t1") == "y differs"
