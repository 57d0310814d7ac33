"""S-measure (Fan et al., "Structure-measure: a new way to evaluate foreground maps", ICCV 2017)."""

import numpy as np

from decamo.metrics.tally import Part, Quarter, Tally

__all__ = ["s_measure"]

EPS = float(np.spacing(1.0))
ALPHA = 0.5  # object and region weigh the same; the paper's value


def s_measure(tally: Tally) -> float:
    """Structural similarity of a prediction and a mask: half by object, half by region.

    An empty mask scores one minus the mean of the prediction, a full one its mean.

    The centre of an object in the last row or column leaves quarters of no pixels. The reference
    code takes means of nothing there and answers NaN; here such a quarter weighs nothing.
    """
    inside, outside = tally.inside, tally.outside
    if inside.n == 0:
        return 1 - outside.mean
    if outside.n == 0:
        return inside.mean
    return max(0.0, ALPHA * _objects(inside, outside) + (1 - ALPHA) * _regions(tally.quarters))


def _objects(inside: Part, outside: Part) -> float:
    share = inside.n / (inside.n + outside.n)
    return share * _uniformity(inside.mean, inside.std) + (1 - share) * _uniformity(
        1 - outside.mean, outside.std
    )


def _uniformity(mean: float, std: float) -> float:
    """Near 1 where the prediction is near 1 everywhere."""
    return 2 * mean / (mean**2 + 1 + std + EPS)


def _regions(quarters: tuple[Quarter, ...]) -> float:
    n = sum(q.n for q in quarters)
    return sum(q.n / n * _similarity(q) for q in quarters if q.n)


def _similarity(q: Quarter) -> float:
    """The SSIM of one quarter (Wang et al., 2004), without its stabilising constants."""
    y = q.n_object / q.n
    spread_y = q.n_object * (q.n - q.n_object) / q.n
    alpha = 4 * q.mean * y * q.joint / (q.n - 1 + EPS)
    beta = (q.mean**2 + y**2) * (q.spread + spread_y) / (q.n - 1 + EPS)
    if alpha != 0:
        return alpha / (beta + EPS)
    return 1.0 if beta == 0 else 0.0
