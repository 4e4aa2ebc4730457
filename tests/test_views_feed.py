"""What a live page is told, and when."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbflow.states import TYPES
from nbflow.views.feed import PATIENCE, RATE, Event, Feed, Ran
from nbflow.views.scene import picture_of
from tests.views_cards import flow_of

OPEN = {name for name, kind in TYPES.items() if kind.value in ("SCHEDULED", "PENDING", "RUNNING", "PAUSED")}


class Clock:
    """A clock that goes on when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """The time."""
        return self.now


def event(task: str, state: str, at: float = 1.0, attempt: int = 1) -> Event:
    """A run of a task entered a state."""
    return Event(Ran(task), state, at, attempt, is_open=state in OPEN)


def feed_of(size: int = 3, *, waits: bool = False) -> tuple[Feed, Clock]:
    """A feed whose page has been given a flow."""
    clock = Clock()
    feed = Feed(clock, waits)
    feed.show(picture_of(flow_of(size)))
    feed.message()
    clock.now += 1
    feed.painted(1)
    return feed, clock


class TestShowing:
    """A new picture tells how its tasks stand."""

    def test_what_has_no_place_in_it_is_told_its_end(self) -> None:
        """Else a page would take a plain cell that ended just before for one that runs for ever."""
        feed, _ = feed_of()
        feed.note(event("cell [9]", "Running"))
        feed.message()
        feed.note(event("cell [9]", "Completed", 2.0))
        feed.show(picture_of(flow_of(3)))
        assert feed.message()["live"]["cell [9]"][1] == "Completed"

    def test_what_is_on_its_way_stays_so(self) -> None:
        """A picture that is taken while something runs does not end it."""
        feed, _ = feed_of()
        feed.note(event("task_1", "Running"))
        feed.show(picture_of(flow_of(3)))
        assert feed.message()["live"]["task_1"][1] == "Running"
        assert feed.whole()["live"]["task_1"][1] == "Running"

    def test_a_task_that_joins_changes_nothing_else(self) -> None:
        """The others stand as they were told last, also those that have ended."""
        feed, _ = feed_of(2)
        feed.note(event("task_0", "Running"))
        feed.note(event("task_0", "Completed", 2.0))
        feed.join(picture_of(flow_of(3)))
        feed.note(event("task_2", "Running", 3.0))
        told = feed.message()
        assert (told["kind"], len(told["tasks"])) == ("whole", 3)
        assert {name: values[1] for name, values in told["live"].items()} == {
            "task_0": "Completed",
            "task_2": "Running",
        }

    def test_a_new_run_of_a_whole_flow(self) -> None:
        """What ran before is of no interest to it."""
        feed, _ = feed_of()
        feed.note(event("task_1", "Completed"))
        feed.begin(picture_of(flow_of(3)))
        assert feed.whole()["events"] == []
        assert feed.whole()["live"] == {}


class Page:
    """A page as far as it keeps what it is told."""

    def __init__(self, picture: dict[str, Any]) -> None:
        self.take(picture)

    def take(self, picture: dict[str, Any]) -> None:
        """Start from a whole picture."""
        self.tasks = {task["name"]: task for task in picture["tasks"]}
        self.live = dict(picture["live"])
        self.events = list(picture["events"])
        self.burst = picture["burst"]

    def hear(self, message: dict[str, Any]) -> None:
        """Take a message."""
        if message["kind"] == "whole":
            self.take(message)
            return
        for name, task in message["tasks"].items():
            self.tasks[name] = task
            self.live.pop(name, None)
        self.live |= message["live"]
        if message["burst"] != self.burst:
            self.burst, self.events = message["burst"], []
        self.events += message["events"]

    def knows(self, picture: dict[str, Any]) -> bool:
        """Whether it knows what a page would be given that is opened now."""
        other = Page(picture)
        return vars(self) == vars(other)


