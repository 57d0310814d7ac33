"""A path that may lead into a file: a member of a zip, a mask of an annotation, a cell of a table.

``set.zip/Imgs/frog.jpg`` is a member of a zip, ``instances.json/frog.pgm`` the mask that the
annotations of ``frog.jpg`` make. Both are paths as any other: they have a name, a stem and a
parent, compare and sort, travel to other processes as text, and open as bytes. So everything that
finds, names, counts and reads image files does so with these, and a plain file is read as ever.
"""

import filecmp
import io
import os
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from decamo.data.inside.coco import open_coco
from decamo.data.inside.labelme import INNER, read_labelme
from decamo.data.inside.notation import TABLE
from decamo.data.inside.yolo import LABELS, read_yolo, stat_of_labels
from decamo.data.inside.zipped import (
    ZIP,
    archive_of,
    bytes_at,
    entries_at,
    is_file_at,
    open_archive,
    stat_at,
)

__all__ = ["FolderEntry", "InnerPath", "entries_of", "located", "same_content", "title_of"]

if TYPE_CHECKING:
    _Base = Path
else:
    _Base = type(Path())  # Path itself cannot be derived from before Python 3.12


def _read_json(path: Path, name: str) -> bytes:
    if name.startswith(f"{INNER}/"):
        return read_labelme(path, name)
    return open_coco(path).read(name)


def _read_table(path: Path, name: str) -> bytes:
    from decamo.data.inside.tables import read_cell

    return read_cell(path, name)


_READERS: dict[str, Callable[[Path, str], bytes]] = {
    ".json": _read_json,
    LABELS: read_yolo,
    TABLE: _read_table,
}


class InnerPath(_Base):
    """A path of which some part is a file that holds others; it may also be a plain path.

    What a name means is looked up when it is asked: the path itself is nothing but its text.
    """

    __slots__ = ()

    def open(self, mode: str = "r", *_: Any, **options: Any) -> Any:
        """The content, to be read.

        Raises:
            OSError: there is none.
            UnreadableImage: it cannot be had from the file that holds it.
        """
        data = io.BytesIO(self.read_bytes())
        return data if "b" in mode else io.TextIOWrapper(data, options.get("encoding") or "utf-8")

    def read_bytes(self) -> bytes:
        """The content; errors of :meth:`open`."""
        held = self._held()
        return bytes_at(self) if held is None else _READERS[_kind(held[0])](*held)

    def read_text(self, encoding: str | None = None, errors: str | None = None) -> str:
        """The content as text; errors of :meth:`open`."""
        return self.read_bytes().decode(encoding or "utf-8", errors or "strict")

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """Size and time of change of the file that holds it: if that is the same, so is this.

        Raises:
            OSError: there is no such file.
        """
        held = self._held()
        if held is not None and _kind(held[0]) == LABELS:
            return stat_of_labels(held[0])
        return stat_at(self if held is None else held[0])

    def is_file(self) -> bool:
        """Whether it can be read; of what an annotation holds it is assumed."""
        return self._held() is not None or is_file_at(self)

    def is_dir(self) -> bool:
        """Whether it is a folder, a zip among them."""
        inside = archive_of(self)
        if inside is None:
            return os.path.isdir(self)  # noqa: PTH112 -- Path's would ask `stat` above
        return inside[1] in open_archive(inside[0]).folders

    def exists(self) -> bool:
        """Whether it is there."""
        return self.is_file() or self.is_dir()

    def is_symlink(self) -> bool:
        """Links within an archive are left out."""
        return archive_of(self) is None and os.path.islink(self)  # noqa: PTH114 -- as above

    def iterdir(self) -> "Generator[InnerPath]":
        """What lies in the folder, in order."""
        yield from (self / entry.name for entry in entries_of(self))

    def glob(self, pattern: str) -> "Generator[InnerPath]":
        """What lies in the folder itself and fits a pattern of names."""
        there = self.iterdir() if self.is_dir() else ()
        yield from (path for path in there if fnmatchcase(path.name, pattern))

    def _held(self) -> tuple[Path, str] | None:
        """The file of annotations that holds it, and its name there; or None."""
        for place in self.parents:
            kind = _kind(place)  # an image may lack the file of its labels
            if kind in _READERS and (kind == LABELS or is_file_at(place)):
                return place, self.relative_to(place).as_posix()
        return None


class FolderEntry(Protocol):
    """What ``os.DirEntry`` says of a folder's entry, as far as it is in use."""

    @property
    def name(self) -> str:
        """Without the folder."""

    def is_dir(self) -> bool:
        """Whether it is a folder."""

    def is_file(self) -> bool:
        """Whether it is a file."""


@dataclass(frozen=True)
class _Listed:
    """An entry of a folder within a zip."""

    name: str
    folder: bool

    def is_dir(self) -> bool:
        """Whether it is a folder."""
        return self.folder

    def is_file(self) -> bool:
        """Whether it is a file."""
        return not self.folder


def located(path: Path | str) -> Path:
    """A path that may lead into a file as what can read it; every other one as it is."""
    plain = Path(path)
    places = (plain, *plain.parents)
    if not any(place.suffix.lower() in (ZIP, *_READERS) for place in places):
        return plain
    inner = InnerPath(plain)
    if archive_of(inner) is not None:
        return inner
    return plain if os.path.lexists(plain) or inner._held() is None else inner


def entries_of(folder: Path) -> Sequence[FolderEntry]:
    """What lies in a folder, which may be one of a zip.

    Raises:
        OSError: there is no such folder, or it cannot be listed.
    """
    inside = archive_of(folder) if isinstance(folder, InnerPath) else None
    if inside is None:
        with os.scandir(folder) as entries:
            return list(entries)
    return [_Listed(name, kind) for name, kind in entries_at(*inside)]


def title_of(folder: Path) -> str:
    """What a folder is called; of a zip without its extension."""
    if isinstance(folder, InnerPath) and folder.suffix.lower() == ZIP:
        return folder.stem
    return folder.name


def _kind(path: Path) -> str:
    return path.suffix.lower()


def same_content(one: Path, other: Path) -> bool:
    """Whether two files have the same bytes.

    Raises:
        OSError: one is not there.
    """
    if isinstance(one, InnerPath) or isinstance(other, InnerPath):
        return one == other or one.read_bytes() == other.read_bytes()
    return filecmp.cmp(one, other, shallow=False)
