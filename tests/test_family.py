"""A run and all that it has started."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow import flow, task
from nbflow.running.family import family_of
from nbflow.running.records import present_records
from tests.graphs import in_memory

if TYPE_CHECKING:
    from nbflow.views.cards import RunCard


@task
def inc(x: int) -> int:
    """One more."""
    return x + 1


@flow
def child() -> list[int]:
    """A flow within another."""
    return [inc(1), inc(2)]


@flow
def etl() -> int:
    """Calls a flow, maps, and calls a task."""
    child()
    inc.map([1, 2, 3]).wait()
    inc.map([4]).wait()
    return inc(5)


def names(run: RunCard) -> object:
    """The names of a tree."""
    return [run.name, *map(names, run.runs)] if run.runs else run.name


class TestFamily:
    """What the history knows of who started whom."""

    def test_flows_tasks_and_maps(self) -> None:
        """Each `.map()` is a group of its own."""
        with in_memory():
            state = etl(return_state=True)
            run = family_of(state.run, present_records().history)
        assert run is not None
        assert names(run) == [
            "etl", ["child", "inc", "inc"], ["inc", "inc[0]", "inc[1]", "inc[2]"], ["inc", "inc[0]"], "inc"
        ]  # fmt: skip
        assert [each.state for each in run.runs] == ["Completed", "Mapped", "Mapped", "Completed"]
        assert run.seconds is not None
        assert run.seconds >= sum(each.seconds or 0 for each in run.runs)

    def test_what_is_not_known(self) -> None:
        """Is nothing."""
        with in_memory():
            assert family_of("nobody", present_records().history) is None