class TestRate:
    """Bursts are gathered."""

    def test_nothing_to_say(self) -> None:
        """A page that knows all is told nothing."""
        assert feed_of()[0].due() is None

    def test_the_first_change_is_told_at_once(self) -> None:
        """Nobody waits for the first sign of life."""
        feed, _ = feed_of()
        feed.note(event("task_0", "Running"))
        assert feed.due() == 0.0

    def test_further_changes_wait_for_their_turn(self) -> None:
        """At most fifteen messages a second."""
        feed, clock = feed_of()
        feed.note(event("task_0", "Running"))
        feed.message()
        feed.note(event("task_0", "Completed"))
        assert feed.due() == 1 / RATE
        clock.now += 2 / RATE
        assert feed.due() == 0.0

    def test_a_burst_is_one_message(self) -> None:
        """Of many states of one task the page is told the last, and of all the events."""
        feed, _ = feed_of()
        for state in ("Pending", "Running", "AwaitingRetry", "Retrying", "Completed"):
            feed.note(event("task_0", state))
        message = feed.message()
        assert message["live"]["task_0"][1] == "Completed"
        assert [values[1] for values in message["events"]][-2:] == ["Retrying", "Completed"]
        assert feed.due() is None

    def test_a_page_that_is_late_is_waited_for(self) -> None:
        """The next message is sent when it has painted the last, or after a second."""
        feed, clock = feed_of(waits=True)
        feed.note(event("task_0", "Running"))
        number = feed.message()["number"]
        feed.note(event("task_0", "Completed"))
        clock.now += 2 / RATE
        assert feed.due() == pytest.approx(PATIENCE - 2 / RATE)
        feed.painted(number)
        assert feed.due() == 0.0

    def test_a_page_that_never_answers_is_told_all_the_same(self) -> None:
        """A closed page holds nobody up."""
        feed, clock = feed_of(waits=True)
        feed.note(event("task_0", "Running"))
        feed.message()
        feed.note(event("task_0", "Completed"))
        clock.now += PATIENCE
        assert feed.due() == 0.0


class TestGroups:
    """Runs within runs."""

    def test_items_do_not_stand_for_their_task(self) -> None:
        """A run of a task's name within a flow is not that task's own run."""
        feed, _ = feed_of()
        feed.note(Event(Ran("task_0", run="a"), "Running", 1.0, is_open=True))
        feed.note(Event(Ran("task_0", run="b", parent="a", role="task"), "Failed", 1.5))
        message = feed.message()
        assert message["live"]["task_0"][1] == "Running"
        assert [values[6:9] for values in message["events"]] == [["a", "", "step"], ["b", "a", "task"]]

    def test_a_flow_belongs_to_the_cell_that_runs(self) -> None:
        """Nobody has started it but the body of the cell, as long as that runs."""
        feed, _ = feed_of()
        flow = Ran("etl", run="f", role="flow")
        feed.note(Event(Ran("task_0", run="a"), "Running", 1.0, is_open=True))
        feed.note(Event(flow, "Running", 1.1, is_open=True))
        feed.note(Event(Ran("task_0", run="a"), "Completed", 1.2))
        feed.note(Event(flow, "Completed", 1.3))
        parents = {(values[6], values[7]) for values in feed.message()["events"]}
        assert parents == {("a", ""), ("f", "a")}

    def test_groups_outlive_a_burst(self) -> None:
        """What the newest run of a task has started can be looked at as long as there is no newer one."""
        feed, _ = feed_of()
        page = Page(feed.whole())
        for number, at in enumerate((1.0, 60.0)):
            feed.note(Event(Ran("task_0", run=f"a{number}"), "Running", at, is_open=True))
            feed.note(
                Event(Ran("task_0[0]", run=f"b{number}", parent=f"a{number}", role="item"), "Failed", at)
            )
            feed.note(Event(Ran("task_0", run=f"a{number}"), "Failed", at))
            page.hear(feed.message())
        feed.note(Event(Ran("task_1", run="c"), "Completed", 120.0))
        page.hear(feed.message())
        whole = feed.whole()
        assert [values[6] for values in whole["events"]] == ["a1", "b1", "a1", "c"]
        assert whole["kept"] == 3
        assert page.knows(whole)


