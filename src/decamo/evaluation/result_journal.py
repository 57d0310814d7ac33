"""Results of images, kept on disk as they come, so that a killed evaluation goes on from them.

A result is found again where everything is as it was that it depends on: mask, image and map by
path, size and time of change; or instead of the map the network's bytes and how it looks; and the
rules. The file holds numbers and text only, and is never executed.
"""

import hashlib
import json
import struct
from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from decamo import __version__
from decamo.evaluation.breakdown import Loss
from decamo.evaluation.cases import Case
from decamo.evaluation.measuring import Dropped, ImageResult, Rules
from decamo.inference.prediction_log import stamp_of
from decamo.metrics import BIN_CURVES, BINS, ImageMeasures
from decamo.storage.databases import Database

__all__ = ["ResultJournal", "packed_result", "result_from"]

_LAYOUT = 2  # of a row; a file with rows of another one begins anew
_KIND = f"decamo evaluate {__version__}+{_LAYOUT}"
_TABLES = "CREATE TABLE IF NOT EXISTS result (key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID"
_KEY = 16  # bytes of a digest: among a million images two are equal by chance with 1e-27
_CURVES = ("precision", "recall", "f", "e", "iou_curve", "dice_curve")
_NUMBERS = tuple(f.name for f in fields(ImageMeasures) if f.name not in (*_CURVES, *BIN_CURVES))
_LENGTH = struct.Struct("<I")
_LEVELS = 256


class ResultJournal:
    """Results by digests of what they depend on.

    Args:
        path: of the file; made where there is none.
        rules: by which is scored.

    Raises:
        SettingsError: the file is something else.
        StorageError: it cannot be written.
    """

    def __init__(self, path: Path, rules: Rules) -> None:
        self._base = Database(path, _KIND, f"{_TABLES};", flag="--resume")
        self._rules = asdict(rules)

    def keys(self, cases: Iterable[Case], origins: Iterable[Sequence[Any]]) -> "Keys":
        """Of each case what its result is kept under.

        Args:
            cases: of a set.
            origins: of each what names its map.
        """
        found = bytearray()
        for case, origin in zip(cases, origins, strict=True):
            found += self._key(case, origin)
        return Keys(bytes(found))

    def _key(self, case: Case, origin: Sequence[Any]) -> bytes:
        image = None if case.pair is None else case.pair.image
        files = [None if path is None else _identity(path) for path in (case.mask, image)]
        cut = [case.stem, case.rule.to_plain(), case.half, case.brightest]
        text = json.dumps([files, cut, list(origin), self._rules], sort_keys=True, default=str)
        return hashlib.blake2b(text.encode(), digest_size=_KEY).digest()

    def has(self, key: bytes) -> bool:
        """Whether there is a result."""
        return self._base.one("SELECT 1 FROM result WHERE key = ?", key) is not None

    def get(self, key: bytes) -> ImageResult | Dropped:
        """The result that there is."""
        held = self._base.one("SELECT value FROM result WHERE key = ?", key)
        if held is None:
            raise KeyError(key)
        return result_from(held[0])

    def put(self, key: bytes, result: ImageResult | Dropped) -> None:
        """Keep a result; a kill costs what came in the last second."""
        self._base.write("INSERT OR REPLACE INTO result VALUES (?, ?)", key, packed_result(result))
        self._base.save_now_and_then()

    def settle(self) -> None:
        """All that was put is there, and others may use the file."""
        self._base.settle()


class Keys:
    """Keys of cases, 16 bytes each."""

    def __init__(self, every: bytes) -> None:
        self._every = every

    def __len__(self) -> int:
        return len(self._every) // _KEY

    def __getitem__(self, place: int) -> bytes:
        return self._every[place * _KEY : (place + 1) * _KEY]


def _identity(path: Path) -> list[Any]:
    return [str(path), *stamp_of(path)]


def packed_result(result: ImageResult | Dropped) -> bytes:
    """A result as JSON and the numbers of its curves; exact."""
    plain: dict[str, Any] = {f.name: getattr(result, f.name) for f in fields(result)}
    curves: list[npt.NDArray[np.float64]] = []
    for name in ("measures", "other"):
        measures = plain.get(name)
        if isinstance(measures, ImageMeasures):
            plain[name] = {number: getattr(measures, number) for number in _NUMBERS}
            curves += [getattr(measures, curve) for curve in (*_CURVES, *BIN_CURVES)]
    if isinstance(plain.get("loss"), Loss):
        plain["loss"] = asdict(plain["loss"])
    head = json.dumps(plain).encode()
    numbers = b"".join(curve.astype("<f8").tobytes() for curve in curves)
    return _LENGTH.pack(len(head)) + head + numbers


def result_from(data: bytes) -> ImageResult | Dropped:
    """The inverse of :func:`packed_result`."""
    (length,) = _LENGTH.unpack_from(data)
    start = _LENGTH.size + length
    plain: dict[str, Any] = json.loads(data[_LENGTH.size : start])
    sizes = dict.fromkeys(_CURVES, _LEVELS) | dict.fromkeys(BIN_CURVES, BINS)
    for name in ("measures", "other"):
        if plain.get(name) is not None:
            own: dict[str, Any] = {}
            for curve, size in sizes.items():
                own[curve] = np.frombuffer(data, "<f8", size, start).astype(np.float64)
                start += own[curve].nbytes
            plain[name] = ImageMeasures(**plain[name], **own)
    if plain.get("loss") is not None:
        plain["loss"] = Loss(**plain["loss"])
    return ImageResult(**plain) if "measures" in plain else Dropped(**plain)
