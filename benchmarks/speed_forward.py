"""A forward pass of an exported network beside torch's own, in turns with it."""

import argparse
import statistics
import tempfile
from pathlib import Path

import numpy as np
import torch

from benchmarks.forward_way import EAGER, export_bare, network_of
from benchmarks.speed_lines import Line, line_of_rounds
from benchmarks.turns import waiting
from decamo.export.description import ExportTarget
from decamo.export.writing import write_export
from decamo.inference.loaded import Loaded

__all__ = ["FORWARD_GOAL", "forward_lines"]

FORWARD_GOAL = 1.8
_THREADS = 2
_BARE = "the bare backbone by OpenVINO alone"
_FILES = {
    "onnxruntime": ("net.onnx", ExportTarget.ONNX),
    "OpenVINO": ("net.xml", ExportTarget.OPENVINO),
}


def forward_lines(args: argparse.Namespace) -> tuple[list[Line], str]:
    """How many times as fast an exported network is as eager torch, one image, two threads.

    The goal is that of the best form. Each has passed the comparison that every export passes. Less
    than the backbone alone, exported too, no file of the whole network takes in OpenVINO.
    """
    with tempfile.TemporaryDirectory() as root:
        files = {EAGER: EAGER} | _exports(args, Path(root))
        times: dict[str, list[float]] = {name: [] for name in files}
        terms = [args.backbone, str(args.img_size), str(_THREADS)]
        programs = {name: [file, *terms] for name, file in files.items()}
        with waiting("benchmarks.forward_way", programs) as running:
            for turn in range(args.rounds + 2):
                for name, program in running.items():
                    seconds = program.turn()
                    if turn > 1:
                        times[name].append(seconds)
    middle = {name: statistics.median(spent) for name, spent in times.items()}
    best = min(_FILES, key=lambda name: middle[name])
    lines = []
    for name in _FILES:
        ratios = [eager / own for eager, own in zip(times[EAGER], times[name], strict=True)]
        what = f"{EAGER} / {name}: {args.backbone}, {args.img_size} px, {_THREADS} threads"
        goal = FORWARD_GOAL if name == best else None
        lines.append(line_of_rounds("forward", what, ratios, goal, at_most=False))
    most = [eager / bare for eager, bare in zip(times[EAGER], times[_BARE], strict=True)]
    lines.append(line_of_rounds("forward", f"{EAGER} / {_BARE}", most))
    told = ", ".join(f"{name} {1000 * seconds:.1f}" for name, seconds in middle.items())
    return lines, f"forward: ms an image: {told}"


def _exports(args: argparse.Namespace, folder: Path) -> dict[str, str]:
    network = network_of(args.backbone, args.img_size)
    loaded = Loaded(args.img_size, "raw", 0, model=network)
    source = folder / "weights.pth"
    torch.save(network.state_dict(), source)
    shape = (args.img_size, args.img_size, 3)
    images = [np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)]
    for file, target in _FILES.values():
        write_export(
            loaded, folder / file, target, source=source, images=images, images_are="noise"
        )
    files = {name: folder / file for name, (file, _) in _FILES.items()}
    files[_BARE] = export_bare(network, args.img_size, folder)
    return {name: str(file) for name, file in files.items()}
