"""``decamo predict``: images in, probability maps and overlays out, at native size."""

import argparse
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.progress import track

from decamo.api.model import load
from decamo.data.deciding import rule_for_images
from decamo.data.inside import Notation
from decamo.data.read_ahead import patient_read
from decamo.data.reading import read_image
from decamo.data.rules import MAX_PIXELS
from decamo.data.waiting import Ear
from decamo.errors import DataStalled, SettingsError, UnreadableImage
from decamo.flags import Parser, add_data_timeout, add_network, add_views, write_json
from decamo.inference import write_overlay, write_probability
from decamo.inference.annotating import PredictedAnnotations
from decamo.inference.inputs import Found, find_images
from decamo.inference.loaded import Loaded
from decamo.inference.views import Views
from decamo.metrics import THRESHOLD
from decamo.settings.words import counted, level_name, seconds_of
from decamo.storage import make_folder
from decamo.storage.outputs import Read, Written, check_outputs

if TYPE_CHECKING:
    from decamo.nn.expert_recorders import ActivationRecorder, Firing

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser) -> None:
    """Flags of ``decamo predict``."""
    parser.add_argument(
        "checkpoint",
        type=Path,
        help="a checkpoint such as best_model.pth, or an exported .onnx or .xml",
    )
    parser.add_argument(
        "files",
        type=Path,
        nargs="+",
        help="images, or folders of images, read with all folders below them",
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="where PNGs go, in folders like those of the images",
    )
    parser.add_argument(
        "--img-size", type=int, metavar="N", help="size the network sees, px (default: as trained)"
    )
    add_network(parser.add_argument, default="")
    add_views(parser.add_argument)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--precision", default="fp32", choices=("auto", "fp32", "fp16", "bf16"))
    parser.add_argument(
        "--experts", action="store_true",
        help="also draw where each expert fires: NAME_experts.png, a row for each level",
    )  # fmt: skip
    parser.add_argument(
        "--write", type=Notation, choices=(Notation.COCO, Notation.YOLO, Notation.LABELME),
        help="also write annotations to correct by hand, and a list of the least certain first",
    )  # fmt: skip
    parser.add_argument(
        "--instances", action="store_true",
        help="of --write: each connected region is an instance; else all of them are one",
    )  # fmt: skip
    parser.add_argument(
        "--max-pixels", type=int, default=MAX_PIXELS, metavar="N", help="largest image decoded"
    )
    add_data_timeout(parser.add_argument)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the list of results here")


def run(args: argparse.Namespace) -> int:
    """Predict; returns 0, or 2 if an image could not be read."""
    found = find_images(args.files, args.out)
    annotations = _annotations(args)
    _check_outputs(args, found, annotations)
    views = Views(args.flips, tuple(args.scales), args.look_closer)
    network = load(
        args.checkpoint,
        device=args.device,
        precision=args.precision,
        img_size=args.img_size,
        views=views,
        decide=args.decide,
        network=args.network,
    )
    predictor = network.predictor
    experts = _experts(network.loaded) if args.experts else None
    make_folder(args.out)
    images = [item.image for item in found.items]
    give_up_s = seconds_of("data_timeout", args.data_timeout)
    ear = Ear(say=lambda line: print(line, file=sys.stderr), give_up_s=give_up_s)
    decided = rule_for_images(images, network.trained.rules, max_pixels=args.max_pixels, ear=ear)
    if decided.line:
        print(decided.line)
    read = partial(read_image, rule=decided.rule)
    results: list[dict[str, Any]] = []
    bad = 0
    with experts.watch if experts else nullcontext():
        items = track(found.items, "predicting", disable=not sys.stderr.isatty(), transient=True)
        for item in items:
            try:
                if item.image in decided.stalled:
                    raise decided.stalled[item.image]
                image = patient_read(read, item.image, ear)
            except (UnreadableImage, DataStalled) as error:
                print(f"left out: {error}", file=sys.stderr)
                bad += 1
                continue
            probability = predictor.predict([image])[0]
            write_probability(item.map, probability)
            write_overlay(item.overlay, image, probability)
            share = float((probability >= THRESHOLD).mean())
            result = {"image": item.image, "map": item.map, "object_share": share}
            if experts:
                (firing,) = experts.watch.take()
                experts.draw(item.sheet, item.image.name, image, probability, firing)
                result |= {"sheet": item.sheet, "experts": _told(firing, experts.entropy)}
            if annotations is not None:
                result |= {"expected_iou": annotations.add(item, probability)}
            results.append(result)
    one, many = "map and overlay", "maps and overlays"
    if args.experts:
        one, many = "map, overlay and sheet of experts", "maps, overlays and sheets of experts"
    made, left_out = counted(len(results), one, many), counted(bad, "unreadable file")
    print(f"{made} in {args.out}, {left_out} left out")
    drawn = annotations.finish() if annotations is not None else []
    for line in (found.left_out(), _renamed(found), *drawn):
        if line:
            print(line)
    report = {
        "checkpoint": args.checkpoint,
        "img_size": predictor.size,
        "views": views.words(),
        "decision": args.decide,
        "left_out": {"unreadable": bad, "no_image": dict(found.others)},
        "results": results,
    }
    write_json(args.json, report)
    return 2 if bad else 0


