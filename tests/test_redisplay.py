"""Displays with an id of the user's own, in a real kernel: they follow tasks that ran from elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.kernels import Kernel, Shown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.process

CELLS = {
    "load": "%load_ext nbflow",
    "n": "N = 1",
    "place": "_ = display('nothing yet', display_id='place')",
    "own": "#@task own\nhandle = display('begins', display_id='own')\nhandle.update(N)\nown = N",
    "tools": "from IPython.display import update_display",
    "far": "#@task far\nupdate_display(-N, display_id='place')\nfar = N",
    "both": "#@task both\nprint(N)\ndisplay(10 * N, display_id='both')\nboth = N",
    "made": "#@task made\nhandle = display(N, display_id=True)\nmade = N",
}
OLD = "output above is from"


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    """A kernel in which the cells above ran, and the first one was edited and run since."""
    with Kernel(tmp_path) as kernel:
        kernel.begin(**CELLS)
        kernel.run("n", "N = 2")
        yield kernel


def updated(shown: Shown) -> dict[str, str]:
    """The texts of the displays with an id of the user's own that were updated."""
    texts = {id: data["text/plain"] for id, data in shown.updates.items()}
    return {id: text for id, text in texts.items() if id in ("own", "place", "both")}


def old(kernel: Kernel) -> list[str]:
    """The tasks whose cells are said to show an earlier run."""
    return [
        name for name in ("own", "far", "both", "made") if OLD in kernel.execute(f"%flow why {name}").text
    ]


class TestFromElsewhere:
    """A task runs, or is reused, and not by its own cell."""

    def test_what_has_an_id_is_updated(self, kernel: Kernel) -> None:
        """In its own cell or in another one; of the rest the badge says from which run it is."""
        assert updated(kernel.execute("%flow run")) == {"own": "2", "place": "-2", "both": "20"}
        assert old(kernel) == ["both", "made"]
        kernel.run("both")
        assert old(kernel) == ["made"]

    def test_going_back(self, kernel: Kernel) -> None:
        """Brings back what it had shown, and nothing is said of an earlier run."""
        kernel.execute("%flow run")
        kernel.run("n", "N = 1")
        assert updated(kernel.execute("%flow run")) == {"own": "1", "place": "-1", "both": "10"}
        assert old(kernel) == []

    def test_once(self, kernel: Kernel) -> None:
        """Nothing is updated again that is so already."""
        kernel.execute("%flow run")
        assert updated(kernel.run("n", "N = 2")) == {}
        assert updated(kernel.execute("%flow run")) == {}

    def test_restoring(self, kernel: Kernel) -> None:
        """The screen follows what the name holds."""
        kernel.execute("%flow run")
        assert updated(kernel.execute("%flow restore own -1")) == {"own": "1"}


class TestItsOwnCell:
    """A result that is reused there."""

    def test_it_is_shown_under_its_id(self, kernel: Kernel) -> None:
        """So that it can be updated later; another cell's display is updated anew."""
        kernel.run("n", "N = 1")
        shown = kernel.run("far")
        assert updated(shown) == {"place": "-1"}
        kernel.run("own")
        kernel.run("n", "N = 3")
        assert updated(kernel.execute("%flow run own"))["own"] == "3"
        assert "own" not in old(kernel)

    def test_a_new_kernel(self, kernel: Kernel) -> None:
        """Updates nothing before a cell has run in it, and replays what was shown."""
        kernel.restart()
        kernel.run("load")
        assert updated(kernel.execute("%flow run")) == {}
        for id in ("n", "place", "tools"):
            kernel.run(id)
        assert updated(kernel.run("far")) == {"place": "-2"}
