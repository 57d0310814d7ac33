"""Memory that reading processes put batches into: where it is to be had, and how much is enough."""

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "AHEAD",
    "Arena",
    "Nameless",
    "Temporary",
    "affordable",
    "batch_bytes",
    "free_memory",
    "nameless",
    "reading_line",
    "reserve",
    "room_line",
]

SHM = Path("/dev/shm")
_HEAD = 64  # bytes before each slot: a cache line; the first eight tell which sample is being read
_PAGE = 4096

_GROUPS = (  # of a container: limit and use, version 2 and version 1
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    (
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
    ),
)


class Nameless:
    """A file in memory that lives as long as somebody has it open, and a name to open it by.

    Other processes open it through the ``/proc`` of this one, so that it needs neither fork nor
    luck.
    """

    way = "memory without a name"

    def __init__(self, label: str) -> None:
        self._descriptor = os.memfd_create(label)
        self.path = Path(f"/proc/{os.getpid()}/fd/{self._descriptor}")

    def __del__(self) -> None:
        if hasattr(self, "_descriptor"):
            os.close(self._descriptor)


class Temporary:
    """A temporary file, gone when it is let go of by the process that made it."""

    way = "a temporary file"

    def __init__(self, label: str) -> None:
        descriptor, name = tempfile.mkstemp(prefix="decamo-", suffix=f".{label}")
        os.close(descriptor)
        self.path = Path(name)
        self._maker = os.getpid()

    def __del__(self) -> None:
        if getattr(self, "_maker", 0) == os.getpid():
            with contextlib.suppress(OSError):  # Windows: a reader has it mapped still
                self.path.unlink(missing_ok=True)


def nameless(label: str) -> Nameless | Temporary:
    """A file that holds bytes for several processes: in memory where there is such a thing.

    Raises:
        OSError: there is neither.
    """
    if hasattr(os, "memfd_create"):
        with contextlib.suppress(OSError):  # a sandbox may forbid the call
            return Nameless(label)
    return Temporary(label)


def reserve(path: Path, length: int) -> None:
    """Take so many bytes for a file now, so that want of room is an error and not a signal later.

    Raises:
        OSError: there is no room.
    """
    with path.open("r+b", buffering=0) as file:
        os.ftruncate(file.fileno(), length)
        if not hasattr(os, "posix_fallocate"):
            return
        try:
            os.posix_fallocate(file.fileno(), 0, length)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
                raise


@dataclass
class Arena:
    """Slots of equal size that several processes map; each is written by one of them at a time.

    Attributes:
        path: of the file.
        slots: how many.
        size: bytes in each.
        owner: keeps the file as long as this is; it does not travel to other processes.
    """

    path: Path
    slots: int
    size: int
    owner: Any = None
    _mapped: Any = None

    @classmethod
    def make(cls, slots: int, size: int) -> "Arena | None":
        """So many slots of so many bytes, whose room is taken; None where there is none."""
        size = -(-(size + _HEAD) // _PAGE) * _PAGE
        for kind in (Nameless, Temporary):
            try:
                owner = kind("batches")
                reserve(owner.path, slots * size)
                arena = cls(owner.path, slots, size, owner)
                arena.mark(0, 0)
            except (OSError, AttributeError):  # no such call, no room, no writable folder
                continue
            return arena
        return None

    def slot(self, index: int) -> npt.NDArray[np.uint8]:
        """The bytes of a slot, to be read and written.

        Raises:
            OSError: the file cannot be opened from here.
        """
        return self._map()[index, _HEAD:]

    def mark(self, index: int, sample: int) -> None:
        """Note which sample of a slot's batch is being read."""
        self._map()[index, :8].view(np.int64)[0] = sample

    def marked(self, index: int) -> int:
        """Which sample of a slot's batch is being read, or was last."""
        return int(self._map()[index, :8].view(np.int64)[0])

    def _map(self) -> npt.NDArray[np.uint8]:
        if self._mapped is None:
            self._mapped = np.memmap(self.path, np.uint8, "r+", shape=(self.slots, self.size))
        return self._mapped

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"owner": None, "_mapped": None}


def room_line(workers: int, needed: int, way: str) -> str:
    """How batches travel, beside what ``/dev/shm`` would have had room for.

    Args:
        workers: processes that read.
        needed: bytes that their batches take.
        way: where those bytes lie.
    """
    try:
        there = f"which has {_words(shutil.disk_usage(SHM).free)} free"
        if not os.access(SHM, os.W_OK):
            there = "which cannot be written"
    except OSError:
        there = "which is not there"
    many = f"{workers} processes read" if workers > 1 else "1 process reads"
    return f"{many}: batches take {_words(needed)} in {way}, nothing in /dev/shm, {there}"


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


def _words(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


AHEAD = 2  # micro-batches that each process has been given
_SHARE = 0.5  # of the free memory: the rest is for the network and the page cache
_CHANNELS = 4


def batch_bytes(workers: int, micro_batch: int, size: int) -> int:
    """Bytes that the batches of reading processes take, for images of ``size`` px."""
    return workers * AHEAD * micro_batch * size**2 * _CHANNELS


def affordable(workers: int, micro_batch: int, size: int) -> tuple[int, str]:
    """How many of the reading processes the free memory is enough for, and why not all, if so."""
    free, needed = free_memory(), batch_bytes(workers, micro_batch, size)
    if not free or needed <= _SHARE * free:
        return workers, ""
    most = int(_SHARE * free / batch_bytes(1, micro_batch, size))
    return most, (
        f"batches of {workers} reading processes need {needed / 1e6:.0f} MB, and"
        f" {free / 1e6:.0f} MB of memory are free: {most or 'none'} of them"
        f" read{'s' if most == 1 else ''}"
    )


def reading_line(workers: int, micro_batch: int, size: int) -> str:
    """Who reads, how batches travel, and what room there is in ``/dev/shm``, which is not used."""
    able, _ = affordable(workers, micro_batch, size)
    if not able:
        return "a thread of this process reads"
    probe = Arena.make(1, 1)
    way = "their socket pairs" if probe is None else probe.owner.way
    return room_line(able, batch_bytes(able, micro_batch, size), way)
