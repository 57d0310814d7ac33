"""Where squares come from: read anew each time, or mapped into memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from decamo.data.cache.pixels import CHANNELS, channels_of, square_of
from decamo.data.pairs import Pair

__all__ = ["Fresh", "SampleSource", "Stored", "bytes_of"]


class SampleSource(Protocol):
    """Squares by number; two sources of the same pairs and side give the same bytes."""

    def square(self, index: int) -> Tensor:
        """uint8 ``[side, side, 4]``: RGB, and the object's share of the pixel in 255ths.

        Where a mask may hold void there is a fifth channel: the share of object and void together.
        """


@dataclass(frozen=True)
class Fresh:
    """Nothing is stored: each square is made when it is asked for."""

    pairs: tuple[Pair, ...]
    side: int

    def square(self, index: int) -> Tensor:
        """As :meth:`SampleSource.square`.

        Raises:
            UnreadableImage: a file cannot be decoded.
        """
        return square_of(self.pairs[index], self.side, self._channels)

    @cached_property
    def _channels(self) -> int:
        return channels_of(self.pairs)


@dataclass
class Stored:
    """A file of squares, one after the other, mapped by each process that reads.

    Attributes:
        path: the file.
        count: squares.
        side: of each, in px.
        start: bytes before the first.
        channels: bytes of a pixel, as :func:`~decamo.data.cache.pixels.channels_of` has it.
        owner: kept as long as this is, such as the open file whose name ``path`` is; it does not
            travel to other processes.
    """

    path: Path
    count: int
    side: int
    start: int = 0
    channels: int = CHANNELS
    owner: Any = None
    _mapped: Any = field(default=None, init=False, repr=False)

    def square(self, index: int) -> Tensor:
        """As :meth:`SampleSource.square`; not to be written to."""
        if self._mapped is None:
            shape = (self.count, self.side, self.side, self.channels)
            # "c": pages are shared until written to, and torch warns of arrays that are read-only
            self._mapped = np.memmap(self.path, np.uint8, "c", offset=self.start, shape=shape)
        return torch.from_numpy(self._mapped[index])

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"owner": None, "_mapped": None}


def bytes_of(pairs: Sequence[Pair], side: int) -> int:
    """Bytes that the squares of ``pairs`` take up."""
    return len(pairs) * side * side * channels_of(pairs)
