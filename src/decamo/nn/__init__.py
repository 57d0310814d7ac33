"""The network: a timm backbone, experts at each pyramid level, a top-down decoder.

``build_segmenter`` makes one from settings, ``Segmenter`` composes it, ``Prediction`` is what it
says. Everything with a learnable tensor lives here; what is minimised lives in ``losses``.
"""

from decamo.nn.backbone import STRIDES, Backbone
from decamo.nn.backbone_by_name import create_backbone
from decamo.nn.build import build_segmenter, from_architecture
from decamo.nn.calibrate import calibrate_batchnorm, needs_calibration
from decamo.nn.cost import Cost, measure_cost
from decamo.nn.prediction import NetworkOutput
from decamo.nn.segmenter import Architecture, Segmenter

__all__ = [
    "STRIDES",
    "Architecture",
    "Backbone",
    "Cost",
    "NetworkOutput",
    "Segmenter",
    "build_segmenter",
    "calibrate_batchnorm",
    "create_backbone",
    "from_architecture",
    "measure_cost",
    "needs_calibration",
]
