"""``--cache``: which source of samples a run gets, and why, in one line.

On disk they lie in a file that later runs find again: whole or absent, whoever else builds it.
"""

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from decamo.data.arena import free_memory, reserve
from decamo.data.cache.identity import CHANNELS, cache_identity, channels_of, side_of
from decamo.data.cache.sample_sources import (
    Fresh,
    SampleSource,
    Stored,
    bytes_of,
    fill,
    open_in_memory,
)
from decamo.data.pairs import Pair
from decamo.data.waiting import NOBODY, Ear
from decamo.errors import StorageError
from decamo.settings.words import counted
from decamo.system import cache_folder, lock, replace, sync_folder

__all__ = [
    "Choice",
    "Pool",
    "choose_cache",
    "free_on",
    "open_cache",
    "open_on_disk",
    "whole_file",
]

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


_EPOCHS = 3  # making the squares costs an epoch of reading, which the second one has saved
_SHARE = 0.5  # of the free memory: the rest is for the network, its readers and the page cache
_ROOM = 1.1  # of the bytes needed: a disk is not filled to its last byte for the sake of speed


@dataclass(frozen=True)
class Choice:
    """Where the squares go: ``ram``, ``disk`` or ``none``, and why, for people."""

    where: str
    why: str


@dataclass
class Pool:
    """Squares that several runs of one process train on in turn, such as the trials of a race.

    Attributes:
        runs: how many will read them.
        held: what is open, by the name of its pixels.
    """

    runs: int = 1
    held: dict[str, SampleSource] = field(default_factory=dict)


def choose_cache(
    mode: str, *, needed: int, copies: int, epochs: int, memory: int, disk: int, found: bool
) -> Choice:
    """Decide where the squares go; wherever that is, their bytes are the same.

    Args:
        mode: ``auto``, ``ram`` or ``disk``.
        needed: bytes of all squares.
        copies: processes on this machine that would each hold them in memory.
        epochs: that will read them.
        memory: bytes free.
        disk: bytes free where they would be kept.
        found: whether they lie there already.
    """
    size = _words(needed)
    if mode == "ram" and memory and needed * copies > memory:
        short = f"{_words(needed * copies)} as asked for, of {_words(memory)} free"
        fits = found or needed * _ROOM <= disk
        return Choice("disk" if fits else "none", f"{short}; the pixels are the same")
    if mode != "auto":
        return Choice(mode, f"{size}, as asked for")
    if found:
        return Choice("disk", f"{size}, made by an earlier run")
    if epochs < _EPOCHS:
        return Choice("none", f"{counted(epochs, 'epoch')} would not repay making {size}")
    if needed * copies <= _SHARE * memory:
        return Choice("ram", f"{size} of {_words(memory)} free")
    if needed * _ROOM <= disk:
        return Choice("disk", f"{size}; {_words(memory)} of memory and {_words(disk)} are free")
    return Choice(
        "none", f"{size} find no room: {_words(memory)} of memory and {_words(disk)} are free"
    )


def open_cache(
    mode: str,
    pairs: Sequence[Pair],
    size: int,
    *,
    folder: Path | None,
    epochs: int,
    copies: int,
    workers: int,
    pool: Pool,
    say: Callable[[str], None],
    on_progress: Callable[[int, int], None],
    ear: Ear = NOBODY,
) -> SampleSource:
    """Squares to train on at ``size`` from; they are made where they are not there yet.

    Args:
        mode: ``auto``, ``ram`` or ``disk``.
        pairs: images that train.
        size: they are trained at, in px.
        folder: for ``disk``; None for the user's own.
        epochs: that will read them.
        copies: processes on this machine that open them.
        workers: processes that decode.
        pool: of squares that are open already, and that others will read after this run.
        say: told in one line what was chosen and why.
        on_progress: called with (squares made, squares in all).
        ear: listened to meanwhile.

    Raises:
        StorageError: what was asked for by name cannot be had.
        UnreadableImage: a file cannot be decoded.
        DataStalled: one is not read to its end.
        StopAsked: there was a reason.
    """
    side, pairs = side_of(size), tuple(pairs)
    folder = folder or cache_folder(os.environ)
    name = cache_identity(pairs, side)
    if name in pool.held:
        return pool.held[name]
    choice = choose_cache(
        mode,
        needed=bytes_of(pairs, side),
        copies=copies,
        epochs=epochs * pool.runs,
        memory=free_memory(),
        disk=free_on(folder),
        found=whole_file(folder / f"{name}.squares", name, len(pairs), side, channels_of(pairs)),
    )
    place = f"disk ({folder})" if choice.where == "disk" else choice.where
    say(f"--cache {mode}: {place}, images at {side} px to train at {size} ({choice.why})")
    if choice.where == "none":
        return Fresh(pairs, side)  # not kept: there may be room the next time
    if choice.where == "disk":
        source = open_on_disk(
            folder, pairs, side, workers=workers, on_progress=on_progress, ear=ear
        )
    else:
        try:
            source = open_in_memory(pairs, side, workers=workers, on_progress=on_progress, ear=ear)
        except StorageError as error:
            say(f"--cache {mode}: {error.got}: files are read each time; the pixels are the same")
            return Fresh(pairs, side)
    pool.held[name] = source
    return source


def _words(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"
