"""What modules of the user's own look at while they are imported, and what that is later."""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING

import pytest

from nbflow.store.at_import import AtImportKind, at_import, take_as_imported
from nbflow.store.files import Files
from nbflow.store.importing import is_noted
from nbflow.store.variables import EVENT
from nbflow.store.watching import listen, listen_no_more
from nbflow.types import Entry, Looked, Slot

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KIND = AtImportKind(b"")
ASKS = "import os\nA = os.environ.get('NBJ_A')\n"
TEXTS = {
    "nbj_asks": ASKS,
    "nbj_sets": "import os\nos.environ.setdefault('NBJ_A', 'set')\n" + ASKS,
    "nbj_leans": "import nbj_sets\n" + ASKS,
    "nbj_lets": "import json\n\n\ndef later():\n    import os\n\n    return os.environ['NBJ_A']\n",
    "nbj_pack/__init__": "import os\nos.environ['NBJ_A'] = 'pack'\n",
    "nbj_pack/part": ASKS,
}


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Files]:
    """A folder with modules, and the variable not set."""
    for name, text in TEXTS.items():
        path = tmp_path / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))  # pyright: ignore[reportUnknownMemberType]
    monkeypatch.setenv("NBJ_A", "")
    monkeypatch.delenv("NBJ_A")
    yield Files()
    forget()


def forget() -> None:
    """Let all of them be loaded anew."""
    for name in [name for name in sys.modules if name.startswith("nbj_")]:
        del sys.modules[name]


def load(files: Files, *modules: str) -> None:
    """Import modules under a watch."""
    with files.watch():
        for name in modules:
            importlib.import_module(name)


def found(files: Files, module: str) -> dict[str, str | None]:
    """What is noted for who imports a module."""
    return dict(at_import([module], files).variables)


def entry_of(locator: str) -> Entry:
    """What a body would see now."""
    return Entry(Looked(Slot(KIND.name, locator)), KIND.now(locator) or "")


class TestDetached:
    """Between two sessions."""

    def test_nothing_is_noted(self, files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
        """What is loaded meanwhile has asked unseen: its text tells what, and the next session the value."""
        listen(files)
        assert is_noted(EVENT)
        listen_no_more(files)
        assert not is_noted(EVENT)
        importlib.import_module("nbj_asks")
        monkeypatch.setenv("NBJ_A", "two")
        listen(files)
        assert found(files, "nbj_asks") == {"nbj_asks:NBJ_A": "two"}

    def test_another_session_goes_on(self, files: Files) -> None:
        """It is ended by its own files alone."""
        listen(files)
        listen_no_more(Files())
        assert is_noted(EVENT)


class TestNoted:
    """Each question is noted for the module that is imported."""

    def test_a_question(self, files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
        """With the answer, which stays whatever the variable holds later."""
        monkeypatch.setenv("NBJ_A", "1")
        load(files, "nbj_asks")
        monkeypatch.setenv("NBJ_A", "2")
        assert found(files, "nbj_asks") == {"nbj_asks:NBJ_A": "1"}

    def test_what_nobody_calls(self, files: Files) -> None:
        """A function that would ask has asked nothing."""
        load(files, "nbj_lets")
        assert found(files, "nbj_lets") == {}

    def test_what_modules_set(self, files: Files) -> None:
        """It is no answer to themselves, nor to who imports them, be it the package around."""
        load(files, "nbj_leans", "nbj_pack.part")
        assert found(files, "nbj_sets") == {"nbj_sets:NBJ_A": None}
        leans = found(files, "nbj_leans")
        assert leans == {"nbj_leans:NBJ_A=nbj_sets": None, "nbj_sets:NBJ_A": None}
        assert found(files, "nbj_pack.part") == {"nbj_pack.part:NBJ_A=nbj_pack": "set"}

    def test_what_somebody_else_sets(self, files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
        """That is what the module finds."""
        load(files, "nbj_sets")
        load(files, "nbj_asks")
        monkeypatch.setenv("NBJ_A", "by hand")
        load(files, "nbj_leans")
        assert found(files, "nbj_asks") == {"nbj_asks:NBJ_A": "set"}
        assert found(files, "nbj_leans")["nbj_leans:NBJ_A"] == "by hand"

    def test_a_reload(self, files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
        """The module asks anew."""
        load(files, "nbj_asks")
        monkeypatch.setenv("NBJ_A", "2")
        with files.watch():
            importlib.reload(sys.modules["nbj_asks"])
        assert found(files, "nbj_asks") == {"nbj_asks:NBJ_A": "2"}


class TestLater:
    """What the slot of a variable holds."""

    def test_of_who_is_loaded(self, files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
        """What it found; of one that is not, what it would find now."""
        before = KIND.now("nbj_asks:NBJ_A")
        load(files, "nbj_asks")
        monkeypatch.setenv("NBJ_A", "2")
        assert KIND.now("nbj_asks:NBJ_A") == before
        forget()
        assert KIND.now("nbj_asks:NBJ_A") != before

    def test_of_who_comes_after_others(self, files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
        """What those have set that it imports is as if they had not."""
        load(files, "nbj_leans")
        locator = "nbj_leans:NBJ_A=nbj_sets"
        before = KIND.now(locator)
        forget()
        assert KIND.now(locator) == before
        monkeypatch.delenv("NBJ_A")
        forget()
        assert KIND.now(locator) == before
        monkeypatch.setenv("NBJ_A", "2")
        assert KIND.now(locator) != before

    def test_a_question_that_it_does_not_ask(self, files: Files) -> None:
        """Then something else must be another: nothing is the same."""
        before = KIND.now("nbj_lets:NBJ_A")
        load(files, "nbj_lets")
        assert KIND.now("nbj_lets:NBJ_A") != before

    def test_where_a_result_was_reused(self, files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
        """The module would have been loaded by then: once it is, and finds another, nobody can tell."""
        seen = entry_of("nbj_asks:NBJ_A")
        take_as_imported([seen])
        monkeypatch.setenv("NBJ_A", "2")
        assert KIND.now("nbj_asks:NBJ_A") == seen.digest
        load(files, "nbj_asks")
        assert KIND.now("nbj_asks:NBJ_A") is None
        os.environ.pop("NBJ_A")
        with files.watch():
            importlib.reload(sys.modules["nbj_asks"])
        assert KIND.now("nbj_asks:NBJ_A") == seen.digest
