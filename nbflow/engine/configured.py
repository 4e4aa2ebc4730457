"""How libraries are set where a body runs: which of it the body looks at, as entries of its trace."""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING

import msgspec

from nbflow.engine.libraries import LIBRARIES, set_in, told
from nbflow.engine.library import AS_IT_STARTS
from nbflow.engine.own_modules import made_by_imports
from nbflow.engine.patches import Patch
from nbflow.engine.slots import SETTINGS, key_of, slot_of
from nbflow.engine.stateful import load_settings, setting_slots
from nbflow.engine.verify import version_key
from nbflow.store.digests import digest
from nbflow.types import Entry, Looked, Slot

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from nbflow.engine.apply import Workspace
    from nbflow.engine.bind import View
    from nbflow.engine.book import Step
    from nbflow.engine.labels import Label


class Settings(msgspec.Struct, frozen=True):
    """How libraries are set where a body runs.

    Args:
        made: An entry for each library that some step has set, by workspace key.
        used: The keys of those that the body may look at.
        others: Gives the entry of any other library.
    """

    made: Mapping[str, Entry]
    used: frozenset[str]
    others: Callable[[str], Entry]

    def looked_at(self, changed: AbstractSet[str], *, shows: bool) -> Iterator[Entry]:
        """The entries that count: what only decides how values look does where the body has shown something.

        Args:
            changed: The keys of what the body has changed: what it leaves hangs on the other settings there,
                but for an attribute of a module or class, which is alone.
            shows: Whether it has shown something.
        """
        if not (self.used or changed):
            return
        counted = {key for key in self.used if shows or not LIBRARIES[key].shown}
        hang = {key for key in changed & LIBRARIES.keys() if not isinstance(LIBRARIES[key], Patch)}
        for key in sorted(counted | hang):
            yield self.entry(key)

    def entry(self, key: str) -> Entry:
        """How one library is set."""
        return self.made.get(key) or self.others(key)


def settings_at(view: View, workspace: Workspace, used: frozenset[str]) -> Settings:
    """How libraries are set at a place in flow order."""
    given = view.given(setting_slots())
    if not given:
        return Settings({}, used, partial(_ambient, workspace))
    bound = ((slot, view.bound(slot).version) for slot in given)
    made = {
        key_of(slot): Entry(Looked(slot), version_key(version, view), version.output.preview, version.step)
        for slot, version in bound
        if version is not None
    }
    return Settings(made, used, partial(_ambient, workspace))


def put_settings_back(step: Step, view_of: Callable[[], View], workspace: Workspace) -> None:
    """Before a plain cell that sets libraries let them be as above it, else it would set nothing anew.

    Args:
        step: The cell.
        view_of: Gives the bindings at its place.
        workspace: The names.
    """
    if not workspace.labels.keys() & LIBRARIES.keys():
        return  # nothing but what the notebook has found
    outputs = step.given.outputs if step.given is not None else ()
    made = {key_of(output.slot) for output in outputs if output.slot.kind == SETTINGS}
    keys = made | workspace.set_by(step.id) | set_in(step.body.source)
    if keys := keys - made_by_imports(step.body, keys):
        _put_back(keys, view_of(), workspace)


def _put_back(keys: Collection[str], view: View, workspace: Workspace) -> None:
    for key in keys:
        version = view.bound(slot_of(key)).version
        is_patch = isinstance(LIBRARIES.get(key), Patch)  # what cannot be placed stays as it is
        if version is None or not (workspace.place({key: version}) or is_patch):
            workspace.unbind(key)
    load_settings(keys)


def live_settings(workspace: Workspace, used: frozenset[str]) -> Settings:
    """How libraries are set at this moment."""
    labelled = ((key, workspace.labels[key]) for key in workspace.labels.keys() & LIBRARIES.keys())
    made = {key: _live(key, label, workspace) for key, label in labelled}
    return Settings(made, used, partial(_ambient, workspace))


def _live(key: str, label: Label, workspace: Workspace) -> Entry:
    version = label.version
    text, step = (version.output.preview, version.step) if version is not None else ("", "")
    return Entry(Looked(slot_of(key)), workspace.seen(key), text, step)


def _ambient(workspace: Workspace, key: str) -> Entry:
    state = workspace.ambient(key)
    return (
        Entry(Looked(slot_of(key)), workspace.look_at(state).digest, told(state))
        if state
        else _untouched(key)
    )


@cache
def _untouched(key: str) -> Entry:
    """The entry of a library that is as it starts."""
    return Entry(Looked(slot_of(key)), digest(AS_IT_STARTS))


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
        return _ambient(self._workspace, key_of(Slot(SETTINGS, locator))).digest

    def show(self, locator: str) -> str:
        """That as a text."""
        return _ambient(self._workspace, key_of(Slot(SETTINGS, locator))).preview
