"""Images a second that one core reads for training: cached, not cached, and as others do it."""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from PIL import Image
from torchvision import tv_tensors
from torchvision.transforms import v2

from benchmarks.children import output_of
from benchmarks.spread import Spread
from benchmarks.turns import waiting_commands
from decamo.data.augment import Augmentation
from decamo.data.cache import side_of
from decamo.data.cache.sample_sources import open_in_memory
from decamo.data.dataset import CamouflageDataset
from decamo.data.fast_decoders import has_fast_decoders
from decamo.data.kept_memory import keep_freed_memory
from decamo.data.layouts import find_pairs
from decamo.data.pairs import Pair
from decamo.data.reading import read_pair
from decamo.errors import MissingExtra, SettingsError
from decamo.flags import Parser, write_json
from decamo.report import epoch_rows

__all__ = ["REFERENCE", "add_arguments", "add_reference", "lacks", "loader_rounds", "run"]

_PICTURE = (768, 1024)  # px, about what COD10K's photographs have as they are published
_OURS = ("cache", "cache off")
REFERENCE = "OpenCV + albumentations"
"""What others feed such networks with; there only if a Python has the packages."""
# -P: beside the script lies a profile.py, which is not the standard library's
_SCRIPT = ("-P", str(Path(__file__).with_name("albumentations_way.py")))

Way = Callable[[int], float]


def add_arguments(parser: Parser) -> None:
    """Flags of ``python -m benchmarks loader``."""
    parser.add_argument(
        "--dataset-path",
        type=Path,
        nargs="+",
        default=(),
        metavar="PATH",
        help=f"its training images (default: made-up ones of {_PICTURE[0]} x {_PICTURE[1]} px)",
    )
    parser.add_argument("--size", type=int, default=384, metavar="N", help="px (384)")
    parser.add_argument("--images", type=int, default=40, metavar="N", help="read a round (40)")
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="rounds (5)")
    add_reference(parser)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers here as well")


def add_reference(parser: Parser) -> None:
    """The flag that says who reads for :data:`REFERENCE`."""
    parser.add_argument(
        "--reference-python",
        type=Path,
        default=Path(sys.executable),
        metavar="PATH",
        help="a Python that has opencv-python-headless and albumentations (default: this one)",
    )


def run(args: argparse.Namespace) -> int:
    """Measure and print; returns the exit code."""
    for name, least in (("size", 32), ("images", 1), ("repeats", 1)):
        if getattr(args, name) < least:
            raise SettingsError(f"--{name}", str(getattr(args, name)), f"give {least} or more")
    results, count = loader_rounds(args)
    print(_text(results, args, count))
    write_json(args.json, results)
    return 0


