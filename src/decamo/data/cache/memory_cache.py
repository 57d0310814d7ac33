"""Squares in shared memory: mapped by every reading process, gone with the last of them."""

import os
from collections.abc import Callable, Sequence

from decamo.data.arena import nameless
from decamo.data.cache.filling import fill
from decamo.data.cache.pixels import channels_of
from decamo.data.cache.sample_sources import Stored, bytes_of
from decamo.data.pairs import Pair
from decamo.data.waiting import NOBODY, Ear
from decamo.errors import StorageError

__all__ = ["open_in_memory"]


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
