"""Findings in their order, on disk: a million masks may have one each."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from decamo.data.audit.findings import SEVERITIES, Finding
from decamo.storage.databases import Database, key_from, text_from
from decamo.storage.spilled import LookedUp

__all__ = ["FindingTable"]

_COLUMNS = "rank INTEGER, kind BLOB, path BLOB, detail BLOB, shown BLOB"
_TABLES = f"CREATE TABLE found ({_COLUMNS}); CREATE TABLE sorted ({_COLUMNS});"


class FindingTable(LookedUp[Finding]):
    """Findings, worst first, then by kind, path and detail.

    Args:
        findings: in any order.
    """

    def __init__(self, findings: Iterable[Finding]) -> None:
        self._base = Database(None, "", _TABLES)
        self._count = 0
        self.counts: Counter[str] = Counter()
        for one in findings:
            parts = "\0".join(one.path.parts)  # as paths compare: folder by folder
            row = (SEVERITIES.index(one.severity), one.kind, parts, one.detail, str(one.path))
            values = [key_from(v) if isinstance(v, str) else v for v in row]
            self._base.write("INSERT INTO found VALUES (?, ?, ?, ?, ?)", *values)
            self.counts[one.severity] += 1
            self._count += 1
        self._base.write("INSERT INTO sorted SELECT * FROM found ORDER BY rank, kind, path, detail")
        self._base.write("DELETE FROM found")

    def __len__(self) -> int:
        return self._count

    def at(self, place: int) -> Finding:
        """The finding of a place."""
        row = self._base.one("SELECT kind, shown, detail FROM sorted WHERE rowid = ?", place + 1)
        if row is None:
            raise IndexError(place)
        kind, path, detail = map(text_from, row)
        return Finding(kind, Path(path), detail)
