"""Writes that are whole or absent, whatever happens in between; room on the disk, asked before."""

import contextlib
import errno
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from decamo.errors import StorageError
from decamo.system import replace, sync_folder

__all__ = [
    "check_space",
    "file_bytes",
    "keep_copy",
    "make_folder",
    "previous_of",
    "replace_by_copy",
    "run_bytes",
    "storage_error",
    "streamed_whole",
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


@contextlib.contextmanager
def streamed_whole(path: Path) -> Iterator[BinaryIO]:
    """A file to be written piece by piece that is at ``path`` once the block has ended well.

    If it does not, the old file is untouched and what was written is gone.

    Raises:
        StorageError: it cannot be opened or put in its place.
    """
    temporary = _temporary(path)
    try:
        try:
            temporary.unlink(missing_ok=True)
            file = temporary.open("w+b")
        except OSError as error:
            raise storage_error(path, error) from error
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        try:
            replace(temporary, path)
            sync_folder(path.parent)
        except OSError as error:
            raise storage_error(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


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


# last, last.previous, best_model, best_model.previous, and the file being written beside them.
_FILES_OF_A_RUN = 5
_PLAIN_BYTES = 2 * 2**20  # settings, history, names and padding of a large network


def file_bytes(weight_bytes: int, *, average: bool) -> int:
    """About the length of a checkpoint: weights, Adam's two moments, and the moving average.

    Args:
        weight_bytes: bytes of the model's parameters and buffers.
        average: whether a moving average is kept.
    """
    return weight_bytes * (4 if average else 3) + _PLAIN_BYTES


def run_bytes(root: Path, file_bytes: int, snapshots: int = 0) -> int:
    """Bytes that a run still needs in ``root`` at its worst moment, a save of a new best.

    Args:
        root: the run folder; what its checkpoints take up already is not asked for again.
        file_bytes: length of one checkpoint.
        snapshots: epoch snapshots that are kept beside.
    """
    whole = (_FILES_OF_A_RUN + snapshots) * file_bytes
    held = _held(root.glob("*.pth")) if root.is_dir() else 0
    return max(whole - held, file_bytes)  # each save writes one file before it drops another


def _held(paths: Iterable[Path]) -> int:
    """Bytes of these files, hard links of one file counted once."""
    sizes: dict[tuple[int, int], int] = {}
    for path in paths:
        try:
            status = path.stat()
        except OSError:  # a dangling link, or gone since it was listed
            continue
        sizes[status.st_dev, status.st_ino] = status.st_size
    return sum(sizes.values())


def check_space(folder: Path, needed: int) -> None:
    """Make sure that ``needed`` bytes can be written into ``folder``, as far as it can be known.

    Quotas are not seen: one that is exceeded is told by the write itself. A file system that
    names no size (some network drives) is believed to have room.

    Raises:
        StorageError: there is less room, or the folder cannot be asked.
    """
    nearest = next((p for p in (folder, *folder.absolute().parents) if p.exists()), folder)
    try:
        usage = shutil.disk_usage(nearest)
    except OSError as error:
        raise storage_error(folder, error) from error
    if usage.total and usage.free < needed:
        raise StorageError(
            folder,
            f"{_size(needed)} are needed and {_size(usage.free)} are free",
            f"free {_size(needed - usage.free)} or name another --checkpoint-dir",
        )


def _size(count: int) -> str:
    """Bytes in the largest unit that leaves a whole number before the point."""
    value, units = float(count), ["bytes", "kB", "MB", "GB", "TB"]
    while value >= 1000 and len(units) > 1:
        value /= 1000
        units.pop(0)
    return f"{value:.0f} {units[0]}" if units[0] == "bytes" else f"{value:.1f} {units[0]}"
