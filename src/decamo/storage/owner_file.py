"""The file that names a folder's owner: what stands in it, how it comes about, who holds it."""

import contextlib
import json
import os
import re
import socket
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import BinaryIO

from decamo.system import boot_id, lock, pid_space, process

__all__ = [
    "Holder",
    "create_owner_file",
    "holder_in",
    "is_owner_file",
    "is_unlocked",
    "newest_number",
    "owner_number",
    "owner_numbers",
    "owner_path",
    "temporary_beside",
    "touched_at",
]

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


def create_owner_file(path: Path, holder: Holder) -> tuple[Holder, BinaryIO]:
    """Make the file in one piece, and lock it.

    Raises:
        FileExistsError: it is there.
        OSError: it cannot be made.
    """
    temporary = temporary_beside(path.parent)
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


def is_unlocked(path: Path) -> bool | None:
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


def touched_at(path: Path) -> float | None:
    """When it was last touched, None where it is gone; opening makes a network drive ask anew."""
    try:
        with path.open("rb") as file:
            return os.fstat(file.fileno()).st_mtime
    except FileNotFoundError:
        return None
    except OSError:
        return path.stat().st_mtime if path.exists() else None


def holder_in(path: Path) -> Holder | None:
    """Whom the file names; None where it is gone or says nothing that makes sense."""
    try:
        return Holder.read(path.read_bytes())
    except OSError:
        return None


def newest_number(root: Path) -> int:
    """Of the owners that a folder has had, the last; 0 before the first."""
    return max(owner_numbers(root), default=0)


def owner_numbers(root: Path) -> set[int]:
    """Those of all owners whose files are still in a folder."""
    found = (_FORM.fullmatch(path.name) for path in root.glob(".owner-*"))
    return {int(match[1]) for match in found if match}


def owner_path(root: Path, number: int) -> Path:
    """The file of the owner with this number."""
    return root / f".owner-{number:04d}"


def owner_number(path: Path) -> int:
    """The inverse of :func:`owner_path`."""
    return int(path.name.rpartition("-")[2])


def is_owner_file(path: Path) -> bool:
    """Whether it says whose the folder is, or is about to."""
    return path.name.startswith(".owner")


def temporary_beside(root: Path) -> Path:
    """A file of this process alone, to be linked or thrown away."""
    return root / f".owner.{socket.gethostname()}.{os.getpid()}.tmp"
