"""Decoders that are quicker than Pillow's, where the extra ``fast`` is installed.

They give Pillow's own pixels or nothing: whatever is odd about a file, and every error, is Pillow's
to deal with, so that no result and no message depends on what is installed.
"""

import importlib
import io
import struct
import zlib
from functools import cache
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["decode_grey_png", "decode_rgb_jpeg", "has_fast_decoders"]

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY = bytes((8, 0, 0, 0, 0))  # eight bits, no colour, the one method of each kind, not interlaced
# None of these changes a pixel, holds an orientation or makes Pillow see more than grey.
_PLAIN = {b"IHDR", b"IDAT", b"IEND", b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"pHYs", b"tIME", b"bKGD"}
_SMALL = 16  # px; of smaller sides two scales may come to one size


def has_fast_decoders() -> bool:
    """Whether both are there, and the one for JPEGs gives Pillow's pixels."""
    return _module("kornia_rs") is not None and _jpeg_agrees()


def decode_rgb_jpeg(file: IO[bytes], size: tuple[int, int]) -> NDArray[np.uint8] | None:
    """A JPEG of three channels by libjpeg-turbo alone, without Pillow's four bytes a pixel.

    Args:
        file: open at any place.
        size: width and height that Pillow decodes it at: the file's, or 1/2, 1/4 or 1/8 of it.

    Returns:
        uint8 ``[H, W, 3]``, RGB; None where there is no such decoder, or where it finds anything
        amiss.
    """
    if min(size) < _SMALL or not _jpeg_agrees():
        return None
    file.seek(0)
    return _rgb(file.read(), size)


def decode_grey_png(file: IO[bytes], max_pixels: int) -> NDArray[np.uint8] | None:
    """A plain grey PNG of eight bits, as most masks are.

    The sum of each chunk is checked, so that damage is Pillow's to report. A compressed stream that
    was malformed when it was written, under right sums, may be read here where zlib refuses it.

    Args:
        file: open at any place.
        max_pixels: more are left to Pillow.

    Returns:
        uint8 ``[H, W]``; None where there is no such decoder, or where the file is anything else.
    """
    decoder = _module("kornia_rs")
    if decoder is None:
        return None
    file.seek(0)
    head = file.read(33)  # signature and IHDR
    if head[:8] != _SIGNATURE or head[24:29] != _GREY:
        return None
    width, height = struct.unpack_from(">II", head, 16)
    if not 0 < width * height <= max_pixels:
        return None
    content = head + file.read()
    if not _is_plain(content):
        return None
    try:
        pixels = decoder.io.decode_image_png_u8(content, (height, width), "mono")
    except Exception:  # damaged: Pillow has the say, and the words
        return None
    return np.asarray(pixels, dtype=np.uint8).reshape(height, width)


def _is_plain(content: bytes) -> bool:
    """Whether a PNG has nothing but pixels and colour spaces, each under its sum, to its end."""
    view, at = memoryview(content), len(_SIGNATURE)
    while at + 12 <= len(content):
        (length,) = struct.unpack_from(">I", content, at)
        kind, end = content[at + 4 : at + 8], at + 8 + length
        if kind not in _PLAIN or end + 4 > len(content):
            return False
        if zlib.crc32(view[at + 4 : end]) != struct.unpack_from(">I", content, end)[0]:
            return False
        if kind == b"IEND":
            return True
        at = end + 4
    return False


def _rgb(content: bytes, size: tuple[int, int]) -> NDArray[np.uint8] | None:
    width, height = size
    try:
        pixels: NDArray[np.uint8] = _module("simplejpeg").decode_jpeg(
            content, "RGB", min_height=height, min_width=width, strict=True
        )
    except Exception:  # damaged, or only odd: Pillow has the say, and the words
        return None
    return pixels if pixels.shape == (height, width, 3) else None


@cache
def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


@cache
def _jpeg_agrees() -> bool:
    """Whether the two builds of libjpeg-turbo that are installed give the same pixels.

    They do from version 2 on; a later one may round otherwise, and a run that continues on another
    machine must not depend on it. So both decode a few blocks of noise, whole and scaled.
    """
    if _module("simplejpeg") is None:
        return False
    noise = np.random.default_rng(0).integers(0, 256, (70, 90, 3), dtype=np.uint8)
    for subsampling in ("4:4:4", "4:2:2", "4:2:0"):
        kept = io.BytesIO()
        Image.fromarray(noise).save(kept, "JPEG", quality=80, subsampling=subsampling)
        for scale in (1, 2, 4):
            with Image.open(kept, formats=["JPEG"]) as picture:
                picture.draft(None, (90 // scale, 70 // scale))
                theirs = np.asarray(picture)
            ours = _rgb(kept.getvalue(), (theirs.shape[1], theirs.shape[0]))
            if ours is None or not np.array_equal(ours, theirs):
                return False
    return True
