"""Predictor or maps + metrics -> scores: `scoring` while training, the rest for publication.

From a checkpoint to its score: `api.evaluating.evaluate` opens it as `decamo.load` does and pairs
the images with their masks (`cases`, `truth`); `methods.run_method` takes a method's maps one by
one, from a network (`network.network_jobs`, by `inference.predictor`) or from files
(`predictions`), and hands them to the processes of `measurer`, in each of which
`measuring.measure_job` reads the mask and calls `metrics.measure`; `set_scores.score_set` makes
means and intervals of the images' measures.

What needs torch (`network`, `scoring`) or scipy (`error_analysis`) is taken from its own module.
"""

from decamo.evaluation.bootstrap import (
    MEASURES,
    RESAMPLES,
    Comparison,
    compare,
    interval,
    resampled,
    resamples,
)
from decamo.evaluation.breakdown import BAND_SHARE, ERROR_KINDS, Loss, band_of, mean_loss
from decamo.evaluation.cases import Case, CaseSet, sets_of_masks, sets_of_pairs
from decamo.evaluation.convention import Convention, NonCam, convention_of, differences, read_report
from decamo.evaluation.map_files import Channel, Values, to_bytes
from decamo.evaluation.measurer import AnyMeasurer, Measurer
from decamo.evaluation.measuring import (
    Dropped,
    ImageResult,
    Job,
    Rules,
    map_of,
    measure_job,
)
from decamo.evaluation.methods import MapMethod, Method, MethodOutcome, run_method
from decamo.evaluation.predictions import MapFolder, fitted, match_maps, method_names, named_path
from decamo.evaluation.score_protocol import Protocol, head_of, prints_of
from decamo.evaluation.set_scores import (
    GROUPINGS,
    Group,
    SetScore,
    grouped,
    plain_score,
    score_set,
)
from decamo.evaluation.truth import RuledSets, Truth, read_truth, rule_sets

__all__ = [
    "BAND_SHARE",
    "ERROR_KINDS",
    "GROUPINGS",
    "MEASURES",
    "RESAMPLES",
    "AnyMeasurer",
    "Case",
    "CaseSet",
    "Channel",
    "Comparison",
    "Convention",
    "Dropped",
    "Group",
    "ImageResult",
    "Job",
    "Loss",
    "MapFolder",
    "MapMethod",
    "Measurer",
    "Method",
    "MethodOutcome",
    "NonCam",
    "Protocol",
    "RuledSets",
    "Rules",
    "SetScore",
    "Truth",
    "Values",
    "band_of",
    "compare",
    "convention_of",
    "differences",
    "fitted",
    "grouped",
    "head_of",
    "interval",
    "map_of",
    "match_maps",
    "mean_loss",
    "measure_job",
    "method_names",
    "named_path",
    "plain_score",
    "prints_of",
    "read_report",
    "read_truth",
    "resampled",
    "resamples",
    "rule_sets",
    "run_method",
    "score_set",
    "sets_of_masks",
    "sets_of_pairs",
    "to_bytes",
]
