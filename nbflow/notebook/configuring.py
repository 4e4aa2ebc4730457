"""`%config NBFlow.…`: the settings as IPython's own configuration shows and changes them."""

from __future__ import annotations

import importlib
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from traitlets import TraitError, TraitType
from traitlets.config import Configurable

from nbflow.exceptions import OptionError
from nbflow.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.notebook.session import Session


class _Setting(TraitType[Any, Any]):
    """A setting; what is assigned is checked as it is wherever else a setting may come from."""

    def validate(self, obj: Any, value: Any) -> Any:
        try:
            return obj.change(self.name, value)
        except OptionError as error:
            raise TraitError(str(error)) from None


def configurable_of(shell: Any, session: Callable[[], Session]) -> Configurable:
    """What `%config` lists as `NBFlow`.

    Args:
        shell: The IPython shell.
        session: Gives the session whose settings they are.
    """

    def change(self: Any, name: str, value: Any) -> Any:
        around = session().around
        if value == getattr(around.settings.settings, name):
            return value
        if name == "runner":
            session().runners.named(str(value))
        around.settings = around.settings.changed(name, value, f"%config NBFlow.{name}")
        session().book.let_start_plain(around.settings.settings.plain == "quiet")
        # Loading the extension must cost next to nothing: logs of runs are there with the session.
        importlib.import_module("nbflow.running.logs").log_as_set(around.settings)
        return getattr(around.settings.settings, name)

    traits = {each.name: _Setting(each.default).tag(config=True) for each in fields(Settings)}
    made = type("NBFlow", (Configurable,), {"change": change, **traits})
    return made(parent=shell)
