"""Intervals by resampling images, and whether one method is better than another."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import chain

import numpy as np
import numpy.typing as npt

from decamo.metrics import BIN_CURVES, BINS, ImageMeasures, SetMeasures, summarize_measures
from decamo.metrics.calibration import calibration_error
from decamo.storage.spilled import explained_temporaries, unnamed_file

__all__ = [
    "COMPARED",
    "CURVES",
    "MEASURES",
    "RESAMPLES",
    "Comparison",
    "Draws",
    "compare",
    "interval",
    "resampled",
    "resamples",
]

RESAMPLES = 2000  # the 2.5 % point then rests on 50 resamples
CURVES = ("precision", "recall", "f", "e", "iou_curve", "dice_curve")
MEASURES = tuple(
    f.name for f in fields(SetMeasures) if f.name not in ("count", *CURVES, *BIN_CURVES)
)
COMPARED = tuple(name for name in MEASURES if name not in ("found_share", "object_share"))
"""Of these one method can be better; shares of pixels only say what was found."""
_ERRORS = ("mae", "ece")  # the lower, the better
_CHUNK = 1 << 22  # draws at a time, to bound memory
_BLOCK = 8192  # images at a time, likewise; more than the field's test sets have
_ROWS = 64  # resamples that are read at a time

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
    weights = np.empty((count, images))
    for first, counted in _drawn(images, count, seed):
        np.divide(counted, images, out=weights[first : first + len(counted)])
    return weights


def _drawn(images: int, count: int, seed: int) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:
    """How often each image was drawn, some resamples at a time, and the number of the first."""
    generator = np.random.Generator(np.random.Philox(seed))
    step = max(1, _CHUNK // images)
    for first in range(0, count, step):
        rows = min(step, count - first)
        drawn = generator.integers(0, images, (rows, images))
        drawn += np.arange(rows)[:, None] * images
        yield first, np.bincount(drawn.ravel(), minlength=rows * images).reshape(rows, images)


class Draws:
    """The weights of :func:`resamples`, by blocks of images: those of a large set lie in a file.

    Args:
        images: in the set, at least 1.
        count: of resamples.
        seed: of the Philox generator.
    """

    def __init__(self, images: int, *, count: int = RESAMPLES, seed: int = 0) -> None:
        self._images, self._count = images, count
        self._whole = resamples(images, count=count, seed=seed) if images <= _BLOCK else None
        if self._whole is not None:
            return
        self._file = unnamed_file(self)
        for first, counted in _drawn(images, count, seed):
            for start in range(0, images, _BLOCK):
                part = counted[:, start : start + _BLOCK].astype(np.uint32)
                with explained_temporaries():
                    self._file.seek(4 * (start * count + first * part.shape[1]))
                    self._file.write(part.tobytes())

    def blocks(self) -> Iterator[tuple[slice, _Floats]]:
        """Some images, and float64 ``[count, images]`` of them."""
        if self._whole is not None:
            yield slice(0, self._images), self._whole
            return
        for start in range(0, self._images, _BLOCK):
            part = slice(start, min(start + _BLOCK, self._images))
            yield part, self._read(part)

    def _read(self, part: slice) -> _Floats:
        size = part.stop - part.start
        weights = np.empty((self._count, size))
        self._file.seek(4 * part.start * self._count)
        for first in range(0, self._count, _ROWS):  # the counts are not held beside the weights
            some = weights[first : first + _ROWS]
            counted = np.frombuffer(self._file.read(4 * some.size), dtype=np.uint32)
            np.divide(counted.reshape(some.shape), np.float64(self._images), out=some)
        return weights


def resampled(
    images: Sequence[ImageMeasures],
    weights: _Floats | Draws,
    names: Sequence[str] = MEASURES,
) -> dict[str, _Floats]:
    """Each measure of the set in each resample.

    Measures over thresholds follow their definition: the maximum is that of the mean curve, taken
    anew in each resample, and so are the gaps of a calibration error.

    Args:
        images: the measures of each image.
        weights: float64 ``[resamples, images]``, such as from :func:`resamples`; or by blocks, of
            which more than one may move the last bits.
        names: fields of ``SetMeasures``.

    Returns:
        float64 ``[resamples]`` for each name.
    """
    found: dict[str, _Floats] = {}
    whole = slice(0, len(images))
    blocks = weights.blocks() if isinstance(weights, Draws) else [(whole, weights)]
    for part, some in blocks:
        columns = _columns(images[part], names)
        for name in names:
            value = np.asarray(some @ _column(name, columns))
            found[name] = found[name] + value if name in found else value
        del columns, some  # before the next ones are there
    return {name: _of_set(name, values) for name, values in found.items()}


def _of_set(name: str, values: _Floats) -> _Floats:
    """A measure in each resample from what was weighed."""
    if name == "ece":
        return calibration_error(values, np.zeros(()))
    return values.max(axis=1) if values.ndim == 2 else values


def interval(values: _Floats, level: float = 0.95) -> tuple[float, float]:
    """The percentile interval that holds the share ``level`` of the values."""
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _columns(images: Sequence[ImageMeasures], names: Sequence[str]) -> dict[str, _Floats]:
    """Fields of the images ``[images]``, and curves ``[images, 256]``; each image is asked once."""
    wanted = dict.fromkeys(chain.from_iterable(map(_fields_of, names)))
    sizes = dict.fromkeys(CURVES, (256,)) | dict.fromkeys(BIN_CURVES, (BINS,))
    columns = {name: np.empty((len(images), *sizes.get(name, ()))) for name in wanted}
    for row, image in enumerate(images):
        for name, column in columns.items():
            column[row] = getattr(image, name)
    return columns


def _fields_of(name: str) -> tuple[str, ...]:
    """What of an image a measure of the set is made of."""
    return ("bin_probability", "bin_object") if name == "ece" else (_field_of(name),)


def _field_of(name: str) -> str:
    stem, _, kind = name.rpartition("_")
    if kind not in ("mean", "max"):
        return name
    return stem if stem in ("f", "e") else f"{stem}_curve"


def _column(name: str, columns: dict[str, _Floats]) -> _Floats:
    """What is weighed: a number an image, or a curve of which one is made afterwards."""
    if name == "ece":
        return columns["bin_probability"] - columns["bin_object"]
    values = columns[_field_of(name)]
    return values.mean(axis=1) if name.endswith("_mean") else values


@dataclass(frozen=True)
class Comparison:
    """The difference of two methods in one measure, over the same images.

    Attributes:
        dataset: name of the set.
        first: name of method A.
        second: name of method B.
        measure: of ``COMPARED``.
        difference: how much better B is; for errors, such as MAE, how much lower.
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
    def sign(self) -> int:
        """-1 where the lower value is the better one, else 1."""
        return _sign(self.measure)

    @property
    def verdict(self) -> str:
        """``first``, ``second``, or empty where the interval holds 0."""
        if self.low > 0:
            return self.second
        return self.first if self.high < 0 else ""


def _sign(measure: str) -> int:
    return -1 if measure in _ERRORS else 1


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
    weights = Draws(len(ones), count=count, seed=seed)
    was, now = summarize_measures(ones), summarize_measures(others)
    before, after = resampled(ones, weights), resampled(others, weights)
    made = []
    for name in COMPARED:
        sign = _sign(name)
        low, high = interval(sign * (after[name] - before[name]))
        gain = sign * (getattr(now, name) - getattr(was, name))
        made.append(Comparison(dataset, a, b, name, gain, low, high, len(ones)))
    return made
