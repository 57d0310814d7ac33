"""The tally of a prediction in floating point: sums in float64, cuts in its own precision."""

import numpy as np
import numpy.typing as npt

from decamo.metrics.counts import Counts
from decamo.metrics.tally import Cut, Part, Quarter, Tally, quarters_of

__all__ = ["Floats", "tally_floats"]

Floats = npt.NDArray[np.float32] | npt.NDArray[np.float64]


def tally_floats(
    value: Floats,
    mask: npt.NDArray[np.bool_],
    known: npt.NDArray[np.bool_] | None = None,
    *,
    above_half: bool = False,
) -> Tally:
    """The tally of a float prediction ``[H, W]`` in [0, 1] and a bool mask ``[H, W]``.

    Where ``known``, bool ``[H, W]``, is False, the mask is too, and the pixel counts nowhere. With
    ``above_half`` a pixel of exactly 0.5 is no object in ``half``.
    """
    slices = quarters_of(mask)
    if known is None:
        first, second, third, fourth = (_float_quarter(value[s], mask[s]) for s in slices)
        inside, outside, mean = value[mask], value[~mask], value.mean()
    else:
        first, second, third, fourth = (
            _float_quarter(value[s][known[s]][None], mask[s][known[s]][None]) for s in slices
        )
        inside, outside, mean = value[mask], value[~mask & known], value[known].mean()
    threshold = min(2 * mean, 1)
    half = float(np.nextafter(value.dtype.type(0.5), value.dtype.type(1))) if above_half else 0.5
    return Tally(
        counts=Counts(_histogram(inside), _histogram(outside)),
        adaptive=Cut(_at_least(inside, threshold), _at_least(outside, threshold)),
        half=Cut(_at_least(inside, half), _at_least(outside, half)),
        inside=_part(inside),
        outside=_part(outside),
        quarters=(first, second, third, fourth),
        error=float(inside.size - inside.sum(dtype=np.float64) + outside.sum(dtype=np.float64)),
    )


def _histogram(value: Floats) -> npt.NDArray[np.int64]:
    return np.bincount((value * 255).astype(np.uint8), minlength=256)


def _at_least(value: Floats, threshold: float) -> int:
    return int(np.count_nonzero(value >= threshold))


def _part(value: Floats) -> Part:
    if value.size == 0:
        return Part(0, 0.0, 0.0)
    mean = float(value.mean(dtype=np.float64))
    std = float(value.std(ddof=1, dtype=np.float64)) if value.size > 1 else 0.0
    return Part(value.size, mean, std)


def _float_quarter(value: Floats, mask: npt.NDArray[np.bool_]) -> Quarter:
    if value.size == 0:
        return Quarter(0, 0, 0.0, 0.0, 0.0)
    # The mean in the prediction's own precision, as the reference takes it: whether equal values
    # deviate from it decides between the scores 1 and 0 on pure ground.
    mean = value.mean()
    deviation = value - mean
    n_object = int(np.count_nonzero(mask))
    spread = float(np.einsum("ij,ij->", deviation, deviation, dtype=np.float64))
    joint = 0.0
    if 0 < n_object < value.size:
        total = float(deviation.sum(dtype=np.float64))
        joint = float(deviation[mask].sum(dtype=np.float64)) - n_object / value.size * total
    return Quarter(value.size, n_object, float(mean), spread, joint)
