"""One map against its mask: all that is known of an image once it is scored."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from decamo.data.census import BadFile
from decamo.data.reading import read_mask, read_pair
from decamo.errors import UnreadableImage
from decamo.evaluation.cases import Case
from decamo.evaluation.lost import Loss, band_of
from decamo.evaluation.predictions import fitted, read_map
from decamo.metrics import THRESHOLD, ImageMeasures, measure

__all__ = [
    "Dropped",
    "ImageResult",
    "Job",
    "Rules",
    "binary_map",
    "map_of",
    "measure_job",
    "read_case",
]

_RING = 4  # widths of the boundary band that the ring of ground around an object is wide

_Map = npt.NDArray[np.uint8]
_Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Rules:
    """How each image is scored.

    Attributes:
        noncam: ``drop`` leaves out empty masks and what COD10K calls NonCAM; ``negatives`` not.
        stretch: whether each map is stretched to [0, 1] by its own extremes first.
        resize: whether a map of another size is brought to the mask's.
        atlas: whether wrong pixels are classified and contrast is measured.
        band: width of the boundary band, in px; None: 0.5 % of the diagonal.
    """

    noncam: str = "drop"
    stretch: bool = False
    resize: bool = False
    atlas: bool = False
    band: int | None = None


@dataclass(frozen=True)
class Job:
    """A case and its map: a file, an array with the mask and image it was made for, or nothing.

    Attributes:
        case: the mask to score against.
        map: file of the map, uint8 ``[H, W]``, or None for a map that finds nothing.
        mask: bool ``[H, W]`` where it is read already.
        image: RGB uint8 ``[H, W, 3]`` where it is read already and wanted.
    """

    case: Case
    map: Path | _Map | None
    mask: _Mask | None = None
    image: _Map | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled, the mask is bits: less to write for the one process that feeds all others."""
        bits = None if self.mask is None else (np.packbits(self.mask), self.mask.shape)
        return _unpickled, (self.case, self.map, bits, self.image)


def _unpickled(
    case: Case,
    grey: Path | _Map | None,
    bits: tuple[_Map, tuple[int, int]] | None,
    image: _Map | None,
) -> Job:
    if bits is None:
        return Job(case, grey, None, image)
    packed, (height, width) = bits
    mask = np.unpackbits(packed, count=height * width).reshape(height, width).view(np.bool_)
    return Job(case, grey, mask, image)


@dataclass(frozen=True)
class ImageResult:
    """All that is known of one scored image.

    Attributes:
        stem: its name.
        foreground: share of the mask's pixels that belong to the object, in [0, 1].
        digest: SHA-256 of the mask's size and pixels, in hex.
        missing: whether there was no map, so that one that finds nothing was scored.
        resized: whether the map had another size than the mask.
        dim: whether no grey level exceeds 1, as where a binary map was written as 0 and 1.
        measures: its scores.
        loss: what its lost IoU is made of, where asked for.
        contrast: of the object to its ring, where asked for and known.
    """

    stem: str
    foreground: float
    digest: str
    missing: bool
    resized: bool
    dim: bool
    measures: ImageMeasures
    loss: Loss | None = None
    contrast: float | None = None


@dataclass(frozen=True)
class Dropped:
    """A case that the NonCAM policy leaves out."""

    stem: str


def measure_job(job: Job, rules: Rules) -> ImageResult | Dropped | BadFile:
    """Score one case.

    Returns:
        Its result; ``Dropped`` under the NonCAM policy; ``BadFile`` where mask or image cannot be
        read.

    Raises:
        UnreadableImage: the map cannot be decoded.
        DataError: the map has another size and may not be resized.
    """
    case = job.case
    if rules.noncam == "drop" and case.noncam_by_name:
        return Dropped(case.stem)
    try:
        mask, image = (
            (job.mask, job.image) if job.mask is not None else read_case(case, rules.atlas)
        )
    except UnreadableImage as error:
        return BadFile(case.stem, Path(error.what), error.got)
    if rules.noncam == "drop" and not mask.any():
        return Dropped(case.stem)
    grey, raw_shape = map_of(job, mask, rules)
    loss = contrast = None
    if rules.atlas:
        # scipy, for the atlas alone: decisions/0007
        from decamo.evaluation.atlas import lost_iou
        from decamo.evaluation.contrast import ring_contrast

        width = rules.band or band_of((mask.shape[0], mask.shape[1]))
        loss = lost_iou(binary_map(grey, stretch=rules.stretch), mask, width)
        contrast = None if image is None else ring_contrast(image, mask, _RING * width)
    return ImageResult(
        stem=case.stem,
        foreground=float(mask.mean()),
        digest=_digest(mask),
        missing=job.map is None,
        resized=raw_shape != mask.shape,
        dim=job.map is not None and int(grey.max(initial=0)) == 1,
        measures=measure(grey, mask, stretch=rules.stretch),
        loss=loss,
        contrast=contrast,
    )


def binary_map(grey: _Map, *, stretch: bool) -> _Mask:
    """The map at the threshold of 0.5 that ``iou`` has, bool ``[H, W]``."""
    values = grey / 255
    if stretch and values.max() > values.min():
        values = (values - values.min()) / (values.max() - values.min())
    return np.asarray(values >= THRESHOLD)


def read_case(case: Case, with_image: bool) -> tuple[_Mask, _Map | None]:
    """The mask of a case, and its image where it is known and wanted.

    Raises:
        UnreadableImage: either cannot be decoded.
    """
    if case.pair is None:
        return read_mask(case.mask), None
    # even where the picture is not wanted, its EXIF orientation may turn the mask
    image, mask = read_pair(case.pair, None if with_image else 1)
    return mask, image if with_image else None


def map_of(job: Job, mask: _Mask, rules: Rules) -> tuple[_Map, tuple[int, ...]]:
    """The map at the mask's size, uint8 ``[H, W]``, and the size it had.

    Raises:
        UnreadableImage: it cannot be decoded.
        DataError: its size is not the mask's and may not be changed.
    """
    shape = (mask.shape[0], mask.shape[1])
    if job.map is None:
        return np.zeros(shape, dtype=np.uint8), shape
    grey = read_map(job.map) if isinstance(job.map, Path) else job.map
    name = job.map if isinstance(job.map, Path) else job.case.stem
    return fitted(grey, shape, (name, job.case.mask), resize=rules.resize), grey.shape


def _digest(mask: _Mask) -> str:
    head = f"{mask.shape[0]} {mask.shape[1]} ".encode()
    return hashlib.sha256(head + np.packbits(mask).tobytes()).hexdigest()
