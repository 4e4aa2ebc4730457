"""The house rules: shape of the code, the layers' table, and examples that run."""

from __future__ import annotations

import ast
import doctest
import importlib
import os
import pkgutil
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

import nbflow

PACKAGE = Path(nbflow.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
MODULES = sorted(module.name for module in pkgutil.walk_packages([str(PACKAGE)], "nbflow."))
HEAVY = (
    "numpy",
    "pandas",
    "polars",
    "pyarrow",
    "sklearn",
    "torch",
    "psutil",
    "pydantic",
    "IPython",
    "ipywidgets",
)


def functions(path: Path) -> list[tuple[str, int]]:
    """The name and the length in lines of each function of a file."""
    nodes = ast.walk(ast.parse(path.read_text()))
    return [
        (f"{path.name}:{node.name}", (node.end_lineno or node.lineno) - node.lineno + 1)
        for node in nodes
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


class TestShape:
    """Files and functions stay small enough to be read in one sitting."""

    @pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
    def test_no_file_is_longer_than_500_lines(self, path: Path) -> None:
        """A file that outgrows 500 lines is two rooms."""
        assert len(path.read_text().splitlines()) <= 500

    def test_functions_are_short(self) -> None:
        """The median is at most 9 lines, nine of ten at most 30, none over 60."""
        found = [function for path in FILES for function in functions(path)]
        lengths = sorted(length for _, length in found)
        assert statistics.median(lengths) <= 9
        assert lengths[int(0.9 * len(lengths))] <= 30
        assert [name for name, length in found if length > 60] == []

    def test_no_file_has_a_name_that_says_nothing(self) -> None:
        """A room is found by its name."""
        assert {path.stem for path in FILES} & {"utils", "helpers", "common", "manager", "misc"} == set()


class TestDocumentation:
    """What is public is explained, and what is explained is true."""

    @pytest.mark.parametrize("name", MODULES)
    def test_the_examples_in_docstrings_run(self, name: str) -> None:
        """Each doctest gives what it says."""
        outcome = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
        assert outcome.failed == 0

    @pytest.mark.parametrize("name", MODULES)
    def test_what_a_module_exports_is_there(self, name: str) -> None:
        """`__all__` names existing things; that it is sorted is the linter's matter."""
        module = importlib.import_module(name)
        exported = list(getattr(module, "__all__", []))
        assert [item for item in exported if not hasattr(module, item)] == []


class TestReadme:
    """README says what is so."""

    def test_its_examples_run(self) -> None:
        """Each of them gives what it says."""
        readme = PACKAGE.parent / "README.md"
        assert doctest.testfile(str(readme), module_relative=False).failed == 0

    def test_it_names_every_module(self) -> None:
        """A new file needs a row in the table of places."""
        readme = (PACKAGE.parent / "README.md").read_text()
        modules = {
            path.stem for path in FILES if path.stem != "__init__" and path.parent.name != "task_runners"
        }
        assert {name for name in modules if f"`{name}`" not in readme and f"/{name}.py`" not in readme} <= {
            path.stem for path in (PACKAGE / "analysis").iterdir()
        }


LOADING = """
import asyncio, sys
from IPython.core.interactiveshell import InteractiveShell
later = ("nbflow.notebook.opening", "nbflow.options", "nbflow.views", "nbflow.store")
async def load():
    shell = InteractiveShell()
    shell.run_line_magic("load_ext", "nbflow")
    print([name for name in later if name in sys.modules])
    help_on = shell.find_cell_magic("task")
    async with asyncio.timeout(60):
        while "--retries" not in help_on.__doc__:
            await asyncio.sleep(0)
    print(all(name in sys.modules for name in later), "%flow" in shell.find_line_magic("flow").__doc__)
asyncio.run(load())
"""
"""A shell in a loop, as a kernel has one, that nobody gives a cell."""


class TestImports:
    """Importing the core is cheap."""

    def test_importing_the_core_loads_nothing_heavy(self) -> None:
        """No array, frame, model or notebook library is imported before it is needed."""
        code = f"import sys, nbflow.testing; print([m for m in {HEAVY!r} if m in sys.modules])"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "[]"

    def test_loading_the_extension_leaves_the_rest_for_when_the_kernel_waits(self, tmp_path: Path) -> None:
        """What opens a session, and draws, comes from the kernel's loop, and help lists all options then."""
        command, env = [sys.executable, "-c", LOADING], {**os.environ, "IPYTHONDIR": str(tmp_path)}
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
        assert done.stdout.split() == ["[]", "True", "True"]
