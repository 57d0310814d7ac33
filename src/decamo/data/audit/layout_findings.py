"""Bytes of a file -> what its container says of its wholeness.

Decoders are lenient: Pillow checks neither the checksums of PNG data nor whether a JPEG ends, and
fills what is missing with grey. These checks read the container alone. What they cannot see: a bit
flipped inside a JPEG's entropy-coded data, which has no checksum.
"""

import re
import struct
import zlib
from dataclasses import dataclass

__all__ = ["Structure", "guess", "inspect"]

_PNG = b"\x89PNG\r\n\x1a\n"
# ITU-T T.81, B.1.1: inside a scan, FF 00 is a stuffed FF, D0 to D7 are restarts, FF FF is filling
_END_OF_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_NO_LENGTH = {0x01, *range(0xD0, 0xD8)}


@dataclass(frozen=True)
class Structure:
    """What a container says.

    Attributes:
        fault: why the file is not whole, in words; empty if it is.
        cut: whether the fault is that the end is missing.
        trailing: bytes after the end of the picture.
        bits: per channel, where the container says so (PNG); else 0.
    """

    fault: str = ""
    cut: bool = False
    trailing: int = 0
    bits: int = 0


def inspect(data: bytes) -> Structure:
    """Walk the container of a JPEG, PNG, GIF, BMP or WebP file; others pass unseen."""
    if data.startswith(b"\xff\xd8"):
        return _jpeg(data)
    if data.startswith(_PNG):
        return _png(data)
    if data.startswith(b"GIF8"):
        last = data.rstrip(b"\0")[-1:]
        return Structure() if last == b";" else _cut("the GIF has no end mark")
    if data.startswith(b"BM"):
        return _bmp(data)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return _sized(data, struct.unpack("<I", data[4:8])[0] + 8)
    return Structure()


def guess(data: bytes) -> str:
    """What a file that is no picture looks like, in words; empty if nothing can be said."""
    head = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith((b"<!doctype html", b"<html", b"<head")):
        return "a web page"
    for magic, name in _OTHERS.items():
        if data.startswith(magic):
            return name
    if data and not data.strip(b"\0"):
        return "zero bytes only"
    if data and all(byte >= 32 or byte in b"\t\r\n\f" for byte in data[:512]):
        return "text"
    return ""


_OTHERS = {
    b"PK\x03\x04": "a zip archive",
    b"%PDF": "a PDF",
    b"%!PS": "PostScript",
    b"\x1f\x8b": "a gzip archive",
    b"version https://git-lfs": "a Git LFS pointer",
    b"<?xml": "XML",
    b"<svg": "SVG",
}


def _cut(words: str) -> Structure:
    return Structure(fault=words, cut=True)


def _sized(data: bytes, size: int) -> Structure:
    if size > len(data):
        return _cut(f"{size - len(data)} bytes of {size} are missing")
    return Structure(trailing=max(0, len(data) - size - (size & 1)))


def _png(data: bytes) -> Structure:
    at, bits, unchecked = len(_PNG), 0, True
    while at + 12 <= len(data):
        length, name = struct.unpack(">I4s", data[at : at + 8])
        end = at + 12 + length
        if end > len(data):
            break
        shown = name.decode("ascii", "replace")
        if zlib.crc32(data[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            return Structure(
                fault=f"checksum of PNG chunk {shown} at byte {at} is wrong", bits=bits
            )
        if unchecked and name == b"IHDR" and length >= 9:
            bits, unchecked = data[at + 16], False
        if name == b"IEND":
            return Structure(trailing=len(data) - end, bits=bits)
        at = end
    return Structure(fault=f"the PNG ends within a chunk at byte {at}", cut=True, bits=bits)


def _bmp(data: bytes) -> Structure:
    if len(data) < 30:
        return _cut("the BMP ends in its header")
    said, start = struct.unpack("<I", data[2:6])[0], struct.unpack("<I", data[10:14])[0]
    header, width, height = struct.unpack("<Iii", data[14:26])
    if header < 40:
        return Structure()
    depth = struct.unpack("<H", data[28:30])[0]
    packed = len(data) >= 34 and struct.unpack("<I", data[30:34])[0] not in (0, 3)
    needed = start if packed else start + (abs(width) * depth + 31) // 32 * 4 * abs(height)
    if needed > len(data):
        return _cut(f"{needed - len(data)} bytes of the BMP's {needed} are missing")
    if said not in (0, len(data)):
        return Structure(fault=f"the BMP says {said} bytes, the file has {len(data)}")
    return Structure()


def _jpeg(data: bytes) -> Structure:
    at, size, scans = 2, len(data), 0
    while at + 1 < size:
        if data[at] != 0xFF:
            return Structure(fault=f"no JPEG marker at byte {at}")
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker == 0xD9:
            if not scans:
                return Structure(fault="the JPEG ends before any picture")
            return Structure(trailing=size - at - 2)
        elif marker in _NO_LENGTH:
            at += 2
        else:
            length = int.from_bytes(data[at + 2 : at + 4], "big")
            if length < 2:
                return _cut("the JPEG ends within a segment")
            at += 2 + length
            if marker == 0xDA:
                scans += 1
                found = _END_OF_SCAN.search(data, at)
                at = found.start() if found else size
    return _cut("the JPEG's end mark is missing: it was cut short")
