"""Any stream of bytes as lines of bounded length."""

import codecs
import re
from collections.abc import Iterator
from typing import BinaryIO

__all__ = ["LONGEST", "lines_of", "split_lines"]

LONGEST = 1 << 20  # characters kept of a line; the rest is dropped
_CHUNK = 1 << 20
# A progress bar returns the carriage; each of its states is a line.
_BREAKS = re.compile(r"\r\n|[\r\n]")
_UTF16 = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


def lines_of(stream: BinaryIO) -> Iterator[str]:
    """Lines of a file that may hold anything; memory does not grow with the length of a line.

    UTF-8 or, by its mark, UTF-16, as PowerShell writes it; what cannot be decoded is replaced.
    """
    chunk = stream.read(_CHUNK)
    name = next((n for mark, n in _UTF16.items() if chunk.startswith(mark)), "utf-8-sig")
    decoder = codecs.getincrementaldecoder(name)(errors="replace")
    return split_lines(_decoded(stream, chunk, decoder))


def _decoded(stream: BinaryIO, chunk: bytes, decoder: codecs.IncrementalDecoder) -> Iterator[str]:
    while chunk:
        yield decoder.decode(chunk).removeprefix("\ufeff")
        chunk = stream.read(_CHUNK)
    yield decoder.decode(b"", final=True)


def split_lines(pieces: Iterator[str]) -> Iterator[str]:
    """Lines of a text that comes in pieces, each cut to :data:`LONGEST` characters."""
    tail = ""
    for piece in pieces:
        *whole, last = _BREAKS.split(tail + piece)
        for line in whole:
            yield line[:LONGEST]
        tail = last[:LONGEST]  # a line that goes on for longer is cut here and now
    if tail:
        yield tail
