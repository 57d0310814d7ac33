"""Networks as files of other runtimes: written with torch, run without it.

``writing`` and ``graph`` need torch; ``exported_predictor`` needs onnxruntime or OpenVINO alone.
"""

from decamo.export.description import ExportDescription, ExportTarget, target_of

__all__ = ["ExportDescription", "ExportTarget", "target_of"]
