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
import json
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from decamo.errors import SettingsError, StorageError
from decamo.storage.durable import storage_error
from decamo.system import boot_id, lock, pid_space, process

__all__ = ["SILENT_AFTER", "Holder", "Ownership", "own"]

SILENT_AFTER = 120.0  # seconds; network drives show another machine's touch up to 60 s late
_BEAT = 10.0  # seconds between two touches
_LOOK = 5.0  # seconds between two looks at whether the folder is still ours
_PAUSE = 0.5  # seconds between two looks at somebody else's heartbeat
_LAST_YEAR = 2.0**37  # seconds since the epoch that a calendar can say
_FORM = re.compile(r"\.owner-(\d{4,})")


@dataclass(frozen=True)
class Holder:
    """A process, so that another one can find out whether it lives.

    Attributes:
        host: name of its machine, for people.
        process: its number.
        boot: of its machine, see :func:`decamo.system.boot_id`; empty where unknown.
        space: in which the number means something.
        started: when the process was; empty where unknown.
        since: seconds since the epoch at which it took what it holds.
        locked: whether it has locked the file that says so; None where there are no locks.
    """

    host: str
    process: int
    boot: str = ""
    space: str = ""
    started: str = ""
    since: float = 0.0
    locked: bool | None = None

    @classmethod
    def this(cls, now: float = 0.0) -> "Holder":
        """This process."""
        me = process(os.getpid())
        started = "" if me is None else me.started
        return cls(socket.gethostname(), os.getpid(), boot_id(), pid_space(), started, now)

    @classmethod
    def read(cls, text: bytes) -> "Holder | None":
        """What a file says; None where it says nothing that makes sense."""
        try:
            plain = json.loads(text)
            kinds = {"host": str, "process": int, "boot": str, "space": str, "started": str}
            words = {name: kind(plain[name]) for name, kind in kinds.items() if name in plain}
            since, locked = float(plain.get("since", 0.0)), plain.get("locked")
            since = since if 0 <= since < _LAST_YEAR else 0.0
            return cls(**words, since=since, locked=locked if isinstance(locked, bool) else None)
        except (ValueError, TypeError, AttributeError):
            return None

    def to_bytes(self) -> bytes:
        """The inverse of :meth:`read`."""
        return (json.dumps(asdict(self)) + "\n").encode()

    def is_here(self) -> bool:
        """Whether it is, or was, a process of this machine since it was switched on."""
        mine = boot_id()
        if self.boot and mine:
            return self.boot == mine
        return self.host == socket.gethostname()

    def lives(self) -> bool | None:
        """Whether the process is there; None where its number says nothing here."""
        spaces = {self.space, pid_space()} - {""}
        if not self.is_here() or len(spaces) > 1:
            return None
        found = process(self.process)
        if found is None or self.process == os.getpid():  # ours: left by an earlier call
            return False
        return not (found.started and self.started and found.started != self.started)

    def __str__(self) -> str:
        when = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(self.since))
        return f"process {self.process} on {self.host}, since {when}"


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
        newest = _newest(self.root)
        if newest <= _number(self.path):
            return
        holder = _holder(_path(self.root, newest)) or "another process"
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
        SettingsError: a living process has it.
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
            for path in (owned.path, _temporary(root)):
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
            seen = _numbers(self.root)
            number = max(seen, default=0)
            if number and not self._gives_way(_path(self.root, number)):
                continue
            path = _path(self.root, number + 1)
            try:
                holder, file = _create(path, Holder.this(self.now()))
            except FileExistsError:  # another one was quicker
                continue
            except OSError as error:
                raise storage_error(self.root, error) from error
            if _numbers(self.root) - seen - {number + 1}:
                # While this one looked, another came, went, and a third one came.
                file.close()
                path.unlink(missing_ok=True)
                self.sleep(_PAUSE)
                continue
            for old in seen:
                with contextlib.suppress(OSError):
                    _path(self.root, old).unlink(missing_ok=True)
            return Ownership(self.root, path, holder, self.clock), file

    def _gives_way(self, path: Path) -> bool:
        """Whether the owner is dead; False where it has gone away and all is to be seen anew.

        Raises:
            SettingsError: it lives.
        """
        holder = _holder(path)
        lives = None if holder is None else holder.lives()
        if lives is not False and holder is not None and holder.locked:
            try:
                free = _is_free(path)
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
        first = _touched(path)
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
                touched = _touched(path)
                if touched is None or _holder(path) != holder:
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
        probe = _temporary(self.root)
        try:
            probe.write_bytes(b"")
            return probe.stat().st_mtime
        except OSError as error:
            raise storage_error(self.root, error) from error
        finally:
            with contextlib.suppress(OSError):
                probe.unlink(missing_ok=True)

    def _refusal(self, holder: Holder | None) -> SettingsError:
        if holder is None:
            return SettingsError(
                "--checkpoint-dir",
                f"{self.root} is in use by another process",
                "wait for its end, or name another folder",
            )
        found = process(holder.process) if holder.lives() else None
        suspended = found is not None and found.suspended
        remedy = "wait for its end, stop it, or name another folder"
        if suspended:
            remedy = f"let it go on (`kill -CONT {holder.process}`), end it, or name another folder"
        return SettingsError(
            "--checkpoint-dir",
            f"{self.root} is in use: {holder}{' (suspended)' if suspended else ''}",
            remedy,
        )


def _create(path: Path, holder: Holder) -> tuple[Holder, BinaryIO]:
    """Make the file in one piece, and lock it.

    Raises:
        FileExistsError: it is there.
        OSError: it cannot be made.
    """
    temporary = _temporary(path.parent)
    temporary.unlink(missing_ok=True)
    file = temporary.open("x+b")
    try:
        holder = replace(holder, locked=lock(file))
        file.seek(0)
        file.write(holder.to_bytes())
        file.flush()
        _publish(temporary, path, holder)
    except BaseException:
        file.close()
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    with contextlib.suppress(OSError):  # Windows keeps it until it is closed
        temporary.unlink(missing_ok=True)
    return holder, file


def _publish(temporary: Path, path: Path, holder: Holder) -> None:
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links: seen half-written for a moment, and not locked
        with path.open("xb") as plain:
            plain.write(replace(holder, locked=None).to_bytes())


def _is_free(path: Path) -> bool | None:
    """Whether nobody has locked it; None where that cannot be tried.

    Raises:
        FileNotFoundError: it is gone.
    """
    for mode in ("r+b", "rb"):  # another user's can be read, perhaps
        try:
            with path.open(mode) as file:
                return lock(file)
        except FileNotFoundError:
            raise
        except OSError:
            continue
    return None


def _touched(path: Path) -> float | None:
    """When it was last touched, None where it is gone; opening makes a network drive ask anew."""
    try:
        with path.open("rb") as file:
            return os.fstat(file.fileno()).st_mtime
    except FileNotFoundError:
        return None
    except OSError:
        return path.stat().st_mtime if path.exists() else None


def _holder(path: Path) -> Holder | None:
    try:
        return Holder.read(path.read_bytes())
    except OSError:
        return None


def _newest(root: Path) -> int:
    return max(_numbers(root), default=0)


def _numbers(root: Path) -> set[int]:
    found = (_FORM.fullmatch(path.name) for path in root.glob(".owner-*"))
    return {int(match[1]) for match in found if match}


def _path(root: Path, number: int) -> Path:
    return root / f".owner-{number:04d}"


def _number(path: Path) -> int:
    return int(path.name.rpartition("-")[2])


def _temporary(root: Path) -> Path:
    return root / f".owner.{socket.gethostname()}.{os.getpid()}.tmp"
