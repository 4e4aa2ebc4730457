"""Secrets: values that enter keys by keyed digest only, and that are neither shown nor stored.

A value is a secret if the name that holds it looks like one, or if it is a `Secret` (or pydantic's
`SecretStr`). What was met is remembered as long as the process lives, so that a text that contains it
can be masked wherever it is kept, and nothing that contains it is put into a store.
"""

from __future__ import annotations

import ast
import html
import json
import os
import re
import sys
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

HIDDEN: Final = "•••"
_SURE: Final = ("secret", "password", "passwd", "passphrase", "credential")
_UNSURE: Final = ("key", "token")
_WORDS_OF_SECRETS: Final = (*_UNSURE, *_SURE)
_ONE_WORD: Final = re.compile(r"(?:api|app|access|auth|client|private|refresh|session|ssh)(?:key|token)s?")
"""What is often written in one word, where `monkey` and `hockey` must not count."""
_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\WA-Z_]+")
_SHORTEST: Final = 5
_SHORTEST_UNSURE: Final = 8
_LONGEST_WORD: Final = 20
_DEPTH_UNSURE: Final = 2
_DEPTH: Final = 20
_AT_ONCE: Final = 1 << 20
_WIDE: Final = "utf-32-le" if sys.byteorder == "little" else "utf-32-be"

HIDING: Final = ("nbflow.secrets.Secret", "pydantic.types.SecretStr", "pydantic.types.SecretBytes")
"""The types whose values are secrets."""
_CALLS: Final = frozenset(kind.rpartition(".")[2] for kind in HIDING)


def hides(kind: type) -> bool:
    """Whether the values of a type are secrets.

    Example:
        >>> hides(Secret), hides(str)
        (True, False)
    """
    return any(f"{base.__module__}.{base.__qualname__}" in HIDING for base in kind.__mro__)


@lru_cache(maxsize=10_000)
def looks_secret(name: str) -> bool:
    """Whether a name looks as if its value must not be shown.

    Example:
        >>> [looks_secret(name) for name in ("API_TOKEN", "APIKEY", "authToken", "x-api-key", "monkey_count")]
        [True, True, True, True, False]
    """
    if not _is_mentioned(name):
        return False
    words = _words_in(name)
    unsure = any(word.startswith(_UNSURE) or _ONE_WORD.fullmatch(word) for word in words)
    return unsure or _is_sure(words)


def _is_mentioned(text: str) -> bool:
    """Whether a text has one of the words at all; quick, as every name and every source is asked."""
    return any(map(text.casefold().__contains__, _WORDS_OF_SECRETS))


def _is_sure(words: Iterable[str]) -> bool:
    return any(sure in word for word in words for sure in _SURE)


def _words_in(name: str) -> list[str]:
    """The words that a name is made of, in small letters, however it joins them.

    Example:
        >>> _words_in("AWSSecretKey_2"), _words_in("x-api-key")
        (['aws', 'secret', 'key', '2'], ['x', 'api', 'key'])
    """
    return [word.lower() for word in _WORDS.findall(name)]


class Secret:
    """A value that is never shown: it stands as `•••` in every text, and no store keeps it.

    Tasks that read it depend on its content, by a digest that tells nothing without the user's key.

    Args:
        value: The value, mostly a text.

    Example:
        >>> login = Secret("pa55word")
        >>> login, f"{login}", login.get()
        (Secret(•••), '•••', 'pa55word')
    """

    __slots__ = ("_value",)

    def __init__(self, value: object) -> None:
        self._value = value
        KNOWN.meet(value)

    def get(self) -> Any:
        """The value itself."""
        return self._value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __str__(self) -> str:
        return HIDDEN

    def __repr__(self) -> str:
        return f"Secret({HIDDEN})"

    def __reduce__(self) -> tuple[type[Secret], tuple[object]]:
        return Secret, (self._value,)


