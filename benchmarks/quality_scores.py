"""Scores of trained networks, made as ``decamo evaluate`` makes them, and kept as files."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.quality_terms import differing
from benchmarks.quality_train import Trained
from decamo.data.layouts import find_pairs
from decamo.errors import SettingsError
from decamo.evaluation import CaseSet, Measurer, run_method, sets_of_pairs
from decamo.evaluation.network import NetworkMethod
from decamo.evaluation.set_scores import measures_of
from decamo.evaluation.truth import rule_sets
from decamo.inference.predictor import Predictor
from decamo.inference.views import Views
from decamo.metrics import summarize_measures
from decamo.storage import write_whole
from decamo.training.runtime import Runtime

__all__ = [
    "SCORES",
    "SHARES",
    "Score",
    "SetScores",
    "kept_score",
    "read_score",
    "score_trained",
    "sets_under",
    "write_score",
]

SCORES = ("iou", "dice", "mae", "s", "weighted_f")
"""Fields of :class:`decamo.metrics.ImageMeasures` that are kept of each image."""
SHARES = ("found_share", "object_share")
"""As well, but missing in files of before they were measured."""


@dataclass(frozen=True)
class SetScores:
    """One network on one test set.

    Attributes:
        images: their stems, in order.
        scores: each of :data:`SCORES` of each image, in that order; of :data:`SHARES` if known.
        ece: calibration error of the set, which is no mean over images; None where not measured.
    """

    images: tuple[str, ...]
    scores: Mapping[str, tuple[float, ...]]
    ece: float | None = None

    def array(self, name: str) -> npt.NDArray[np.float64]:
        """A score of each image, float64 ``[images]``."""
        return np.array(self.scores[name], dtype=np.float64)

    def mean(self, name: str) -> float:
        """The mean of a score over the images."""
        return float(self.array(name).mean())


@dataclass(frozen=True)
class Score:
    """One network of one seed on all test sets.

    Attributes:
        told: all that the scores depend on, as plain values.
        epochs: that it was trained.
        seconds: that its training took.
        weights: ``raw`` or ``average``.
        sets: name of the test set -> scores.
    """

    told: Mapping[str, Any]
    epochs: int
    seconds: float
    weights: str
    sets: Mapping[str, SetScores]

    @property
    def network(self) -> str:
        """Name of the network."""
        return str(self.told["network"])

    @property
    def seed(self) -> int:
        """Seed of the run."""
        return int(self.told["seed"])

    def plain(self) -> dict[str, Any]:
        """Plain values, for a file; means stand beside the images' own scores."""
        return {
            "told": dict(self.told),
            "epochs": self.epochs,
            "seconds": self.seconds,
            "weights": self.weights,
            "sets": {
                name: {
                    "means": {score: found.mean(score) for score in found.scores},
                    "ece": found.ece,
                    "images": list(found.images),
                    "scores": {score: list(values) for score, values in found.scores.items()},
                }
                for name, found in self.sets.items()
            },
        }


def sets_under(dataset_path: Sequence[Path]) -> list[CaseSet]:
    """Every test set under the folders.

    Raises:
        DataError: there is none.
    """
    return list(rule_sets(sets_of_pairs(find_pairs(dataset_path, "test").pairs), images=True).sets)


def score_trained(
    trained: Trained,
    told: Mapping[str, Any],
    sets: Sequence[CaseSet],
    measurer: Measurer,
    runtime: Runtime,
    size: int,
    views: Views,
    decision: str,
) -> Score:
    """Score a network by the code of ``decamo evaluate``, so that its numbers are that command's.

    Args:
        trained: the network.
        told: all that its scores depend on.
        sets: the test sets.
        measurer: scores maps.
        runtime: the device; the forward pass is in float32, whatever it was trained in.
        size: side of the square that the network sees, in px.
        views: of each image, whose maps are averaged.
        decision: which pixels are called object.

    Raises:
        DataError: too much of a set cannot be read.
    """
    predictor = Predictor(trained.model, size, runtime.device, views=views, decision=decision)
    facts = {
        "source": "network",
        "weights": f"{trained.weights} weights of epoch {trained.epochs}",
        "network_px": size,
        "tta": views.words(),
        "decision": decision,
        "precision": "float32",
    }
    method = NetworkMethod(str(told["network"]), predictor, facts)
    found, kept = {}, (*SCORES, *SHARES)
    for cases in sets:
        results = run_method(method, cases, measurer, split="test").results
        found[cases.name] = SetScores(
            tuple(result.stem for result in results),
            {name: tuple(getattr(r.measures, name) for r in results) for name in kept},
            summarize_measures(measures_of(results)).ece,
        )
    return Score(told, trained.epochs, trained.seconds, trained.weights, found)


def write_score(path: Path, score: Score) -> None:
    """Keep a score.

    Raises:
        StorageError: it cannot be written.
    """
    write_whole(path, (json.dumps(score.plain(), indent=1) + "\n").encode())


def read_score(path: Path, told: Mapping[str, Any], sets: Sequence[CaseSet]) -> Score | None:
    """A score that was kept; None where there is none yet.

    Args:
        path: its file.
        told: all that it should depend on.
        sets: that are to be scored.

    Raises:
        SettingsError: it depends on something else, is of other images, or is no such file.
    """
    if not path.exists():
        return None
    score = kept_score(path)
    words = differing(score.told, json.loads(json.dumps(told)))
    words += differing(sorted(score.sets), sorted(one.name for one in sets), "the test sets")
    for one in sets:
        stems = {case.stem for case in one.cases}
        if one.name in score.sets and (gone := set(score.sets[one.name].images) - stems):
            words.append(f"{len(gone)} images of {one.name} are not there now")
    if words:
        raise SettingsError(
            path,
            f"made under other settings: {', '.join(words)}",
            "name another folder by --work, or remove it and the run folder beside it",
        )
    return score


def kept_score(path: Path) -> Score:
    """A score that was kept, whatever it depends on.

    Raises:
        SettingsError: it is no such file.
    """
    try:
        plain = json.loads(path.read_text())
        sets = {
            name: SetScores(
                tuple(held["images"]),
                {
                    score: tuple(held["scores"][score])
                    for score in (*SCORES, *(share for share in SHARES if share in held["scores"]))
                },
                held.get("ece"),
            )
            for name, held in plain["sets"].items()
        }
        return Score(plain["told"], plain["epochs"], plain["seconds"], plain["weights"], sets)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsError(path, f"cannot be read ({error})", "remove it") from error
