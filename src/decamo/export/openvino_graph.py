"""An OpenVINO model, run by OpenVINO, and the way from ONNX to one."""

import sys
import threading
from pathlib import Path
from typing import Any, cast

# OpenVINO reports every import and conversion to a server, in a process of its own, unless the
# package that does so is not there.
cast(dict[str, Any], sys.modules).setdefault("openvino_telemetry", None)

import numpy as np
import numpy.typing as npt
import openvino

from decamo.export.description import IMAGE, KEY, Callers, ExportDescription, Graph, unreadable

__all__ = ["open_openvino", "to_openvino"]

# Where a processor has bfloat16, OpenVINO takes it unasked.
_EXACT = {"INFERENCE_PRECISION_HINT": "f32"}


# A graph of one size runs in 0.85 of the time of one for all; making it takes most of a second.
_MOST_SIZES = 8


class _BySize:
    """A model, compiled for each size and batch that comes; for all others once there are many."""

    def __init__(self, model: openvino.Model, callers: Callers) -> None:
        self._model = model
        self._options: dict[str, Any] = dict(_EXACT)
        if callers.number > 1:
            threads = callers.number * callers.threads_of_each
            self._options |= {"NUM_STREAMS": callers.number, "INFERENCE_NUM_THREADS": threads}
        self._made: dict[tuple[int, ...], openvino.CompiledModel] = {}
        self._any: openvino.CompiledModel | None = None
        self._one_at_a_time = threading.Lock()
        self._own = threading.local()

    def request(self, shape: tuple[int, ...]) -> openvino.InferRequest:
        """This thread's own, for images of this shape, ``[N, 3, H, W]``.

        A compiled model that is called has one for all, and gives threads each other's results
        (2026.4.1, ``findings/openvino-call-in-threads.sh``).
        """
        with self._one_at_a_time:
            compiled = self._compiled(shape)
        held: dict[str, openvino.InferRequest] = self._own.__dict__
        key = str(id(compiled))  # which is kept as long as this
        if key not in held:
            held[key] = compiled.create_infer_request()
        return held[key]

    def _compiled(self, shape: tuple[int, ...]) -> openvino.CompiledModel:
        if shape not in self._made and len(self._made) < _MOST_SIZES:
            fixed = self._model.clone()
            fixed.reshape({IMAGE: list(shape)})
            self._made[shape] = openvino.compile_model(fixed, "CPU", self._options)
        if shape in self._made:
            return self._made[shape]
        if self._any is None:
            self._any = openvino.compile_model(self._model, "CPU", self._options)
        return self._any


def open_openvino(path: Path, callers: Callers) -> tuple[Graph, ExportDescription]:
    """Its graph, for so many callers at once, and what it says of itself.

    Raises:
        CheckpointForeign: it is no exported network of decamo.
    """
    try:
        model = openvino.Core().read_model(path)
        sizes = _BySize(model, callers)
    except Exception as error:  # its errors have no common kind
        raise unreadable(path, "an OpenVINO model", error) from error
    held = str(model.get_rt_info(KEY).value) if model.has_rt_info(KEY) else None
    described = ExportDescription.from_json(held, path)

    def run(images: npt.NDArray[np.uint8], output: str) -> npt.NDArray[np.float32]:
        request = sizes.request(images.shape)
        request.infer({IMAGE: images}, share_inputs=True)
        return np.array(request.get_tensor(output).data)  # its memory is used again

    return run, described


def to_openvino(onnx: Path, path: Path, description: str) -> None:
    """Write an ONNX file as an OpenVINO model: ``path`` and its weights beside it.

    Args:
        onnx: the file.
        path: ends in ``.xml``.
        description: what the model says of itself.
    """
    model = openvino.convert_model(onnx)
    model.set_rt_info(description, KEY)
    # Its default of float16 moves logits by up to 7.5e-3.
    openvino.save_model(model, path, compress_to_fp16=False)
