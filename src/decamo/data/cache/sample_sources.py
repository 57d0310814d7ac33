"""Where cached samples come from, memory or the disk, and how several processes put them there."""

import json
import os
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from decamo.data.arena import nameless
from decamo.data.audit.workers import Lost, in_processes
from decamo.data.cache.identity import CHANNELS, channels_of, square_of
from decamo.data.inside import located
from decamo.data.kept_memory import keep_freed_memory
from decamo.data.pairs import Pair
from decamo.data.read_ahead import ReadAhead
from decamo.data.rules import ReadingRule
from decamo.data.waiting import NOBODY, Ear, Patience
from decamo.errors import DataError, DataStalled, StorageError, UnreadableImage

__all__ = [
    "Fresh",
    "SampleSource",
    "Stored",
    "bytes_of",
    "fill",
    "open_in_memory",
]

_FEW = 256  # below, processes take longer to start than they save
_ASLEEP = "see whether its disk answers; --data-timeout waits longer"
_REMEDY = "download or export the file again, or remove the pair"


def fill(
    path: Path,
    pairs: Sequence[Pair],
    side: int,
    *,
    start: int,
    workers: int,
    on_progress: Callable[[int, int], None],
    ear: Ear = NOBODY,
) -> None:
    """Write the square of every pair into an existing file.

    Args:
        path: the file, which several processes open by this name.
        pairs: in the order in which their squares are to lie.
        side: of each square, in px.
        start: bytes before the first square.
        workers: processes; 0, or few pairs, are read in this one.
        on_progress: called in this thread with (squares written, squares in all).
        ear: listened to meanwhile.

    Raises:
        UnreadableImage: a file cannot be decoded, or processes died of it.
        DataStalled: one is not read to its end.
        StopAsked: there was a reason to stop.
        OSError: the file cannot be written; StorageError where another process found out.
    """
    channels = channels_of(pairs)
    if workers < 1 or len(pairs) < _FEW:
        _fill_here(path, pairs, side, start, on_progress, ear)
        return
    tasks = [
        (
            str(p.image),
            str(p.mask),
            json.dumps(p.rule.to_plain()),
            str(path),
            str(side),
            str(channels),
            str(start),
            str(i),
        )
        for i, p in enumerate(pairs)
    ]
    try:
        answers = in_processes(
            _task, tasks, workers=workers, timeout_s=ear.give_up_s, on_progress=on_progress, ear=ear
        )
    except DataError as error:  # no process starts: it takes longer without them
        ear.say(f"{error.got}: this process squashes the images itself")
        _fill_here(path, pairs, side, start, on_progress, ear)
        return
    for pair, answer in zip(pairs, answers, strict=True):
        if isinstance(answer, Lost) and answer.late:
            raise DataStalled(pair.image, f"{answer.reason} (or its mask)", _ASLEEP)
        if isinstance(answer, Lost):
            raise UnreadableImage(pair.image, f"{answer.reason} (or of its mask)", _REMEDY)
        if "unreadable" in answer:
            raise UnreadableImage(*answer["unreadable"])
        if "unwritten" in answer:
            raise StorageError(path, answer["unwritten"], "give another --cache or --cache-dir")


def _fill_here(
    path: Path,
    pairs: Sequence[Pair],
    side: int,
    start: int,
    on_progress: Callable[[int, int], None],
    ear: Ear,
) -> None:
    """The same by a thread of this process."""
    channels = channels_of(pairs)
    reading = ReadAhead(
        lambda index: _write(path, pairs[index], side, channels, start, index),
        range(len(pairs)),
        patience=Patience(ear.give_up_s),
        name=lambda index: pairs[index].image,
    )
    with closing(reading):
        for index in range(len(pairs)):
            reading.next(ear).result()
            on_progress(index + 1, len(pairs))


def _task(image: str, mask: str, rule: str, path: str, *numbers: str) -> dict[str, object]:
    torch.set_num_threads(1)  # the processes share the cores as it is
    keep_freed_memory()
    read = ReadingRule.from_plain(json.loads(rule))
    pair = Pair(located(image), located(mask), Path(image).stem, "", "train", read)
    side, channels, start, index = (int(number) for number in numbers)
    try:
        _write(Path(path), pair, side, channels, start, index)
    except UnreadableImage as error:
        return {"unreadable": [str(error.what), error.got, error.remedy]}
    except OSError as error:
        return {"unwritten": error.strerror or str(error)}
    return {}


def _write(path: Path, pair: Pair, side: int, channels: int, start: int, index: int) -> None:
    square = square_of(pair, side, channels)
    with path.open("r+b", buffering=0) as file:
        file.seek(start + index * side * side * channels)
        left = memoryview(square.numpy().tobytes())
        while left:
            left = left[file.write(left) :]


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
        channels: bytes of a pixel, as :func:`~decamo.data.cache.identity.channels_of` has it.
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


def open_in_memory(
    pairs: Sequence[Pair],
    side: int,
    *,
    workers: int,
    on_progress: Callable[[int, int], None],
    ear: Ear = NOBODY,
) -> Stored:
    """The squares of ``pairs`` in memory that other processes share.

    On Linux that is a file without a name on any disk (memfd): no limit of ``/dev/shm`` holds for
    it, and a kill leaves nothing behind. Other processes open it through the ``/proc`` of this one,
    so that it needs neither fork nor luck. Elsewhere it is a temporary file, which the page cache
    holds in memory.

    Args:
        pairs: in the order in which the squares are numbered.
        side: of each square, in px.
        workers: processes that decode; 0 decodes in this one.
        on_progress: called in this thread with (squares made, squares in all).
        ear: listened to meanwhile.

    Raises:
        StorageError: there is no such memory.
        UnreadableImage: a file cannot be decoded.
        DataStalled: one is not read to its end.
        StopAsked: there was a reason.
    """
    try:
        owner = nameless("squares")
        os.truncate(owner.path, bytes_of(pairs, side))
        fill(
            owner.path, pairs, side, start=0, workers=workers, on_progress=on_progress,
            ear=ear,
        )  # fmt: skip
    except OSError as error:
        said = error.strerror or str(error)
        raise StorageError("--cache ram", said, "give --cache disk or --cache off") from error
    return Stored(owner.path, len(pairs), side, channels=channels_of(pairs), owner=owner)
