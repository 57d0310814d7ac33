"""What the lost IoU is made of, every wrong pixel in exactly one class; and the object's contrast.

IoU is TP / U with the union U = TP + FP + FN, so that 1 - IoU = (FP + FN) / U: each wrong pixel
costs 1 / U. The classes below part the wrong pixels, and so their shares sum to the whole loss.
In order, the first that fits (components are 8-connected, distances Euclidean):

================  ==========================================================================
``missed``        of a true component that the prediction does not touch at all
``false``         of a predicted component that no true pixel lies in
``boundary``      within ``band`` px of the true outline, on either side
``hole``          truth within a gap that the prediction wholly encloses
``part``          other truth beyond the band: a limb, or half of the animal
``spill``         other prediction beyond the band: it leaks from a found object into the ground
================  ==========================================================================

The idea of parting a score's loss by kinds of error is TIDE's (Bolya et al., ECCV 2020); the band
is that of Boundary IoU (Cheng et al., CVPR 2021).
"""

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from decamo.evaluation.breakdown import ERROR_KINDS, Loss, band_of

__all__ = [
    "classify_errors",
    "lost_iou",
    "ring_contrast",
]

_EIGHT = np.ones((3, 3), dtype=np.int8)

_Binary = npt.NDArray[np.bool_]


def classify_errors(prediction: _Binary, mask: _Binary, band: int) -> npt.NDArray[np.uint8]:
    """The kind of error of each pixel.

    Args:
        prediction: bool ``[H, W]``.
        mask: bool ``[H, W]``.
        band: width of the boundary band on each side of the true outline, in px. The edge of the
            picture is no outline.

    Returns:
        uint8 ``[H, W]``: 0 where the prediction is right, else 1 + the index in ``ERROR_KINDS``.
    """
    kinds = np.zeros(mask.shape, dtype=np.uint8)
    wrong = prediction != mask
    if not wrong.any():
        return kinds
    kinds[_untouched(mask, prediction)] = _code("missed")
    kinds[_untouched(prediction, mask)] = _code("false")
    rest = wrong & (kinds == 0)
    near = rest & _near_outline(mask, band)
    kinds[near] = _code("boundary")
    rest &= ~near
    kinds[rest & prediction] = _code("spill")
    deep = rest & mask
    if deep.any():
        enclosed = ndimage.binary_fill_holes(prediction)
        kinds[deep] = np.where(enclosed[deep], _code("hole"), _code("part"))
    return kinds


def lost_iou(prediction: _Binary, mask: _Binary, band: int | None = None) -> Loss:
    """What the lost IoU of one image is made of.

    Args:
        prediction: bool ``[H, W]``.
        mask: bool ``[H, W]``.
        band: as in :func:`classify_errors`; by default :func:`band_of`.
    """
    width = band_of((mask.shape[0], mask.shape[1])) if band is None else band
    union = int(np.count_nonzero(prediction | mask))
    if not union:  # nothing to find and nothing found: nothing lost
        return Loss(0, 0, 0, 0, 0, 0, 1.0, 1.0)
    hit = int(np.count_nonzero(prediction & mask))
    kinds = classify_errors(prediction, mask, width)
    counts = np.bincount(kinds.ravel(), minlength=len(ERROR_KINDS) + 1)[1:]
    mended = kinds == _code("boundary")
    regained = int(np.count_nonzero(mended & mask))
    left = union - int(np.count_nonzero(mended & prediction))
    perfect = (hit + regained) / left if left else 1.0
    shares = {kind: int(c) / union for kind, c in zip(ERROR_KINDS, counts, strict=True)}
    return Loss(**shares, iou=hit / union, iou_perfect_boundary=perfect)


def _code(kind: str) -> int:
    return 1 + ERROR_KINDS.index(kind)


def _untouched(objects: _Binary, other: _Binary) -> _Binary:
    """Components of ``objects`` in which no pixel of ``other`` lies."""
    labels, count = ndimage.label(objects, structure=_EIGHT)
    touched = np.zeros(count + 1, dtype=np.bool_)
    touched[np.unique(labels[other])] = True
    touched[0] = True  # the ground is no component
    return np.asarray(~touched[labels])


def _near_outline(mask: _Binary, band: int) -> _Binary:
    """Pixels within ``band`` px of the nearest pixel of the other side."""
    near = np.zeros_like(mask)
    if not mask.any() or mask.all():
        return near  # no outline in the picture
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    box = (  # beyond it nothing is near; distances within it are those of the whole picture
        slice(max(rows[0] - band - 1, 0), rows[-1] + band + 2),
        slice(max(columns[0] - band - 1, 0), columns[-1] + band + 2),
    )
    inside = mask[box]
    if not inside.all():
        away = ndimage.distance_transform_edt(~inside)
        deep = ndimage.distance_transform_edt(inside)
        near[box] = np.where(inside, deep, away) <= band
    return near


# sRGB (IEC 61966-2-1), D65: linear RGB -> XYZ over the white point; then CIELAB (CIE 15:2004).
_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
) / np.array([[0.95047], [1.0], [1.08883]])
_LEVELS = np.arange(256) / 255
_LINEAR = np.where(_LEVELS <= 0.04045, _LEVELS / 12.92, ((_LEVELS + 0.055) / 1.055) ** 2.4)


def ring_contrast(
    image: npt.NDArray[np.uint8], mask: npt.NDArray[np.bool_], width: int
) -> float | None:
    """CIE76 colour difference between the mean colour of the object and that of a ring around it.

    About 2.3 is what an eye can just tell. Texture does not count: two patterns of one mean colour
    have contrast 0.

    Args:
        image: RGB uint8 ``[H, W, 3]``.
        mask: bool ``[H, W]``, the object.
        width: of the ring of ground around it, in px.

    Returns:
        At least 0; None where there is no object or no ring.
    """
    if not mask.any() or mask.all():
        return None
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    box = (
        slice(max(rows[0] - width, 0), rows[-1] + width + 1),
        slice(max(columns[0] - width, 0), columns[-1] + width + 1),
    )
    inside, pixels = mask[box], image[box]
    if inside.all():
        return None
    ring = ~inside & (ndimage.distance_transform_edt(~inside) <= width)
    first, second = (_lab(_LINEAR[pixels[where]].mean(axis=0)) for where in (inside, ring))
    return float(np.linalg.norm(first - second))


def _lab(linear: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Linear RGB ``[3]`` in [0, 1] -> CIELAB ``[3]``."""
    xyz = _XYZ @ linear
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])
