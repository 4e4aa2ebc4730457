"""Names that belong to Python or to IPython instead of the user."""

from __future__ import annotations

import builtins
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_OF_EARLIER_CELLS: Final = frozenset(("In", "Out", "_ih", "_oh", "_", "__", "___", "_i", "_ii", "_iii"))

MANAGED: Final = frozenset(
    _OF_EARLIER_CELLS
    | {"_dh", "_sh"}
    | {"exit", "quit", "get_ipython", "_exit_code"}
    | {"__name__", "__doc__", "__package__", "__loader__", "__spec__", "__builtin__", "__builtins__"}
    | {"__build_class__", "__import__", "__debug__", "__annotations__", "__class__", "__classdict__"}
    | {"__warningregistry__"}
)

TEXT_NAMES: Final = frozenset(
    {"__doc__", "__annotations__", "__signature__", "signature", "getfullargspec", "getdoc"}
    | {"get_type_hints", "get_annotations", "getsource", "help", "render_doc"}
)
"""Names through which code looks at docstrings, annotations and signatures."""

BUILTINS: Final = (frozenset(dir(builtins)) | {"display"}) - MANAGED
"""What every cell can load without anybody having bound it; `display` is IPython's."""

_NUMBERED = re.compile(r"_i?[0-9]+\Z")


MAIN: Final = "__main__"
"""The module that the notebook's names are of."""


@lru_cache(maxsize=20_000)
def is_managed(name: str) -> bool:
    """Say whether Python or IPython keeps this name, so that it is no input or output.

    Example:
        >>> is_managed("_i12"), is_managed("_total")
        (True, False)
    """
    return name in MANAGED or is_of_earlier_cells(name)


def is_of_earlier_cells(name: str) -> bool:
    """Say whether IPython keeps in this name what earlier cells gave, or what stood in them.

    Example:
        >>> is_of_earlier_cells("_12"), is_of_earlier_cells("Out"), is_of_earlier_cells("exit")
        (True, True, False)
    """
    return name in _OF_EARLIER_CELLS or (name.startswith("_") and _NUMBERED.match(name) is not None)


def of_the_user(names: Iterable[str]) -> frozenset[str]:
    """Leave out the names that Python or IPython manages.

    Example:
        >>> of_the_user(["Out", "x", "_1"])
        frozenset({'x'})
    """
    return frozenset(name for name in names if not is_managed(name))
