"""One file -> facts about it. Runs in a process that a damaged file may kill."""

import base64
import hashlib
import io
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from decamo.data.audit.layout_findings import Structure, guess, inspect
from decamo.data.decoding import is_wide_file, opened
from decamo.data.fingerprints import GLANCE, Print, fingerprint_of
from decamo.data.inside import located
from decamo.data.reading import SeenMask, read_image, see_image, see_mask_file
from decamo.errors import UnreadableImage

__all__ = ["FileFacts", "look_at", "preview"]

_PREVIEW_PX = 240
_SUFFIXES = {
    "JPEG": {".jpg", ".jpeg"},
    "MPO": {".jpg", ".jpeg"},
    "PNG": {".png"},
    "BMP": {".bmp"},
    "TIFF": {".tif", ".tiff"},
    "WEBP": {".webp"},
    "PPM": {".pgm", ".ppm", ".pbm", ".pnm"},
}


@dataclass(frozen=True)
class FileFacts:
    """What one file is.

    Attributes:
        path: as given.
        role: ``image`` or ``mask``.
        size: bytes.
        changed: time of change, ns.
        sha256: of the bytes, hex; empty if they cannot be read.
        fault: kind of the reason why the file cannot be used; empty if it can.
        reason: the same in words.
        format: Pillow's name, such as ``JPEG``.
        mode: Pillow's name, such as ``CMYK``; ``YCCK`` where a JPEG stores that.
        bits: per channel where known, else 0.
        orientation: of EXIF, 1 to 8.
        stored: height and width before any orientation, px.
        shown: height and width after it, px.
        frames: pictures in the file.
        trailing: bytes after the picture's end.
        suffix_fits: whether the extension says what the content is.
        pixels: sha256 of an image's shape and RGB bytes as displayed, hex; empty for masks.
        grid: of an image's fingerprint, hex.
        thumb: of an image's fingerprint, hex.
        foreground: share of a mask's pixels that are object, where the file alone is asked.
        grey: share of a mask's pixels strictly between its format's black and white.
        levels: different values in a mask.
        values: what :func:`~decamo.data.reading.see_mask` tells of a mask, plain.
        numbers: what :func:`~decamo.data.reading.see_image` tells of an image of more than 8
            bits, plain.
        flat: whether an image has a single colour.
    """

    path: str
    role: str
    size: int = 0
    changed: int = 0
    sha256: str = ""
    fault: str = ""
    reason: str = ""
    format: str = ""
    mode: str = ""
    bits: int = 0
    orientation: int = 1
    stored: tuple[int, int] = (0, 0)
    shown: tuple[int, int] = (0, 0)
    frames: int = 1
    trailing: int = 0
    suffix_fits: bool = True
    pixels: str = ""
    grid: str = ""
    thumb: str = ""
    foreground: float = 0.0
    grey: float = 0.0
    levels: int = 0
    values: list[Any] | None = None
    numbers: list[Any] | None = None
    flat: bool = False

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> "FileFacts":
        """Back from what :func:`look_at` returned, by way of JSON."""
        known = {field.name: plain[field.name] for field in fields(cls) if field.name in plain}
        for name in ("stored", "shown"):
            height, width = known.get(name, (0, 0))
            known[name] = (int(height), int(width))
        return cls(**known)

    @property
    def print(self) -> Print:
        """An image's fingerprint."""
        height, width = self.shown
        return Print(bytes.fromhex(self.grid), bytes.fromhex(self.thumb), width / height)


def look_at(path: str, role: str) -> dict[str, Any]:
    """Facts of one file as plain JSON; whatever is wrong with it becomes a fact too."""
    file = located(path)
    plain: dict[str, Any] = {"path": path, "role": role}
    try:
        stat = file.stat()
        data = file.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        return asdict(FileFacts(path, role, fault="unreadable", reason=reason))
    except UnreadableImage as error:  # what it is read from contradicts itself
        return asdict(FileFacts(path, role, fault="unreadable", reason=error.got))
    plain |= {"size": stat.st_size, "changed": stat.st_mtime_ns}
    plain["sha256"] = hashlib.sha256(data).hexdigest()
    if not data:
        return asdict(FileFacts(**plain, fault="empty-file", reason="the file is empty"))
    structure = inspect(data)
    try:
        plain |= _image(file, data) if role == "image" else _mask(file)
        plain |= _header(file, data)
    except UnreadableImage as error:
        fault, reason = _why(error, structure, data)
        return asdict(FileFacts(**plain, fault=fault, reason=reason))
    if structure.fault:  # the decoder made something of it, which is worse: nobody would notice
        plain |= {"fault": "truncated" if structure.cut else "damaged", "reason": structure.fault}
    bits = structure.bits or plain["bits"]
    return asdict(FileFacts(**plain | {"trailing": structure.trailing, "bits": bits}))


