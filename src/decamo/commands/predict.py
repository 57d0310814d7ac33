"""``decamo predict``: images in, probability maps out, at native size."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from decamo.api.model import load
from decamo.api.predict_request import PredictRequest
from decamo.api.predicting import PredictionJob
from decamo.cluster.worker_crew import loaded_here, workers_of
from decamo.data.inside import Notation
from decamo.data.rules import MAX_PIXELS
from decamo.data.waiting import Ear
from decamo.errors import SettingsError
from decamo.flags import (
    Parser,
    add_data_timeout,
    add_network,
    add_place,
    add_views,
    write_json,
)
from decamo.inference.inputs import Found, Item, camera_found, find_images
from decamo.inference.prediction_log import PredictedLine
from decamo.inference.shard import InputShard
from decamo.inference.sources import read_sources
from decamo.inference.views import Views
from decamo.report.rate import progress_of
from decamo.settings.words import counted, seconds_of

__all__ = ["add_arguments", "run"]

# (with overlays, with sheets): what is written of an image, and of several
_PICTURES = {
    (False, False): ("map", "maps"),
    (True, False): ("map and overlay", "maps and overlays"),
    (False, True): ("map and sheet of experts", "maps and sheets of experts"),
    (True, True): ("map, overlay and sheet of experts", "maps, overlays and sheets of experts"),
}


def add_arguments(parser: Parser) -> None:
    """Flags of ``decamo predict``."""
    parser.add_argument(
        "checkpoint",
        type=Path,
        help="a checkpoint such as best_model.pth, or an exported .onnx or .xml",
    )
    parser.add_argument(
        "files",
        nargs="+",
        help="images and videos; folders or zips, read with all folders below; a quoted pattern;"
        " @FILE or - (standard input) for a path a line; camera:0",
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="where PNGs go, in folders like those of the images; a video's mp4 too",
    )
    parser.add_argument(
        "--img-size", type=int, metavar="N", help="size the network sees, px (default: as trained)"
    )
    add_network(parser.add_argument, default="")
    add_views(parser.add_argument)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--precision", default="fp32", choices=("auto", "fp32", "fp16", "bf16"))
    parser.add_argument(
        "--batch", type=int, default=1, metavar="N",
        help="images that go through the network together; may move last bits (default 1)",
    )  # fmt: skip
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
    _add_lines(parser.add_argument)
    add_place(parser, "worker")


def _add_lines(add: Callable[..., Any]) -> None:
    add("--jsonl", type=Path, metavar="FILE",
        help="a JSON line for each image as it is done: files, area, box, confidence, expected"
        " IoU")  # fmt: skip
    add("--resume", action="store_true",
        help="of --jsonl: go on where an earlier run ended or was killed")  # fmt: skip
    add("--shard", type=InputShard.parse, default=InputShard(), metavar="I/N",
        help="only the I-th of N shares; all shares together are the whole")  # fmt: skip
    add("--overlay", action="store_true",
        help="also NAME_overlay.png, the image with the object in orange; of a video: its frames"
        " with it, not grey maps")  # fmt: skip
    add("--smooth", type=float, default=0.0, metavar="SECONDS",
        help="of a video: average its maps over time, so that they do not flicker")  # fmt: skip
    add("--json", type=Path, metavar="FILE", help="write the list of results here")
    add("--workers", type=int, metavar="N",
        help="of --on: how many (default: as many as there is room and work for)")  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Predict; returns 0, or 2 if an image could not be read."""
    workers = workers_of(
        args.on, count=args.workers, cpus=args.cpus_per_worker, gpus=args.gpus_per_worker,
        device=args.device, precision=args.precision,
    )  # fmt: skip
    if args.workers is not None and workers is None:
        raise SettingsError("--workers", "there is no --on", "say where: --on ray")
    request = PredictRequest(
        args.out, args.batch, args.experts, args.write, args.instances, args.shard,
        args.jsonl, args.resume, args.overlay, args.smooth, workers,
    )  # fmt: skip
    sources = read_sources(args.files, _standard_input)
    if sources.camera is None:
        found = find_images(sources.paths, args.out)
    else:
        found = camera_found(sources.camera, args.out)
    job = PredictionJob(found, request, print, _complain)
    job.ear = Ear(say=_complain, give_up_s=seconds_of("data_timeout", args.data_timeout))
    job.in_order = args.json is not None
    job.check(args.checkpoint, args.json)
    views = Views(args.flips, tuple(args.scales), args.look_closer)
    device, precision = loaded_here(workers, args.device, args.precision)
    network = load(
        args.checkpoint,
        device=device,
        precision=precision,
        img_size=args.img_size,
        views=views,
        decide=args.decide,
        max_pixels=args.max_pixels,
        network=args.network,
    )
    results: list[dict[str, Any]] = []
    total = None if found.videos else len(job.items)
    with progress_of(sys.stderr, "predicted", total) as advance:

        def on_done(item: Item, line: PredictedLine) -> None:
            advance()
            if args.json:
                results.append(_result(item, line, args))

        job.on_done, job.on_frame = on_done, advance
        drawn = job.run(network)
    _tell(job, found, drawn, args)
    report = {
        "checkpoint": args.checkpoint,
        "img_size": network.predictor.size,
        "views": views.words(),
        "decision": args.decide,
        "left_out": {"unreadable": job.bad, "no_image": dict(found.others)},
        "results": results,
    }
    report |= {"videos": [video.to_plain() for video in job.videos]} if job.videos else {}
    write_json(args.json, report)
    return 2 if job.bad else 0


def _standard_input() -> bytes:
    return sys.stdin.buffer.read()


def _complain(line: str) -> None:
    print(line, file=sys.stderr)


def _result(item: Item, line: PredictedLine, args: argparse.Namespace) -> dict[str, Any]:
    told = {"image": item.image, "map": item.map, "object_share": line.figures.object_share}
    if args.experts:
        told |= {"sheet": item.sheet, "experts": line.experts}
    return told | ({"expected_iou": line.figures.expected_iou} if args.write else {})


def _tell(job: PredictionJob, found: Found, drawn: list[str], args: argparse.Namespace) -> None:
    one, many = _PICTURES[args.overlay, args.experts]
    made, left_out = counted(job.lines, one, many), counted(job.bad, "unreadable file")
    if job.items or not job.videos:
        print(f"{made} in {args.out}, {left_out} left out")
    for video in job.videos:
        frames, broken = counted(video.frames, "frame"), counted(video.broken, "broken frame")
        print(f"{video.output}: {frames} at {video.rate:.5g} a second, {broken} left out")
    before = f"{counted(job.before, 'input')} done before, by {args.jsonl}" if job.before else ""
    for line in (before, found.left_out(), _renamed(found), *drawn):
        if line:
            print(line)


def _renamed(found: Found) -> str:
    """That some maps are not called after the stem alone."""
    if not found.renamed:
        return ""
    count, first = len(found.renamed), found.renamed[0]
    maps = "1 map has" if count == 1 else f"{count} maps have"
    return f"{maps} the whole name, since stems are alike: {first.image} -> {first.map}"
