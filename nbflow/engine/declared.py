"""What a header declares of a body beside its text: names, and files that no analysis finds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from nbflow.store.digests import key_digest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nbflow.engine.book import Body
    from nbflow.store.files import Files
    from nbflow.store.given import Native
    from nbflow.store.watching import Watch


@dataclass(frozen=True, slots=True)
class Declared:
    """What is declared.

    Args:
        inputs: Names that it reads; what else it reads is not compared.
        outputs: Names that it makes for others; only these are stored.
        files: Paths, or patterns, of files whose content is an input.
        writes: Paths, or patterns, of files that it writes.
    """

    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()

    def watching(
        self, files: Files, constants: Iterable[str], inputs: Iterable[object], native: Native
    ) -> Watch:
        """What observes the body of which this is declared, see `Files.watch`."""
        return files.watch(constants, inputs, writes=self.writes, reads=self.files, native=native)


NOTHING: Final = Declared()


@lru_cache(maxsize=20_000)
def declared_body(body: Body, declared: Declared) -> Body:
    """A body with what is declared of it, by which its results are told from those of the bare text.

    Example:
        >>> from nbflow.engine.book import read_body
        >>> body = declared_body(read_body("y = eval('x')"), Declared(inputs=("x",)))
        >>> body.reads, body.static_key == read_body("y = eval('x')").static_key
        (('eval', 'x'), False)
    """
    if declared == NOTHING:
        return body
    inputs = frozenset(declared.inputs) - {*body.reads}
    analysis = replace(
        body.analysis,
        reads=body.analysis.reads | inputs,
        attributes={**dict.fromkeys(inputs), **body.analysis.attributes},
        maybe_writes=body.analysis.maybe_writes | (frozenset(declared.outputs) - body.analysis.writes),
    )
    told = ("reads", *declared.inputs, "makes", *declared.outputs)
    files = ("files", *declared.files, "writes", *declared.writes)
    return replace(
        body,
        analysis=analysis,
        static_key=key_digest(body.static_key, *told, *files),
        reads=tuple(sorted((*body.reads, *inputs))),
        only_computes=False,  # what it does to files is to be seen
        declared=declared,
    )
