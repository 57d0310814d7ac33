"""What a cached sample is, and by what name it is found again."""

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path

import torch
from torch import Tensor

from decamo.data.pairs import Pair
from decamo.data.reading import read_labelled
from decamo.data.rules import BY_ITSELF
from decamo.errors import UnreadableImage
from decamo.geometry import Squash

__all__ = [
    "CHANNELS",
    "cache_identity",
    "channels_of",
    "side_of",
    "square_of",
]

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


CHANNELS = 4


def channels_of(pairs: Iterable[Pair]) -> int:
    """Bytes of a pixel of the squares of some pairs: one more where a mask may hold void."""
    return CHANNELS + any(pair.rule.mask.has_void for pair in pairs)


def square_of(pair: Pair, side: int, channels: int = CHANNELS) -> Tensor:
    """A pair, squashed.

    The four channels lie side by side because torch resizes bytes quickest in that layout, and
    because one resize then does image and mask (measured 0.44 ms at 384 px, against 0.9 for two).

    Args:
        pair: the two files. A large JPEG is decoded at a fraction of its size where both sides
            keep ``side`` px.
        side: in px.
        channels: 4, or 5 where some pair of the same run has void.

    Returns:
        uint8 ``[side, side, channels]``: RGB, and the share of the pixel that the object covers in
        255ths; then, with 5 channels, the share that the object and what is void cover together.

    Raises:
        UnreadableImage: a file cannot be decoded.
    """
    pixels, labels = read_labelled(pair, at_least=side)
    image = torch.from_numpy(pixels).permute(2, 0, 1)
    square = torch.empty(side, side, channels, dtype=torch.uint8)
    square[..., :3] = Squash((image.shape[1], image.shape[2]), side).apply(image).permute(1, 2, 0)
    square[..., 3] = _shares(torch.from_numpy(labels.object), side)
    if channels > CHANNELS:
        void = labels.void
        most = labels.object if void is None else labels.object | void
        square[..., 4] = square[..., 3] if void is None else _shares(torch.from_numpy(most), side)
    return square


def _shares(inside: Tensor, side: int) -> Tensor:
    """Bool ``[H, W]`` -> covered shares, float ``[side, side]`` in whole 255ths."""
    mask = inside.unsqueeze(0).float()
    shares = Squash((mask.shape[1], mask.shape[2]), side).apply(mask)
    return (shares[0] * 255).round_().clamp_(0, 255)
