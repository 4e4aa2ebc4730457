"""How flows, tasks, runs, futures and states show themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from nbflow import Flow, flow, task, view
from nbflow.exceptions import DefinitionError
from nbflow.running.records import records_at_hand
from nbflow.states import Completed, Failed
from tests.graphs import add, in_memory, inc, odd, ok
from tests.views_cards import Reader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _records() -> Iterator[None]:
    with in_memory():
        yield


@task(retries=2, tags=["io"])
def load(path: str, limit: int = 3) -> str:
    """Reads a file."""
    return path


@flow
def both() -> Any:
    """Calls two."""
    return [load("a"), load("b")]


def build() -> Flow:
    """A flow with a mapped task in which an item fails."""
    with Flow("drawn") as built:
        add(ok(1), inc.map(odd.map([1, 2])))
    return built


def bundle(value: Any) -> dict[str, str]:
    """What a notebook is given."""
    found = value._repr_mimebundle_()
    assert Reader(found["text/html"]).is_safe()
    return found


class TestFlows:
    """Templates."""

    def test_a_graph(self) -> None:
        """Its picture, not run yet; in a terminal what Python prints."""
        shown = bundle(build())
        assert "4 not run" in Reader(shown["text/html"]).text
        assert shown["text/plain"] == "<Flow 'drawn': 4 tasks>"

    def test_a_function(self) -> None:
        """Its signature and what it is for; once it ran, what it called."""
        assert "it has not run yet" in bundle(both)["text/plain"]
        both()
        words = Reader(bundle(both)["text/html"]).text
        assert "Calls two.its last run: both completed" in words
        assert words.count("load completed") == 2

    def test_a_task(self) -> None:
        """With what was said of it."""
        shown = bundle(load)
        assert shown["text/plain"].splitlines()[1:] == ["Reads a file.", "retries=2, tags=('io',)"]
        assert Reader(shown["text/html"]).text.startswith("load(path: 'str', limit: 'int' = 3)")


class TestRuns:
    """What has happened."""

    def test_a_run_of_a_graph(self) -> None:
        """The graph in its colours, with times and counts of items, and all its runs."""
        shown = bundle(build().run())
        words = Reader(shown["text/html"]).text
        assert "1 of 2 items failed" in words
        assert "odd[1] failed" in words
        assert shown["image/svg+xml"].count("ms") >= 1
        assert shown["text/plain"].splitlines()[1].startswith("drawn: failed")

    def test_a_run_of_a_function(self) -> None:
        """The tree of what it called, and what it made."""
        state = both(return_state=True)
        assert bundle(state)["text/plain"].splitlines()[1] == "list, 2 items"
        assert bundle(both.runs()[0])["text/plain"].count("load: completed") == 2

    def test_futures(self) -> None:
        """One, and those of a map."""
        kept: list[Any] = []

        @flow
        def submits() -> None:
            kept.extend([load.submit("a"), load.map(["b", "c"])])
            kept[1].wait()

        submits()
        assert "load: completed" in bundle(kept[0])["text/plain"]
        assert [line[:18] for line in bundle(kept[1])["text/plain"].splitlines()[1:]] == [
            "load[0]: completed", "load[1]: completed",
        ]  # fmt: skip

    def test_states_made_by_hand(self) -> None:
        """Are what Python prints."""
        assert bundle(Failed("no file"))["text/plain"] == "Failed('no file')"
        assert bundle(Completed(result=[1, 2]))["text/plain"] == "Completed()\nlist, 2 items"


class TestView:
    """`nbflow.view(…)`."""

    def test_it_shows_what_it_is_given(self) -> None:
        """Also without a session."""
        assert view(build().run()).svg.startswith("<svg")

    def test_it_refuses_the_rest(self) -> None:
        """In one line."""
        with pytest.raises(DefinitionError, match="42 is no flow, task, run, future or state"):
            view(42)


class TestLooking:
    """Showing changes nothing."""

    def test_no_store_is_made(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where nothing is recorded, nothing is opened to be shown."""
        monkeypatch.setattr("nbflow.running.records._GIVEN.stack", [])
        monkeypatch.chdir(tmp_path)
        bundle(Completed("x").stamped(1.0, "some run"))
        assert records_at_hand() is None
        assert list(tmp_path.iterdir()) == []
