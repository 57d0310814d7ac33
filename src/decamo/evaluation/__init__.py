"""Predictor or maps + metrics -> scores: `scoring` while training, the rest for publication."""

from decamo.evaluation.atlas import (
    BAND_SHARE,
    ERROR_KINDS,
    Loss,
    band_of,
    classify_errors,
    lost_iou,
    mean_loss,
)
from decamo.evaluation.bootstrap import MEASURES, RESAMPLES, interval, resampled, resamples
from decamo.evaluation.cases import Case, CaseSet, sets_of_masks, sets_of_pairs
from decamo.evaluation.compare import Comparison, compare
from decamo.evaluation.contrast import ring_contrast
from decamo.evaluation.expect import differences, read_report
from decamo.evaluation.groups import GROUPINGS, grouped
from decamo.evaluation.measuring import (
    Dropped,
    ImageResult,
    Job,
    Measurer,
    Rules,
    binary_map,
    map_of,
    measure_job,
    read_case,
)
from decamo.evaluation.methods import MapMethod, NetworkMethod, Outcome, run_method
from decamo.evaluation.names import method_names, named_path
from decamo.evaluation.network import network_jobs, network_map
from decamo.evaluation.predictions import MapFolder, fitted, match_maps, read_map
from decamo.evaluation.protocol import Protocol, prints_of
from decamo.evaluation.scoring import ImageScores, Pixels, score_chunks
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
    "ImageScores",
    "Job",
    "Loss",
    "MapFolder",
    "MapMethod",
    "Measurer",
    "NetworkMethod",
    "Outcome",
    "Pixels",
    "Protocol",
    "Rules",
    "SetScore",
    "band_of",
    "binary_map",
    "classify_errors",
    "compare",
    "differences",
    "fitted",
    "grouped",
    "interval",
    "lost_iou",
    "map_of",
    "match_maps",
    "mean_loss",
    "measure_job",
    "method_names",
    "named_path",
    "network_jobs",
    "network_map",
    "plain_score",
    "prints_of",
    "read_case",
    "read_map",
    "read_report",
    "resampled",
    "resamples",
    "ring_contrast",
    "run_method",
    "score_chunks",
    "score_set",
    "sets_of_masks",
    "sets_of_pairs",
]