def preview(path: str) -> dict[str, Any]:
    """A small JPEG of an image as displayed, base64, at most 240 px a side."""
    picture = Image.fromarray(read_image(located(path), at_least=_PREVIEW_PX))
    picture.thumbnail((_PREVIEW_PX, _PREVIEW_PX))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=70)
    return {"jpeg": base64.b64encode(out.getvalue()).decode()}


def _why(error: UnreadableImage, structure: Structure, data: bytes) -> tuple[str, str]:
    cause = error.__cause__
    if isinstance(cause, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return "too-many-pixels", error.got
    if structure.fault:
        return "truncated" if structure.cut else "damaged", structure.fault
    if isinstance(cause, UnidentifiedImageError):
        looks = guess(data)
        return "not-an-image", f"no image inside{f': it looks like {looks}' if looks else ''}"
    return "unreadable", error.got


def _image(path: Path, data: bytes) -> dict[str, Any]:
    pixels = read_image(path)
    height, width = pixels.shape[:2]
    digest = hashlib.sha256(f"{height}x{width}:".encode())
    digest.update(pixels.tobytes())
    # a JPEG as the census sees it, so that both find the same copies
    jpeg = data.startswith(b"\xff\xd8")
    found = fingerprint_of(read_image(path, at_least=GLANCE) if jpeg else pixels)
    return {
        "shown": (height, width),
        "pixels": digest.hexdigest(),
        "grid": found.grid.hex(),
        "thumb": found.thumb.hex(),
        "numbers": wide.to_plain() if is_wide_file(path) and (wide := see_image(path)) else None,
        "flat": bool((pixels == pixels[0, 0]).all()),
    }


def _mask(path: Path) -> dict[str, Any]:
    seen = see_mask_file(path)
    grey, levels = _greys(path, seen)
    return {
        "shown": seen.shape,
        "foreground": seen.share,  # as a census before training has it
        "grey": grey,
        "levels": levels,
        "values": seen.values.to_plain(),
    }


def _greys(path: Path, seen: SeenMask) -> tuple[float, int]:
    """The share of a mask's pixels between black and white, and how many values there are."""
    look = seen.values
    if seen.mode == "L" and look.values:
        white = 1 if max(look.codes) <= 1 else 255
        return sum(v.count for v in look.values if 0 < v.code < white) / look.total, len(look.codes)
    with path.open("rb") as file, opened(file) as picture:
        values, top = _grey_plane(picture)
    return float(((values > 0) & (values < top)).mean()), len(np.unique(values))


def _grey_plane(picture: Image.Image) -> tuple[NDArray[Any], float]:
    """A mask's values ``[H, W]`` and what white is among them, by the rule of ``read_mask``."""
    if picture.mode == "1":
        return np.asarray(picture), 1
    if picture.mode == "F":
        values = np.asarray(picture)
        return values, 1 if values.max(initial=0) <= 1 else 255
    if picture.mode.startswith("I"):
        values = np.asarray(picture, dtype=np.int64)
        highest = values.max(initial=0)
        return values, 1 if highest <= 1 else 255 if highest <= 255 else 65535
    if picture.mode == "P" and max(picture.getpalette("RGB") or [0]) <= 1:
        values = np.asarray(picture)
        return values, max(1, int(values.max(initial=0)))
    if picture.mode in ("LA", "PA", "RGBA"):
        alpha = np.asarray(picture.convert("RGBA"))[..., 3]
        colour = np.asarray(picture.convert("RGBA").convert("RGB"))
        if (colour == colour[:1, :1]).all() and alpha.min() != alpha.max():
            return alpha, 1 if alpha.max() <= 1 else 255
    values = np.asarray(picture.convert("RGB").convert("L"))
    return values, 1 if values.max(initial=0) <= 1 else 255


def _header(path: Path, data: bytes) -> dict[str, Any]:
    with path.open("rb") as file, opened(file) as picture:
        width, height = picture.size
        try:
            orientation = picture.getexif().get(0x0112, 1)
        except Exception:  # as in `read_image`: a garbled EXIF block counts as none
            orientation = 1
        if orientation not in range(1, 9):
            orientation = 1
        if picture.format == "TIFF" and orientation >= 5:  # Pillow tells the upright size at once
            width, height = height, width
        # Adobe's APP14 says 2 where the four channels are YCCK (Adobe Technical Note 5116)
        ycck = picture.mode == "CMYK" and picture.info.get("adobe_transform") == 2
        wide = picture.mode.startswith("I;16") or picture.mode in ("I", "F")
        return {
            "format": picture.format or "",
            "mode": "YCCK" if ycck else _mode(picture),
            "bits": 16 if wide else 0,
            "orientation": int(orientation),
            "stored": (height, width),
            "frames": int(getattr(picture, "n_frames", 1)),
            "suffix_fits": path.suffix.lower() in _SUFFIXES.get(picture.format or "", set()),
        }


def _mode(picture: Image.Image) -> str:
    """Pillow's mode; a palette or RGB with one transparent colour says so."""
    return f"{picture.mode}+transparency" if "transparency" in picture.info else picture.mode
