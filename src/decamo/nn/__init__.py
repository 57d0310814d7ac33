"""The network: a timm backbone, experts at each level, a top-down decoder; or a foreign one.

``build_network`` makes one from settings, ``SegmentationNetwork`` is what the trainer asks of it,
``Segmenter`` is our own, ``ForeignNetwork`` any other, ``NetworkOutput`` is what both give.
Everything with a learnable tensor lives here; what is minimised lives in ``losses``.
"""

from decamo.nn.backbone import STRIDES, Backbone, create_backbone
from decamo.nn.build import (
    build_segmenter,
    calibrate_batchnorm,
    from_architecture,
    needs_calibration,
)
from decamo.nn.networks import build_network, network_of
from decamo.nn.segmentation_network import Architecture, NetworkOutput, SegmentationNetwork
from decamo.nn.segmenter import Segmenter

__all__ = [
    "STRIDES",
    "Architecture",
    "Backbone",
    "NetworkOutput",
    "SegmentationNetwork",
    "Segmenter",
    "build_network",
    "build_segmenter",
    "calibrate_batchnorm",
    "create_backbone",
    "from_architecture",
    "needs_calibration",
    "network_of",
]
