"""Settings: what there is, and where each value comes from.

In rising order: the default, `[tool.nbflow]` in the nearest `pyproject.toml`, the environment
(`NBFLOW_…`), `%config NBFlow.…`.
"""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from nbflow.exceptions import OptionError

if TYPE_CHECKING:
    from collections.abc import Mapping

BADGES: Final = ("live", "static", "off")
PLAINS: Final = ("quiet", "manual")
LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

_WORDS: Final = {"badge": BADGES, "plain": PLAINS, "log_level": LEVELS}

_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([kKMGT]?B?)")
_BYTES: Final = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


@dataclass(frozen=True, slots=True)
class Settings:
    """What can be set, with its defaults.

    Args:
        home: Folder of the store; empty: `.nbflow` beside the notebook.
        ask_above: From how many expected seconds of upstream work a cell asks first.
        auto_below: Below how many expected seconds `%flow auto` runs a task.
        badge: `live`, `static` (no times and numbers, so that a re-run changes no line of a
            diff) or `off`.
        log_level: From which level on the log tells of runs of explicit flows.
        plain: Which plain cells the flow may start: the `quiet` ones, which change nothing outside and
            are short; under `manual` none, only their user does.
        runner: Where bodies of tasks run that do not say themselves: `inline`, `thread`, or a runner
            of the notebook.
        size_limit: How much the values in the store may take, such as `20 GB`; a tenth of the free
            disk, if that is less.

    Example:
        >>> Settings().ask_above
        30.0
    """

    home: str = ""
    ask_above: float = 30.0
    auto_below: float = 10.0
    badge: str = "live"
    log_level: str = "WARNING"
    plain: str = "quiet"
    runner: str = "inline"
    size_limit: str = "20 GB"

    def store_in(self, folder: Path) -> Path:
        """Where the store of the notebooks in a folder is."""
        return Path(self.home).expanduser() if self.home else folder / ".nbflow"


@dataclass(frozen=True, slots=True)
class Origins:
    """Settings, and where each came from."""

    settings: Settings
    origins: Mapping[str, str]

    def changed(self, name: str, value: Any, origin: str) -> Origins:
        """The same with one setting changed.

        Raises:
            OptionError: If there is no such setting, or the value is none for it.
        """
        settings = replace(self.settings, **{name: _checked(name, value)})
        return Origins(settings, {**self.origins, name: origin})


def read_settings(folder: Path, environment: Mapping[str, str] | None = None) -> Origins:
    """The settings that hold in a folder.

    Args:
        folder: Where the search for a `pyproject.toml` begins, upwards.
        environment: By default the process's.

    Raises:
        OptionError: If one of them is unknown or has a value that it cannot have.
    """
    found = Origins(Settings(), {})
    file = _nearest_project(folder)
    table = _table_of(file) if file else dict[str, Any]()
    for name, value in table.items():
        found = _with(found, name, value, str(file))
    told = os.environ if environment is None else environment
    for each in fields(Settings):
        variable = f"NBFLOW_{each.name.upper()}"
        if variable in told:
            found = _with(found, each.name, told[variable], variable)
    return found


def read_size(text: str) -> int:
    """How many bytes a text means.

    Raises:
        OptionError: If it means no size.

    Example:
        >>> read_size("20 GB"), read_size("1.5MB"), read_size("800")
        (20000000000, 1500000, 800)
    """
    written = _SIZE.fullmatch(text.strip())
    if written is None:
        raise OptionError(f"{text!r} is no size; write bytes, or 500 MB, 20 GB")
    return int(float(written[1]) * _BYTES[written[2].removesuffix("B").upper()])


def _with(found: Origins, name: str, value: Any, origin: str) -> Origins:
    try:
        return found.changed(name, value, origin)
    except OptionError as error:
        raise OptionError(f"{origin}: {error}") from None


def _nearest_project(folder: Path) -> Path | None:
    candidates = (parent / "pyproject.toml" for parent in (folder, *folder.parents))
    return next((path for path in candidates if path.is_file()), None)


def _table_of(file: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise OptionError(f"{file} cannot be read: {error}") from None
    table = content.get("tool", {}).get("nbflow", {})
    if not isinstance(table, dict):
        raise OptionError(f"{file}: tool.nbflow is {table!r}, not a table")
    return cast("dict[str, Any]", table)


def _checked(name: str, value: Any) -> Any:
    kinds: dict[str, type[Any]] = {each.name: type(each.default) for each in fields(Settings)}
    if name not in kinds:
        raise OptionError.unknown("setting", name, kinds)
    said = str(value).upper() if name == "log_level" else value
    if name in _WORDS and said not in _WORDS[name]:
        raise OptionError.unknown(name, str(value), _WORDS[name])
    if name == "size_limit":
        read_size(str(value))
    try:
        return kinds[name](said)
    except (TypeError, ValueError):
        raise OptionError(f"setting {name}: {value!r} is no number") from None
