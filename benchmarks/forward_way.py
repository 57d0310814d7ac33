"""A forward pass of one kind for each line that is read: ``python -m benchmarks.forward_way``.

Each kind has a process of its own, since the threads of a runtime go on for a while after a pass
and would take the processor from the next.
"""

import os
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from decamo.export.description import LOGITS
from decamo.export.exported_predictor import open_graph
from decamo.export.graph import ExportGraph
from decamo.nn import Segmenter, build_segmenter
from decamo.settings import ModelSettings

__all__ = ["BARE", "EAGER", "export_bare", "main", "network_of"]

EAGER = "eager torch"
BARE = "bare.xml"


def network_of(backbone: str, size: int) -> Segmenter:
    """Our network with seven experts, with weights that a seed fixes, in evaluation mode."""
    settings = ModelSettings(backbone, num_experts=7, pretrained=False)
    return build_segmenter(settings, sizes=[size], initialize=False, seed=0).eval()


def export_bare(network: Segmenter, size: int, folder: Path) -> Path:
    """Write the backbone of a network, for one image of this size, as an OpenVINO model."""
    import openvino

    onnx, path = folder / "bare.onnx", folder / BARE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own, about its own future
        torch.onnx.export(
            network.backbone, (torch.zeros(1, 3, size, size),), onnx, dynamo=True, verbose=False
        )
    openvino.save_model(openvino.convert_model(onnx), path, compress_to_fp16=False)
    return path


def main(words: list[str]) -> int:
    """``FILE|eager BACKBONE SIZE THREADS``; prints the seconds of a pass for each line read."""
    file, backbone, size, threads = words[0], words[1], int(words[2]), int(words[3])
    if hasattr(os, "sched_setaffinity"):  # what the runtimes make threads by
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    torch.set_num_threads(threads)
    if file == EAGER:
        forward = _eager(backbone, size)
    elif Path(file).name == BARE:
        forward = _bare(Path(file), size)
    else:
        forward = _exported(Path(file), size)
    for _ in sys.stdin:
        forward()  # wakes the threads up
        began = time.perf_counter()
        forward()
        print(time.perf_counter() - began, flush=True)
    return 0


def _image(size: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(0).integers(0, 256, (1, 3, size, size), dtype=np.uint8)


def _eager(backbone: str, size: int) -> Callable[[], object]:
    graph, image = ExportGraph(network_of(backbone, size)).eval(), torch.from_numpy(_image(size))

    def forward() -> object:
        with torch.inference_mode():
            return graph(image)

    return forward


def _exported(path: Path, size: int) -> Callable[[], object]:
    (graph, _), image = open_graph(path), _image(size)
    return lambda: graph(image, LOGITS)


def _bare(path: Path, size: int) -> Callable[[], object]:
    import openvino

    options = {"INFERENCE_PRECISION_HINT": "f32"}
    request = openvino.compile_model(path, "CPU", options).create_infer_request()
    image = _image(size).astype(np.float32) / 255
    return lambda: request.infer([image], share_inputs=True)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
