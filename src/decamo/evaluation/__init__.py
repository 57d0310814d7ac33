"""Predictor or maps + metrics -> scores: `scoring` while training, the rest for publication.

What needs torch (`network`, `scoring`) or scipy (`atlas`, `contrast`) is taken from its own module.
"""

from decamo.evaluation.bootstrap import MEASURES, RESAMPLES, interval, resampled, resamples
from decamo.evaluation.cases import Case, CaseSet, sets_of_masks, sets_of_pairs
from decamo.evaluation.compare import Comparison, compare
from decamo.evaluation.expect import differences, read_report
from decamo.evaluation.groups import GROUPINGS, grouped
from decamo.evaluation.lost import BAND_SHARE, ERROR_KINDS, Loss, band_of, mean_loss
from decamo.evaluation.measurer import Measurer
from decamo.evaluation.measuring import (
    Dropped,
    ImageResult,
    Job,
    Rules,
    binary_map,
    map_of,
    measure_job,
    read_case,
)
from decamo.evaluation.methods import MapMethod, Method, Outcome, run_method
from decamo.evaluation.names import method_names, named_path
from decamo.evaluation.predictions import MapFolder, fitted, match_maps, read_map
from decamo.evaluation.protocol import Protocol, prints_of
from decamo.evaluation.table import Group, SetScore, plain_score, score_set

__all__ = [
    "BAND_SHARE",
    "ERROR_KINDS",
    "GROUPINGS",
    "MEASURES",
    "RESAMPLES",
    "Case",
    "CaseSet",
    "Comparison",
    "Dropped",
    "Group",
    "ImageResult",
    "Job",
    "Loss",
    "MapFolder",
    "MapMethod",
    "Measurer",
    "Method",
    "Outcome",
    "Protocol",
    "Rules",
    "SetScore",
    "band_of",
    "binary_map",
    "compare",
    "differences",
    "fitted",
    "grouped",
    "interval",
    "map_of",
    "match_maps",
    "mean_loss",
    "measure_job",
    "method_names",
    "named_path",
    "plain_score",
    "prints_of",
    "read_case",
    "read_map",
    "read_report",
    "resampled",
    "resamples",
    "run_method",
    "score_set",
    "sets_of_masks",
    "sets_of_pairs",
]
