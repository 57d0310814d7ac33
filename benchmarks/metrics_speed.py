"""The time of all measures of an image beside pysodmetrics, on the same pictures."""

import importlib
import statistics
import time
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from decamo.errors import SettingsError
from decamo.metrics import measure

__all__ = ["SHARES", "compare_speed", "picture"]

Grey = npt.NDArray[np.uint8]
_IN_A_ROW = 3  # times the pictures, in one turn of a suite
SHARES = (0.01, 0.04, 0.09, 0.2)  # of the image that is object; COD10K's mean is about 0.09


def compare_speed(shape: tuple[int, int], repeats: int, *, faint: bool) -> dict[str, float]:
    """Milliseconds an image of both suites, timed in turn in this process.

    Each suite scores some images in a row, as it would score a data set, before the other's turn.

    Args:
        shape: height and width of the pictures, one for each of :data:`SHARES`.
        repeats: rounds over all of them; medians over the rounds are returned.
        faint: whether the maps have a faint grey all over the ground; see :func:`picture`.

    Returns:
        ``decamo_ms``, ``pysodmetrics_ms``, and the median and quartiles of the rounds' ratios:
        ``ratio``, ``ratio_low``, ``ratio_high``.

    Raises:
        SettingsError: pysodmetrics, an optional dependency, is not installed.
    """
    try:
        reference = importlib.import_module("py_sod_metrics")
    except ImportError as error:
        raise SettingsError(
            "benchmarks", "pysodmetrics is not installed", "pip install pysodmetrics"
        ) from error
    rng = np.random.default_rng(0)
    pictures = [picture(rng, shape, share, faint=faint) for share in SHARES]
    suites: list[Callable[[Grey, Grey], object]] = [
        lambda grey, mask: measure(grey, mask, stretch=True),
        _reference_suite(reference),
    ]
    rounds = []
    for _ in range(repeats + 1):
        spent = []
        for suite in suites:
            start = time.perf_counter()
            for grey, mask in _IN_A_ROW * pictures:
                suite(grey, mask)
            spent.append(1000 * (time.perf_counter() - start) / (_IN_A_ROW * len(pictures)))
        rounds.append(spent)
    ours, theirs = zip(*rounds[1:], strict=True)  # the first round warms up
    ratios = [b / a for a, b in zip(ours, theirs, strict=True)]
    low, middle, high = np.percentile(ratios, [25, 50, 75]).tolist()
    return {
        "decamo_ms": statistics.median(ours),
        "pysodmetrics_ms": statistics.median(theirs),
        "ratio": middle,
        "ratio_low": low,
        "ratio_high": high,
    }


def _reference_suite(reference: ModuleType) -> Callable[[Grey, Grey], None]:
    """The same measures by pysodmetrics, as its documentation puts them together."""

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