class TestContent:
    """The page knows at the end what there is to know."""

    def test_only_what_changed(self) -> None:
        """A flow of which one task changed is told as that task."""
        feed, _ = feed_of(40)
        picture = picture_of(flow_of(40))
        picture["tasks"][7] = {**picture["tasks"][7], "look": "failed"}
        feed.show(picture)
        message = feed.message()
        assert message["kind"] == "patch"
        assert list(message["tasks"]) == ["task_7"]

    def test_what_was_told_outlives_the_picture(self) -> None:
        """Whether the kernel hears the page is no matter of the flow."""
        feed, _ = feed_of(3)
        feed.tell(hears=True)
        feed.show(picture_of(flow_of(4)))
        assert feed.message()["hears"]

    def test_another_flow_is_told_as_a_whole(self) -> None:
        """New tasks stand at new places."""
        feed, _ = feed_of(3)
        feed.show(picture_of(flow_of(4)))
        message = feed.message()
        assert message["kind"] == "whole"
        assert len(message["tasks"]) == 4

    def test_judged_again_a_task_is_no_longer_on_its_way(self) -> None:
        """The state of a run that ended gives way to the verdict, although the entry is the same."""
        feed, _ = feed_of()
        feed.note(event("task_0", "Completed"))
        page = Page(feed.whole())
        feed.message()
        feed.show(picture_of(flow_of(3)))
        page.hear(feed.message())
        assert page.live == {}

    def test_a_brief_plain_cell_ends_none(self) -> None:
        """What ran before it is still to be seen; one that takes long, or in which something runs, does."""
        for seconds, state, expected in ((0.05, "Completed", ["task_0"]), (2.0, "Failed", ["cell [9]"])):
            feed, _ = feed_of()
            feed.note(event("task_0", "Running", 100.0))
            feed.note(event("task_0", "Completed", 101.0))
            cell = Ran("cell [9]", is_plain=True)
            feed.note(Event(cell, "Running", 200.0, is_open=True))
            assert feed.is_working
            feed.note(Event(cell, state, 200.0 + seconds))
            assert list(dict.fromkeys(values[0] for values in feed.whole()["events"])) == expected
        feed.note(Event(cell, "Running", 300.0, is_open=True))
        feed.note(event("task_1", "Running", 300.01))
        told = [(values[0], values[2]) for values in feed.whole()["events"]]
        assert told == [("cell [9]", 300.0), ("task_1", 300.01)]

    def test_a_long_plain_cell_begins_one_while_it_runs(self) -> None:
        """After a pause nobody is told of it at once, and everybody once it has taken a while."""
        feed, clock = feed_of()
        feed.note(Event(Ran("cell [9]", is_plain=True), "Running", 200.0, is_open=True))
        feed.message()
        wait = feed.due()
        assert wait is not None
        assert 0 < wait <= 0.1
        assert feed.whole()["events"] == []
        clock.now += 1
        assert feed.due() is not None
        assert [values[0] for values in feed.message()["events"]] == ["cell [9]"]
        feed.note(Event(Ran("cell [9]", is_plain=True), "Completed", 260.0))
        assert [values[1:3] for values in feed.whole()["events"]] == [
            ["Running", 200.0],
            ["Completed", 260.0],
        ]

    def test_a_pause_ends_a_burst(self) -> None:
        """The timeline begins anew with work that nobody connects with the last."""
        feed, _ = feed_of()
        for at in (1.0, 1.5, 60.0):
            feed.note(event("task_0", "Running", at))
            feed.note(event("task_0", "Completed", at))
        assert [values[2] for values in feed.whole()["events"]] == [60.0, 60.0]

    def test_who_waits_for_a_person_works_on_nothing(self) -> None:
        """A paused run neither makes the flow busy nor keeps a burst open for days."""
        feed, _ = feed_of()
        feed.note(event("task_0", "Running", 1.0))
        assert feed.is_working
        feed.note(event("task_0", "Paused", 2.0))
        assert not feed.is_working
        feed.note(event("task_1", "Completed", 60.0))
        assert [values[0] for values in feed.whole()["events"]] == ["task_1"]

    def test_a_wait_between_attempts_does_not(self) -> None:
        """However long a retry waits, its attempts are one story."""
        feed, _ = feed_of()
        feed.note(event("task_0", "Running", 1.0))
        feed.note(event("task_0", "AwaitingRetry", 2.0))
        feed.note(event("task_0", "Retrying", 600.0))
        assert len(feed.whole()["events"]) == 3

    @given(
        st.lists(
            st.one_of(
                st.tuples(st.integers(0, 3), st.sampled_from(sorted(TYPES)), st.floats(0, 9)),
                st.sampled_from(["send", "show", "grow"]),
            ),
            max_size=40,
        )
    )
    def test_in_the_end_a_page_knows_all(self, deeds: list[Any]) -> None:
        """Whatever happens in whatever order: told and sent, nothing is lost and nothing is old."""
        feed, _ = feed_of(4)
        page, at, size = Page(feed.whole()), 0.0, 4
        for deed in deeds:
            if deed == "send":
                page.hear(feed.message())
            elif deed in ("show", "grow"):
                size += deed == "grow"
                feed.show(picture_of(flow_of(size)))
            else:
                at += deed[2]
                feed.note(event(f"task_{deed[0]}", deed[1], at))
        page.hear(feed.message())
        assert page.knows(feed.whole())

    def test_told_from_many_threads(self) -> None:
        """No event is lost."""
        feed, _ = feed_of()

        def work(task: str) -> None:
            for _ in range(500):
                feed.note(event(task, "Running"))

        threads = [threading.Thread(target=work, args=(f"task_{place}",)) for place in range(3)]
        for thread in threads:
            thread.start()
        events = 0
        while any(thread.is_alive() for thread in threads):
            events += len(feed.message()["events"])
        assert events + len(feed.message()["events"]) == 1500
