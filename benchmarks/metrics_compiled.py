"""What a compiled loop would make of the dearest part of the measures, and what it would cost."""

import importlib
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.metrics_speed import SHARES, picture
from decamo.errors import SettingsError
from decamo.metrics.distances import REACH, box_of, distances
from decamo.metrics.nearness_measures import spared

__all__ = ["Compiled", "compare_compiled", "spared_by_loop", "weights_by_square"]

Grey = npt.NDArray[np.uint8]
Binary = npt.NDArray[np.bool_]
Reals = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Compiled:
    """Milliseconds an image of one part of the weighted F, and seconds a process pays beforehand.

    Attributes:
        numpy_ms: as it is, from offsets to the sum.
        numba_ms: the same by :func:`spared_by_loop`, compiled.
        opencv_ms: the distances alone, by OpenCV's exact transform; None where it is not installed.
        import_s: processor time to import numba.
        load_s: processor time of the first call: to compile, or to load what an earlier run cached.
    """

    numpy_ms: float
    numba_ms: float
    opencv_ms: float | None
    import_s: float
    load_s: float

    @property
    def images(self) -> float:
        """After how many images a process has made up for what it paid; inf where never."""
        saved = self.numpy_ms - self.numba_ms
        return 1000 * (self.import_s + self.load_s) / saved if saved > 0 else float("inf")


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


def compare_compiled(shapes: Sequence[tuple[int, int]], repeats: int) -> list[Compiled]:
    """Time both ways in this process, in turn, on faintly grey pictures of each shape.

    Args:
        shapes: heights and widths, in px.
        repeats: of which the least time counts.

    Raises:
        SettingsError: numba is not installed.
    """
    start = time.process_time()
    try:
        numba: Any = importlib.import_module("numba")
    except ImportError as error:
        got = "numba is not installed"
        raise SettingsError("--compiled", got, "pip install numba, or leave it out") from error
    import_s = time.process_time() - start
    loop = numba.njit(cache=True, nogil=True)(spared_by_loop)
    weights, dot = weights_by_square(), np.ones((1, 1), np.bool_)
    start = time.process_time()
    loop(dot.view(np.uint8), dot, weights, REACH)
    load_s = time.process_time() - start
    transform = _opencv_transform()
    ways: dict[str, Callable[[Grey, Binary], object]] = {
        "numpy": _by_numpy,
        "numba": lambda ground, mask: loop(ground, mask, weights, REACH),
    }
    if transform is not None:
        ways["opencv"] = lambda _, mask: transform((~mask).view(np.uint8))
    found = []
    for shape in shapes:
        spent = _least_ms(ways, shape, repeats)
        found.append(
            Compiled(spent["numpy"], spent["numba"], spent.get("opencv"), import_s, load_s)
        )
    return found


def _least_ms(
    ways: Mapping[str, Callable[[Grey, Binary], object]], shape: tuple[int, int], repeats: int
) -> dict[str, float]:
    """Mean over pictures of the least time of each way, in ms."""
    rng = np.random.default_rng(0)
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for share in SHARES:
        grey, white = picture(rng, shape, share, faint=True)
        mask = white > 0
        for name, way in ways.items():
            spent[name].append(min(_ms(way, grey * ~mask, mask) for _ in range(repeats)))
    return {name: statistics.fmean(column) for name, column in spent.items()}


def _by_numpy(ground: Grey, mask: Binary) -> float:
    box = box_of(mask)
    assert box is not None  # each picture has an object
    return sum(spared(ground[window], offsets) for window, offsets in distances(mask, box, ground))


def _opencv_transform() -> Callable[[Grey], object] | None:
    try:
        cv2: Any = importlib.import_module("cv2")
    except ImportError:
        return None
    cv2.setNumThreads(1)
    return lambda zeros: cv2.distanceTransform(zeros, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)


def _ms(way: Callable[[Grey, Binary], object], ground: Grey, mask: Binary) -> float:
    start = time.perf_counter()
    way(ground, mask)
    return 1000 * (time.perf_counter() - start)
