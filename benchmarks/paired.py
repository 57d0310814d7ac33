"""The interval of a difference between two ways of training, over images and over seeds.

Scores ``d[s, i]`` of image ``i`` under seed ``s``, one way minus the other, come about by two
chances: which images are scored, and how a training run falls out. Were other images drawn, the
mean would move by ``var_i(mean_s d) / images``; were other seeds, by ``var_s(mean_i d) / seeds``.
Their sum is the squared standard error. The chance of single cells (this image under this seed) is
in both parts and so counts twice: the interval is a little too wide rather than too narrow, which
matters little where images are many.

The degrees of freedom are Satterthwaite's (Biometrics Bulletin 2, 1946), as in Welch's test: near
``seeds - 1`` where seeds decide, near ``images - 1`` where images do.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

__all__ = ["LEVEL", "Paired", "paired"]

LEVEL = 0.95


@dataclass(frozen=True)
class Paired:
    """A mean difference and how sure it is.

    Attributes:
        difference: mean over seeds and images.
        low: lower end of its interval.
        high: upper end.
        error: standard error.
        degrees: of freedom of Student's t; infinite where nothing varies.
        by_seed: mean over images of each seed.
    """

    difference: float
    low: float
    high: float
    error: float
    degrees: float
    by_seed: tuple[float, ...]


def paired(differences: npt.NDArray[np.float64], level: float = LEVEL) -> Paired:
    """Mean and interval of paired differences.

    Args:
        differences: float64 ``[seeds, images]``, at least 2 of each; finite.
        level: how often the interval should hold the truth, in (0, 1).

    Raises:
        ValueError: too few seeds or images, or a level outside of (0, 1).
    """
    if differences.ndim != 2 or min(differences.shape) < 2:
        raise ValueError(f"want [seeds, images], 2 of each or more; got {differences.shape}")
    if not 0 < level < 1:
        raise ValueError(f"want a level between 0 and 1; got {level}")
    seeds, images = differences.shape
    by_seed, by_image = differences.mean(axis=1), differences.mean(axis=0)
    of_seeds = float(by_seed.var(ddof=1)) / seeds
    of_images = float(by_image.var(ddof=1)) / images
    variance = of_seeds + of_images
    mean = float(differences.mean())
    means = tuple(float(d) for d in by_seed)
    if variance == 0:
        return Paired(mean, mean, mean, 0.0, math.inf, means)
    # Shares, not squares of variances: those of tiny differences underflow.
    of_all = (of_seeds / variance) ** 2 / (seeds - 1) + (of_images / variance) ** 2 / (images - 1)
    degrees = 1 / of_all
    half = float(stdtrit(degrees, (1 + level) / 2)) * math.sqrt(variance)
    return Paired(mean, mean - half, mean + half, math.sqrt(variance), degrees, means)
