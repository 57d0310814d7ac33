"""An ONNX file, run by onnxruntime."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime

from decamo.export.description import IMAGE, KEY, Callers, ExportDescription, Graph, unreadable

__all__ = ["open_onnx"]

_ERRORS_ONLY = 3


def open_onnx(path: Path, callers: Callers) -> tuple[Graph, ExportDescription]:
    """Its graph, for so many callers at once, and what it says of itself.

    Raises:
        CheckpointForeign: it is no exported network of decamo.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    options.intra_op_num_threads = callers.threads_of_each
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors have no common kind
        raise unreadable(path, "an ONNX file", error) from error
    held = session.get_modelmeta().custom_metadata_map
    described = ExportDescription.from_json(held.get(KEY), path)

    def run(images: npt.NDArray[np.uint8], output: str) -> npt.NDArray[np.float32]:
        (found,) = session.run([output], {IMAGE: images})
        return np.asarray(found)

    return run, described
