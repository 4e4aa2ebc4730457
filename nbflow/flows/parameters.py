"""Parameters: what is given to a flow from outside, as tasks of it."""

from __future__ import annotations

from typing import Any, Final

from nbflow.context import context
from nbflow.exceptions import DefinitionError
from nbflow.tasks import Task

NO_DEFAULT: Final = object()


class Parameter(Task):
    """A value that is given to a run of a flow.

    Args:
        name: What it is called.
        default: Its value where nothing is given; without one it is required.
        required: Whether it must be given; by default, whether it has no default.
        options: As for every task.

    Raises:
        DefinitionError: If its name is no text.

    Example:
        >>> Parameter("year", default=2013).is_required, Parameter("year").is_required
        (False, True)
    """

    def __init__(
        self, name: str, default: Any = NO_DEFAULT, required: bool | None = None, **options: Any
    ) -> None:
        if not name or not isinstance(name, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # user code
            raise DefinitionError(f"a Parameter needs a name, and {name!r} is none")
        super().__init__(name, **options)
        self.default = None if default is NO_DEFAULT else default
        self.is_required = default is NO_DEFAULT if required is None else required

    def run(self) -> Any:
        """The value that the run of the flow was given."""
        return context.parameters.get(self.name, self.default)

    def __repr__(self) -> str:
        return f"<Parameter {self.name!r}{'' if self.is_required else f', default {self.default!r}'}>"
