"""What names files in a body and its inputs: native readers and writers, which raise no event, may use it."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from glob import has_magic
from typing import TYPE_CHECKING, Final

from nbflow.store.paths import (
    MEMBERS_LOOKED_AT,
    absolute,
    given_paths,
    is_cut,
    looks_like_path,
    pattern_base,
)
from nbflow.store.settlement import UNKNOWN, Before

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nbflow.store.paths import FileStat
    from nbflow.store.trail import Trail


@dataclass(frozen=True, slots=True)
class Native:
    """What a body does with files in a way that Python does not see.

    Args:
        reads: Whether it reads some, perhaps all of a folder that is named.
        writes: Whether it writes some; what is named and changes meanwhile is then its doing.
        asks: Whether it asks a database, which may read what is named and change it, too.
    """

    reads: bool = False
    writes: bool = False
    asks: bool = False


NOT_NATIVE: Final = Native()


class Given:
    """What names files before a body runs, and what that comes to.

    Args:
        trail: What is seen of the body.
        constants: Strings in the body; those with a separator or a suffix count as paths.
        inputs: Values given to the body; strings and paths among them, also in shallow
            containers, count as paths. Patterns among them are not expanded.
        writes: Paths or patterns that the body is declared or known to write.
        reads: Paths or patterns that it is declared or known to read.

    Attributes:
        before: What was known before the body ran.
    """

    def __init__(
        self,
        trail: Trail,
        constants: Iterable[str],
        inputs: Iterable[object],
        writes: Iterable[str],
        reads: Iterable[str],
    ) -> None:
        self.before = UNKNOWN
        self._trail = trail
        self._constants = tuple(sorted(constants))  # a set of texts lies in another order in each process
        self._inputs = tuple(inputs)
        self._writes = tuple(writes)
        self._reads = tuple(reads)
        self._patterns: tuple[str, ...] = ()

    def look(self, native: Native) -> None:
        """Note what a native reader may open unseen, as it is now."""
        if not (self._constants or self._inputs or self._writes or self._reads):
            self.before = Before(search_path=tuple(sys.path))
            return
        for each in sorted(self._expand(self._reads, listed=True)):
            self._trail.read(each)
        declared, writes = set(self._trail.listings), self._writes
        named = tuple(given_paths(filter(looks_like_path, self._constants)))
        given = tuple(given_paths(self._inputs))
        self._trail.name((*named, *given))
        if native.writes or native.asks:
            self._writes = (*self._writes, *named, *filter(looks_like_path, given))
        stats = self._stats_of(named, given, native)
        outputs = self._expand(writes).difference(self._expand(self._reads))
        self.before = Before(
            given={path: stat for path, stat in stats.items() if path not in outputs},
            outputs=frozenset(outputs),
            sought=frozenset(map(absolute, filter(looks_like_path, (*named, *given)))),
            writers={path: self._trail.contents.stat(path) for path in self.written()},
            search_path=tuple(sys.path),
        )
        if not native.reads:
            self._trail.guessed = self._trail.listings.keys() - declared
        if native.asks or (native.reads and native.writes):
            changed = (path for path, stat in self.before.writers.items() if stat is not None)
            self._trail.grown.update(dict.fromkeys(changed))
        self._patterns = tuple(filter(_is_pattern, given))
        self._constants, self._inputs = (), ()

    def tell_patterns(self) -> None:
        """A native reader may have followed a pattern among the inputs; Python's own lists it."""
        for pattern in self._patterns:
            if not any(listed.endswith(pattern.removeprefix("./")) for listed in self._trail.listings):
                self._trail.outside[f"a pattern that is an input was not followed: {pattern}"] = None

    def written(self) -> set[str]:
        """The paths that the body is known to write, patterns expanded as they are now."""
        return self._expand(self._writes)

    def _stats_of(
        self, named: Iterable[str], given: Iterable[str], native: Native
    ) -> dict[str, FileStat | None]:
        """The stats of what may be opened unseen: only patterns in the body's own code count."""
        contents = self._trail.contents
        paths = [absolute(path) for path in (*named, *given)]
        folders = filter(os.path.isdir, set(paths)) if native.reads else ()
        below = [os.path.join(folder, "**") for folder in folders if not self._trail.ignores(folder)]
        # What only names files to be written is no question of what is there.
        reads = native.reads or native.asks or not native.writes
        for pattern in (*(filter(has_magic, map(absolute, named)) if reads else ()), *below):
            paths += self._trail.matches(pattern)
        stats = {path: contents.stat(path) for path in paths if not self._trail.ignores(path)}
        if is_cut(self._inputs):
            note = f"only the first {MEMBERS_LOOKED_AT:,} paths of a long input were followed"
            self._trail.outside[note] = None
        return {path: stat for path, stat in stats.items() if stat is None or stat.regular}

    def _expand(self, texts: Iterable[str], *, listed: bool = False) -> set[str]:
        """The paths that texts name now, patterns expanded; `listed` patterns become entries."""
        found: set[str] = set()
        for path in map(absolute, texts):
            if not has_magic(path):
                found.add(path)
            elif listed:
                found.update(self._trail.matches(path, declared=True))
            else:
                found.update(self._trail.expand(path))
        return found


def _is_pattern(text: str) -> bool:
    """Whether a text is likely meant as a pattern: prose and regular expressions are not."""
    if not has_magic(text) or not looks_like_path(text) or any(letter in text for letter in " \\^$()|+"):
        return False
    base = pattern_base(absolute(text))
    return base != os.path.dirname(base) and os.path.isdir(base)
