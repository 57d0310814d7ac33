"""A run folder's files as they are now, held open while the run goes on."""

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from decamo.mirror.manifest import MirroredFile, is_mirrored
from decamo.schedule import Position

__all__ = ["Digests", "HeldFile", "HeldFiles", "hold", "mirrored_names"]

_CHUNK = 2**20
_PATTERNS = ("*.toml", "*.json", "*.jsonl", "trackers/*.json", "escape/*/outcome.json", "*.pth")


@dataclass(frozen=True)
class HeldFile:
    """One open file.

    Attributes:
        name: in the run folder, with ``/``.
        file: open for reading; a checkpoint that is replaced keeps its bytes here.
        bytes: how many of its bytes count: a journal goes on growing.
        identity: another one for other bytes.
    """

    name: str
    file: BinaryIO
    bytes: int
    identity: tuple[int, ...]


@dataclass
class HeldFiles:
    """Files that belong together, in the order in which they are to be written.

    Attributes:
        position: of the run.
        files: what others refer to comes first.
    """

    position: Position
    files: list[HeldFile] = field(default_factory=list)

    @property
    def checkpoints(self) -> int:
        """How many of them are checkpoints."""
        return sum(one.name.endswith(".pth") for one in self.files)

    def __enter__(self) -> "HeldFiles":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of them."""
        for one in self.files:
            with contextlib.suppress(OSError):
                one.file.close()


class Digests:
    """Digests of files, each read once: ``last.previous.pth`` is what ``last.pth`` was."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, ...], MirroredFile] = {}

    def of(self, held: HeldFiles) -> dict[str, MirroredFile]:
        """Name -> digest and length, in order.

        Raises:
            OSError: a file cannot be read.
        """
        found = {one.name: self._known.get(one.identity) or _digested(one) for one in held.files}
        self._known = {one.identity: found[one.name] for one in held.files}
        return found


def _digested(one: HeldFile) -> MirroredFile:
    digest, left = hashlib.sha256(), one.bytes
    one.file.seek(0)
    while left and (chunk := one.file.read(min(left, _CHUNK))):
        digest.update(chunk)
        left -= len(chunk)
    if left:
        raise OSError(f"{one.name}: {left} bytes are gone")
    return MirroredFile(digest.hexdigest(), one.bytes)


def mirrored_names(root: Path) -> Iterator[str]:
    """Names of the files of a run folder that belong in a mirror, checkpoints last."""
    for pattern in _PATTERNS:
        for path in sorted(root.glob(pattern)):
            name = path.relative_to(root).as_posix()
            if is_mirrored(name) and path.is_file():
                yield name


def hold(root: Path, position: Position) -> HeldFiles:
    """Open what belongs in a mirror; the run must not save meanwhile.

    It takes no room but for files that are replaced later, until they are let go.
    """
    held = HeldFiles(position)
    for name in mirrored_names(root):
        with contextlib.suppress(FileNotFoundError):
            held.files.append(_opened(root / name, name))
    return held


def _opened(path: Path, name: str) -> HeldFile:
    file: BinaryIO = path.open("rb")
    found = os.fstat(file.fileno())
    if os.name == "nt":  # where a file that is open cannot be replaced, and a save would fail
        with file:
            copy = tempfile.TemporaryFile()  # noqa: SIM115 - held
            shutil.copyfileobj(file, copy, _CHUNK)
        file = copy
    identity = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
    return HeldFile(name, file, found.st_size, identity)
