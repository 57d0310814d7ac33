"""One owner a run folder: a second run is refused, and an owner that is dead gives way.

The owner is the newest ``.owner-0001`` in the folder. It comes into being by a link, which only one
process can make, and names host, process and start; while its process lives it is locked and
touched every few seconds. Whether the owner is alive is decided by the best witness there is:

- on this machine its process, by number and start, so that a reused number deceives nobody; a
  killed run gives way at once, one that was suspended does not;
- in another container of this machine, where numbers mean nothing, the lock, which the kernel drops
  with the process;
- on another machine its heartbeat: one that moves is alive, one that stands still for
  ``SILENT_AFTER`` is not. It is watched, so that no two clocks need agree.

An owner that wakes up after it was given up finds a newer one and ends without a save.
"""

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from decamo.errors import FolderInUse, StorageError
from decamo.storage.durable import storage_error
from decamo.storage.owner_file import (
    Holder,
    create_owner_file,
    holder_in,
    is_unlocked,
    newest_number,
    owner_number,
    owner_numbers,
    owner_path,
    temporary_beside,
    touched_at,
)
from decamo.system import process

__all__ = ["SILENT_AFTER", "Ownership", "own"]

SILENT_AFTER = 120.0  # seconds; network drives show another machine's touch up to 60 s late
_BEAT = 10.0  # seconds between two touches
_LOOK = 5.0  # seconds between two looks at whether the folder is still ours
_PAUSE = 0.5  # seconds between two looks at somebody else's heartbeat


@dataclass
class Ownership:
    """A folder that is this process's own.

    Attributes:
        root: the folder.
        path: the file that says so.
        holder: what it says.
        clock: seconds from any fixed moment.
    """

    root: Path
    path: Path
    holder: Holder
    clock: Callable[[], float]
    _looked: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self._looked = self.clock()

    def check(self) -> None:
        """Make sure that nobody else has taken over; cheap, to be called between any two steps.

        Raises:
            StorageError: somebody has: this process was suspended or cut off for too long.
        """
        now = self.clock()
        if now - self._looked < _LOOK:
            return
        self._looked = now
        newest = newest_number(self.root)
        if newest <= owner_number(self.path):
            return
        holder = holder_in(owner_path(self.root, newest)) or "another process"
        raise StorageError(
            self.root,
            f"{holder}, has taken it over while this run stood still",
            "nothing more is saved by this run; look at the other one, or name another"
            " --checkpoint-dir",
        )

    def beat(self) -> None:
        """Say that this process is alive."""
        try:
            os.utime(self.path)
        except FileNotFoundError:  # somebody cleaned up
            with contextlib.suppress(OSError):
                self.path.write_bytes(self.holder.to_bytes())
        except OSError:  # the disk is away for a moment, or for good: a save will say so
            pass


@contextmanager
def own(
    root: Path,
    *,
    say: Callable[[str], object],
    now: Callable[[], float] = time.time,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    silent_after: float = SILENT_AFTER,
) -> Iterator[Ownership]:
    """Own a folder within this block; inside another block of this process it is shared.

    Args:
        root: the folder, which is there.
        say: told whom it was taken over from, and that somebody's heartbeat is waited for.
        now: seconds since the epoch.
        clock: seconds from any fixed moment.
        sleep: waits so many seconds.
        silent_after: seconds after which an owner on another machine counts as dead.

    Raises:
        FolderInUse: a living process has it.
        StorageError: it cannot be written.
    """
    key = root.resolve()
    if key in _held:
        yield _held[key]
        return
    taker = _Taker(root, say, now, clock, sleep, silent_after)
    owned, file = taker.take()
    _held[key], _files[key] = owned, file
    over = threading.Event()
    thread = threading.Thread(target=_beat, args=(owned, over), daemon=True)
    thread.start()
    try:
        yield owned
    finally:
        if os.getpid() == owned.holder.process:  # not a forked child that an error unwinds
            over.set()
            thread.join()
            _held.pop(key, None)
            _files.pop(key, None)
            file.close()
            for path in (owned.path, temporary_beside(root)):
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=True)


_held: dict[Path, Ownership] = {}
_files: dict[Path, BinaryIO] = {}


