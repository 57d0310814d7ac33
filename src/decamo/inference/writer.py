"""Predictions as files: probability maps and overlays, PNG, at native size."""

import io
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from decamo.data.decoding import as_unreadable
from decamo.inference.strips import row_strips
from decamo.metrics import THRESHOLD
from decamo.storage.outputs import PREDICTION_MARK, write_output

__all__ = ["mask_outline", "overlay", "read_probability", "write_overlay", "write_probability"]

_TINT = np.array([255, 64, 0], dtype=np.float32)  # orange: rare among natural camouflage
# Behind PNG's filters nearly all of a map is runs. Maps of 576 px: 2.2 ms and 27.6 kB, by zlib's
# default strategy 8.5 ms and 27.1 kB, at its level 1 2.5 ms and 38.3 kB; overlays 12 for 44 ms.
_RUNS = zlib.Z_RLE
_TRUTH = np.array([0, 220, 255], dtype=np.uint8)  # cyan outline for the true mask


def write_probability(path: Path, probability: npt.NDArray[np.float32]) -> None:
    """Write a ``[H, W]`` map in [0, 1] as an 8-bit grey PNG: 0 is background, 255 is object.

    Raises:
        StorageError: the file cannot be written; an old one is untouched.
    """
    _save(path, Image.fromarray(_grey(probability)))


def read_probability(path: Path) -> npt.NDArray[np.float32]:
    """A map that :func:`write_probability` wrote: float32 ``[H, W]`` in [0, 1].

    Steps are 1/255, and what was object is object: 0.5 lies between two of them.

    Raises:
        UnreadableImage: it cannot be read.
    """
    with as_unreadable(path), path.open("rb") as file, Image.open(file) as picture:
        return np.asarray(picture, dtype=np.float32) / np.float32(255)


def write_overlay(
    path: Path,
    image: npt.NDArray[np.uint8],
    probability: npt.NDArray[np.float32],
    mask: npt.NDArray[np.bool_] | None = None,
) -> None:
    """Write the picture of :func:`overlay`; errors of :func:`write_probability`."""
    _save(path, Image.fromarray(overlay(image, probability, mask)))


def overlay(
    image: npt.NDArray[np.uint8],
    probability: npt.NDArray[np.float32],
    mask: npt.NDArray[np.bool_] | None = None,
) -> npt.NDArray[np.uint8]:
    """The image with the predicted object in orange and, where known, the true outline in cyan.

    Args:
        image: RGB uint8 ``[H, W, 3]``.
        probability: float32 ``[H, W]`` in [0, 1].
        mask: bool ``[H, W]``, or None.

    Returns:
        RGB uint8 ``[H, W, 3]``.
    """
    picture = np.empty(image.shape, np.uint8)
    for rows in row_strips(probability.shape):
        likely = probability[rows, :, None]
        strength = 0.5 * likely * (likely >= THRESHOLD)
        picture[rows] = np.rint(image[rows] * (1 - strength) + _TINT * strength)
    if mask is not None:
        picture[mask_outline(mask)] = _TRUTH
    return picture


def mask_outline(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Pixels of a bool ``[H, W]`` mask that touch its outside (4-neighbours), about 1 px wide."""
    padded = np.pad(mask, 1, mode="edge")
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return mask & ~inner


def _grey(probability: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    levels = np.empty(probability.shape, np.uint8)
    for rows in row_strips(probability.shape):
        levels[rows] = np.rint(probability[rows] * 255)
    return levels


def _save(path: Path, picture: Image.Image) -> None:
    mark = PngInfo()
    mark.add_text("Software", PREDICTION_MARK)  # a later prediction does not take it for an input
    out = io.BytesIO()
    picture.save(out, "PNG", pnginfo=mark, compress_type=_RUNS)
    write_output(path, out.getbuffer())
