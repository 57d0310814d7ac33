"""Scalars to publish: one file a measure, ``suite`` joins them."""

from decamo.metrics.mae import mae
from decamo.metrics.overlap import dice, iou
from decamo.metrics.suite import THRESHOLD, Scores, mean_scores, score

__all__ = ["THRESHOLD", "Scores", "dice", "iou", "mae", "mean_scores", "score"]
