"""An ONNX file, run by onnxruntime."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime

from decamo.export.description import IMAGE, KEY, Callers, ExportDescription, Graph, unreadable
from decamo.export.head_start import opened_beside
from decamo.export.onnx_session import new_session

__all__ = ["open_onnx"]


def open_onnx(path: Path, callers: Callers) -> tuple[Graph, ExportDescription]:
    """Its graph, for so many callers at once, and what it says of itself.

    Raises:
        CheckpointForeign: it is no exported network of decamo.
    """
    session = _session(path, callers)
    held = session.get_modelmeta().custom_metadata_map
    described = ExportDescription.from_json(held.get(KEY), path)

    def run(images: npt.NDArray[np.uint8], output: str) -> npt.NDArray[np.float32]:
        (found,) = session.run([output], {IMAGE: images})
        return np.asarray(found)

    return run, described


def _session(path: Path, callers: Callers) -> onnxruntime.InferenceSession:
    begun = opened_beside(path) if callers == Callers() else None
    try:
        return begun or new_session(path, callers.threads_of_each)
    except Exception as error:  # its errors have no common kind
        raise unreadable(path, "an ONNX file", error) from error
