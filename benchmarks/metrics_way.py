"""One suite of measures on made-up pictures, a round for each line that is read.

``python -m benchmarks.metrics_way SUITE HEIGHT WIDTH GROUND``. Each suite has a process of its own,
as its users have it: how a process has allocated before decides how many pages of memory the kernel
fills anew for each image, which is a fifth of pysodmetrics' time at 384 x 384 px.
"""

import importlib
import sys
import time
import warnings
from collections.abc import Callable
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

__all__ = ["GROUNDS", "SHARES", "Suite", "main", "picture"]

Grey = npt.NDArray[np.uint8]
Run = Callable[[Grey, Grey], object]
_IN_A_ROW = 3  # times the pictures, in one round
SHARES = (0.01, 0.04, 0.09, 0.2)  # of the image that is object; COD10K's mean is about 0.09
GROUNDS = ("black", "faint")


class Suite(StrEnum):
    """Who measures."""

    DECAMO = "decamo"
    PYSODMETRICS = "pysodmetrics"
    WITH_LOOP = "decamo with a compiled loop"
    LOOP_ALONE = "the compiled loop alone"


def main(words: list[str]) -> int:
    """Prints seconds of CPU until the suite was ready, then ms an image of each round."""
    suite, height, width, ground = Suite(words[0]), int(words[1]), int(words[2]), words[3]
    run, rng = _SUITES[suite](), np.random.default_rng(0)
    dot = np.eye(24, dtype=np.uint8)
    run(255 * dot, 255 * dot)  # what is loaded or compiled by the first image
    ready = time.process_time()
    pictures = [
        picture(rng, (height, width), share, faint=ground == "faint") for share in SHARES
    ] * _IN_A_ROW
    for turn, _ in enumerate(sys.stdin):
        start = time.perf_counter()
        for grey, mask in pictures:
            run(grey, mask)
        spent = 1000 * (time.perf_counter() - start) / len(pictures)
        print(spent if turn else ready, flush=True)
    return 0


def _decamo() -> Run:
    measure = importlib.import_module("decamo.metrics").measure
    return lambda grey, mask: measure(grey, mask, stretch=True)


def _with_loop() -> Run:
    nearness: Any = importlib.import_module("decamo.metrics.nearness_measures")
    loop = _compiled_loop()
    everything = (slice(None), slice(None))
    assert nearness.distances  # what the loop stands in for
    assert nearness.spared
    nearness.distances = lambda mask, box, ground: [(everything, mask)]
    nearness.spared = loop
    return _decamo()


def _loop_alone() -> Run:
    loop = _compiled_loop()
    return lambda grey, mask: loop(grey * (mask == 0), mask > 0)


def _compiled_loop() -> Callable[[Grey, npt.NDArray[np.bool_]], float]:
    numba: Any = importlib.import_module("numba")
    ours = importlib.import_module("benchmarks.metrics_compiled")
    loop = numba.njit(cache=True, nogil=True)(ours.spared_by_loop)
    weights = ours.weights_by_square()
    return lambda ground, mask: float(loop(ground, mask, weights, ours.REACH))


def _pysodmetrics() -> Run:
    """The same measures by pysodmetrics, as its documentation puts them together."""
    reference = importlib.import_module("py_sod_metrics")

    def run_all(grey: Grey, mask: Grey) -> None:
        handlers: dict[str, Any] = {
            name: getattr(reference, f"{name}Handler")(
                with_dynamic=True, with_adaptive=True, with_binary=name in ("IOU", "DICE")
            )
            for name in ("Fmeasure", "Precision", "Recall", "IOU", "DICE")
        }
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecations of its own
            for suite in (
                reference.FmeasureV2(handlers),
                reference.Smeasure(),
                reference.Emeasure(),
                reference.WeightedFmeasure(),
                reference.MAE(),
            ):
                suite.step(grey, mask)

    return run_all


_SUITES: dict[Suite, Callable[[], Run]] = {
    Suite.DECAMO: _decamo,
    Suite.PYSODMETRICS: _pysodmetrics,
    Suite.WITH_LOOP: _with_loop,
    Suite.LOOP_ALONE: _loop_alone,
}


def picture(
    rng: np.random.Generator, shape: tuple[int, int], share: float, *, faint: bool = False
) -> tuple[Grey, Grey]:
    """A lobed object, and a map of it as a network saves one: soft edges, misses, false alarms.

    Args:
        rng: which one.
        shape: height and width, in px; at least 24 each.
        share: of the picture that is object, in (0, 1).
        faint: whether the ground is grey nearly everywhere, most of it of levels 1 to 8, as
            networks of bounded logits leave it, instead of black but for false alarms.

    Returns:
        the map, uint8 ``[H, W]``, and the mask, uint8 ``[H, W]`` of 0 and 255.
    """
    height, width = shape
    y, x = np.mgrid[:height, :width]
    y, x = y - height * rng.uniform(0.4, 0.6), x - width * rng.uniform(0.4, 0.6)
    lobes = 1 + 0.25 * np.sin(5 * np.arctan2(y, x)) + 0.1 * np.sin(11 * np.arctan2(y, x) + 1)
    outline = np.hypot(y, x) - np.sqrt(share * height * width / np.pi) * lobes
    coarse = rng.normal(size=(height // 24, width // 24)).astype(np.float32)
    noise = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))
    if faint:
        # Chosen by eye so that the quantiles of grey on the ground are those of a small network
        # trained on COD10K and CAMO: medians 3 to 9, upper quartiles 6 to 60, a tenth above 20.
        logits = np.clip(-outline / (min(shape) / 25), -4.3, 4) + 1.4 * noise
        logits += 1.5 * np.maximum(noise, 0) ** 2
    else:
        logits = np.clip(-outline / (min(shape) / 100) + 2 * noise, -60, 60)
    grey = np.round(255 / (1 + np.exp(-logits))).astype(np.uint8)
    return grey, np.where(outline < 0, np.uint8(255), np.uint8(0))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
