"""What makes two paths the same file: its inode, or names that some disk takes for one."""

import os
import stat
import sys
import unicodedata
from collections.abc import Iterator
from functools import partial
from pathlib import Path

__all__ = ["every_file_under", "inode_of", "inode_of_stream", "one_spelling"]


def one_spelling(text: str) -> str:
    """One text for all spellings of a name that some disk takes for the same."""
    return unicodedata.normalize("NFC", text).casefold()


def every_file_under(folder: Path) -> Iterator[Path]:
    """Every file below a folder, through links to folders, none twice."""
    seen: set[tuple[int, int] | str] = set()
    for root, folders, names in os.walk(folder, followlinks=True):
        here = inode_of(Path(root)) or os.path.realpath(root)
        if here in seen:
            folders.clear()
            continue
        seen.add(here)
        yield from map(partial(Path, root), names)


def inode_of(path: Path) -> tuple[int, int] | None:
    """Device and inode of a file or folder; None for what is neither, or on disks without any."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    kind = stat.S_IFMT(found.st_mode)
    return (
        (found.st_dev, found.st_ino)
        if kind in (stat.S_IFREG, stat.S_IFDIR) and found.st_ino
        else None
    )


def inode_of_stream() -> tuple[int, int] | None:
    """The file that standard output goes into, where it goes into one."""
    try:
        found = os.fstat(sys.stdout.fileno())
    except (OSError, ValueError, AttributeError):  # closed, or not a real stream
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISREG(found.st_mode) else None
