"""The check of :mod:`decamo.storage.outputs` for a million outputs, in some 50 bytes each.

Whether two paths can meet at all is told by 64-bit digests of their names and inodes, in arrays. If
two digests are equal, which they practically never are unless there is something to refuse, the
whole check looks again and says what meets.
"""

import hashlib
import os
from array import array
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from decamo.storage.outputs import (
    OutputPlaces,
    Read,
    Written,
    check_kind,
    check_outputs,
    check_shape,
)
from decamo.storage.same_files import every_file_under, inode_of, inode_of_stream, one_spelling

__all__ = ["check_many_outputs"]

_Digests = npt.NDArray[np.uint64]


def check_many_outputs(
    reads: Callable[[], Iterable[Read]], writes: Callable[[], Iterable[Written]]
) -> None:
    """Refuse what :func:`~decamo.storage.outputs.check_outputs` refuses, in constant memory.

    Args:
        reads: all that the command reads; called more than once.
        writes: all that it will write; likewise.

    Raises:
        SettingsError: names the output, what it would replace, and a remedy.
    """
    places = OutputPlaces()
    for one in writes():
        check_shape(one, places)
    if _may_meet(reads, writes, places):
        check_outputs(reads(), list(writes()))
    for one in writes():
        check_kind(one, places)


def _may_meet(
    reads: Callable[[], Iterable[Read]],
    writes: Callable[[], Iterable[Written]],
    places: OutputPlaces,
) -> bool:
    keys = _gathered(places.key(one.path) for one in writes() if not one.folder)
    there = _gathered(_present(writes(), places))
    if _has_twins(keys) or _has_twins(there):
        return True
    folders = {folder for one in writes() for folder in (one.path, *one.path.parents)[
        0 if one.folder else 1 :]}  # fmt: skip
    if _any_in((places.key(folder) for folder in folders), keys):
        return True
    parents = {one.path.parent for one in writes() if not one.folder}
    spelled = _gathered(_spelling(one.path, places) for one in writes() if not one.folder)
    if _any_in(_other_spellings(parents, places, spelled), keys):
        return True
    del spelled
    into = inode_of_stream()
    if into is not None and _any_in([repr(into)], there):
        return True
    return _any_in(_read_keys(reads(), places), keys) or (
        bool(len(there)) and _any_in(_read_inodes(reads()), there)
    )


def _present(writes: Iterable[Written], places: OutputPlaces) -> Iterator[str]:
    """Inodes of the outputs that are there."""
    for one in writes:
        if not one.folder and not one.linked and (inode := inode_of(one.path)) is not None:
            yield repr(inode)


def _spelling(path: Path, places: OutputPlaces) -> str:
    return str(places.real(path.parent) / path.name)


def _other_spellings(
    folders: Iterable[Path], places: OutputPlaces, spelled: _Digests
) -> Iterator[str]:
    """Keys of what lies in some folders and is no output, but for other spellings of its name."""
    for folder in folders:
        try:
            names = os.listdir(folder)  # noqa: PTH208 - a text each, not a path
        except OSError:
            continue
        for name in names:
            path = folder / name
            if one_spelling(name) != name and not _any_in([_spelling(path, places)], spelled):
                yield places.key(path)


def _read_keys(reads: Iterable[Read], places: OutputPlaces) -> Iterator[str]:
    for read in reads:
        if not read.path.is_dir():
            yield places.key(read.path)
            yield places.key(Path(os.path.realpath(read.path)))


def _read_inodes(reads: Iterable[Read]) -> Iterator[str]:
    for read in reads:
        for path in every_file_under(read.path) if read.path.is_dir() else (read.path,):
            inode = inode_of(path)
            if inode is not None:
                yield repr(inode)


def _digest(text: str) -> int:
    found = hashlib.blake2b(text.encode(errors="surrogateescape"), digest_size=8).digest()
    return int.from_bytes(found, "little")


def _gathered(texts: Iterable[str]) -> _Digests:
    """Digests in order."""
    found = np.frombuffer(array("Q", map(_digest, texts)), dtype=np.uint64).copy()
    found.sort()
    return found


def _has_twins(digests: _Digests) -> bool:
    return bool((digests[1:] == digests[:-1]).any())


def _any_in(texts: Iterable[str], digests: _Digests) -> bool:
    for text in texts:
        wanted = np.uint64(_digest(text))
        place = int(np.searchsorted(digests, wanted))
        if place < len(digests) and digests[place] == wanted:
            return True
    return False
