"""Squares in a file that later runs find again: whole or absent, whoever else builds it."""

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from decamo.data.arena import reserve
from decamo.data.cache.filling import fill
from decamo.data.cache.identity import CHANNELS, cache_identity, channels_of
from decamo.data.cache.sample_sources import Stored, bytes_of
from decamo.data.pairs import Pair
from decamo.data.waiting import NOBODY, Ear
from decamo.errors import StorageError
from decamo.system import lock, replace, sync_folder

__all__ = ["free_on", "open_on_disk", "whole_file"]

_HEAD = 4096  # bytes before the squares: a page, so that the map begins on one
_MAGIC = b"decamo squares 1 "
_PATIENCE = 0.2  # seconds between two looks at another process's lock
_REMEDY = "free space, name another --cache-dir, or give --cache ram or --cache off"


def open_on_disk(
    folder: Path,
    pairs: Sequence[Pair],
    side: int,
    *,
    workers: int,
    on_progress: Callable[[int, int], None],
    ear: Ear = NOBODY,
    sleep: Callable[[float], None] = time.sleep,
) -> Stored:
    """The squares of ``pairs`` from their file in ``folder``, which is built if it is not there.

    It is filled under another name, synced, and renamed, so that a kill leaves no half-filled file
    that could be read. One process builds and the others wait for its lock, which the kernel drops
    with its process. Where the file system has no locks each builds its own; the last rename wins.

    Args:
        folder: made if missing.
        pairs: in the order in which the squares are numbered.
        side: of each square, in px.
        workers: processes that decode; 0 decodes in this one.
        on_progress: called in this thread with (squares made, squares in all).
        ear: listened to meanwhile.
        sleep: waits so many seconds.

    Raises:
        StorageError: the folder cannot be written, or is full.
        UnreadableImage: a file cannot be decoded.
        DataStalled: one is not read to its end.
        StopAsked: there was a reason.
    """
    name, channels = cache_identity(pairs, side), channels_of(pairs)
    path, count = folder / f"{name}.squares", len(pairs)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not whole_file(path, name, count, side, channels):
            with _alone(folder / f"{name}.lock", sleep, ear) as locked:
                if locked:
                    _drop_torn(folder, name)
                if not whole_file(path, name, count, side, channels):
                    _build(path, name, pairs, side, workers, on_progress, ear)
    except OSError as error:
        raise StorageError(folder, error.strerror or str(error), _REMEDY) from error
    return Stored(path, count, side, start=_HEAD, channels=channels)


def whole_file(path: Path, name: str, count: int, side: int, channels: int = CHANNELS) -> bool:
    """Whether ``path`` holds all the squares of that name: its head and its length say so."""
    try:
        with path.open("rb") as file:
            head, length = file.read(_HEAD), os.fstat(file.fileno()).st_size
    except OSError:
        return False
    return head == _head(name, count, side) and length == _HEAD + count * side * side * channels


def free_on(folder: Path) -> int:
    """Bytes that can be written into a folder, which need not be there yet; 0 where unknown."""
    nearest = next((p for p in (folder, *folder.absolute().parents) if p.exists()), folder)
    try:
        return shutil.disk_usage(nearest).free if os.access(nearest, os.W_OK) else 0
    except OSError:
        return 0


def _head(name: str, count: int, side: int) -> bytes:
    return (_MAGIC + f"{name} {count} {side}\n".encode()).ljust(_HEAD, b"\0")


def _build(
    path: Path,
    name: str,
    pairs: Sequence[Pair],
    side: int,
    workers: int,
    on_progress: Callable[[int, int], None],
    ear: Ear,
) -> None:
    part = path.with_name(f"{name}.{os.getpid()}.part")
    length = _HEAD + bytes_of(pairs, side)
    try:
        part.touch()
        reserve(part, length)  # so that a full disk is told before anything is decoded
        fill(part, pairs, side, start=_HEAD, workers=workers, on_progress=on_progress, ear=ear)
        with part.open("r+b") as file:
            os.fsync(file.fileno())
            file.write(_head(name, len(pairs), side))  # the last thing written
            file.flush()
            os.fsync(file.fileno())
        replace(part, path)
        sync_folder(path.parent)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise


def _drop_torn(folder: Path, name: str) -> None:
    """What builders that were killed have left; under the lock nobody else is building."""
    for part in folder.glob(f"{name}.*.part"):
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def _alone(path: Path, sleep: Callable[[float], None], ear: Ear) -> Iterator[bool]:
    """Hold the lock within the block; yields whether there is one.

    Raises:
        StopAsked: there was a reason to stop while another process held it.
    """
    with path.open("ab") as file:
        while True:
            held = lock(file)
            if held is not False:
                locked = bool(held)  # None: a file system without locks
                break
            ear.heed()
            sleep(_PATIENCE)
        yield locked  # closing the file unlocks it
