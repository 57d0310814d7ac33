"""What must hold wherever work is done: the same software, and the same files by the same paths."""

import hashlib
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from decamo.cluster.shared_folder import Token
from decamo.cluster.software import Software, software_here
from decamo.errors import SettingsError
from decamo.storage import storage_error

__all__ = ["SeenFile", "WorkTerms", "seen_files"]

_HEAD = 2**20  # bytes


@dataclass(frozen=True)
class SeenFile:
    """A file as this process sees it.

    Attributes:
        path: of it, absolute.
        size: bytes.
        head: sha256 of its first MiB.
    """

    path: Path
    size: int
    head: str

    def trouble(self) -> str:
        """Why this process does not see the same; empty where it does."""
        try:
            return "" if _seen(self.path) == self else "it is another file there"
        except OSError as error:
            return error.strerror or str(error)


def seen_files(paths: Iterable[Path]) -> tuple[SeenFile, ...]:
    """Files as this process sees them, each once.

    Raises:
        StorageError: one cannot be read.
    """
    found = []
    for path in dict.fromkeys(path.absolute() for path in paths):
        try:
            found.append(_seen(path))
        except OSError as error:
            raise storage_error(path, error) from error
    return tuple(found)


def _seen(path: Path) -> SeenFile:
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        return SeenFile(path, size, hashlib.sha256(file.read(_HEAD)).hexdigest())


@dataclass(frozen=True)
class WorkTerms:
    """What has to hold in each worker, also of a node that comes later.

    Attributes:
        software: that it runs.
        home: working folder of the command, for relative paths.
        reads: files that it has to see.
        token: in the folder that it writes to; None for none.
    """

    software: Software
    home: Path
    reads: tuple[SeenFile, ...] = ()
    token: Token | None = None

    def insist(self, here: str) -> None:
        """Go home, and look around.

        Args:
            here: name of this node.

        Raises:
            SettingsError: names the node and what is wrong there.
        """
        with suppress(OSError):  # where all paths are absolute it need not be there
            os.chdir(self.home)
        if differs := self.software.unlike(software_here()):
            remedy = "install on every node what is installed where the command runs"
            raise SettingsError("--on", f"node {here} has {differs}", remedy)
        for path, trouble in self._looks():
            if trouble:
                got = f"node {here} does not see {path} as this machine does: {trouble}"
                raise SettingsError("--on", got, "name a path that all nodes share")

    def _looks(self) -> Iterable[tuple[Path, str]]:
        yield from ((one.path, one.trouble()) for one in self.reads)
        if self.token is not None:
            yield self.token.path.parent, self.token.trouble()
