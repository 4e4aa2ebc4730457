"""Pieces: what code is made of besides its own text, by which it can be another although that is the same.

Bases, decorators and defaults are pieces of a definition, what a function encloses is one of it, and
functions and classes are pieces of what holds them: a dict, a `partial`, an instance.
"""

from __future__ import annotations

import ast
from functools import partial
from itertools import islice
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from nbflow.engine.previews import preview
from nbflow.engine.slots import NAME
from nbflow.secrets import HIDDEN, looks_secret
from nbflow.types import Slot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nbflow.engine.apply import Workspace
    from nbflow.engine.bind import Version, View
    from nbflow.engine.book import Book

_MOST: Final = 20
_MOST_ITEMS: Final = 100
_HOLDERS: Final = (dict, list, tuple)
_CODE: Final = (FunctionType, MethodType, type, partial)


class Piece(NamedTuple):
    """One of them.

    Attributes:
        name: What people call it: `Base`, `n of h`.
        text: Its source, or for a value a short text.
        is_code: Whether it is a source.
    """

    name: str
    text: str
    is_code: bool


class Pieces:
    """Finds the pieces of what a name holds at a place.

    Args:
        workspace: The names.
        book: The steps.
        text: Gives the text of the code that a slot holds at a place; empty for what is no code.
    """

    def __init__(self, workspace: Workspace, book: Book, text: Callable[[Slot, View], str]) -> None:
        self._workspace = workspace
        self._book = book
        self._text = text

    def of(self, slot: Slot, view: View) -> list[Piece]:
        """The pieces of what a slot holds, nearest first; none of what consists of data."""
        name = slot.locator.partition(".")[0]
        version = view.bound(Slot(NAME, name)).version if slot.kind == NAME else None
        if version is None:
            return []
        search = _Search(self._workspace, self._book, self._text, view)
        search.inside(name, version)
        return list(search.found.values())


class _Search:
    def __init__(
        self, workspace: Workspace, book: Book, text: Callable[[Slot, View], str], view: View
    ) -> None:
        self._workspace = workspace
        self._book = book
        self._text = text
        self._view = view
        self.found: dict[str, Piece] = {}

    def inside(self, name: str, version: Version) -> None:
        """Find the pieces of a version that a name holds."""
        ran = self._book.steps[version.step].ran
        made = ran.analysis.definitions.get(name) if ran is not None else None
        if made is not None and made.kind == "import" and version.output.sort == "module":
            self._note(Piece(name, made.origin, is_code=False))
        elif made is not None and made.kind in ("function", "class"):
            for each in _looked_up_first(self._text(Slot(NAME, name), self._view)):
                self._named(each)
        elif version.output.classes:
            for qualified, _ in version.output.classes:
                self._named(qualified.partition(".")[0])
        elif self._workspace.holds(name, version):
            self._live(self._workspace.names.get(name), name)

    def _note(self, piece: Piece) -> bool:
        is_new = piece.name not in self.found and len(self.found) < _MOST
        if is_new:
            self.found[piece.name] = piece
        return is_new

    def _named(self, name: str) -> bool:
        """Note what a name holds, and what that is made of; False where it holds nothing that is known."""
        slot = Slot(NAME, name)
        version = self._view.bound(slot).version
        if version is None:
            return False
        text = self._text(slot, self._view)
        if self._note(Piece(name, text or version.output.preview, is_code=bool(text))):
            self.inside(name, version)
        return True

    def _live(self, value: Any, owner: str) -> None:
        kind = cast("type[Any]", type(value))
        if kind in _HOLDERS:
            for item in islice(value.values() if kind is dict else value, _MOST_ITEMS):
                if type(item) in _CODE:
                    self._live(item, owner)
        elif kind is partial:
            given = ", ".join(preview(each) for each in (value.args, value.keywords) if each)
            self._note(Piece(f"what {owner} is given", given, is_code=False))
            self._live(value.func, owner)
        elif kind is MethodType:
            self._live(value.__func__, owner)
        elif kind is FunctionType:
            self._function(value, owner)
        elif isinstance(value, type) and value.__module__ == "__main__":
            self._named(value.__qualname__.partition(".")[0])

    def _function(self, function: FunctionType, owner: str) -> None:
        self._named(function.__qualname__.partition(".")[0])
        cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=False)
        for name, cell in cells:
            try:
                value = cell.cell_contents
            except ValueError:
                continue
            if type(value) in (*_CODE, *_HOLDERS):
                self._live(value, owner)
            text = HIDDEN if looks_secret(name) else preview(value)
            self._note(Piece(f"{name} of {owner}", text, is_code=False))


def _looked_up_first(source: str) -> Iterator[str]:
    """The names that a definition looks up when it is made: decorators, bases, defaults."""
    try:
        statements = ast.parse(source).body
    except SyntaxError:
        return
    for node in statements:
        heads: list[ast.AST | None] = [*getattr(node, "decorator_list", ())]
        if isinstance(node, ast.ClassDef):
            heads += [*node.bases, *node.keywords]
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            heads += [*node.args.defaults, *node.args.kw_defaults]
        for head in filter(None, heads):
            yield from (each.id for each in ast.walk(head) if isinstance(each, ast.Name))
