"""What is asked of a store by hand, and the answer in words: `%flow cache` and `nbflow cache`."""

from __future__ import annotations

from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nbflow.exceptions import OptionError, StoreError
from nbflow.retries import parse_duration
from nbflow.settings import read_settings, read_size
from nbflow.store.disk import DiskStore
from nbflow.store.folder import is_store
from nbflow.store.index import FAULTS
from nbflow.views.words import age, counted, duration, size

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from nbflow.store.protocol import Store
    from nbflow.store.upkeep import Freed, Shelf

_MOST_NAMED: Final = 10
_OLDER: Final = "--older"


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked.

    Args:
        what: `ls`, `size`, `verify`, `gc` or `clear`.
        task: Only of this task; empty: of all.
        older: Only what was neither made nor used for so many seconds.
        notebook: Only of this notebook; empty: of all.
    """

    what: str = "size"
    task: str = ""
    older: float = 0.0
    notebook: str = ""


def read_words(words: Sequence[str], notebook: str = "") -> Asked:
    """What the words behind `cache` ask: what, and in any order a task and, to `clear`, a duration.

    Raises:
        OptionError: If they make no sense.

    Example:
        >>> read_words(["clear", "features", "7d"])
        Asked(what='clear', task='features', older=604800.0, notebook='')
    """
    what, *behind = words or ("size",)
    if what not in _ANSWERS:
        raise OptionError.unknown("command of cache", what, _ANSWERS)
    rest = [word for word in behind if word != _OLDER]
    ages = {word: seconds for word in rest if (seconds := _seconds(word)) is not None}
    tasks = [word for word in rest if word not in ages]
    if len(tasks) > 1 or len(ages) > 1:
        raise OptionError(f"one task and one age at a time; {', '.join(rest)} are {len(rest)} words")
    if _OLDER in behind and not ages:
        raise OptionError(f"{_OLDER} needs an age, such as 12h or 7d")
    if ages and what != "clear":
        raise OptionError(f"only `cache clear` takes an age; `cache {what}` tells of all")
    return Asked(what, "".join(tasks), sum(ages.values()), notebook)


def _seconds(word: str) -> float | None:
    with suppress(OptionError, ValueError):
        return parse_duration(word)
    return None


def answer(what: str, place: Path, words: Sequence[str]) -> str:
    """Do what is asked of the store of a notebook, or of a folder, and say what came of it.

    Args:
        what: As for `read_words`.
        place: A notebook, the folder of notebooks, or the folder of a store.
        words: A task and an age, in any order.

    Raises:
        OptionError: If the words make no sense, or nothing is stored there.
    """
    asked = read_words((what, *words), place.name if place.is_file() else "")
    with closing(_open(place)) as store:
        return perform(store, asked)


def trust(place: Path, say: Callable[[str], object], ask: Callable[[str], str]) -> int:
    """Sign all that is stored and not damaged with the user's key, whoever signed it, after asking.

    Args:
        place: As for `answer`.
        say: Tells the user a line.
        ask: Puts a question; only `yes` means yes.

    Returns:
        The exit code: 0 if it was done, 1 if not.

    Raises:
        OptionError: If nothing is stored there.
    """
    with closing(_open(place)) as store:
        others = store.upkeep().verify().others
        if not others:
            say(f"everything in {store.home} is signed with your key already")
            return 0
        say(f"{others} entries in {store.home} are signed with another key.")
        say("Using them may run code that they bring: trust them only if you know who made them.")
        if ask("Sign them with your key? Type yes: ").strip().lower() != "yes":
            say("nothing was signed")
            return 1
        say(f"{store.trust()} entries are signed with your key now")
    return 0


def _open(place: Path) -> DiskStore:
    """The store of a place.

    Raises:
        OptionError: If there is none.
    """
    folder = place.resolve() if place.is_dir() else place.resolve().parent
    settings = read_settings(folder).settings
    home = folder if is_store(folder) else settings.store_in(folder)
    if not place.exists() or not is_store(home):
        raise OptionError(f"nothing is stored for {place}; name a notebook that has run, or a folder")
    store = DiskStore(home)
    store.room.size_limit = read_size(settings.size_limit)
    return store


def perform(store: Store, asked: Asked) -> str:
    """Do what is asked of a store, and say what came of it.

    Raises:
        OptionError: If there is no such task.
        StoreError: If the store is in memory only, or cannot be read.
    """
    if not isinstance(store, DiskStore):
        raise StoreError(
            "this kernel keeps its results in memory only; " + "; ".join(store.notices), reason="memory"
        )
    store.flush()
    store.history.flush()
    try:
        return _ANSWERS[asked.what](store, asked)
    except FAULTS as error:
        raise StoreError(
            f"{store.home} cannot be looked after: {error}; the next kernel that uses it says what is broken",
            reason=str(error),
        ) from error


def _size(store: DiskStore, asked: Asked) -> str:
    upkeep, room = store.upkeep(), store.room
    values = sum(1 for _ in upkeep.blobs.sizes())
    many, taken, limit = counted(values, "large value"), size(room.taken), size(room.limit)
    return f"{many}, {taken or '0 B'} of at most {limit} in {store.home}"


def _list(store: DiskStore, asked: Asked) -> str:
    shelves = [
        shelf
        for shelf in store.upkeep().shelves()
        if asked.task in ("", shelf.task) and asked.notebook in ("", shelf.notebook)
    ]
    now = store.upkeep().clock()
    rows = [("task", "size", "results", "newest", "takes"), *(_row(shelf, asked, now) for shelf in shelves)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join((_size(store, asked), *(line.rstrip() for line in lines if shelves)))


def _row(shelf: Shelf, asked: Asked, now: float) -> tuple[str, ...]:
    is_named = shelf.notebook and not asked.notebook
    task = f"{shelf.notebook}: {shelf.task}" if is_named else shelf.task
    return task, size(shelf.size), str(shelf.runs), age(shelf.made, now), duration(shelf.seconds)


def _verify(store: DiskStore, asked: Asked) -> str:
    found = store.upkeep().verify()
    many = f"{counted(found.values, 'large value')} and {counted(found.records, 'record')} compared"
    lines = [f"{many}: {f'{len(found.damaged)} damaged' if found.damaged else 'none is damaged'}"]
    lines += [f"  {what}" for what in found.damaged[:_MOST_NAMED]]
    if found.damaged:
        lines.append(f"put aside in {store.home / 'quarantine'}; what they were for is computed again")
    if found.others:
        lines.append(
            f"{found.others} signed with another key and not used; `nbflow cache trust {store.home}` "
            "signs them, if you trust whoever made them"
        )
    return "\n".join(lines)


def _collect(store: DiskStore, asked: Asked) -> str:
    return _freed(store, store.upkeep().collect(), "that nothing refers to")


def _clear(store: DiskStore, asked: Asked) -> str:
    upkeep = store.upkeep()
    if asked.task and asked.task not in {shelf.task for shelf in upkeep.shelves()}:
        raise OptionError(
            f"nothing is stored of a task {asked.task!r}; `cache ls` names those that have results"
        )
    freed = upkeep.clear(asked.task, asked.older, asked.notebook)
    again = "what names hold and the history stay; all else is computed again when it is needed"
    return f"{counted(freed.results, 'result')} removed; {_freed(store, freed)}\n{again}"


def _freed(store: DiskStore, freed: Freed, which: str = "") -> str:
    many = " ".join(filter(None, (counted(freed.values, "large value"), which)))
    return f"{many} removed, {size(freed.size) or '0 B'} freed in {store.home}"


_ANSWERS: Final[Mapping[str, Callable[[DiskStore, Asked], str]]] = {
    "size": _size,
    "ls": _list,
    "verify": _verify,
    "gc": _collect,
    "clear": _clear,
}
