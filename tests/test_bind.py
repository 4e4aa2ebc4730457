"""Binding: timelines and views against a list that is searched by hand."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from nbflow.engine.bind import NOTHING, Bound, Doubt, Timeline, Version, View
from nbflow.types import Output, Slot, Verdict

NAMES = ("a", "b", "c")


def version(step: str, name: str = "a", *, unit: str = "u", members: tuple[str, ...] = ("a",)) -> Version:
    """A version of a name."""
    return Version(step, Output(Slot("name", name), f"{unit}-{name}", unit, members))


bounds = st.builds(
    lambda step, verdict, written: Bound(version(step), (Doubt(step, verdict),), (), written),
    st.sampled_from(["s1", "s2", "s3"]),
    st.sampled_from(list(Verdict)),
    st.booleans(),
)
changes = st.lists(st.tuples(st.integers(0, 12), st.none() | bounds), max_size=25)


def timeline_of(given: list[tuple[int, Bound | None]]) -> tuple[Timeline, dict[int, Bound]]:
    """A timeline and its naive model after the same changes."""
    timeline, model = Timeline(), dict[int, Bound]()
    for place, bound in given:
        timeline.give(place, bound)
        if bound is None:
            model.pop(place, None)
        else:
            model[place] = bound
    return timeline, model


class TestTimeline:
    """The bindings of one slot, by place."""

    @given(changes, st.integers(-1, 13))
    def test_it_answers_as_a_list_does(self, given: list[Any], place: int) -> None:
        """A reader is bound to the last one before its place, never to its own."""
        timeline, model = timeline_of(given)
        before = [at for at in sorted(model) if at < place]
        after = [at for at in sorted(model) if at > place]
        assert timeline.before(place) == (model[before[-1]] if before else NOTHING)
        assert timeline.next_after(place) == (after[0] if after else None)
        assert timeline.get(place) == model.get(place)
        assert list(timeline) == sorted(model)

    @given(changes)
    def test_the_history_of_changes_does_not_matter(self, given: list[Any]) -> None:
        """Two timelines with the same bindings are the same to every reader."""
        timeline, model = timeline_of(given)
        other, _ = timeline_of(sorted(model.items(), reverse=True))
        assert [other.before(place) for place in range(14)] == [timeline.before(place) for place in range(14)]

    def test_taking_back_what_was_never_given(self) -> None:
        """Is nothing."""
        timeline = Timeline()
        timeline.give(3, None)
        assert list(timeline) == []


class TestView:
    """The bindings as one reader sees them."""

    def test_a_slot_that_nobody_wrote(self) -> None:
        """Is bound to nothing, and was looked at all the same."""
        view = View({}, 5)
        assert view.bound(Slot("name", "a")) is NOTHING
        assert view.looked == {Slot("name", "a")}

    def units(self, *given: tuple[int, str, Version | None]) -> View:
        """A view from place 10 on timelines of these versions."""
        timelines: dict[Slot, Timeline] = {}
        for place, name, bound in given:
            timelines.setdefault(Slot("name", name), Timeline()).give(place, Bound(bound, written=True))
        return View(timelines, 10)

    def test_a_single_name_is_its_own_unit(self) -> None:
        """Without a look at anything else."""
        view = self.units((0, "a", version("s")))
        assert view.members(version("s")) == {Slot("name", "a")}
        assert view.looked == set()

    def test_the_members_bound_at_the_place(self) -> None:
        """A name of the unit that was bound again later is none of it there."""
        a, b, c = (version("s", name, members=NAMES) for name in NAMES)
        view = self.units((0, "a", a), (0, "b", b), (0, "c", c), (4, "b", version("t", "b", members=("b",))))
        assert view.members(a) == {Slot("name", "a"), Slot("name", "c")}

    def test_a_deleted_member(self) -> None:
        """Is none of it either."""
        a, b = (version("s", name, members=("a", "b")) for name in "ab")
        view = self.units((0, "a", a), (0, "b", b), (4, "b", None))
        assert view.members(a) == {Slot("name", "a")}

    @given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from(NAMES), st.integers(0, 3)), max_size=20))
    def test_members_against_a_search_by_hand(self, given: list[tuple[int, str, int]]) -> None:
        """Every name whose last binding before the place is of the same unit."""
        bindings = {
            (place, name): version(f"s{k}", name, unit=f"u{k}", members=NAMES) for place, name, k in given
        }
        view = self.units(*((place, name, bound) for (place, name), bound in bindings.items()))
        last = {name: bindings[max(key for key in bindings if key[1] == name)] for _, name in bindings}
        for bound in last.values():
            same = {Slot("name", name) for name, other in last.items() if other.step == bound.step}
            assert view.members(bound) == same


class TestVersion:
    """What makes two versions one."""

    def test_one_step_and_one_unit(self) -> None:
        """Equal contents of two producers are two versions."""
        assert version("s").is_same(version("s"))
        assert not version("s").is_same(version("t"))
        assert not version("s").is_same(version("s", unit="v"))
        assert not version("s").is_same(version("s", members=("a", "b")))
        assert not version("s").is_same(None)
