"""``decamo predict``: images in, probability maps and overlays out, at native size."""

import argparse
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
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
from decamo.nn.firing import Firing, Watch
from decamo.nn.routing import entropy_share
from decamo.settings.experts import expert_name, level_name
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
    parser.add_argument(
        "--experts", action="store_true",
        help="also draw where each expert fires: NAME_experts.png, a row for each level",
    )  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the list of results here")


def run(args: argparse.Namespace) -> int:
    """Predict; returns 0, or 2 if any file had to be left out."""
    files = _images(args.files)
    loaded = load_model(args.checkpoint)
    runtime = open_runtime(args.device, args.precision)
    loaded.model.to(runtime.device)
    size = args.img_size or loaded.img_size
    views = Views(args.flips, tuple(args.scales), args.look_closer)
    predictor = Predictor(loaded.model, size, runtime.device, runtime.dtype, views, args.decide)
    draw = _drawer() if args.experts else None
    make_folder(args.out)
    results: list[dict[str, Any]] = []
    bad = 0
    with Watch(loaded.model) if args.experts else nullcontext() as watch:
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
            result = {"image": path, "map": target, "object_share": share}
            if watch is not None and draw is not None:
                (firing,) = watch.take()
                sheet = args.out / f"{path.stem}_experts.png"
                draw(sheet, path.name, image, probability, firing)
                result |= {"sheet": sheet, "experts": _told(firing)}
            results.append(result)
    what = "maps, overlays and sheets of experts" if args.experts else "maps and overlays"
    print(f"{len(results)} {what} in {args.out}, {bad} unreadable files left out")
    report = {
        "checkpoint": args.checkpoint,
        "img_size": size,
        "views": views.words(),
        "decision": args.decide,
        "results": results,
    }
    write_json(args.json, report)
    return 2 if bad else 0


_Draw = Callable[
    [Path, str, npt.NDArray[np.uint8], npt.NDArray[np.float32], Firing],
    None,
]


def _drawer() -> _Draw:
    # matplotlib, for the sheets alone: decisions/0007
    from decamo.report.experts_picture import write_experts

    return write_experts


def _told(firing: Firing) -> list[dict[str, Any]]:
    """Of each level: the entropy of its gates, and of each expert its gate and mean strength."""
    entropies = entropy_share(firing.gates).tolist()
    return [
        {
            "level": level_name(level),
            "entropy": entropies[level],
            "gates": {expert_name(e): float(gate) for e, gate in enumerate(gates)},
            "strength": {expert_name(e): float(one.mean()) for e, one in enumerate(strength)},
        }
        for level, (gates, strength) in enumerate(zip(firing.gates, firing.strength, strict=True))
    ]


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
