"""Records in which texts stand that UTF-8 has no bytes for.

Python names a file so whose name is no text: by lone surrogates, one for each byte.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_ESCAPED: Final = b"\xc1"
"""How a record begins whose texts are escaped: in MessagePack nothing begins so."""
_encode: Final = msgspec.msgpack.Encoder().encode


def encoded(content: object) -> bytes:
    r"""The bytes of a record, whatever texts stand in it.

    Example:
        >>> decoded(encoded(["caf\udce9.csv"]), msgspec.msgpack.Decoder(list[str])) == ["caf\udce9.csv"]
        True
    """
    try:
        return _encode(content)
    except UnicodeEncodeError:
        return _ESCAPED + _encode(with_texts(content, _escaped))


def decoded(content: bytes, decoder: msgspec.msgpack.Decoder[T]) -> T:
    """The record that `encoded` was given.

    Raises:
        msgspec.MsgspecError: If it is another record.
    """
    if not content.startswith(_ESCAPED):
        return decoder.decode(content)
    return msgspec.convert(with_texts(msgspec.msgpack.decode(content[1:]), _meant), decoder.type)


def with_texts(content: object, change: Callable[[str], str]) -> object:
    """A record as plain lists and dicts, each text of it changed."""
    return _changed(msgspec.to_builtins(content, builtin_types=(bytes,)), change)


def _changed(content: Any, change: Callable[[str], str]) -> Any:
    if isinstance(content, str):
        return change(content)
    if isinstance(content, dict):
        items = cast("dict[Any, Any]", content).items()
        return {_changed(key, change): _changed(value, change) for key, value in items}
    if isinstance(content, (list, tuple)):
        return [_changed(each, change) for each in cast("list[Any]", content)]
    return content


def _escaped(text: str) -> str:
    """Its bytes as letters."""
    return text.encode("utf-8", "surrogatepass").decode("latin-1")


def _meant(text: str) -> str:
    return text.encode("latin-1").decode("utf-8", "surrogatepass")
