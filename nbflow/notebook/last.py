"""How the last run of a step stands, as badges and views tell it."""

from __future__ import annotations

import msgspec


class Last(msgspec.Struct, frozen=True):
    """How the last run of a step stands: its state and message, its flow run, its attempt and itself."""

    state: str
    number: int
    attempt: int
    message: str = ""
    run: str = ""
