"""What must hold wherever work is done: the same software, and the same files by the same paths."""

import hashlib
import os
import platform
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from decamo import __version__
from decamo.errors import SettingsError
from decamo.storage import storage_error

__all__ = [
    "SeenFile",
    "Software",
    "Token",
    "WorkTerms",
    "seen_files",
    "software_here",
    "token_in",
]

_HEAD = 2**20  # bytes


@dataclass(frozen=True)
class Software:
    """What a process computes with.

    Attributes:
        decamo: its version.
        source: digest of its files, which a version alone does not tell of a checkout.
        python: its version.
        torch: its version; empty where it is not installed.
    """

    decamo: str
    source: str
    python: str
    torch: str

    def unlike(self, other: "Software") -> str:
        """What differs, as ``torch 2.6.0 instead of 2.9.1`` of ``other``; empty for nothing."""
        for name in ("python", "torch", "decamo"):
            theirs, ours = getattr(other, name), getattr(self, name)
            if theirs != ours:
                return f"{name} {theirs or 'missing'} instead of {ours or 'none'}"
        return "" if other.source == self.source else f"other files of decamo {other.decamo}"


@cache
def software_here() -> Software:
    """Of this process."""
    root, digest = Path(__file__).parents[1], hashlib.sha256()
    for path in sorted(root.rglob("*.py"), key=lambda p: p.relative_to(root).as_posix()):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    try:
        torch = version("torch")
    except PackageNotFoundError:
        torch = ""
    return Software(__version__, digest.hexdigest(), platform.python_version(), torch)


@dataclass(frozen=True)
class Token:
    """A file of a few random letters: who sees it sees the very same folder.

    Attributes:
        path: of it, absolute.
        text: what it holds.
    """

    path: Path
    text: str

    def trouble(self) -> str:
        """Why this process does not see the folder as its maker does; empty where it does."""
        mine = self.path.with_name(f"{self.path.name}-{os.getpid()}-{secrets.token_hex(4)}")
        try:
            if self.path.read_text() != self.text:
                return "another file of that name is there"
            mine.write_text(self.text)
        except OSError as error:
            return error.strerror or str(error)
        finally:
            with suppress(OSError):
                mine.unlink(missing_ok=True)
        return ""


@contextmanager
def token_in(folder: Path) -> Iterator[Token]:
    """A token for as long as this block takes.

    Raises:
        StorageError: it cannot be written.
    """
    text = secrets.token_hex(16)
    token = Token(folder.absolute() / f".seen-{text[:8]}", text)
    try:
        token.path.write_text(text)
    except OSError as error:
        raise storage_error(token.path, error) from error
    try:
        yield token
    finally:
        with suppress(OSError):
            token.path.unlink(missing_ok=True)


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
