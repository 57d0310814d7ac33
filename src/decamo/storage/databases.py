"""Rows on disk: SQLite, in a file without a name or in one that outlives the process."""

import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from decamo.errors import SettingsError, StorageError
from decamo.storage.durable import make_folder

__all__ = ["Database", "key_from", "text_from"]

_SAVE_S = 1.0  # what a kill may cost
_CACHE_KIB = 512  # of pages; SQLite's own 2 MiB fill up only where rows are many


def key_from(text: str) -> bytes:
    """A text as a key, in whose order keys sort too; lone surrogates are kept."""
    return text.encode("utf-8", "surrogatepass")


def text_from(key: bytes) -> str:
    """The inverse of :func:`key_from`."""
    return key.decode("utf-8", "surrogatepass")


class Database:
    """Tables of one kind.

    What is written is there after a kill at whatever moment, up to the last :meth:`save`.

    Args:
        path: of the file, made where there is none; None for one without a name, which lies where
            temporary files do and ends with the process.
        kind: what made it: one that another version made begins anew.
        tables: SQL that makes the tables.
        flag: that names the file, for errors.

    Raises:
        SettingsError: the file is something else.
        StorageError: it cannot be written.
    """

    def __init__(self, path: Path | None, kind: str, tables: str, *, flag: str = "") -> None:
        self._path, self._saved = path, time.monotonic()
        if path is not None:
            make_folder(path.parent)
        with self._explained():
            self._base = sqlite3.connect("" if path is None else path, isolation_level=None)
            self._prepare(path, kind, tables, flag)
            self._base.execute("BEGIN")

    def _prepare(self, path: Path | None, kind: str, tables: str, flag: str) -> None:
        base, cache = self._base, f"PRAGMA cache_size = -{_CACHE_KIB}"
        if path is None:
            off = "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF"
            base.executescript(f"{cache}; {off}; {tables}")
            return
        try:
            one = "PRAGMA synchronous = NORMAL; PRAGMA locking_mode = EXCLUSIVE"
            base.executescript(f"{cache}; {one}")
            rows = base.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            names = [name for (name,) in rows]
            held = base.execute("SELECT kind FROM made_by").fetchone() if names else None
        except sqlite3.DatabaseError as error:
            if "locked" in str(error):
                got = f"{path} is in use by another command"
                raise SettingsError(flag, got, "wait for it, or name another file") from error
            got = f"{path} is there, and nothing that can be gone on from ({error})"
            raise SettingsError(flag, got, "name another file") from error
        if held is not None and held[0].rpartition(" ")[0] != kind.rpartition(" ")[0]:
            got = f"{path} was made by {held[0]}, not by {kind}"
            raise SettingsError(flag, got, "name another file")
        if held is not None and held[0] != kind:
            for name in names:
                base.execute(f'DROP TABLE IF EXISTS "{name}"')
            held = None
        if held is None:
            base.execute("CREATE TABLE made_by (kind TEXT)")
            base.execute("INSERT INTO made_by VALUES (?)", (kind,))
        base.executescript(tables)

    def write(self, query: str, *values: Any) -> None:
        """Change rows."""
        with self._explained():
            self._base.execute(query, values)

    def one(self, query: str, *values: Any) -> tuple[Any, ...] | None:
        """The first row that is found."""
        with self._explained():
            row: tuple[Any, ...] | None = self._base.execute(query, values).fetchone()
            return row

    def all(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Every row that is found."""
        with self._explained():
            return self._base.execute(query, values).fetchall()

    def save(self) -> None:
        """What was written so far is there, whatever happens."""
        with self._explained():
            self._base.execute("COMMIT")
            self._base.execute("BEGIN")
        self._saved = time.monotonic()

    def settle(self) -> None:
        """All that was written is there, and others may use the file: from here on it is read."""
        with self._explained():
            self._base.execute("COMMIT")
            self._base.execute("PRAGMA locking_mode = NORMAL")
            self._base.execute("SELECT * FROM sqlite_master").fetchall()  # lets go of the lock

    def save_now_and_then(self) -> None:
        """The same, where the last time is a second ago."""
        if self._path is not None and time.monotonic() - self._saved >= _SAVE_S:
            self.save()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            place = self._path or Path(tempfile.gettempdir())
            raise StorageError(place, str(error), "free space, or name another folder") from error