def _let_go() -> None:
    """A forked child owns nothing: were it to outlive a kill of ours, it would hold the lock."""
    for file in _files.values():
        file.close()
    _held.clear()
    _files.clear()


if hasattr(os, "register_at_fork"):  # there is no fork on Windows
    os.register_at_fork(after_in_child=_let_go)


def _beat(owned: Ownership, over: threading.Event) -> None:
    while not over.wait(_BEAT):
        owned.beat()


@dataclass
class _Taker:
    root: Path
    say: Callable[[str], object]
    now: Callable[[], float]
    clock: Callable[[], float]
    sleep: Callable[[float], None]
    silent_after: float

    def take(self) -> tuple[Ownership, BinaryIO]:
        while True:
            seen = owner_numbers(self.root)
            number = max(seen, default=0)
            if number and not self._gives_way(owner_path(self.root, number)):
                continue
            path = owner_path(self.root, number + 1)
            try:
                holder, file = create_owner_file(path, Holder.this(self.now()))
            except FileExistsError:  # another one was quicker
                continue
            except OSError as error:
                raise storage_error(self.root, error) from error
            if owner_numbers(self.root) - seen - {number + 1}:
                # While this one looked, another came, went, and a third one came.
                file.close()
                path.unlink(missing_ok=True)
                self.sleep(_PAUSE)
                continue
            for old in seen:
                with contextlib.suppress(OSError):
                    owner_path(self.root, old).unlink(missing_ok=True)
            return Ownership(self.root, path, holder, self.clock), file

    def _gives_way(self, path: Path) -> bool:
        """Whether the owner is dead; False where it has gone away and all is to be seen anew.

        Raises:
            FolderInUse: it lives.
        """
        holder = holder_in(path)
        lives = None if holder is None else holder.lives()
        if lives is not False and holder is not None and holder.locked:
            try:
                free = is_unlocked(path)
            except FileNotFoundError:
                return False
            # On this machine that is the last word: the file of a living owner is locked, and one
            # that is not is a copy. Elsewhere it depends on the drive whether locks are seen.
            if free is False or (free and holder.is_here()):
                lives = not free
        if lives is None:
            return self._watch(path, holder)
        if lives:
            raise self._refusal(holder)
        self.say(f"{holder}, is over: this run takes {self.root} over")
        return True

    def _watch(self, path: Path, holder: Holder | None) -> bool:
        """Wait until a heartbeat moves, or has stood still for too long."""
        first = touched_at(path)
        if first is None:
            return False
        who = holder or "a process that has not said its name"
        age = max(self._time_there() - first, 0.0)
        if age < self.silent_after:
            left = self.silent_after - age
            self.say(
                f"{self.root}: {who}, was alive {age:.0f} s ago; watching whether it still is,"
                f" for {left:.0f} s at most"
            )
            until = self.clock() + left
            while self.clock() < until:
                self.sleep(_PAUSE)
                touched = touched_at(path)
                if touched is None or holder_in(path) != holder:
                    return False
                if touched != first:
                    raise self._refusal(holder)
            age = self.silent_after
        self.say(f"{who}, has been silent for {age:.0f} s: this run takes {self.root} over")
        return True

    def _time_there(self) -> float:
        """The time as the drive counts it, whose clock need not be ours.

        Raises:
            StorageError: nothing can be written there.
        """
        probe = temporary_beside(self.root)
        try:
            probe.write_bytes(b"")
            return probe.stat().st_mtime
        except OSError as error:
            raise storage_error(self.root, error) from error
        finally:
            with contextlib.suppress(OSError):
                probe.unlink(missing_ok=True)

    def _refusal(self, holder: Holder | None) -> FolderInUse:
        if holder is None:
            return FolderInUse(
                "--checkpoint-dir",
                f"{self.root} is in use by another process",
                "wait for its end, or name another folder",
            )
        found = process(holder.process) if holder.lives() else None
        suspended = found is not None and found.suspended
        remedy = "wait for its end, stop it, or name another folder"
        if suspended:
            remedy = f"let it go on (`kill -CONT {holder.process}`), end it, or name another folder"
        return FolderInUse(
            "--checkpoint-dir",
            f"{self.root} is in use: {holder}{' (suspended)' if suspended else ''}",
            remedy,
        )
