"""Two methods on the same images: is one better, and by how much?"""

from collections.abc import Sequence
from dataclasses import dataclass

from decamo.evaluation.bootstrap import MEASURES, RESAMPLES, interval, resampled, resamples
from decamo.metrics import ImageMeasures, summarize_measures

__all__ = ["Comparison", "compare"]


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
