"""Intervals by resampling images, and whether one method is better than another."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from decamo.metrics import ImageMeasures, SetMeasures, summarize_measures

__all__ = [
    "CURVES",
    "MEASURES",
    "RESAMPLES",
    "Comparison",
    "compare",
    "interval",
    "resampled",
    "resamples",
]

RESAMPLES = 2000  # the 2.5 % point then rests on 50 resamples
CURVES = ("precision", "recall", "f", "e", "iou_curve", "dice_curve")
MEASURES = tuple(f.name for f in fields(SetMeasures) if f.name not in ("count", *CURVES))
_CHUNK = 1 << 22  # draws at a time, to bound memory

_Floats = npt.NDArray[np.float64]


def resamples(images: int, *, count: int = RESAMPLES, seed: int = 0) -> _Floats:
    """How much each image weighs in each resample: draws with replacement over their number.

    Args:
        images: images in the set, at least 1.
        count: of resamples.
        seed: of the Philox generator; the same for all methods, so that they can be paired.

    Returns:
        float64 ``[count, images]``; each row sums to 1.
    """
    generator = np.random.Generator(np.random.Philox(seed))
    weights = np.empty((count, images))
    step = max(1, _CHUNK // images)
    for first in range(0, count, step):
        rows = min(step, count - first)
        drawn = generator.integers(0, images, (rows, images))
        drawn += np.arange(rows)[:, None] * images
        counted = np.bincount(drawn.ravel(), minlength=rows * images)
        weights[first : first + rows] = counted.reshape(rows, images) / images
    return weights


def resampled(
    images: Sequence[ImageMeasures], weights: _Floats, names: Sequence[str] = MEASURES
) -> dict[str, _Floats]:
    """Each measure of the set in each resample.

    Measures over thresholds follow their definition: the maximum is that of the mean curve, taken
    anew in each resample.

    Args:
        images: the measures of each image.
        weights: float64 ``[resamples, images]``, such as from :func:`resamples`.
        names: fields of ``SetMeasures``.

    Returns:
        float64 ``[resamples]`` for each name.
    """
    return {name: _statistic(name, images, weights) for name in names}


def interval(values: _Floats, level: float = 0.95) -> tuple[float, float]:
    """The percentile interval that holds the share ``level`` of the values."""
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _statistic(name: str, images: Sequence[ImageMeasures], weights: _Floats) -> _Floats:
    stem, _, kind = name.rpartition("_")
    if kind not in ("mean", "max"):
        return np.asarray(weights @ np.array([getattr(i, name) for i in images], dtype=np.float64))
    curve = stem if stem in ("f", "e") else f"{stem}_curve"
    curves = np.stack([getattr(i, curve) for i in images])
    if kind == "mean":
        return np.asarray(weights @ curves.mean(axis=1))
    return np.asarray((weights @ curves).max(axis=1))


@dataclass(frozen=True)
class Comparison:
    """The difference of two methods in one measure, over the same images.

    Attributes:
        dataset: name of the set.
        first: name of method A.
        second: name of method B.
        measure: a field of ``SetMeasures``.
        difference: how much better B is; for MAE, how much lower.
        low: lower end of the 95 % interval of the difference.
        high: its upper end.
        images: how many were compared.
    """

    dataset: str
    first: str
    second: str
    measure: str
    difference: float
    low: float
    high: float
    images: int

    @property
    def verdict(self) -> str:
        """``first``, ``second``, or empty where the interval holds 0."""
        if self.low > 0:
            return self.second
        return self.first if self.high < 0 else ""


def compare(
    dataset: str,
    first: tuple[str, Sequence[ImageMeasures]],
    second: tuple[str, Sequence[ImageMeasures]],
    *,
    seed: int = 0,
    count: int = RESAMPLES,
) -> list[Comparison]:
    """Compare each measure by a paired bootstrap: both methods see the same resamples of images.

    Args:
        dataset: name of the set.
        first: name and measures of method A.
        second: name and measures of method B, of the same images in the same order.
        seed: of the resamples.
        count: of resamples.

    Raises:
        ValueError: the two do not have the same number of images, or none.
    """
    (a, ones), (b, others) = first, second
    if len(ones) != len(others) or not ones:
        raise ValueError(f"want as many images of both, at least 1; got {len(ones)}, {len(others)}")
    weights = resamples(len(ones), count=count, seed=seed)
    was, now = summarize_measures(ones), summarize_measures(others)
    before, after = resampled(ones, weights), resampled(others, weights)
    made = []
    for name in MEASURES:
        sign = -1 if name == "mae" else 1
        low, high = interval(sign * (after[name] - before[name]))
        gain = sign * (getattr(now, name) - getattr(was, name))
        made.append(Comparison(dataset, a, b, name, gain, low, high, len(ones)))
    return made
