"""Networks as files of other runtimes: written with torch, run without it.

``writing`` and ``graph`` need torch; ``exported_predictor`` needs onnxruntime or OpenVINO alone.
"""
