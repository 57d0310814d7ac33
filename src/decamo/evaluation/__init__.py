"""Predictor + metrics -> scores; the one way to a number, in training as after it."""

from decamo.evaluation.scoring import ImageScores, score_pairs

__all__ = ["ImageScores", "score_pairs"]
