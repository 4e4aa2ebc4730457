"""What the user's own modules look at while they are imported, as inputs of who imports them.

A module does that once: whoever imports it later gets what it made of it then. So its files and variables are
no part of `module_digest`, which is the same before and after the import; each is an input of its own.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import msgspec

from nbflow.store.importing import ALL, assume, assumed, found_by, found_early, found_in
from nbflow.store.modules import Steps, modules_behind, text_of_module
from nbflow.store.trail import data_of_module
from nbflow.store.variables import shown_variable, variable_digest
from nbflow.types import Slot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from nbflow.store.files import Files
    from nbflow.types import Entry

AT_IMPORT: Final = "variable at import"
"""The kind of the slots."""

_NOT_ASKED: Final = "not asked"
"""The digest of a variable that a module has not asked for: something else must be another, too."""

_ASKS: Final = re.compile(
    r"(?:environb?\s*\[|(?:getenvb?|environb?\.(?:get|setdefault|pop))\s*\()\s*b?[\"'](\w+)"
    r"|[\"'](\w+)[\"']\s+(?:not\s+)?in\s+(?:os\.)?environ"
)
"""How a text asks for a variable by its name."""


_LOCATOR: Final = re.compile(r"[^\W\d][\w.]*:[^/\\]*")


class AtImport(msgspec.Struct, frozen=True):
    """What local modules looked at while they were imported.

    Args:
        files: Path to the digest of the content then, `UNBOUND` for a file that was missed.
        variables: Locator of a variable to what the module found in it; None: it was not set.
    """

    files: Mapping[str, str] = {}
    variables: Mapping[str, str | None] = {}

    def __bool__(self) -> bool:
        """Whether there is something."""
        return bool(self.files or self.variables)

    def after(self, earlier: AtImport) -> AtImport:
        """The same with what was seen earlier, which counts."""
        return AtImport({**self.files, **earlier.files}, {**self.variables, **earlier.variables})


NOTHING_ASKED: Final = AtImport()
"""Of who imports none."""


def at_import(modules: Iterable[str], files: Files) -> AtImport:
    """What local modules, and those that they import, looked at while they were imported.

    Args:
        modules: Dotted names.
        files: The session's files.
    """
    data: dict[str, str] = {}
    variables: dict[str, str | None] = {}
    known = Steps()
    for module in modules_behind(modules, files, known):
        data |= data_of_module(module)
        variables |= _variables(module, files, known)
    return AtImport(data, variables) if data or variables else NOTHING_ASKED


def _variables(module: str, files: Files, known: Steps) -> dict[str, str | None]:
    """What a module found in variables, by locator.

    What those behind it have set does not count: they do so whenever it is imported. So the locator names
    them, and the value is the one from before.
    """
    found = found_by(module)
    if found is None:
        # Nobody saw what it asked: its text tells.
        found = {name: found_early(name) for name in _named_in(text_of_module(module))}
    behind = lru_cache(1)(lambda: modules_behind([module], files, known))
    variables: dict[str, str | None] = {}
    for name, each in found.items():
        value, makers = each.without(lambda by: bool(by) and (is_around(by, module) or by in behind()))
        variables[f"{module}:{name}{''.join(f'={by}' for by in sorted(makers))}"] = value
    return variables


def is_around(package: str, module: str) -> bool:
    """Whether a module is another one, or a package around it.

    Example:
        >>> is_around("app", "app.settings"), is_around("app", "apple")
        (True, False)
    """
    return f"{module}.".startswith(f"{package}.")


@lru_cache(maxsize=500)
def _named_in(text: str) -> frozenset[str]:
    return frozenset(one or other for one, other in _ASKS.findall(text))


class AtImportKind:
    """A variable of the environment as a local module found it when it was imported, or would find it now.

    Args:
        key: The user's secret key.
        is_doubtful: Whether a module, given a locator, may have asked at another moment than at its place.
    """

    name = AT_IMPORT

    def __init__(self, key: bytes, is_doubtful: Callable[[str], bool] = lambda _: False) -> None:
        self._key = key
        self._is_doubtful = is_doubtful

    def now(self, locator: str) -> str | None:
        """Keyed digest of the value, `UNBOUND` where it was not set.

        None where the module was loaded later than it would have been, and has found another one.
        """
        if self._is_doubtful(locator):
            return None
        module, name, makers = parted(locator)
        found, earlier = found_in(module, name), assumed(module, name)
        if found is None:
            return _NOT_ASKED
        now, _ = found.without(makers.__contains__)
        same = earlier is None or earlier.without(makers.__contains__)[0] == now
        return variable_digest(name, now, self._key) if same else None

    def show(self, locator: str) -> str:
        """Whether the variable was set."""
        return shown_variable(self.now(locator) or _NOT_ASKED)


def take_as_imported(entries: Iterable[Entry]) -> None:
    """Note that a result is reused whose body would have loaded the modules that it looked at.

    Once a cell has set a variable, these modules would not find any more what they were to find.

    Args:
        entries: What the body saw.
    """
    for entry in entries:
        if entry.looked.slot.kind == AT_IMPORT:
            module, name, _ = parted(entry.looked.slot.locator)
            assume(module, name)


def slot_at_import(locator: str) -> Slot:
    """The slot of a variable.

    Args:
        locator: Module and name, as `app.settings:STAGE`, who set it before: `app.settings:STAGE=app`.
    """
    return Slot(AT_IMPORT, locator)


def parted(locator: str) -> tuple[str, str, frozenset[str]]:
    """The module and the variable that a locator tells, and who has set it before.

    Example:
        >>> parted("app.settings:STAGE=app")
        ('app.settings', 'STAGE', frozenset({'app'}))
    """
    module, _, rest = locator.partition(":")
    name, *makers = rest.split("=")
    return module, name, frozenset(makers)


def in_words(locator: str) -> str:
    """What a variable is called for people.

    Example:
        >>> in_words("settings:STAGE")
        'environment variable STAGE, which settings asks for when it is imported,'
        >>> in_words("app.settings:")
        'one of all environment variables, which app.settings asks for when it is imported,'
        >>> in_words("raw")  # no such locator
        'raw'
    """
    if not _LOCATOR.fullmatch(locator):
        return locator
    module, name, _ = parted(locator)
    what = "one of all environment variables" if name == ALL else f"environment variable {name}"
    return f"{what}, which {module} asks for when it is imported,"
