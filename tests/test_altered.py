"""Tests of what is known of local modules that were changed in place."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

import pytest

from nbflow.store.altered import altered_among, note_altered
from nbflow.store.files import Files
from nbflow.store.modules import note_loaded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import ModuleType


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """A local module with a list."""
    (tmp_path / "altered_lib.py").write_text("items = [1]\nother = [2]\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("altered_lib")
    sys.modules.pop("altered_lib", None)


class TestAltered:
    """A module counts as changed once it, or something that it holds, was changed in place."""

    def test_itself(self, module: ModuleType) -> None:
        """A change of the module is one."""
        note_loaded(Files())
        assert not altered_among({id(module)})
        note_altered(module, ())
        assert altered_among({id(module)}) == {id(module)}

    def test_what_it_holds(self, module: ModuleType) -> None:
        """So is one of a list that stands in it, under whatever name it was changed."""
        note_loaded(Files())
        note_altered([], {id([])})
        assert not altered_among({id(module)})
        note_altered(module.items, {id(module.items)})
        assert altered_among({id(module)}) == {id(module)}

    def test_a_module_loaded_anew(self, module: ModuleType) -> None:
        """Another copy is not changed."""
        note_loaded(Files())
        note_altered(module, ())
        del sys.modules["altered_lib"]
        assert not altered_among({id(importlib.import_module("altered_lib"))})

    def test_what_the_import_system_put_there(self, module: ModuleType) -> None:
        """All modules share the builtins: whoever holds them has changed none of the modules."""
        note_loaded(Files())
        names: dict[str, object] = {}
        exec("x = 1", names)
        held = {id(names), id(names["__builtins__"])}
        assert id(vars(module)["__builtins__"]) in held
        note_altered(names, held)
        assert not altered_among({id(module)})
