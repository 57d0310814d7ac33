"""Which pixels a cache holds: its side, and the name that changes with anything they depend on."""

import hashlib
import json
import os
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from decamo.data.pairs import Pair
from decamo.data.rules import BY_ITSELF
from decamo.errors import UnreadableImage

__all__ = ["cache_identity", "side_of"]

_FORMAT = 1  # raise it when the same files would be squashed or stored otherwise
_STEP = 32


def side_of(size: int) -> int:
    """Side of the squares stored to train at ``size`` px: 5/4 of it, up to a multiple of 32.

    A crop keeps 40 % of the image and 0.55 of a side at least: from 5/4 it is magnified by 1.46 at
    worst. 11/6 would magnify nothing, and hold 2.1 times the bytes. What that costs in pixels is
    held to a bound by ``tests/data/cache/test_sample_sources.py``. It must never change for a size:
    a run that goes on would see other pixels.
    """
    return -(-size * 5 // (4 * _STEP)) * _STEP


def cache_identity(pairs: Sequence[Pair], side: int) -> str:
    """32 hex digits: equal names mean equal pixels in an equal order.

    They cover the format, the side, the versions of the two libraries that make the pixels, and of
    each file its path, size in bytes and time of change, which is what the census goes by, and
    how it is read, where that is not by itself.

    Raises:
        UnreadableImage: a file is gone.
    """
    digest = hashlib.sha256(
        f"{_FORMAT} {side} {version('pillow')} {version('torch')}\n".encode(),
    )
    for pair in pairs:
        if (pair.rule.mask, pair.rule.scale) != (BY_ITSELF.mask, BY_ITSELF.scale):
            digest.update(json.dumps(pair.rule.to_plain()).encode())
        for path in (pair.image, pair.mask):
            digest.update(os.fsencode(path.absolute()))
            digest.update(f"\0{_stamp(path)}\n".encode())
    return digest.hexdigest()[:32]


def _stamp(path: Path) -> str:
    try:
        stat = path.stat()
    except OSError as error:
        remedy = "download or export the file again, or remove the pair"
        raise UnreadableImage(path, error.strerror or str(error), remedy) from error
    return f"{stat.st_size} {stat.st_mtime_ns}"
