"""An ONNX file as onnxruntime holds it: loaded and optimized for this processor."""

from pathlib import Path

import onnxruntime

__all__ = ["new_session"]

_ERRORS_ONLY = 3


def new_session(path: Path, threads: int = 0) -> onnxruntime.InferenceSession:
    """The file, each call with so many threads (0: as many as onnxruntime takes).

    Raises:
        Exception: of no common kind, where it is no ONNX file.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
