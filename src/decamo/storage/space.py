"""Room on the disk, asked before hours depend on it."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from decamo.errors import StorageError
from decamo.storage.durable import storage_error

__all__ = ["check_space", "file_bytes", "run_bytes"]

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