class Secrets:
    """The secrets that were met so far.

    Example:
        >>> known = Secrets()
        >>> known.meet_named({"API_KEY": "sk-12345678", "place": "New York"})
        >>> known.masked("sent sk-12345678 to New York"), known.are_in(b"...sk-12345678...")
        ('sent ••• to New York', True)
    """

    def __init__(self) -> None:
        self._texts: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self._bytes: tuple[bytes, ...] = ()

    def forget(self) -> None:
        """Forget them all, as a new process would."""
        self._texts.clear()
        self._pattern, self._bytes = None, ()

    def meet(self, value: object) -> None:
        """Remember a value that surely is a secret; texts of fewer than five characters are too common."""
        texts = (str(value),) if type(value) in (int, float) else _texts(value, _DEPTH)
        self._add(text for text in texts if len(text) >= _SHORTEST)

    def meet_named(self, values: Mapping[str, object]) -> None:
        """Remember the values of names that look secret.

        `key` and `token` name other things as well: of those only what looks made by chance counts.
        """
        for name in filter(looks_secret, values):
            is_sure = _is_sure(_words_in(name))
            found = (text for text in _texts(values[name]) if len(text) >= _SHORTEST)
            self._add(text for text in found if is_sure or _looks_random(text))

    def meet_environment(self) -> None:
        """Remember the values of the environment variables whose names look secret."""
        self.meet_named(os.environ)

    def meet_source(self, source: str) -> None:
        """Remember what stands in some code as a secret, before anything runs that binds it to a name."""
        if not _is_mentioned(source):
            return
        try:
            nodes = list(ast.walk(ast.parse(source)))
        except (SyntaxError, ValueError):  # magics; what they bind is met when it stands in a name
            return
        for node in nodes:
            self.meet_named(dict(_named_texts(node)))
            if isinstance(node, ast.Call) and _word(node.func) in _CALLS:
                self.meet([each.value for each in ast.walk(node) if isinstance(each, ast.Constant)])

    def masked(self, text: str) -> str:
        """A text without secrets."""
        return self._pattern.sub(HIDDEN, text) if self._pattern is not None else text

    def are_in(self, content: bytes | memoryview) -> bool:
        """Whether some content contains a secret as text, also as arrays of numpy hold one."""
        if not self._bytes:
            return False
        whole, longest = memoryview(content), max(map(len, self._bytes))
        starts = range(0, len(whole), _AT_ONCE)
        parts = (bytes(whole[start : start + _AT_ONCE + longest]) for start in starts)
        return any(each in part for part in parts for each in self._bytes)

    def _add(self, texts: Iterable[str]) -> None:
        new = set(texts) - self._texts
        if not new:
            return
        self._texts |= new
        forms = sorted({form for text in self._texts for form in _forms(text)}, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, forms)))
        narrow = (form.encode(errors="surrogateescape") for form in forms)
        wide = (text.encode(_WIDE, errors="surrogatepass") for text in sorted(self._texts))
        self._bytes = (*narrow, *wide)


def _texts(value: object, depth: int = _DEPTH_UNSURE) -> Iterable[str]:
    """The texts that a value holds, a few levels deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, bytes | bytearray):
        yield value.decode(errors="surrogateescape")
    elif isinstance(value, Secret):
        yield from _texts(value.get(), _DEPTH)
    elif depth and type(value) in (dict, list, tuple, set):
        held = cast("dict[object, object]", value).values() if isinstance(value, dict) else value
        for each in cast("Iterable[object]", held):
            yield from _texts(each, depth - 1)


def _named_texts(node: ast.AST) -> Iterator[tuple[str, object]]:
    """The constants that a piece of code gives names to: variables, arguments, keys of dicts."""
    pairs: Iterable[tuple[ast.expr | str | None, ast.expr | None]] = ()
    if isinstance(node, ast.Assign):
        pairs = ((target, node.value) for target in node.targets)
    elif isinstance(node, ast.AnnAssign):
        pairs = ((node.target, node.value),)
    elif isinstance(node, ast.keyword):
        pairs = ((node.arg, node.value),)
    elif isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
    for name, value in pairs:
        if isinstance(value, ast.Constant):
            yield _word(name), value.value


def _word(name: ast.expr | str | None) -> str:
    """What a variable, an attribute, an argument or a key is called."""
    if isinstance(name, ast.Subscript):
        return _word(name.slice)
    found = name.value if isinstance(name, ast.Constant) else getattr(name, "attr", getattr(name, "id", name))
    return found if isinstance(found, str) else ""


def _looks_random(text: str) -> bool:
    """Whether a text is no word of a language: it mixes letters and digits, or is very long."""
    if len(text) < _SHORTEST_UNSURE or any(letter.isspace() for letter in text):
        return False
    mixes = any(letter.isdigit() for letter in text) and any(letter.isalpha() for letter in text)
    return mixes or len(text) >= _LONGEST_WORD


def _forms(text: str) -> Iterable[str]:
    """A text as it stands in other texts: plain, as Python and JSON write it, and in HTML."""
    return text, repr(text)[1:-1], json.dumps(text)[1:-1], html.escape(text)


KNOWN: Final = Secrets()
"""The secrets that this process has met."""
