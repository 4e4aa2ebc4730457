"""The slot kind of installed packages."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, field
from importlib import metadata
from typing import TYPE_CHECKING, Final

from nbflow.analysis.packages import modules_of, owners_of_modules
from nbflow.store.paths import PACKAGE_FOLDERS
from nbflow.types import UNBOUND

if TYPE_CHECKING:
    from collections.abc import Mapping

_STARTED_NS: Final = time.time_ns()

Stamp = tuple[tuple[str, int], ...]


class PackageKind:
    """The installed version of a package."""

    name = "package"

    def now(self, locator: str) -> str:
        """The version, `UNBOUND` if nothing of that name is installed."""
        return package_version(locator) or UNBOUND

    def show(self, locator: str) -> str:
        """The version for people."""
        return package_version(locator) or "not installed"


def package_version(name: str) -> str:
    """The version of an installed package, by the name of its module or distribution.

    Found once and kept until something is installed. A package that was replaced while its
    old code stays loaded in this process has the old code's version.

    Args:
        name: A top-level module (`sklearn`) or a distribution (`scikit-learn`).

    Returns:
        The version; several as `name version` for a namespace that distributions share; an
        empty string for Python's own modules and for what is not known.

    Example:
        >>> package_version("sys"), package_version("no_such_package")
        ('', '')
    """
    if name in sys.stdlib_module_names:
        return ""
    return _installed_now().version(name)


@dataclass(slots=True)
class _Installed:
    """What is installed, as long as no folder of packages changes."""

    stamp: Stamp
    versions: dict[str, str] = field(default_factory=dict[str, str])
    loaded: dict[str, object] = field(default_factory=dict[str, object])
    owners: Mapping[str, list[metadata.Distribution]] | None = None

    def version(self, name: str) -> str:
        found = self.versions.get(name)
        if found is None:
            found = self.versions[name] = self._look_up(name)
            if name in sys.modules:
                self.loaded[name] = sys.modules[name]
        return found

    def succeeded_by(self, stamp: Stamp) -> _Installed:
        """What is still known after an installation: the versions of code that was loaded before."""
        loaded = {name: module for name, module in self.loaded.items() if sys.modules.get(name) is module}
        return _Installed(stamp, {name: self.versions[name] for name in loaded}, loaded)

    def _look_up(self, name: str) -> str:
        distribution = _distribution(name)
        if distribution is not None and _holds_module(distribution, name):
            return _version_in_process(name, distribution)
        owners = self._owners().get(name, ()) if name.isidentifier() else ()
        found = list({owner.name: owner for owner in owners}.values())
        if len(found) == 1:
            return _version_in_process(name, found[0])
        if found:
            return ", ".join(sorted(f"{owner.name} {owner.version}" for owner in found))
        return distribution.version if distribution is not None else ""

    def _owners(self) -> Mapping[str, list[metadata.Distribution]]:
        if self.owners is None:
            self.owners = owners_of_modules()
        return self.owners


_kept: list[_Installed] = []


def _installed_now() -> _Installed:
    """What was found before, forgotten as soon as something was installed or removed."""
    stamp = _stamp()
    if not _kept:
        _kept.append(_Installed(stamp))
    elif _kept[0].stamp != stamp:
        _kept[0] = _kept[0].succeeded_by(stamp)
    return _kept[0]


def _stamp() -> Stamp:
    """When each folder of packages last changed: installing adds or removes an entry."""
    return tuple((entry, _changed_ns(entry)) for entry in sys.path if entry.endswith(PACKAGE_FOLDERS))


def _changed_ns(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0


def _distribution(name: str) -> metadata.Distribution | None:
    try:
        return metadata.distribution(name)
    except (metadata.PackageNotFoundError, ValueError):
        return None


def _holds_module(distribution: metadata.Distribution, name: str) -> bool:
    """Whether the module of that name is this distribution's: `jwt` is not that of PyJWT."""
    return name in modules_of(distribution)


def _version_in_process(name: str, distribution: metadata.Distribution) -> str:
    """The installed version, or that of the loaded code if it was replaced beneath it."""
    loaded = getattr(sys.modules.get(name), "__dict__", {}).get("__version__")
    if isinstance(loaded, str) and _changed_ns(str(distribution.locate_file(""))) > _STARTED_NS:
        return str(loaded)
    return distribution.version
