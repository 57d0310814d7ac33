"""A token in a folder, by which another machine shows that it sees the very same folder."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from decamo.storage.durable import storage_error

__all__ = ["Token", "token_in"]


@dataclass(frozen=True)
class Token:
    """A file of a few random letters.

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
