"""The tutorial notebook, and what it is to whom nbflow is not installed: plain Python."""

from __future__ import annotations

import ast
import io
import json
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import matplotlib as mpl
import sklearn.ensemble  # noqa: F401  only threads of what is loaded can be limited
from threadpoolctl import threadpool_limits

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "flights.ipynb"
SMALL = {"MONTHS": 2, "SAMPLE": 5000, "TREES": 20, "REPEATS": 2}


def cells() -> list[dict[str, Any]]:
    """The notebook's code cells."""
    return [cell for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == "code"]


def plain_run(**parameters: int) -> tuple[dict[str, Any], dict[str, str]]:
    """All names after the cells ran from top to bottom on one core, and what each cell showed as text."""
    mpl.use("agg")
    names: dict[str, Any] = {"__name__": "__main__"}
    shown: dict[str, str] = {}
    with threadpool_limits(1):
        for cell in cells():
            shown[cell["id"]] = _execute(without_magics(cell), cell["id"], names)
            if cell["id"] == "params":
                names.update(parameters)
    names["plt"].close("all")
    return names, shown


def without_magics(cell: dict[str, Any]) -> str:
    """What is left of a cell where nbflow is not installed."""
    return "".join(line for line in cell["source"] if not line.startswith("%"))


def _execute(source: str, name: str, names: dict[str, Any]) -> str:
    """Run a cell as a notebook does: the value of a last expression is shown."""
    tree = ast.parse(source)
    last = tree.body[-1:]
    shows = bool(last) and isinstance(last[0], ast.Expr)
    with redirect_stdout(io.StringIO()) as printed:
        exec(compile(ast.Module(tree.body[:-1] if shows else tree.body, []), name, "exec"), names)
        value = eval(compile(ast.Expression(last[0].value), name, "eval"), names) if shows else None  # type: ignore[attr-defined]
    texts = (printed.getvalue().strip(), "" if value is None else repr(value))
    return "\n".join(filter(None, texts)).strip()
