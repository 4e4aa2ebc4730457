"""What a session stands on: values and seams, all given from outside."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nbflow.notebook.link import Link

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from nbflow.engine.slots import Kind
    from nbflow.notebook.capturing import Routes
    from nbflow.notebook.cells import Bodies
    from nbflow.notebook.outputs import Screen
    from nbflow.notebook.saved import SavedNotebook
    from nbflow.settings import Origins
    from nbflow.store.files import Files
    from nbflow.store.protocol import Store


@dataclass
class Surroundings:
    """What a session stands on.

    Args:
        names: The user's namespace.
        hidden: Names of it that are the shell's own.
        store: Results and history.
        files: The files that bodies look at.
        bodies: Executes bodies.
        screen: Shows what they show.
        routes: What they show passes there.
        settings: The settings.
        saved: The notebook's file; None where nobody knows it.
        notebook: Identifier of the notebook.
        clock: Seconds since the epoch.
        sleep: Waits until a time.
        key: Secret key of the digests of environment variables.
        home: Where the store is, for people.
        given: Parameter name to value as text, from whoever started the kernel.
        forces: Whether the bodies of task cells run even where an earlier result fits.
        is_headless: Whether nobody sits before the screen: what happened is written down at once.
        is_console: Whether cells are typed one after the other.
        link: The kernel, as far as live views need it.
        kinds: Kinds of slots outside that are others than in a kernel, by name.
    """

    names: dict[str, Any]
    hidden: Collection[str]
    store: Store
    files: Files
    bodies: Bodies
    screen: Screen
    routes: Routes
    settings: Origins
    clock: Callable[[], float]
    sleep: Callable[[float], object]
    saved: SavedNotebook | None = None
    notebook: str = ""
    key: bytes = b""
    home: str = ""
    given: Mapping[str, str] = field(default_factory=dict[str, str])
    forces: bool = False
    is_headless: bool = False
    is_console: bool = False
    link: Link = field(default_factory=Link)
    kinds: Mapping[str, Kind] = field(default_factory=dict[str, "Kind"])
