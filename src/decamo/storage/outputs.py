"""What a command writes, compared with all that it reads before anything is written.

Files are the same if they are one inode, so through symbolic links, hard links, ``..`` and on disks
that ignore case; names that differ by case or by Unicode form alone count as one anywhere, because
a folder that is copied to such a disk would lose a file.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from decamo.errors import SettingsError
from decamo.settings.addresses import address_in
from decamo.storage.durable import make_folder, storage_error, streamed_whole, write_whole
from decamo.storage.same_files import every_file_under, inode_of, inode_of_stream, one_spelling

__all__ = [
    "PLAN_MARK",
    "PREDICTION_MARK",
    "SCORES_MARK",
    "OutputPlaces",
    "Read",
    "Written",
    "check_kind",
    "check_outputs",
    "check_shape",
    "mark_of",
    "write_output",
    "write_streamed",
]

PREDICTION_MARK, PLAN_MARK, SCORES_MARK = "decamo predict", "decamo plan", "decamo evaluate"
"""What stands under ``Software`` in the PNGs of these commands, so that they know their own."""

_MARKS = {"--out": PREDICTION_MARK, "--atlas": SCORES_MARK}
_MARKS |= dict.fromkeys(("--png", "--checkpoint-dir"), PLAN_MARK)
_OLDER_MARK = "Matplotlib"  # pictures of earlier versions
_TEXTS = {
    "--json": ".json",
    "--manifest": ".json",
    "--csv": ".csv",
    "--markdown": ".md",
    "--latex": ".tex",
    "--html": ".html",
}
_OWN_JSON = {"--json": b'\n  "decamo": "', "--manifest": b'\n"pairs": {'}  # near the top
_HEAD = 2**16
# An existing file of such a name is never a report, whether this command reads it or not.
_PICTURES = {".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".webp"}
_ARRAYS = {".npy", ".npz", ".mat"}
_WEIGHTS = {".pth", ".pt", ".ckpt", ".safetensors", ".onnx"}
_NEVER_TEXT = _PICTURES | _ARRAYS | _WEIGHTS | {".jsonl", ".toml", ".py", ".zip", ".tar"}
_PNG = b"\x89PNG\r\n\x1a\n"
_LONGEST_TEXT = 1024


@dataclass(frozen=True)
class Read:
    """A file that a command reads, or a folder of which it may read every file.

    Attributes:
        flag: how the user named it, such as ``--masks``.
        path: it need not exist.
    """

    flag: str
    path: Path


@dataclass(frozen=True)
class Written:
    """A file that a command will write, or a folder that it will make.

    Attributes:
        flag: how the user named it, or named the folder it lies in.
        path: it need not exist, nor its folder.
        folder: whether it is a folder.
        linked: whether it may be a hard link to an input, as a run's checkpoints are to each other:
            a file that is always renamed into place leaves the other name's bytes alone.
    """

    flag: str
    path: Path
    folder: bool = False
    linked: bool = False


def check_outputs(reads: Iterable[Read], writes: Sequence[Written]) -> None:
    """Refuse outputs that would replace an input or each other, or that cannot be written.

    Inside a folder that is read, a command's own report or picture of an earlier run may be
    replaced; it is recognised by its ending and by a mark inside.

    Args:
        reads: all that the command reads.
        writes: all that it will write.

    Raises:
        SettingsError: names the output, what it would replace, and a remedy.
    """
    places = OutputPlaces()
    for one in writes:
        check_shape(one, places)
    _check_each_other(writes, places)
    files = [w for w in writes if not w.folder]
    by_key = {places.key(w.path): w for w in files}
    by_inode: dict[tuple[int, int], Written] = {}
    for one in files:
        present = None if one.linked else places.present(one.path)
        inode = None if present is None else inode_of(present)
        if inode is not None:
            by_inode.setdefault(inode, one)
    for read in reads:
        _check_read(read, by_key, by_inode, places)
    for one in writes:
        check_kind(one, places)


def write_output(path: Path, *chunks: bytes | memoryview) -> None:
    """Write a file that the user named: whole or not at all, through links, its folder made.

    A device or a pipe, such as ``/dev/stdout``, is written into.

    Raises:
        StorageError: it cannot be written; an old file is untouched.
    """
    try:
        special = path.exists() and not path.is_file()
        if special:
            with path.open("wb") as file:
                file.writelines(chunks)
            return
        target = path.resolve()  # a link stays a link
    except (OSError, RuntimeError) as error:  # RuntimeError: a link that leads to itself
        raise storage_error(path, _os_error(error)) from error
    make_folder(target.parent)
    write_whole(target, *chunks)


def write_streamed(path: Path, chunks: Iterable[bytes]) -> None:
    """Like :func:`write_output`, of chunks that need not all be there at once.

    Raises:
        StorageError: it cannot be written; an old file is untouched.
    """
    try:
        special = path.exists() and not path.is_file()
        target = path if special else path.resolve()
    except (OSError, RuntimeError) as error:  # RuntimeError: a link that leads to itself
        raise storage_error(path, _os_error(error)) from error
    try:
        if special:
            with path.open("wb") as file:
                file.writelines(chunks)
            return
        make_folder(target.parent)
        with streamed_whole(target) as whole:
            whole.writelines(chunks)
    except OSError as error:
        raise storage_error(path, error) from error


def mark_of(path: Path) -> str:
    """What a PNG says under ``Software`` before its pixels; empty for anything else."""
    try:
        with path.open("rb") as file:
            if file.read(len(_PNG)) != _PNG:
                return ""
            while len(head := file.read(8)) == 8 and head[4:] != b"IDAT":
                length = int.from_bytes(head[:4], "big")
                if head[4:] != b"tEXt" or length > _LONGEST_TEXT:
                    file.seek(length + 4, os.SEEK_CUR)
                    continue
                keyword, _, text = file.read(length).partition(b"\0")
                if keyword == b"Software":
                    return text.decode("latin-1")
                file.seek(4, os.SEEK_CUR)
    except OSError:
        return ""
    return ""


@dataclass
class OutputPlaces:
    """Folders looked at once: where they really are, and what lies in them."""

    _real: dict[Path, Path] = field(default_factory=dict)
    _names: dict[Path, dict[str, Path]] = field(default_factory=dict)

    def real(self, folder: Path) -> Path:
        """The folder without links and ``..``."""
        if folder not in self._real:
            self._real[folder] = Path(os.path.realpath(folder))
        return self._real[folder]

    def key(self, path: Path) -> str:
        """One text for all names that some disk takes for the same."""
        if path.name in ("", ".."):
            return one_spelling(str(self.real(path)))
        return one_spelling(str(self.real(path.parent) / path.name))

    def present(self, path: Path) -> Path | None:
        """The file that lies there, under this name or one of other case; None where none does."""
        folder = self.real(path.parent)
        if folder not in self._names:
            try:
                names = sorted(path.name for path in folder.iterdir())
            except OSError:
                names = []
            self._names[folder] = {one_spelling(name): folder / name for name in names}
        if path.exists():
            return path
        return self._names[folder].get(one_spelling(path.name))


def check_shape(one: Written, places: OutputPlaces) -> None:
    """Whether a file, or a folder, can be there at all.

    Raises:
        SettingsError: it cannot.
    """
    path = one.path
    if address := address_in(path):
        raise SettingsError(
            one.flag,
            f"got the address {address}; this is written to this machine only",
            "name a file or folder here, and copy it afterwards",
        )
    if str(path) == "-":
        remedy = "name a file; standard output has what the command prints"
        raise SettingsError(one.flag, "got -, which names no file", remedy)
    if one.folder and path.exists() and not path.is_dir():
        raise SettingsError(one.flag, f"{path} is a file, not a folder", "name a folder")
    if not one.folder and path.is_dir():
        raise SettingsError(
            one.flag, f"{path} is a folder", f"name a file in it or another {one.flag}"
        )
    above = _nearest(path.parent if path.name else path)
    if not above.is_dir():
        got = f"{path} cannot be: {above} is a file, not a folder"
        raise SettingsError(one.flag, got, "name another place")
    guarded = path if path.exists() else above
    if not os.access(guarded, os.W_OK):
        raise SettingsError(
            one.flag, f"{guarded} may not be written to", "make it writable or name another place"
        )


def check_kind(one: Written, places: OutputPlaces) -> None:
    """Whether a report would replace what cannot be a report, though this command reads no such.

    Raises:
        SettingsError: it would.
    """
    present = None if one.folder or one.flag not in _TEXTS else places.present(one.path)
    if present is not None and present.suffix.lower() in _NEVER_TEXT and inode_of(present):
        got = f"{one.path} would replace {present}, a file of another kind"
        raise SettingsError(one.flag, got, f"name a file that ends in {_TEXTS[one.flag]}")


def _nearest(folder: Path) -> Path:
    """The folder, or the nearest above it that exists."""
    return next((f for f in (folder, *folder.absolute().parents) if f.exists()), folder)


def _check_each_other(writes: Sequence[Written], places: OutputPlaces) -> None:
    files: dict[str, Written] = {}
    inodes: dict[tuple[int, int], Written] = {}
    for one in (w for w in writes if not w.folder):
        other = files.setdefault(places.key(one.path), one)
        inode = None if one.linked else inode_of(one.path)
        if other is one and inode is not None:
            other = inodes.setdefault(inode, one)
        if other is not one:
            raise _same_place(one, other)
    into = inode_of_stream()
    if into is not None and into in inodes:
        raise _same_place(inodes[into], Written("standard output", inodes[into].path))
    for one in writes:
        folders = [one.path, *one.path.parents] if one.folder else list(one.path.parents)
        for folder in folders:
            above = files.get(places.key(folder))
            if above is not None:
                raise _same_place(one, above)


def _same_place(one: Written, other: Written) -> SettingsError:
    got = f"{one.path} is also where {other.flag} writes {other.path}"
    return SettingsError(one.flag, got, "give each its own file")


def _check_read(
    read: Read,
    by_key: dict[str, Written],
    by_inode: dict[tuple[int, int], Written],
    places: OutputPlaces,
) -> None:
    if read.path.is_dir():
        for path in every_file_under(read.path) if by_inode else ():
            inode = inode_of(path)
            hit = None if inode is None else by_inode.get(inode)
            if hit is not None and not _is_own(hit, path):
                raise _meets(hit, Read(read.flag, path))
        return
    inode = inode_of(read.path)
    target = Path(os.path.realpath(read.path))
    hit = by_key.get(places.key(read.path)) or by_key.get(places.key(target))
    hit = hit or (None if inode is None else by_inode.get(inode))
    if hit is not None:
        raise _meets(hit, read)


def _meets(hit: Written, read: Read) -> SettingsError:
    got = f"{hit.path} would replace {read.path}, which is read ({read.flag})"
    return SettingsError(hit.flag, got, f"name another {hit.flag}")


def _is_own(output: Written, path: Path) -> bool:
    """Whether a file in a folder that is read is only this output's earlier self."""
    ending = path.suffix.lower()
    if output.flag in _TEXTS:
        if ending != _TEXTS[output.flag] or output.path.suffix.lower() != ending:
            return False
        return ending != ".json" or _is_own_json(path, _OWN_JSON[output.flag])
    wanted = _MARKS.get(output.flag)
    found = mark_of(path)
    return wanted is not None and (found == wanted or found.startswith(_OLDER_MARK))


def _is_own_json(path: Path, key: bytes) -> bool:
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return False
    return not head or key in head


def _os_error(error: OSError | RuntimeError) -> OSError:
    return error if isinstance(error, OSError) else OSError(str(error))
