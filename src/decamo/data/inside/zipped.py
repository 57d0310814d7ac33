"""A zip that is never unpacked: what it holds, and the bytes of one member.

Nothing of an archive is ever written to a disk, so that no name in it can lead anywhere. Names that
would lead out of it are refused all the same: whoever unpacks it beside us would be hit.
"""

import io
import os
import stat
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path, PurePath
from typing import IO

from decamo.errors import DataError, UnreadableImage

__all__ = [
    "LARGEST",
    "ZIP",
    "Archive",
    "archive_of",
    "bytes_at",
    "entries_at",
    "is_file_at",
    "open_archive",
    "open_at",
    "stat_at",
]

ZIP = ".zip"
LARGEST = 2**30  # bytes of one member, unpacked: a photograph of 300 million pixels is smaller
_MOST = 2_000_000  # members
_KEPT = 4  # archives whose list of members is kept by a process
_REMEDY = "make the archive anew from the data set's folder, or unpack it and name the folder"
_OF_MACOS = "__MACOSX"  # resource forks, which macOS packs beside the files


@dataclass(frozen=True)
class Archive:
    """What a zip holds.

    Attributes:
        path: the zip.
        members: name -> entry of the zip's directory, of files.
        folders: folder -> names in it -> whether each is a folder; the archive's own is ``""``.
        file: the zip, open; reading by several threads is safe.
    """

    path: Path
    members: Mapping[str, zipfile.ZipInfo]
    folders: Mapping[str, Mapping[str, bool]]
    file: zipfile.ZipFile = field(repr=False, compare=False)

    def read(self, name: str) -> bytes:
        """The bytes of a member.

        Raises:
            UnreadableImage: it is damaged, encrypted or larger than ``LARGEST``.
            FileNotFoundError: there is no such member.
        """
        place = self.path / name
        if name not in self.members:
            raise FileNotFoundError(2, "no such file in the archive", str(place))
        info = self.members[name]
        if info.file_size > LARGEST:
            got = f"it unpacks to {info.file_size / 1e9:.1f} GB, over {LARGEST / 1e9:.1f}"
            raise UnreadableImage(place, got, "remove it from the archive")
        if info.flag_bits & 1:
            raise UnreadableImage(place, "encrypted in the archive", "pack it without a password")
        try:
            return self.file.read(info)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError) as error:
            raise UnreadableImage(place, f"damaged in the archive ({error})", _REMEDY) from error


def archive_of(path: PurePath) -> tuple[Path, str] | None:
    """The zip that a path leads into, and the name within, ``""`` for the zip itself; or None.

    A zip within a zip is not looked into.
    """
    for place in (*reversed(path.parents), path):
        if place.suffix.lower() == ZIP and os.path.isfile(place):  # noqa: PTH113 -- a real file
            inner = path.relative_to(place).as_posix()
            return Path(place), "" if inner == "." else inner
    return None


def open_archive(path: Path) -> Archive:
    """The archive, its list of members read once a process.

    Raises:
        DataError: no zip, or it holds names that lead out of it or one name twice.
    """
    found = path.stat()
    return _opened(str(path), found.st_mtime_ns, found.st_size, os.getpid())


def is_file_at(path: Path) -> bool:
    """Whether a path, which may lead into a zip, is a file."""
    inside = archive_of(path)
    if inside is None or not inside[1]:
        return os.path.isfile(path)  # noqa: PTH113 -- of Path's subclass that asks this
    return inside[1] in open_archive(inside[0]).members


def bytes_at(path: Path) -> bytes:
    """The bytes of a file, which may be a member of a zip.

    Raises:
        OSError: there is none.
        UnreadableImage: as :meth:`Archive.read`.
    """
    inside = archive_of(path)
    if inside is None or not inside[1]:
        return Path(path).read_bytes()
    return open_archive(inside[0]).read(inside[1])


def open_at(path: Path) -> IO[bytes]:
    """The same, opened."""
    inside = archive_of(path)
    if inside is None or not inside[1]:
        return Path(path).open("rb")
    return io.BytesIO(open_archive(inside[0]).read(inside[1]))


def stat_at(path: Path) -> os.stat_result:
    """Of a member the zip's, whose time of change is the member's too.

    Raises:
        OSError: there is no such file.
    """
    inside = archive_of(path)
    if inside is None:
        return os.stat(path)  # noqa: PTH116 -- of Path's subclass that asks this
    if inside[1]:
        archive = open_archive(inside[0])
        if inside[1] not in archive.members and inside[1] not in archive.folders:
            raise FileNotFoundError(2, "no such file in the archive", str(path))
    return inside[0].stat()


def entries_at(archive: Path, name: str) -> list[tuple[str, bool]]:
    """Name and whether it is a folder, of all that lies in a folder of a zip.

    Raises:
        OSError: there is no such folder.
    """
    folders = open_archive(archive).folders
    if name not in folders:
        raise FileNotFoundError(2, "no such folder in the archive", str(archive / name))
    return sorted(folders[name].items())


@lru_cache(maxsize=_KEPT)
def _opened(text: str, changed: int, size: int, process: int) -> Archive:
    """Keyed by the process too: a file that a fork shares has one position for both."""
    path = Path(text)
    try:
        file = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise DataError(path, f"no zip that can be read ({error})", _REMEDY) from error
    infos = file.infolist()
    if len(infos) > _MOST:
        raise DataError(path, f"{len(infos)} members, over {_MOST}", "unpack it")
    members: dict[str, zipfile.ZipInfo] = {}
    folders: dict[str, dict[str, bool]] = {"": {}}
    for info in infos:
        name = _name_of(path, info)
        if not name or name.split("/")[0] == _OF_MACOS or _is_link(info):
            continue
        folder = info.is_dir() or info.filename.endswith("\\")
        if not folder and name in members:
            raise DataError(path, f"holds two files named {name}", _REMEDY)
        if not folder:
            members[name] = info
        _enter(folders, name, folder=folder)
    return Archive(path, members, folders, file)


def _enter(folders: dict[str, dict[str, bool]], name: str, *, folder: bool) -> None:
    if folder:
        folders.setdefault(name, {})
    while name:
        above, _, own = name.rpartition("/")
        folders.setdefault(above, {})[own] = folder
        name, folder = above, True


def _name_of(path: Path, info: zipfile.ZipInfo) -> str:
    """A member's name, with slashes whatever packed it."""
    name = info.filename.replace("\\", "/")
    parts = name.split("/")
    if name.startswith("/") or ".." in parts or (parts and parts[0][1:2] == ":"):
        raise DataError(path, f"holds {info.filename!r}, a name that leads out of it", _REMEDY)
    return "/".join(part for part in parts if part not in ("", "."))


def _is_link(info: zipfile.ZipInfo) -> bool:
    return stat.S_ISLNK(info.external_attr >> 16)
