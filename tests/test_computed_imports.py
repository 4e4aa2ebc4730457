"""Modules that are imported by a call: by their names, as far as a text tells them."""

from __future__ import annotations

import ast
import os
import sys
from typing import TYPE_CHECKING

import pytest

from nbflow.analysis.computed_imports import computed_imports, imports_by_texts
from nbflow.testing import Notebook
from tests.cells import kept

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LAZY = """
import importlib
def __getattr__(name):
    if name in ("tools", "more"):
        return importlib.import_module(CALL)
    raise AttributeError(name)
"""
TOOLS = "lazy_lib/tools"
REGISTRY = "from importlib import import_module\ndef run(name, x): return import_module(CALL).act(x)\n"


class TestTexts:
    """What a call names."""

    @pytest.mark.parametrize(
        ("call", "package", "modules"),
        [
            ("import_module('app.core')", "app", ["app.core"]),
            ("import_module('.core', __name__)", "app", ["app.core"]),
            ("import_module('..core', __package__)", "app.sub", ["app.core"]),
            ("import_module(f'plugins.{name}')", "", ["plugins.*"]),
            ("import_module('plugins.%s.main' % name)", "app", ["plugins.*"]),
            ("import_module('plugins.{}'.format(name))", "app", ["plugins.*"]),
            ("import_module('.' + name, __name__)", "app.sub", ["app.sub.*"]),
            ("import_module(f'{__name__}.{name}')", "app", ["app.*"]),
            ("import_module(name)", "app", ["app.*"]),
            ("import_module(name)", "", []),
            ("__import__('app.core')", "", ["app.core"]),
            ("lazy.attach(__name__, submodules=['core'])", "app", ["app.*"]),
            ("imported(name)", "app", []),
        ],
    )
    def test_calls(self, call: str, package: str, modules: list[str]) -> None:
        """One name, or all modules of a package."""
        assert list(computed_imports(call, ast.parse(call), package)) == modules

    @pytest.mark.parametrize(
        ("texts", "found"),
        [
            (["app.core"], [("app.core", 0)]),
            (["plugins."], [("plugins.*", 0)]),
            (["."], [("*", 1)]),
            (["..core"], [("core", 2)]),
            (["no name", "core"], [("core", 0), ("*", 1)]),
            ([], [("*", 1)]),
        ],
    )
    def test_texts_of_a_function(self, texts: list[str], found: list[tuple[str, int]]) -> None:
        """Without a dot anywhere it may be each module in its own package."""
        assert list(imports_by_texts(texts)) == found


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where modules lie."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield tmp_path
    for name in [each for each in sys.modules if each.partition(".")[0] in ("lazy_lib", "registry", "parts")]:
        del sys.modules[name]


def write(folder: Path, modules: dict[str, str]) -> None:
    """Write modules by their paths, as somebody did some time ago."""
    for number, (name, text) in enumerate(modules.items()):
        path = folder / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        os.utime(path, (1e9 + number, 1e9 + number))


@pytest.mark.parametrize(
    "call", ["f'lazy_lib.{name}'", "'.' + name, __name__", "name if '.' in name else f'.{name}', __package__"]
)
class TestLazyPackage:
    """A package whose `__getattr__` imports its modules."""

    def opened(self, folder: Path, call: str) -> tuple[Notebook, str, str]:
        """A notebook that uses one of its modules in a task."""
        write(folder, {"lazy_lib/__init__": LAZY.replace("CALL", call), TOOLS: "def f(x): return x + 1\n"})
        notebook = Notebook(kept())
        plain = notebook.add("import lazy_lib", plain=True)
        task = notebook.add("y = lazy_lib.tools.f(1)")
        notebook.run_all()
        assert notebook.names["y"] == 2
        assert notebook.run(task).executed == []
        return notebook, plain, task

    def test_an_edit(self, folder: Path, call: str) -> None:
        """Who uses it is stale."""
        notebook, _, task = self.opened(folder, call)
        write(folder, {TOOLS: "def f(x): return x + 10\n"})
        assert notebook.verdict(task).value == "stale"
        notebook.run(task)
        assert notebook.names["y"] == 11

    def test_an_edit_between_kernels(self, folder: Path, call: str) -> None:
        """And an unchanged one is not."""
        notebook, plain, task = self.opened(folder, call)
        for text, value, executed in (("x + 1", 2, []), ("x + 10", 11, [task])):
            self.forget()
            write(folder, {TOOLS: f"def f(x): return {text}\n"})
            notebook.restart()
            notebook.run(plain)
            assert notebook.run(task).executed == executed
            assert notebook.names["y"] == value

    def forget(self) -> None:
        """What a new kernel has not imported."""
        for name in [each for each in sys.modules if each.partition(".")[0] == "lazy_lib"]:
            del sys.modules[name]


class TestRegistry:
    """A module that imports those of a package by computed names."""

    def test_an_edit(self, folder: Path) -> None:
        """Who calls it is stale."""
        parts = {"parts/__init__": "", "parts/one": "def act(x): return x + 1\n"}
        write(folder, {"registry": REGISTRY.replace("CALL", "f'parts.{name}'"), **parts})
        notebook = Notebook()
        notebook.add("import registry", plain=True)
        task = notebook.add("y = registry.run('one', 1)")
        notebook.run_all()
        write(folder, {"parts/one": "def act(x): return x + 10\n"})
        assert notebook.verdict(task).value == "stale"
        notebook.run(task)
        assert notebook.names["y"] == 11
