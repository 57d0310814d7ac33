"""Which branch is better than the control, on the same images: intervals that hold all together.

The best of many looks good by chance. So the intervals are simultaneous: the bootstrap (Efron 1979)
resamples images, the same ones for all branches, and takes the 95 % quantile of the *largest*
studentised deviation over all differences (Westfall & Young 1993; Romano & Wolf 2005). Then all
intervals together hold the truth in 95 of 100 races, whichever branch is looked at afterwards.

Images are one source of chance, the course of training is another: two runs that differ in their
seed alone end on different weights. The twin of the control shows by how much (``seed_noise``), and
widens every interval.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from decamo.evaluation import RESAMPLES, resamples

__all__ = ["LEVEL", "Gap", "Verdict", "judge", "pair_gaps", "seed_noise_of", "surely_worse"]

_Floats = npt.NDArray[np.float64]
Scores = Mapping[str, _Floats]

LEVEL = 0.95
# A resample that leaves out the few images that differ has next to no spread of its own, and a
# deviation divided by it says nothing.
_LEAST_SPREAD = 0.25


@dataclass(frozen=True)
class Gap:
    """How much better a branch is than another, in mean IoU over the same images.

    Attributes:
        branch: name.
        against: name of the other.
        difference: branch - other.
        low: lower end of its interval, simultaneous over all differences judged with it.
        high: upper end.
    """

    branch: str
    against: str
    difference: float
    low: float
    high: float

    @property
    def better(self) -> bool:
        """Whether it is surely better."""
        return self.low > 0

    @property
    def worse(self) -> bool:
        """Whether it is surely worse."""
        return self.high < 0


@dataclass(frozen=True)
class Verdict:
    """The outcome of a race.

    Attributes:
        control: name of the branch that the others are held against.
        gaps: branch - control, a gap for each branch.
        pairs: (branch, other) -> their gap, simultaneous over all pairs.
        seed_noise: standard deviation of the difference of two runs that differ by chance alone.
        images: validation images.
    """

    control: str
    gaps: tuple[Gap, ...]
    pairs: Mapping[tuple[str, str], Gap]
    seed_noise: float
    images: int

    def of(self, branch: str) -> Gap | None:
        """The gap of a branch to the control; None where it is not in the race any more."""
        return next((g for g in self.gaps if g.branch == branch), None)

    def winner_among(self, branches: Sequence[str]) -> Gap | None:
        """The branch that is surely better than the control, and by most; None where there is none.

        Args:
            branches: that may win; a twin may not.
        """
        better = [g for g in self.gaps if g.better and g.branch in branches]
        return max(better, key=lambda g: g.difference, default=None)


def judge(scores: Scores, control: str, *, seed_noise: float = 0.0, seed: int = 0) -> Verdict:
    """Hold all branches against the control.

    Args:
        scores: branch -> float64 ``[images]``, the same images in the same order.
        control: one of them.
        seed_noise: as :func:`seed_noise_of` gives it.
        seed: of the resamples.

    Raises:
        ValueError: there is no image, or not as many for each branch.
    """
    images = _images(scores)
    others = [name for name in scores if name != control]
    gaps = _gaps([(name, control) for name in others], scores, seed_noise, seed)
    return Verdict(
        control, gaps, pair_gaps(scores, seed_noise=seed_noise, seed=seed), seed_noise, images
    )


def pair_gaps(
    scores: Scores, *, seed_noise: float = 0.0, seed: int = 0
) -> dict[tuple[str, str], Gap]:
    """The gap of every branch to every other, both ways, simultaneous over all pairs."""
    _images(scores)
    one_way = _gaps(list(combinations(scores, 2)), scores, seed_noise, seed)
    other_way = [Gap(g.against, g.branch, -g.difference, -g.high, -g.low) for g in one_way]
    return {(g.branch, g.against): g for g in (*one_way, *other_way)}


def surely_worse(
    scores: Scores, spare: Sequence[str], *, seed_noise: float = 0.0, seed: int = 0
) -> set[str]:
    """Branches surely worse than the leader: the upper end of the difference is under 0.

    The leader is picked by its score, so the intervals are those of all pairs.

    Args:
        scores: as for :func:`judge`.
        spare: never among them, though one may lead.
        seed_noise: as for :func:`judge`.
        seed: of the resamples.
    """
    leader = max(scores, key=lambda name: float(scores[name].mean()))
    pairs = pair_gaps(scores, seed_noise=seed_noise, seed=seed)
    others = scores.keys() - {leader, *spare}
    return {name for name in others if pairs[name, leader].worse}


def seed_noise_of(differences: Sequence[float]) -> float:
    """Root mean square of the differences, rung by rung, of two runs alike but for their seed.

    Neighbouring rungs are alike too, so this rests on little: one to three independent looks.
    """
    return float(np.sqrt(np.mean(np.square(differences)))) if differences else 0.0


def _gaps(
    pairs: Sequence[tuple[str, str]], scores: Scores, seed_noise: float, seed: int
) -> tuple[Gap, ...]:
    if not pairs:
        return ()
    differences = np.stack([scores[a] - scores[b] for a, b in pairs], axis=1)
    mean, half = _band(differences, seed_noise, seed)
    return tuple(
        Gap(a, b, float(m), float(m - h), float(m + h))
        for (a, b), m, h in zip(pairs, mean, half, strict=True)
    )


def _band(differences: _Floats, seed_noise: float, seed: int) -> tuple[_Floats, _Floats]:
    """Means ``[K]`` of ``[images, K]`` and half the widths of their simultaneous intervals."""
    images = len(differences)
    mean = differences.mean(axis=0)
    if images < 2:
        return mean, np.full_like(mean, np.inf)
    about = differences - mean
    error = about.std(axis=0, ddof=1) / np.sqrt(images)
    weights = resamples(images, count=RESAMPLES, seed=seed)
    moved = weights @ about
    spread = np.sqrt(np.maximum(weights @ about**2 - moved**2, 0) / (images - 1))
    spread = np.maximum(spread, _LEAST_SPREAD * error)
    deviation = np.divide(np.abs(moved), spread, out=np.zeros_like(moved), where=spread > 0)
    factor = float(np.quantile(deviation.max(axis=1), LEVEL))
    factor = max(factor, NormalDist().inv_cdf((1 + LEVEL) / 2))  # all alike: there is none
    return mean, factor * np.sqrt(error**2 + seed_noise**2)


def _images(scores: Scores) -> int:
    counts = {len(ious) for ious in scores.values()}
    if len(counts) != 1 or 0 in counts:
        raise ValueError(f"want as many images of each branch, at least 1; got {sorted(counts)}")
    return counts.pop()
