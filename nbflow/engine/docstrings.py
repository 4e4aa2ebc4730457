"""What documents functions, as an input: docstrings and annotations count for who looks at them.

The digest of a function leaves out what documents it, so that a better docstring makes nobody stale.
Who looks at a docstring, an annotation or a signature, and who holds a function instead of calling it,
so that others may look, depends on that as well: it is a slot of its own beside the function's name.
"""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Final

from nbflow.analysis import EVERYTHING
from nbflow.engine.labels import is_local_module
from nbflow.engine.slots import slot_of
from nbflow.types import TEXTS, UNBOUND, Entry, Looked, Slot

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nbflow.engine.bind import Version, View
    from nbflow.engine.book import Body, Book
    from nbflow.types import Output

DOCSTRING: Final = "docstring"
"""The kind of the slots that are what documents a function, a module or an attribute of one."""
_DATA: Final = frozenset((dict, list, set, tuple, str, bytes, int, float, bool))


def name_behind(slot: Slot) -> Slot:
    """The name of the function or module that a slot documents.

    Example:
        >>> name_behind(Slot(DOCSTRING, "lib.clean"))
        Slot(kind='name', locator='lib')
    """
    return slot_of(slot.locator.partition(".")[0])


def documentation(slot: Slot, view: View) -> str:
    """The digest of what such a slot holds at the view's place; `UNBOUND` where there is nothing."""
    version = view.bound(name_behind(slot)).version
    return _digest(version.output, slot.locator.partition(".")[2]) if version is not None else UNBOUND


def texts_of(body: Body, versions: Mapping[Slot, Version | None]) -> dict[Entry, str]:
    """What a body may see that documents functions, each with the step that made the function.

    Args:
        body: The body.
        versions: What the names that it reaches hold.
    """
    held = {slot: version for slot, version in versions.items() if version is not None} if versions else {}
    if not held:
        return {}
    shows = body.analysis.shows
    shows_all = EVERYTHING in shows or any(version.output.reach.shows_texts for version in held.values())
    return {
        _entry(slot, attribute, version.output): version.step
        for slot, version in held.items()
        for attribute in _attributes(body, version.output)
        if shows_all or slot.locator in shows or f"{slot.locator}.{attribute}" in shows
    }


def _entry(slot: Slot, attribute: str, output: Output) -> Entry:
    locator = f"{slot.locator}.{attribute}" if attribute else slot.locator
    return Entry(Looked(Slot(DOCSTRING, locator)), _digest(output, attribute))


def _digest(output: Output, attribute: str) -> str:
    return output.reach.parts.get(f"{attribute}.{TEXTS}" if attribute else TEXTS, UNBOUND)


def _attributes(body: Body, output: Output) -> tuple[str, ...]:
    """The attributes of a module that the body uses; an empty one stands for the whole."""
    if not is_local_module(output):
        return ("",) if output.sort == "function" else ()
    used = body.analysis.attributes.get(output.slot.locator)
    if used is None or not used <= output.reach.parts.keys():
        return ("",)
    return tuple(sorted(used))


def unseen_edits(texts: Mapping[Entry, str], book: Book, value_of: Callable[[str], object]) -> frozenset[str]:
    """Why nobody can tell whether these are up to date, as effects.

    What documents a function that a task writes is no part of the task's code: who edits it there
    gets the result of the run before.

    Args:
        texts: The entries, each with the step that made what is documented.
        book: The steps.
        value_of: Gives what a name holds.
    """
    return frozenset(
        f"names: what documents {name_behind(entry.looked.slot).locator}"
        for entry, step in texts.items()
        if _is_of_task(name_behind(entry.looked.slot).locator, step, book)
        and not _is_data(entry.looked.slot, value_of)
    )


def _is_data(slot: Slot, value_of: Callable[[str], object]) -> bool:
    """Whether it is data in a module: its digest leaves nothing out, as that of a function does."""
    name, _, attribute = slot.locator.partition(".")
    if not attribute:
        return False
    module = value_of(name)
    return isinstance(module, ModuleType) and type(vars(module).get(attribute)) in _DATA


def _is_of_task(name: str, step: str, book: Book) -> bool:
    body = book.steps[step].ran if step in book.steps else None
    if body is None or book.steps[step].plain:
        return body is None
    definition = body.analysis.definitions.get(name)
    return definition is None or definition.kind != "import"
