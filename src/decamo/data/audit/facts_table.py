"""What is known of every file, on disk: of a million files only a few are in memory.

The table is a database without a name, or one that the user names: then each answer is there once
it came, and whoever goes on from it looks again only at files that are not as they were.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

from decamo import __version__
from decamo.data.audit.look import FileFacts
from decamo.data.inside import located
from decamo.storage.databases import Database, key_from, text_from

__all__ = ["FactsTable"]

_KIND = f"decamo data audit {__version__}"
_AT_ONCE = 200  # rows that are read together
_TABLES = """
CREATE TABLE IF NOT EXISTS file (
    path BLOB PRIMARY KEY, role TEXT NOT NULL, facts TEXT, listed INTEGER, share REAL
);
CREATE INDEX IF NOT EXISTS in_order ON file (listed);
"""


class FactsTable(Mapping[str, FileFacts]):
    """Path of a file -> what is known of it, in the order in which they were listed.

    Args:
        kept: the database; None for one that ends with the process.

    Raises:
        SettingsError: the file is something else.
        StorageError: it cannot be written.
    """

    def __init__(self, kept: Path | None = None) -> None:
        self._base = Database(kept, _KIND, _TABLES, flag="--resume")
        self._base.write("UPDATE file SET listed = NULL, share = NULL")
        self._kept = kept is not None
        self._count = 0

    def list(self, files: Iterable[tuple[str, str]]) -> int:
        """Take in files, each with its role, in an order.

        Returns:
            How many of them are known already: they are as they were.
        """
        known = 0
        for path, role in files:
            key = key_from(path)
            held = self._base.one("SELECT role, facts, listed FROM file WHERE path = ?", key)
            if held is None:
                self._base.write(
                    "INSERT INTO file VALUES (?, ?, NULL, ?, NULL)", key, role, self._count
                )
                self._count += 1
            elif held[2] is not None:  # a file of two roles is what it was listed as last
                self._base.write("UPDATE file SET role = ?, facts = NULL WHERE path = ?", role, key)
            else:
                same = held[0] == role and _holds(path, held[1])
                self._base.write(
                    "UPDATE file SET role = ?, facts = ?, listed = ? WHERE path = ?",
                    role, held[1] if same else None, self._count, key,
                )  # fmt: skip
                self._count += 1
                known += same
        self._base.write("DELETE FROM file WHERE listed IS NULL")
        self._base.save()
        return known

    def pending(self) -> Iterator[tuple[str, str]]:
        """Path and role of each file of which nothing is known yet."""
        for _, path, role, *_ in self._rows("AND facts IS NULL"):
            yield path, role

    def put(self, facts: FileFacts) -> None:
        """What is known of a file that was listed."""
        plain = json.dumps({k: v for k, v in asdict(facts).items() if v is not None})
        self._base.write("UPDATE file SET facts = ? WHERE path = ?", plain, key_from(facts.path))
        self._base.save_now_and_then()

    def set_share(self, path: str, share: float) -> None:
        """The share of a mask that is object, by the rule of its set."""
        self._base.write("UPDATE file SET share = ? WHERE path = ?", share, key_from(path))

    def save(self) -> None:
        """What was put so far is there, whatever happens."""
        self._base.save()

    def settle(self) -> None:
        """All that was put is there, and others may use the file."""
        self._base.settle()

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[str]:
        return (path for _, path, *_ in self._rows())

    def __getitem__(self, path: str) -> FileFacts:
        return self._read(path, by_rule=True)

    def alone(self, path: str) -> FileFacts:
        """What a file tells, without the rule of its set."""
        return self._read(path, by_rule=False)

    def _read(self, path: str, *, by_rule: bool) -> FileFacts:
        query = "SELECT facts, share FROM file WHERE path = ?"
        held = self._base.one(query, key_from(path))
        if held is None or held[0] is None:
            raise KeyError(path)
        return _facts_from(held[0], held[1] if by_rule else None)

    def each(self) -> Iterator[tuple[FileFacts, bool]]:
        """What is known of every file, in order, and whether a rule gives its values a meaning."""
        for _, _, _, facts, share in self._rows():
            yield _facts_from(facts, share), share is not None

    def _rows(self, more: str = "") -> Iterator[tuple[int, str, str, str, float | None]]:
        """Rows in order, of which some may be changed meanwhile."""
        last = -1
        query = f"SELECT listed, path, role, facts, share FROM file WHERE listed > ? {more}"
        while rows := self._base.all(f"{query} ORDER BY listed LIMIT {_AT_ONCE}", last):
            for place, path, role, facts, share in rows:
                yield place, text_from(path), role, facts, share
            last = rows[-1][0]


def _facts_from(plain: str, share: float | None) -> FileFacts:
    held = json.loads(plain)
    return FileFacts.from_plain(held if share is None else held | {"foreground": share})


def _holds(path: str, facts: str | None) -> bool:
    """Whether a file is as it was when something was found out of it."""
    if facts is None:
        return False
    plain = json.loads(facts)
    try:
        stat = located(path).stat()
    except OSError:
        return False
    looked = plain.get("fault") not in ("reader-died", "unreadable")
    return looked and (stat.st_size, stat.st_mtime_ns) == (plain["size"], plain["changed"])
