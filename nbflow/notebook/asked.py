"""A cell that the user runs, as the front end sent it."""

from __future__ import annotations

import msgspec


class Asked(msgspec.Struct, frozen=True):
    """A cell that the user runs.

    Args:
        text: The whole cell.
        id: What the notebook's file calls it; empty where the front end does not send that.
        handle: What the front end calls it as long as the notebook is open; empty where it sends nothing.
        number: Its execution count.
        asks: Whether somebody is there who could answer a question.
    """

    text: str
    id: str = ""
    number: int | None = None
    asks: bool = True
    handle: str = ""
