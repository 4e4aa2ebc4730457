"""What of a module runs while it is imported."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import pytest

from nbflow.analysis.environment import HANDED
from nbflow.analysis.imported import AtImport, at_import, variables_in
from nbflow.analysis.running import running
from nbflow.store.texts import asked_behind

if TYPE_CHECKING:
    from pathlib import Path

ASKS = "os.environ['A']"
IMPORTS = """\
import functools, os
from functools import partial, wraps
from contextlib import contextmanager
from dataclasses import dataclass, field
"""

RUNS = [
    f"A = {ASKS}",
    f"def f():\n    return {ASKS}\nx = f()",
    f"def f():\n    return {ASKS}\ndef g():\n    return f()\nx = g()",
    f"def f(x={ASKS}): ...",
    f"class C:\n    x = {ASKS}",
    f"class C:\n    def m(self): return {ASKS}\nx = C().m()",
    f"class C:\n    @property\n    def m(self): return {ASKS}\nx = C().m",
    f"class C:\n    def __init__(self): self.x = {ASKS}\nx = C()",
    f"class C:\n    def __init__(self): self.x = {ASKS}\nclass D(C): ...\nx = D()",
    f"class C:\n    @classmethod\n    def load(cls): return {ASKS}\nx = C.load()",
    f"class C:\n    def __enter__(self): return {ASKS}\n    def __exit__(self, *_): ...\nwith C() as c: ...",
    f"class C:\n    def __init_subclass__(cls): {ASKS}\nclass D(C): ...",
    f"class M(type):\n    def __new__(cls, *a): {ASKS}\nclass C(metaclass=M): ...",
    f"@dataclass\nclass C:\n    a: str = field(default_factory=lambda: {ASKS})\nx = C()",
    f"def wrap(f):\n    {ASKS}\n    return f\n@wrap\ndef g(): ...",
    f"def wrap(f):\n    f()\n    return f\n@wrap\ndef g(): {ASKS}",
    f"def wrap(f):\n    return f()\n@wrap\nclass C:\n    def __init__(self): {ASKS}",
    f"def wrap(n):\n    def w(f):\n        {ASKS}\n        return f\n    return w\n@wrap(3)\ndef g(): ...",
    f"def f():\n    def g(): return {ASKS}\n    return g()\nx = f()",
    f"def f():\n    def g(): return {ASKS}\n    return g\nx = f()()",
    f"f = lambda: {ASKS}\nx = f()",
    f"def f(): return {ASKS}\nx = sorted([1], key=f)",
    f"def f(): return {ASKS}\nx = unknown(f)",
    f"def f(): return {ASKS}\nx = {{'f': f}}['f']()",
    f"def f(): return {ASKS}\nfor g in [f]: g()",
    f"def f(): return {ASKS}\ng = f\nx = g()",
    f"if True:\n    for n in range(3):\n        x = {ASKS}",
]
RESTS = [
    f"def f(): return {ASKS}",
    f"class C:\n    def m(self): return {ASKS}\nx = C()",
    f"class C(Base):\n    def m(self): return {ASKS}",
    f"@functools.lru_cache\ndef f(): return {ASKS}",
    f"@contextmanager\ndef f():\n    {ASKS}\n    yield",
    f"@dataclass\nclass C:\n    a: str = field(default_factory=lambda: {ASKS})",
    f"def wrap(f):\n    @wraps(f)\n    def w():\n        f({ASKS})\n    return w\n@wrap\ndef g(): ...",
    f"ALL = []\ndef wrap(f):\n    ALL.append(f)\n    return f\n@wrap\ndef g(): {ASKS}",
    f"def f(): return {ASKS}\nHANDLERS = {{'f': f}}",
    f"def f():\n    def g(): return {ASKS}\n    return g\nx = f()",
    f"f = lambda: {ASKS}",
    f"def f(): return {ASKS}\nx = partial(f)",
    f"def main(): {ASKS}\nif __name__ == '__main__':\n    main()",
]


class TestFunctions:
    """Those that the top level calls run, and no others."""

    @pytest.mark.parametrize("text", RUNS)
    def test_that_run(self, text: str) -> None:
        """What they ask for is asked by the import."""
        assert at_import(IMPORTS + text).environment == {"A"}

    @pytest.mark.parametrize("text", RESTS)
    def test_that_do_not(self, text: str) -> None:
        """They ask for nothing, though they name it."""
        assert at_import(IMPORTS + text).environment == set()
        assert variables_in(IMPORTS + text) == {"A", HANDED}

    def test_decorators_and_defaults_stay(self) -> None:
        """They run where the function is made."""
        (left,) = running(ast.parse("@deco(1)\ndef f(x=g()):\n    return x").body)
        assert ast.unparse(left) == "@deco(1)\ndef f(x=g()):\n    pass"


class TestCalls:
    """What a module calls of others while it is imported, by where it comes from."""

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("from tools import load\nx = load()", {"tools.load"}),
            ("import tools.io as io\nx = io.load()", {"tools.io.load"}),
            ("import tools.io\nx = tools.io.load()", {"tools.io.load"}),
            ("from .tools import load\nx = load()", {".tools.load"}),
            ("from . import tools\nx = tools.load()", {".tools.load"}),
            ("from tools import task\n@task\ndef f(): ...", {"tools.task"}),
            ("from tools import load\ndef f(): return load()", set()),
            ("from tools import load\ndef f(): return load()\nx = f()", {"tools.load"}),
        ],
    )
    def test_of_what_it_imports(self, text: str, expected: set[str]) -> None:
        """Also by functions of its own that it calls."""
        assert at_import(text).calls == expected

    def test_are_asked_where_they_lead(self, tmp_path: Path) -> None:
        """By the module that calls; nothing is asked by the one that has the function."""
        texts = {
            "pack.config": "from .tools import Reader\nA = Reader.read()",
            "pack.tools": "from . import deep\nclass Reader:\n    def read(): return deep.read()",
            "pack.deep": f"import os\ndef read(): return {ASKS}\ndef other(): os.environ['B']",
        }
        for module, text in texts.items():
            (tmp_path / module).write_text(text)
        asked = asked_behind({module: str(tmp_path / module) for module in texts})
        named = {module: set(asks.environment) for module, asks in asked.items()}
        assert named == {"pack.config": {"A"}, "pack.tools": set(), "pack.deep": set()}


class TestOptional:
    """Modules that a module can do without."""

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("try:\n    import fast.part\nexcept ImportError:\n    fast = None", {"fast"}),
            ("with suppress(ImportError):\n    from fast import go", {"fast"}),
            ("import fast", set()),
            ("def f():\n    try:\n        import fast\n    except ImportError: ...", set()),
        ],
    )
    def test_are_imported_under_a_guard(self, text: str, expected: set[str]) -> None:
        """Only where that happens at once."""
        assert at_import(text).optional == expected


class TestUnreadable:
    """What is no Python."""

    def test_asks_nothing(self) -> None:
        """The import fails by itself."""
        assert at_import("import os\nos.environ[") == AtImport()
        assert variables_in("import os\nos.environ[") == set()
