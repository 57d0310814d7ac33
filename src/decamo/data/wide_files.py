"""What Pillow cuts, wraps or misreads of files with more than 8 bits a channel, read in full.

Pillow has no mode for colours of 16 bits: it keeps the upper halves. A second decoding with the
bytes in the other order gives the lower ones. What else is here was seen with Pillow 12 and 13;
``findings/pillow-wide-files.sh`` shows it.
"""

import io
import re
import struct
import zlib
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

__all__ = [
    "colours_of_ppm",
    "greatest_value",
    "grey_alpha_as_colours",
    "has_signed_bytes",
    "has_sixteen_bits",
    "join_halves",
    "mend_planes",
    "split_grey_alpha",
    "swap_bytes",
    "true_numbers",
    "why_no_tiff",
]

_PNG = b"\x89PNG\r\n\x1a\n"
_GREY_ALPHA, _COLOUR_ALPHA = 4, 6  # PNG's colour types
_BITS, _PHOTOMETRIC, _SAMPLES, _PLANES, _KIND = 258, 262, 277, 284, 339  # TIFF 6.0
_WHITE_IS_ZERO, _SEPARATE, _UNSIGNED, _SIGNED = 0, 2, 1, 2
_KINDS = {1: "unsigned numbers", 2: "signed numbers", 3: "floats", 5: "complex", 6: "complex"}
_READ_TIFFS = "grey or RGB of 8 or 16 bits, and grey of 32-bit numbers or floats,"
# PPM (netpbm's manual): magic, width, height, greatest value; a comment may stand before each
_PNM = re.compile(rb"P([56])(?:\s+|#[^\n\r]*[\n\r])+(\d+)(?:\s+|#[^\n\r]*[\n\r])+(\d+)"
                  rb"(?:\s+|#[^\n\r]*[\n\r])+(\d+)\s")  # fmt: skip
_HEAD = 4096  # bytes in which a header of it ends


def has_sixteen_bits(picture: Any) -> bool:
    """Whether an opened picture has colours of 16 bits, of which Pillow keeps the upper halves."""
    raws = {_raw(part) for part in picture.tile}
    wide = bool(raws) and all(raw[-4:-1] == ";16" for raw in raws)
    return wide and picture.mode in ("RGB", "RGBX", "RGBA", "CMYK")


def mend_planes(picture: Any) -> None:
    """Let an opened TIFF of 16 bits with its channels one after the other be read as such.

    Pillow (13.0 at least) takes each channel's bytes for pixels of 8 bits, and says nothing.
    """
    if picture.format != "TIFF" or picture.tag_v2.get(_PLANES) != _SEPARATE:
        return
    bits = picture.tag_v2.get(_BITS, (1,))
    order = "L" if picture.tag_v2.prefix == b"II" else "B"
    if set(bits) == {16} and any(part[0] == "libtiff" for part in picture.tile):
        raise ValueError(
            "channels of 16 bits that are compressed one by one, of which the upper 8 alone would "
            "be read; save it with its channels interleaved"
        )
    if set(bits) == {16} and all(len(_raw(part)) == 1 for part in picture.tile):
        picture.tile = [_with_raw(part, f"{_raw(part)};16{order}") for part in picture.tile]


def has_signed_bytes(picture: Any) -> bool:
    """Whether an opened TIFF has numbers of 8 bits below zero, which Pillow takes for bytes."""
    if picture.format != "TIFF" or picture.mode != "L":
        return False
    kind, bits = (_first(picture.tag_v2.get(tag, 1)) for tag in (_KIND, _BITS))
    return (kind, bits) == (_SIGNED, 8)


def swap_bytes(picture: Any) -> None:
    """Let an opened picture of 16-bit colours be decoded to the lower halves."""
    picture.tile = [
        _with_raw(part, raw[:-1] + ("L" if raw.endswith("B") else "B"))
        for part in picture.tile
        for raw in [_raw(part)]
    ]


def join_halves(high: Image.Image, low: Image.Image) -> NDArray[np.int64]:
    """Numbers of 16 bits ``[H, W, 3]`` of red, green and blue from both halves; alpha is dropped.

    Inks (CMYK) become light as Pillow turns them, in 16 bits.
    """
    upper, lower = (np.asarray(half, dtype=np.int64) for half in (high, low))
    whole = upper << 8 | lower
    if high.mode == "CMYK":
        ink, black = whole[..., :3], whole[..., 3:]
        return (65535 - ink) * (65535 - black) // 65535
    if high.mode == "LA":
        return np.repeat(whole[..., :1], 3, axis=2)
    return whole[..., :3]


