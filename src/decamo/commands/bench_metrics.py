"""``decamo bench metrics``: all measures beside pysodmetrics, on the same pictures."""

import argparse
import importlib
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from decamo.errors import SettingsError
from decamo.flags import Parser, write_json
from decamo.metrics import measure
from decamo.report import epoch_rows

__all__ = ["add_arguments", "run"]

Grey = npt.NDArray[np.uint8]
SIZES = ((384, 384), (768, 1024))
SHARES = (0.01, 0.04, 0.09, 0.2)  # of the image that is object; COD10K's mean is about 0.09


def add_arguments(parser: Parser) -> None:
    """Flags of ``decamo bench metrics``."""
    parser.add_argument("--repeats", type=int, default=15, metavar="N", help="rounds of all images")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers here as well")


def run(args: argparse.Namespace) -> int:
    """Time both suites, image by image in turn, in this process; returns the exit code."""
    try:
        reference = importlib.import_module("py_sod_metrics")
    except ImportError as error:
        raise SettingsError(
            "bench metrics", "pysodmetrics is not installed", "pip install pysodmetrics"
        ) from error
    if args.repeats < 1:
        raise SettingsError("--repeats", str(args.repeats), "give 1 or more")
    results = {f"{h}x{w}": _compare(reference, (h, w), args.repeats) for h, w in SIZES}
    rows = [
        [
            size,
            f"{r['decamo_ms']:.2f}",
            f"{r['pysodmetrics_ms']:.2f}",
            f"{r['ratio']:.1f}",
            f"{r['ratio_low']:.1f} to {r['ratio_high']:.1f}",
        ]
        for size, r in results.items()
    ]
    print(epoch_rows(["size", "decamo ms", "pysodmetrics ms", "ratio", "quartiles"], rows))
    print(
        f"an image, median of {args.repeats} rounds over {len(SHARES)} 8-bit maps with objects of "
        f"{', '.join(f'{s:.0%}' for s in SHARES)}; one process; decamo adds boundary IoU"
    )
    write_json(args.json, results)
    return 0


def _compare(reference: ModuleType, shape: tuple[int, int], repeats: int) -> dict[str, float]:
    rng = np.random.default_rng(0)
    pictures = [_picture(rng, shape, share) for share in SHARES]
    suites: list[Callable[[Grey, Grey], object]] = [
        lambda grey, mask: measure(grey, mask, stretch=True),
        _reference_suite(reference),
    ]
    rounds = []
    for _ in range(repeats + 1):
        spent = [0.0, 0.0]
        for grey, mask in pictures:
            for i, suite in enumerate(suites):
                start = time.perf_counter()
                suite(grey, mask)
                spent[i] += time.perf_counter() - start
        rounds.append([1000 * s / len(pictures) for s in spent])
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


def _picture(rng: np.random.Generator, shape: tuple[int, int], share: float) -> tuple[Grey, Grey]:
    """A lobed object, and a map of it as a network saves one: soft edges, misses, false alarms."""
    height, width = shape
    y, x = np.mgrid[:height, :width]
    y, x = y - height * rng.uniform(0.4, 0.6), x - width * rng.uniform(0.4, 0.6)
    lobes = 1 + 0.25 * np.sin(5 * np.arctan2(y, x)) + 0.1 * np.sin(11 * np.arctan2(y, x) + 1)
    outline = np.hypot(y, x) - np.sqrt(share * height * width / np.pi) * lobes
    coarse = rng.normal(size=(height // 24, width // 24)).astype(np.float32)
    noise = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))
    logits = np.clip(-outline / (min(shape) / 100) + 2 * noise, -60, 60)
    grey = np.round(255 / (1 + np.exp(-logits))).astype(np.uint8)
    return grey, np.where(outline < 0, np.uint8(255), np.uint8(0))
