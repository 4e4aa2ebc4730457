"""Kinds of slots: keys and slots, and the outside asked once for each look."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nbflow.engine.slots import NAME, RANDOM, Outside, is_kept_in_memory, key_of, slot_of
from nbflow.types import FILE, Slot

SLOT = Slot("weather", "here")


class Counted:
    """A kind that counts how often it is asked."""

    def __init__(self, content: str | None = "sun") -> None:
        self.content = content
        self.asked = 0

    def now(self, locator: str) -> str | None:
        """The content."""
        self.asked += 1
        return self.content

    def show(self, locator: str) -> str:
        """For people."""
        return f"{self.content} {locator}"


class TestKeys:
    """Workspace keys and slots are two spellings of one thing."""

    @given(st.text(min_size=1).filter(lambda text: not text.startswith("<")))
    def test_names(self, name: str) -> None:
        """A name's key is the name."""
        assert slot_of(name) == Slot(NAME, name)
        assert key_of(slot_of(name)) == name

    @given(st.text())
    def test_random_states(self, generator: str) -> None:
        """A generator's key has angle brackets, which no name has."""
        slot = slot_of(f"<{generator}>")
        assert slot == Slot(RANDOM, generator)
        assert slot_of(key_of(slot)) == slot

    def test_what_is_an_object_in_memory(self) -> None:
        """Names and random states are; files and the rest are not."""
        kinds = (NAME, RANDOM, FILE, "module", "environment")
        assert [is_kept_in_memory(Slot(kind, "x")) for kind in kinds] == [True, True, False, False, False]


class TestOutside:
    """What the slots outside hold."""

    def test_it_asks_once_for_a_look(self) -> None:
        """Within one look the outside stands still."""
        kind = Counted()
        outside = Outside({"weather": kind})
        kind_was = [outside.digest(SLOT)]
        kind.content = "rain"
        assert [*kind_was, outside.digest(SLOT)] == ["sun", "sun"]
        assert kind.asked == 1

    def test_a_look_tells_what_changed(self) -> None:
        """And only that."""
        kind = Counted()
        outside = Outside({"weather": kind, "other": Counted()})
        outside.digest(SLOT)
        outside.digest(Slot("other", "x"))
        assert outside.look() == ()
        kind.content = "rain"
        assert outside.look() == (SLOT,)
        assert outside.digest(SLOT) == "rain"
        assert outside.look() == ()

    def test_what_nobody_can_tell_is_told_at_each_look(self) -> None:
        """Unknown is never unchanged."""
        outside = Outside({"weather": Counted(None)})
        assert outside.digest(SLOT) is None
        assert outside.look() == (SLOT,)
        assert outside.look() == (SLOT,)

    def test_what_was_never_asked_for_is_not_looked_at(self) -> None:
        """A look costs what is known."""
        kind = Counted()
        assert Outside({"weather": kind}).look() == ()
        assert kind.asked == 0

    def test_an_unknown_kind(self) -> None:
        """Has no content that anybody could know, and nothing to show."""
        outside = Outside({})
        assert outside.digest(SLOT) is None
        assert outside.show(SLOT) == ""

    def test_showing(self) -> None:
        """Shows what is there now."""
        assert Outside({"weather": Counted()}).show(SLOT) == "sun here"
