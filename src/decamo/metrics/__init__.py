"""Scalars to publish: one file a measure, ``suite`` joins them."""

from decamo.metrics.boundary_iou import boundary_iou
from decamo.metrics.map_measures import dice, e_measure, f_measure, iou, mae, s_measure
from decamo.metrics.measures import ImageMeasures, SetMeasures, summarize_measures
from decamo.metrics.suite import THRESHOLD, Scores, binarise, mean_scores, measure, score
from decamo.metrics.weighted_f import weighted_f

__all__ = [
    "THRESHOLD",
    "ImageMeasures",
    "Scores",
    "SetMeasures",
    "binarise",
    "boundary_iou",
    "dice",
    "e_measure",
    "f_measure",
    "iou",
    "mae",
    "mean_scores",
    "measure",
    "s_measure",
    "score",
    "summarize_measures",
    "weighted_f",
]
