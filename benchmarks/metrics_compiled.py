"""What a compiled loop would make of the dearest part of the measures, and what it would cost."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.metrics_speed import Times, times_of
from benchmarks.metrics_way import Suite
from decamo.metrics.distances import REACH

__all__ = ["PROCESSES", "SETS", "OfASet", "compare_compiled", "spared_by_loop", "weights_by_square"]

Grey = npt.NDArray[np.uint8]
Binary = npt.NDArray[np.bool_]
Reals = npt.NDArray[np.float64]

PROCESSES = 2  # that measure a set between them
SETS = {"CHAMELEON": 76, "CAMO": 250, "COD10K": 2026, "NC4K": 4121}  # images of the test sets


@dataclass(frozen=True)
class OfASet:
    """Seconds that each of some processes takes for its share of a test set, from its start.

    Attributes:
        images: of a process.
        pysodmetrics_s: by pysodmetrics.
        decamo_s: by decamo.
        with_loop_s: by decamo with a compiled loop for offsets and weights of the weighted F.
        left_ms: what a goal leaves for all measures of an image once numba is ready, in
            milliseconds; negative where nothing is left.
        loop_ms: what the loop alone takes of that.
    """

    images: float
    pysodmetrics_s: float
    decamo_s: float
    with_loop_s: float
    left_ms: float
    loop_ms: float


def compare_compiled(shape: tuple[int, int], repeats: int, goal: float) -> dict[str, OfASet]:
    """Time suites in turns on a faint ground, and say what a process takes for its share of a set.

    Args:
        shape: height and width of the pictures, in px.
        repeats: rounds, of which medians count.
        goal: how many times as fast as pysodmetrics it should be.

    Returns:
        For each of :data:`SETS`, scored by :data:`PROCESSES`.

    Raises:
        SettingsError: pysodmetrics or numba is not installed.
    """
    suites = tuple(Suite)
    times_of(suites, shape, 1, "faint")  # from here on what numba compiled lies in its cache
    times = times_of(suites, shape, repeats, "faint")
    return {name: _of_a_set(times, images / PROCESSES, goal) for name, images in SETS.items()}


def _of_a_set(times: dict[Suite, Times], images: float, goal: float) -> OfASet:
    spent = {suite: own.ready_s + images * own.middle_ms / 1000 for suite, own in times.items()}
    reference = spent[Suite.PYSODMETRICS]
    left = reference / goal - times[Suite.WITH_LOOP].ready_s
    return OfASet(
        images,
        reference,
        spent[Suite.DECAMO],
        spent[Suite.WITH_LOOP],
        1000 * left / images,
        times[Suite.LOOP_ALONE].middle_ms,
    )


def weights_by_square() -> Reals:
    """The part of a ground pixel's weight that falls with the distance, by its square."""
    return np.asarray(2.0 ** (-np.sqrt(np.arange(REACH**2 + 1)) / 5))


def spared_by_loop(ground: Grey, mask: Binary, weights: Reals, reach: int) -> float:
    """Sum of the ground's errors times the falling part of their weight, in one pass.

    The scan of Felzenszwalb and Huttenlocher ("Distance transforms of sampled functions", 2012),
    with whole numbers. It is written for numba, and is plain Python without it.

    Args:
        ground: uint8 ``[H, W]``, the errors; 0 on the object.
        mask: bool ``[H, W]``, the object.
        weights: float64 ``[reach ** 2 + 1]``, by squared distance.
        reach: pixels beyond which nothing counts.
    """
    height, width = mask.shape
    far = 2 * reach
    above = np.empty((height, width), np.int32)
    run = np.full(width, far, np.int32)
    for y in range(height):
        for x in range(width):
            run[x] = 0 if mask[y, x] else min(run[x] + 1, far)
            above[y, x] = run[x]
    total = 0.0
    run[:] = far
    site = np.empty(width, np.int32)
    value, first = np.empty(width, np.int32), np.empty(width + 1, np.int32)
    for y in range(height - 1, -1, -1):
        top = -1
        for x in range(width):
            run[x] = 0 if mask[y, x] else min(run[x] + 1, far)
            away = min(run[x], above[y, x])
            if away > reach:
                continue
            here, start = away * away + x * x, 0
            while top >= 0:  # from `start` on this parabola is the lower one
                start = -((value[top] - here) // (2 * (x - site[top])))
                if start > first[top]:
                    break
                top -= 1
            if top < 0:
                start = 0
            if start < width:
                top += 1
                site[top], value[top], first[top] = x, here, start
        if top < 0:
            continue
        first[top + 1] = width
        for i in range(top + 1):
            column = site[i]
            rest = value[i] - column * column
            for x in range(first[i], first[i + 1]):
                square = rest + (x - column) * (x - column)
                if ground[y, x] and square <= reach * reach:
                    total += ground[y, x] * weights[square]
    return total
