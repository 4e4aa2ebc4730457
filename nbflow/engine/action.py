"""What one action of the user did, be it a cell that ran or a run of the flow."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nbflow.states import State


@dataclass(slots=True)
class Action:
    """What one action of the user did.

    Args:
        executed: Identifiers of the steps whose body ran, in order, repeats included.
        reused: Identifiers of the steps that got an earlier trace.
        errors: For a step whose body failed, what it raised.
        refused: For a step whose trigger did not let it run, the state in which it ended.
        inline: For a step that was to run elsewhere and could not, the reason.
        spent: For a step that did not run, the one that would have to make what it starts from again.
    """

    executed: list[str] = field(default_factory=list[str])
    reused: list[str] = field(default_factory=list[str])
    errors: dict[str, BaseException] = field(default_factory=dict[str, BaseException])
    refused: dict[str, State] = field(default_factory=dict[str, "State"])
    inline: dict[str, str] = field(default_factory=dict[str, str])
    spent: dict[str, str] = field(default_factory=dict[str, str])

    def add(self, other: Action) -> None:
        """Count what another action did as done by this one."""
        self.executed += other.executed
        self.reused += other.reused
        self.errors |= other.errors
        self.refused |= other.refused
        self.inline |= other.inline
        self.spent |= other.spent

    @property
    def stop(self) -> KeyboardInterrupt | None:
        """The user's Stop, where one ended a body of this action; nothing started after it."""
        if not self.errors:
            return None  # asked before each step, and mostly so
        stops = (error for error in self.errors.values() if isinstance(error, KeyboardInterrupt))
        return next(stops, None)