def _annotations(args: argparse.Namespace) -> PredictedAnnotations | None:
    if args.write is None and args.instances:
        raise SettingsError("--instances", "there is no --write", "say what to write: --write coco")
    return args.write and PredictedAnnotations(args.out, args.write, args.instances)


def _check_outputs(
    args: argparse.Namespace, found: Found, annotations: PredictedAnnotations | None
) -> None:
    pictures = [p for i in found.items for p in (i.map, i.overlay, i.sheet)[: 2 + args.experts]]
    writes = [Written("--out", args.out, folder=True)]
    writes += [Written("--out", picture) for picture in pictures]
    writes += [Written("--write", p) for p in annotations.paths(found.items)] if annotations else []
    writes += [Written("--json", args.json)] if args.json else []
    reads = [Read("an image", item.image) for item in found.items]
    check_outputs([Read("CHECKPOINT", args.checkpoint), *reads], writes)


def _renamed(found: Found) -> str:
    """That some maps are not called after the stem alone."""
    if not found.renamed:
        return ""
    count, first = len(found.renamed), found.renamed[0]
    maps = "1 map has" if count == 1 else f"{count} maps have"
    return f"{maps} the whole name, since stems are alike: {first.image} -> {first.map}"


@dataclass(frozen=True)
class _Experts:
    """What draws the experts of a network."""

    watch: "ActivationRecorder"
    draw: Callable[..., None]
    entropy: Callable[..., Any]


def _experts(loaded: Loaded) -> _Experts:
    # torch and matplotlib, for the sheets alone: decisions/0007
    from decamo.nn.expert_recorders import ActivationRecorder, entropy_share
    from decamo.report.run_gallery import write_experts

    if not loaded.model.usage().numel():
        raise SettingsError("--experts", f"{loaded.model.title} has none", "leave the flag out")
    return _Experts(ActivationRecorder(loaded.model), write_experts, entropy_share)


def _told(firing: "Firing", entropy: Callable[..., Any]) -> list[dict[str, Any]]:
    """Of each level: the entropy of its gates, and of each expert its gate and mean strength."""
    entropies = entropy(firing.gates).tolist()
    return [
        {
            "level": level_name(level),
            "entropy": entropies[level],
            "gates": dict(zip(firing.names, map(float, gates), strict=True)),
            "strength": {
                n: float(one.mean()) for n, one in zip(firing.names, strength, strict=True)
            },
        }
        for level, (gates, strength) in enumerate(zip(firing.gates, firing.strength, strict=True))
    ]
