"""Static quantization to 8 bits, with what it costs and brings measured beside it."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median

import numpy as np
import numpy.typing as npt
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from decamo.errors import ExportError
from decamo.export.array_resize import squashed
from decamo.export.description import IMAGE, LOGITS, Graph, Int8, Judged
from decamo.export.exported_predictor import ExportedPredictor
from decamo.inference.views import Views
from decamo.metrics import score

__all__ = ["MOST_LOSS", "insist_on_use", "quantization_cost", "quantized"]

MOST_LOSS = 0.01
"""Mean IoU that quantization may cost."""

_TIMED = 9  # forward passes each, in turns
_FEWEST = 2

_Image = npt.NDArray[np.uint8]


class _Images(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, images: Sequence[_Image], size: int) -> None:
        self._left: Iterator[_Image] = iter(images)
        self._size = (size, size)

    def get_next(self) -> dict[str, _Image] | None:
        image = next(self._left, None)
        return None if image is None else {IMAGE: squashed(image, self._size)[None]}


def quantized(onnx: Path, path: Path, images: Sequence[_Image], size: int) -> None:
    """Write an ONNX file with 8-bit convolutions and products.

    Args:
        onnx: the file in float32.
        path: of the new one.
        images: from which the ranges of activations are taken, RGB uint8 ``[H, W, 3]``.
        size: side that they are resized to, in px.

    Raises:
        ExportError: there are too few images.
    """
    if len(images) < _FEWEST:
        raise ExportError("--int8", f"got {len(images)} images", "give a data set of more")
    prepared = path.with_suffix(".prepared")
    quant_pre_process(onnx, prepared, skip_symbolic_shape=True)
    quantize_static(
        prepared,
        path,
        _Images(images, size),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=["Conv", "MatMul", "Gemm"],
        per_channel=True,
        weight_type=QuantType.QInt8,
        activation_type=QuantType.QUInt8,
        # Whole cores of 8-bit products overflow 16 bits on processors without VNNI.
        reduce_range=True,
    )


def quantization_cost(
    before: Graph, after: Graph, cases: Sequence[Judged], size: int, calibrated_on: int
) -> Int8:
    """What quantization costs in IoU and brings in time, on this machine.

    Args:
        before: the graph in float32.
        after: in 8 bits.
        cases: images with masks, none of those that the ranges were taken from.
        size: side that the network sees, in px.
        calibrated_on: images that the ranges were taken from.
    """
    losses = [_iou(before, one, size) - _iou(after, one, size) for one in cases]
    batch = squashed(cases[0].image, (size, size))[None]
    slow, fast = _times([lambda: before(batch, LOGITS), lambda: after(batch, LOGITS)])
    return Int8(float(np.mean(losses)), max(losses), slow / fast, calibrated_on, len(cases))


def insist_on_use(found: Int8) -> None:
    """Refuse what costs too much or brings nothing.

    Raises:
        ExportError: it loses over :data:`MOST_LOSS` of mean IoU, or is not faster here.
    """
    lost = f"loses {found.iou_loss:.4f} IoU (worst image {found.worst_loss:.3f})"
    speed = f"takes 1/{found.speed:.2f} of the time"
    if found.iou_loss > MOST_LOSS or found.speed <= 1:
        raise ExportError(
            "--int8", f"{lost} and {speed} here", "export without it, or give --int8-anyway"
        )


def _iou(graph: Graph, case: Judged, size: int) -> float:
    map = ExportedPredictor(graph, size, Views()).predict([case.image])[0]
    return score(map, case.mask, case.void).iou


def _times(passes: Sequence[Callable[[], object]]) -> list[float]:
    """Median seconds of each, taken in turns, so that a busy moment falls on all of them."""
    seconds: list[list[float]] = [[] for _ in passes]
    for _ in range(_TIMED):
        for one, kept in zip(passes, seconds, strict=True):
            start = time.perf_counter()
            one()
            kept.append(time.perf_counter() - start)
    return [median(kept) for kept in seconds]
