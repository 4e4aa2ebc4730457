"""Values of the notebook's classes whose attributes can be changed, stored and restored."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from nbflow.store.disk import DiskStore
from nbflow.testing import Notebook

if TYPE_CHECKING:
    from pathlib import Path

TOTAL = "    def total(self):\n        return self.a"
CLASSES = {
    "a list": "class C:\n    items = [1]\n    def total(self):\n        return sum(self.items)",
    "a default": "class C:\n    def total(self, more=[1]):\n        return sum(more)",
    "attrs": "import attrs\n@attrs.define\nclass C:\n    a: int = 1\n" + TOTAL,
    "frozen attrs": "import attrs\n@attrs.frozen\nclass C:\n    a: int = 1\n" + TOTAL,
}


@pytest.mark.parametrize("definition", CLASSES.values(), ids=CLASSES)
def test_a_new_kernel(tmp_path: Path, definition: str) -> None:
    """An instance is restored; what its class holds is the class's, which is defined again."""
    notebook = Notebook(store=lambda names: DiskStore(tmp_path, namespace=names))
    notebook.add(definition, plain=True)
    cell = notebook.add("c = C()")
    notebook.run_all()
    notebook.restart()
    notebook.add("found = c.total(), isinstance(c, C)", plain=True)
    notebook.run_all()
    assert (notebook.names["found"], notebook.log.count(cell)) == ((1, True), 1)
    assert notebook.verdict(cell).value == "fresh"


def test_a_change_through_an_instance() -> None:
    """It is one of the class: whoever looks at that, or at another instance, runs again."""
    notebook = Notebook()
    notebook.add(CLASSES["a list"], plain=True)
    notebook.add("c = C()")
    change = notebook.add("c.items.append(5)")
    own = notebook.add("one = c.total()")
    other = notebook.add("two = C().total()")
    notebook.run_all()
    assert (notebook.names["one"], notebook.names["two"]) == (6, 6)
    notebook.edit(change, "c.items.append(7)")
    notebook.run(change)
    assert [notebook.verdict(cell).value for cell in (own, other)] == ["stale", "stale"]
    notebook.flow()
    assert (notebook.names["one"], notebook.names["two"]) == (8, 8)


def test_attrs_in_every_process() -> None:
    """A class that attrs has made has one digest, though attrs numbers it anew in each process."""
    code = (
        "import attrs, nbflow\nnames = {'__name__': '__main__', 'attrs': attrs}\n"
        "exec('@attrs.frozen\\nclass C:\\n    a: int = 1', names)\nprint(nbflow.digest(names['C']()))"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1
    assert found != {""}
