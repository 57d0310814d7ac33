"""Squares in shared memory: mapped by every reading process, gone with the last of them."""

import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from decamo.data.cache.filling import fill
from decamo.data.cache.pixels import channels_of
from decamo.data.cache.sources import Stored, bytes_of
from decamo.data.pairs import Pair
from decamo.errors import StorageError

__all__ = ["free_memory", "open_in_memory"]

_GROUPS = (  # of a container: limit and use, version 2 and version 1
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    (
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
    ),
)


def open_in_memory(
    pairs: Sequence[Pair],
    side: int,
    *,
    workers: int,
    on_progress: Callable[[int, int], None],
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

    Raises:
        StorageError: there is no such memory.
        UnreadableImage: a file cannot be decoded.
    """
    try:
        owner = _Nameless() if hasattr(os, "memfd_create") else _Temporary()
        os.truncate(owner.path, bytes_of(pairs, side))
        fill(owner.path, pairs, side, start=0, workers=workers, on_progress=on_progress)
    except OSError as error:
        said = error.strerror or str(error)
        raise StorageError("--cache ram", said, "give --cache disk or --cache off") from error
    return Stored(owner.path, len(pairs), side, channels=channels_of(pairs), owner=owner)


class _Nameless:
    """A file in memory that lives as long as somebody has it open, and a name to open it by."""

    def __init__(self) -> None:
        self._descriptor = os.memfd_create("decamo-squares")
        self.path = Path(f"/proc/{os.getpid()}/fd/{self._descriptor}")

    def __del__(self) -> None:
        if hasattr(self, "_descriptor"):
            os.close(self._descriptor)


class _Temporary:
    """A temporary file, gone when it is let go of by the process that made it."""

    def __init__(self) -> None:
        descriptor, name = tempfile.mkstemp(prefix="decamo-", suffix=".squares")
        os.close(descriptor)
        self.path = Path(name)
        self._maker = os.getpid()

    def __del__(self) -> None:
        if getattr(self, "_maker", 0) == os.getpid():
            with suppress(OSError):  # Windows: a reader has it mapped still
                self.path.unlink(missing_ok=True)


def free_memory(
    read: Callable[[str], str] = lambda path: Path(path).read_text(encoding="ascii"),
) -> int:
    """Bytes that could be used without swapping, in this container; 0 where unknown.

    Args:
        read: gives the text of a system file, or raises OSError.
    """
    free = 0
    try:
        for line in read("/proc/meminfo").splitlines():
            if line.startswith("MemAvailable:"):
                free = int(line.split()[1]) * 1024
    except (OSError, ValueError):
        return 0
    for limit, use in _GROUPS:
        try:
            free = min(free, max(int(read(limit)) - int(read(use)), 0))
        except (OSError, ValueError):  # there is no such group, or its limit is "max"
            continue
    return free
