"""What the files of a folder of maps hold, decided from all of them, never from one alone.

A map is a value a pixel, 0 for ground and 1 for object. Most are 8-bit grey PNGs, but methods also
write it into an alpha channel, into 16 bits, as floats or as ``.npy``; one file alone often cannot
tell which, such as a map that finds nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from decamo.data.decoding import opened
from decamo.data.read_ahead import patient_each
from decamo.data.reading import read_picture
from decamo.data.waiting import NOBODY, Ear
from decamo.errors import DataError, UnreadableImage
from decamo.storage.spilled import Spilled

__all__ = [
    "EIGHT_BIT",
    "Channel",
    "MapReading",
    "Values",
    "decide_reading",
    "read_values",
    "to_bytes",
]

_ALPHA = ("LA", "La", "PA", "RGBA", "RGBa")
_NEAR = 0.02  # how far a resampled float map may overshoot [0, 1]
_BRIGHT = 128  # of 255, which some map of a folder exceeds whose floats are levels
_READERS = 4  # Pillow decodes outside of the interpreter's lock
# ITU-R 601 luminance, for maps that were saved in colour, as OpenCV and Pillow have it.
_LUMINANCE = np.array([299, 587, 114], dtype=np.int64)

Values = npt.NDArray[np.uint8] | npt.NDArray[np.float64]
_Raw = npt.NDArray[np.generic]


class Channel(StrEnum):
    """Where in a file of several channels the map lies; said by ``--map-channel``."""

    LUMINANCE = "luminance"
    ALPHA = "alpha"


@dataclass(frozen=True)
class MapReading:
    """How the files of one folder are read.

    Attributes:
        channel: where the map lies in files that have an alpha channel.
        whole: what means 1 in files of whole numbers of more than 8 bits.
        real: what means 1 in files of floats.
        remarks: what was decided of files that are not plain 8-bit grey, a clause each.
    """

    channel: Channel = Channel.LUMINANCE
    whole: float = 65535
    real: float = 1
    remarks: tuple[str, ...] = ()


EIGHT_BIT = MapReading()


class _Told(StrEnum):
    """What a file with alpha tells of where its map lies."""

    NOTHING = "nothing"  # both have one value
    EITHER = "either"  # both are the same picture
    LUMINANCE = "luminance"
    ALPHA = "alpha"
    UNCLEAR = "unclear"  # two different pictures


@dataclass(frozen=True)
class _Look:
    """What one file tells.

    Attributes:
        path: the file.
        kind: ``grey``, ``colour``, ``alpha``, ``whole`` (numbers of more than 8 bits) or ``real``.
        low: least number of the last two.
        high: greatest number of them.
        told: where the map lies, of a file with alpha.
    """

    path: Path
    kind: str
    low: float = 0
    high: float = 255
    told: _Told = _Told.NOTHING


def decide_reading(
    method: str, paths: Iterable[Path], channel: Channel | None = None, ear: Ear = NOBODY
) -> MapReading:
    """How the maps of a folder are read, from all of them.

    Files of 8-bit grey are not decoded for it. Files that cannot be read are left to scoring.

    Args:
        method: whose they are, for errors.
        paths: the files that belong to masks.
        channel: where the map lies in files with alpha; None: by evidence.
        ear: listened to meanwhile.

    Raises:
        DataStalled: a file is not read to its end.
        DataError: colour and alpha both vary and nobody said which is the map; or floats or whole
            numbers that are no probabilities.
    """
    by_kind: dict[str, Spilled[_Look]] = {}
    for look in patient_each(_look_or_none, paths, ear, threads=_READERS):
        if look is not None and look.kind != "grey":
            by_kind.setdefault(look.kind, Spilled()).append(look)
    remarks: list[str] = []
    if "alpha" in by_kind:
        channel, remark = _channel(method, by_kind["alpha"], channel)
        remarks.append(remark)
    whole, real = 65535.0, 1.0
    if "whole" in by_kind:
        whole = _whole(method, by_kind["whole"])
        remarks.append(f"{_files(by_kind['whole'])} of more than 8 bits, {whole:g} being 1")
    if "real" in by_kind:
        real = _real(method, by_kind["real"])
        remarks.append(f"{_files(by_kind['real'])} of floats, {real:g} being 1")
    if "colour" in by_kind:
        remarks.append(
            f"{_files(by_kind['colour'])} in colour, read as luminance,"
            " which is not the map where a colour map such as jet was drawn"
        )
    return MapReading(channel or Channel.LUMINANCE, whole, real, tuple(remarks))


def read_values(path: Path, reading: MapReading) -> Values:
    """A map ``[H, W]``: uint8, ``k`` meaning ``k / 255``, or float64 in [0, 1].

    Grey of 8 bits stays as it is; colour becomes luminance (ITU-R 601); of a palette the colours
    count, but the index where they are all black or those in use are all the same.

    Raises:
        UnreadableImage: it cannot be decoded, has no two dimensions, or holds what is not finite.
    """
    if path.suffix.lower() == ".npy":
        return _scaled(path, _loaded(path), reading)
    picture = read_picture(path)
    if picture.mode == "F" or picture.mode.startswith("I"):
        return _scaled(path, np.asarray(picture), reading)
    if _has_alpha(picture):
        rgba = picture.convert("RGBA")
        if reading.channel is Channel.ALPHA:
            return np.asarray(rgba.getchannel("A"))
        return _luminance(np.asarray(rgba)[..., :3])
    return _grey(picture)


def to_bytes(values: Values) -> npt.NDArray[np.uint8]:
    """A map as 8-bit grey levels, rounded: the levels that a PNG of it would have."""
    if values.dtype == np.uint8:
        return values.astype(np.uint8, copy=False)
    return np.rint(values * 255).astype(np.uint8)


def _look_or_none(path: Path) -> _Look | None:
    try:
        return _look(path)
    except UnreadableImage:
        return None  # scoring names it


def _look(path: Path) -> _Look:
    if path.suffix.lower() == ".npy":
        return _look_at_numbers(path, _loaded(path))
    mode = _mode(path)
    if mode in ("1", "L"):
        return _Look(path, "grey")
    picture = read_picture(path)
    if mode == "F" or mode.startswith("I"):
        return _look_at_numbers(path, np.asarray(picture))
    if not _has_alpha(picture):
        rgb = np.asarray(picture.convert("RGB"))
        return _Look(path, "colour" if _is_coloured(rgb) else "grey")
    return _Look(path, "alpha", told=_told(np.asarray(picture.convert("RGBA"))))


def _told(rgba: npt.NDArray[np.uint8]) -> _Told:
    """Where the map lies in one file: the channel that varies, or from which the other follows."""
    alpha, grey = rgba[..., 3], _luminance(rgba[..., :3])
    pairs = np.flatnonzero(np.bincount((grey.astype(np.int64) << 8 | alpha).ravel()))
    greys, alphas = np.unique(pairs >> 8), np.unique(pairs & 255)
    coloured = _is_coloured(rgba[..., :3])
    if len(alphas) == 1:  # a photograph may be cut out along a map that finds nothing
        return _Told.NOTHING if len(greys) == 1 or coloured else _Told.LUMINANCE
    if len(greys) == 1 or coloured:
        return _Told.ALPHA
    from_grey, from_alpha = len(pairs) == len(greys), len(pairs) == len(alphas)
    if from_grey and from_alpha:
        rising = bool((np.diff((pairs & 255)[np.argsort(pairs >> 8)]) > 0).all())
        return _Told.EITHER if rising else _Told.UNCLEAR
    if from_grey:
        return _Told.LUMINANCE
    return _Told.ALPHA if from_alpha else _Told.UNCLEAR


def _look_at_numbers(path: Path, values: _Raw) -> _Look:
    if values.dtype == np.bool_ or values.dtype == np.uint8:
        return _Look(path, "grey")
    low, high = float(values.min()), float(values.max())
    _refuse_nan(path, low + high)
    kind = "real" if np.issubdtype(values.dtype, np.floating) else "whole"
    return _Look(path, kind, low, high)


def _channel(method: str, looks: Sequence[_Look], said: Channel | None) -> tuple[Channel, str]:
    """Where the map lies in files with alpha, and the clause that says so."""
    files = f"{_files(looks)} with an alpha channel"
    if said is not None:
        return said, f"{files}, {said} read as --map-channel says"
    first = {told: next((k.path for k in looks if k.told is told), None) for told in _Told}
    remedy = "say which: --map-channel luminance or --map-channel alpha"
    unclear = first[_Told.UNCLEAR]
    if unclear is not None:
        raise DataError(
            unclear, f"its grey levels and its alpha both vary, and either may be the map of "
            f"{method}", remedy
        )  # fmt: skip
    alpha, luminance = first[_Told.ALPHA], first[_Told.LUMINANCE]
    if alpha is None:
        return Channel.LUMINANCE, f"{files} that says nothing more, read as luminance"
    if luminance is None:
        return Channel.ALPHA, f"{files} that holds the map, read as alpha"
    raise DataError(
        alpha,
        f"the map of {method} lies in its alpha, that of {luminance.name} in its grey levels",
        remedy,
    )


def _whole(method: str, looks: Sequence[_Look]) -> float:
    """What means 1 in whole numbers of more than 8 bits."""
    worst = next((look for look in looks if look.low < 0 or look.high > 65535), None)
    if worst is not None:
        raise _no_map(method, worst)
    high = max(look.high for look in looks)
    return 1 if high <= 1 else 255 if high <= 255 else 65535


def _real(method: str, looks: Sequence[_Look]) -> float:
    """What means 1 in floats."""
    high = max(look.high for look in looks)
    one = 1 if high <= 1 + _NEAR else 255
    # logits go below zero too, but not up to 255
    edge = _NEAR if high < _BRIGHT else _NEAR * one
    worst = next((x for x in looks if not (-edge <= x.low and x.high <= one + edge)), None)
    if worst is not None:
        raise _no_map(method, worst)
    return one


def _no_map(method: str, look: _Look) -> DataError:
    return DataError(
        look.path,
        f"the map of {method} holds {look.low:g} to {look.high:g}, neither 0 to 1 nor 0 to 255",
        "write probabilities: of logits their sigmoid",
    )


def _scaled(path: Path, values: _Raw, reading: MapReading) -> Values:
    if values.dtype == np.bool_:
        return values.astype(np.uint8) * np.uint8(255)
    if values.dtype == np.uint8:
        return values.astype(np.uint8)
    _refuse_nan(path, float(values.max()) + float(values.min()))
    real = np.issubdtype(values.dtype, np.floating)
    one = reading.real if real else reading.whole
    return np.clip(values.astype(np.float64) / one, 0, 1)


def _refuse_nan(path: Path, extremes: float) -> None:
    if not np.isfinite(extremes):
        raise UnreadableImage(path, "the map holds NaN or infinity", "write probabilities")


def _loaded(path: Path) -> _Raw:
    try:
        values = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UnreadableImage(path, f"no array that can be read ({error})", "write it anew") from (
            error
        )
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "biuf":
        raise UnreadableImage(path, "no array of numbers", "write probabilities")
    flat = values.squeeze() if values.ndim > 2 else values
    if flat.ndim != 2 or not flat.size:
        raise UnreadableImage(
            path, f"an array of shape {list(values.shape)}", "write one map [H, W] a file"
        )
    return flat


def _mode(path: Path) -> str:
    """Pillow's mode of a file, without decoding it; empty where only decoding can tell."""
    try:
        with path.open("rb") as file, opened(file) as picture:
            return str(picture.mode)
    except Exception:  # whatever a decoder raises, reading the file says it in one line
        return ""


def _grey(picture: Image.Image) -> npt.NDArray[np.uint8]:
    if picture.mode == "L":
        return np.asarray(picture)
    if picture.mode == "P":
        index = np.asarray(picture)
        palette = np.array(picture.getpalette("RGB") or [], dtype=np.uint8).reshape(-1, 3)
        used = palette[np.unique(index[index < len(palette)])]
        if not palette.any() or (len(used) > 1 and bool((used == used[0]).all())):
            return index
    return _luminance(np.asarray(picture.convert("RGB")))


def _luminance(rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    if not _is_coloured(rgb):
        return np.ascontiguousarray(rgb[..., 0])
    return ((rgb @ _LUMINANCE + 500) // 1000).astype(np.uint8)


def _is_coloured(rgb: npt.NDArray[np.uint8]) -> bool:
    grey = rgb[..., 0]
    return not bool((grey == rgb[..., 1]).all() and (grey == rgb[..., 2]).all())


def _has_alpha(picture: Image.Image) -> bool:
    return picture.mode in _ALPHA or "transparency" in picture.info


def _files(looks: Sequence[_Look]) -> str:
    count = len(looks)
    return f"{count} {'file' if count == 1 else 'files'} (such as {looks[0].path.name})"
