"""One map against its mask: all that is known of an image once it is scored."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from decamo.data.census import BadFile
from decamo.errors import UnreadableImage
from decamo.evaluation.breakdown import Loss, band_of
from decamo.evaluation.cases import Case
from decamo.evaluation.convention import Convention, NonCam
from decamo.evaluation.map_files import EIGHT_BIT, MapReading, Values, read_values, to_bytes
from decamo.evaluation.predictions import fitted
from decamo.evaluation.truth import Truth, read_truth
from decamo.metrics import ImageMeasures, binarise, measure

__all__ = ["Dropped", "ImageResult", "Job", "Rules", "map_of", "measure_job"]

_RING = 4  # widths of the boundary band that the ring of ground around an object is wide

_Picture = npt.NDArray[np.uint8]
_Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Rules:
    """How each image is scored.

    Attributes:
        noncam: which images without an object are left out.
        stretch: whether each map is stretched to [0, 1] by its own extremes first.
        resize: whether a map of another size is brought to the mask's.
        atlas: whether wrong pixels are classified and contrast is measured.
        band: width of the boundary band, in px; None: 0.5 % of the diagonal.
        convention: how levels on a threshold and empty masks are scored, and maps are resized.
        other: rules by which each image is scored as well, to say where the two differ.
    """

    noncam: NonCam = NonCam.DROP
    stretch: bool = False
    resize: bool = False
    atlas: bool = False
    band: int | None = None
    convention: Convention = Convention.PLAIN
    other: "Rules | None" = None

    @property
    def published(self) -> bool:
        """Whether levels on a threshold are treated as in the field's published tables."""
        return self.convention is Convention.PUBLISHED

    def leaves_out(self, case: Case, truth: Truth | None = None) -> bool:
        """Whether a case is left out by its name or, where it is read already, its mask."""
        empty = truth is not None and not truth.by(self.convention).any()
        return self.noncam.leaves_out(named=case.noncam_by_name, empty=empty)

    def leave_out(self, case: Case, truth: Truth | None = None) -> bool:
        """Whether these rules and the other ones leave a case out."""
        others = self.other is None or self.other.leaves_out(case, truth)
        return others and self.leaves_out(case, truth)


@dataclass(frozen=True)
class Job:
    """A case and its map: a file, an array with the mask and image it was made for, or nothing.

    Attributes:
        case: the mask to score against.
        map: file of the map, uint8 ``[H, W]``, or None for a map that finds nothing.
        truth: the mask where it is read already.
        image: RGB uint8 ``[H, W, 3]`` where it is read already and wanted.
        reading: how the file of the map is read.
    """

    case: Case
    map: Path | _Picture | None
    truth: Truth | None = None
    image: _Picture | None = None
    reading: MapReading = EIGHT_BIT


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
        other: its scores by the other rules; None where these leave it out or there are none.
        faint: greatest level of the mask's file where none counts as object.
        flat: the one level of a map that has a single one, other than 0.
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
    other: ImageMeasures | None = None
    faint: int = 0
    flat: float | None = None


@dataclass(frozen=True)
class Dropped:
    """A case that the NonCAM policy leaves out.

    Attributes:
        stem: its name.
        other: its scores by the other rules, where these score it.
        faint: greatest level of the mask's file where none counts as object.
    """

    stem: str
    other: ImageMeasures | None = None
    faint: int = 0


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
    if rules.leave_out(case):
        return Dropped(case.stem)
    try:
        truth, image = (
            (job.truth, job.image) if job.truth is not None else read_truth(case, rules.atlas)
        )
    except UnreadableImage as error:
        return BadFile(case.stem, Path(error.what), error.got)
    if truth.void is not None and truth.void.all():
        return BadFile(case.stem, case.mask, "all of the mask is void")
    mask = truth.by(rules.convention)
    faint = 0 if mask.any() else truth.brightest
    if rules.leaves_out(case, truth):
        there = job.map is not None and not rules.leave_out(case, truth)
        other = _by_others(job, truth, rules, None) if there else None
        return Dropped(case.stem, other, faint)
    values, raw_shape = map_of(job, truth, rules)
    measures = _measured(values, truth, rules)
    loss, contrast = _atlas(values, truth, image, rules) if rules.atlas else (None, None)
    least, most, resized = values.min(), values.max(), raw_shape != mask.shape
    return ImageResult(
        stem=case.stem,
        foreground=float((mask if truth.void is None else mask[~truth.void]).mean()),
        digest=_digest(mask, truth.void),
        missing=job.map is None,
        resized=resized,
        dim=job.map is not None and values.dtype == np.uint8 and int(most) == 1,
        measures=measures,
        loss=loss,
        contrast=contrast,
        other=_by_others(job, truth, rules, None if resized else (values, measures)),
        faint=faint,
        flat=float(most) if least == most and most > 0 else None,
    )


def map_of(job: Job, truth: Truth, rules: Rules) -> tuple[Values, tuple[int, ...]]:
    """The map at the mask's size, ``[H, W]``, and the size it had.

    Returns:
        uint8; or float64 in [0, 1], where the file has more than 8 bits and the published
        convention takes it as it is.

    Raises:
        UnreadableImage: it cannot be decoded.
        DataError: its size is not the mask's and may not be changed.
    """
    if job.map is None:
        return np.zeros(truth.shape, dtype=np.uint8), truth.shape
    values = read_values(job.map, job.reading) if isinstance(job.map, Path) else job.map
    name = job.map if isinstance(job.map, Path) else job.case.stem
    if not rules.published:
        values = to_bytes(values)
    names = (name, job.case.mask)
    at_size = fitted(values, truth.shape, names, resize=rules.resize, convention=rules.convention)
    return at_size, values.shape


def _by_others(
    job: Job, truth: Truth, rules: Rules, done: tuple[Values, ImageMeasures] | None
) -> ImageMeasures | None:
    """The scores by the other rules; those already known where they cannot differ."""
    other = rules.other
    if other is None or other.leaves_out(job.case, truth):
        return None
    if done is not None:
        values, measures = done
        whole = values.dtype == np.uint8 and values.min() == 0 and values.max() == 255
        plain = truth.strict is None and truth.void is None
        if whole and plain and truth.mask.any():  # stretched or not, it is the same
            return measures
    values, _ = map_of(job, truth, other)
    return _measured(values, truth, other)


def _measured(values: Values, truth: Truth, rules: Rules) -> ImageMeasures:
    return measure(
        values,
        truth.by(rules.convention),
        stretch=rules.stretch,
        void=truth.void,
        published=rules.published,
    )


def _atlas(
    values: Values, truth: Truth, image: _Picture | None, rules: Rules
) -> tuple[Loss, float | None]:
    # scipy, for the atlas alone: decisions/0007
    from decamo.evaluation.error_analysis import lost_iou, ring_contrast

    width, mask = rules.band or band_of(truth.shape), truth.by(rules.convention)
    if truth.void is not None:  # no error lies there, and no extreme of a stretch
        values = np.where(truth.void, values[~truth.void].min(), values)
    found = binarise(values, stretch=rules.stretch, published=rules.published)
    if truth.void is not None:
        found, mask = found & ~truth.void, mask & ~truth.void
    contrast = None if image is None else ring_contrast(image, mask, _RING * width)
    return lost_iou(found, mask, width), contrast


def _digest(mask: _Mask, void: _Mask | None) -> str:
    head = f"{mask.shape[0]} {mask.shape[1]} ".encode()
    left_out = b"" if void is None else np.packbits(void).tobytes()
    return hashlib.sha256(head + np.packbits(mask).tobytes() + left_out).hexdigest()
