"""Scalars to publish: one file a measure, ``suite`` joins them."""

from decamo.metrics.measures import (
    ImageMeasures,
    SetMeasures,
    dice,
    e_measure,
    f_measure,
    iou,
    mae,
    s_measure,
    summarize_measures,
)
from decamo.metrics.nearness_measures import boundary_iou, weighted_f
from decamo.metrics.suite import THRESHOLD, Scores, binarise, mean_scores, measure, score

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
