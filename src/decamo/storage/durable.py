"""Writes that are whole or absent, whatever happens in between."""

import contextlib
import errno
import os
import shutil
from pathlib import Path

from decamo.errors import StorageError
from decamo.system import replace, sync_folder

__all__ = [
    "keep_copy",
    "make_folder",
    "previous_of",
    "replace_by_copy",
    "storage_error",
    "sync_folder",
    "write_whole",
]

_REMEDIES = {
    errno.ENOSPC: "free space or name another --checkpoint-dir",
    errno.EDQUOT: "free space within the quota or name another --checkpoint-dir",
    errno.EROFS: "name a --checkpoint-dir on a disk that can be written",
    errno.EACCES: "make it writable or name another --checkpoint-dir",
    errno.EPERM: "make it writable or name another --checkpoint-dir",
    errno.EFBIG: "raise the limit of a file's size, see `ulimit -f`",
    errno.EIO: "check the disk, or the connection to it",
    errno.ESTALE: "mount the network drive again",
}


def previous_of(path: Path) -> Path:
    """``last.pth`` -> ``last.previous.pth``: the good file that the newest one replaced."""
    return path.with_name(f"{path.stem}.previous{path.suffix}")


def write_whole(path: Path, *chunks: bytes | memoryview, previous: Path | None = None) -> None:
    """Put ``chunks`` at ``path`` so that a reader sees the old file or the new one, whole.

    Order: a temporary in the same folder, fsync, keep the old file as ``previous`` (a hard link,
    or a copy where the file system has no links), rename, fsync of the folder.

    Raises:
        StorageError: the disk is full, read-only or broken; the old file is untouched.
    """
    temporary = _temporary(path)
    try:
        # Left by a crash, it may be a hard link to a checkpoint: not to be written into.
        temporary.unlink(missing_ok=True)
        with temporary.open("wb") as file:
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        if previous is not None and path.exists():
            keep_copy(path, previous)
        replace(temporary, path)
        sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise storage_error(path, error) from error


def keep_copy(path: Path, copy: Path) -> None:
    """Let ``copy`` name the bytes that ``path`` has now, whatever becomes of ``path`` later.

    Raises:
        OSError: it could not be done; ``copy`` is untouched.
    """
    if copy.exists() and copy.samefile(path):  # POSIX: a rename between two links does nothing
        return
    temporary = _temporary(copy)
    temporary.unlink(missing_ok=True)
    try:
        _link_or_copy(path, temporary)
        replace(temporary, copy)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def _link_or_copy(path: Path, new: Path) -> None:
    try:
        os.link(path, new)
    except OSError:  # exFAT and some network drives know no hard links
        with path.open("rb") as source, new.open("wb") as file:
            shutil.copyfileobj(source, file, 2**20)
            file.flush()
            os.fsync(file.fileno())


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.tmp")


def replace_by_copy(source: Path, path: Path, previous: Path) -> None:
    """Put a copy of ``source`` at ``path``, whole or not at all; the old file becomes ``previous``.

    Raises:
        StorageError: it could not be done; ``path`` is untouched.
    """
    try:
        if path.exists():
            keep_copy(path, previous)
        keep_copy(source, path)
        sync_folder(path.parent)
    except OSError as error:
        raise storage_error(path, error) from error


def make_folder(path: Path) -> None:
    """Make a folder and its parents.

    Raises:
        StorageError: it cannot be made, or a file stands there.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(path, error) from error


def storage_error(path: Path, error: OSError) -> StorageError:
    """What the operating system said, in one line with a remedy."""
    said = error.strerror or str(error)
    return StorageError(path, said, _REMEDIES.get(error.errno or 0, "check the disk"))
