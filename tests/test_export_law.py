"""Random notebooks: an exported module prints, writes and ends as the cells do as plain Python."""

from __future__ import annotations

import contextlib
import io
import os
import random
import sys
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nbflow.export import CellText, module_of
from nbflow.options import TaskOptions
from nbflow.running.records import records_in, using
from nbflow.store.memory import MemoryStore
from tests.law.notebooks import DATA, FEATURES, FUNCTIONS, LIBRARY, PRELUDE, Author

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SHOW = """
def show(v):
    if hasattr(v, "inner"):
        return f"{type(v)}({show(v.inner)})"
    if isinstance(v, (list, tuple)):
        return f"{type(v).__name__}({[show(x) for x in v]})"
    return "code" if callable(v) else repr(v)
"""
LOOK = "try:\n    print({name!r}, show({name}))\nexcept NameError:\n    print({name!r}, 'unbound')"
SHARED = "try:\n    print([p is q for p in (a, b, c, d) for q in (a, b, c, d)])\nexcept NameError:\n    pass"
MIXES = [(name,) for name in FEATURES if name != "maps"]
MIXES += [
    ("mutate", "alias"),
    ("functions", "fail", "atoms"),
    ("classes", "alias", "fail"),
    ("files", "random"),
]


def notebook(luck: Random, features: tuple[str, ...]) -> list[CellText]:
    """A random notebook whose last cell looks at everything, or does not."""
    author = Author(luck, features)
    cells = [("plain", PRELUDE + SHOW)]
    cells += [("params", "year = 3")] if author.uses("parameters") else []
    made = [*author.prologue(), *(author.cell() for _ in range(luck.choice((2, 4, 6, 9))))]
    cells += [("plain" if cell.plain else "task", cell.source) for cell in made]
    look = "\n".join([*(LOOK.format(name=name) for name in (*DATA, *FUNCTIONS, "Box")), SHARED])
    cells += [(luck.choice(("plain", "task")), look)] if luck.random() < 0.8 else []
    names = iter([*luck.sample(DATA, 3), *(f"t{place}" for place in range(len(cells)))])
    return [
        CellText(kind, next(names) if kind == "task" else f"cell [{place}]", source, TaskOptions())  # type: ignore[arg-type]
        for place, (kind, source) in enumerate(cells, 1)
    ]


@contextlib.contextmanager
def folder_of_its_own(folder: Path) -> Iterator[None]:
    """With a module to import, and nothing else."""
    folder.mkdir()
    (folder / "library.py").write_text(LIBRARY.format(k=2))
    sys.modules.pop("library", None)
    with contextlib.chdir(folder):
        sys.path.insert(0, str(folder))
        try:
            yield
        finally:
            sys.path.remove(str(folder))


def outcome(sources: Sequence[str], folder: Path) -> tuple[str, str, dict[str, str]]:
    """What sources print, how they end, and what they leave behind."""
    names: dict[str, Any] = {"__name__": "__main__"}
    said, error = io.StringIO(), ""
    # One store for each folder would keep its files open until the process ends.
    with folder_of_its_own(folder), contextlib.redirect_stdout(said), using(records_in(MemoryStore())):
        random.seed(7)
        try:
            for source in sources:
                exec(compile(source, "<cells>", "exec", dont_inherit=True), names)
        except Exception as raised:
            error = type(raised).__name__.replace("UnboundLocalError", "NameError")
        texts = {name: Path(name).read_text() for name in sorted(os.listdir()) if name.endswith(".txt")}
    return said.getvalue(), error, texts


@pytest.mark.parametrize("features", MIXES, ids="+".join)
@given(seed=st.integers(0, 2**32))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_module_does_what_the_cells_do(
    features: tuple[str, ...], seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever is bound, changed, shared, deleted or raised."""
    folder = tmp_path_factory.mktemp("law")
    cells = notebook(Random(seed), features)
    module = module_of(cells, "nb.ipynb").text
    plain = outcome([cell.source for cell in cells], folder / "plain")
    assert outcome([module], folder / "module") == plain, module