def loader_rounds(args: argparse.Namespace) -> tuple[dict[str, Any], int]:
    """Let all ways read in turn, on one thread.

    Args:
        args: of :func:`add_arguments`.

    Returns:
        way -> ``images_per_second`` and ``times``: by how much our own ways, ``cache`` and
        ``cache off``, are faster (``ratio``, quartiles ``low`` and ``high``); and the images.
        There is no :data:`REFERENCE` among them where its Python :func:`lacks` a package.

    Raises:
        DecamoError: a process of another way failed.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    keep_freed_memory()  # as a process that reads for training does
    try:
        with tempfile.TemporaryDirectory() as root:
            if args.dataset_path:
                found = find_pairs(args.dataset_path, "train").pairs
                pairs = found[:: max(len(found) // args.images, 1)][: args.images]
            else:
                pairs = _pictures(Path(root), args.images)
            return _measured(tuple(pairs), args), len(pairs)
    finally:
        torch.set_num_threads(before)


def _measured(pairs: tuple[Pair, ...], args: argparse.Namespace) -> dict[str, Any]:
    """Way -> CPU seconds of each round; the ways take turns, so that they share what disturbs."""
    with _others(pairs, args) as others:
        ways: dict[str, Way] = _ours(pairs, args.size) | others
        for way in ways.values():
            way(0)  # files into the page cache, kernels warmed up
        rounds: dict[str, list[float]] = {name: [] for name in ways}
        for epoch in range(1, args.repeats + 1):
            for name, way in ways.items():
                rounds[name].append(way(epoch))
    return {
        name: {
            "images_per_second": len(pairs) / median(seconds),
            "times": {
                ours: _spread(
                    [theirs / own for theirs, own in zip(seconds, rounds[ours], strict=True)]
                )
                for ours in _OURS
            },
        }
        for name, seconds in rounds.items()
    }


def _spread(ratios: list[float]) -> dict[str, float]:
    spread = Spread.of(ratios)
    return {"ratio": spread.median, "low": spread.low, "high": spread.high}


def _timed(sample: Callable[[int, int], object], count: int) -> Way:
    def way(epoch: int) -> float:
        began = time.process_time()
        for index in range(count):
            sample(epoch, index)
        return time.process_time() - began

    return way


def _ours(pairs: tuple[Pair, ...], size: int) -> dict[str, Way]:
    kept = open_in_memory(pairs, side_of(size), workers=0, on_progress=lambda done, of: None)
    cached = CamouflageDataset(pairs, size, seed=0, augment=True, source=kept)
    plain = CamouflageDataset(pairs, size, seed=0, augment=True)
    bare = CamouflageDataset(pairs, size, seed=0, augment=True, source=kept, draw=_nothing)
    return {
        "cache": _timed(lambda epoch, index: cached[epoch, index], len(pairs)),
        "cache off": _timed(lambda epoch, index: plain[epoch, index], len(pairs)),
        # what the two cannot go below, however quick the rest
        "cache, resized alone": _timed(lambda epoch, index: bare[epoch, index], len(pairs)),
        "files, decoded alone": _timed(
            lambda _epoch, index: read_pair(pairs[index], at_least=size), len(pairs)
        ),
    }


def _nothing(seed: int, epoch: int, index: int) -> Augmentation:
    return Augmentation()


@contextmanager
def _others(pairs: tuple[Pair, ...], args: argparse.Namespace) -> Iterator[dict[str, Way]]:
    change = _torchvision(args.size)

    def sample(epoch: int, index: int) -> object:
        with Image.open(pairs[index].image) as image, Image.open(pairs[index].mask) as mask:
            return change(
                tv_tensors.Image(v2.functional.pil_to_tensor(image.convert("RGB"))),
                tv_tensors.Mask(v2.functional.pil_to_tensor(mask.convert("L"))),
            )

    ways = {"Pillow + torchvision v2": _timed(sample, len(pairs))}
    if lacks(args.reference_python):
        yield ways
        return
    names = [str(path) for pair in pairs for path in (pair.image, pair.mask)]
    command = [str(args.reference_python), *_SCRIPT, str(args.size), *names]
    with waiting_commands({REFERENCE: command}) as running:
        yield ways | {REFERENCE: lambda _epoch: running[REFERENCE].turn()}


def lacks(python: Path) -> str:
    """What a Python lacks of :data:`REFERENCE`, in a line; empty where it has the packages.

    Raises:
        DecamoError: it does not run, or they fail in it.
    """
    try:
        output_of(python, [*_SCRIPT, str(_PICTURE[0])])
    except MissingExtra as error:
        return str(error)
    return ""


def _torchvision(size: int) -> Any:
    """The same augmentations as torchvision has them, on bytes; nothing clever."""
    resize = v2.Resize((size, size), antialias=True)
    crop = v2.RandomResizedCrop((size, size), scale=(0.4, 1.0), ratio=(0.75, 4 / 3))
    return v2.Compose(
        [
            v2.RandomChoice([crop, resize], p=[0.7, 0.3]),
            v2.RandomHorizontalFlip(0.5),
            v2.RandomApply([v2.RandomRotation(15, v2.InterpolationMode.BILINEAR)], 0.3),
            v2.RandomApply([v2.ColorJitter(0.2, 0.2, 0.2, 0.03)], 0.8),
            v2.RandomApply([v2.GaussianBlur(5, (0.3, 1.5))], 0.1),
            v2.RandomGrayscale(0.05),
            v2.ToDtype({tv_tensors.Image: torch.float32, "others": None}, scale=True),
            v2.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )


def _pictures(folder: Path, count: int) -> tuple[Pair, ...]:
    """Photographs in kind: a soft ground with grain, and an ellipse as mask."""
    height, width = _PICTURE
    ys, xs = np.mgrid[:height, :width]
    made = []
    for number in range(count):
        rng = np.random.default_rng(number)
        soft = Image.fromarray(rng.integers(0, 256, (24, 32, 3), dtype=np.uint8))
        ground = np.asarray(soft.resize((width, height), Image.Resampling.BICUBIC), np.int16)
        grain = rng.integers(-10, 11, ground.shape, dtype=np.int16)
        radii = rng.uniform(0.1, 0.4, 2) * _PICTURE
        inside = ((ys - height / 2) / radii[0]) ** 2 + ((xs - width / 2) / radii[1]) ** 2 < 1
        image, mask = folder / f"{number}.jpg", folder / f"{number}.png"
        Image.fromarray(np.clip(ground + grain, 0, 255).astype(np.uint8)).save(image, quality=90)
        Image.fromarray(inside.astype(np.uint8) * 255).save(mask)
        made.append(Pair(image, mask, str(number), "made-up", "train"))
    return tuple(made)


def _text(results: dict[str, Any], args: argparse.Namespace, count: int) -> str:
    rows = []
    for name, result in results.items():
        ratios = [
            "{ratio:.2f} ({low:.2f} to {high:.2f})".format(**result["times"][o]) for o in _OURS
        ]
        rows.append([name, f"{result['images_per_second']:.0f}", *ratios])
    header = ["way", "images/s a core", "cache is faster by", "cache off is faster by"]
    missing = "" if REFERENCE in results else (
        f"\n{REFERENCE}: not found; name a Python that has them: --reference-python"
    )  # fmt: skip
    decoders = "simplejpeg and kornia-rs" if has_fast_decoders() else "Pillow (no extra `fast`)"
    return (
        f"{epoch_rows(header, rows)}\n"
        f"{count} images at {args.size} px, CPU time, in turn, median of"
        f" {args.repeats} rounds (and quartiles); decamo decodes by {decoders}; the others also"
        f" normalize, which decamo does on the device{missing}"
    )
