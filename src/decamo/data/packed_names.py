"""Names of a million files in a few bytes each: a folder's names repeat each other."""

import zlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import overload

__all__ = ["PackedNames"]

_BLOCK = 256  # names that are compressed together, and opened together
_SIZE = array("I").itemsize


class PackedNames(Sequence[str]):
    """A sequence of texts that keeps them compressed, some hundreds together.

    One after the other they come as fast as from a list; each leap opens another block.

    Args:
        names: in their order; lone surrogates are kept, as file names may have them.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        texts, blocks, count = iter(names), list[bytes](), 0
        while some := list(islice(texts, _BLOCK)):
            blocks.append(_packed(some))
            count += len(some)
        self._blocks, self._count = tuple(blocks), count
        self._open: tuple[int, list[str]] = (-1, [])

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[str]:
        for block in self._blocks:
            yield from _unpacked(block)

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> list[str]: ...

    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[i] for i in range(len(self))[index]]
        number, place = divmod(range(len(self))[index], _BLOCK)
        return self.block(number)[place]

    def block(self, number: int) -> list[str]:
        """Some hundred names that follow each other, none of them to be changed."""
        held, names = self._open  # one assignment, so that threads cannot mix two blocks
        if held != number:
            names = _unpacked(self._blocks[number])
            self._open = number, names
        return names

    @staticmethod
    def start_of(number: int) -> int:
        """The place of a block's first name."""
        return number * _BLOCK

    def firsts(self) -> list[str]:
        """The first name of each block."""
        return [_unpacked(block)[0] for block in self._blocks]


def _packed(names: list[str]) -> bytes:
    letters = [name.encode("utf-8", "surrogatepass") for name in names]
    lengths = array("I", [len(names), *map(len, letters)])
    return zlib.compress(lengths.tobytes() + b"".join(letters), 6)


def _unpacked(block: bytes) -> list[str]:
    held = zlib.decompress(block)
    (count,) = array("I", held[:_SIZE])
    at, names = (count + 1) * _SIZE, list[str]()
    for length in array("I", held[_SIZE:at]):
        names.append(held[at : at + length].decode("utf-8", "surrogatepass"))
        at += length
    return names