def grey_alpha_as_colours(file: IO[bytes]) -> IO[bytes] | None:
    """A PNG of grey and alpha in 16 bits as one of four channels of 8 bits; None for other files.

    Four bytes a pixel are four bytes a pixel: filters and interlacing are the same, and only the
    header and its checksum change. Pillow (13.0 at least) has no way to the lower bytes.
    """
    file.seek(0)
    head = file.read(33)
    file.seek(0)
    if head[:8] != _PNG or len(head) < 33 or tuple(head[24:26]) != (16, _GREY_ALPHA):
        return None
    body = b"IHDR" + head[16:24] + bytes((8, _COLOUR_ALPHA)) + head[26:29]
    patched = head[:12] + body + struct.pack(">I", zlib.crc32(body))
    rest = file.read()[33:]
    file.seek(0)
    return io.BytesIO(patched + rest)


def split_grey_alpha(picture: Image.Image) -> tuple[Image.Image, Image.Image]:
    """Upper and lower halves, grey and alpha each, of what :func:`grey_alpha_as_colours` made."""
    grey, grey_low, alpha, alpha_low = picture.split()
    return Image.merge("LA", (grey, alpha)), Image.merge("LA", (grey_low, alpha_low))


def colours_of_ppm(file: IO[bytes]) -> tuple[Image.Image, Image.Image] | None:
    """Upper and lower halves of a PPM of 16-bit colours; None for other files."""
    file.seek(0)
    match = _PNM.match(file.read(_HEAD))
    if match is None or match[1] != b"6" or int(match[4]) <= 255:
        return None
    width, height = (int(match[i]) for i in (2, 3))
    file.seek(match.end())
    data = file.read(width * height * 6)
    values = np.frombuffer(data, dtype=">u2").reshape(height, width, 3)  # ValueError: it is cut
    high, low = (Image.fromarray(np.ascontiguousarray(half, dtype=np.uint8))
                 for half in (values >> 8, values & 255))  # fmt: skip
    return high, low


def greatest_value(file: IO[bytes]) -> int:
    """The greatest value that a PGM or PPM says it has; 0 for other files."""
    file.seek(0)
    match = _PNM.match(file.read(_HEAD))
    return int(match[4]) if match else 0


def true_numbers(picture: Any) -> Image.Image:
    """A decoded TIFF with the numbers that it holds.

    Of 16 bits where zero is white Pillow (13.0 at least) turns nothing round; signed bytes and
    unsigned numbers of 32 bits it takes for the other kind.
    """
    decoded: Image.Image = picture
    if picture.format != "TIFF":
        return decoded
    tags = picture.tag_v2
    kind, bits = (_first(tags.get(tag, 1)) for tag in (_KIND, _BITS))
    if picture.mode == "I;16" and tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        return Image.fromarray(np.uint16(65535) - np.asarray(picture))
    if has_signed_bytes(picture):
        return Image.fromarray(np.asarray(picture).view(np.int8).astype(np.int32))
    if picture.mode == "I" and (kind, bits) == (_UNSIGNED, 32):
        values = np.asarray(picture).view(np.uint32)
        if values.max(initial=0) > np.iinfo(np.int32).max:
            return Image.fromarray(values.astype(np.float32))
    return decoded


def why_no_tiff(file: IO[bytes]) -> str:
    """What a TIFF holds that Pillow does not read, in words; empty where it is no TIFF."""
    file.seek(0)
    head = file.read(8)
    if head[:4] not in (b"II*\0", b"MM\0*"):
        return ""
    try:
        tags = TiffImagePlugin.ImageFileDirectory_v2(head)
        file.seek(tags.next)
        tags.load(file)
        samples, bits, kind = (_first(tags.get(tag, 1)) for tag in (_SAMPLES, _BITS, _KIND))
    except Exception:  # whatever a damaged directory makes the reader raise
        return ""
    channels = "1 channel" if samples == 1 else f"{samples} channels"
    numbers = _KINDS.get(kind, "numbers")
    return f"a TIFF with {channels} of {bits}-bit {numbers}; {_READ_TIFFS} are read"


def _raw(part: Any) -> str:
    """The raw mode of a tile; its arguments are a text, or a tuple that begins with it."""
    args = part[3]
    return str(args if isinstance(args, str) else args[0])


def _with_raw(part: Any, raw: str) -> Any:
    args = part[3]
    return part._replace(args=raw if isinstance(args, str) else (raw, *args[1:]))


def _first(value: Any) -> int:
    return int(value[0] if isinstance(value, tuple) else value)
