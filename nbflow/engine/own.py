"""Names that are not the user's: those of a run in the background, and of a body beside others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow.engine.apply import Workspace
from nbflow.engine.baggage import OF_THE_SHELL
from nbflow.engine.slots import RANDOM, SETTINGS, slot_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from nbflow.engine.bind import Version
    from nbflow.engine.labels import Label
    from nbflow.types import Slot


class OwnWorkspace(Workspace):
    """Names that are not the user's, beside which everything of the process stays as it is.

    Args:
        lender: The user's names, of which it has those of the shell, the store, and what tells who has set
            libraries: these are set for the whole process.
    """

    def __init__(self, lender: Workspace) -> None:
        names = {key: lender.names[key] for key in OF_THE_SHELL if key in lender.names}
        super().__init__(names, lender.store)
        self._lender = lender
        self._ambient = lender._ambient

    def bind(self, key: str, value: object, label: Label | None = None) -> None:
        """Let a key hold a value. The state of a global generator is everybody's: it stays as it is."""
        if slot_of(key).kind == RANDOM:
            self.label(key, label)
        else:
            super().bind(key, value, label)

    def seeded(self) -> list[str]:
        """None of the global generators stands for a version here."""
        return []

    def take_settings_from_others(self) -> None:
        """What no step has set is found among the user's names."""

    def holds(self, key: str, version: Version) -> bool:
        """Whether the key holds that very version."""
        return self._lender.holds(key, version) if _is_setting(key) else super().holds(key, version)

    def holds_together(self, versions: Mapping[str, Version]) -> bool:
        """Whether the keys hold these versions of one unit, all of them of one copy."""
        owner = self._lender if any(map(_is_setting, versions)) else super()
        return owner.holds_together(versions)

    def place(self, versions: Mapping[str, Version], *, lazily: bool = False) -> bool:
        """Put the members of one unit in place; settings stand where the user's names say so, or nowhere."""
        if any(map(_is_setting, versions)):
            return self.holds_together(versions)
        return super().place(versions, lazily=lazily)

    def set_besides(self, slots: Iterable[Slot]) -> set[str]:
        """The keys of the settings that some step has made and that are none of these slots."""
        return self._lender.set_besides(slots)


def _is_setting(key: str) -> bool:
    return slot_of(key).kind == SETTINGS
