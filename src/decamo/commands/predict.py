"""``decamo predict``: images in, probability maps and overlays out, at native size."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.progress import track

from decamo.data.matching import IMAGE_SUFFIXES
from decamo.data.reading import read_image
from decamo.errors import DataError, UnreadableImage
from decamo.flags import Parser, add_views, write_json
from decamo.inference import write_overlay, write_probability
from decamo.inference.load import load_model
from decamo.inference.predictor import Predictor
from decamo.inference.views import Views
from decamo.metrics import THRESHOLD
from decamo.storage import make_folder
from decamo.training.runtime import open_runtime

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser) -> None:
    """Flags of ``decamo predict``."""
    parser.add_argument("checkpoint", type=Path, help="a checkpoint such as best_model.pth")
    parser.add_argument("files", type=Path, nargs="+", help="images, or folders of images")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where PNGs go")
    parser.add_argument(
        "--img-size", type=int, metavar="N", help="size the network sees, px (default: as trained)"
    )
    add_views(parser.add_argument)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--precision", default="fp32", choices=("auto", "fp32", "fp16", "bf16"))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the list of results here")


def run(args: argparse.Namespace) -> int:
    """Predict; returns 0, or 2 if any file had to be left out."""
    files = _images(args.files)
    loaded = load_model(args.checkpoint)
    runtime = open_runtime(args.device, args.precision)
    loaded.model.to(runtime.device)
    size = args.img_size or loaded.img_size
    views = Views(args.flips, tuple(args.scales))
    predictor = Predictor(loaded.model, size, runtime.device, runtime.dtype, views)
    make_folder(args.out)
    results, bad = [], 0
    for path in track(files, "predicting", disable=not sys.stderr.isatty(), transient=True):
        try:
            image = read_image(path)
        except UnreadableImage as error:
            print(f"left out: {error}", file=sys.stderr)
            bad += 1
            continue
        probability = predictor.predict([image])[0]
        target = args.out / f"{path.stem}.png"
        write_probability(target, probability)
        write_overlay(args.out / f"{path.stem}_overlay.png", image, probability)
        share = float((probability >= THRESHOLD).mean())
        results.append({"image": path, "map": target, "object_share": share})
    print(f"{len(results)} maps and overlays in {args.out}, {bad} unreadable files left out")
    report = {
        "checkpoint": args.checkpoint,
        "img_size": size,
        "views": views.words(),
        "results": results,
    }
    write_json(args.json, report)
    return 2 if bad else 0


def _images(given: Sequence[Path]) -> list[Path]:
    """The files given, folders replaced by the images in them, in order.

    Raises:
        DataError: one is missing, none is an image, or two would be written under one name.
    """
    files: list[Path] = []
    for path in given:
        if not path.exists():
            raise DataError(path, "no such file", "name images, or folders of images")
        inside = sorted(p for p in path.iterdir()) if path.is_dir() else [path]
        files += [p for p in inside if not path.is_dir() or p.suffix.lower() in IMAGE_SUFFIXES]
    if not files:
        raise DataError(given[0], "no image in it", "name images, or folders of images")
    by_stem: dict[str, Path] = {}
    for path in files:
        other = by_stem.setdefault(path.stem, path)
        if other is not path:
            raise DataError(
                path, f"would be written under the same name as {other}", "predict them in two runs"
            )
    return files
