"""An OpenVINO model, run by OpenVINO, and the way from ONNX to one."""

import sys
from pathlib import Path
from typing import Any, cast

# OpenVINO reports every import and conversion to a server, in a process of its own, unless the
# package that does so is not there.
cast(dict[str, Any], sys.modules).setdefault("openvino_telemetry", None)

import numpy as np
import numpy.typing as npt
import openvino

from decamo.export.description import IMAGE, KEY, ExportDescription, Graph, unreadable

__all__ = ["open_openvino", "to_openvino"]

# Where a processor has bfloat16, OpenVINO takes it unasked.
_EXACT = {"INFERENCE_PRECISION_HINT": "f32"}


def open_openvino(path: Path) -> tuple[Graph, ExportDescription]:
    """Its graph, and what it says of itself.

    Raises:
        CheckpointForeign: it is no exported network of decamo.
    """
    try:
        model = openvino.Core().read_model(path)
        compiled = openvino.compile_model(model, "CPU", _EXACT)
    except Exception as error:  # its errors have no common kind
        raise unreadable(path, "an OpenVINO model", error) from error
    held = str(model.get_rt_info(KEY).value) if model.has_rt_info(KEY) else None
    described = ExportDescription.from_json(held, path)

    def run(images: npt.NDArray[np.uint8], output: str) -> npt.NDArray[np.float32]:
        found = compiled({IMAGE: images})
        return np.array(found[compiled.output(output)])  # its memory is used again

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
