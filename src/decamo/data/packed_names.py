"""Names of a million files in little more memory than their letters take."""

import os
from array import array
from collections.abc import Iterable, Sequence
from typing import overload

__all__ = ["PackedNames"]


class PackedNames(Sequence[str]):
    """A sequence of texts that keeps them in one run of bytes: 8 bytes and its letters each.

    Args:
        names: in their order; lone surrogates are kept, as file names may have them.
    """

    def __init__(self, names: Iterable[str]) -> None:
        letters, ends = bytearray(), array("Q")
        for name in names:
            letters += os.fsencode(name)
            ends.append(len(letters))
        self._letters, self._ends = bytes(letters), ends

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> list[str]: ...

    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[i] for i in range(len(self))[index]]
        place = range(len(self))[index]
        first = self._ends[place - 1] if place else 0
        return os.fsdecode(self._letters[first : self._ends[place]])
