"""How libraries are set where a body runs: which of it the body looks at, as entries of its trace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from nbflow.engine.generators import load_settings
from nbflow.engine.libraries import LIBRARIES, key_of_settings, told
from nbflow.engine.slots import slot_of
from nbflow.types import Entry, Looked

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from nbflow.engine.apply import Workspace
    from nbflow.engine.bind import View


class Settings(msgspec.Struct, frozen=True):
    """How libraries are set where a body runs.

    Args:
        entries: An entry for the settings of each library, by workspace key.
        used: The keys of those that the body may look at.
    """

    entries: Mapping[str, Entry]
    used: frozenset[str] = frozenset()

    def looked_at(self, changed: AbstractSet[str], *, shows: bool) -> Iterator[Entry]:
        """The entries that count: what only decides how values look does where the body has shown something.

        Args:
            changed: The keys of the settings that the body has changed: what it leaves hangs on the others.
            shows: Whether it has shown something.
        """
        for key, entry in self.entries.items():
            if key in changed or (key in self.used and (shows or not LIBRARIES[key].shown)):
                yield entry


NO_SETTINGS: Final = Settings({})


def settings_at(view: View, workspace: Workspace, used: frozenset[str]) -> Settings:
    """How libraries are set at a place in flow order."""
    versions = {key: view.bound(slot_of(key)).version for key in LIBRARIES}
    entries = {
        key: Entry(Looked(slot_of(key)), version.output.digest, version.output.preview, version.step)
        if version is not None
        else _ambient(key, workspace)
        for key, version in versions.items()
    }
    return Settings(entries, used)


def put_settings_back(keys: Iterable[str], view: View, workspace: Workspace) -> None:
    """Let libraries be set as they are at a place in flow order."""
    for key in keys:
        version = view.bound(slot_of(key)).version
        if version is None or not workspace.place({key: version}):
            workspace.unbind(key)
    load_settings(keys)


def live_settings(workspace: Workspace, used: frozenset[str]) -> Settings:
    """How libraries are set at this moment."""
    return Settings({key: _live(key, workspace) for key in LIBRARIES}, used)


def _live(key: str, workspace: Workspace) -> Entry:
    label = workspace.labels.get(key)
    if label is None:
        return _ambient(key, workspace)
    version = label.version
    text, step = (version.output.preview, version.step) if version is not None else ("", "")
    return Entry(Looked(slot_of(key)), label.digest, text, step)


def _ambient(key: str, workspace: Workspace) -> Entry:
    state = workspace.ambient(key)
    return Entry(Looked(slot_of(key)), workspace.look_at(state).digest, told(state))


class SettingsKind:
    """The kind *settings* where no step has set a library: how the notebook finds it.

    Args:
        workspace: Tells that.
    """

    name = "settings"

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def now(self, locator: str) -> str:
        """The digest of what is set otherwise than the library starts."""
        return self._workspace.look_at(self._workspace.ambient(key_of_settings(locator))).digest

    def show(self, locator: str) -> str:
        """That as a text."""
        return told(self._workspace.ambient(key_of_settings(locator)))
